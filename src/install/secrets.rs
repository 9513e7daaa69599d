//! Which options of an entry hold secrets, and how do these get into variables of the entry? Other users of a machine can
//! read the arguments of its programs.

use url::Url;

use super::clients::{Client, Places};
use super::edit::Refusal;
use super::request::Request;
use super::world::World;
use crate::log::{self, Secret};
use crate::typed::has_place;

/// The shortest part of an address that may be a token.
const SHORTEST_TOKEN: usize = 8;

/// What stands in the entry.
#[derive(Debug)]
pub(super) struct Hidden {
    pub(super) options: Vec<String>,
    pub(super) env: Vec<(String, Secret)>,
    /// What a person should know about it.
    pub(super) notices: Vec<String>,
}

/// A secret in the value of an option.
struct Found<'a> {
    /// A name for its variable.
    variable: String,
    /// What it is, for people.
    what: String,
    /// What stands before it in the value.
    before: &'a str,
    secret: &'a str,
}

/// Puts variables in the places of secrets.
pub(super) fn hide(request: &Request) -> Hidden {
    let mut hidden = Hidden { options: request.options.clone(), env: request.env.clone(), notices: url(&request.url) };
    for at in 1..request.options.len() {
        let (option, value) = (&request.options[at - 1], &request.options[at]);
        let Some(found) = find(option, value) else { continue };
        let secret = Secret::new(found.secret);
        let variable = free_name(&hidden.env, &found.variable);
        hidden.options[at] = format!("{}${{{variable}}}", found.before);
        hidden.notices.push(format!(
            "{} stands in the variable {variable} of the entry, not among its arguments; a secret that is typed stays in \
             the history of the shell, unless `${{NAME}}` stands in its place",
            found.what
        ));
        hidden.env.push((variable, secret));
    }
    hidden
}

/// The arguments of an entry, with its own variables in a spelling that the client leaves to the bridge. Others stay as
/// they are: a client may have variables that it does not pass on.
pub(super) fn respelled(client: &Client, words: &[String], env: &[(&str, &str)]) -> Vec<String> {
    let is_set = |name: &str| env.iter().any(|(set, _)| *set == name);
    // The value of this option is a command, with variables of its own.
    let is_command = |at: usize| at > 0 && words[at - 1] == "--token-command";
    let respelled = |(at, word): (usize, &String)| {
        if is_command(at) { word.clone() } else { client.fills_in.respelled(word, is_set) }
    };
    words.iter().enumerate().map(respelled).collect()
}

/// What a person must know where the client would change the value of a variable, because it fills in variables there
/// too: an error if it surely does, or else a notice.
pub(super) fn changed_by(world: &World, client: &Client, env: &[(&str, &str)]) -> Option<Result<String, Refusal>> {
    let found = |(name, value): &(&str, &str)| Some(((*name).to_owned(), client.fills_in.first_in(value)?.to_owned()));
    let (name, inner) = env.iter().find_map(found)?;
    let what = format!("the value of {name} has a part that {} takes for a variable", client.title);
    let cure = "keep the secret in a file, with --bearer-token-file or --header-file";
    // Most clients leave what is not set as it is.
    Some(if client.fills_in == Places::Env || world.variable(&inner).is_some() {
        Err(Refusal::new(format!("{what}, so that another value would reach the server; {cure}")))
    } else {
        Ok(format!("{what}; if the server rejects it, {cure}"))
    })
}

/// What seems to be a secret in the address or among the options, for people.
pub(crate) fn secret_in(address: &str, options: &[String]) -> Option<String> {
    let found = options.windows(2).find_map(|pair| find(&pair[0], &pair[1]));
    found.map(|found| found.what).or_else(|| (!url(address).is_empty()).then(|| "a part of the URL".to_owned()))
}

