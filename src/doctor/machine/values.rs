//! Do the arguments and variables of an entry mean what their author meant?

use super::finding::{Finding, replace_mcp_remote, shown};
use super::passing;
use crate::doctor::Code;
use crate::install::{Entry, Scanned, World};
use crate::log;

/// The schemes that stand before a token.
const SCHEMES: [&str; 5] = ["bearer", "basic", "token", "apikey", "api-key"];

/// A kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// `${NAME}`.
    Dollar,
    /// `${env:NAME}`.
    DollarEnv,
    /// `{env:NAME}`.
    Env,
    /// What editors know: `${input:…}`, `${workspaceFolder}`.
    Editor,
}

/// A place in a text that stands for something else.
#[derive(Debug, PartialEq, Eq)]
struct Place<'t> {
    fill: Option<Fill>,
    /// The variable, or what stands between the braces.
    name: &'t str,
    /// Whether it says what stands there otherwise.
    has_default: bool,
}

/// What is wrong with the values of an entry.
pub(super) fn check(world: &World, scanned: &Scanned, entry: &Entry) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let arguments = entry.command.iter().map(|word| (word.as_str(), true));
    let values = entry.env.iter().chain(&entry.headers).map(|(_, value)| (value.as_str(), false));
    for (text, is_argument) in arguments.chain(values) {
        let findings = places(text).into_iter().filter_map(|place| unset(world, scanned, entry, &place, is_argument));
        for finding in findings {
            if !found.iter().any(|other| other.problem == finding.problem) {
                found.push(finding);
            }
        }
    }
    found.extend(split_header(scanned, entry));
    found
}

/// The places of a text.
fn places(text: &str) -> Vec<Place<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let Some((inner, behind)) = after.split_once('}') else { break };
        let is_dollar = before.ends_with('$');
        if is_dollar || inner.starts_with("env:") {
            found.push(place(inner, is_dollar));
        }
        rest = behind;
    }
    found
}

fn place(inner: &str, is_dollar: bool) -> Place<'_> {
    let (name, rest) = inner.split_once(":-").map_or((inner, None), |(name, rest)| (name, Some(rest)));
    let is_variable =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_editors = ["input:", "workspaceFolder", "config:", "command:"].iter().any(|start| inner.starts_with(start));
    let (fill, name) = match name.strip_prefix("env:") {
        Some(name) if is_variable(name) => (Some(if is_dollar { Fill::DollarEnv } else { Fill::Env }), name),
        // Filled in by this program and by editors.
        None if ["userHome", "pathSeparator", "/"].contains(&name) => (Some(Fill::Editor), name),
        None if is_editors => (Some(Fill::Editor), name),
        None if is_dollar && is_variable(name) => (Some(Fill::Dollar), name),
        _ => (None, inner),
    };
    Place { fill, name, has_default: rest.is_some() }
}

/// A place that nothing fills in.
fn unset(world: &World, scanned: &Scanned, entry: &Entry, place: &Place<'_>, is_argument: bool) -> Option<Finding> {
    let (path, title) = (shown(world, &scanned.path), scanned.client.title);
    let name = log::foreign_name(place.name);
    let row = passing::of(scanned.client.name);
    let text = match place.fill {
        _ if place.has_default => return None,
        Some(Fill::Editor) => return None,
        Some(Fill::Dollar) => format!("${{{name}}}"),
        Some(Fill::DollarEnv) => format!("${{env:{name}}}"),
        Some(Fill::Env) => format!("{{env:{name}}}"),
        None => {
            let problem = format!("has ${{{name}}}, which {title} does not fill in");
            return Some(Finding::failure(Code::VariableUnset, problem).fix(format!("write the value into {path}")));
        }
    };
    let own = entry.env.iter().find(|(own, _)| own == place.name).map(|(_, value)| value.as_str());
    let is_own = own.is_some_and(|value| !value.trim().is_empty() && places(value).is_empty());
    let is_set = world.variable(place.name).is_some();
    let fills_itself = is_argument && entry.arguments().is_some();
    let reaches = is_own
        || (is_set
            && (row.is_none_or(|row| row.passes(world, place.name)) || entry.passed.iter().any(|p| p == place.name)));
    let fix = || format!("write \"{name}\" with its value into \"env\" of the entry in {path}");
    if scanned.client.fills_in(&text) {
        let problem = format!("names the variable {name}, which is not set here");
        return (!is_set && !is_own).then(|| Finding::warning(Code::VariableUnset, problem).fix(fix()));
    }
    if fills_itself {
        let why = match (is_set, own) {
            (true, _) => format!("which {title} does not pass on"),
            (false, Some(_)) => "whose value in the entry nothing fills in".to_owned(),
            (false, None) => "which is set neither in the entry nor here".to_owned(),
        };
        let problem = format!("names the variable {name}, {why}");
        return (!reaches).then(|| Finding::failure(Code::VariableUnset, problem).fix(fix()));
    }
    let problem = format!("has {text}, which {title} may hand on as it is");
    Some(Finding::warning(Code::VariableUnset, problem).fix(format!("write the value into {path}")))
}

/// A header whose value was split at its space.
fn split_header(scanned: &Scanned, entry: &Entry) -> Option<Finding> {
    let words = entry.arguments()?;
    let at = words.windows(3).position(|words| {
        let is_option = ["--header", "-H"].contains(&words[0].as_str());
        is_option && is_incomplete(&words[1]) && !words[2].starts_with('-') && !words[2].contains("://")
    })?;
    // It is a secret, most likely, and stands where nothing looks for one.
    words[at + 2..].iter().take_while(|word| !word.starts_with('-')).for_each(|word| log::hide(word));
    let name = log::foreign_name(words[at + 1].split(':').next().unwrap_or_default());
    let problem = format!("has the header {name} in several arguments: it is split at its space");
    Some(if entry.is_ours {
        let fix =
            format!("put \"--header\", \"{name}:${{{}}}\" into \"args\" and the value into \"env\"", variable(&name));
        Finding::warning(Code::HeaderSplit, problem).fix(fix)
    } else {
        Finding::failure(Code::HeaderSplit, problem).fix(replace_mcp_remote(scanned))
    })
}

/// Whether a header lacks its value, or the part of it behind the scheme.
fn is_incomplete(header: &str) -> bool {
    let (name, value) = header.split_once(':').unwrap_or((header, ""));
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let value = value.trim();
    is_name && (value.is_empty() || SCHEMES.iter().any(|scheme| value.eq_ignore_ascii_case(scheme)))
}

/// A name for the variable of a header.
fn variable(header: &str) -> String {
    header.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let place = |fill, name, has_default| Place { fill, name, has_default };
        for (text, wanted) in [
            ("${A}", vec![place(Some(Fill::Dollar), "A", false)]),
            ("x${env:A}y{env:B}", vec![place(Some(Fill::DollarEnv), "A", false), place(Some(Fill::Env), "B", false)]),
            ("${A:-b}", vec![place(Some(Fill::Dollar), "A", true)]),
            ("${user_config.token}", vec![place(None, "user_config.token", false)]),
            ("${input:t}", vec![place(Some(Fill::Editor), "input:t", false)]),
            ("{\"a\": 1} ${", vec![]),
            ("plain", vec![]),
        ] {
            assert_eq!(places(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_header_is_incomplete_without_its_value() {
        for header in ["Authorization:", "Authorization", "Authorization: Bearer", "X-Key: "] {
            assert!(is_incomplete(header), "{header}");
        }
        for header in ["Authorization: Bearer x", "A:${B}", "a b:", ""] {
            assert!(!is_incomplete(header), "{header}");
        }
    }
}
