//! The first start, before anybody has logged in: nobody waits, nothing pops up, and the way in is offered.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::*;

/// A client that can show a link calls a tool; what it is asked to open.
fn asked_to_open(bridge: &mut Bridge) -> Value {
    let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"form":{},"url":{}}},"clientInfo":{"name":"a-client","version":"1"}}"#;
    bridge.ask("1", "initialize", hello);
    bridge.send(&initialized());
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    value(&bridge.message("elicitation/create"))
}

#[test]
fn the_first_message_is_answered_in_time_and_the_tools_offer_the_way_in() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).env("MCP_FERRY_STARTUP_WAIT", "2.5").start();
    let asked = Instant::now();
    let welcome = bridge.shake_hands();
    let took = asked.elapsed();
    assert!(took < Duration::from_millis(2900), "the first message is answered within 2.5 s, this took {took:?}");
    let instructions = value(&welcome)["result"]["instructions"].as_str().unwrap_or_default().to_owned();
    assert!(instructions.to_lowercase().contains("sign"), "the instructions name the way in: {welcome}");
    let tools = value(&bridge.ask("1", "tools/list", "{}"));
    let names: Vec<_> = tools["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["sign_in"], "with nothing known of the server, there is one tool");
    bridge.finish();
}

#[test]
fn a_process_with_an_open_login_ends_with_its_stdin() {
    gone_within(300, || {
        let (realm, machine) = (Realm::usual(), Machine::unattended());
        let mut bridge = machine.bridge(&realm).start();
        bridge.shake_hands();
        bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
        machine.browser.tab(1);
        bridge.cancel("1");
        bridge.finish()
    });
}

#[test]
fn a_call_that_waits_for_a_person_does_not_keep_the_process() {
    gone_within(1000, || {
        let (realm, machine) = (Realm::usual(), Machine::unattended());
        let mut bridge = machine.bridge(&realm).start();
        bridge.shake_hands();
        bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
        machine.browser.tab(1);
        bridge.finish()
    });
}

#[test]
fn what_of_a_batch_needs_no_login_is_answered_without() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    let (ping, list) = (request("1", "ping", "{}"), request("2", "tools/list", "{}"));
    bridge.owe("1");
    bridge.owe("2");
    bridge.send(&format!("[{ping},{list}]"));
    bridge.answer("1");
    assert!(bridge.answer("2").contains("sign_in"), "the way in");
    bridge.finish();
}

#[test]
fn ten_starts_in_a_row_open_nothing() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    for start in 0..10 {
        let mut bridge = machine.bridge(&realm).env("MCP_FERRY_STARTUP_WAIT", "0.2").start();
        if start % 2 == 0 {
            bridge.shake_hands();
            bridge.ask("1", "tools/list", "{}");
        } else {
            bridge.send(&initialize("1", REVISION));
            bridge.answer("1");
        }
        bridge.finish();
    }
    assert_eq!(machine.browser.tabs(), [""; 0], "a start is no reason for a tab");
    assert!(realm.ledger().registrations.len() <= 1, "nor for a registration each time");
}

