//! What does `doctor` say of a server that answers otherwise than it should? A row for each fault.

use crate::support::*;

/// In the header of every request: no report may show it.
const SECRET: &str = "tok-planted-4711-0815";

const JSON: (&str, &str) = ("Content-Type", "application/json");
const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");

/// Responds as a good server with one tool.
fn serve(call: Exchange) {
    match call.kind() {
        "initialize" => {
            let answer = result(
                &call.id(),
                r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"prompts":{}},"serverInfo":{"name":"acme","version":"1.2"}}"#,
            );
            call.respond("200 OK", &[JSON, ("Mcp-Session-Id", "session-1")], &answer);
        }
        "tools/list" => call.result(r#"{"tools":[{"name":"a","inputSchema":{}},{"name":"b","inputSchema":{}}]}"#),
        "prompts/list" => call.result(r#"{"prompts":[]}"#),
        _ => call.respond_normally(),
    }
}

/// Responds to `initialize` in this way, and to all else as a good server.
fn first(respond: impl Fn(Exchange) + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |call| match call.kind() {
        "initialize" => respond(call),
        "GET" => call.plain("404 Not Found", ""),
        _ => serve(call),
    })
}

/// The report about this server, and the check that no session is left.
#[track_caller]
fn report(upstream: &Upstream, arguments: &[&str]) -> Diagnosis {
    let url = upstream.url("/mcp");
    let before = upstream.requests().len();
    let found = diagnose(&[SECRET], || {
        let launch = Bridge::bare().args(["doctor", &url, "--header", "Authorization: Bearer ${ACME_TOKEN}"]);
        arguments.iter().fold(launch, |launch, argument| launch.arg(argument)).env("ACME_TOKEN", SECRET)
    });
    let requests = upstream.requests().split_off(before);
    let opened = requests.iter().any(|request| request.header("mcp-session-id").is_some());
    let deleted = requests.iter().filter(|request| request.kind == "DELETE").count();
    assert!(!opened || deleted == 2, "each session is deleted: {:?}", upstream.kinds());
    assert_eq!(upstream.count("tools/call"), 0, "no tool is called");
    found
}

#[track_caller]
fn assert_cause(found: &Diagnosis, code: &str, exit: i32, words: &[&str]) {
    assert_eq!((found.cause(), found.exit), (Some(code), exit), "{}", found.text);
    assert_eq!(found.json["failures"], 1, "what follows a failure is skipped: {}", found.text);
    let sentence = found.json["cause"]["sentence"].as_str().unwrap();
    for word in words {
        assert!(sentence.contains(word), "{code} names {word}: {sentence}");
    }
}

#[track_caller]
fn assert_warning(found: &Diagnosis, code: &str) {
    assert_eq!((found.cause(), found.exit, found.codes()), (None, 0, vec![code]), "{}", found.text);
}

#[test]
fn a_good_server_has_no_fault_and_keeps_no_session() {
    let upstream = Upstream::start(serve);
    let found = report(&upstream, &[]);
    assert_eq!((found.exit, found.codes().len()), (0, 0), "{}", found.text);
    for (name, fact) in [
        ("route", "direct"),
        ("tcp", "IPv4 connected"),
        ("http", "HTTP/1.1, 200 OK, application/json"),
        ("login", "Bearer … (21 characters), given by you"),
        ("mcp", "acme 1.2, 2025-06-18, with a session"),
        ("tools", "2"),
        ("resources", "none"),
        ("prompts", "0"),
        ("stream", "the server has none (405)"),
    ] {
        assert!(found.fact(name).contains(fact), "{name}: {}", found.text);
    }
    assert!(found.text.contains("no failure found; 0 warnings"), "{}", found.text);
}

#[test]
fn http_2_is_named() {
    over(Protocol::Http2, || {
        let upstream = Upstream::start(serve);
        let found = report(&upstream, &[]);
        assert!(found.fact("http").contains("HTTP/2, 200"), "{}", found.text);
        assert!(found.fact("tls").contains("NODE_EXTRA_CA_CERTS"), "{}", found.text);
    });
}

/// The status, headers and body of the response to `initialize`; the code, and words of the sentence.
type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static str, &'static [&'static str]);

