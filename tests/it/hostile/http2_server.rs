//! An HTTP/2 server that breaks the rules of the protocol, or uses them against the bridge. Whatever it sends costs bounded
//! memory, each request gets exactly one response, and the bridge ends quickly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::*;

/// What the server sends once it has received this call. `None`: the client has ended the connection.
type Attack = fn(&mut FrameConnection, &FrameRequest) -> Option<()>;

/// How long a flood lasts, and how many bytes it has, unless the client ends the connection.
const FLOOD: Duration = Duration::from_millis(500);
const MOST_FLOOD: usize = 256 * 1024;

/// What a bridge may need at the most, in KiB: the windows admit 16 MiB.
#[cfg(target_os = "linux")]
const MOST_MEMORY: usize = 48 * 1024;

/// Sends the same bytes again and again.
fn flood(connection: &mut FrameConnection, bytes: &[u8]) -> Option<()> {
    let many = bytes.repeat((16 * 1024 / bytes.len()).max(1));
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < FLOOD && sent < MOST_FLOOD {
        connection.write(&many)?;
        sent += many.len();
    }
    Some(())
}

/// Begins a response whose body stays open.
fn begin(connection: &mut FrameConnection, stream: u32) -> Option<()> {
    let head = head(&[(":status", "200"), ("content-type", "text/event-stream")]);
    connection.frame(Frame::HEADERS, Frame::END_HEADERS, stream, &head)
}

/// A head whose one value is in the table of the peer (RFC 7541), and is referred to this often.
fn header_bomb(references: usize) -> Vec<u8> {
    let mut block = vec![0x88, 0x40];
    for text in ["x", &"v".repeat(4000)] {
        push_length(&mut block, text.len());
        block.extend_from_slice(text.as_bytes());
    }
    block.extend(std::iter::repeat_n(0xbe, references));
    block
}

