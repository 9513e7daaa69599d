//! Event streams are read as the HTML standard interprets them, however they are cut.
#![no_main]

mod input;
mod standard;

use std::collections::VecDeque;
use std::task::Poll;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream;
use libfuzzer_sys::fuzz_target;
use mcp_ferry::net::{Event, Events, SseError};

use input::Input;

/// What a stream says: its events, then its last id and delay.
#[derive(Debug, PartialEq, Eq, Default)]
struct Said {
    events: Vec<Result<Event, TooLong>>,
    last_event_id: Option<String>,
    retry: Option<u128>,
}

/// The id that was found in an event that was skipped.
#[derive(Debug, PartialEq, Eq)]
struct TooLong(Option<String>);

fuzz_target!(|data: &[u8]| {
    // Below three bytes a byte order mark alone is too long, which matters to nobody.
    let Some(input) = Input::new(data, 3) else { return };
    let expected = standard::interpret(&input.bytes, input.limit);
    let whole = read(&[&input.bytes], input.limit);
    expected.compare(&whole, true);
    // A cut in the word `data` itself may hide that an answer begins there, when just there the limit is passed.
    expected.compare(&read(&input.pieces(), input.limit), false);
});

/// Each piece has to be waited for, and each wait is given up once.
fn read(pieces: &[&[u8]], limit: usize) -> Said {
    let mut waiting: VecDeque<Option<Bytes>> = VecDeque::new();
    for piece in pieces {
        waiting.extend([None, Some(Bytes::copy_from_slice(piece))]);
    }
    let body = stream::poll_fn(|_| match waiting.pop_front() {
        Some(Some(piece)) => Poll::Ready(Some(Ok::<_, SseError>(piece))),
        Some(None) => Poll::Pending,
        None => Poll::Ready(None),
    });
    let mut events = Events::new(body, limit);
    let mut said = Said::default();
    loop {
        match events.next().now_or_never() {
            None => {}
            Some(None) => break,
            Some(Some(Ok(event))) => said.events.push(Ok(event)),
            Some(Some(Err(SseError::TooLong { answer_id, .. }))) => said.events.push(Err(TooLong(answer_id))),
            Some(Some(Err(SseError::Broken(why)))) => panic!("the body did not break: {why}"),
        }
    }
    said.last_event_id = events.last_event_id();
    said.retry = events.retry().map(|retry| retry.as_millis());
    said
}
