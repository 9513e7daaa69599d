//! Which server did the user mean, and how is it reached?

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use url::Url;

use super::text::{each_given, given};
use crate::cli::{self, Options};
use crate::error::Error;
use crate::log;
use crate::net::{Family, Network, Proxy, ProxyUrl, is_loopback};

/// The shortest part of an address's path that may be a token, and is hidden in logs.
const SHORTEST_TOKEN: usize = 8;

/// Reads the server's address. It must be https, unless http is allowed or leads to this machine. No error quotes the
/// address: it may hold a secret, or be a secret in the wrong place.
pub(super) fn address(typed: &str, allow_http: bool) -> Result<Uri, String> {
    if cli::is_unset(typed) {
        return Err("no URL is given".to_owned());
    }
    let expanded = cli::expand(typed)
        .map_err(|variable| format!("the URL needs the environment variable {variable}, which is not set"))?;
    let mut url = Url::parse(expanded.trim()).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => "the URL must begin with https:// or http://".to_owned(),
        error => format!("the URL is not valid: {error}"),
    })?;
    log::hide_url(&url, SHORTEST_TOKEN);
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

/// How connections are made.
pub(super) fn network(options: &Options) -> Result<Network, Error> {
    let typed = &options.network;
    let family = match (typed.ipv4, typed.ipv6) {
        (true, true) => return Err(Error::Usage("--ipv4 and --ipv6 cannot be used together".to_owned())),
        (true, false) => Family::V4,
        (false, true) => Family::V6,
        (false, false) => Family::Any,
    };
    let path = |typed: &Option<String>| given(typed.as_ref()).map(PathBuf::from);
    Ok(Network {
        proxy: proxy(typed)?,
        ca_certs: each_given(&typed.ca_cert).map(PathBuf::from).collect(),
        client_cert: path(&typed.client_cert),
        client_key: path(&typed.client_key),
        family,
        unix_socket: path(&typed.unix_socket),
        connect_timeout: Duration::from_secs_f64(options.connection.connect_timeout),
        cookies: !typed.disable_cookies,
        ..Network::default()
    })
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
    }
}
