//! Which server does an address name?

use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use url::{Host, Url};

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

/// Whether a URL's host is `localhost`, `127.0.0.1` or `[::1]`. Other names below `localhost` may be several servers at
/// one port.
pub fn is_localhost(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.') == "localhost",
        Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => {
            address == Ipv6Addr::LOCALHOST || address.to_ipv4_mapped() == Some(Ipv4Addr::LOCALHOST)
        }
        None => false,
    }
}

/// An address that a server at `base` names, at the origin of `base` if it is one of the same server in other words. A
/// server may know itself as `127.0.0.1` where the user typed `localhost`, as the `0.0.0.0` that it listens on, and by http
/// and a port of its own where something in front of it speaks https. Nothing is sent anywhere else, whoever listens
/// there.
pub fn at_own_origin(base: &Url, named: Url) -> Url {
    let is_unspecified = |url: &Url| match url.host() {
        Some(Host::Ipv4(address)) => address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_unspecified(),
        _ => false,
    };
    let is_same_port = named.scheme() == base.scheme() && named.port_or_known_default() == base.port_or_known_default();
    let is_here = is_same_port && is_localhost(base) && is_localhost(&named);
    let is_listening = is_unspecified(&named) && (is_same_port || !is_localhost(base));
    let is_behind_tls = base.scheme() == "https" && named.scheme() == "http" && named.host() == base.host();
    let mut own = named.clone();
    let is_moved = (is_here || is_listening || is_behind_tls)
        && own.set_scheme(base.scheme()).is_ok()
        && own.set_host(base.host_str()).is_ok()
        && own.set_port(base.port()).is_ok();
    if is_moved { own } else { named }
}

/// Whether the host is this machine.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_name_itself_in_other_words() {
        let at = |base: &str, named: &str| String::from(at_own_origin(&base.parse().unwrap(), named.parse().unwrap()));
        for (base, named, expected) in [
            ("http://localhost:8000/sse", "http://127.0.0.1:8000/m?s=1", "http://localhost:8000/m?s=1"),
            ("http://127.0.0.1:8000/sse", "http://localhost:8000/m", "http://127.0.0.1:8000/m"),
            ("http://[::1]:8000/sse", "http://0.0.0.0:8000/m", "http://[::1]:8000/m"),
            ("http://localhost./sse", "http://[::]/m", "http://localhost./m"),
            ("https://h/mcp", "http://h/mcp/?a=b", "https://h/mcp/?a=b"),
            ("https://h/mcp", "http://h:80/mcp/", "https://h/mcp/"),
            ("https://h:8443/mcp", "http://h:8443/mcp/", "https://h:8443/mcp/"),
            ("https://h:8443/mcp", "http://h/mcp/", "https://h:8443/mcp/"),
            ("https://h/mcp", "http://h:8080/mcp/", "https://h/mcp/"),
            ("http://10.0.0.1:8000/", "http://0.0.0.0:8000/m", "http://10.0.0.1:8000/m"),
            ("https://h/sse", "http://0.0.0.0:3001/m", "https://h/m"),
        ] {
            assert_eq!(at(base, named), expected, "{base} {named}");
        }
        for (base, named) in [
            ("http://localhost:8000/", "http://127.0.0.1:8001/"),
            ("http://localhost:8000/", "https://localhost:8000/"),
            ("http://localhost:8000/", "http://a.localhost:8000/"),
            ("http://a.localhost:8000/", "http://b.localhost:8000/"),
            ("http://localhost:8000/", "http://0.0.0.0:8001/"),
            ("http://10.0.0.1:8000/", "http://localhost:8000/"),
            ("https://h/", "http://h.example/"),
            ("http://h/", "https://h/"),
            ("https://h/", "https://other/"),
        ] {
            assert_eq!(at(base, named), named, "from {base}");
        }
    }
}
