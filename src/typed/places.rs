//! Which parts of a text stand for something else? Hosts fill in such places before they start a program, but each host
//! knows only its own kinds, and a configuration that was written for one host is used with another. A place that
//! nothing fills in is never sent: it is an error here.

use std::fmt;
use std::ops::Range;
use std::path::MAIN_SEPARATOR;

/// How deep a default may contain places with defaults.
const DEEPEST: usize = 4;

/// A longer text between braces is not shown, because it may be a secret.
const LONGEST_SHOWN: usize = 40;

/// What could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfilled {
    /// A variable that is not set.
    Variable(String),
    /// A variable that holds a place itself.
    Nested(String),
    /// What stands between the braces of a place of another program's.
    Place(String),
}

impl fmt::Display for Unfilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-' | ' ');
        match self {
            Self::Variable(name) => write!(f, "the environment variable {name} is not set"),
            Self::Nested(name) => {
                write!(f, "the value of the environment variable {name} has a ${{…}} that nothing has filled in")
            }
            Self::Place(place) if place.len() <= LONGEST_SHOWN && place.chars().all(is_plain) => {
                write!(f, "the program that starts mcp-ferry has not filled in ${{{place}}}")
            }
            Self::Place(_) => f.write_str("the program that starts mcp-ferry has not filled in a ${…}"),
        }
    }
}

/// Whether a value is empty or a placeholder that the client's program did not fill in. Such a value counts as not
/// given.
pub(crate) fn is_unset(value: &str) -> bool {
    value.trim().is_empty() || value.contains("${user_config.")
}

/// Whether a text has a place in braces.
pub(crate) fn has_place(text: &str) -> bool {
    ["${", "{env:"].iter().any(|open| text.split_once(open).is_some_and(|(_, after)| after.contains('}')))
}

/// Fills in each place: `${VAR}`, `${VAR:-default}` (Claude Code), `${env:VAR}` (VS Code, Cursor), `{env:VAR}`
/// (opencode), and where they are words of their own, `$VAR` (Gemini) and `%VAR%` (Windows).
pub(crate) fn fill_in(text: &str) -> Result<String, Unfilled> {
    fill_in_with(text, &|name| std::env::var(name).ok(), 0)
}

/// The variables without which a text cannot be filled in, whether they are set or not.
pub(crate) fn needed(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    while let Err(Unfilled::Variable(name)) =
        fill_in_with(text, &|name| names.iter().any(|known| known == name).then(|| "set".to_owned()), 0)
    {
        names.push(name);
    }
    names
}

type LookUp<'a> = &'a dyn Fn(&str) -> Option<String>;

fn fill_in_with(text: &str, look_up: LookUp<'_>, depth: usize) -> Result<String, Unfilled> {
    let mut filled = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(at) = text[done..].find(['$', '%', '{']).map(|at| done + at) {
        filled.push_str(&text[done..at]);
        if let Some((place, end)) = place_at(text, at) {
            filled.push_str(&value(place, look_up, depth)?);
            done = end;
        } else {
            filled.push_str(&text[at..=at]);
            done = at + 1;
        }
    }
    Ok(filled + &text[done..])
}

