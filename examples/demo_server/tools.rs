//! The tools: one for each thing that a client or a bridge can do wrong.

use std::time::Duration;

use serde_json::{Value, json};

use super::endpoint::Outcome;
use super::session::{Session, Stream, send};

pub fn list() -> Value {
    let number = json!({"type": "number"});
    json!({"tools": [
        tool("echo", "Returns the text it gets", &json!({"text": {"type": "string"}}), &["text"]),
        tool("add", "Adds two numbers", &json!({"a": number, "b": number}), &["a", "b"]),
        tool("count", "Counts to a number, with progress on the way", &json!({"to": number}), &["to"]),
        tool("ask", "Asks the user for a name, and returns a greeting", &json!({}), &[]),
        tool("slow", "Answers after some seconds; try cancelling it", &json!({"seconds": number}), &["seconds"]),
    ]})
}

fn tool(name: &str, description: &str, properties: &Value, required: &[&str]) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": properties, "required": required},
        "annotations": {"readOnlyHint": true},
    })
}

pub async fn call(session: &Session, stream: &Stream, params: &Value) -> Outcome {
    let arguments = &params["arguments"];
    let name = params["name"].as_str().unwrap_or_default();
    session.log(&format!("{name} called"));
    match name {
        "echo" => Ok(text(arguments["text"].as_str().unwrap_or_default())),
        "add" => match (arguments["a"].as_f64(), arguments["b"].as_f64()) {
            (Some(a), Some(b)) => Ok(text(&(a + b).to_string())),
            _ => Ok(failed("a and b must be numbers")),
        },
        "count" => {
            let to = arguments["to"].as_u64().unwrap_or(3).min(1000);
            count(stream, &params["_meta"]["progressToken"], to).await;
            Ok(text(&format!("counted to {to}")))
        }
        "ask" => Ok(ask(session, stream).await),
        "slow" => {
            let seconds = arguments["seconds"].as_f64().unwrap_or(1.0).clamp(0.0, 600.0);
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            Ok(text(&format!("waited {seconds} s")))
        }
        unknown => Err((-32602, format!("there is no tool \"{unknown}\""))),
    }
}

async fn count(stream: &Stream, token: &Value, to: u64) {
    for number in 1..=to {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if !token.is_null() {
            let params = json!({"progressToken": token, "progress": number, "total": to, "message": format!("{number} of {to}")});
            send(stream, &json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}));
        }
    }
}

async fn ask(session: &Session, stream: &Stream) -> Value {
    if session.capabilities["elicitation"].is_null() {
        return failed("this client cannot ask its user (it declares no elicitation)");
    }
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let question = json!({"message": "What is your name?", "requestedSchema": schema});
    let reply = session.request(stream, "elicitation/create", question).await.unwrap_or_default();
    let result = &reply["result"];
    match (result["action"].as_str(), result["content"]["name"].as_str()) {
        (Some("accept"), Some(name)) => text(&format!("Good day, {name}!")),
        (Some(action), _) => text(&format!("No name then ({action}).")),
        _ => failed("the question was not answered"),
    }
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

fn failed(why: &str) -> Value {
    json!({"content": [{"type": "text", "text": why}], "isError": true})
}
