//! What did the user mean for connections?

use std::path::PathBuf;
use std::time::Duration;

use super::text::{each_given, given};
use crate::cli::{self, Options};
use crate::error::Error;
use crate::net::{Family, Network, Proxy, ProxyUrl};

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
