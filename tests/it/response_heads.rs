//! Heads of responses that Node takes, error pages, and redirects from http to https.

use std::fmt::Write as _;

use crate::support::*;

over_each_protocol! {
    an_error_page_is_its_title_and_text,
}

#[test]
fn a_head_that_is_merely_odd_is_read() {
    let many = (0..150).fold(String::new(), |mut lines, n| {
        write!(lines, "X-Line-{n}: {n}\r\n").unwrap();
        lines
    });
    for odd in [
        "X-Folded: one\r\n two\r\n\tthree\r\n",
        "X-Blank : one\r\nContent-Language\t: en\r\n",
        &many,
        "X-Empty:\r\nX-Bytes: caf\u{e9}\r\n",
    ] {
        let odd = odd.to_owned();
        let upstream = Upstream::start(move |call| {
            if call.kind() != "tools/call" {
                return call.respond_normally();
            }
            let body = result(&call.id(), r#"{"n":1.0}"#);
            let head = format!(
                "HTTP/1.1 200\r\n{odd}Content-Type : application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            call.raw((head + &body).as_bytes());
        });
        let mut bridge = Bridge::connected(&upstream);
        assert_eq!(bridge.request("1", "tools/call", "{}"), result("1", r#"{"n":1.0}"#));
        bridge.still_works();
        bridge.finish();
    }
}

fn an_error_page_is_its_title_and_text() {
    let page = format!(
        "<!DOCTYPE html>\n<html><head><meta charset='utf-8'><style>{}</style><script>if (a<b) go()</script>\
         <title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1><p>The server isn&#39;t there.</p>\
         <script>track()</script></body></html>",
        "body { color: red }\n".repeat(200)
    );
    for status in ["502 Bad Gateway", "404 Not Found", "200 OK"] {
        let page = page.clone();
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/call" => call.respond(status, &[("Content-Type", "text/html")], &page),
            _ => call.respond_normally(),
        });
        let mut bridge = Bridge::connected(&upstream);
        let answer = bridge.request("1", "tools/call", "{}");
        assert_error_mentions(&answer, &["502 Bad Gateway The server isn't there."]);
        assert!(!answer.contains("color") && !answer.contains("track") && !answer.contains("go()"), "{answer}");
        bridge.finish();
    }
}

#[test]
fn a_redirect_from_http_to_https_of_the_same_host_is_followed_with_a_word() {
    let server = Https::start(&["localhost"]);
    let https = format!("https://localhost:{}/mcp", server.port);
    let plain = Upstream::start(move |call| call.respond("308 Permanent Redirect", &[("Location", &https)], ""));
    let port = plain.host().rsplit_once(':').unwrap().1.to_owned();
    let authority = server.authority.file();
    let mut bridge = Bridge::to(&format!("http://localhost:{port}/mcp")).args(["--ca-cert", path(&authority)]).start();
    bridge.send(&initialize("1", REVISION));
    assert!(bridge.response("1").contains(r#""over":"TLS""#));
    assert!(bridge.request("2", "tools/call", "{}").contains(r#""over":"TLS""#));
    let ended = bridge.finish();
    assert!(ended.stderr.contains(&format!("https://localhost:{}", server.port)), "a word: {}", ended.stderr);
    assert_eq!(plain.count("tools/call"), 0, "only what came before the redirect went in plain text");
}

#[test]
fn a_redirect_from_http_to_https_of_another_host_is_refused() {
    let upstream = Upstream::start(|call| {
        call.respond("308 Permanent Redirect", &[("Location", "https://localhost.example/mcp")], "");
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &["https://localhost.example", "credentials"]);
    bridge.finish();
}
