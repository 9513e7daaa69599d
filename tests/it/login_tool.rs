//! The bridge's own tool: it opens tabs, tells where to sign in at once where nobody sees one, and is answered after the
//! login too.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::*;

/// A client that cannot wait so long is told where to sign in at once.
const AT_ONCE: Duration = Duration::from_secs(8);

/// A bridge whose client has this name and these capabilities.
fn client(launch: Launch, name: &str, capabilities: &str) -> Bridge {
    let mut bridge = launch.start();
    let params = format!(
        r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"{name}","version":"1"}}}}"#
    );
    bridge.request("0", "initialize", &params);
    bridge.send(&initialized());
    bridge
}

/// The text of a tool's result.
#[track_caller]
fn text(answer: &str) -> String {
    let answer = value(answer);
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("a text: {answer}")).to_owned()
}

/// The first word of a text that is a short address of the bridge.
#[track_caller]
fn short_address(text: &str) -> String {
    let word = text.split_whitespace().find(|word| word.contains("/start/"));
    let word = word.unwrap_or_else(|| panic!("a short address: {text}"));
    assert!(!word.contains(['_', '-', '*', '?']), "no program breaks it or takes it for markup: {word}");
    word.to_owned()
}

/// Where a call of the tool leads, as a person reads it.
fn way_in(bridge: &mut Bridge, servers: &OauthServers, id: &str) -> String {
    text(&bridge.request(id, "tools/call", &servers.login_call()))
}

#[test]
fn the_address_is_the_answer_at_once_where_nobody_is_shown_it() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = client(machine.bridge_without_browser(&servers), "a-client", "{}");
    bridge.request("1", "tools/list", "{}");
    let asked = Instant::now();
    let told = way_in(&mut bridge, &servers, "2");
    let took = asked.elapsed();
    assert!(took < AT_ONCE, "no call waits for a person who sees nothing, this one took {took:?}");
    let address = short_address(&told);
    assert!(told.contains(&format!("login {}", servers.url())), "the whole command for a terminal: {told}");
    assert!(told.contains("must stay open"), "the address needs this program: {told}");
    for _ in 0..2 {
        let page = Tab::default().get(&address).expect("a short address on this machine");
        assert_eq!(page.status, 303, "a person may open it again");
    }
    assert_eq!(follow(&address).expect("a page").status, 200);
    bridge.message("notifications/tools/list_changed");
    call_succeeds(&mut bridge, "4");
    let stderr = bridge.finish().stderr;
    assert_eq!(short_address(&stderr), address, "stderr tells the same one");
}

