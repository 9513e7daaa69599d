//! Servers that want a login for some requests alone: only the refused request waits for it, and the login begins
//! wherever the first refusal comes.

use std::time::Duration;

use serde_json::Value;

use crate::support::*;

/// Whether this calls a tool that anybody may call, or is no call.
fn is_no_private_call(exchange: &Exchange) -> bool {
    exchange.kind() != "tools/call" || !exchange.request.text().contains(r#""private""#)
}

/// A server of this era that wants a login for its tool `private` alone.
fn with_a_private_tool(era: Era) -> OauthServers {
    OauthServers::start(Rules { era, is_public: is_no_private_call, ..Rules::default() })
}

/// A server that wants a login for all that follows `initialize`, and its `initialized`.
fn with_a_public_handshake() -> OauthServers {
    let is_public = |exchange: &Exchange| matches!(exchange.kind(), "initialize" | "notifications/initialized");
    OauthServers::start(Rules { is_public, ..Rules::default() })
}

fn names(listed: &Value) -> Vec<&str> {
    let tools = listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("a list of tools: {listed}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap_or_default()).collect()
}

/// How many requests of this kind reached the server with a token, and without one.
fn with_and_without_token(servers: &OauthServers, kind: &str) -> (usize, usize) {
    let requests = servers.resource.requests();
    let of_kind = requests.iter().filter(|request| request.kind == kind);
    let (with, without): (Vec<_>, Vec<_>) = of_kind.partition(|request| request.header("authorization").is_some());
    (with.len(), without.len())
}

#[test]
fn only_the_refused_call_waits_for_the_login() {
    let (servers, machine) = (with_a_private_tool(Era::Legacy), Machine::without_user());
    let mut bridge = machine.bridge(&servers).start();
    assert!(bridge.initialize().contains("mind the gap"), "the server's own result");
    bridge.send(&request("1", "tools/call", r#"{"name":"private"}"#));
    let tab = machine.browser.tab(1);
    for id in ["2", "3"] {
        call_succeeds(&mut bridge, id);
    }
    assert_eq!(names(&value(&bridge.request("4", "tools/list", "{}"))), ["look"], "the server's own list");
    for (id, method) in [("5", "resources/read"), ("6", "prompts/list"), ("7", "completion/complete"), ("8", "ping")] {
        let answer = value(&bridge.request(id, method, "{}"));
        assert!(answer["result"].is_object(), "the server takes {method} without a login: {answer}");
    }
    bridge.still_works();
    assert!(!bridge.lines().iter().any(|line| line.contains(r#""id":1,"#)), "the refused call goes on waiting");
    follow(&tab);
    assert!(bridge.response("1").contains("looked"));
    call_succeeds(&mut bridge, "9");
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 1);
    assert_eq!(with_and_without_token(&servers, "tools/call"), (2, 3), "with the login, requests carry its token");
}

#[test]
fn only_the_refused_call_of_a_modern_client_waits_for_the_login() {
    for era in [Era::Legacy, Era::Modern] {
        let (servers, machine) = (with_a_private_tool(era), Machine::without_user());
        let mut bridge = machine.bridge(&servers).args(["--client-protocol", "modern"]).start();
        let call = |id: &str, name: &str| {
            let capabilities = r#"{"elicitation":{"form":{}}}"#;
            modern_request_with(id, "tools/call", &format!(r#""name":"{name}","arguments":{{}}"#), capabilities, "")
        };
        bridge.send(&call("1", "private"));
        let tab = machine.browser.tab(1);
        for id in ["2", "3"] {
            bridge.send(&call(id, "look"));
            assert!(bridge.response(id).contains("looked"), "{era:?}");
        }
        assert_eq!(names(&bridge.request_modern("4", "tools/list", "")), ["look"], "the server's own list");
        follow(&tab);
        assert!(bridge.response("1").contains("looked"));
        bridge.finish();
        assert_eq!(machine.browser.tabs().len(), 1);
    }
}

#[test]
fn a_legacy_client_of_a_modern_server_waits_for_the_refused_call_alone() {
    let (servers, machine) = (with_a_private_tool(Era::Modern), Machine::without_user());
    let mut bridge = machine.bridge(&servers).args(["--protocol", "modern"]).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", r#"{"name":"private"}"#));
    let tab = machine.browser.tab(1);
    call_succeeds(&mut bridge, "2");
    assert_eq!(names(&value(&bridge.request("3", "tools/list", "{}"))), ["look"]);
    follow(&tab);
    assert!(bridge.response("1").contains("looked"));
    bridge.finish();
}

#[test]
fn a_refusal_that_is_about_no_login_is_passed_on_while_another_call_waits() {
    let (servers, machine) = (with_a_private_tool(Era::Legacy), Machine::without_user());
    servers.rules().status = |exchange| exchange.request.text().contains(r#""not allowed""#).then_some("403 Forbidden");
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", r#"{"name":"private"}"#));
    machine.browser.tab(1);
    bridge.send(&request("2", "tools/call", r#"{"name":"not allowed"}"#));
    assert_error_mentions(&bridge.response("2"), &["403"]);
    bridge.cancel("1");
    bridge.finish();
}

#[test]
fn a_request_for_more_scope_waits_alone() {
    let servers = OauthServers::start(Rules {
        challenge: r#", scope="read""#.to_owned(),
        required_scope: |method| (method == "resources/read").then_some("write"),
        ..Rules::default()
    });
    let machine = Machine::without_user();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    follow(&machine.browser.tab(1));
    assert!(bridge.response("1").contains("looked"));
    bridge.send(&request("2", "resources/read", r#"{"uri":"note:1"}"#));
    let tab = machine.browser.tab(2);
    call_succeeds(&mut bridge, "3");
    assert_eq!(names(&value(&bridge.request("4", "tools/list", "{}"))), ["look"]);
    follow(&tab);
    assert!(bridge.response("2").contains(r#""result""#));
    bridge.finish();
}

#[test]
fn a_first_refusal_of_the_tools_begins_the_login_of_a_client_that_stays() {
    let (servers, machine) = (with_a_public_handshake(), Machine::with_user());
    let mut bridge = machine.bridge(&servers).start();
    assert!(bridge.initialize().contains("mind the gap"), "the server's own result");
    assert_eq!(names(&value(&bridge.request("1", "tools/list", "{}"))), [servers.login_tool()]);
    bridge.message("notifications/tools/list_changed");
    assert_eq!(names(&value(&bridge.request("2", "tools/list", "{}"))), ["look"]);
    // The tool that was listed before may be called after.
    let signed_in = bridge.request("3", "tools/call", &servers.login_call());
    assert!(signed_in.contains("is signed in to"), "{signed_in}");
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn a_refused_initialized_is_sent_again_after_the_login() {
    let servers = OauthServers::start(Rules { is_public: |it| it.kind() == "initialize", ..Rules::default() });
    let machine = Machine::without_user();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    follow(&machine.browser.tab(1));
    assert!(bridge.response("1").contains("looked"));
    call_succeeds(&mut bridge, "2");
    bridge.finish();
    let kinds = servers.resource.kinds();
    let after_login: Vec<_> = kinds.iter().filter(|kind| !matches!(&kind[..], "GET" | "other" | "DELETE")).collect();
    let expected = ["initialize", "notifications/initialized", "tools/call", "notifications/initialized", "tools/call"];
    assert_eq!(after_login[..5], expected, "it comes before the call that waited, and once: {kinds:?}");
    assert_eq!(servers.resource.count("notifications/initialized"), 2);
}

#[test]
fn a_client_that_lists_and_ends_opens_no_tab() {
    let (servers, machine) = (with_a_public_handshake(), Machine::without_user());
    for _ in 0..3 {
        let mut bridge = machine.bridge(&servers).start();
        bridge.initialize();
        bridge.request("1", "tools/list", "{}");
        bridge.finish();
    }
    assert_eq!(machine.browser.tabs(), [""; 0]);
    assert_eq!(servers.records().registrations.len(), 0);
}

#[test]
fn a_step_up_that_the_tools_need_begins_too() {
    let servers = OauthServers::start(Rules {
        challenge: r#", scope="read""#.to_owned(),
        required_scope: |method| (method == "tools/list").then_some("list"),
        ..Rules::default()
    });
    let machine = Machine::with_user();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.message("notifications/tools/list_changed");
    assert_eq!(names(&value(&bridge.request("2", "tools/list", "{}"))), [servers.login_tool()]);
    bridge.message("notifications/tools/list_changed");
    assert_eq!(names(&value(&bridge.request("3", "tools/list", "{}"))), ["look"]);
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 2);
}

#[test]
fn a_tool_that_no_login_opens_costs_few_logins_and_no_other_call() {
    let (servers, machine) = (with_a_private_tool(Era::Legacy), Machine::with_user());
    servers.rules().is_forbidden = |exchange| !is_no_private_call(exchange);
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", r#"{"name":"private"}"#));
    call_succeeds(&mut bridge, "2");
    let answer = bridge.response("1");
    assert!(answer.contains(r#""isError":true"#), "{answer}");
    call_succeeds(&mut bridge, "3");
    bridge.finish();
    let tabs = machine.browser.tabs().len();
    assert!(tabs <= 2, "{tabs} tabs");
    let refreshes = servers.records().refreshes;
    assert!(refreshes <= 4, "{refreshes} refreshes for one call");
}

#[test]
fn a_server_that_asks_for_scope_without_a_token_wants_a_login() {
    let servers = OauthServers::start(Rules {
        is_public: is_no_private_call,
        refusal: "403 Forbidden",
        challenge: r#", error="insufficient_scope", scope="write""#.to_owned(),
        ..Rules::default()
    });
    let machine = Machine::with_user();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    assert!(bridge.request("1", "tools/call", r#"{"name":"private"}"#).contains("looked"));
    bridge.finish();
    assert_eq!(parameter(&servers.records().logins[0], "scope").as_deref(), Some("write"));
}

#[test]
fn auth_wait_holds_the_first_refused_request() {
    let (servers, machine) = (with_a_public_handshake(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).args(["--auth", "wait"]).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/list", "{}"));
    let tab = machine.browser.tab(1);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!bridge.lines().iter().any(|line| line.contains("sign_in")), "the list waits: {:?}", bridge.lines());
    follow(&tab);
    assert_eq!(names(&value(&bridge.response("1"))), ["look"]);
    bridge.finish();
}

#[test]
fn auth_error_answers_the_first_refused_request_with_the_link() {
    let (servers, machine) = (with_a_public_handshake(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).args(["--auth", "error"]).start();
    bridge.initialize();
    let answer = bridge.request("1", "tools/list", "{}");
    let (code, message) = error_of(&answer);
    assert!(code == -32001 && message.contains("to sign in, open http"), "{answer}");
    assert!(value(&answer)["error"]["data"]["url"].as_str().unwrap_or_default().contains("/authorize?"), "{answer}");
    bridge.finish();
    assert_eq!(machine.browser.tabs(), [""; 0]);
}

#[test]
fn a_stream_of_http_sse_that_wants_a_login_gets_it() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    // The POST to the stream's address is refused before anybody looks at a token.
    servers.rules().status = |exchange| (exchange.kind() == "initialize").then_some("405 Method Not Allowed");
    let mut bridge = machine.bridge(&servers).start();
    let response = bridge.initialize();
    assert!(response.contains("sign_in"), "{response}");
    bridge.send(&request("1", "tools/call", &servers.login_call()));
    follow(&machine.browser.tab(1));
    servers.resource.wait_for("GET", 2);
    bridge.finish();
}

#[test]
fn a_server_that_moved_to_another_authorization_server_is_followed_though_the_old_one_is_away() {
    // Each waits for the old authorization server to answer.
    std::thread::scope(|scope| {
        for lifetime in [1, 3600] {
            scope.spawn(move || follows_a_move_while_the_old_one_is_away(lifetime));
        }
    });
}

fn follows_a_move_while_the_old_one_is_away(lifetime: u64) {
    let second = Duration::from_secs(1);
    let rules = Rules { lifetime: (Some(lifetime), second * 3600), ..Rules::default() };
    let (servers, other, machine) = (OauthServers::start(rules), OauthServers::well_behaved(), Machine::with_user());
    get(&other.url(), &[]);
    let mut bridge = machine.logged_in(&servers);
    let issuer = other.issuer.url("");
    servers.rules().resource_metadata = Box::new(move |metadata| {
        metadata["authorization_servers"] = serde_json::json!([issuer]);
    });
    let away = || Fault::Answer("503 Service Unavailable", "gone");
    servers.queue_token_faults(std::iter::repeat_with(away).take(50));
    servers.records().invalidate_access_tokens();
    // Lifetimes are whole seconds, and their end causes no event to wait for.
    std::thread::sleep(second);
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    machine.browser.tab(2);
    // The user's browser gets there from the short address.
    other.issuer.wait_for_path("/authorize?");
    bridge.cancel("2");
    bridge.finish();
}
