//! A server that is known from an earlier run, and late or not there: the client has its lists all the same.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::*;

over_each_protocol! {
    the_lists_of_an_earlier_run_are_there_before_the_server,
    a_list_that_differs_is_announced_and_the_next_one_is_real,
}

/// The tools of a server; a test may change them.
type Tools = Arc<Mutex<Vec<&'static str>>>;

fn tools(names: &[&'static str]) -> Tools {
    Arc::new(Mutex::new(names.to_vec()))
}

/// A tool as JSON. One whose name begins with `read` is read-only.
fn tool(name: &str) -> Value {
    json!({ "name": name, "inputSchema": { "type": "object" }, "annotations": { "readOnlyHint": name.starts_with("read") } })
}

/// A server with one tool on each page.
fn server(tools: &Tools) -> impl Fn(Exchange) + Send + Sync + 'static {
    let tools = Arc::clone(tools);
    move |call| match call.kind() {
        "tools/list" => {
            let tools = tools.lock().unwrap().clone();
            let page = call.params()["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
            let mut result = json!({ "tools": tools.get(page).map(|name| tool(name)).into_iter().collect::<Vec<_>>() });
            if page + 1 < tools.len() {
                result["nextCursor"] = (page + 1).to_string().into();
            }
            call.result(&result.to_string());
        }
        "prompts/list" => call.result(r#"{"prompts":[{"name":"p"}]}"#),
        "resources/list" => call.result(r#"{"resources":[{"uri":"a:b","name":"r"}]}"#),
        "resources/templates/list" => call.result(r#"{"resourceTemplates":[{"uriTemplate":"a:{b}","name":"t"}]}"#),
        _ => call.respond_normally(),
    }
}

fn names(answer: &str) -> Vec<String> {
    let tools =
        value(answer)["result"]["tools"].as_array().unwrap_or_else(|| panic!("a list of tools: {answer}")).clone();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn launch(upstream: &Upstream, home: &Path) -> Launch {
    Bridge::to(&upstream.url("/mcp")).home(home)
}

/// Gets every list, all pages.
fn list_everything(bridge: &mut Bridge) {
    let mut cursor = None;
    for page in 0.. {
        let params = cursor.map_or(json!({}), |cursor: Value| json!({ "cursor": cursor })).to_string();
        let answer = value(&bridge.request(&format!(r#""page {page}""#), "tools/list", &params));
        cursor = answer["result"].get("nextCursor").cloned();
        if cursor.is_none() {
            break;
        }
    }
    for method in ["prompts/list", "resources/list", "resources/templates/list"] {
        bridge.request(&format!(r#""{method}""#), method, "{}");
    }
}

/// An earlier run.
fn visit(launch: Launch) {
    let mut bridge = launch.start();
    bridge.initialize();
    list_everything(&mut bridge);
    bridge.finish();
}

fn the_lists_of_an_earlier_run_are_there_before_the_server() {
    let home = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::start(server(&tools(&["a", "b"])));
    visit(launch(&upstream, home.path()));
    upstream.stop();
    let mut bridge = launch(&upstream, home.path()).startup_wait("1.6").start();
    let started = Instant::now();
    assert!(bridge.initialize().contains("mind the gap"));
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["a", "b"], "both pages");
    for (id, method, item) in [
        ("2", "prompts/list", r#"[{"name":"p"}]"#),
        ("3", "resources/list", r#"[{"name":"r","uri":"a:b"}]"#),
        ("4", "resources/templates/list", r#"[{"name":"t","uriTemplate":"a:{b}"}]"#),
    ] {
        let answer = bridge.request(id, method, "{}");
        assert!(answer.contains(item), "{method}: {answer}");
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "five waits of a fifth of a second: {took:?}");
    bridge.send(&request("5", "tools/call", r#"{"name":"a"}"#));
    upstream.listen();
    assert_eq!(bridge.response("5"), result("5", "{}"), "a call waits for the server");
    upstream.wait_for("resources/templates/list", 2);
    bridge.request("6", "prompts/list", "{}");
    upstream.wait_for("prompts/list", 3);
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("list_changed")), "nothing has changed: {:?}", ended.lines);
}

fn a_list_that_differs_is_announced_and_the_next_one_is_real() {
    let home = tempfile::tempdir().unwrap();
    let listed = tools(&["a", "b"]);
    let mut upstream = Upstream::start(server(&listed));
    visit(launch(&upstream, home.path()));
    upstream.stop();
    *listed.lock().unwrap() = vec!["a", "c"];
    let mut bridge = launch(&upstream, home.path()).startup_wait("0.8").start();
    bridge.initialize();
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["a", "b"]);
    upstream.listen();
    bridge.message("notifications/tools/list_changed");
    assert_eq!(names(&bridge.request("2", "tools/list", "{}")), ["a"], "the server's own first page");
    let ended = bridge.finish();
    let changed = ended.lines.iter().filter(|line| line.contains("list_changed"));
    assert_eq!(changed.count(), 1, "only what has changed, once: {:?}", ended.lines);

    upstream.stop();
    let mut bridge = launch(&upstream, home.path()).startup_wait("0.8").start();
    bridge.initialize();
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["a", "c"], "what was compared is remembered");
    bridge.finish();
}

#[test]
fn a_list_that_is_slow_comes_from_the_earlier_run() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|call| match (call.kind(), call.nth) {
        ("tools/list", 0) => call.result(&json!({ "tools": [tool("a")] }).to_string()),
        ("tools/list", 1) => call.hold(),
        _ => call.respond_normally(),
    });
    visit(launch(&upstream, home.path()));
    let mut bridge = launch(&upstream, home.path()).startup_wait("4").start();
    bridge.initialize();
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["a"]);
    upstream.take("tools/list").result(&json!({ "tools": [tool("b")] }).to_string());
    bridge.message("notifications/tools/list_changed");
    bridge.finish();
}

#[test]
fn a_server_that_is_there_gives_its_own_lists() {
    let home = tempfile::tempdir().unwrap();
    let listed = tools(&["a"]);
    let upstream = Upstream::start(server(&listed));
    visit(launch(&upstream, home.path()));
    *listed.lock().unwrap() = vec!["b"];
    let mut bridge = launch(&upstream, home.path()).start();
    bridge.initialize();
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["b"]);
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains("list_changed")), "{:?}", ended.lines);
}

#[test]
fn a_request_for_a_list_can_be_cancelled() {
    let home = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::start(server(&tools(&["a"])));
    visit(launch(&upstream, home.path()));
    upstream.stop();
    let mut bridge = launch(&upstream, home.path()).start();
    bridge.send(&initialize("0", REVISION));
    bridge.send(&request("1", "tools/list", "{}"));
    bridge.cancel("1");
    bridge.response("0");
    assert_eq!(bridge.request("2", "prompts/list", "{}").matches(r#""name":"p""#).count(), 1);
    let ended = bridge.finish();
    assert!(!ended.lines.iter().any(|line| line.contains(r#""id":1,"#)), "{:?}", ended.lines);
}

#[test]
fn rules_for_tools_hold_for_lists_of_an_earlier_run() {
    let home = tempfile::tempdir().unwrap();
    let listed = tools(&["read_a", "secret", "write"]);
    let mut upstream = Upstream::start(server(&listed));
    visit(launch(&upstream, home.path()));
    upstream.stop();
    let mut bridge = launch(&upstream, home.path()).startup_wait("0.8").args(["--ignore-tool", "secret"]).start();
    bridge.initialize();
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["read_a", "write"]);
    bridge.finish();

    let mut bridge = launch(&upstream, home.path()).startup_wait("0.8").arg("--read-only").start();
    bridge.initialize();
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["read_a"]);
    bridge.send(&request("2", "tools/call", r#"{"name":"write"}"#));
    upstream.listen();
    assert_error_of_rule(&bridge.response("2"));
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 0);
}

#[track_caller]
fn assert_error_of_rule(answer: &str) {
    let (code, message) = error_of(answer);
    assert!(code == -32602 && message.contains("--read-only"), "{answer}");
}

#[test]
fn a_tool_that_is_no_longer_read_only_is_not_called() {
    let home = tempfile::tempdir().unwrap();
    let is_read_only = Arc::new(Mutex::new(true));
    let now = Arc::clone(&is_read_only);
    let mut upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => {
            let mut tool = tool("read_a");
            tool["annotations"]["readOnlyHint"] = (*now.lock().unwrap()).into();
            call.result(&json!({ "tools": [tool] }).to_string());
        }
        _ => call.respond_normally(),
    });
    visit(launch(&upstream, home.path()));
    upstream.stop();
    *is_read_only.lock().unwrap() = false;
    let mut bridge = launch(&upstream, home.path()).startup_wait("0.8").arg("--read-only").start();
    bridge.initialize();
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["read_a"]);
    bridge.send(&request("2", "tools/call", r#"{"name":"read_a"}"#));
    upstream.listen();
    assert_error_of_rule(&bridge.response("2"));
    bridge.finish();
    assert_eq!(upstream.count("tools/call"), 0, "the list of an earlier run allows nothing");
}

#[test]
fn what_one_token_sees_is_not_told_to_another() {
    let home = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::start(server(&tools(&["a"])));
    let launch = |token: &str| {
        Bridge::to(&upstream.url("/mcp"))
            .home(home.path())
            .args(["--bearer-token-env", "T"])
            .env("T", token)
            .secret(token)
    };
    visit(launch("token-of-one"));
    let [same, other] =
        ["token-of-one", "token-of-another"].map(|token| launch(token).startup_wait("0.8").args(["--patience", "0.3"]));
    upstream.stop();
    let mut bridge = same.start();
    bridge.initialize();
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["a"]);
    bridge.finish();
    let mut bridge = other.start();
    assert!(!bridge.initialize().contains("mind the gap"));
    bridge_error(&bridge.request("1", "tools/list", "{}"));
    bridge.finish();
}

#[test]
fn a_modern_client_has_the_lists_of_a_modern_server_that_is_late() {
    let home = tempfile::tempdir().unwrap();
    let name = Arc::new(Mutex::new("a"));
    let listed = Arc::clone(&name);
    let mut upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => {
            call.complete(&format!(r#""tools":[{}],"ttlMs":5,"cacheScope":"public""#, tool(*listed.lock().unwrap())));
        }
        _ => call.respond_as_modern(),
    });
    let launch = || Bridge::to(&upstream.url("/mcp")).home(home.path()).startup_wait("0.8");
    let mut bridge = launch().start();
    bridge.request_modern("0", "server/discover", "");
    bridge.request_modern("1", "tools/list", "");
    bridge.finish();
    let late = launch();
    upstream.stop();
    *name.lock().unwrap() = "b";
    let mut bridge = late.start();
    let discovered = bridge.request_modern("0", "server/discover", "");
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28"]), "{discovered}");
    let instructions = discovered["result"]["instructions"].as_str().unwrap();
    assert!(instructions.contains("refused") && instructions.contains("mind the gap"), "{instructions}");
    let listed = bridge.request_modern("1", "tools/list", "");
    assert_eq!(listed["result"]["tools"][0]["name"], "a", "{listed}");
    for (member, value) in [("resultType", json!("complete")), ("ttlMs", json!(0)), ("cacheScope", json!("private"))] {
        assert_eq!(listed["result"][member], value, "what the modern era wants in a result: {listed}");
    }
    bridge.send(&modern_request("2", "subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#));
    upstream.listen();
    bridge.message("notifications/subscriptions/acknowledged");
    let changed = bridge.message("notifications/tools/list_changed");
    assert_eq!(value(&changed)["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 2, "{changed}");
    assert_eq!(bridge.request_modern("3", "tools/list", "")["result"]["tools"][0]["name"], "b");
    bridge.finish();
}

#[test]
fn a_list_that_comes_on_the_stream_of_http_sse_is_compared_too() {
    let home = tempfile::tempdir().unwrap();
    let sse = HttpSse::new("/messages");
    let name = Arc::new(Mutex::new("a"));
    let listed = Arc::clone(&name);
    let mut upstream = Upstream::start(move |call| match call.kind() {
        "tools/list" => {
            let answer = json!({ "tools": [tool(*listed.lock().unwrap())] });
            let id = call.id();
            call.accepted();
            sse.event(&result(&id, &answer.to_string()));
        }
        _ => sse.serve(call),
    });
    let launch = || Bridge::to(&upstream.url("/sse")).home(home.path()).args(["--transport", "sse-only"]);
    let mut bridge = launch().start();
    bridge.initialize_with_revision(HTTP_SSE_REVISION);
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["a"]);
    bridge.finish();
    let late = launch().startup_wait("0.8");
    upstream.stop();
    *name.lock().unwrap() = "b";
    let mut bridge = late.start();
    bridge.initialize_with_revision(HTTP_SSE_REVISION);
    assert_eq!(names(&bridge.request("1", "tools/list", "{}")), ["a"]);
    upstream.listen();
    bridge.message("notifications/tools/list_changed");
    assert_eq!(names(&bridge.request("2", "tools/list", "{}")), ["b"]);
    bridge.finish();
}

#[test]
fn a_login_that_is_missing_by_now_is_announced_after_a_list_of_an_earlier_run() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    bridge.request("2", "tools/list", "{}");
    bridge.finish();
    servers.records().lose_database();
    // No server is so quick.
    let mut bridge = machine.bridge(&servers).env("MCP_FERRY_STARTUP_WAIT", "0").start();
    bridge.initialize();
    let known = value(&bridge.request("1", "tools/list", "{}"))["result"]["tools"].clone();
    bridge.message("notifications/tools/list_changed");
    let now = value(&bridge.request("2", "tools/list", "{}"))["result"]["tools"].clone();
    assert!(now.as_array().unwrap().len() > known.as_array().unwrap().len(), "a tool that signs in: {now}");
    bridge.finish();
}

#[test]
fn a_client_that_asks_for_the_modern_era_first_does_not_wait_for_that_of_a_known_server() {
    let home = tempfile::tempdir().unwrap();
    let mut upstream = Upstream::start(server(&tools(&["read_it"])));
    visit(launch(&upstream, home.path()));
    upstream.stop();
    let mut bridge = launch(&upstream, home.path()).start();
    let started = Instant::now();
    let refused = bridge.request("1", "server/discover", "{}");
    assert_eq!(error_of(&refused).0, -32601, "the client goes on with initialize: {refused}");
    bridge.initialize();
    assert_eq!(names(&bridge.request("2", "tools/list", "{}")), ["read_it"]);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(7), "the startup wait is 15 seconds, and this took {took:?}");
    bridge.finish();
}
