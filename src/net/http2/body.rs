//! How is the body of a response read? As fast as its reader takes it: the window grows by what was read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use hyper::body::{Body, Frame};

use super::connection::Slot;
use super::exchange::{Upload, poll_upload, words};
use crate::net::error::BoxError;

/// The body of a response over HTTP/2. Dropped before its end, the exchange is cancelled.
pub(in crate::net) struct Http2Body {
    body: RecvStream,
    /// The rest of the request's body, where the server responds before it has all of it.
    upload: Option<Upload>,
    slot: Slot,
}

impl Http2Body {
    pub(super) fn new(body: RecvStream, upload: Option<Upload>, slot: Slot) -> Self {
        Self { body, upload, slot }
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        poll_upload(&mut this.upload, cx);
        Poll::Ready(match ready!(this.body.poll_data(cx)) {
            Some(Ok(data)) => {
                // Fails only if the stream has ended.
                this.body.flow_control().release_capacity(data.len()).ok();
                Some(Ok(Frame::data(data)))
            }
            // The response is complete; the server wants no more of the request (RFC 9113, section 8.1).
            Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) && error.is_reset() => None,
            Some(Err(error)) => Some(Err(words(&error, &this.slot.shared).into())),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

impl std::fmt::Debug for Http2Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http2Body")
    }
}
