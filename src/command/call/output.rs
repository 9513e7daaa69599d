//! What is printed of a result? Text as text, binary content only into a file.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::command::output::{note, say};
use crate::error::{Error, Exit};
use crate::{files, log};

/// The longest text that is shown of a tool's failure, in characters.
const LONGEST_FAILURE: usize = 20_000;

/// What a result is made of, in its order.
enum Part {
    Text(String),
    Binary { kind: String, base64: String },
}

/// Prints a result of `tools/call`, `resources/read`, `prompts/get` or another request.
pub(super) fn print(result: &str, as_json: bool, file: Option<&Path>) -> Result<Exit, Error> {
    let value: Value = serde_json::from_str(result).unwrap_or_default();
    let exit = if value["isError"] == true { Exit::ToolError } else { Exit::Orderly };
    if as_json {
        match file {
            Some(file) => write(file, format!("{result}\n").as_bytes())?,
            None => say(&log::neutral_json(result)),
        }
        return Ok(exit);
    }
    let parts = parts(&value);
    let has_written = write_binary(&parts, file)?;
    let text: String = parts.iter().filter_map(Part::text).collect();
    if exit == Exit::ToolError {
        let (text, end) = match text.char_indices().nth(LONGEST_FAILURE) {
            Some((end, _)) => (&text[..end], "…\n--json prints the whole"),
            None => (&*text, ""),
        };
        note(&format!("mcp-ferry: the tool failed:\n{text}{end}"));
        return Ok(exit);
    }
    match file {
        Some(file) if !has_written => write(file, text.as_bytes())?,
        _ if text.is_empty() => {}
        _ => print_text(&text),
    }
    Ok(exit)
}

/// Writes what is no text to the file, or says what is left out.
fn write_binary(parts: &[Part], file: Option<&Path>) -> Result<bool, Error> {
    let binary = parts.iter().filter_map(|part| match part {
        Part::Binary { kind, base64 } => Some((kind, base64)),
        Part::Text(_) => None,
    });
    let mut has_written = false;
    for (number, (kind, base64)) in binary.enumerate() {
        let bytes = STANDARD.decode(base64);
        let Some(file) = file else {
            let (kind, size) = (log::foreign_name(kind), bytes.map_or(base64.len(), |bytes| bytes.len()));
            note(&format!("mcp-ferry: {kind}, {size} bytes, is not shown; -o FILE writes it"));
            continue;
        };
        let bytes = bytes.map_err(|_| Error::Request {
            cause: "the server's binary content is not base64".to_owned(),
            hint: "--json prints the whole result".to_owned(),
        })?;
        write(&numbered(file, number), &bytes)?;
        has_written = true;
    }
    Ok(has_written)
}

/// On a terminal without what acts on it; elsewhere as it came.
fn print_text(text: &str) {
    let mut stdout = std::io::stdout();
    if stdout.is_terminal() {
        say(text);
    } else {
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).ok();
    }
}

impl Part {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary { .. } => None,
        }
    }

    /// A text ends its line, so that the next one begins another.
    fn line(text: &str) -> Self {
        Self::Text(if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") })
    }
}

fn parts(result: &Value) -> Vec<Part> {
    let list = |name: &str| result[name].as_array().cloned().unwrap_or_default();
    let mut parts: Vec<Part> = list("content").iter().filter_map(content).collect();
    parts.extend(list("contents").iter().filter_map(resource));
    for message in list("messages") {
        let role = message["role"].as_str().unwrap_or_default();
        parts.push(Part::line(&format!("[{}]", log::foreign_name(role))));
        parts.extend(content(&message["content"]));
    }
    let is_empty = parts.iter().all(|part| part.text().is_some_and(|text| text.trim().is_empty()));
    if is_empty && !result["structuredContent"].is_null() {
        let pretty = serde_json::to_string_pretty(&result["structuredContent"]).unwrap_or_default();
        parts.push(Part::line(&log::neutral_json(&pretty)));
    }
    parts
}

fn content(block: &Value) -> Option<Part> {
    match block["type"].as_str()? {
        "text" => Some(Part::line(block["text"].as_str()?)),
        "image" | "audio" => binary(block, "data"),
        "resource" => resource(&block["resource"]),
        "resource_link" => Some(Part::line(block["uri"].as_str()?)),
        _ => None,
    }
}

fn resource(resource: &Value) -> Option<Part> {
    match resource["text"].as_str() {
        Some(text) => Some(Part::line(text)),
        None => binary(resource, "blob"),
    }
}

fn binary(value: &Value, name: &str) -> Option<Part> {
    let kind = value["mimeType"].as_str().unwrap_or("binary content").to_owned();
    Some(Part::Binary { kind, base64: value[name].as_str()?.to_owned() })
}

/// The file for a further piece of content: `a.png`, `a-2.png`, `a-3.png`.
fn numbered(file: &Path, number: usize) -> PathBuf {
    if number == 0 || is_stdout(file) {
        return file.to_owned();
    }
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{}", number + 1));
    if let Some(extension) = file.extension() {
        name.push(".");
        name.push(extension);
    }
    file.with_file_name(name)
}

/// `-` is stdout here as in other programs.
fn is_stdout(file: &Path) -> bool {
    file == Path::new("-")
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Error> {
    if is_stdout(file) {
        let mut stdout = std::io::stdout();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).ok();
        return Ok(());
    }
    files::write_result(file, bytes).map_err(|error| Error::Request {
        cause: format!("cannot write {}: {error}", file.display()),
        hint: "check the folder and its permissions".to_owned(),
    })
}
