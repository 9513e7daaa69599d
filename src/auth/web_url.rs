//! Which URLs that a server names may be used?

use url::Url;

use crate::net;

/// A URL that may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url} is not used: {why}")]
pub struct UnsafeUrl {
    /// For messages: without user name, query and fragment.
    pub url: String,
    /// What is wrong with it.
    pub why: String,
}

impl UnsafeUrl {
    pub(super) fn new(url: &Url, why: &str) -> Self {
        let url = if url.has_host() { without_query(url) } else { format!("{}:…", url.scheme()) };
        Self { url, why: why.to_owned() }
    }
}

/// Checks that a URL is https, or http to this machine or with `allow_http` (RFC 9700 section 2.6), and has no user
/// name.
pub(super) fn check_url(text: &str, allow_http: bool) -> Result<Url, UnsafeUrl> {
    let url = Url::parse(text).map_err(|error| {
        let shown: String = text.chars().take(100).collect();
        UnsafeUrl { url: format!("{shown:?}"), why: error.to_string() }
    })?;
    // A user name before the host can make people believe in another host.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UnsafeUrl::new(&url, "it has a user name or password"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_http || is_loopback(&url) => Ok(url),
        "http" => Err(UnsafeUrl::new(&url, "it is not https")),
        _ => Err(UnsafeUrl::new(&url, "it is neither https nor http")),
    }
}

/// Whether a URL's host is this machine: a loopback address, or the name that RFC 6761 reserves.
pub(super) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(net::is_loopback)
}

/// A URL for messages: without user name, query and fragment.
pub(super) fn without_query(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