/// The place that begins here, and its end.
fn place_at(text: &str, at: usize) -> Option<(&str, usize)> {
    let here = &text[at..];
    if let Some(after) = here.strip_prefix("${") {
        let end = closing_brace(after)?;
        return Some((&after[..end], at + 2 + end + 1));
    }
    if let Some(after) = here.strip_prefix("{env:") {
        let (name, _) = after.split_once('}')?;
        return is_variable_name(name).then_some((name, at + 5 + name.len() + 1));
    }
    let closed = here.starts_with('%');
    let name = here[1..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
    let end = at + 1 + name.len() + usize::from(closed);
    // A password may begin with a dollar sign; a variable's name is in upper case and a word of its own.
    let is_name = name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && !name.contains(|c: char| c.is_ascii_lowercase());
    let begins = text[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || "/\\:=\"'".contains(c));
    let ends = text.get(end..)?.chars().next().is_none_or(|c| c.is_whitespace() || "/\\:&\"'".contains(c));
    let is_closed = !closed || text[..end].ends_with('%');
    (!here.starts_with('{') && is_name && begins && ends && is_closed).then_some((name, end))
}

fn closing_brace(inner: &str) -> Option<usize> {
    let mut open = 0usize;
    let mut before = ' ';
    for (at, c) in inner.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

/// What stands for a place. A variable that is empty, or that some program left unfilled, is not set.
fn value(place: &str, look_up: LookUp<'_>, depth: usize) -> Result<String, Unfilled> {
    if place == "/" {
        return Ok(MAIN_SEPARATOR.to_string());
    }
    let (name, rest) = name_and_rest(place);
    let value = look_up(name).filter(|value| !has_place(value));
    let value_or = |otherwise: &dyn Fn() -> Result<String, Unfilled>| match &value {
        Some(value) if !value.trim().is_empty() => Ok(value.trim().to_owned()),
        _ => otherwise(),
    };
    let default = |text: &str| match depth {
        DEEPEST => Err(Unfilled::Place(place.to_owned())),
        _ => fill_in_with(text, look_up, depth + 1),
    };
    if name.is_empty() {
        return Err(Unfilled::Place(place.to_owned()));
    }
    if rest.is_empty() {
        let is_nested = look_up(name).is_some_and(|value| has_place(&value));
        let unfilled = if is_nested { Unfilled::Nested } else { Unfilled::Variable };
        return value_or(&|| known(name).ok_or_else(|| unfilled(name.to_owned())));
    }
    if let Some(text) = rest.strip_prefix(":-") {
        return value_or(&|| default(text));
    }
    match (rest.strip_prefix('-'), value) {
        (Some(_), Some(value)) => Ok(value),
        (Some(text), None) => default(text),
        (None, _) => Err(Unfilled::Place(place.to_owned())),
    }
}

/// The name of a place's variable, and what follows it between the braces.
fn name_and_rest(place: &str) -> (&str, &str) {
    let place = place.strip_prefix("env:").unwrap_or(place);
    place.split_at(place.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(place.len()))
}

/// The places that editors fill in without a variable.
fn known(name: &str) -> Option<String> {
    match name {
        "userHome" => Some(super::path::home()?.to_str()?.to_owned()),
        "pathSeparator" => Some(MAIN_SEPARATOR.to_string()),
        _ => None,
    }
}

/// The places of a text, in its order: where each stands, and the name of its variable, or an empty one.
fn places(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        while let Some(at) = text[done..].find(['$', '%', '{']).map(|at| done + at) {
            done = at + 1;
            if let Some((place, end)) = place_at(text, at) {
                done = end;
                let (name, rest) = name_and_rest(place);
                let is_variable = rest.is_empty() || rest.starts_with('-') || rest.starts_with(":-");
                return Some((at..end, if is_variable { name } else { "" }));
            }
        }
        None
    })
}

/// The names of the variables in a text.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = &str> {
    places(text).map(|(_, name)| name).filter(|name| is_variable_name(name))
}

/// The text with its places in another spelling: `spell` gets each as it is spelled, with the name of its variable, and
/// leaves it with `None`.
pub(crate) fn respell(text: &str, spell: impl Fn(&str, &str) -> Option<String>) -> String {
    let mut spelled = String::with_capacity(text.len());
    let mut done = 0;
    for (range, name) in places(text).filter(|(_, name)| is_variable_name(name)) {
        if let Some(place) = spell(&text[range.clone()], name) {
            spelled.push_str(&text[done..range.start]);
            spelled.push_str(&place);
            done = range.end;
        }
    }
    spelled + &text[done..]
}