#[test]
fn a_client_that_stays_is_shown_the_tab() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    bridge.message("notifications/tools/list_changed");
    let tools = bridge.ask("1", "tools/list", "{}");
    assert!(tools.contains(r#""look""#), "{tools}");
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn sign_in_gives_the_link_and_waits_for_it_to_be_used() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    bridge.send(&request("1", "tools/call", r#"{"name":"sign_in","arguments":{},"_meta":{"progressToken":"p"}}"#));
    let progress = bridge.message("notifications/progress");
    assert!(progress.contains(r#""progressToken":"p""#), "{progress}");
    let tab = machine.browser.tab(1);
    assert_eq!(follow(&tab).expect("a page").status, 200);
    let answer = bridge.answer("1");
    assert!(!answer.contains(r#""isError":true"#) && answer.to_lowercase().contains("signed in"), "{answer}");
    looks(&mut bridge, "2");
    bridge.finish();
}

#[test]
fn requests_wait_for_the_login_and_then_go_through() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    bridge.send(&request("2", "resources/read", r#"{"uri":"note:1"}"#));
    follow(&machine.browser.tab(1));
    assert!(bridge.answer("1").contains("looked"));
    assert!(bridge.answer("2").contains(r#""result""#));
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 1, "two requests need one login");
}

#[test]
fn a_login_that_is_faster_than_a_refusal_lets_the_request_through() {
    let realm = Realm::start(Rules { unending_refusals: true, ..Rules::default() });
    let machine = Machine::attended();
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    looks(&mut bridge, "1");
    bridge.finish();
}

#[test]
fn a_login_in_another_process_is_seen_by_all() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut waiting = machine.bridge(&realm).start();
    waiting.shake_hands();
    let mut other = machine.bridge(&realm).start();
    other.shake_hands();
    other.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    follow(&machine.browser.tab(1));
    assert!(other.answer("1").contains("looked"));
    waiting.message("notifications/tools/list_changed");
    looks(&mut waiting, "1");
    waiting.finish();
    other.finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn a_server_that_was_known_is_remembered_while_nobody_is_logged_in() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.logged_in(&realm);
    bridge.ask("2", "tools/list", "{}");
    bridge.finish();
    machine.run(["logout", &realm.url()], "");
    realm.ledger().forget();
    let mut bridge = machine.bridge(&realm).start();
    let welcome = bridge.shake_hands();
    assert!(welcome.contains("an-upstream"), "the last real answer stands in for the next: {welcome}");
    let tools = bridge.ask("1", "tools/list", "{}");
    assert!(tools.contains(r#""look""#) && tools.contains(r#""sign_in""#), "the known tools, and the way in: {tools}");
    bridge.finish();
}

#[test]
fn a_client_that_can_show_a_link_is_asked_to() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).start();
    let asked = asked_to_open(&mut bridge);
    let params = &asked["params"];
    assert_eq!(params["mode"], "url", "{asked}");
    let url = params["url"].as_str().expect("a URL").to_owned();
    let id = asked["id"].to_string();
    let elicitation = params["elicitationId"].clone();
    bridge.send(&result(&id, r#"{"action":"accept"}"#));
    assert_eq!(follow(&url).expect("a page").status, 200);
    let complete = bridge.message("notifications/elicitation/complete");
    assert_eq!(value(&complete)["params"]["elicitationId"], elicitation, "the client may close what it shows");
    assert!(bridge.answer("2").contains("looked"));
    bridge.finish();
}

#[test]
fn auth_wait_waits_longer_than_any_first_message() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).args(["--auth", "wait"]).env("MCP_FERRY_STARTUP_WAIT", "0.2").start();
    bridge.send(&initialize("1", REVISION));
    let tab = machine.browser.tab(1);
    std::thread::sleep(Duration::from_millis(400));
    assert!(bridge.lines().is_empty(), "who is told to wait says nothing of its own: {:?}", bridge.lines());
    follow(&tab);
    assert!(bridge.answer("1").contains("mind the gap"), "the server's own answer");
    bridge.finish();
}

#[test]
fn a_client_that_showed_a_link_hears_of_no_login_that_failed() {
    let (realm, machine) = (Realm::start(Rules::denying()), Machine::unattended());
    let mut bridge = machine.bridge(&realm).start();
    let asked = asked_to_open(&mut bridge);
    follow(asked["params"]["url"].as_str().expect("a URL"));
    let answer = bridge.answer("2");
    assert!(answer.contains("access_denied"), "{answer}");
    // An answer that comes when nobody waits for it is still no answer to the server.
    bridge.send(&result(&asked["id"].to_string(), r#"{"action":"accept"}"#));
    bridge.ask("3", "ping", "{}");
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("elicitation/complete")), "nothing is complete");
    assert_eq!(realm.resource.count("other"), 0, "our questions are not the server's");
}

#[test]
fn a_link_in_the_log_is_whole_or_not_there() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    bridge.send(&request("1", "resources/read", r#"{"uri":"note:1"}"#));
    machine.browser.tab(1);
    machine.run(["logout", &realm.url()], "");
    bridge.answer("1");
    let ended = bridge.finish();
    let links = ended.stderr.split_whitespace().filter(|word| word.contains("/authorize?"));
    for link in links {
        assert!(!link.contains("***"), "an address that leads nowhere: {link}");
    }
}

#[test]
fn lists_while_logged_out_bring_one_word_of_the_login() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.logged_in(&realm);
    bridge.message("notifications/tools/list_changed");
    realm.ledger().forget();
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    for id in ["3", "4", "5", "6"] {
        bridge.ask(id, "tools/list", "{}");
    }
    bridge.answer("2");
    bridge.still_works();
    let ended = bridge.finish();
    let told = ended.lines.iter().filter(|line| line.contains("notifications/tools/list_changed")).count();
    assert!(told <= 2, "one for each login: {told}");
}

#[test]
fn an_authorization_server_that_is_slow_holds_up_no_first_message() {
    let realm = Realm::start(Rules {
        resource_metadata: Box::new(|_| std::thread::sleep(Duration::from_secs(4))),
        ..Rules::default()
    });
    let machine = Machine::unattended();
    let mut bridge = machine.bridge(&realm).env("MCP_FERRY_STARTUP_WAIT", "2.5").start();
    let asked = Instant::now();
    let welcome = bridge.shake_hands();
    assert!(welcome.contains("sign_in"), "that a login is needed is known by then: {welcome}");
    assert!(bridge.ask("1", "tools/list", "{}").contains("sign_in"));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(3), "neither waits for the authorization server, this took {took:?}");
    bridge.finish();
}
