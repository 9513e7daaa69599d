//! How is a body decoded that a server sends compressed, although no request allows that (RFC 9110, section 8.4)? Some
//! servers and proxies compress whatever was asked for.

mod decoder;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Response};
use hyper::body::{Body, Frame, Incoming};

use super::error::BoxError;
use super::http2::Http2Body;
use decoder::Decoder;

/// More encodings on top of each other are not decoded.
const MOST_ENCODINGS: usize = 3;

/// The body of a response, decoded.
#[derive(Debug)]
pub struct ResponseBody(Kind);

#[derive(Debug)]
enum Kind {
    Http1(Incoming),
    Http2(Http2Body),
    Encoded(Box<Encoded>),
}

#[derive(Debug)]
struct Encoded {
    body: ResponseBody,
    decoder: Decoder,
}

impl From<Incoming> for ResponseBody {
    fn from(body: Incoming) -> Self {
        Self(Kind::Http1(body))
    }
}

impl From<Http2Body> for ResponseBody {
    fn from(body: Http2Body) -> Self {
        Self(Kind::Http2(body))
    }
}

/// The response with its body decoded. An encoding that is not known here stays in the header.
pub(super) fn decoded(response: Response<impl Into<ResponseBody>>) -> Response<ResponseBody> {
    let (mut head, body) = response.into_parts();
    let mut body = body.into();
    if let Some(decoders) = decoders(&head.headers) {
        for decoder in decoders {
            body = ResponseBody(Kind::Encoded(Box::new(Encoded { body, decoder })));
            // The length of what is sent.
            head.headers.remove(CONTENT_LENGTH);
        }
        head.headers.remove(CONTENT_ENCODING);
    }
    Response::from_parts(head, body)
}

/// The decoders, the first to be applied first; `None` where one of the encodings is not known.
fn decoders(headers: &HeaderMap) -> Option<Vec<Decoder>> {
    let mut decoders = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().ok()?.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            decoders.push(match name.as_str() {
                "gzip" | "x-gzip" => Decoder::gzip(),
                "deflate" => Decoder::deflate(),
                "br" => Decoder::brotli(),
                // Some servers name the charset here.
                "" | "identity" | "none" | "utf-8" | "utf8" => continue,
                _ => return None,
            });
        }
    }
    decoders.reverse();
    Some(decoders).filter(|decoders| decoders.len() <= MOST_ENCODINGS)
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Http1(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Kind::Http2(body) => Pin::new(body).poll_frame(cx),
            Kind::Encoded(encoded) => encoded.poll_frame(cx),
        }
    }
}

impl Encoded {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(piece) = self.decoder.next() {
                return Poll::Ready(Some(piece.map(Frame::data).map_err(BoxError::from)));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.decoder.push(frame.into_data().unwrap_or_default()),
                // A body that ends early keeps what it had; whoever reads it sees that it is not whole.
                end => return Poll::Ready(end),
            }
        }
    }
}

#[cfg(test)]
mod tests;
