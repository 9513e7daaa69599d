//! Logins where the client, the server or both are of the modern era: `sign_in` is offered without a handshake.

use serde_json::{Value, json};

use crate::support::*;

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// A bridge whose options declare a modern client.
fn modern_bridge(machine: &Machine, servers: &OauthServers) -> Bridge {
    machine.bridge(servers).args(["--client-protocol", "modern"]).start()
}

/// Asserts that a modern client's call of the tool succeeds.
#[track_caller]
fn modern_call_succeeds(bridge: &mut Bridge, id: &str) {
    bridge.send(&modern_request_with(
        id,
        "tools/call",
        r#""name":"look","arguments":{}"#,
        CAPABILITIES_WITHOUT_URLS,
        "",
    ));
    let answer = value(&bridge.response(id));
    assert_eq!(answer["result"]["content"][0]["text"], "looked", "the call should come through: {answer}");
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
}

/// Subscribes a modern client to changes of the tool list.
fn subscribe_to_tools(bridge: &mut Bridge, id: &str) {
    bridge.send(&modern_request(id, "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#));
}

fn tools(answer: &Value) -> Vec<String> {
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("a list of tools: {answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Asserts that this is a valid discover result while logged out.
#[track_caller]
fn assert_logged_out_result(answer: &Value) {
    let result = &answer["result"];
    assert_eq!(result["resultType"], "complete", "{answer}");
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]), "{answer}");
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(0), &json!("private")),
        "the result is not cacheable"
    );
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true, "its tools will change: {answer}");
    let instructions = result["instructions"].as_str().unwrap_or_default();
    assert!(instructions.contains("sign_in"), "the instructions mention the login: {answer}");
    assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string(), "{answer}");
}

