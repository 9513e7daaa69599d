//! How are requests sent to the server? Each once, without renewing a login, and with all that the response shows.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use serde_json::Value;

use super::context::Way;
use crate::auth::HeldLogin;
use crate::log;
use crate::message::{self, Message};
use crate::net::{self, HttpError, ResponseBody, ResponseOrRedirect};
use crate::translate::to_modern::{Client, NotificationFilter, SubscriptionEvent};
use crate::translate::{LEGACY_REVISIONS, MODERN_REVISIONS};
use crate::upstream::{
    EventStream, PROTOCOL_VERSION, SESSION_ID, events_of, get_headers, has_type, http_sse_endpoint, modern_headers,
    post_headers,
};

/// How many redirects are followed.
const MOST_REDIRECTS: u32 = 5;

/// How long one request may take.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(8);

/// How long the end of the session may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// The most of a response that is read, in bytes.
const LONGEST: usize = 32 * 1024 * 1024;

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Trouble {
    Http(HttpError),
    /// The credential cannot be had from its source.
    Credential(String),
    Silent,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// It is an event stream that was sent as a whole.
    pub(super) is_buffered: bool,
}

#[derive(Debug)]
pub(super) enum Body {
    /// The message that answers.
    Message(Message),
    /// Anything else.
    Other(Vec<u8>),
}

impl Response {
    pub(super) fn message(&self) -> Option<&Message> {
        match &self.body {
            Body::Message(message) => Some(message),
            Body::Other(_) => None,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Message(message) => message.text(),
            Body::Other(bytes) => bytes,
        }
    }

    /// A member of a message, `result` or `error`.
    pub(super) fn member(&self, name: &str) -> Option<Value> {
        serde_json::from_str(self.message()?.members()?.get(name)?).ok()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// The requests to one server.
pub(super) struct Talk<'a> {
    way: &'a Way<'a>,
    /// Where redirects have led.
    pub(super) uri: Uri,
    pub(super) has_moved: bool,
    /// The headers of the session.
    session: HeaderMap,
    /// How modern requests are made.
    modern: Option<Client>,
    /// The stream of HTTP+SSE, and where its messages go.
    stream: Option<(EventStream, Uri)>,
    /// What the last request was authorized with.
    pub(super) login: Option<HeldLogin>,
    last_id: u32,
}

impl<'a> Talk<'a> {
    pub(super) fn new(way: &'a Way<'a>) -> Self {
        Self {
            way,
            uri: way.server().clone(),
            has_moved: false,
            session: HeaderMap::new(),
            modern: None,
            stream: None,
            login: None,
            last_id: 0,
        }
    }

    fn limit(&self) -> usize {
        self.way.settings.upstream.max_message.min(LONGEST)
    }

    /// The client's `initialize`.
    pub(super) fn initialize() -> String {
        let info = serde_json::json!({ "name": "mcp-ferry", "version": env!("CARGO_PKG_VERSION") });
        let params =
            serde_json::json!({ "protocolVersion": LEGACY_REVISIONS[0], "capabilities": {}, "clientInfo": info });
        params.to_string()
    }

    /// From now on requests are those of the modern era.
    pub(super) fn become_modern(&mut self, is_modern: bool) {
        let initialize = message::request("0", "initialize", &Self::initialize());
        self.modern = is_modern.then(|| Client::of(&initialize, MODERN_REVISIONS[0], false));
    }

    pub(super) fn is_modern(&self) -> bool {
        self.modern.is_some()
    }

    pub(super) fn is_http_sse(&self) -> bool {
        self.stream.is_some()
    }

    /// The session that this response has opened.
    pub(super) fn set_session(&mut self, response: &Response, revision: &str) {
        self.session.clear();
        if let Some(id) = response.headers.get(SESSION_ID).filter(|id| !id.is_empty()) {
            let mut id = id.clone();
            id.set_sensitive(true);
            self.session.insert(SESSION_ID, id);
        }
        if let Ok(revision) = HeaderValue::from_str(revision) {
            self.session.insert(PROTOCOL_VERSION, revision);
        }
    }

