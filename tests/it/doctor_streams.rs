//! What does `doctor` say of the notification stream of a modern server?

use crate::support::*;

/// The report about a server that answers `subscriptions/listen` so, and all else as a good modern server with one tool.
#[track_caller]
fn report(listen: impl Fn(Exchange) + Send + Sync + 'static) -> (Upstream, Diagnosis) {
    let upstream = Upstream::start(move |call| match call.kind() {
        "subscriptions/listen" => {
            call.has_modern_headers();
            listen(call);
        }
        "tools/list" => call.complete(r#""tools":[{"name":"a","inputSchema":{}}]"#),
        "resources/list" => call.complete(r#""resources":[]"#),
        "prompts/list" => call.complete(r#""prompts":[]"#),
        _ => call.respond_as_modern(),
    });
    let url = upstream.url("/mcp");
    let found = diagnose(&[], || Bridge::bare().args(["doctor", &url]));
    (upstream, found)
}

#[test]
fn a_modern_stream_that_begins_is_told_and_closed() {
    let (upstream, found) = report(|call| {
        let filter = call.params()["notifications"].clone();
        assert_eq!(
            filter,
            serde_json::json!({ "toolsListChanged": true, "resourcesListChanged": true }),
            "all that the server declares, as the bridge asks for it"
        );
        let (id, filter) = (call.id(), filter.to_string());
        let events = call.sse();
        events.event(&acknowledged(&id, &filter));
        assert!(events.closed_by_client(), "no stream is left at the server");
    });
    assert_eq!((found.exit, found.codes().len()), (0, 0), "{}", found.text);
    assert!(found.fact("stream").starts_with("notifications come"), "{}", found.text);
    assert_eq!(upstream.count("subscriptions/listen"), 2, "one for each run");
}

#[test]
fn a_modern_stream_without_acknowledgement_is_one_as_for_the_bridge() {
    let (_, found) = report(|call| {
        let id = call.id();
        let events = call.sse();
        events.event(&subscription_notification(&id, "tools/list_changed", ""));
        events.closed_by_client();
    });
    assert!(found.fact("stream").starts_with("notifications come"), "{}", found.text);
}

#[test]
fn a_modern_stream_that_is_refused_is_no_fault() {
    for (listen, fact) in [
        ((|call| call.plain("404 Not Found", "")) as fn(Exchange), "none (404)"),
        (|call| call.error("200 OK", -32601, "no such method"), "none: no such method (-32601)"),
        (|call| call.sse().end(), "none: no answer came on the stream"),
    ] {
        let (_, found) = report(listen);
        assert_eq!((found.exit, found.codes().len()), (0, 0), "{}", found.text);
        assert!(found.fact("stream").starts_with(fact), "{fact}: {}", found.text);
    }
}

#[test]
fn a_modern_stream_that_does_not_begin_was_held_back() {
    let silent = |call: Exchange| {
        call.sse().chunk(": \n\n").closed_by_client();
    };
    for listen in [Exchange::hold as fn(Exchange), silent] {
        let (_, found) = report(listen);
        assert_eq!((found.cause(), found.exit, found.codes()), (None, 0, vec!["http.buffered"]), "{}", found.text);
    }
}

#[test]
fn a_server_that_declares_no_notifications_is_asked_for_none() {
    let upstream = Upstream::start(|call| {
        match call.kind() {
        "server/discover" => call.result(
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}"#,
        ),
        "tools/list" => call.complete(r#""tools":[{"name":"a","inputSchema":{}}]"#),
        _ => call.respond_as_modern(),
    }
    });
    let url = upstream.url("/mcp");
    let found = diagnose(&[], || Bridge::bare().args(["doctor", &url]));
    assert_eq!((found.exit, found.codes().len()), (0, 0), "{}", found.text);
    assert!(found.fact("stream").starts_with("none: the server declares no notifications"), "{}", found.text);
    assert_eq!(upstream.count("subscriptions/listen"), 0);
}
