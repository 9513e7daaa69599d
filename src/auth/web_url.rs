//! Which URLs that a server names may be used?

use url::Url;

use crate::log::{foreign, foreign_name};
use crate::net::{self, is_localhost};

/// The longest name that the domain name system has.
const LONGEST_HOST: usize = 255;

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
        let url = if url.has_host() { without_query(url) } else { foreign(&format!("{}:…", url.scheme())) };
        Self { url, why: foreign(why) }
    }
}

/// Checks that a URL is https, or http to this machine or with `allow_http` (RFC 9700 section 2.6), and has no user
/// name.
pub(super) fn check_url(text: &str, allow_http: bool) -> Result<Url, UnsafeUrl> {
    let url = Url::parse(text)
        .map_err(|error| UnsafeUrl { url: format!("{:?}", foreign_name(text)), why: error.to_string() })?;
    if url.host_str().is_some_and(|host| host.len() > LONGEST_HOST) {
        return Err(UnsafeUrl::new(&url, "its host name is too long"));
    }
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

/// Whether two URLs have the same origin, or are two names of one port of this machine: `localhost`, `127.0.0.1` and
/// `[::1]`. Other names below `localhost` may be several servers at one port.
pub(super) fn is_same_loopback_origin(one: &Url, other: &Url) -> bool {
    let is_same_port = one.scheme() == other.scheme() && one.port_or_known_default() == other.port_or_known_default();
    one.origin() == other.origin() || is_same_port && is_localhost(one) && is_localhost(other)
}

/// A URL for messages: without user name, query and fragment.
pub(super) fn without_query(url: &Url) -> String {
    foreign(&format!("{}{}", url.origin().ascii_serialization(), url.path()))
}
