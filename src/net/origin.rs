//! Which server does an address name?

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};

/// Scheme and host, and the port if the address has one. This part of an address may be shown; its path may hold a
/// secret.
pub fn origin(uri: &Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", Authority::as_str))
}

/// Whether two addresses are of one server: the same scheme, host and port.
pub(super) fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    is_https(one) == is_https(other)
        && bare_host(one).eq_ignore_ascii_case(bare_host(other))
        && port(one) == port(other)
}

/// The value of the `Host` header for this address (RFC 9110, section 7.2).
pub fn host_header(uri: &Uri) -> Option<HeaderValue> {
    let (host, port) = (uri.host()?, port(uri));
    HeaderValue::try_from(if port == default_port(uri) { host.to_owned() } else { format!("{host}:{port}") }).ok()
}

/// The port of the address, or else the default port of its scheme.
pub(super) fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(default_port(uri))
}

fn default_port(uri: &Uri) -> u16 {
    if is_https(uri) { 443 } else { 80 }
}

pub(super) fn is_https(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTPS)
}

/// The host of the address; of an IPv6 address without its brackets.
pub(super) fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}

/// Whether the host is this machine.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.to_canonical().is_loopback())
}
