//! Which headers and which bearer token did the user give, in whatever spelling?

use http::{HeaderName, HeaderValue};

use super::text::{command, each_given_path, given, given_path, names_a_variable, read_file, variable, variable_name};
use crate::auth::{Credential, Headers};
use crate::cli::{self, Credentials};
use crate::error::Error;
use crate::log::{self, Secret};
use crate::typed::{fill_in, is_unset, unquoted, variables};

/// Headers that carry the protocol itself.
const PROTOCOL_HEADERS: &str = "accept content-type content-length transfer-encoding connection host mcp-session-id \
    mcp-protocol-version last-event-id";

const HEADER_OPTION: &str = "--header";

/// The headers of `--header` and `--header-file`, with the values of their variables. A header that is not valid, or
/// whose value or variable is not set, is left out with a warning.
pub(super) fn headers(typed: &Credentials) -> Result<Headers, Error> {
    let mut headers = Headers::default();
    for header in typed.header.iter().filter(|header| !is_unset(header) || header.contains(':')) {
        add(&mut headers, header, HEADER_OPTION);
    }
    for path in each_given_path(&typed.header_file) {
        for line in read_file(path)?.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            add(&mut headers, line, &path.display().to_string());
        }
    }
    Ok(headers)
}

/// Whether a text is of the form `Name: value`.
pub(crate) fn is_header(text: &str) -> bool {
    name_and_value(text).is_some()
}

fn name_and_value(header: &str) -> Option<(HeaderName, &str)> {
    let (name, value) = unquoted(header).split_once(':')?;
    Some((HeaderName::try_from(unquoted(name)).ok()?, value.trim()))
}

/// Adds one header. `origin` is the option or the file that it comes from.
fn add(headers: &mut Headers, header: &str, origin: &str) {
    let Some((name, value)) = name_and_value(header) else {
        // The text may be a secret without its name.
        log::warn!("a header from {origin} is not of the form 'Name: value' and is not sent");
        return;
    };
    let mut leave_out = |why: &str| headers.leave_out(format!("the header {name} from {origin} is not sent: {why}"));
    if PROTOCOL_HEADERS.split(' ').any(|header| name.as_str() == header) {
        return leave_out("the protocol sets it itself");
    }
    let expanded = match fill_in(bare_value(&name, value)) {
        Err(unfilled) => return leave_out(&unfilled.to_string()),
        Ok(expanded) => bare_value(&name, &expanded).to_owned(),
    };
    if is_unset(&expanded) || cli::is_auth_scheme(&expanded) {
        return leave_out("its value is not set");
    }
    if is_example(&expanded) {
        return leave_out("its value is an example of a value");
    }
    // The value of a variable was kept out of the arguments: it is a secret, whatever it looks like.
    if variables(value).next().is_some() {
        log::hide(&expanded);
    }
    log::hide_named(name.as_str(), &expanded);
    let Ok(mut expanded) = HeaderValue::from_str(&expanded) else {
        return leave_out("its value contains characters that a header cannot have");
    };
    expanded.set_sensitive(true);
    // The names of its variables are the only part of the value that may be shown.
    let variables: Vec<_> = variables(value).map(|variable| format!(" (${{{variable}}})")).collect();
    // Some clients hide the words of their configuration in what they show, such as `--header`.
    let origin = if origin == HEADER_OPTION { String::new() } else { format!(" in {origin}") };
    headers.sources.push(format!("the header {name}{}{origin}", variables.concat()));
    headers.map.append(name, expanded);
}

/// A header's value without quotes around it, except that entity tags have quotes of their own.
fn bare_value<'a>(name: &HeaderName, value: &'a str) -> &'a str {
    if name.as_str().starts_with("if-") { value.trim() } else { unquoted(value) }
}

/// Whether a value, or the credential in it, is what documentation shows in the place of a value.
fn is_example(value: &str) -> bool {
    let word = value.split_once(' ').filter(|(scheme, _)| cli::is_auth_scheme(scheme)).map_or(value, |(_, word)| word);
    [("<", ">"), ("{{", "}}")].iter().any(|(open, close)| word.starts_with(open) && word.ends_with(close))
}

/// The source of the bearer token. A variable that is not set is a warning, and noted in `headers`.
pub(super) fn bearer_token(typed: &Credentials, headers: &mut Headers) -> Result<Option<Credential>, Error> {
    let mut found = Vec::new();
    if let Some(typed) = given(typed.token_command.as_ref()) {
        let argv = command(typed)
            .map_err(|why| Error::Usage(format!("the value of --token-command cannot be used: {why}")))?;
        if argv.is_empty() {
            return Err(Error::Usage("--token-command names no program, or has an unclosed quote".to_owned()));
        }
        found.push(Credential::Command { argv });
    }
    if let Some(path) = given_path(typed.bearer_token_file.as_ref()) {
        // This file is read again when a token is needed; now, a wrong path is an error at once.
        read_file(path)?;
        found.push(Credential::File { path: path.to_owned() });
    }
    match given(typed.bearer_token_env.as_ref()).map(variable_name) {
        None => {}
        Some(token) if !names_a_variable(token) => {
            log::hide(token);
            let why = "--bearer-token-env needs the name of an environment variable, but its value is not such a name";
            headers.leave_out(format!("no bearer token is sent: {why}"));
        }
        Some(name) => match variable(name) {
            Some(value) if is_example(&value) => headers.leave_out(format!(
                "no bearer token is sent: the value of {name} of --bearer-token-env is an example of a value"
            )),
            Some(value) => {
                found.push(Credential::Environment { token: Secret::new(value), variable: name.to_owned() });
            }
            None => headers.leave_out(format!(
                "no bearer token is sent: the environment variable {name} of --bearer-token-env is not set"
            )),
        },
    }
    if found.len() > 1 {
        log::warn!(
            "several bearer tokens are given; --token-command is used before --bearer-token-file, and that before \
             --bearer-token-env"
        );
    }
    Ok(found.into_iter().next())
}
