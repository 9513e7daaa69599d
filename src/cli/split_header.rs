//! Which arguments are parts of one header? Some clients split `--header "Authorization: Bearer x"` at its spaces, and
//! other programs have the header's name and value as two arguments.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;

use http::HeaderName;

/// Words that are an authentication scheme and never a whole credential.
const SCHEMES: [&str; 4] = ["bearer", "basic", "token", "apikey"];

/// The names of the option: ours, and those of other programs.
const NAMES: [&str; 3] = ["--header", "--headers", "-H"];

/// The lowest number that is a callback port when it follows a whole header.
const LOWEST_PORT: u16 = 1024;

/// Makes each header two arguments: `--header` and the whole header. A header whose end cannot be found is left out
/// with a warning.
pub(super) fn join_split_headers(
    args: impl IntoIterator<Item = OsString>,
    warnings: &mut Vec<String>,
) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut args = args.into_iter().peekable();
    while let Some(arg) = args.next() {
        if arg == "--" {
            joined.push(arg);
            joined.extend(args);
            return joined;
        }
        let inline = inline_value(&arg);
        if inline.is_none() && !NAMES.iter().any(|name| arg == *name) {
            joined.push(arg);
            continue;
        }
        joined.push("--header".into());
        let value = inline.or_else(|| args.next_if(|next| !next.as_encoded_bytes().starts_with(b"--")));
        match value.map(|value| whole(value, &mut args)) {
            Some(Some(value)) => joined.push(value),
            Some(None) => {
                joined.pop();
                warnings.push("a header of --header begins with a quote that does not end, and is not sent".to_owned());
            }
            None => {}
        }
    }
    joined
}

/// The value of a header that stands in the same argument as its option.
fn inline_value(arg: &OsStr) -> Option<OsString> {
    let value = NAMES.iter().find_map(|name| {
        let rest = arg.to_str()?.strip_prefix(name)?;
        // Only a short name needs no sign between it and its value.
        rest.strip_prefix('=').or(Some(rest).filter(|rest| *name == "-H" && !rest.is_empty()))
    });
    value.map(Into::into)
}

/// The header that begins with this argument, with its parts among the next ones. `None` if a quote stays open.
fn whole(first: OsString, args: &mut Peekable<impl Iterator<Item = OsString>>) -> Option<OsString> {
    let Some(text) = first.to_str() else { return Some(first) };
    let mut value = text.to_owned();
    let mut join = |value: &mut String, separator: &str, is_part: &dyn Fn(&str) -> bool| {
        let part = args.next_if(|next| next.to_str().is_some_and(is_part));
        part.and_then(|part| part.into_string().ok()).map(|part| value.extend([separator, &part])).is_some()
    };
    if let Some(quote) = open_quote(&value) {
        while open_quote(&value) == Some(quote) {
            if !join(&mut value, " ", &is_continuation) {
                return None;
            }
        }
        return Some(value.into());
    }
    // A host that splits at spaces leaves none in the first part.
    let is_split = !value.trim().contains(char::is_whitespace);
    if !value.contains(':') && HeaderName::try_from(value.trim()).is_ok() {
        join(&mut value, ": ", &is_further_part);
    }
    loop {
        let is_part: &dyn Fn(&str) -> bool = match is_unfinished(&value) {
            true => &is_continuation,
            false if is_split && value.contains(':') => &is_further_part,
            false => break,
        };
        if !join(&mut value, " ", is_part) {
            break;
        }
    }
    Some(value.into())
}

/// The quote that a header begins with, if it does not end with the same.
fn open_quote(header: &str) -> Option<char> {
    let header = header.trim();
    let quote = header.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    (header.len() == 1 || !header.ends_with(quote)).then_some(quote)
}

fn is_unfinished(header: &str) -> bool {
    let Some((name, value)) = header.split_once(':') else { return false };
    HeaderName::try_from(name.trim()).is_ok() && (value.trim().is_empty() || is_auth_scheme(value))
}

/// Whether an argument can belong to a header that needs more.
fn is_continuation(arg: &str) -> bool {
    !["--", "https://", "http://"].iter().any(|start| arg.starts_with(start))
}

/// Whether an argument can belong to a header that may be whole: it is no option, no address and no port.
fn is_further_part(arg: &str) -> bool {
    let is_port = arg.parse().is_ok_and(|port: u16| port >= LOWEST_PORT);
    let is_place = arg.starts_with("${") || arg.starts_with("{env:");
    !(arg.starts_with('-') || arg.contains("://") || is_place || is_port)
}

/// Whether a header's value is an authentication scheme without a credential.
pub(crate) fn is_auth_scheme(value: &str) -> bool {
    SCHEMES.iter().any(|scheme| value.trim().eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_headers_are_joined_again() {
        let header = "Authorization: Bearer x";
        for (args, joined) in [
            (&["--header", header, "URL"][..], &["--header", header, "URL"][..]),
            (&["--header=Authorization: Bearer x"], &["--header", header]),
            (&["-H", header], &["--header", header]),
            (&["-HAuthorization: Bearer x"], &["--header", header]),
            (&["--header", "Authorization:", "Bearer x"], &["--header", header]),
            (&["--header=Authorization:", "Bearer", "x"], &["--header", header]),
            (&["-H", "Authorization:", "Bearer", "x"], &["--header", header]),
            (&["-H", "Authorization", "Bearer x"], &["--header", header]),
            (&["--header", "Authorization:", "Bearer", "x", "-y"], &["--header", header, "-y"]),
            (
                &["--header", "X-Name:", "John", "Q.", "Smith", "https://h"],
                &["--header", "X-Name: John Q. Smith", "https://h"],
            ),
            (&["--header", "X-Name:John", "Smith"], &["--header", "X-Name:John Smith"]),
            (&["--header", "X-Name: John", "stray"], &["--header", "X-Name: John", "stray"]),
            (&["--header", "X-Key:abc", "9696"], &["--header", "X-Key:abc", "9696"]),
            (&["--header", "X-Key:", "42", "9696"], &["--header", "X-Key: 42", "9696"]),
            (&["--header", "X-Key:", "9696"], &["--header", "X-Key: 9696"]),
            (&["--header", "X-Key:abc", "${URL}"], &["--header", "X-Key:abc", "${URL}"]),
            (&["--header", "\"X-A:", "b", "c\"", "d"], &["--header", "\"X-A: b c\"", "d"]),
            (&["--header", "'X-A:", "b", "--debug"], &["--debug"]),
            (&["--header", "X-Empty:", "--debug"], &["--header", "X-Empty:", "--debug"]),
            (&["--header", "X-Empty:", "https://h/mcp"], &["--header", "X-Empty:", "https://h/mcp"]),
            (&["--header", "--debug"], &["--header", "--debug"]),
            (&["--header"], &["--header"]),
            (&["--", "-H", "x"], &["--", "-H", "x"]),
        ] {
            assert_eq!(join_split_headers(args.iter().map(Into::into), &mut Vec::new()), joined, "{args:?}");
        }
    }
}
