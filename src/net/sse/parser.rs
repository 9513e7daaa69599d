//! How are several `data:` lines joined to one event? By eventsource-stream.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use eventsource_stream::EventStream;
use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;

use super::event::SseError;

/// The crate's parser, and its input. It gets one line at a time, because it copies the rest of its input at each line.
pub(super) struct Parser {
    events: EventStream<BoxStream<'static, Result<Vec<u8>, SseError>>>,
    /// The next line. [`Parser::parse`] sets it, the crate takes it; shared because the crate owns its input stream.
    line: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Parser {
    /// Begins with the value of the first `data:` line.
    pub(super) fn new(value: &[u8]) -> Self {
        let line = Arc::new(Mutex::new(None));
        let next_line = Arc::clone(&line);
        // No waker is needed: the stream is polled once for each line.
        let lines = stream::poll_fn(move |_| match next_line.lock().take() {
            Some(line) => Poll::Ready(Some(Ok(line))),
            None => Poll::Pending,
        });
        let mut parser = Self { events: EventStream::new(lines.boxed()), line };
        parser.add(value);
        parser
    }

    /// Adds the value of a `data:` line.
    pub(super) fn add(&mut self, value: &[u8]) {
        self.parse([b"data: ", value, b"\n"].concat());
    }

    /// Ends the event and returns its data.
    pub(super) fn finish(&mut self) -> Option<Result<Bytes, SseError>> {
        self.parse(b"\n".to_vec())
    }

    fn parse(&mut self, line: Vec<u8>) -> Option<Result<Bytes, SseError>> {
        *self.line.lock() = Some(line);
        let event = self.events.next().now_or_never()??;
        Some(event.map(|event| event.data.into()).map_err(|error| SseError::Broken(error.to_string())))
    }
}
