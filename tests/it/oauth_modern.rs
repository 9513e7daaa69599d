//! Logins where the client, the server or both are of the modern era: without a handshake, the way in is offered all
//! the same.

use serde_json::{Value, json};

use crate::support::*;

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// A bridge whose client is modern by the user's word.
fn modern_bridge(machine: &Machine, realm: &Realm) -> Bridge {
    machine.bridge(realm).args(["--client-protocol", "modern"]).start()
}

/// A modern client's call of the realm's tool comes through.
#[track_caller]
fn looks_modern(bridge: &mut Bridge, id: &str) {
    bridge.send(&modern_with(id, "tools/call", r#""name":"look","arguments":{}"#, CAPABILITIES_WITHOUT_URLS, ""));
    let answer = value(&bridge.answer(id));
    assert_eq!(answer["result"]["content"][0]["text"], "looked", "the call should come through: {answer}");
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
}

/// A modern client wants to hear of other tools.
fn listens(bridge: &mut Bridge, id: &str) {
    bridge.send(&modern(id, "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#));
}

fn tools(answer: &Value) -> Vec<String> {
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("a list of tools: {answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// What a modern client can rely on in the greeting of a server that nobody is signed in to.
#[track_caller]
fn invites(answer: &Value) {
    let result = &answer["result"];
    assert_eq!(result["resultType"], "complete", "{answer}");
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]), "{answer}");
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(0), &json!("private")), "nobody keeps it");
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true, "its tools will be others: {answer}");
    let instructions = result["instructions"].as_str().unwrap_or_default();
    assert!(instructions.contains("sign_in"), "the instructions name the way in: {answer}");
    assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string(), "{answer}");
}

