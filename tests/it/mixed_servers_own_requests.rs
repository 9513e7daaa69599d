//! Servers that refuse what the bridge requests for itself: no login begins because of it, and no call is kept from
//! the server.

use std::time::Duration;

use crate::support::*;

/// Longer than a client must stay for a login to begin unasked.
const LONGER_THAN_A_LOOK: Duration = Duration::from_millis(2500);

#[test]
fn refusals_of_the_bridges_own_requests_begin_no_login() {
    let is_public = |exchange: &Exchange| {
        !matches!(exchange.kind(), "GET" | "server/discover" | "ping" | "DELETE" | "notifications/cancelled")
    };
    let servers = OauthServers::start(Rules { is_public, is_stateless: true, ..Rules::default() });
    let machine = Machine::without_user();
    let mut bridge = machine.bridge(&servers).args(["--keep-alive", "--ping-interval", "0.3"]).start();
    bridge.initialize();
    for own in ["GET", "ping", "server/discover"] {
        servers.resource.wait_for(own, 1);
    }
    std::thread::sleep(LONGER_THAN_A_LOOK);
    call_succeeds(&mut bridge, "1");
    let tools = bridge.request("2", "tools/list", "{}");
    assert!(tools.contains(r#""look""#) && !tools.contains("sign_in"), "the server's own list: {tools}");
    let answer = value(&bridge.request("3", "ping", "{}"));
    assert!(answer["result"].is_object(), "a client's ping is no reason to log in: {answer}");
    bridge.finish();
    assert_eq!(machine.browser.tabs(), [""; 0]);
    assert!(servers.issuer.requests().is_empty(), "no authorization server is looked for");
    assert_eq!(servers.resource.count("other"), 0);
}

#[test]
fn refusals_of_the_bridges_own_requests_spend_few_refresh_tokens() {
    let servers = OauthServers::start(Rules {
        is_forbidden: |exchange| matches!(exchange.kind(), "GET" | "ping" | "DELETE"),
        ..Rules::default()
    });
    let machine = Machine::with_user();
    machine.logged_in(&servers).finish();
    let before = servers.records().refreshes;
    let mut bridge = machine.bridge(&servers).args(["--keep-alive", "--ping-interval", "1"]).start();
    bridge.initialize();
    for own in ["GET", "ping"] {
        servers.resource.wait_for(own, 2);
    }
    for id in 1..20 {
        call_succeeds(&mut bridge, &id.to_string());
        std::thread::sleep(Duration::from_millis(50));
    }
    bridge.finish();
    let refreshes = servers.records().refreshes - before;
    assert!(refreshes <= 4, "{refreshes} refreshes, though the server accepts the token for all calls");
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn a_refused_delete_does_not_delay_the_end() {
    exits_within(1000, || {
        let servers =
            OauthServers::start(Rules { is_public: |exchange| exchange.kind() != "DELETE", ..Rules::default() });
        let machine = Machine::without_user();
        let mut bridge = machine.bridge(&servers).start();
        bridge.initialize();
        call_succeeds(&mut bridge, "1");
        let ended = bridge.finish();
        assert!(servers.issuer.requests().is_empty());
        ended
    });
}

#[test]
fn a_refused_subscription_of_the_bridge_begins_no_login_and_is_sent_again_after_one() {
    let servers = OauthServers::start(Rules {
        era: Era::Modern,
        is_public: |exchange| {
            exchange.kind() != "subscriptions/listen" && !exchange.request.text().contains(r#""private""#)
        },
        is_held: |exchange| exchange.kind() == "subscriptions/listen",
        ..Rules::default()
    });
    let machine = Machine::without_user();
    let mut bridge = machine.bridge(&servers).args(["--protocol", "modern"]).start();
    bridge.initialize();
    servers.resource.wait_for("subscriptions/listen", 1);
    std::thread::sleep(LONGER_THAN_A_LOOK);
    call_succeeds(&mut bridge, "1");
    assert_eq!(machine.browser.tabs(), [""; 0]);
    assert_eq!(servers.resource.count("subscriptions/listen"), 1, "without another token it is refused again");
    bridge.send(&request("2", "tools/call", r#"{"name":"private"}"#));
    follow(&machine.browser.tab(1));
    assert!(bridge.response("2").contains("looked"));
    servers.resource.take("subscriptions/listen");
    bridge.finish();
}

#[test]
fn a_modern_clients_own_subscription_waits_for_a_login_and_begins_none() {
    for era in [Era::Legacy, Era::Modern] {
        let servers = OauthServers::start(Rules {
            era,
            is_public: |exchange| {
                !matches!(exchange.kind(), "subscriptions/listen" | "GET")
                    && !exchange.request.text().contains(r#""private""#)
            },
            ..Rules::default()
        });
        let machine = Machine::without_user();
        let mut bridge = machine.bridge(&servers).args(["--client-protocol", "modern"]).start();
        bridge.send(&modern_request(
            r#""news""#,
            "subscriptions/listen",
            r#""notifications":{"toolsListChanged":true}"#,
        ));
        bridge.message("notifications/subscriptions/acknowledged");
        std::thread::sleep(LONGER_THAN_A_LOOK);
        let answer = bridge.request_modern("1", "tools/call", r#""name":"look","arguments":{}"#);
        assert_eq!(answer["result"]["content"][0]["text"], "looked", "{era:?}: {answer}");
        assert_eq!(machine.browser.tabs(), [""; 0]);
        bridge.close_stdin();
        bridge.wait_for_exit();
    }
}

#[test]
fn the_get_stream_is_opened_after_the_login_of_a_call() {
    let servers = OauthServers::start(Rules {
        is_public: |exchange| exchange.kind() != "GET" && !exchange.request.text().contains(r#""private""#),
        is_held: |exchange| exchange.kind() == "GET",
        ..Rules::default()
    });
    let machine = Machine::without_user();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    servers.resource.wait_for("GET", 1);
    bridge.send(&request("1", "tools/call", r#"{"name":"private"}"#));
    follow(&machine.browser.tab(1));
    assert!(bridge.response("1").contains("looked"));
    let stream = servers.resource.take("GET").sse();
    stream.event(&notification("notifications/resources/list_changed", "{}"));
    bridge.message("notifications/resources/list_changed");
    stream.end();
    bridge.finish();
}
