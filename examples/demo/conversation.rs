//! Which messages are exchanged? With the demo's server: everything it offers. With another server: what it lists.

use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::show::Show;

/// A tool to call on another server.
pub struct Call {
    pub tool: String,
    pub arguments: Value,
}

pub fn with_own_server(show: &Show, client: &mut Client<'_>) -> Result<(), Failure> {
    initialize(show, client)?;

    show.step("What tools are there?");
    let tools = client.request("tools/list", &json!({}))?;
    let names: Vec<_> =
        tools["tools"].as_array().into_iter().flatten().filter_map(|tool| tool["name"].as_str()).collect();
    show.note(&names.join(", "));
    expect(names.len() == 5, "five tools", &tools)?;

    show.step("A call");
    let sum = client.request("tools/call", &json!({"name": "add", "arguments": {"a": 19, "b": 23}}))?;
    expect_text(&sum, "42")?;

    show.step("A longer call: progress arrives while it runs");
    let counting = json!({"name": "count", "arguments": {"to": 3}, "_meta": {"progressToken": "counting"}});
    expect_text(&client.request("tools/call", &counting)?, "counted to 3")?;

    show.step("A call during which the server sends a request");
    expect_text(&client.request("tools/call", &json!({"name": "ask", "arguments": {}}))?, "Good day, Ada!")?;

    show.step("A resource and a prompt");
    let resource = client.request("resources/read", &json!({"uri": "demo://timetable"}))?;
    expect(resource["contents"][0]["text"].is_string(), "a text", &resource)?;
    let prompt = client.request("prompts/get", &json!({"name": "haiku", "arguments": {"topic": "ferries"}}))?;
    expect(prompt["messages"][0]["content"]["text"] == "Write a haiku about ferries.", "the haiku prompt", &prompt)
}

/// Lists what the server declares. A tool may do anything, so only the tools named on the command line are called.
pub fn with_any_server(show: &Show, client: &mut Client<'_>, calls: &[Call]) -> Result<(), Failure> {
    let capabilities = initialize(show, client)?["capabilities"].clone();
    for (capability, method, list) in [
        ("tools", "tools/list", "tools"),
        ("resources", "resources/list", "resources"),
        ("prompts", "prompts/list", "prompts"),
    ] {
        if capabilities[capability].is_object() {
            show.step(&format!("What {list} are there?"));
            let entries = all_pages(client, method, list)?;
            let names: Vec<_> = entries.iter().map(|entry| entry["name"].as_str().unwrap_or("?")).collect();
            show.note(&format!("{} {list}: {}", names.len(), names.join(", ")));
        }
    }
    for call in calls {
        show.step(&format!("A call of {}", call.tool));
        let params = json!({"name": call.tool, "arguments": call.arguments, "_meta": {"progressToken": "demo"}});
        let result = client.request("tools/call", &params)?;
        if result["isError"] == true {
            let why = result["content"][0]["text"].as_str().unwrap_or("no reason given");
            return Err(Failure(format!("the tool {} reports an error: {why}", call.tool)));
        }
    }
    if calls.is_empty() && capabilities["tools"].is_object() {
        show.note("no tool was called; add --call NAME '{…}' for that");
    }
    Ok(())
}

fn initialize(show: &Show, client: &mut Client<'_>) -> Result<Value, Failure> {
    show.step("The client and the server introduce themselves");
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "mcp-ferry-demo-client", "version": env!("CARGO_PKG_VERSION")},
    });
    let result = client.request("initialize", &params)?;
    expect(result["serverInfo"]["name"].is_string(), "a serverInfo", &result)?;
    let (server, revision) = (&result["serverInfo"], result["protocolVersion"].as_str().unwrap_or("?"));
    let name = server["title"].as_str().or(server["name"].as_str()).unwrap_or("?");
    show.note(&format!("{name} {}, revision {revision}", server["version"].as_str().unwrap_or("")));
    client.notify("notifications/initialized")?;
    Ok(result)
}

fn all_pages(client: &mut Client<'_>, method: &str, list: &str) -> Result<Vec<Value>, Failure> {
    /// The list of some servers never ends.
    const PAGES: usize = 20;
    let mut entries = Vec::new();
    let mut params = json!({});
    for _ in 0..PAGES {
        let page = client.request(method, &params)?;
        entries.extend(page[list].as_array().cloned().unwrap_or_default());
        match page.get("nextCursor").filter(|cursor| cursor.is_string()) {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => break,
        }
    }
    Ok(entries)
}

fn expect_text(result: &Value, text: &str) -> Result<(), Failure> {
    expect(result["content"][0]["text"] == text, &format!("\"{text}\""), result)
}

fn expect(right: bool, wanted: &str, got: &Value) -> Result<(), Failure> {
    if right { Ok(()) } else { Err(Failure(format!("expected {wanted}, got {got}"))) }
}
