//! How is a person at the terminal asked what a server wants to know (elicitation)?

use serde_json::{Map, Value, json};

use crate::command::prompt::{line, say};
use crate::command::schema::Schema;
use crate::command::terminal::neutral_lines;
use crate::log;

/// The longest text that is shown of a server's question, in characters.
const LONGEST_MESSAGE: usize = 4000;

/// A form of a server has no more questions than this.
const MOST_QUESTIONS: usize = 50;

/// Asks on stderr, reads from stdin, and returns the result of `elicitation/create`.
pub(super) fn ask(params: &Value) -> Value {
    let text = neutral_lines(params["message"].as_str().unwrap_or_default());
    let text: String = text.chars().take(LONGEST_MESSAGE).collect();
    say(&format!("the server asks: {text}\n"));
    if params["mode"] == "url" {
        let url = log::neutral(params["url"].as_str().unwrap_or_default());
        if url.chars().count() > LONGEST_MESSAGE {
            say("its address is too long to be shown, and is declined\n");
            return json!({ "action": "decline" });
        }
        say(&format!("open this address in a browser only if you expect it:\n  {url}\n"));
        return confirmed("go on? [y/N] ", &json!({ "action": "accept" }));
    }
    match answers(&params["requestedSchema"]) {
        Some(content) => {
            confirmed("send this to the server? [y/N] ", &json!({ "action": "accept", "content": content }))
        }
        None => json!({ "action": "cancel" }),
    }
}

fn confirmed(question: &str, accepted: &Value) -> Value {
    say(question);
    match line().as_deref().map(str::trim) {
        Some("y" | "Y" | "yes") => accepted.clone(),
        Some(_) => json!({ "action": "decline" }),
        None => json!({ "action": "cancel" }),
    }
}

/// The answers to all questions of a form. `None` at the end of stdin.
fn answers(schema: &Value) -> Option<Map<String, Value>> {
    let schema = Schema::new(schema);
    let required = schema.required();
    let mut answers = Map::new();
    for (name, question) in schema.properties().into_iter().take(MOST_QUESTIONS) {
        let title = log::foreign(question.text("title").unwrap_or(name));
        let description = question.text("description").map(|text| format!(" - {}", log::foreign(text)));
        let default = question.default().map(|value| format!(" [{}]", log::foreign_name(&value.to_string())));
        loop {
            say(&format!(
                "{title} ({}){}{}: ",
                question.words(),
                description.as_deref().unwrap_or_default(),
                default.as_deref().unwrap_or_default()
            ));
            let typed = line()?;
            if typed.is_empty() {
                match question.default() {
                    Some(default) => answers.insert(name.to_owned(), default.clone()),
                    None if required.contains(&name) => {
                        say("an answer is required; the end of input (Ctrl-D) cancels\n");
                        continue;
                    }
                    None => None,
                };
                break;
            }
            match question.read(&typed).map(|json| serde_json::from_str(&json)) {
                Ok(Ok(value)) => {
                    answers.insert(name.to_owned(), value);
                    break;
                }
                Ok(Err(_)) => say("this cannot be sent\n"),
                Err(why) => say(&format!("the answer {why}\n")),
            }
        }
    }
    Some(answers)
}
