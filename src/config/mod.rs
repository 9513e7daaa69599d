//! What did the user mean? A typed command becomes [`Settings`], once. `text` reads the environment and the files that
//! options name.

mod auth;
mod credentials;
mod login;
mod login_arguments;
mod server;
mod text;

pub(crate) use credentials::is_header;
pub(crate) use text::{names_a_variable, variable, variable_name};

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use crate::cli::{Connection, Logging, Options, Tools};
use crate::error::Error;
use crate::net::Http;
use crate::tools::Rules;
use crate::{bridge, files, log, system, upstream};

/// How long a request waits for a server that cannot be reached, in seconds, if the user does not say.
const USUAL_PATIENCE: f64 = 20.0;

/// The same from the client's first message, for a server that has not been there since the start.
const START_PATIENCE: f64 = 8.0;

/// The settings of a run, by the room that acts on them.
#[derive(Debug)]
pub struct Settings {
    /// Credentials, logins, and how connections are made.
    pub auth: Arc<crate::auth::Options>,
    /// The server.
    pub upstream: upstream::Options,
    /// The client's requests.
    pub bridge: bridge::Options,
}

impl Settings {
    /// Reads what the options name, and makes the settings. `url` is the server's address as it was typed, `port` the
    /// callback's port behind it.
    pub fn new(url: &str, port: Option<u16>, options: &Options) -> Result<Self, Error> {
        let mut network = server::network(options)?;
        let server = match server::socket(url) {
            Some(parsed) => {
                let (socket, endpoint) = parsed.map_err(Error::Usage)?;
                network.unix_socket = Some(socket);
                endpoint
            }
            // A request over a socket stays on this machine and needs no encryption.
            None => server::address(url, options.connection.allow_http || network.unix_socket.is_some())
                .map_err(Error::Usage)?,
        };
        network.client_cert_servers.push(server.clone());
        let limit = time_limit(options.connection.request_timeout);
        Ok(Self {
            auth: Arc::new(auth::options(url, port, server.clone(), network, options)?),
            upstream: upstream_options(server, &options.connection),
            bridge: bridge::Options { limit, tools: rules(&options.tools).map_err(Error::Usage)? },
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

/// What is wrong with a server's address.
#[derive(Debug, Clone)]
pub struct AddressFault {
    /// It begins with http and leads to another machine; nothing else is wrong.
    pub is_plain_http: bool,
    /// A sentence.
    pub why: String,
}

/// What is wrong with the address that was typed; `None` if nothing is.
pub fn address_fault(url: &str, options: &Options) -> Option<AddressFault> {
    if let Some(parsed) = server::socket(url) {
        return parsed.err().map(|why| AddressFault { is_plain_http: false, why });
    }
    let allow_http = options.connection.allow_http || options.network.unix_socket.is_some();
    let why = server::address(url, allow_http).err()?;
    // What else is wrong with it comes first: with https it would still be none.
    let other = server::address(url, true).err();
    Some(AddressFault { is_plain_http: other.is_none(), why: other.unwrap_or(why) })
}

fn upstream_options(uri: Uri, typed: &Connection) -> upstream::Options {
    let idle = time_limit(typed.idle_timeout);
    upstream::Options {
        uri,
        transport: typed.transport,
        protocol: typed.protocol,
        client_protocol: typed.client_protocol,
        tasks: !typed.no_tasks,
        startup_wait: Duration::from_secs_f64(typed.startup_wait),
        patience: Duration::from_secs_f64(typed.patience),
        start_patience: Duration::from_secs_f64(start_patience(typed.patience, START_PATIENCE)),
        absent_wait: Duration::from_secs_f64(absent_wait(typed)),
        headers_timeout: time_limit(typed.headers_timeout).or(idle),
        body_timeout: time_limit(typed.body_timeout).or(idle),
        ping_interval: time_limit(typed.ping_interval).filter(|_| typed.keep_alive),
        max_message: typed.max_message_size as usize * 1024 * 1024,
        home: system::home().filter(|_| !system::is_looked_at()),
    }
}

/// The share of the startup wait after which a server that cannot be reached at the start is not waited for any more by
/// the first answers and by lists: most clients begin their work only when they have them.
const ABSENT_SHARE: f64 = 0.4;

/// The shortest such wait, in seconds, whatever the startup wait: a server may be about to start.
const SHORTEST_ABSENT_WAIT: f64 = 1.0;

/// Clients show an error only when their first requests have failed, so that these fail sooner, unless the user wants
/// more patience than is usual.
fn start_patience(patience: f64, most: f64) -> f64 {
    if patience > USUAL_PATIENCE { patience } else { patience.min(most) }
}

fn absent_wait(typed: &Connection) -> f64 {
    start_patience(typed.patience, SHORTEST_ABSENT_WAIT.max(ABSENT_SHARE * typed.startup_wait))
}

fn rules(typed: &Tools) -> Result<Option<Rules>, String> {
    let globs = |typed: &[String]| text::each_given(typed).map(str::to_owned).collect::<Vec<_>>();
    Rules::parse(&globs(&typed.allow_tool), &globs(&typed.ignore_tool), typed.read_only)
}

/// 0 means no limit.
fn time_limit(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
}

/// The options of the log. The file of `--debug` is named after a hash of the server's address, which may hold a
/// secret.
pub fn log_options(url: Option<&str>, typed: &Logging) -> log::Options {
    let level = if typed.debug { log::Level::Debug } else { typed.log_level };
    let file = || text::given_path(typed.log_file.as_ref()).map(Path::to_owned);
    let debug_file = || {
        let name = files::hex(&files::sha256(url.unwrap_or_default().as_bytes())[..8]);
        system::home().filter(|_| typed.debug).map(|home| home.join("logs").join(format!("{name}.log")))
    };
    log::Options {
        stderr: (!typed.silent).then_some(level),
        file: file().or_else(debug_file).map(|path| (path, level)),
        trace: text::given_path(typed.trace_file.as_ref()).map(Path::to_owned),
    }
}
