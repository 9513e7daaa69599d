//! Event streams are read as the HTML standard interprets them, however they are cut.
#![no_main]

mod pieces;
mod standard;

use std::collections::VecDeque;
use std::task::Poll;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream;
use libfuzzer_sys::fuzz_target;
use mcp_ferry::http::{Event, Events, SseError};

use pieces::Input;

/// This byte stands for a long line's content, which a fuzzer would not write.
const LONG: u8 = 0x01;
const LONG_SIZE: usize = 17 * 1024;
const MOST_LONG: usize = 4;

/// What a stream says: its events, then its last id and delay.
#[derive(Debug, PartialEq, Eq, Default)]
struct Said {
    events: Vec<Result<Event, TooLong>>,
    last_event_id: Option<String>,
    retry: Option<u128>,
}

/// The data of an event that was skipped, or the id that was found in it.
#[derive(Debug, PartialEq, Eq)]
struct TooLong(Option<String>);

fuzz_target!(|data: &[u8]| {
    // Below three bytes a byte order mark alone is too long, which matters to nobody.
    let Some(input) = Input::new(data, 3) else { return };
    let bytes = stretched(input.bytes);
    let expected = standard::interpret(&bytes, input.limit);
    let whole = read(&[&bytes], input.limit);
    expected.compare(&whole);
    assert_eq!(read(&input.cut(&bytes), input.limit), whole, "in pieces");
});

fn stretched(bytes: &[u8]) -> Vec<u8> {
    let mut left = MOST_LONG;
    let mut stretched = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if byte == LONG && left > 0 {
            left -= 1;
            stretched.extend(std::iter::repeat_n(b'x', LONG_SIZE));
        } else {
            stretched.push(byte);
        }
    }
    stretched
}

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
