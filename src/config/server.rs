//! Which server did the user mean, and how is it reached?

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use url::{Host, Url};

use super::text::{each_given, each_given_path, given, given_path};
use crate::cli::{self, Options};
use crate::error::Error;
use crate::log;
use crate::net::{Family, Network, Proxy, ProxyUrl, is_loopback, socket_url};
use crate::typed::{expand_path, fill_in, has_place, is_unset, unquoted};

/// The shortest part of an address's path that may be a token, and is hidden in logs.
const SHORTEST_TOKEN: usize = 8;

/// Reads the server's address. It must be https, unless http is allowed or leads to this machine. No error quotes the
/// address: it may hold a secret, or be a secret in the wrong place.
pub(super) fn address(typed: &str, allow_http: bool) -> Result<Uri, String> {
    if is_unset(typed) {
        return Err("no URL is given".to_owned());
    }
    let filled = fill_in(unquoted(typed)).map_err(|unfilled| format!("the URL cannot be used: {unfilled}"))?;
    if !stays_a_host(unquoted(typed)) {
        return Err(
            "the URL cannot be used: what is filled in for a part of its host has a character that no host has"
                .to_owned(),
        );
    }
    let mut url = Url::parse(filled.trim()).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => "the URL must begin with https:// or http://".to_owned(),
        error => format!("the URL is not valid: {error}"),
    })?;
    log::hide_url(&url, SHORTEST_TOKEN);
    name_this_machine(&mut url);
    let host = url.host_str().ok_or("the URL names no host")?;
    match url.scheme() {
        "https" => {}
        "http" if allow_http || is_loopback(host) => {}
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

/// Whether what is filled in for a part of the host is no more than that: an answer may not lead to another host. A
/// variable that is the whole host may have a path behind it.
fn stays_a_host(typed: &str) -> bool {
    let Some((_, rest)) = typed.split_once("://").filter(|(scheme, _)| !has_place(scheme)) else { return true };
    let host = &rest[..host_end(rest)];
    let is_one_place = host.starts_with("${") && host.find('}') == Some(host.len() - 1);
    is_one_place
        || !has_place(host)
        || fill_in(host).is_ok_and(|filled| host_end(&filled) == filled.len() && !filled.contains('@'))
}

/// Where the host and the port end, before a path, a query or a fragment. A default behind `:-` has marks of its own.
fn host_end(text: &str) -> usize {
    let mut depth = 0usize;
    let end = text.char_indices().find(|(_, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(c, '/' | '\\' | '?' | '#')
    });
    end.map_or(text.len(), |(at, _)| at)
}

/// The socket and the endpoint behind it, if the address is that of a socket.
pub(super) fn socket(typed: &str) -> Option<Result<(PathBuf, Uri), String>> {
    // What cannot be filled in is an error of the address.
    let filled = fill_in(unquoted(typed)).ok()?;
    match filled.split_once("://~/") {
        Some((scheme, below)) => {
            let home = expand_path(Path::new("~")).ok()?;
            socket_url(&format!("{scheme}://{}/{below}", home.display()))
        }
        None => socket_url(&filled),
    }
}

/// Replaces an address that only servers can use: they listen on it, but no connection leads to it on every system,
/// and servers refuse it as a `Host`.
fn name_this_machine(url: &mut Url) {
    let (given, loopback) = match url.host() {
        Some(Host::Ipv4(address)) if address.is_unspecified() => ("0.0.0.0", "127.0.0.1"),
        Some(Host::Ipv6(address)) if address.is_unspecified() => ("[::]", "[::1]"),
        _ => return,
    };
    if url.set_host(Some(loopback)).is_ok() {
        log::warn!("{given} is an address to listen on; the bridge connects to {loopback} on this machine instead");
    }
}

/// How connections are made.
pub(super) fn network(options: &Options) -> Result<Network, Error> {
    let typed = &options.network;
    let family = match (typed.ipv4, typed.ipv6) {
        (true, true) => return Err(Error::Usage("--ipv4 and --ipv6 cannot be used together".to_owned())),
        (true, false) => Family::V4,
        (false, true) => Family::V6,
        (false, false) => Family::Any,
    };
    let path = |typed: &Option<PathBuf>| given_path(typed.as_ref()).map(Path::to_owned);
    let other_servers = each_given(&typed.client_cert_origin).map(origin).collect::<Result<_, _>>()?;
    Ok(Network {
        proxy: proxy(typed)?,
        ca_certs: each_given_path(&typed.ca_cert).map(Path::to_owned).collect(),
        client_cert: path(&typed.client_cert),
        client_cert_servers: other_servers,
        client_key: path(&typed.client_key),
        family,
        unix_socket: path(&typed.unix_socket),
        http1: typed.http1,
        connect_timeout: Duration::from_secs_f64(options.connection.connect_timeout),
        cookies: !typed.disable_cookies,
        ..Network::default()
    })
}

/// A server to show the client certificate to.
fn origin(typed: &str) -> Result<Uri, Error> {
    let url = Url::parse(typed.trim()).ok().filter(|url| url.scheme() == "https" && url.has_host());
    let origin = url.and_then(|url| url.origin().ascii_serialization().parse().ok());
    origin.ok_or_else(|| Error::Usage("the value of --client-cert-origin is no https URL".to_owned()))
}

/// The error does not quote the address, which may hold a password.
fn proxy(typed: &cli::Network) -> Result<Proxy, Error> {
    match given(typed.proxy.as_ref()) {
        _ if typed.no_proxy => Ok(Proxy::None),
        Some(url) => {
            ProxyUrl::parse(url).map(Proxy::Given).map_err(|why| Error::Usage(format!("the value of --proxy {why}")))
        }
        None => Ok(Proxy::Environment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_normalized_and_loses_its_fragment() {
        assert_eq!(address("https://Example.com/a b#c", false).unwrap(), "https://example.com/a%20b");
        assert_eq!(address(" \"https://example.com/a\" ", false).unwrap(), "https://example.com/a");
    }

    #[test]
    fn what_is_filled_in_for_a_part_of_the_host_stays_a_part_of_it() {
        for answer in ["evil.example/", "evil.example?", "evil.example#", r"evil.example\", "evil.example@", "a/../b"] {
            let error = address(&format!("https://${{FERRY_UNSET:-{answer}}}.example.com/mcp"), false).unwrap_err();
            assert!(error.contains("a part of its host"), "{answer}: {error}");
        }
        for (typed, used) in [
            ("https://${FERRY_UNSET:-acme}.example.com/mcp", "https://acme.example.com/mcp"),
            ("https://example.com:${FERRY_UNSET:-8443}/${FERRY_UNSET:-a/b}/mcp", "https://example.com:8443/a/b/mcp"),
            ("https://${FERRY_UNSET:-example.com/base}/mcp", "https://example.com/base/mcp"),
            ("${FERRY_UNSET:-https://example.com/mcp}", "https://example.com/mcp"),
        ] {
            assert_eq!(address(typed, false).unwrap(), used, "{typed}");
        }
    }

    #[test]
    fn this_machine_may_be_spelled_in_every_way() {
        for (typed, used) in [
            ("http://localhost.:1/", "http://localhost.:1/"),
            ("http://LOCALHOST:1/", "http://localhost:1/"),
            ("http://app.localhost:1/", "http://app.localhost:1/"),
            ("http://127.1:1/", "http://127.0.0.1:1/"),
            ("http://127.8.8.8:1/", "http://127.8.8.8:1/"),
            ("http://2130706433:1/", "http://127.0.0.1:1/"),
            ("http://[::1]:1/", "http://[::1]:1/"),
            ("http://[::ffff:127.0.0.1]:1/", "http://[::ffff:7f00:1]:1/"),
            ("http://0.0.0.0:1/", "http://127.0.0.1:1/"),
            ("http://0:1/", "http://127.0.0.1:1/"),
            ("http://[::]:1/", "http://[::1]:1/"),
        ] {
            assert_eq!(address(typed, false).unwrap(), used, "{typed}");
        }
        for typed in ["http://localhost.example.com/", "http://127.0.0.1.nip.io/", "http://[::ffff:10.0.0.1]/"] {
            assert!(address(typed, false).is_err(), "{typed}");
        }
    }
}
