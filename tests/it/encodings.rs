//! Bodies that a server encodes although it was asked not to, and texts that are not UTF-8: what they stand for arrives.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::support::*;

over_each_protocol! {
    an_encoded_body_is_decoded,
    an_encoded_error_is_read,
    events_of_an_encoded_stream_arrive_as_they_are_sent,
    the_limits_hold_for_what_a_body_stands_for,
    a_body_that_is_not_utf_8_is_read,
    a_notification_may_be_answered_with_a_byte_order_mark,
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// `{"jsonrpc":"2.0","id":1,"result":{"text":"zipped"}}`, as Node encodes it.
const BROTLI: &[u8] = b"\x1b\x32\x00\xc0\x8d\xd3\x15\xf3\x23\x84\x75\x8f\x20\x6f\xa9\x5f\xfe\x19\x62\x45\xf8\xf6\x13\x29\x9d\xbe\x96\x44\x14\x5c\x28\x92\x24\x11\x8b\xef\xa6\x73\x6b\x61\xb6\x2e\xe4\x66\x04\x20\x9f\x0c\x5e\x56\x9d\xc2";

const JSON: (&str, &str) = ("Content-Type", "application/json");
const LATIN: (&str, &str) = ("Content-Type", "application/json; charset=ISO-8859-1");
const SSE: (&str, &str) = ("Content-Type", "text/event-stream");

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"text":"zipped"}}"#;

/// A server that answers each call with these bytes and headers.
fn server(headers: &'static [(&'static str, &'static str)], body: Vec<u8>) -> Upstream {
    Upstream::start(move |call| {
        assert_eq!(call.header("accept-encoding"), Some("identity"), "{} asks for no encoding", call.kind());
        match call.kind() {
            "tools/call" => call.respond_bytes("200 OK", headers, &body),
            _ => call.respond_normally(),
        }
    })
}

/// The answer to a call of such a server.
fn answer(headers: &'static [(&'static str, &'static str)], body: &[u8]) -> String {
    let upstream = server(headers, body.to_vec());
    let mut bridge = Bridge::connected(&upstream);
    let answer = bridge.request("1", "tools/call", "{}");
    bridge.still_works();
    bridge.finish();
    answer
}

fn an_encoded_body_is_decoded() {
    let event = format!("event: message\ndata: {ANSWER}\n\n");
    assert_eq!(answer(&[JSON, ("Content-Encoding", "gzip")], &gzip(ANSWER.as_bytes())), ANSWER);
    assert_eq!(answer(&[JSON, ("Content-Encoding", "deflate")], &zlib(ANSWER.as_bytes())), ANSWER);
    assert_eq!(answer(&[JSON, ("Content-Encoding", "br")], BROTLI), ANSWER);
    assert_eq!(answer(&[JSON, ("Content-Encoding", "gzip, gzip")], &gzip(&gzip(ANSWER.as_bytes()))), ANSWER);
    assert_eq!(answer(&[JSON, ("Content-Encoding", "gzip")], ANSWER.as_bytes()), ANSWER, "not encoded after all");
    assert_eq!(answer(&[JSON, ("Content-Encoding", "UTF-8")], ANSWER.as_bytes()), ANSWER, "not an encoding");
    assert_eq!(answer(&[SSE, ("Content-Encoding", "gzip")], &gzip(event.as_bytes())), ANSWER);
    let unknown = answer(&[JSON, ("Content-Encoding", "zstd")], ANSWER.as_bytes());
    assert_error_mentions(&unknown, &["encoded as zstd"]);
}

fn an_encoded_error_is_read() {
    let body = gzip(b"<html><title>Down</title><style>p {}</style><p>back at noon</p></html>");
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/call" => {
            call.respond_bytes("503 Service Unavailable", &[("Content-Encoding", "gzip")], &body);
        }
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &["503", "Down back at noon"]);
    bridge.finish();
}

fn events_of_an_encoded_stream_arrive_as_they_are_sent() {
    let upstream = Upstream::holding(["tools/call"]);
    let mut bridge = Bridge::connected(&upstream);
    bridge.send(&request("1", "tools/call", "{}"));
    let stream = upstream.take("tools/call").sse_with(&[("Content-Encoding", "gzip")]);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut send = |message: &str| {
        encoder.write_all(format!("data: {message}\n\n").as_bytes()).unwrap();
        encoder.flush().unwrap();
        stream.chunk_bytes(&std::mem::take(encoder.get_mut()));
    };
    send(&notification("notifications/message", r#"{"level":"info","data":"first"}"#));
    // The stream goes on only when this has arrived.
    assert!(bridge.message("notifications/message").contains("first"));
    send(ANSWER);
    assert_eq!(bridge.response("1"), ANSWER);
    stream.cut();
    bridge.finish();
}

fn the_limits_hold_for_what_a_body_stands_for() {
    let large = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":"{}"}}}}"#, "a".repeat(8 << 20));
    for kind in ["application/json", "text/event-stream"] {
        let body =
            gzip(if kind == "application/json" { large.clone() } else { format!("data: {large}\n\n") }.as_bytes());
        assert!(body.len() < 1 << 20);
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/call" => {
                call.respond_bytes("200 OK", &[("Content-Type", kind), ("Content-Encoding", "gzip")], &body);
            }
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--max-message-size", "2"]).start();
        bridge.initialize();
        assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &["longer than 2097152 bytes"]);
        bridge.still_works();
        bridge.finish();
    }
}

fn a_body_that_is_not_utf_8_is_read() {
    let text = |text: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":"{text}"}}}}"#);
    let with = |bytes: &[u8]| {
        let whole = text("@");
        let (before, behind) = whole.split_once('@').unwrap();
        [before.as_bytes(), bytes, behind.as_bytes()].concat()
    };
    assert_eq!(answer(&[JSON], &with(b"a\xffb")), text("a\u{fffd}b"), "one bad byte");
    assert_eq!(answer(&[LATIN], &with(b"caf\xe9")), text("café"));
    assert_eq!(answer(&[LATIN], &with("café".as_bytes())), text("café"), "UTF-8, whatever the header says");
    let utf16: Vec<u8> = format!("\u{feff}{}", text("é𝄞")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(answer(&[("Content-Type", "application/json; charset=utf-16")], &utf16), text("é𝄞"));
    assert_eq!(answer(&[JSON], &[b"\xef\xbb\xbf", text("x").as_bytes()].concat()), text("x"));
    assert_eq!(answer(&[JSON], &[b"\r\n\xef\xbb\xbf\n", text("x").as_bytes()].concat()), text("x"));
    let event = format!("\u{feff}event: message\n\u{feff}data: \u{feff}{}\n\n", text("x"));
    assert_eq!(answer(&[("Content-Type", "text/event-stream")], event.as_bytes()), text("x"));
}

fn a_notification_may_be_answered_with_a_byte_order_mark() {
    let upstream = Upstream::start(|call| match call.kind() {
        "notifications/initialized" => call.respond("200 OK", &[("Content-Type", "application/json")], "\u{feff}"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    let ended = bridge.finish();
    assert!(!ended.stderr.contains("warn"), "{}", ended.stderr);
}