fn find<'a>(option: &str, value: &'a str) -> Option<Found<'a>> {
    if has_place(value) {
        return None;
    }
    let whole = |variable: &str, what: &str| {
        Some(Found { variable: variable.to_owned(), what: what.to_owned(), before: "", secret: value })
    };
    match option {
        "--header" => {
            let at = value.find(':')? + 1;
            let name = value[..at - 1].trim();
            let secret = value[at..].trim_start();
            let before = &value[..value.len() - secret.len()];
            let variable = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
            let what = format!("the value of the header {}", log::foreign_name(name));
            let is_secret = !secret.is_empty() && log::is_secret(name, secret);
            is_secret.then(|| Found { variable: variable.collect(), what, before, secret })
        }
        "--static-oauth-client-info" if !value.trim_start().starts_with('@') && value.contains("client_secret") => {
            whole("OAUTH_CLIENT_INFO", "the client's registration")
        }
        "--proxy" if Url::parse(value).is_ok_and(|url| url.password().is_some()) => {
            whole("PROXY_URL", "the proxy with its password")
        }
        _ => None,
    }
}

/// The name, or one with a number behind it where the entry has another variable of this name.
fn free_name(env: &[(String, Secret)], name: &str) -> String {
    let is_free = |name: &String| !env.iter().any(|(other, _)| other == name);
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    [name.to_owned()].into_iter().chain(numbered).find(is_free).unwrap_or_default()
}

/// A secret in the address stays where it was typed: the address is how the entry is known.
fn url(typed: &str) -> Vec<String> {
    let Ok(url) = Url::parse(typed) else { return Vec::new() };
    log::hide_url(&url, SHORTEST_TOKEN);
    // The braces of a place are percent-encoded in a path.
    let is_token = |name: &str, value: &str| {
        value.len() >= SHORTEST_TOKEN
            && !value.contains(['{', '}'])
            && !value.contains("%7B")
            && log::is_secret(name, value)
    };
    let in_path = url.path_segments().into_iter().flatten().any(|segment| is_token("", segment));
    let has_token = in_path || url.query_pairs().any(|(name, value)| is_token(&name, &value));
    let notice = "the URL seems to hold a secret, which other users can read in the list of processes; put `${NAME}` in its \
                  place, and its value becomes a variable of the entry";
    has_token.then(|| notice.to_owned()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(url: &str, options: &[&str]) -> Hidden {
        hide(&Request {
            url: url.to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            env: vec![("X_API_KEY".to_owned(), Secret::new("other"))],
            ..Request::default()
        })
    }

    #[test]
    fn a_secret_among_the_options_becomes_a_variable() {
        for (options, after, variable, value) in [
            (["--header", "Authorization: Bearer x1"], "Authorization: ${AUTHORIZATION}", "AUTHORIZATION", "Bearer x1"),
            (["--header", "X-Api-Key:abc"], "X-Api-Key:${X_API_KEY_2}", "X_API_KEY_2", "abc"),
            (
                ["--static-oauth-client-info", r#"{"client_id":"a","client_secret":"b"}"#],
                "${OAUTH_CLIENT_INFO}",
                "OAUTH_CLIENT_INFO",
                r#"{"client_id":"a","client_secret":"b"}"#,
            ),
            (["--proxy", "http://u:p@h:1"], "${PROXY_URL}", "PROXY_URL", "http://u:p@h:1"),
        ] {
            let hidden = hidden("https://h/mcp", &options);
            assert_eq!(hidden.options, [options[0], after]);
            let (name, secret) = &hidden.env[1];
            assert_eq!((name.as_str(), secret.expose()), (variable, value));
            assert!(hidden.notices.len() == 1 && !hidden.notices[0].contains(value), "{:?}", hidden.notices);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for options in [
            ["--header", "Authorization: Bearer ${TOKEN}"],
            ["--header", "X-Team: blue"],
            ["--static-oauth-client-info", "@client_secret.json"],
            ["--static-oauth-client-info", r#"{"client_id":"a"}"#],
            ["--proxy", "http://h:1"],
            ["--scope", "secret"],
        ] {
            let hidden = hidden("https://h/mcp", &options);
            assert!(hidden.options == options && hidden.env.len() == 1 && hidden.notices.is_empty(), "{hidden:?}");
        }
    }

    #[test]
    fn a_secret_in_the_address_is_told() {
        for url in ["https://h/mcp/8f14e45fceea167a5a36dedd4bea2543/slot", "https://h/mcp?api_key=abcdefgh1"] {
            assert!(hidden(url, &[]).notices.len() == 1, "{url}");
        }
        for url in ["https://h/mcp/${TOKEN}/slot", "https://h/mcp?api_key=${TOKEN}", "https://mcp.example.com/account"]
        {
            assert!(hidden(url, &[]).notices.is_empty(), "{url}");
        }
    }
}
