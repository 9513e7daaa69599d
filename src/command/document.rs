//! Which server does the user mean? The URL is the server's own, or that of a public document that names it. For
//! `install` and `doctor`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde_json::Value;
use url::Url;

use crate::cli::Options;
use crate::config::Settings;
use crate::error::Error;
use crate::install::Request;
use crate::log;
use crate::net::{self, PRODUCT, ResponseOrRedirect};

/// A longer document is none of this kind.
const LONGEST: usize = 256 * 1024;

/// How often a document may have moved.
const MOST_REDIRECTS: usize = 5;

const TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

/// Where documents have the address of the server, and the server's name.
const ADDRESSES: [&str; 8] =
    ["url", "mcp_url", "mcpUrl", "server_url", "serverUrl", "endpoint", "mcp_endpoint", "mcpEndpoint"];
const NAMES: [&str; 5] = ["server_name", "serverName", "name", "title", "display_name"];

/// Objects in a document that may be the description of the server.
const PARTS: [&str; 5] = ["server", "mcp", "serverInfo", "server_info", "data"];

/// A document, and where it is.
#[derive(Debug)]
pub(super) struct Document {
    value: Value,
    at: Uri,
}

/// Fetches the document at this address; `options` have been filled in. `None` if there is none: then it may be a
/// server's address after all.
pub(super) async fn fetch(url: &str, options: &Options) -> Result<Option<Document>, Error> {
    let settings = Settings::new(url, None, options)?;
    let at = settings.upstream.uri.clone();
    let fetched = tokio::time::timeout(TIME_LIMIT, get(&settings)).await;
    let value = fetched.unwrap_or_else(|_| Err(unreadable(&at, "the server does not answer")))?;
    Ok(value.map(|value| Document { value, at }))
}

impl Document {
    /// The address of the server that it names, if it names one; an error if that may not be used.
    pub(super) fn url(&self) -> Result<Option<String>, Error> {
        let Some(url) = address(&self.value) else { return Ok(None) };
        check(&url, &self.at).map(|()| Some(url))
    }

    /// The name of the server, as one of an entry.
    pub(super) fn name(&self) -> Option<String> {
        name(&self.value)
    }
}

/// Whether an address looks like that of a document: servers end in words such as `mcp`.
pub(super) fn may_be_document(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let last = url.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let ending = last.rsplit_once('.').map(|(_, ending)| ending);
    matches!(url.scheme(), "https" | "http") && (last == "info" || ending == Some("json"))
}

