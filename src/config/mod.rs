//! What did the user mean? A typed command becomes [`Settings`], once. `sources` reads the environment and the files that
//! options name; all else here is pure, with one file for each room that acts on settings.

mod auth;
mod bridge;
mod credentials;
mod log;
mod login;
mod net;
mod server;
mod sources;
mod text;
mod upstream;

use std::sync::Arc;

pub use log::log_options;

use crate::cli::Options;
use crate::error::Error;
use crate::net::{Http, socket_url};
use sources::Sources;

/// The settings of a run, by the room that acts on them.
#[derive(Debug)]
pub struct Settings {
    /// Credentials, logins, and how connections are made.
    pub auth: Arc<crate::auth::Options>,
    /// The server.
    pub upstream: crate::upstream::Options,
    /// The client's requests.
    pub bridge: crate::bridge::Options,
}

impl Settings {
    /// Reads what the options name, and makes the settings. `url` is the server's address as it was typed, `port` the
    /// callback's port behind it.
    pub fn new(url: &str, port: Option<u16>, options: &Options) -> Result<Self, Error> {
        let sources = Sources::read(options)?;
        let mut network = net::network(options)?;
        let server = match socket_url(url.trim()) {
            Some(parsed) => {
                let (socket, endpoint) = parsed.map_err(Error::Usage)?;
                network.unix_socket = Some(socket);
                endpoint
            }
            // A request over a socket stays on this machine and needs no encryption.
            None => server::address(url, options.connection.allow_http || network.unix_socket.is_some(), &sources)?,
        };
        let target = auth::Target { url, server: server.clone(), port, network };
        Ok(Self {
            auth: Arc::new(auth::options(target, options, &sources)?),
            upstream: upstream::options(server, &options.connection, &sources),
            bridge: bridge::options(options)?,
        })
    }

    /// Makes the HTTP client. This reads the files of certificates that the options name, and begins to load what TLS
    /// needs.
    pub fn http(&self) -> Result<Http, Error> {
        let http = Http::new(&self.auth.network).map_err(Error::Network)?;
        http.prepare(&self.upstream.uri);
        Ok(http)
    }
}
