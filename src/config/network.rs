//! Which way to the server did the user mean?

use std::path::PathBuf;
use std::time::Duration;

use super::text::is_unset;
use crate::cli;
use crate::error::Error;
use crate::net::{Family, Network, Proxy, ProxyUrl};

/// From the options, of which hosts may have left some empty.
pub(super) fn read(typed: &cli::Network, connection: &cli::Connection) -> Result<Network, Error> {
    let family = match (typed.ipv4, typed.ipv6) {
        (true, true) => return Err(Error::Usage("--ipv4 and --ipv6 exclude each other".to_owned())),
        (true, false) => Family::V4,
        (false, true) => Family::V6,
        (false, false) => Family::Any,
    };
    Ok(Network {
        proxy: proxy(typed)?,
        ca_certs: typed.ca_cert.iter().filter(|path| !is_unset(path)).map(PathBuf::from).collect(),
        client_cert: path(typed.client_cert.as_deref()),
        client_key: path(typed.client_key.as_deref()),
        family,
        unix_socket: path(typed.unix_socket.as_deref()),
        connect_timeout: Duration::from_secs_f64(connection.connect_timeout),
        cookies: !typed.disable_cookies,
        ..Network::default()
    })
}

fn path(typed: Option<&str>) -> Option<PathBuf> {
    typed.filter(|path| !is_unset(path)).map(PathBuf::from)
}

/// The address is not quoted: it may hold a password.
fn proxy(typed: &cli::Network) -> Result<Proxy, Error> {
    match &typed.proxy {
        _ if typed.no_proxy => Ok(Proxy::None),
        Some(url) if !is_unset(url) => {
            ProxyUrl::parse(url).map(Proxy::Given).map_err(|why| Error::Usage(format!("the value of --proxy {why}")))
        }
        _ => Ok(Proxy::Environment),
    }
}
