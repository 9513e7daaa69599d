//! Which arguments are parts of one header? Some clients split `--header "Authorization: Bearer x"` at its spaces.

use std::ffi::OsString;

use http::HeaderName;

/// Words that are an authentication scheme and never a whole credential.
const SCHEMES: [&str; 4] = ["bearer", "basic", "token", "apikey"];

/// Joins the parts of split headers.
pub(super) fn join_split_headers(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
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
    HeaderName::try_from(name.trim()).is_ok() && (value.trim().is_empty() || is_auth_scheme(value))
}

fn is_continuation(arg: &str) -> bool {
    !["--", "https://", "http://"].iter().any(|start| arg.starts_with(start))
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
        for (args, joined) in [
            (&["--header", "Authorization: Bearer x", "URL"][..], &["--header", "Authorization: Bearer x", "URL"][..]),
            (&["--header", "Authorization:", "Bearer x"], &["--header", "Authorization: Bearer x"]),
            (&["--header", "Authorization:", "Bearer", "x", "-y"], &["--header", "Authorization: Bearer x", "-y"]),
            (&["--header", "X-Empty:", "--debug"], &["--header", "X-Empty:", "--debug"]),
            (&["--header", "X-Empty:", "https://h/mcp"], &["--header", "X-Empty:", "https://h/mcp"]),
            (&["--header"], &["--header"]),
        ] {
            assert_eq!(join_split_headers(args.iter().map(Into::into)), joined, "{args:?}");
        }
    }
}