#[test]
fn a_modern_client_gets_sign_in_and_a_notification_after_the_login() {
    for era in ERAS {
        let (servers, machine) = (OauthServers::of_era(era), Machine::without_user());
        let mut bridge = modern_bridge(&machine, &servers);
        assert_logged_out_result(&bridge.request_modern("1", "server/discover", ""));
        let listed = bridge.request_modern("2", "tools/list", "");
        assert_eq!(tools(&listed), [servers.login_tool()], "without stored tools there is one tool");
        assert_eq!((&listed["result"]["ttlMs"], &listed["result"]["resultType"]), (&json!(0), &json!("complete")));
        subscribe_to_tools(&mut bridge, r#""news""#);
        let stands = value(&bridge.message("notifications/subscriptions/acknowledged"));
        assert_eq!(stands["params"]["notifications"], json!({ "toolsListChanged": true }));
        let call = r#""name":"look","arguments":{}"#;
        bridge.send(&modern_request_with("3", "tools/call", call, CAPABILITIES_WITHOUT_URLS, r#""progressToken":"p""#));
        assert!(bridge.message("notifications/progress").contains(r#""progressToken":"p""#));
        follow(&machine.browser.tab(1));
        let changed = value(&bridge.message("notifications/tools/list_changed"));
        assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "news", "{changed}");
        assert!(bridge.response("3").contains("looked"), "the waiting call succeeds");
        assert_eq!(tools(&bridge.request_modern("4", "tools/list", "")), ["look"]);
        let ended = {
            bridge.close_stdin();
            bridge.wait_for_exit()
        };
        let stands = ended.lines.iter().filter(|line| line.contains("subscriptions/acknowledged")).count();
        assert_eq!(stands, 1, "a subscription is acknowledged once: {:?}", ended.lines);
        assert_eq!(machine.browser.tabs().len(), 1);
    }
}

/// Capabilities of a client without URL elicitation.
const CAPABILITIES_WITHOUT_URLS: &str = r#"{"elicitation":{"form":{}}}"#;

#[test]
fn sign_in_serves_a_modern_client() {
    for era in ERAS {
        let (servers, machine) = (OauthServers::of_era(era), Machine::without_user());
        let mut bridge = modern_bridge(&machine, &servers);
        bridge.request_modern("1", "server/discover", "");
        bridge.send(&modern_request_with(
            "2",
            "tools/call",
            &format!(r#""name":"{}""#, servers.login_tool()),
            CAPABILITIES_WITHOUT_URLS,
            "",
        ));
        follow(&machine.browser.tab(1));
        let answer = value(&bridge.response("2"));
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        assert!(
            answer["result"]["content"][0]["text"].as_str().unwrap_or_default().contains("is signed in to"),
            "{answer}"
        );
        modern_call_succeeds(&mut bridge, "3");
        bridge.finish();
    }
}

#[test]
fn a_client_that_sends_modern_requests_after_a_refused_discover_is_modern() {
    for era in ERAS {
        let (servers, machine) = (OauthServers::of_era(era), Machine::without_user());
        let mut bridge = machine.bridge(&servers).start();
        let refused = bridge.request_modern("1", "server/discover", "");
        assert_eq!(refused["error"]["code"], -32601, "the client may fall back to initialize: {refused}");
        assert_eq!(tools(&bridge.request_modern("2", "tools/list", "")), [servers.login_tool()]);
        assert_logged_out_result(&bridge.request_modern("3", "server/discover", ""));
        bridge.send(&modern_request_with("4", "tools/call", r#""name":"look""#, CAPABILITIES_WITHOUT_URLS, ""));
        follow(&machine.browser.tab(1));
        assert!(bridge.response("4").contains("looked"));
        bridge.finish();
    }
}

#[test]
fn a_modern_client_gets_the_stored_discover_result_while_logged_out() {
    for era in ERAS {
        let (servers, machine) = (OauthServers::of_era(era), Machine::with_user());
        let mut bridge = modern_bridge(&machine, &servers);
        modern_call_succeeds(&mut bridge, "1");
        bridge.request_modern("2", "tools/list", "");
        let real = bridge.request_modern("3", "server/discover", "");
        bridge.finish();
        servers.records().lose_database();
        // A modern server is stored as modern; the client's era need not be declared.
        let mut launch = machine.bridge(&servers);
        if era == Era::Legacy {
            launch = launch.args(["--client-protocol", "modern"]);
        }
        let mut bridge = launch.start();
        let discovered = bridge.request_modern("1", "server/discover", "");
        assert_logged_out_result(&discovered);
        let info = |answer: &Value| answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"].clone();
        assert_eq!(info(&discovered), info(&real), "the stored result is used");
        let instructions = discovered["result"]["instructions"].as_str().unwrap_or_default();
        assert!(instructions.contains("mind the gap"), "the server's own instructions are kept: {discovered}");
        assert_eq!(tools(&bridge.request_modern("2", "tools/list", "")), ["look".to_owned(), servers.login_tool()]);
        bridge.finish();
    }
}

#[test]
fn a_modern_client_that_leaves_at_once_opens_no_tab() {
    for era in ERAS {
        let (servers, machine) = (OauthServers::of_era(era), Machine::without_user());
        for _ in 0..3 {
            let mut bridge = modern_bridge(&machine, &servers);
            bridge.request_modern("1", "server/discover", "");
            bridge.request_modern("2", "tools/list", "");
            bridge.finish();
        }
        assert_eq!(machine.browser.tabs(), [""; 0], "a short connection opens no tab");
    }
}

#[test]
fn a_tab_opens_for_a_modern_client_that_stays_connected() {
    for era in ERAS {
        let (servers, machine) = (OauthServers::of_era(era), Machine::with_user());
        let mut bridge = modern_bridge(&machine, &servers);
        bridge.request_modern("1", "server/discover", "");
        subscribe_to_tools(&mut bridge, "2");
        bridge.message("notifications/tools/list_changed");
        assert_eq!(tools(&bridge.request_modern("3", "tools/list", "")), ["look"]);
        bridge.close_stdin();
        bridge.wait_for_exit();
        assert_eq!(machine.browser.tabs().len(), 1);
    }
}

#[test]
fn a_login_in_another_process_is_used_for_modern_clients() {
    for era in ERAS {
        let (servers, machine) = (OauthServers::of_era(era), Machine::with_user());
        let mut bridge = modern_bridge(&machine, &servers);
        bridge.request_modern("1", "server/discover", "");
        subscribe_to_tools(&mut bridge, "2");
        assert_eq!(machine.run(["login", &servers.url()], "").status.code(), Some(0));
        bridge.message("notifications/tools/list_changed");
        modern_call_succeeds(&mut bridge, "3");
        bridge.close_stdin();
        bridge.wait_for_exit();
        assert_eq!(machine.browser.tabs().len(), 1);
    }
}

#[test]
fn auth_error_and_auth_wait_apply_to_a_modern_client() {
    for era in ERAS {
        let (servers, machine) = (OauthServers::of_era(era), Machine::without_user());
        let mut bridge = machine.bridge(&servers).args(["--client-protocol", "modern", "--auth", "error"]).start();
        let refused = bridge.request_modern("1", "server/discover", "");
        assert_eq!(refused["error"]["code"], -32001, "{refused}");
        assert!(refused["error"]["data"]["url"].as_str().is_some_and(|url| url.contains("/authorize?")), "{refused}");
        bridge.finish();

        let mut bridge = machine.bridge(&servers).args(["--client-protocol", "modern", "--auth", "wait"]).start();
        bridge.send(&modern_request("1", "server/discover", ""));
        follow(&machine.browser.tab(1));
        let answer = value(&bridge.response("1"));
        let instructions = &answer["result"]["instructions"];
        assert_eq!(instructions, "mind the gap", "the server's own result: {answer}");
        bridge.finish();
    }
}

/// A bridge with a client of this era that has logged in through its first call.
fn client(machine: &Machine, servers: &OauthServers, is_modern: bool) -> Bridge {
    if is_modern {
        let mut bridge = modern_bridge(machine, servers);
        modern_call_succeeds(&mut bridge, "1");
        return bridge;
    }
    machine.logged_in(servers)
}

#[track_caller]
fn call_succeeds_as(bridge: &mut Bridge, is_modern: bool, id: &str) {
    if is_modern { modern_call_succeeds(bridge, id) } else { call_succeeds(bridge, id) }
}

/// Eras of client and server, of which at least one is modern.
const PAIRS: [(bool, Era); 3] = [(true, Era::Modern), (true, Era::Legacy), (false, Era::Modern)];

#[test]
fn a_refused_token_is_refreshed_and_an_ended_login_is_replaced_in_every_era() {
    for (is_modern, era) in PAIRS {
        let (servers, machine) = (OauthServers::of_era(era), Machine::with_user());
        let mut bridge = client(&machine, &servers, is_modern);
        servers.records().invalidate_access_tokens();
        call_succeeds_as(&mut bridge, is_modern, "2");
        assert_eq!((servers.records().refreshes, machine.browser.tabs().len()), (1, 1), "{is_modern} {era:?}");
        servers.records().lose_database();
        call_succeeds_as(&mut bridge, is_modern, "3");
        assert_eq!(machine.browser.tabs().len(), 2, "an ended login opens one more tab");
        bridge.finish();
    }
}

#[test]
fn a_missing_scope_is_requested_in_every_era() {
    for (is_modern, era) in PAIRS {
        let servers = OauthServers::start(Rules {
            era,
            challenge: r#", scope="read""#.to_owned(),
            required_scope: |method| (method == "tools/call").then_some("write"),
            ..Rules::default()
        });
        let machine = Machine::with_user();
        let mut bridge = client(&machine, &servers, is_modern);
        call_succeeds_as(&mut bridge, is_modern, "2");
        bridge.finish();
        let scopes: Vec<_> =
            servers.records().logins.iter().map(|login| parameter(login, "scope").unwrap_or_default()).collect();
        assert_eq!(scopes, ["read", "read write"], "one login and one step-up");
    }
}

#[test]
fn a_legacy_client_logs_in_to_a_modern_server() {
    let (servers, machine) = (OauthServers::of_era(Era::Modern), Machine::without_user());
    let mut bridge = machine.bridge(&servers).start();
    let response = value(&bridge.initialize());
    assert!(response["result"]["instructions"].as_str().is_some_and(|text| text.contains("sign_in")), "{response}");
    assert_eq!(tools(&value(&bridge.request("1", "tools/list", "{}"))), [servers.login_tool()]);
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    follow(&machine.browser.tab(1));
    assert!(bridge.response("2").contains("looked"));
    bridge.message("notifications/tools/list_changed");
    assert_eq!(tools(&value(&bridge.request("3", "tools/list", "{}"))), ["look"]);
    bridge.finish();

    servers.records().lose_database();
    let mut bridge = machine.bridge(&servers).start();
    let response = value(&bridge.initialize());
    assert_eq!(response["result"]["serverInfo"]["name"], "a-modern-upstream", "the stored result is used: {response}");
    assert_eq!(tools(&value(&bridge.request("1", "tools/list", "{}"))), ["look".to_owned(), servers.login_tool()]);
    bridge.finish();
}

#[test]
fn a_modern_client_with_url_elicitation_gets_the_login_link() {
    for era in ERAS {
        let (servers, machine) = (OauthServers::of_era(era), Machine::without_user());
        let mut bridge = machine.bridge_without_browser(&servers).args(["--client-protocol", "modern"]).start();
        let call = r#""name":"look","arguments":{}"#;
        let interim = bridge.request_modern("1", "tools/call", call);
        assert_eq!(interim["result"]["resultType"], "input_required", "{interim}");
        let (name, input_request) =
            interim["result"]["inputRequests"].as_object().and_then(|all| all.iter().next()).unwrap();
        assert_eq!(
            (&input_request["method"], &input_request["params"]["mode"]),
            (&json!("elicitation/create"), &json!("url"))
        );
        let url = input_request["params"]["url"].as_str().expect("a URL").to_owned();
        let state = &interim["result"]["requestState"];
        let back = |action: &str| {
            format!(r#"{call},"requestState":{state},"inputResponses":{{"{name}":{{"action":"{action}"}}}}"#)
        };
        // No user reads in less than a second: an earlier refusal comes from the program and is ignored.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let refused = bridge.request_modern("2", "tools/call", &back("decline"));
        assert_eq!(refused["result"]["isError"], true, "a user who declines ends the wait: {refused}");
        bridge.send(&modern_request("3", "tools/call", &back("accept")));
        follow(&url);
        assert!(bridge.response("3").contains("looked"), "the call succeeds");
        modern_call_succeeds(&mut bridge, "4");
        bridge.finish();
        let requests = servers.resource.requests();
        assert!(
            !requests.iter().any(|request| request.text().contains("requestState")),
            "the state of the bridge is not sent to the server"
        );
    }
}
