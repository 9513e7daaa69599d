//! Event streams are parsed as the HTML standard requires, in whatever pieces they arrive.
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

/// The result of parsing a stream: its events, then its last id and delay.
#[derive(Debug, PartialEq, Eq, Default)]
struct Parsed {
    events: Vec<Result<Event, TooLong>>,
    last_event_id: Option<String>,
    retry: Option<u128>,
}

/// An event above the limit, with the id of the response in it, if one was found.
#[derive(Debug, PartialEq, Eq)]
struct TooLong(Option<String>);

fuzz_target!(|data: &[u8]| {
    // With a limit below three bytes a byte order mark alone is too long, which has no practical effect.
    let Some(input) = Input::new(data, 3) else { return };
    let expected = standard::interpret(&input.bytes, input.limit);
    let whole = read(&[&input.bytes], input.limit);
    expected.compare(&whole, true);
    // A cut inside the field name `data` may hide the start of a response if the limit is passed at the same place.
    expected.compare(&read(&input.pieces(), input.limit), false);
});

/// Parses the pieces. Each piece is pending once, and the pending future is dropped, before the piece arrives.
fn read(pieces: &[&[u8]], limit: usize) -> Parsed {
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
    let mut parsed = Parsed::default();
    loop {
        match events.next().now_or_never() {
            None => {}
            Some(None) => break,
            Some(Some(Ok(event))) => parsed.events.push(Ok(event)),
            Some(Some(Err(SseError::TooLong { answer_id, .. }))) => parsed.events.push(Err(TooLong(answer_id))),
            Some(Some(Err(SseError::Broken(why)))) => panic!("the body did not break: {why}"),
        }
    }
    parsed.last_event_id = events.last_event_id();
    parsed.retry = events.retry().map(|retry| retry.as_millis());
    parsed
}