/// Whether a text can be the name of an environment variable.
pub(crate) fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look_up(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("t".to_owned()),
            "EMPTY" => Some(String::new()),
            "UNFILLED" => Some("Bearer ${user_config.token}".to_owned()),
            "FOREIGN" => Some("${input:token}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn places_are_filled_in_as_their_hosts_mean_them() {
        let separator = MAIN_SEPARATOR.to_string();
        for (text, filled) in [
            ("Bearer ${TOKEN}", "Bearer t"),
            ("${TOKEN}${TOKEN}$", "tt$"),
            ("${TOKEN:-d}${NONE:-d}${EMPTY:-d}${UNFILLED:-d}", "tddd"),
            ("${TOKEN-d}${NONE-d}${EMPTY-d}", "td"),
            ("${NONE:-}", ""),
            ("${NONE:-https://h/a}/mcp", "https://h/a/mcp"),
            ("${NONE:-${TOKEN}}!${NONE:-${EMPTY:-x}}", "t!x"),
            ("${env:TOKEN} ${env:NONE:-d}", "t d"),
            ("Bearer {env:TOKEN}", "Bearer t"),
            ("a${/}b${pathSeparator}c", &format!("a{separator}b{separator}c")),
            ("Bearer $TOKEN", "Bearer t"),
            ("https://h/%TOKEN%/mcp?key=$TOKEN", "https://h/t/mcp?key=t"),
            // None of these is a place.
            ("${TOKEN", "${TOKEN"),
            (
                "p$TOKEN $2a$10 $token 100% {a} {env:} $$ %41%42 \"$TOKEN;x\"",
                "p$TOKEN $2a$10 $token 100% {a} {env:} $$ %41%42 \"$TOKEN;x\"",
            ),
            ("ä€$", "ä€$"),
        ] {
            assert_eq!(fill_in_with(text, &look_up, 0).as_deref(), Ok(filled), "{text}");
        }
    }

    #[test]
    fn places_are_spelled_in_another_way() {
        let text = "${A}/$BB %CC% ${D:-${A}} {env:A} ${env:A} p$AA ${/} ${input:x}";
        let names: Vec<_> = variables(text).collect();
        assert_eq!(names, ["A", "BB", "CC", "D", "A", "A"]);
        let spell = |_: &str, name: &str| (name != "CC").then(|| format!("<{name}>"));
        assert_eq!(respell(text, spell), "<A>/<BB> %CC% <D> <A> <A> p$AA ${/} ${input:x}");
    }

    #[test]
    fn what_nothing_fills_in_is_named() {
        let variable = |name: &str| Unfilled::Variable(name.to_owned());
        let place = |text: &str| Unfilled::Place(text.to_owned());
        for (text, unfilled) in [
            ("${EMPTY}", variable("EMPTY")),
            ("x${UNFILLED}", Unfilled::Nested("UNFILLED".to_owned())),
            ("${FOREIGN}", Unfilled::Nested("FOREIGN".to_owned())),
            ("${env:NONE}", variable("NONE")),
            ("{env:NONE}", variable("NONE")),
            ("Bearer $NONE", variable("NONE")),
            ("%NONE%", variable("NONE")),
            ("${NONE:-${NEITHER}}", variable("NEITHER")),
            ("${input:token}", place("input:token")),
            ("${not a name}", place("not a name")),
            ("${{ secrets.TOKEN }}", place("{ secrets.TOKEN ")),
            ("${}", place("")),
        ] {
            assert_eq!(fill_in_with(text, &look_up, 0), Err(unfilled), "{text}");
        }
        assert!(!place("sk-secret!").to_string().contains("secret"), "what may be a secret is not shown");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_place_in_braces_is_left(text in "(\\$\\{|\\}|\\$|%|\\{env:|:-|TOKEN|NONE|[ a/:é])*") {
            if let Ok(filled) = fill_in_with(&text, &look_up, 0) {
                prop_assert!(!filled.contains("${TOKEN}") && !filled.contains("${NONE}"), "{}", filled);
            }
        }
    }
}