    pub(super) fn has_session(&self) -> bool {
        self.session.contains_key(SESSION_ID)
    }

    /// Sends a request. `params` is JSON text.
    pub(super) async fn request(&mut self, method: &str, params: &str) -> Result<Response, Trouble> {
        self.last_id += 1;
        let id = self.last_id.to_string();
        let message = match &self.modern {
            Some(client) => client.request(&id, method, params),
            None => message::request(&id, method, &params),
        };
        self.post(&message).await
    }

    /// Sends a notification.
    pub(super) async fn notify(&mut self, method: &str) -> Result<Response, Trouble> {
        self.post(&message::notification_without_params(method)).await
    }

    async fn post(&mut self, message: &Message) -> Result<Response, Trouble> {
        let mut headers = if self.modern.is_some() { modern_headers(message) } else { post_headers() };
        headers.extend(self.session.clone());
        let body = message.text().clone();
        let uri = self.stream.as_ref().map_or_else(|| self.uri.clone(), |(_, endpoint)| endpoint.clone());
        let exchange = async {
            let mut response = self.exchange(Method::POST, uri, headers, body, message.raw_id()).await?;
            if let Some(id) = message.raw_id()
                && response.status.is_success()
                && let Some((events, _)) = &mut self.stream
                && let Some(answer) = answer_in(events, id).await
            {
                response.body = Body::Message(answer);
            }
            Ok(response)
        };
        tokio::time::timeout(REQUEST_LIMIT, exchange).await.unwrap_or(Err(Trouble::Silent))
    }

    /// Sends a GET and returns the response, the body only as far as it is not a stream.
    pub(super) async fn get(&mut self, uri: &Uri) -> Result<(Response, Option<EventStream>), Trouble> {
        let mut headers = get_headers();
        headers.extend(self.session.clone());
        let (head, body, _) = self.send(Method::GET, uri.clone(), headers, Bytes::new()).await?;
        let is_stream = head.status.is_success() && has_type(&head.headers, "text/event-stream");
        let (bytes, stream) = if is_stream {
            (Vec::new(), Some(events_of(body, self.limit(), None)))
        } else {
            (net::snippet(body).await, None)
        };
        let (status, version, headers) = (head.status, head.version, head.headers);
        let body = Body::Other(bytes);
        Ok((Response { status, version, headers, body, is_buffered: false }, stream))
    }

    /// Opens a stream of these notifications, as the modern era does, and closes it once it has begun. Returns whether it
    /// has, and what came in its place.
    pub(super) async fn listen(&mut self, filter: &NotificationFilter) -> Result<(Response, bool), Trouble> {
        self.last_id += 1;
        let id = self.last_id.to_string();
        let Some(client) = &self.modern else { return Err(Trouble::Silent) };
        let message = client.request(&id, "subscriptions/listen", &filter.params());
        let (uri, headers) = (self.uri.clone(), modern_headers(&message));
        let (head, body, _) = self.send(Method::POST, uri, headers, message.text().clone()).await?;
        let mut begins = false;
        let body = if head.status.is_success() && has_type(&head.headers, "text/event-stream") {
            let mut events = events_of(body, self.limit(), None);
            let mut end = Body::Other(Vec::new());
            while let Some(Ok(event)) = events.next().await {
                let Ok(message) = Message::parse(event.data) else { continue };
                match SubscriptionEvent::of(&message) {
                    // Some servers do not acknowledge.
                    SubscriptionEvent::Acknowledged(_) | SubscriptionEvent::Notification(_) => begins = true,
                    SubscriptionEvent::Ended => end = Body::Message(message),
                    SubscriptionEvent::Other => continue,
                }
                break;
            }
            end
        } else {
            parsed(net::snippet(body).await)
        };
        let (status, version, headers) = (head.status, head.version, head.headers);
        Ok((Response { status, version, headers, body, is_buffered: false }, begins))
    }