/// The JSON at this address. `None` if there is none.
async fn get(settings: &Settings) -> Result<Option<Value>, Error> {
    let client = settings.http()?;
    let mut uri = settings.upstream.uri.clone();
    for _ in 0..MOST_REDIRECTS {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, */*;q=0.1"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(PRODUCT));
        let sent = client.send(Method::GET, &uri, headers, Bytes::new()).await;
        let response = match sent.map_err(|error| unreadable(&uri, &error.to_string()))? {
            ResponseOrRedirect::Redirect(next) => {
                uri = next;
                continue;
            }
            ResponseOrRedirect::Response(response) => response,
        };
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            return Ok(None);
        }
        let body = net::read(&head.headers, body, LONGEST, None).await;
        let body = body.map_err(|error| unreadable(&uri, &error.to_string()))?;
        return Ok(serde_json::from_slice(&net::to_utf8(&head.headers, body)).ok());
    }
    Err(unreadable(&uri, "it redirects in a circle"))
}

fn unreadable(uri: &Uri, why: &str) -> Error {
    Error::Install {
        cause: format!("the document at {} cannot be read: {why}", net::origin(uri)),
        hint: "give the URL of the server itself".to_owned(),
    }
}

/// The address of the server: a member, or that of the only server in an example of a configuration.
fn address(document: &Value) -> Option<String> {
    let parts = || [document].into_iter().chain(PARTS.iter().filter_map(|part| document.get(part)));
    let is_address = |text: &&str| text.starts_with("https://") || text.starts_with("http://");
    let member = parts().find_map(|part| ADDRESSES.iter().find_map(|key| part.get(key)?.as_str().filter(is_address)));
    let remote = || document.get("remotes")?.as_array()?.iter().find_map(|remote| remote.get("url")?.as_str());
    member.or_else(remote).or_else(|| example(document, 0)).map(str::to_owned)
}

/// The address in an example of a configuration.
fn example(value: &Value, depth: usize) -> Option<&str> {
    if depth > 6 {
        return None;
    }
    let servers = ["mcpServers", "servers"].iter().find_map(|key| value.get(key)?.as_object());
    let url = servers.and_then(|servers| {
        let mut urls = servers.values().filter_map(|server| server.get("url")?.as_str());
        urls.next().filter(|_| urls.next().is_none())
    });
    url.or_else(|| value.as_object()?.values().find_map(|member| example(member, depth + 1)))
}

/// The name of the server, in the letters that a name of an entry may have.
fn name(document: &Value) -> Option<String> {
    let parts = [document].into_iter().chain(PARTS.iter().filter_map(|part| document.get(part)));
    let name = parts.into_iter().find_map(|part| NAMES.iter().find_map(|key| part.get(key)?.as_str()))?;
    // `io.github.owner/name` of a registry.
    let name = name.rsplit('/').next().unwrap_or_default().trim();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let name = name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    Some(name.to_ascii_lowercase())
        .filter(|name| Request { name: Some(name.clone()), ..Request::default() }.name().is_ok())
}

/// A document of one server must not lead what is meant for that server to another one, nor name variables.
fn check(url: &str, document: &Uri) -> Result<(), Error> {
    let refused = |why: &str| {
        let cause = format!("the document at {} cannot be used: {why}", net::origin(document));
        Err(Error::Install { cause, hint: "give the URL of the server itself, if you trust it".to_owned() })
    };
    let parsed = Url::parse(url).ok();
    let (Some(host), Some(asked)) = (parsed.as_ref().and_then(Url::host_str), document.host()) else {
        return refused("the address in it is not valid");
    };
    let below =
        |one: &str, other: &str| one.strip_suffix(other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let is_kin = host.eq_ignore_ascii_case(asked)
        || ((below(host, asked) || below(asked, host)) && host.contains('.') && asked.contains('.'));
    if url.contains(['$', '{', '}', '%']) || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        refused("the address in it has characters that an address of a server does not have")
    } else if !is_kin {
        refused(&format!("it names the server of another host, {}", log::foreign_name(host)))
    } else if document.scheme_str() == Some("https") && !url.starts_with("https://") {
        refused("the address in it is not encrypted")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn address_and_name_are_found_in_the_documents_that_there_are() {
        for (document, url, expected) in [
            (
                json!({ "url": "https://h/mcp/", "server_name": "Coworker", "protocol_version": "2025-06-18" }),
                "https://h/mcp/",
                Some("coworker"),
            ),
            (
                json!({ "server": { "name": "My Tools!", "endpoint": "https://h/mcp" } }),
                "https://h/mcp",
                Some("my-tools"),
            ),
            (
                json!({ "name": "io.github.owner/weather", "remotes": [{ "type": "streamable-http", "url": "https://h/w" }] }),
                "https://h/w",
                Some("weather"),
            ),
            (json!({ "example": { "mcpServers": { "a": { "url": "https://h/mcp" } } } }), "https://h/mcp", None),
        ] {
            assert_eq!(
                (address(&document).as_deref(), name(&document).as_deref()),
                (Some(url), expected),
                "{document}"
            );
        }
        let two = json!({ "mcpServers": { "a": { "url": "https://a/" }, "b": { "url": "https://b/" } } });
        assert_eq!(address(&two), None);
    }

    #[test]
    fn a_document_leads_to_no_other_server_and_names_no_variable() {
        let document: Uri = "https://api.example.com/v1/mcp/info".parse().unwrap();
        for url in ["https://api.example.com/mcp/", "https://mcp.api.example.com/mcp", "https://example.com/mcp"] {
            assert!(check(url, &document).is_ok(), "{url}");
        }
        for url in [
            "https://evil.example/mcp",
            "https://com/mcp",
            "https://notapi.example.com.evil.example/",
            "http://api.example.com/mcp",
            "https://api.example.com/${AWS_SECRET}",
            "https://api.example.com/%HOME%",
            "https://api.example.com/{env:HOME}",
            "https://",
        ] {
            assert!(check(url, &document).is_err(), "{url}");
        }
    }

    #[test]
    fn only_what_looks_like_a_document_is_fetched() {
        for (url, expected) in [
            ("https://h/api/v1/mcp/info", true),
            ("https://h/server.json", true),
            ("https://h/mcp", false),
            ("https://h/info/mcp", false),
            ("unix:///info", false),
        ] {
            assert_eq!(may_be_document(url), expected, "{url}");
        }
    }
}