const ATTACKS: [(&str, Attack); 22] = [
    ("CONTINUATION without end", |connection, call| {
        let head = head(&[(":status", "200")]);
        connection.frame(Frame::HEADERS, 0, call.stream, &head)?;
        let more = crate::support::head(&[("x-more", &"v".repeat(8000))]);
        for _ in 0..256 {
            flood(connection, &frame(Frame::CONTINUATION, 0, call.stream, &more))?;
        }
        Some(())
    }),
    ("empty CONTINUATION without end", |connection, call| {
        connection.frame(Frame::HEADERS, 0, call.stream, &[0x88])?;
        flood(connection, &frame(Frame::CONTINUATION, 0, call.stream, &[]))
    }),
    ("a header bomb", |connection, call| {
        connection.frame(Frame::HEADERS, Frame::END_HEADERS, call.stream, &header_bomb(12_000))?;
        connection.respond_normally(call)
    }),
    ("header bombs as trailers and interim responses", |connection, call| {
        for _ in 0..20 {
            let mut block = head(&[(":status", "103")]);
            block.extend(&header_bomb(12_000)[1..]);
            connection.frame(Frame::HEADERS, Frame::END_HEADERS, call.stream, &block)?;
        }
        connection.respond_normally(call)
    }),
    ("interim responses without end", |connection, call| {
        let head = head(&[(":status", "103"), ("link", "</style.css>; rel=preload")]);
        flood(connection, &frame(Frame::HEADERS, Frame::END_HEADERS, call.stream, &head))?;
        connection.respond_normally(call)
    }),
    ("a flood of SETTINGS", |connection, call| {
        flood(connection, &frame(Frame::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]))?;
        connection.respond_normally(call)
    }),
    ("a flood of PING", |connection, call| {
        flood(connection, &frame(Frame::PING, 0, 0, b"12345678"))?;
        connection.respond_normally(call)
    }),
    ("a flood of WINDOW_UPDATE", |connection, call| {
        flood(connection, &frame(Frame::WINDOW_UPDATE, 0, call.stream, &[0, 0, 0, 1]))?;
        connection.respond_normally(call)
    }),
    ("a flood of PRIORITY and of unknown frames", |connection, call| {
        flood(connection, &frame(2, 0, 99, &[0, 0, 0, 0, 1]))?;
        flood(connection, &frame(0xbe, 0xff, call.stream, b"what is that?"))?;
        connection.respond_normally(call)
    }),
    ("a flood of RST_STREAM", |connection, call| {
        flood(connection, &frame(Frame::RST_STREAM, 0, call.stream, &[0, 0, 0, 8]))
    }),
    ("pushed streams", |connection, call| {
        let mut promise = 2_u32.to_be_bytes().to_vec();
        promise.extend(head(&[(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/")]));
        connection.frame(Frame::PUSH_PROMISE, Frame::END_HEADERS, call.stream, &promise)
    }),
    ("tiny DATA without end", |connection, call| {
        begin(connection, call.stream)?;
        flood(connection, &frame(Frame::DATA, 0, call.stream, b":"))?;
        connection.reset(call.stream, 2)
    }),
    ("empty DATA without end", |connection, call| {
        begin(connection, call.stream)?;
        flood(connection, &frame(Frame::DATA, 0, call.stream, b""))?;
        connection.reset(call.stream, 2)
    }),
    ("DATA of padding without end", |connection, call| {
        begin(connection, call.stream)?;
        flood(connection, &frame(Frame::DATA, Frame::PADDED, call.stream, &[&[255_u8][..], &[0; 255]].concat()))?;
        connection.reset(call.stream, 2)
    }),
    ("more DATA than the windows admit", |connection, call| {
        connection.frame(Frame::HEADERS, Frame::END_HEADERS, call.stream, &head(&[(":status", "500")]))?;
        // Eight times what one window may be.
        for _ in 0..256 {
            flood(connection, &frame(Frame::DATA, 0, call.stream, &[b'x'; 16 * 1024]))?;
        }
        Some(())
    }),
    ("windows that overflow", |connection, call| {
        for stream in [call.stream, 0] {
            for _ in 0..2 {
                connection.frame(Frame::WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes())?;
            }
        }
        Some(())
    }),
    ("frames on streams that have ended or never begun", |connection, call| {
        connection.respond_normally(call)?;
        for stream in [call.stream, 1, call.stream + 200, 2] {
            connection.frame(Frame::WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1])?;
            connection.respond(stream, "200", &[("content-type", "application/json")], &result("1", "{}"))?;
            connection.reset(stream, 8)?;
        }
        Some(())
    }),
    ("GOAWAY with any last stream", |connection, call| {
        for last in [0x7fff_ffff, 2, call.stream + 1, 0, 0x7fff_ffff, 7] {
            connection.go_away(last, 0)?;
        }
        flood(connection, &frame(Frame::GOAWAY, 0, 0, &[&[0xff; 8][..], &[b'x'; 8000]].concat()))
    }),
    ("SETTINGS with forbidden values", |connection, _| connection.settings(&[(4, 0xffff_ffff), (5, 0), (2, 7)])),
    ("SETTINGS with extreme values", |connection, call| {
        connection.settings(&[(1, 0xffff_ffff), (3, 0), (6, 0), (4, 0x7fff_ffff), (5, 0xff_ffff)])?;
        connection.settings(&[(1, 0), (3, 0xffff_ffff), (6, 0xffff_ffff), (4, 65_535), (5, 16_384)])?;
        connection.respond_normally(call)
    }),
    ("a frame of the greatest length", |connection, call| {
        connection.write(&[0xff, 0xff, 0xff, Frame::DATA, 0])?;
        flood(connection, &call.stream.to_be_bytes())
    }),
    ("HTTP/1.1 in the middle", |connection, _| {
        connection.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    }),
];

/// A bridge with an open session, and one call that the attack has answered in some way.
fn attacked(name: &str, attack: Attack) -> Bridge {
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let server = FrameServer::start(move |connection, _| {
        connection.settings(&[])?;
        loop {
            let request = connection.request()?;
            if request.method != "tools/call" || over.swap(true, Ordering::SeqCst) {
                connection.respond_normally(&request)?;
                continue;
            }
            attack(connection, &request)?;
        }
    });
    let mut bridge = Bridge::to(&server.url()).args(["--request-timeout", "5"]).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", "{}"));
    bridge.send(&request("2", "tools/list", "{}"));
    // Each is a result or an error.
    bridge.response("1");
    bridge.response("2");
    let answer = bridge.request("3", "tools/call", "{}");
    assert_eq!(answer, result("3", "{}"), "{name}: the next request is answered");
    #[cfg(target_os = "linux")]
    {
        let peak = bridge.peak_memory();
        assert!(peak < MOST_MEMORY, "{name}: {peak} KiB");
    }
    bridge
}

#[test]
fn what_a_server_sends_on_a_connection_costs_little_and_ends_nothing_else() {
    for (name, attack) in ATTACKS {
        let ended = attacked(name, attack).finish();
        assert!(ended.took < Duration::from_secs(3), "{name}: the end took {:?}", ended.took);
        assert!(!ended.stderr.contains("panicked"), "{name}: {}", ended.stderr);
    }
}

/// Nothing of a request leaves, and the server never says why.
#[test]
fn a_server_that_lets_no_request_leave_costs_an_error_for_each() {
    // No window at all; no stream at all; no stream on any connection.
    for (setting, later) in [(4, vec![]), (3, vec![]), (3, vec![(3, 0)])] {
        lets_no_request_leave(setting, later);
    }
}

fn lets_no_request_leave(setting: u16, later: Vec<(u16, u32)>) {
    let server = FrameServer::start(move |connection, number| {
        connection.settings(if number == 0 { &[] } else { &later })?;
        loop {
            let request = connection.request()?;
            connection.respond_normally(&request)?;
            if request.method == "notifications/initialized" {
                connection.settings(&[(setting, 0)])?;
            }
        }
    });
    let mut bridge = Bridge::to(&server.url()).args(["--request-timeout", "1"]).start();
    bridge.initialize();
    bridge.request("0", "tools/list", "{}");
    let ids: Vec<_> = (1..30).map(|id| id.to_string()).collect();
    for id in &ids {
        bridge.send(&request(id, "tools/call", &format!(r#"{{"text":"{}"}}"#, "x".repeat(10_000))));
    }
    for id in &ids {
        bridge.response(id);
    }
    #[cfg(target_os = "linux")]
    assert!(bridge.peak_memory() < MOST_MEMORY, "{} KiB", bridge.peak_memory());
    assert!(server.connections() < 10 * ids.len(), "{} connections", server.connections());
    let ended = bridge.finish();
    assert!(ended.took < Duration::from_secs(3), "the end took {:?}", ended.took);
}

/// The client need not wait for the server's SETTINGS, nor for the acknowledgement of its own.
#[test]
fn a_server_without_settings_is_answered_or_refused() {
    let server = FrameServer::start(|connection, _| {
        loop {
            let frame = connection.read()?;
            if frame.flags & Frame::END_STREAM != 0 && [Frame::DATA, Frame::HEADERS].contains(&frame.kind) {
                let seen = peek(&frame.payload);
                let method = seen.method.unwrap_or_default();
                connection.respond_normally(&FrameRequest { stream: frame.stream, method, id: seen.id })?;
            }
        }
    });
    let mut bridge = Bridge::to(&server.url()).args(["--request-timeout", "2"]).startup_wait("1").start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    bridge.send(&initialized());
    bridge.request("2", "tools/list", "{}");
    let ended = bridge.finish();
    assert!(ended.took < Duration::from_secs(3), "the end took {:?}", ended.took);
}

/// A refusal admits another attempt, and so do refusals without end.
#[test]
fn a_server_that_refuses_for_ever_is_asked_a_bounded_number_of_times() {
    let server = FrameServer::start(|connection, _| {
        connection.settings(&[])?;
        let mut calls = 0;
        loop {
            let request = connection.request()?;
            match request.method.as_str() {
                "tools/call" if calls % 2 == 0 => connection.reset(request.stream, 7)?,
                "tools/call" => connection.go_away(request.stream - 2, 0)?,
                _ => connection.respond_normally(&request)?,
            }
            calls += usize::from(request.method == "tools/call");
        }
    });
    let mut bridge = Bridge::to(&server.url()).args(["--patience", "1"]).start();
    bridge.initialize();
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &["localhost"]);
    bridge.still_works();
    bridge.finish();
    assert!(server.connections() < 40, "{} connections", server.connections());
}
