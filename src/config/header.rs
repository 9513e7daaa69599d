//! Which headers did the user give, in whatever spelling?

use http::{HeaderName, HeaderValue};

use super::text;
use crate::auth::Headers;
use crate::error::Error;
use crate::log;

/// Words that are a scheme and never a whole credential.
const SCHEMES: [&str; 4] = ["bearer", "basic", "token", "apikey"];

/// Puts together again what hosts split: some pass `--header "Authorization: Bearer x"` as two or three arguments.
pub(super) fn rejoin(args: impl IntoIterator<Item = std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let mut joined: Vec<std::ffi::OsString> = Vec::new();
    let mut args = args.into_iter().peekable();
    while let Some(arg) = args.next() {
        let is_header = arg == "--header";
        joined.push(arg);
        if !is_header {
            continue;
        }
        let Some(mut value) = args.next() else { continue };
        while value.to_str().is_some_and(is_unfinished) {
            let Some(next) = args.next_if(|next| next.to_str().is_some_and(is_continuation)) else { break };
            value.push(" ");
            value.push(next);
        }
        joined.push(value);
    }
    joined
}

fn is_unfinished(header: &str) -> bool {
    let Some((name, value)) = header.split_once(':') else { return false };
    let value = value.trim();
    HeaderName::try_from(name.trim()).is_ok() && (value.is_empty() || is_scheme(value))
}

fn is_continuation(arg: &str) -> bool {
    !arg.starts_with("--") && !arg.starts_with("https://") && !arg.starts_with("http://")
}

/// The headers of `--header` and `--header-file`, variables filled in. One whose value, or a variable in it, is not set
/// is left out with a warning, as is one that is no header.
pub(super) fn read(typed: &[String], files: &[String]) -> Result<Headers, Error> {
    let mut headers = Headers::default();
    for header in typed.iter().filter(|header| !text::is_unset(header) || header.contains(':')) {
        add(&mut headers, header, "--header");
    }
    for path in files.iter().filter(|path| !text::is_unset(path)) {
        for line in super::read_file(path)?.lines() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                add(&mut headers, line, path);
            }
        }
    }
    Ok(headers)
}

fn add(headers: &mut Headers, header: &str, source: &str) {
    let parsed =
        header.split_once(':').and_then(|(name, value)| Some((HeaderName::try_from(name.trim()).ok()?, value.trim())));
    let Some((name, value)) = parsed else {
        // The text may be a secret that lost its name.
        log::warn!("a header from {source} is not of the form 'Name: value' and is not sent");
        return;
    };
    if is_protocols(&name) {
        return headers.leave_out(format!("the header {name} from {source} is not sent: the protocol sets it itself"));
    }
    let expanded = match text::expand(value) {
        Err(variable) => {
            return headers.leave_out(format!(
                "the header {name} from {source} is not sent: the environment variable {variable} is not set"
            ));
        }
        Ok(expanded) if text::is_unset(&expanded) || is_scheme(&expanded) => {
            return headers.leave_out(format!("the header {name} from {source} is not sent: its value is not set"));
        }
        Ok(expanded) => expanded,
    };
    log::hide(&expanded);
    match HeaderValue::from_str(&expanded) {
        Ok(mut expanded) => {
            expanded.set_sensitive(true);
            // Of the value only the variables in it may be shown.
            let variables: Vec<_> = text::variables(value).map(|variable| format!(" (${{{variable}}})")).collect();
            let variables = variables.concat();
            headers.sources.push(format!("{source} {name}{variables}"));
            headers.map.append(name, expanded);
        }
        Err(_) => headers.leave_out(format!(
            "the header {name} from {source} is not sent: its value has characters no header can hold"
        )),
    }
}

fn is_scheme(value: &str) -> bool {
    SCHEMES.iter().any(|scheme| value.trim().eq_ignore_ascii_case(scheme))
}

/// Headers that carry the protocol itself.
fn is_protocols(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "accept"
            | "content-type"
            | "content-length"
            | "transfer-encoding"
            | "connection"
            | "host"
            | "mcp-session-id"
            | "mcp-protocol-version"
            | "last-event-id"
    )
}
