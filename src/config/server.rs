//! Which server did the user mean?

use http::Uri;
use url::{Host, Url};

use super::sources::Sources;
use crate::cli::is_unset;
use crate::error::Error;
use crate::log;

/// The shortest part of an address's path that may be a token, and is hidden in logs.
const SHORTEST_TOKEN: usize = 8;

/// Reads the server's address. It must be https, unless http is allowed or leads to this machine.
pub(super) fn address(typed: &str, allow_http: bool, sources: &Sources) -> Result<Uri, Error> {
    read(typed, allow_http, sources).map_err(Error::Usage)
}

/// No error quotes the address: it may hold a secret, or be a secret in the wrong place.
fn read(typed: &str, allow_http: bool, sources: &Sources) -> Result<Uri, String> {
    if is_unset(typed) {
        return Err("no URL is given".to_owned());
    }
    let expanded = sources
        .expand(typed)
        .map_err(|variable| format!("the URL needs the environment variable {variable}, which is not set"))?;
    let mut url = Url::parse(expanded.trim()).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => "the URL must begin with https:// or http://".to_owned(),
        error => format!("the URL is not valid: {error}"),
    })?;
    log::hide_url(&url, SHORTEST_TOKEN);
    let host = url.host().ok_or("the URL names no host")?;
    match url.scheme() {
        "https" => {}
        "http" if allow_http || is_loopback(&host) => {}
        "http" => {
            return Err(format!(
                "http://{host} is not encrypted; use https, or --allow-http if you trust the network to that host"
            ));
        }
        scheme => return Err(format!("the URL's scheme is {scheme}; it must be https or http")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL contains a user name or a password; use --header for them".to_owned());
    }
    url.set_fragment(None);
    url.as_str().parse().map_err(|error| format!("the URL is not valid: {error}"))
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_unless_allowed() {
        let sources = Sources::default();
        for (url, allow, good) in [
            ("https://example.com/mcp", false, true),
            ("http://localhost:3000/mcp", false, true),
            ("http://127.0.0.2/mcp", false, true),
            ("http://[::1]:3000/mcp", false, true),
            ("http://example.com/mcp", false, false),
            ("http://example.com/mcp", true, true),
            ("http://localhost.example.com/mcp", false, false),
            ("ftp://example.com", true, false),
            ("https://user:password@example.com", false, false),
            ("example.com/mcp", false, false),
            ("${user_config.url}", false, false),
            ("https://example.com/${NEVER_SET}", false, false),
            ("", false, false),
        ] {
            assert_eq!(address(url, allow, &sources).is_ok(), good, "{url} {allow}");
        }
        assert_eq!(address("https://Example.com/a b#c", false, &sources).unwrap(), "https://example.com/a%20b");
    }
}
