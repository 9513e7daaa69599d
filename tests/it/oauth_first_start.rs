//! The first start without a login: the first message is answered at once, no tab opens, and `sign_in` is offered.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::*;

/// A client with URL elicitation calls a tool; returns the elicitation.
fn login_elicitation(bridge: &mut Bridge) -> Value {
    let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"form":{},"url":{}}},"clientInfo":{"name":"a-client","version":"1"}}"#;
    bridge.request("1", "initialize", hello);
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    value(&bridge.message("elicitation/create"))
}

#[test]
fn the_first_message_is_answered_in_time_and_the_tools_include_sign_in() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).env("MCP_FERRY_STARTUP_WAIT", "2.5").start();
    let started = Instant::now();
    let response = bridge.initialize();
    let took = started.elapsed();
    assert!(took < Duration::from_millis(2900), "the first message is answered within 2.5 s, this took {took:?}");
    let instructions = value(&response)["result"]["instructions"].as_str().unwrap_or_default().to_owned();
    assert!(instructions.to_lowercase().contains("sign"), "the instructions mention the login: {response}");
    let tools = value(&bridge.request("1", "tools/list", "{}"));
    let names: Vec<_> = tools["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, [servers.login_tool()], "without stored tools there is one tool");
    bridge.finish();
}

#[test]
fn a_pending_login_does_not_delay_the_exit() {
    exits_within(300, || {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
        let mut bridge = machine.bridge(&servers).start();
        bridge.initialize();
        bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
        machine.browser.tab(1);
        bridge.cancel("1");
        bridge.finish()
    });
}

#[test]
fn a_call_that_waits_for_a_login_does_not_delay_the_exit() {
    exits_within(1000, || {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
        let mut bridge = machine.bridge(&servers).start();
        bridge.initialize();
        bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
        machine.browser.tab(1);
        bridge.finish()
    });
}

#[test]
fn requests_of_a_batch_that_need_no_login_are_answered() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    let (ping, list) = (request("1", "ping", "{}"), request("2", "tools/list", "{}"));
    bridge.expect_response("1");
    bridge.expect_response("2");
    bridge.send(&format!("[{ping},{list}]"));
    bridge.response("1");
    assert!(bridge.response("2").contains("sign_in"), "the tool sign_in is listed");
    bridge.finish();
}

#[test]
fn ten_short_starts_open_no_browser_tab() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    for start in 0..10 {
        let mut bridge = machine.bridge(&servers).env("MCP_FERRY_STARTUP_WAIT", "0.2").start();
        if start % 2 == 0 {
            bridge.initialize();
            bridge.request("1", "tools/list", "{}");
        } else {
            bridge.send(&initialize("1", REVISION));
            bridge.response("1");
        }
        bridge.finish();
    }
    assert_eq!(machine.browser.tabs(), [""; 0], "a start opens no tab");
    assert!(servers.records().registrations.len() <= 1, "the registration is reused");
}

