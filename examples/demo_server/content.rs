//! The resources and prompts.

use serde_json::{Value, json};

use super::endpoint::Outcome;

const RESOURCES: [(&str, &str, &str); 2] = [
    ("demo://harbour", "The harbour", "Three quays, one crane, and a ferry that leaves when a line is full."),
    ("demo://timetable", "The timetable", "First boat: at once. Last boat: when stdin ends."),
];

pub fn answer(method: &str, params: &Value) -> Outcome {
    match method {
        "resources/list" => {
            let entry = |(uri, name, _): &(_, _, _)| json!({"uri": uri, "name": name, "mimeType": "text/plain"});
            Ok(json!({"resources": RESOURCES.iter().map(entry).collect::<Vec<_>>()}))
        }
        "resources/templates/list" => {
            let greeting =
                json!({"uriTemplate": "demo://greeting/{name}", "name": "A greeting", "mimeType": "text/plain"});
            Ok(json!({"resourceTemplates": [greeting]}))
        }
        "resources/read" => read(params["uri"].as_str().unwrap_or_default()),
        "prompts/list" => {
            let topic = json!({"name": "topic", "description": "What it is about", "required": true});
            Ok(json!({"prompts": [{"name": "haiku", "description": "Asks for a haiku", "arguments": [topic]}]}))
        }
        "prompts/get" => prompt(params),
        unknown => Err((-32601, format!("there is no method \"{unknown}\""))),
    }
}

fn read(uri: &str) -> Outcome {
    let known = RESOURCES.iter().find(|(known, _, _)| *known == uri).map(|(_, _, text)| (*text).to_owned());
    let text = known.or_else(|| uri.strip_prefix("demo://greeting/").map(|name| format!("Ahoy, {name}!")));
    let text = text.ok_or_else(|| (-32002, format!("there is no resource \"{uri}\"")))?;
    Ok(json!({"contents": [{"uri": uri, "mimeType": "text/plain", "text": text}]}))
}

fn prompt(params: &Value) -> Outcome {
    if params["name"] != "haiku" {
        return Err((-32602, "there is one prompt: haiku".to_owned()));
    }
    let topic = params["arguments"]["topic"].as_str().ok_or((-32602, "a topic is needed".to_owned()))?;
    let text = json!({"type": "text", "text": format!("Write a haiku about {topic}.")});
    Ok(json!({"description": "Asks for a haiku", "messages": [{"role": "user", "content": text}]}))
}