#[test]
fn a_second_call_waits_because_the_person_has_read_the_address_by_then() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = client(machine.bridge_without_browser(&servers), "a-client", "{}");
    let asked = Instant::now();
    let refused = bridge.request("1", "tools/call", r#"{"name":"look"}"#);
    assert!(refused.contains(r#""isError":true"#) && asked.elapsed() < AT_ONCE, "{refused}");
    let address = short_address(&text(&refused));
    bridge.send(&request("2", "tools/call", &servers.login_call()));
    bridge.send(&request("3", "tools/call", r#"{"name":"look"}"#));
    bridge.request("4", "ping", "{}");
    follow(&address);
    assert!(text(&bridge.response("2")).contains("is signed in to"));
    assert!(bridge.response("3").contains("looked"));
    bridge.finish();
}

#[test]
fn an_elicitation_that_no_person_can_have_read_is_no_reason_to_wait() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let launch = machine.bridge_without_browser(&servers);
    let mut bridge = client(launch, "a-client", r#"{"elicitation":{"form":{},"url":{}}}"#);
    let asked = Instant::now();
    bridge.send(&request("1", "tools/call", &servers.login_call()));
    let elicited = value(&bridge.message("elicitation/create"));
    bridge.send(&result(&elicited["id"].to_string(), r#"{"action":"decline"}"#));
    short_address(&text(&bridge.response("1")));
    assert!(asked.elapsed() < AT_ONCE, "the address is the answer at once");
    bridge.finish();
}

#[test]
fn where_a_tab_is_open_the_client_is_not_asked_to_open_another() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = client(machine.bridge(&servers), "a-client", r#"{"elicitation":{"form":{},"url":{}}}"#);
    bridge.send(&request("1", "tools/call", &servers.login_call()));
    follow(&machine.browser.tab(1));
    assert!(text(&bridge.response("1")).contains("is signed in to"));
    let lines = bridge.finish().lines;
    assert!(!lines.iter().any(|line| line.contains("elicitation/create")), "{lines:?}");
}

#[test]
fn a_dialog_of_the_client_is_cancelled_when_the_login_is_made_otherwise() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let launch = machine.bridge_without_browser(&servers);
    let mut bridge = client(launch, "a-client", r#"{"elicitation":{"form":{},"url":{}}}"#);
    bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    let elicited = value(&bridge.message("elicitation/create"));
    follow(elicited["params"]["url"].as_str().expect("a URL"));
    let cancelled = value(&bridge.message("notifications/cancelled"));
    assert_eq!(cancelled["params"]["requestId"], elicited["id"], "the dialog can be closed");
    for id in ["1", "2"] {
        assert!(bridge.response(id).contains("looked"), "both requests waited for the one dialog");
    }
    let lines = bridge.finish().lines;
    assert_eq!(lines.iter().filter(|line| line.contains("elicitation/create")).count(), 1, "{lines:?}");
}

#[test]
fn the_client_has_the_tools_before_it_reads_that_the_login_is_made() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = client(machine.bridge(&servers), "a-client", "{}");
    bridge.request("1", "tools/list", "{}");
    bridge.send(&request("2", "tools/call", &servers.login_call()));
    follow(&machine.browser.tab(1));
    bridge.message("notifications/tools/list_changed");
    assert!(!bridge.lines().iter().any(|line| line.contains(r#""id":2"#)), "the result comes after the list");
    assert!(bridge.request("3", "tools/list", "{}").contains(r#""look""#));
    assert!(text(&bridge.response("2")).contains("is signed in to"));
    bridge.finish();
}

#[test]
fn a_client_that_does_not_list_again_has_the_result_soon() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = client(machine.bridge(&servers), "a-client", "{}");
    bridge.request("1", "tools/list", "{}");
    bridge.send(&request("2", "tools/call", &servers.login_call()));
    follow(&machine.browser.tab(1));
    bridge.message("notifications/tools/list_changed");
    let changed = Instant::now();
    bridge.response("2");
    let took = changed.elapsed();
    assert!(took < Duration::from_secs(6), "two seconds are enough to list again, this took {took:?}");
    bridge.finish();
}

#[test]
fn after_the_login_the_bridge_answers_its_tool_also_in_the_next_process() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = client(machine.bridge(&servers), "codex-mcp-client", "{}");
    call_succeeds(&mut bridge, "1");
    let told = way_in(&mut bridge, &servers, "2");
    assert!(told.contains("signed in") && told.contains("/new"), "what the user does in this client: {told}");
    bridge.finish();
    let mut bridge = client(machine.bridge(&servers), "a-client", "{}");
    call_succeeds(&mut bridge, "1");
    let told = way_in(&mut bridge, &servers, "2");
    assert!(told.contains("signed in") && !told.contains("/new"), "{told}");
    bridge.finish();
    let calls = servers.resource.requests();
    assert!(!calls.iter().any(|call| call.text().contains("sign_in_to")), "the server does not know the tool");
    let page = machine.browser.pages().remove(0).expect("a page");
    assert!(page.body.contains("type /new"), "the page says it too: {}", page.body);
}

#[test]
fn the_first_list_of_a_client_that_lists_once_waits_for_the_login_in_an_open_tab() {
    for name in ["@cline/core", "qwen-cli-mcp-client-x", "continue-cli-client"] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        let mut bridge = client(machine.bridge(&servers), name, "{}");
        let tools = bridge.request("1", "tools/list", "{}");
        assert!(tools.contains(r#""look""#) && !tools.contains("sign_in_to"), "{name}: {tools}");
        bridge.finish();
        assert_eq!(machine.browser.tabs().len(), 1);
    }
}

#[test]
fn the_first_list_does_not_wait_where_no_tab_is_open() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = client(machine.bridge_without_browser(&servers), "continue-cli-client", "{}");
    let asked = Instant::now();
    let tools = bridge.request("1", "tools/list", "{}");
    assert!(tools.contains(&servers.login_tool()), "{tools}");
    assert!(asked.elapsed() < AT_ONCE, "nobody can log in meanwhile");
    bridge.finish();
}

#[test]
fn each_call_of_the_tool_is_the_wish_for_a_tab_until_there_were_three_in_an_hour() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = client(machine.bridge(&servers), "a-client", "{}");
    let mut calls = 0;
    for tabs in 1..=3 {
        // A call that comes while a tab is being opened is about that one.
        while machine.browser.tabs().len() < tabs {
            calls += 1;
            bridge.send(&request(&calls.to_string(), "tools/call", &servers.login_call()));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let is_told = |bridge: &Bridge| bridge.lines().iter().any(|line| line.contains("/start/"));
    while !is_told(&bridge) {
        calls += 1;
        bridge.send(&request(&calls.to_string(), "tools/call", &servers.login_call()));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(machine.browser.tabs().len(), 3, "a model may call it again and again");
    let tabs = machine.browser.tabs();
    assert!(tabs[1] != tabs[0] && tabs[2] != tabs[1], "each address that a program is given works once: {tabs:?}");
    follow(&tabs[2]);
    for call in 1..=calls {
        let answer = text(&bridge.response(&call.to_string()));
        assert!(answer.contains("is signed in to") || answer.contains("/start/"), "{answer}");
    }
    bridge.finish();
}

#[test]
fn the_tool_takes_the_address_that_the_browser_ended_at() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let launch = machine.bridge_without_browser(&servers).env("SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22");
    let mut bridge = client(launch, "a-client", "{}");
    let told = way_in(&mut bridge, &servers, "1");
    short_address(&told);
    let whole = told.split_whitespace().find(|word| word.contains("/authorize?"));
    let whole = whole.unwrap_or_else(|| panic!("the address for a browser on another machine: {told}"));
    let ended_at = get(whole, &[]).expect("an answer").header("location").expect("a redirect").to_owned();
    let with = |address: &str| json!({ "name": servers.login_tool(), "arguments": { "address": address } }).to_string();
    let forged = ended_at.replace("state=", "state=x");
    for wrong in ["an-opaque-code", &forged, "https://example.com/"] {
        let told = text(&bridge.request("2", "tools/call", &with(wrong)));
        assert!(told.contains("not finished") && told.contains("/start/"), "{wrong}: {told}");
    }
    let told = text(&bridge.request("3", "tools/call", &with(&ended_at)));
    assert!(told.contains("is signed in to"), "{told}");
    call_succeeds(&mut bridge, "4");
    bridge.finish();
}

#[test]
fn the_trace_of_a_pasted_address_has_no_code() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let trace = machine.home().join("trace.jsonl");
    let launch = machine.bridge_without_browser(&servers).args(["--trace-file", trace.to_str().unwrap()]);
    let mut bridge = client(launch, "a-client", "{}");
    let code = "a1b2c3d4-marked-secret";
    let address = format!("http://localhost:1/oauth/callback?state=s-marked-1&code={code}");
    let call = json!({ "name": servers.login_tool(), "arguments": { "address": address } }).to_string();
    let told = bridge.request("1", "tools/call", &call);
    let ended = bridge.finish();
    for shown in [told, ended.stderr, std::fs::read_to_string(trace).unwrap()] {
        assert!(!shown.contains(code), "{shown}");
    }
}

#[test]
fn tools_of_two_servers_and_of_two_logins_have_names_of_their_own() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let name = |launch: Launch| {
        let mut bridge = client(launch, "a-client", "{}");
        let listed: Value = value(&bridge.request("1", "tools/list", "{}"));
        bridge.finish();
        listed["result"]["tools"][0]["name"].as_str().unwrap().to_owned()
    };
    let usual = name(machine.bridge(&servers));
    let of_profile = name(machine.bridge(&servers).args(["--profile", "work"]));
    assert_eq!(usual, servers.login_tool());
    assert!(of_profile.starts_with(&usual) && of_profile.len() == usual.len() + 5, "{of_profile}");
    assert!(of_profile.len() <= 40, "clients add a prefix of their own to it: {of_profile}");
}

#[test]
fn after_a_wait_in_vain_requests_do_not_wait_for_the_same_tab() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = client(machine.bridge(&servers), "a-client", "{}");
    bridge.send(&request("1", "tools/call", r#"{"name":"look","_meta":{"progressToken":"p"}}"#));
    machine.browser.tab(1);
    // For 45 seconds: what clients give a call, with something to spare.
    for _ in 0..4 {
        bridge.message("notifications/progress");
    }
    assert!(bridge.response("1").contains("/start/"), "the address is the answer");
    let asked = Instant::now();
    let told = bridge.request("2", "tools/call", r#"{"name":"look"}"#);
    assert!(told.contains("/start/") && asked.elapsed() < AT_ONCE, "{told}");
    bridge.send(&request("3", "tools/call", &servers.login_call()));
    follow(&machine.browser.tab(2));
    assert!(text(&bridge.response("3")).contains("is signed in to"), "a new tab is waited for");
    bridge.finish();
}