#[test]
fn a_tab_opens_for_a_client_that_stays_connected() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.message("notifications/tools/list_changed");
    let tools = bridge.request("1", "tools/list", "{}");
    assert!(tools.contains(r#""look""#), "{tools}");
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn sign_in_returns_the_link_and_waits_for_the_login() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.send(&request(
        "1",
        "tools/call",
        &format!(r#"{{"name":"{}","_meta":{{"progressToken":"p"}}}}"#, servers.login_tool()),
    ));
    let progress = bridge.message("notifications/progress");
    assert!(progress.contains(r#""progressToken":"p""#), "{progress}");
    let tab = machine.browser.tab(1);
    assert_eq!(follow(&tab).expect("a page").status, 200);
    let answer = bridge.response("1");
    assert!(!answer.contains(r#""isError":true"#) && answer.to_lowercase().contains("signed in"), "{answer}");
    call_succeeds(&mut bridge, "2");
    bridge.finish();
}

#[test]
fn requests_wait_for_the_login_and_then_succeed() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    bridge.send(&request("2", "resources/read", r#"{"uri":"note:1"}"#));
    follow(&machine.browser.tab(1));
    assert!(bridge.response("1").contains("looked"));
    assert!(bridge.response("2").contains(r#""result""#));
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 1, "two requests need one login");
}

#[test]
fn a_login_completed_before_a_late_401_lets_the_request_succeed() {
    let servers = OauthServers::start(Rules { endless_401_bodies: true, ..Rules::default() });
    let machine = Machine::with_user();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
}

#[test]
fn a_login_in_another_process_is_used_by_every_bridge() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut waiting = machine.bridge(&servers).start();
    waiting.initialize();
    let mut other = machine.bridge(&servers).start();
    other.initialize();
    other.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    follow(&machine.browser.tab(1));
    assert!(other.response("1").contains("looked"));
    waiting.message("notifications/tools/list_changed");
    call_succeeds(&mut waiting, "1");
    waiting.finish();
    other.finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn the_stored_results_of_a_server_are_used_while_logged_out() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    bridge.request("2", "tools/list", "{}");
    bridge.finish();
    servers.records().lose_database();
    let mut bridge = machine.bridge(&servers).start();
    let response = bridge.initialize();
    assert!(response.contains("an-upstream"), "the stored result is used: {response}");
    let tools = bridge.request("1", "tools/list", "{}");
    assert!(
        tools.contains(r#""look""#) && tools.contains(&servers.login_tool()),
        "the stored tools and sign_in: {tools}"
    );
    bridge.finish();
}

#[test]
fn a_client_with_url_elicitation_gets_the_login_link() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge_without_browser(&servers).start();
    let elicited = login_elicitation(&mut bridge);
    let params = &elicited["params"];
    assert_eq!(params["mode"], "url", "{elicited}");
    let url = params["url"].as_str().expect("a URL").to_owned();
    let id = elicited["id"].to_string();
    let elicitation = params["elicitationId"].clone();
    bridge.send(&result(&id, r#"{"action":"accept"}"#));
    assert_eq!(follow(&url).expect("a page").status, 200);
    let complete = bridge.message("notifications/elicitation/complete");
    assert_eq!(value(&complete)["params"]["elicitationId"], elicitation, "the client can close the link");
    assert!(bridge.response("2").contains("looked"));
    bridge.finish();
}

#[test]
fn auth_wait_sends_no_placeholder_result() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).args(["--auth", "wait"]).env("MCP_FERRY_STARTUP_WAIT", "0.2").start();
    bridge.send(&initialize("1", REVISION));
    let tab = machine.browser.tab(1);
    std::thread::sleep(Duration::from_millis(400));
    assert!(bridge.lines().is_empty(), "the bridge sends no placeholder: {:?}", bridge.lines());
    follow(&tab);
    assert!(bridge.response("1").contains("mind the gap"), "the server's own answer");
    bridge.finish();
}

#[test]
fn a_failed_login_sends_no_elicitation_complete() {
    let (servers, machine) = (OauthServers::start(Rules::user_denies()), Machine::without_user());
    let mut bridge = machine.bridge_without_browser(&servers).start();
    let elicited = login_elicitation(&mut bridge);
    follow(elicited["params"]["url"].as_str().expect("a URL"));
    let answer = bridge.response("2");
    assert!(answer.contains("access_denied"), "{answer}");
    // A response that arrives too late is not forwarded to the server.
    bridge.send(&result(&elicited["id"].to_string(), r#"{"action":"accept"}"#));
    bridge.request("3", "ping", "{}");
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("elicitation/complete")), "a failed login is not complete");
    assert_eq!(servers.resource.count("other"), 0, "responses to the bridge's own requests are not forwarded");
}

#[test]
fn a_login_link_in_the_log_is_complete_or_absent() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.send(&request("1", "resources/read", r#"{"uri":"note:1"}"#));
    machine.browser.tab(1);
    machine.run(["logout", &servers.url()], "");
    bridge.response("1");
    let ended = bridge.finish();
    let links = ended.stderr.split_whitespace().filter(|word| word.contains("/authorize?"));
    for link in links {
        assert!(!link.contains("***"), "the address is incomplete: {link}");
    }
}

#[test]
fn list_requests_while_logged_out_cause_one_list_changed_per_login() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    bridge.message("notifications/tools/list_changed");
    servers.records().lose_database();
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    for id in ["3", "4", "5", "6"] {
        bridge.request(id, "tools/list", "{}");
    }
    bridge.response("2");
    bridge.still_works();
    let ended = bridge.finish();
    let count = ended.lines.iter().filter(|line| line.contains("notifications/tools/list_changed")).count();
    assert!(count <= 2, "at most one for each login: {count}");
}

#[test]
fn a_slow_authorization_server_does_not_delay_the_first_message() {
    let servers = OauthServers::start(Rules {
        resource_metadata: Box::new(|_| std::thread::sleep(Duration::from_secs(4))),
        ..Rules::default()
    });
    let machine = Machine::without_user();
    let mut bridge = machine.bridge(&servers).env("MCP_FERRY_STARTUP_WAIT", "2.5").start();
    let started = Instant::now();
    let response = bridge.initialize();
    assert!(response.contains("sign_in"), "the need for a login is known: {response}");
    assert!(bridge.request("1", "tools/list", "{}").contains("sign_in"));
    let took = started.elapsed();
    assert!(took < Duration::from_secs(3), "neither response waits for the authorization server, this took {took:?}");
    bridge.finish();
}
