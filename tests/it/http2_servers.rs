//! HTTP/2 servers that end a connection or a stream early: what they have not processed is sent again, nothing else is.

use std::sync::{Arc, Mutex};

use crate::support::*;

/// The codes of RFC 9113, section 7.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const ENHANCE_YOUR_CALM: u32 = 11;

/// What a server does once it has these two calls, in the order of their streams.
type End = fn(&mut FrameConnection, &[FrameRequest; 2]) -> Option<()>;

/// Sends the calls 1 and 2 at the same time to a server that ends its first connection in this way. Returns whether each
/// got a result, in the order of their streams, and the ids of the calls that arrived.
fn calls_when(end: End) -> ([bool; 2], Vec<String>) {
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&arrived);
    let server = FrameServer::start(move |connection, number| {
        connection.settings(&[])?;
        let mut calls = Vec::new();
        loop {
            let request = connection.request()?;
            if request.method != "tools/call" {
                connection.respond_normally(&request)?;
                continue;
            }
            seen.lock().unwrap().push(request.id.clone().unwrap());
            if number > 0 {
                connection.respond_normally(&request)?;
                continue;
            }
            calls.push(request);
            if let Ok(calls) = <[FrameRequest; 2]>::try_from(std::mem::take(&mut calls)).map_err(|few| calls = few) {
                end(connection, &calls)?;
            }
        }
    });
    let mut bridge = Bridge::to(&server.url()).start();
    bridge.initialize();
    bridge.still_works();
    for id in ["1", "2"] {
        bridge.send(&request(id, "tools/call", "{}"));
    }
    let mut results = ["1", "2"].map(|id| bridge.response(id) == result(id, "{}"));
    bridge.still_works();
    bridge.finish();
    let arrived = arrived.lock().unwrap().clone();
    if arrived[0] == "2" {
        results.reverse();
    }
    (results, arrived)
}

/// `again`: how many of the two calls are sent again.
#[track_caller]
fn assert_ends(end: End, results: [bool; 2], again: usize) {
    let (got, arrived) = calls_when(end);
    assert_eq!((got, arrived.len()), (results, 2 + again), "{arrived:?}");
}

#[test]
fn a_call_after_the_last_stream_that_goaway_names_is_sent_again() {
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        let end: [End; 2] = [
            |connection, [first, _]| {
                connection.go_away(first.stream, NO_ERROR)?;
                connection.respond_normally(first)
            },
            |connection, [first, _]| {
                connection.respond_normally(first)?;
                connection.go_away(first.stream, ENHANCE_YOUR_CALM)
            },
        ];
        assert_ends(end[usize::from(code != NO_ERROR)], [true, true], 1);
    }
}

#[test]
fn calls_that_goaway_counts_as_processed_are_answered_on_their_connection() {
    assert_ends(
        |connection, [first, second]| {
            connection.go_away(0x7fff_ffff, NO_ERROR)?;
            connection.go_away(second.stream, NO_ERROR)?;
            connection.respond_normally(second)?;
            connection.respond_normally(first)
        },
        [true, true],
        0,
    );
}

#[test]
fn calls_that_goaway_counts_as_processed_are_errors_if_the_connection_ends() {
    assert_ends(
        |connection, [_, second]| {
            connection.go_away(second.stream, NO_ERROR)?;
            None
        },
        [false, false],
        0,
    );
}

#[test]
fn goaway_alone_settles_which_calls_are_sent_again() {
    assert_ends(
        |connection, [first, _]| {
            connection.go_away(first.stream, NO_ERROR)?;
            None
        },
        [false, true],
        1,
    );
}

#[test]
fn a_reset_stream_may_have_been_processed() {
    for end in [
        (|connection, [first, second]| {
            connection.reset(first.stream, INTERNAL_ERROR)?;
            connection.respond_normally(second)
        }) as End,
        |connection, [first, second]| {
            connection.reset(first.stream, ENHANCE_YOUR_CALM)?;
            connection.respond_normally(second)
        },
        |connection, [first, second]| {
            connection.reset(first.stream, NO_ERROR)?;
            connection.respond_normally(second)
        },
    ] {
        assert_ends(end, [false, true], 0);
    }
}

#[test]
fn a_refusal_after_the_head_of_a_response_is_an_error() {
    assert_ends(
        |connection, [first, second]| {
            let head = head(&[(":status", "200"), ("content-type", "application/json")]);
            connection.frame(Frame::HEADERS, Frame::END_HEADERS, first.stream, &head)?;
            connection.reset(first.stream, 7)?;
            connection.respond_normally(second)
        },
        [false, true],
        0,
    );
}

#[test]
fn a_connection_that_ends_fails_its_calls() {
    assert_ends(|_, _| None, [false, false], 0);
}

/// A request for which no stream was left, or which met a connection that had just ended.
#[test]
fn a_call_after_the_end_of_a_connection_gets_a_new_one() {
    let server = FrameServer::start(|connection, _| {
        connection.settings(&[])?;
        loop {
            let request = connection.request()?;
            connection.respond_normally(&request)?;
            if request.method == "tools/call" {
                connection.go_away(request.stream, NO_ERROR)?;
                return None;
            }
        }
    });
    let mut bridge = Bridge::to(&server.url()).start();
    bridge.initialize();
    for id in ["1", "2", "3"] {
        assert_eq!(bridge.request(id, "tools/call", "{}"), result(id, "{}"));
    }
    bridge.finish();
    // The last one is for the DELETE at the end.
    assert!((3..=4).contains(&server.connections()), "{} connections", server.connections());
}

#[test]
fn a_response_before_the_end_of_the_request_is_delivered() {
    let server = FrameServer::start(|connection, _| {
        connection.settings(&[])?;
        for _ in 0.. {
            let frame = connection.read()?;
            if frame.kind == Frame::HEADERS && frame.stream > 1 {
                // A call of a megabyte, of which the window admits no more.
                let json = [("content-type", "text/plain")];
                connection.respond(frame.stream, "413", &json, "too much for this server")?;
                connection.reset(frame.stream, NO_ERROR)?;
            } else if frame.flags & Frame::END_STREAM != 0 && frame.kind == Frame::DATA {
                let (stream, method) = (frame.stream, "initialize".to_owned());
                connection.respond_normally(&FrameRequest { stream, method, id: peek(&frame.payload).id })?;
            }
        }
        None
    });
    let mut bridge = Bridge::to(&server.url()).start();
    bridge.initialize();
    let text = "x".repeat(1 << 20);
    let answer = bridge.request("1", "tools/call", &format!(r#"{{"text":"{text}"}}"#));
    assert_error_mentions(&answer, &["413", "too much for this server"]);
    bridge.finish();
    assert_eq!(server.connections(), 1);
}