#[test]
fn a_modern_client_is_offered_the_way_in_and_hears_of_the_login() {
    for era in ERAS {
        let (realm, machine) = (Realm::of(era), Machine::unattended());
        let mut bridge = modern_bridge(&machine, &realm);
        invites(&bridge.ask_modern("1", "server/discover", ""));
        let listed = bridge.ask_modern("2", "tools/list", "");
        assert_eq!(tools(&listed), ["sign_in"], "with nothing known of the server, there is one tool");
        assert_eq!((&listed["result"]["ttlMs"], &listed["result"]["resultType"]), (&json!(0), &json!("complete")));
        listens(&mut bridge, r#""news""#);
        let stands = value(&bridge.message("notifications/subscriptions/acknowledged"));
        assert_eq!(stands["params"]["notifications"], json!({ "toolsListChanged": true }));
        let call = r#""name":"look","arguments":{}"#;
        bridge.send(&modern_with("3", "tools/call", call, CAPABILITIES_WITHOUT_URLS, r#""progressToken":"p""#));
        assert!(bridge.message("notifications/progress").contains(r#""progressToken":"p""#));
        follow(&machine.browser.tab(1));
        let changed = value(&bridge.message("notifications/tools/list_changed"));
        assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "news", "{changed}");
        assert!(bridge.answer("3").contains("looked"), "what waited goes through");
        assert_eq!(tools(&bridge.ask_modern("4", "tools/list", "")), ["look"]);
        let ended = {
            bridge.close_stdin();
            bridge.ended()
        };
        let stands = ended.lines.iter().filter(|line| line.contains("subscriptions/acknowledged")).count();
        assert_eq!(stands, 1, "a subscription is acknowledged once, by whomever: {:?}", ended.lines);
        assert_eq!(machine.browser.tabs().len(), 1);
    }
}

/// Capabilities of a client that cannot be sent to an address.
const CAPABILITIES_WITHOUT_URLS: &str = r#"{"elicitation":{"form":{}}}"#;

#[test]
fn sign_in_serves_a_modern_client() {
    for era in ERAS {
        let (realm, machine) = (Realm::of(era), Machine::unattended());
        let mut bridge = modern_bridge(&machine, &realm);
        bridge.ask_modern("1", "server/discover", "");
        bridge.send(&modern_with("2", "tools/call", r#""name":"sign_in""#, CAPABILITIES_WITHOUT_URLS, ""));
        follow(&machine.browser.tab(1));
        let answer = value(&bridge.answer("2"));
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        assert!(answer["result"]["content"][0]["text"].as_str().unwrap_or_default().contains("Signed in"), "{answer}");
        looks_modern(&mut bridge, "3");
        bridge.finish();
    }
}

#[test]
fn a_client_that_goes_on_after_a_refused_discover_is_modern() {
    for era in ERAS {
        let (realm, machine) = (Realm::of(era), Machine::unattended());
        let mut bridge = machine.bridge(&realm).start();
        let refused = bridge.ask_modern("1", "server/discover", "");
        assert_eq!(refused["error"]["code"], -32601, "who can fall back is let: {refused}");
        assert_eq!(tools(&bridge.ask_modern("2", "tools/list", "")), ["sign_in"]);
        invites(&bridge.ask_modern("3", "server/discover", ""));
        bridge.send(&modern_with("4", "tools/call", r#""name":"look""#, CAPABILITIES_WITHOUT_URLS, ""));
        follow(&machine.browser.tab(1));
        assert!(bridge.answer("4").contains("looked"));
        bridge.finish();
    }
}

#[test]
fn what_is_remembered_of_a_server_greets_a_modern_client() {
    for era in ERAS {
        let (realm, machine) = (Realm::of(era), Machine::attended());
        let mut bridge = modern_bridge(&machine, &realm);
        looks_modern(&mut bridge, "1");
        bridge.ask_modern("2", "tools/list", "");
        let real = bridge.ask_modern("3", "server/discover", "");
        bridge.finish();
        machine.run(["logout", &realm.url()], "");
        realm.ledger().forget();
        // A modern server is known for one; its client need not say that it is modern.
        let mut launch = machine.bridge(&realm);
        if era == Era::Legacy {
            launch = launch.args(["--client-protocol", "modern"]);
        }
        let mut bridge = launch.start();
        let greeting = bridge.ask_modern("1", "server/discover", "");
        invites(&greeting);
        let info = |answer: &Value| answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"].clone();
        assert_eq!(info(&greeting), info(&real), "the last real answer stands in for the next");
        let instructions = greeting["result"]["instructions"].as_str().unwrap_or_default();
        assert!(instructions.contains("mind the gap"), "the server's own are kept: {greeting}");
        assert_eq!(tools(&bridge.ask_modern("2", "tools/list", "")), ["look", "sign_in"]);
        bridge.finish();
    }
}

#[test]
fn a_modern_client_that_only_looks_opens_nothing() {
    for era in ERAS {
        let (realm, machine) = (Realm::of(era), Machine::unattended());
        for _ in 0..3 {
            let mut bridge = modern_bridge(&machine, &realm);
            bridge.ask_modern("1", "server/discover", "");
            bridge.ask_modern("2", "tools/list", "");
            bridge.finish();
        }
        assert_eq!(machine.browser.tabs(), [""; 0], "a look is no reason for a tab");
    }
}

#[test]
fn a_modern_client_that_stays_is_shown_the_tab() {
    for era in ERAS {
        let (realm, machine) = (Realm::of(era), Machine::attended());
        let mut bridge = modern_bridge(&machine, &realm);
        bridge.ask_modern("1", "server/discover", "");
        listens(&mut bridge, "2");
        bridge.message("notifications/tools/list_changed");
        assert_eq!(tools(&bridge.ask_modern("3", "tools/list", "")), ["look"]);
        bridge.close_stdin();
        bridge.ended();
        assert_eq!(machine.browser.tabs().len(), 1);
    }
}

#[test]
fn a_login_elsewhere_is_seen_by_modern_clients() {
    for era in ERAS {
        let (realm, machine) = (Realm::of(era), Machine::attended());
        let mut bridge = modern_bridge(&machine, &realm);
        bridge.ask_modern("1", "server/discover", "");
        listens(&mut bridge, "2");
        assert_eq!(machine.run(["login", &realm.url()], "").status.code(), Some(0));
        bridge.message("notifications/tools/list_changed");
        looks_modern(&mut bridge, "3");
        bridge.close_stdin();
        bridge.ended();
        assert_eq!(machine.browser.tabs().len(), 1);
    }
}

#[test]
fn auth_error_and_wait_hold_for_a_modern_client() {
    for era in ERAS {
        let (realm, machine) = (Realm::of(era), Machine::unattended());
        let mut bridge = machine.bridge(&realm).args(["--client-protocol", "modern", "--auth", "error"]).start();
        let refused = bridge.ask_modern("1", "server/discover", "");
        assert_eq!(refused["error"]["code"], -32001, "{refused}");
        assert!(refused["error"]["data"]["url"].as_str().is_some_and(|url| url.contains("/authorize?")), "{refused}");
        bridge.finish();

        let mut bridge = machine.bridge(&realm).args(["--client-protocol", "modern", "--auth", "wait"]).start();
        bridge.send(&modern("1", "server/discover", ""));
        follow(&machine.browser.tab(1));
        let answer = value(&bridge.answer("1"));
        let instructions = &answer["result"]["instructions"];
        assert_eq!(instructions, "mind the gap", "the server's own answer: {answer}");
        bridge.finish();
    }
}

/// A bridge whose client is of this era, logged in by its first call.
fn client(machine: &Machine, realm: &Realm, is_modern: bool) -> Bridge {
    if is_modern {
        let mut bridge = modern_bridge(machine, realm);
        looks_modern(&mut bridge, "1");
        return bridge;
    }
    machine.logged_in(realm)
}

#[track_caller]
fn looks_as(bridge: &mut Bridge, is_modern: bool, id: &str) {
    if is_modern { looks_modern(bridge, id) } else { looks(bridge, id) }
}

/// Client and server, where at least one is modern.
const PAIRS: [(bool, Era); 3] = [(true, Era::Modern), (true, Era::Legacy), (false, Era::Modern)];

#[test]
fn a_token_that_is_refused_in_mid_session_is_renewed_and_a_login_that_ended_is_made_anew() {
    for (is_modern, era) in PAIRS {
        let (realm, machine) = (Realm::of(era), Machine::attended());
        let mut bridge = client(&machine, &realm, is_modern);
        realm.ledger().refuse_access_tokens();
        looks_as(&mut bridge, is_modern, "2");
        assert_eq!((realm.ledger().refreshes, machine.browser.tabs().len()), (1, 1), "{is_modern} {era:?}");
        realm.ledger().forget();
        looks_as(&mut bridge, is_modern, "3");
        assert_eq!(machine.browser.tabs().len(), 2, "a login that is over is one more tab");
        bridge.finish();
    }
}

#[test]
fn a_missing_scope_is_asked_for_whatever_the_eras() {
    for (is_modern, era) in PAIRS {
        let realm = Realm::start(Rules {
            era,
            challenge: r#", scope="read""#.to_owned(),
            needs: |method| (method == "tools/call").then_some("write"),
            ..Rules::default()
        });
        let machine = Machine::attended();
        let mut bridge = client(&machine, &realm, is_modern);
        looks_as(&mut bridge, is_modern, "2");
        bridge.finish();
        let scopes: Vec<_> =
            realm.ledger().logins.iter().map(|login| parameter(login, "scope").unwrap_or_default()).collect();
        assert_eq!(scopes, ["read", "read write"], "one login, one step up");
    }
}

#[test]
fn a_legacy_client_logs_in_to_a_modern_server() {
    let (realm, machine) = (Realm::of(Era::Modern), Machine::unattended());
    let mut bridge = machine.bridge(&realm).start();
    let welcome = value(&bridge.shake_hands());
    assert!(welcome["result"]["instructions"].as_str().is_some_and(|text| text.contains("sign_in")), "{welcome}");
    assert_eq!(tools(&value(&bridge.ask("1", "tools/list", "{}"))), ["sign_in"]);
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    follow(&machine.browser.tab(1));
    assert!(bridge.answer("2").contains("looked"));
    bridge.message("notifications/tools/list_changed");
    assert_eq!(tools(&value(&bridge.ask("3", "tools/list", "{}"))), ["look"]);
    bridge.finish();

    machine.run(["logout", &realm.url()], "");
    let mut bridge = machine.bridge(&realm).start();
    let welcome = value(&bridge.shake_hands());
    assert_eq!(welcome["result"]["serverInfo"]["name"], "a-modern-upstream", "what is known of it greets: {welcome}");
    assert_eq!(tools(&value(&bridge.ask("1", "tools/list", "{}"))), ["look", "sign_in"]);
    bridge.finish();
}

#[test]
fn a_modern_client_that_can_show_a_link_is_asked_to() {
    for era in ERAS {
        let (realm, machine) = (Realm::of(era), Machine::unattended());
        let mut bridge = modern_bridge(&machine, &realm);
        let call = r#""name":"look","arguments":{}"#;
        let asked = bridge.ask_modern("1", "tools/call", call);
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        let (name, question) = asked["result"]["inputRequests"].as_object().and_then(|all| all.iter().next()).unwrap();
        assert_eq!((&question["method"], &question["params"]["mode"]), (&json!("elicitation/create"), &json!("url")));
        let url = question["params"]["url"].as_str().expect("a URL").to_owned();
        let state = &asked["result"]["requestState"];
        let back = |action: &str| {
            format!(r#"{call},"requestState":{state},"inputResponses":{{"{name}":{{"action":"{action}"}}}}"#)
        };
        // Nobody reads in less than a second: a refusal that comes sooner is the program's own, and counts for nothing.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let refused = bridge.ask_modern("2", "tools/call", &back("decline"));
        assert_eq!(refused["result"]["isError"], true, "who does not want to is not waited for: {refused}");
        bridge.send(&modern("3", "tools/call", &back("accept")));
        follow(&url);
        assert!(bridge.answer("3").contains("looked"), "the call goes on");
        looks_modern(&mut bridge, "4");
        bridge.finish();
        let requests = realm.resource.requests();
        assert!(!requests.iter().any(|request| request.text().contains("requestState")), "that was between us");
    }
}
