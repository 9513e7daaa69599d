//! Which tools does a server have, and what do they take (`mcp-ferry tools`)?

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::{Client, failed};
use super::output::say;
use super::schema::{Schema, nearest, signature};
use super::terminal::neutral_lines;
use crate::cli::ToolsCommand;
use crate::error::Error;
use crate::log;
use crate::message::quoted;

/// A list in more parts is one that has no end.
const MOST_PAGES: usize = 1000;

/// The longest description that is shown whole, in characters.
const LONGEST_DESCRIPTION: usize = 20_000;

/// A tool as the server describes it.
#[derive(Debug)]
pub(super) struct Tool {
    text: Box<RawValue>,
    value: Value,
}

impl Tool {
    pub(super) fn name(&self) -> &str {
        self.value["name"].as_str().unwrap_or_default()
    }

    /// The schema of its arguments.
    pub(super) fn schema(&self) -> Schema<'_> {
        Schema::new(&self.value["inputSchema"])
    }

    pub(super) fn signature(&self) -> String {
        signature(self.name(), self.schema())
    }

    fn description(&self) -> &str {
        let title = self.value["title"].as_str().unwrap_or_default();
        self.value["description"].as_str().unwrap_or(title)
    }

    /// What the server says of its effects, in words.
    fn effects(&self) -> &'static str {
        let is_so = |name: &str| self.value["annotations"][name] == true;
        match (is_so("readOnlyHint"), is_so("destructiveHint")) {
            (true, _) => "  [read-only]",
            (_, true) => "  [destructive]",
            _ => "",
        }
    }
}

#[derive(Deserialize)]
struct Page {
    tools: Vec<Box<RawValue>>,
    #[serde(rename = "nextCursor")]
    next_cursor: Option<String>,
}

/// All tools of the server, that the user's filters let through.
pub(super) async fn list(client: &mut Client) -> Result<Vec<Tool>, Error> {
    let mut tools = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let params = cursor.as_ref().map(|cursor| format!(r#"{{"cursor":{}}}"#, quoted(cursor)));
        let result = client.request("tools/list", params.as_deref().unwrap_or("{}")).await?;
        let page: Page = serde_json::from_str(&result)
            .map_err(|error| failed(format!("the server's list of tools cannot be read: {error}"), ""))?;
        for text in page.tools {
            let value = serde_json::from_str(text.get()).unwrap_or_default();
            tools.push(Tool { text, value });
        }
        match page.next_cursor {
            Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
            _ => return Ok(tools),
        }
    }
    Err(failed(format!("the server's list of tools has more than {MOST_PAGES} parts"), ""))
}

/// The tool with this name.
pub(super) fn find<'a>(tools: &'a [Tool], name: &str) -> Result<&'a Tool, Error> {
    tools.iter().find(|tool| tool.name() == name).ok_or_else(|| {
        let suggestion = nearest(name, tools.iter().map(Tool::name));
        let suggestion = suggestion.map(|name| format!("; did you mean {}?", log::foreign_name(name)));
        let name = log::foreign_name(name);
        Error::Arguments {
            cause: format!("the server has no tool {name}{}", suggestion.unwrap_or_default()),
            hint: "`mcp-ferry tools URL` lists the tools; filters such as --read-only hide some".to_owned(),
        }
    })
}

/// Prints the tools, or the one that is named.
pub(super) fn print(tools: &[Tool], typed: &ToolsCommand) -> Result<(), Error> {
    let Some(name) = &typed.name else {
        if typed.json {
            let texts: Vec<_> = tools.iter().map(|tool| log::neutral_json(tool.text.get())).collect();
            say(&format!("[{}]", texts.join(",")));
        } else {
            tools.iter().for_each(print_line);
        }
        return Ok(());
    };
    let tool = find(tools, name)?;
    if typed.json {
        say(&log::neutral_json(tool.text.get()));
    } else if typed.schema {
        say(&pretty(&tool.value["inputSchema"]));
    } else {
        say(&format!("{}{}", tool.signature(), tool.effects()));
        let description: String = neutral_lines(tool.description()).chars().take(LONGEST_DESCRIPTION).collect();
        if !description.is_empty() {
            say(&format!("\n{description}"));
        }
        say(&format!("\n{}", pretty(&tool.value["inputSchema"])));
    }
    Ok(())
}

fn print_line(tool: &Tool) {
    say(&format!("{}{}", tool.signature(), tool.effects()));
    let first = tool.description().lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if !first.is_empty() {
        say(&format!("    {}", log::foreign_name(first)));
    }
}

fn pretty(value: &Value) -> String {
    log::neutral_json(&serde_json::to_string_pretty(value).unwrap_or_default())
}