#[test]
fn each_response_has_its_cause() {
    let challenged: &[(&str, &str)] =
        &[("WWW-Authenticate", r#"Bearer error="insufficient_scope", scope="mcp:tools""#)];
    let not_enabled = r#"{"error":"MCP server is not enabled for this account"}"#;
    let rows: &[Row] = &[
        ("403 Forbidden", &[JSON], not_enabled, "http.403", &["switched off for this account", "not enabled"]),
        ("403 Forbidden", &[], "", "http.403", &["does not allow this"]),
        ("403 Forbidden", &[JSON], r#"{"error":"Invalid Host header"}"#, "http.403", &["host or origin"]),
        ("403 Forbidden", challenged, "", "auth.scope", &["mcp:tools"]),
        (
            "403 Forbidden",
            &[HTML, ("cf-mitigated", "challenge")],
            "<title>Just a moment</title>",
            "http.html",
            &["robots"],
        ),
        ("200 OK", &[HTML], "<!doctype html><title>Acme Portal</title>", "http.html", &["web page", "Acme Portal"]),
        ("200 OK", &[("Content-Type", "text/plain")], "hello", "http.not-mcp", &["no MCP server", "hello"]),
        ("200 OK", &[JSON], r#"{"status":"alive"}"#, "http.not-mcp", &["no MCP server"]),
        ("204 No Content", &[], "", "http.not-mcp", &["no MCP server"]),
        ("404 Not Found", &[JSON], r#"{"error":"Account not found"}"#, "http.404", &["account", "/mcp"]),
        ("404 Not Found", &[], "", "http.404", &["no MCP server at /mcp"]),
        ("405 Method Not Allowed", &[], "", "http.404", &["405"]),
        ("429 Too Many Requests", &[("Retry-After", "7")], "", "http.429", &["for 7 seconds"]),
        (
            "500 Internal Server Error",
            &[JSON, ("X-Request-Id", "req-9")],
            r#"{"message":"boom"}"#,
            "http.5xx",
            &["boom", "req-9"],
        ),
        ("502 Bad Gateway", &[HTML], "<title>502 Bad Gateway</title>nginx", "http.5xx", &["gateway", "502"]),
        ("503 Service Unavailable", &[], "", "http.5xx", &["503"]),
        ("511 Network Authentication Required", &[HTML], "<title>Hotel</title>", "net.captive", &["login page"]),
        ("400 Bad Request", &[JSON], r#"{"error":"tenant header missing"}"#, "http.status", &["tenant header missing"]),
        ("421 Misdirected Request", &[], "Invalid Host header", "http.403", &["host or origin"]),
        ("302 Found", &[("Location", "https://elsewhere.example/login")], "", "http.redirect", &["elsewhere.example"]),
        ("301 Moved Permanently", &[], "", "http.redirect", &["Location"]),
        (
            "401 Unauthorized",
            &[JSON],
            r#"{"code":"UNAUTHENTICATED","message":"API key has expired"}"#,
            "auth.static-refused",
            &["ACME_TOKEN", "API key has expired"],
        ),
    ];
    for (status, headers, body, code, words) in rows.iter().copied() {
        let upstream = first(move |call| call.respond(status, headers, body));
        assert_cause(&report(&upstream, &[]), code, 1, words);
    }
}

#[test]
fn an_error_of_json_rpc_is_shown() {
    let upstream = Upstream::start(|call| match call.kind() {
        "initialize" => call.error("400 Bad Request", -32600, "Invalid Request: no tenant"),
        "server/discover" => call.error("404 Not Found", -32601, "Method not found"),
        _ => call.respond_normally(),
    });
    assert_cause(&report(&upstream, &[]), "mcp.refused", 1, &["no tenant", "-32600"]);
}

#[test]
fn a_server_at_another_path_is_suggested() {
    for path in ["/mcp", "/sse", "/", "/api/mcp"] {
        let stream = HttpSse::new("/messages");
        let upstream = Upstream::start(move |call| match call.path() {
            there if there == path && path == "/sse" => stream.serve(call),
            there if there == path && there != "/api" => match call.request.http_method.as_str() {
                "GET" => call.respond("405 Method Not Allowed", &[("Allow", "POST, DELETE")], ""),
                _ => serve(call),
            },
            _ => call.plain("404 Not Found", ""),
        });
        let url = upstream.url("/api");
        let found = diagnose(&[], || Bridge::bare().args(["doctor", &url]));
        assert_cause(&found, "http.404", 1, &["/api"]);
        let fix = found.json["cause"]["fix"].as_str().unwrap();
        assert_eq!(fix, format!("mcp-ferry doctor {}", upstream.url(path)), "{}", found.text);
        let posts = upstream.requests().iter().filter(|request| request.http_method == "POST").count();
        assert_eq!(posts, 2, "the search sends GETs alone: {:?}", upstream.kinds());
    }
}

#[test]
fn the_old_transport_is_a_warning() {
    let stream = HttpSse::new("/messages");
    let upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => {
            let answer = result(&call.id(), r#"{"tools":[{"name":"a","inputSchema":{}}]}"#);
            call.accepted();
            stream.event(&answer);
        }
        _ => stream.serve(call),
    });
    let found = report(&upstream, &[]);
    assert!(found.codes().contains(&"http.405-sse") && found.exit == 0, "{}", found.text);
    assert_eq!(found.fact("tools"), "1", "{}", found.text);
    assert!(found.fact("mcp").contains("2024-11-05"), "{}", found.text);
    let found = report(&upstream, &["--transport", "http-only"]);
    assert_cause(&found, "http.405-sse", 1, &["HTTP+SSE"]);
}

#[test]
fn a_redirect_within_the_server_is_a_warning() {
    let upstream = Upstream::start(|call| match call.path() {
        "/mcp" => call.respond("307 Temporary Redirect", &[("Location", "/mcp/")], ""),
        _ => serve(call),
    });
    let found = report(&upstream, &[]);
    assert_warning(&found, "http.redirect");
    assert!(found.text.contains("/mcp/"), "{}", found.text);
}

#[test]
fn both_eras_serve() {
    let upstream = Upstream::start(Exchange::respond_as_modern);
    let found = report(&upstream, &[]);
    assert!(found.fact("mcp").starts_with("a-modern-upstream 9, 2026-07-28"), "{}", found.text);
    assert_eq!((found.codes(), found.exit), (vec!["mcp.no-tools", "mcp.list", "mcp.list"], 0), "{}", found.text);
    assert_cause(&report(&upstream, &["--protocol", "legacy"]), "mcp.era", 1, &["2026-07-28"]);
    let legacy = Upstream::start(|call| match call.kind() {
        "server/discover" => call.plain("400 Bad Request", "Bad Request: Server not initialized"),
        _ => serve(call),
    });
    let found = report(&legacy, &["--protocol", "modern"]);
    assert_eq!((found.cause(), found.exit), (Some("mcp.era"), 1), "{}", found.text);
}

#[test]
fn a_server_without_tools_is_a_warning() {
    let empty = Upstream::start(|call| match call.kind() {
        "tools/list" => call.result(r#"{"tools":[]}"#),
        _ => serve(call),
    });
    assert_warning(&report(&empty, &[]), "mcp.no-tools");
    let found = report(&empty, &["--strict"]);
    assert_eq!((found.cause(), found.exit), (None, 1), "--strict counts warnings: {}", found.text);
    let declares_none = first(|call| call.result(r#"{"protocolVersion":"2025-06-18","capabilities":{}}"#));
    assert_warning(&report(&declares_none, &[]), "mcp.no-tools");
}

#[test]
fn filters_are_told() {
    let upstream = Upstream::start(serve);
    let found = report(&upstream, &["--allow-tool", "a"]);
    assert_eq!(found.fact("tools"), "2, 1 of them hidden by your filters", "{}", found.text);
    assert_warning(&report(&upstream, &["--read-only"]), "mcp.no-tools");
}

#[test]
fn a_list_that_fails_is_a_cause() {
    for respond in [
        (|call: Exchange| call.error("200 OK", -32603, "database is down")) as fn(Exchange),
        |call| call.result(r#"{"tools":"database is down"}"#),
        |call| call.json("database is down"),
    ] {
        let upstream = Upstream::start(move |call| match call.kind() {
            "tools/list" => respond(call),
            _ => serve(call),
        });
        assert_cause(&report(&upstream, &[]), "mcp.list", 1, &["tools"]);
    }
}

#[test]
fn a_session_that_is_forgotten_is_told_from_servers_that_share_none() {
    let forgets = Upstream::start(|call| match call.kind() {
        "tools/list" => call.plain("404 Not Found", "no such session"),
        _ => serve(call),
    });
    assert_cause(&report(&forgets, &[]), "mcp.session-lost", 1, &["no such session"]);
    let sticky = Upstream::start(|call| match (call.kind(), call.nth % 2) {
        ("tools/list", 0) => call.plain("404 Not Found", "no such session"),
        _ => serve(call),
    });
    assert_cause(&report(&sticky, &[]), "mcp.sticky", 1, &["several servers"]);
}

#[test]
fn a_whole_event_stream_was_held_back() {
    let upstream = first(|call| {
        let answer = result(&call.id(), r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}"#);
        let body = format!("event: message\ndata: {answer}\n\n");
        call.respond("200 OK", &[("Content-Type", "text/event-stream")], &body);
    });
    assert_warning(&report(&upstream, &[]), "http.buffered");
}

#[test]
fn a_notification_stream_that_does_not_begin_was_held_back() {
    let upstream = Upstream::start(|call| match call.kind() {
        "GET" => call.hold(),
        _ => serve(call),
    });
    assert_warning(&report(&upstream, &[]), "http.buffered");
}

#[test]
fn a_clock_that_differs_from_the_servers_is_a_warning() {
    let upstream = first(|call| {
        let answer = result(&call.id(), r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}"#);
        call.respond("200 OK", &[JSON, ("Date", "Tue, 15 Nov 1994 08:12:31 GMT")], &answer);
    });
    assert_warning(&report(&upstream, &[]), "tls.clock");
}

#[test]
fn a_server_that_never_answers_is_not_waited_for() {
    let upstream = Upstream::holding(["initialize"]);
    assert_cause(&report(&upstream, &[]), "http.silent", 1, &["has not answered"]);
}

#[test]
fn a_slow_first_answer_is_a_warning() {
    let upstream = Upstream::start(|call| {
        if call.kind() == "initialize" {
            // What is tested is that it is slow.
            std::thread::sleep(std::time::Duration::from_millis(2950));
        }
        serve(call);
    });
    assert_warning(&report(&upstream, &[]), "http.slow");
}

#[test]
fn a_connection_that_breaks_is_a_cause() {
    assert_cause(&report(&first(Exchange::cut), &[]), "net.broken", 1, &["broke"]);
}

#[test]
fn secrets_in_an_address_stay_hidden() {
    let upstream = Upstream::start(serve);
    for (path, token) in [
        ("/mcp/c0ffee5a1dbad9f3e7aa/slot", "c0ffee5a1dbad9f3e7aa"),
        ("/mcp/${ACME_PATH}/slot", "tok-99"),
        ("/mcp?api_key=tok-77-marked", "tok-77-marked"),
    ] {
        let url = upstream.url(path);
        let found = diagnose(&[token], || Bridge::bare().args(["doctor", &url]).env("ACME_PATH", "tok-99"));
        assert_eq!(found.exit, 0, "{}", found.text);
    }
}

#[test]
fn a_hostile_server_does_no_harm_on_a_terminal() {
    let evil = "\\u001b[2J\\u202e\\u0007\\n  ok    tools";
    let long = "x".repeat(200_000);
    let upstream = Upstream::start(move |call| {
        match call.kind() {
        "initialize" => call.result(&format!(
            r#"{{"protocolVersion":"{evil}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"{evil}{long}","version":"{evil}"}}}}"#
        )),
        "tools/list" => call.error("200 OK", -32603, &format!("{evil}{long}")),
        _ => call.respond_normally(),
    }
    });
    let found = report(&upstream, &[]);
    assert_eq!(found.cause(), Some("mcp.list"), "{}", found.text);
    assert!(found.text.len() < 20_000, "{} bytes", found.text.len());
}
