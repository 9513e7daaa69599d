//! How is one request sent on a connection, and what does it mean when it gets no response?

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};

use super::body::Http2Body;
use super::connection::{Shared, Slot};

/// How long a body waits beside others for the server to take any of it. Then it is sent on another connection.
const STALL: Duration = Duration::from_secs(1);

/// Headers of one connection, which HTTP/2 does not have (RFC 9113, section 8.2.2).
const OF_CONNECTION: [HeaderName; 7] = [
    CONNECTION,
    HOST,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Why a request has no response.
pub(in crate::net) enum SendError {
    /// The server has not processed it: it was not sent, or the server says so (RFC 9113, section 8.7).
    Unprocessed(String),
    /// The same, and HTTP/1.1 is required.
    RequiresHttp1,
    /// It may have been processed.
    Broken {
        cause: String,
        /// What TLS reported as it ended.
        tls_error: Option<rustls::Error>,
    },
}

impl Slot {
    /// Sends a request and waits for the head of the response. A request that is dropped meanwhile is cancelled
    /// (`RST_STREAM`), as is a response whose body is dropped.
    pub(in crate::net) async fn send(
        mut self,
        method: &Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Http2Body>, SendError> {
        let request = request(method, uri, headers, body.len());
        let is_empty = body.is_empty();
        let sent = self.requests.send_request(request, is_empty);
        let (response, stream) = sent.map_err(|error| SendError::Unprocessed(words(&error, &self.shared)))?;
        let mut upload = (!is_empty).then(|| Upload::new(stream, body, &self.shared));
        let head = head(response, &mut upload).await;
        self.note_head();
        match head {
            Ok(response) => Ok(response.map(|body| Http2Body::new(body, upload, self))),
            Err(Some(error)) => Err(classify(&error, &self.shared)),
            Err(None) => Err(SendError::Unprocessed("the server takes no more on this connection".to_owned())),
        }
    }
}

/// Waits for the head while the body is sent. `Err(None)`: nothing of the body could be sent, and it is cancelled.
async fn head(
    mut response: ResponseFuture,
    upload: &mut Option<Upload>,
) -> Result<Response<RecvStream>, Option<h2::Error>> {
    let mut wait = |cx: &mut Context<'_>, upload: &mut Option<Upload>| {
        poll_upload(upload, cx);
        std::pin::Pin::new(&mut response).poll(cx)
    };
    let first = poll_fn(|cx| Poll::Ready(wait(cx, upload))).await;
    if let Poll::Ready(head) = first {
        return head.map_err(Some);
    }
    if upload.as_ref().is_some_and(Upload::is_waiting) {
        let moved = poll_fn(|cx| match wait(cx, upload) {
            Poll::Ready(head) => Poll::Ready(Some(head)),
            Poll::Pending if upload.as_ref().is_some_and(Upload::is_waiting) => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        });
        match tokio::time::timeout(STALL, moved).await {
            Ok(Some(head)) => return head.map_err(Some),
            Ok(None) => {}
            Err(_) if upload.as_mut().is_some_and(Upload::give_way) => return Err(None),
            Err(_) => {}
        }
    }
    poll_fn(|cx| wait(cx, upload)).await.map_err(Some)
}

/// Sends what the server takes of a body.
pub(super) fn poll_upload(upload: &mut Option<Upload>, cx: &mut Context<'_>) {
    // What an upload fails with, the response tells too.
    if upload.as_mut().is_some_and(|upload| upload.poll(cx).is_ready()) {
        *upload = None;
    }
}

/// A request in HTTP/2's form.
fn request(method: &Method, uri: &Uri, mut headers: HeaderMap, length: usize) -> Request<()> {
    let mut uri = uri.clone();
    // A user's own `Host` header names the authority.
    if let Some(authority) = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok()) {
        let mut parts = uri.clone().into_parts();
        parts.authority = Some(authority);
        parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        uri = Uri::from_parts(parts).unwrap_or(uri);
    }
    for name in &OF_CONNECTION {
        headers.remove(name);
    }
    if length > 0 || method == Method::POST {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let mut request = Request::new(());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    request
}

/// A body that is being sent, as the server's window allows.
pub(super) struct Upload {
    stream: SendStream<Bytes>,
    rest: Bytes,
    /// Some of it has been sent.
    has_begun: bool,
    /// It waits for the window, and is counted in `shared`.
    is_counted: bool,
    shared: Arc<Shared>,
}

impl Upload {
    fn new(stream: SendStream<Bytes>, rest: Bytes, shared: &Arc<Shared>) -> Self {
        Self { stream, rest, has_begun: false, is_counted: false, shared: Arc::clone(shared) }
    }

    /// Ready when all is sent, or when no more is wanted.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.rest.is_empty() {
            self.stream.reserve_capacity(self.rest.len());
            let room = match self.stream.capacity() {
                0 => match self.stream.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(0))) => continue,
                    Poll::Ready(Some(Ok(room))) => room,
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                    Poll::Pending => {
                        self.count();
                        return Poll::Pending;
                    }
                },
                room => room,
            };
            let part = self.rest.split_to(room.min(self.rest.len()));
            self.has_begun = true;
            self.shared.is_stalled.store(false, Ordering::Relaxed);
            if self.stream.send_data(part, self.rest.is_empty()).is_err() {
                return Poll::Ready(());
            }
        }
        Poll::Ready(())
    }

    fn count(&mut self) {
        if !self.is_counted {
            self.is_counted = true;
            self.shared.uploads.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Nothing of it has been sent, because the server takes nothing now.
    fn is_waiting(&self) -> bool {
        !self.has_begun
    }

    /// Cancels it if others wait as well: this server's window is full, and the next request goes elsewhere.
    fn give_way(&mut self) -> bool {
        let gives_way = !self.has_begun && self.shared.uploads.load(Ordering::Relaxed) > 1;
        if gives_way {
            self.shared.is_stalled.store(true, Ordering::Relaxed);
            self.stream.send_reset(Reason::CANCEL);
        }
        gives_way
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_counted {
            self.shared.uploads.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What an error on a stream means for the request.
fn classify(error: &h2::Error, shared: &Shared) -> SendError {
    let cause = words(error, shared);
    let is_of_server = error.is_remote() && (error.is_reset() || error.is_go_away());
    match error.reason() {
        Some(Reason::HTTP_1_1_REQUIRED) if is_of_server => SendError::RequiresHttp1,
        Some(Reason::REFUSED_STREAM) if is_of_server => SendError::Unprocessed(cause),
        // h2 tells so only of streams after the last one that the server names.
        _ if error.is_remote() && error.is_go_away() => SendError::Unprocessed(cause),
        _ => SendError::Broken { cause, tls_error: shared.activity.tls_error() },
    }
}

/// Why a stream ended, in words for the user.
pub(super) fn words(error: &h2::Error, shared: &Shared) -> String {
    if let Some(cause) = shared.cause() {
        return cause;
    }
    let reason = error.reason();
    let name = reason.map_or_else(|| "unknown".to_owned(), |reason| format!("{reason:?}"));
    match reason {
        Some(_) if error.is_remote() && error.is_go_away() => format!("the server ended the connection ({name})"),
        Some(_) if error.is_remote() => format!("the server ended the stream ({name})"),
        Some(_) => format!("the server does not keep to the rules of HTTP/2 ({name})"),
        None if error.is_io() => match error.get_io().map(std::io::Error::kind) {
            Some(std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::UnexpectedEof) | None => {
                "the server closed the connection".to_owned()
            }
            Some(_) => error.to_string(),
        },
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_server_once_and_nothing_of_the_connection() {
        for (uri, host, authority, path) in [
            ("https://example.com/mcp?a=b", None, "example.com", "/mcp?a=b"),
            ("https://[::1]:8443/mcp", None, "[::1]:8443", "/mcp"),
            ("https://example.com", Some("other.example:81"), "other.example:81", "/"),
            ("https://example.com/", Some("not a host"), "example.com", "/"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, HeaderValue::from_static(host));
            }
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            headers.insert("x-own", HeaderValue::from_static("1"));
            let request = request(&Method::POST, &uri.parse().unwrap(), headers, 7);
            assert_eq!(request.uri().authority().map(Authority::as_str), Some(authority));
            assert_eq!(request.uri().path_and_query().map_or("/", PathAndQuery::as_str), path);
            let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
            assert_eq!(names.len(), 2, "{names:?}");
            assert_eq!(request.headers()[CONTENT_LENGTH], "7");
        }
    }
}
