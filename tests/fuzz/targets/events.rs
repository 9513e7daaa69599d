//! Event streams are read as the HTML standard interprets them, and it does not matter how they are cut.
#![no_main]

mod input;
mod standard;

use std::collections::VecDeque;
use std::task::Poll;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream as streams;
use libfuzzer_sys::fuzz_target;
use mcp_ferry::net::{Event, Events, SseError};

use input::Input;

/// What is read from a stream: its events, its last event id and its delay.
#[derive(Debug, PartialEq, Eq, Default)]
struct Read {
    events: Vec<Result<Event, TooLong>>,
    last_event_id: Option<String>,
    retry: Option<u128>,
}

/// The id of the answer that was found in a skipped event.
#[derive(Debug, PartialEq, Eq)]
struct TooLong(Option<String>);

fuzz_target!(|data: &[u8]| {
    // With a limit below three bytes a byte order mark alone would be too long.
    let Some(input) = Input::new(data, 3) else { return };
    let expected = standard::interpret(&input.bytes, input.limit);
    let whole = read(&[&input.bytes], input.limit);
    expected.compare(&whole, true);
    // If the limit is passed inside the word `data`, a cut there may hide that an answer begins.
    expected.compare(&read(&input.pieces(), input.limit), false);
});

/// Before each piece the stream is pending once, and that read is dropped.
fn read(pieces: &[&[u8]], limit: usize) -> Read {
    let mut waiting: VecDeque<Option<Bytes>> = VecDeque::new();
    for piece in pieces {
        waiting.extend([None, Some(Bytes::copy_from_slice(piece))]);
    }
    let body = streams::poll_fn(|_| match waiting.pop_front() {
        Some(Some(piece)) => Poll::Ready(Some(Ok::<_, SseError>(piece))),
        Some(None) => Poll::Pending,
        None => Poll::Ready(None),
    });
    let mut events = Events::new(body, limit);
    let mut stream = Read::default();
    loop {
        match events.next().now_or_never() {
            None => {}
            Some(None) => break,
            Some(Some(Ok(event))) => stream.events.push(Ok(event)),
            Some(Some(Err(SseError::TooLong { answer_id, .. }))) => stream.events.push(Err(TooLong(answer_id))),
            Some(Some(Err(SseError::Broken(why)))) => panic!("an intact body was read as broken: {why}"),
        }
    }
    stream.last_event_id = events.last_event_id();
    stream.retry = events.retry().map(|retry| retry.as_millis());
    stream
}