    /// Opens the stream of HTTP+SSE. `None`: there is none at this address.
    pub(super) async fn open_stream(&mut self, uri: &Uri) -> Option<()> {
        let opening = async {
            let (_, stream) = self.get(uri).await.ok()?;
            let mut events = stream?;
            while let Some(Ok(event)) = events.next().await {
                if event.name == "endpoint" {
                    let endpoint = http_sse_endpoint(uri, &event.data).ok()?;
                    return Some((events, endpoint));
                }
            }
            None
        };
        let opened = tokio::time::timeout(Duration::from_secs(3), opening).await.ok()??;
        self.stream = Some(opened);
        Some(())
    }

    async fn exchange(
        &mut self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
        id: Option<&str>,
    ) -> Result<Response, Trouble> {
        let (head, body, moved) = self.send(method, uri, headers, body).await?;
        if let Some(moved) = moved {
            (self.uri, self.has_moved) = (moved, true);
        }
        let is_stream = has_type(&head.headers, "text/event-stream");
        let is_buffered = is_stream && head.headers.contains_key(http::header::CONTENT_LENGTH);
        let body = match id {
            Some(id) if is_stream && head.status.is_success() => {
                let answer = answer_in(&mut events_of(body, self.limit(), None), id).await;
                answer.map_or_else(|| Body::Other(Vec::new()), Body::Message)
            }
            _ if head.status.is_success() => {
                let read = net::read(&head.headers, body, self.limit(), None).await.unwrap_or_default();
                parsed(net::to_utf8(&head.headers, read.to_vec()).into())
            }
            _ => parsed(net::snippet(body).await),
        };
        Ok(Response { status: head.status, version: head.version, headers: head.headers, body, is_buffered })
    }

    /// Follows redirects as the bridge does. Returns where they have led.
    async fn send(
        &mut self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(http::response::Parts, ResponseBody, Option<Uri>), Trouble> {
        let (mut uri, mut moved) = (uri, None);
        for _ in 0..=MOST_REDIRECTS {
            let mut headers = headers.clone();
            let authorized = self.way.authorizer.authorize_as_it_is(&method, &uri, &mut headers).await;
            self.login = Some(authorized.map_err(|error| Trouble::Credential(error.to_string()))?);
            let sent = self.way.http.send(method.clone(), &uri, headers, body.clone()).await;
            match sent.map_err(Trouble::Http)? {
                ResponseOrRedirect::Response(response) => {
                    let (head, body) = response.into_parts();
                    return Ok((head, body, moved));
                }
                ResponseOrRedirect::Redirect(next) => {
                    moved = Some(next.clone());
                    uri = next;
                }
            }
        }
        let why = "it redirects again and again".to_owned();
        Err(Trouble::Http(HttpError::Redirect { host: self.way.host.clone(), why }))
    }

    /// Deletes the session.
    pub(super) async fn close(&mut self) {
        if self.has_session() {
            let mut headers = get_headers();
            headers.extend(self.session.clone());
            let delete = self.send(Method::DELETE, self.uri.clone(), headers, Bytes::new());
            if tokio::time::timeout(CLOSE_LIMIT, delete).await.is_err() {
                log::debug!("the session could not be deleted");
            }
            self.session.clear();
        }
        self.stream = None;
    }
}

fn parsed(bytes: Vec<u8>) -> Body {
    match Message::parse(bytes.clone()) {
        Ok(message) if message.members().is_some_and(|all| all.get("jsonrpc").is_some()) => Body::Message(message),
        _ => Body::Other(bytes),
    }
}

/// The response to the request with this id among the events of a stream.
async fn answer_in(events: &mut EventStream, id: &str) -> Option<Message> {
    while let Some(Ok(event)) = events.next().await {
        if let Ok(message) = Message::parse(event.data)
            && message.method().is_none()
            && message.raw_id() == Some(id)
        {
            return Some(message);
        }
    }
    None
}
