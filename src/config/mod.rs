//! What did the user mean? What was typed, the environment and files, folded once into [`Settings`]. After this nobody
//! reads the environment or a flag.

mod argv;
mod file;
mod header;
mod login;
mod network;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use crate::auth::{self, Credential, Headers};
use crate::cli::{self, Credentials, Logging, Options, Tools};
use crate::error::Error;
use crate::files;
use crate::log::{self, Level, Secret};
use crate::net::{Http, socket_url};
use crate::tools;
use crate::{bridge, upstream};

pub use argv::{NotTyped, Typed, parse};
pub(crate) use text::is_unset;

/// A part of an address that is shorter is a word of the path, not a token.
const SHORTEST_PART: usize = 8;

/// Everything a run needs to know, by the room that acts on it.
#[derive(Debug)]
pub struct Settings {
    /// Credentials, logins, and how connections are made.
    pub auth: Arc<auth::Options>,
    /// The server.
    pub upstream: upstream::Options,
    /// The client's requests.
    pub bridge: bridge::Options,
}

impl Settings {
    /// Reads what the options name. `url` is the server's address as it was typed, `port` the callback's behind it.
    pub fn new(url: &str, port: Option<u16>, options: &Options) -> Result<Self, Error> {
        let connection = &options.connection;
        let mut network = network::read(&options.network, connection)?;
        let uri = match socket_url(url.trim()) {
            Some(found) => {
                let (socket, endpoint) = found.map_err(Error::Usage)?;
                network.unix_socket = Some(socket);
                endpoint
            }
            // What goes into a socket of this machine is on no network.
            None => upstream(url, connection.allow_http || network.unix_socket.is_some())?,
        };
        let mut headers = header::read(&options.credentials.header, &options.credentials.header_file)?;
        let credential = credential(&options.credentials, &mut headers)?;
        let auth = login::Parts { server: uri.clone(), headers, credential, network, url, port };
        Ok(Self {
            auth: Arc::new(login::read(auth, options)?),
            upstream: server(uri, connection),
            bridge: bridge::Options { limit: limit(connection.request_timeout), tools: tools(&options.tools)? },
        })
    }

    /// The HTTP client that takes the way which the user chose. Reads the files of certificates that the options name,
    /// and begins to load what TLS needs.
    pub fn http(&self) -> Result<Http, Error> {
        let http = Http::new(&self.auth.network).map_err(Error::Network)?;
        http.prepare(&self.upstream.uri);
        Ok(http)
    }
}

fn server(uri: Uri, connection: &cli::Connection) -> upstream::Options {
    let idle = limit(connection.idle_timeout);
    upstream::Options {
        uri,
        transport: connection.transport,
        protocol: connection.protocol,
        client_protocol: connection.client_protocol,
        tasks: !connection.no_tasks,
        startup_wait: Duration::from_secs_f64(connection.startup_wait),
        patience: Duration::from_secs_f64(connection.patience),
        headers_timeout: limit(connection.headers_timeout).or(idle),
        body_timeout: limit(connection.body_timeout).or(idle),
        ping_interval: limit(connection.ping_interval).filter(|_| connection.keep_alive),
        max_message: connection.max_message_size as usize * 1024 * 1024,
        home: home(),
    }
}

/// Where a run is logged. `--debug` has a file of its own, named after a hash of the address, which may hold a secret.
pub fn log_options(url: Option<&str>, typed: &Logging) -> log::Options {
    let level = if typed.debug { Level::Debug } else { typed.log_level };
    let given = |path: &Option<String>| path.as_ref().filter(|path| !text::is_unset(path)).map(PathBuf::from);
    let name = files::hex(&files::sha256(url.unwrap_or_default().as_bytes())[..8]);
    let debug = home().filter(|_| typed.debug).map(|home| home.join("logs").join(format!("{name}.log")));
    log::Options {
        stderr: (!typed.silent).then_some(level),
        file: given(&typed.log_file).or(debug).map(|path| (path, level)),
        trace: given(&typed.trace_file),
    }
}

/// Nothing is no limit.
fn limit(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
}

/// Whether somebody put a token in the place of its variable's name: then it must not be shown. Names are short, or
/// shout.
fn looks_like_a_token(name: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| name.bytes().any(|byte| kind(&byte));
    name.len() > 64 || (name.len() > 20 && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit))
}

/// From the home directory alone: hosts pass different XDG and APPDATA variables, or none, and one sees a virtual
/// APPDATA.
fn home() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("MCP_FERRY_HOME").filter(|given| !given.is_empty()) {
        return Some(given.into());
    }
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".mcp-ferry"))
}

fn upstream(typed: &str, allow_http: bool) -> Result<Uri, Error> {
    if text::is_unset(typed) {
        return Err(Error::Usage("no URL is given".to_owned()));
    }
    let expanded = text::expand(typed).map_err(|variable| {
        Error::Usage(format!("the URL needs the environment variable {variable}, which is not set"))
    })?;
    if expanded.contains("${user_config.") {
        return Err(Error::Usage("the URL still holds a ${user_config.…} that the host did not fill in".to_owned()));
    }
    let url = url::Url::parse(expanded.trim()).map_err(|error| {
        // The text itself may hold a secret, or be one that slipped into the wrong place.
        Error::Usage(match error {
            url::ParseError::RelativeUrlWithoutBase => "the URL must begin with https:// or http://".to_owned(),
            error => format!("the URL is not one: {error}"),
        })
    })?;
    log::hide_url(&url, SHORTEST_PART);
    let host = url.host().map(|host| host.to_owned());
    match (url.scheme(), &host) {
        (_, None) => return Err(Error::Usage("the URL names no host".to_owned())),
        ("https", _) => {}
        ("http", Some(host)) if allow_http || is_loopback(host) => {}
        ("http", Some(host)) => {
            return Err(Error::Usage(format!(
                "http://{host} would carry everything in the clear; use https, or --allow-http if that network is yours"
            )));
        }
        (scheme, _) => return Err(Error::Usage(format!("the URL's scheme is {scheme}; it must be https or http"))),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Usage("the URL holds a user name or password; give them with --header instead".to_owned()));
    }
    let mut url = url;
    url.set_fragment(None);
    url.as_str().parse().map_err(|error| Error::Usage(format!("the URL is not one: {error}")))
}

fn is_loopback(host: &url::Host<String>) -> bool {
    match host {
        url::Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    }
}

fn tools(typed: &Tools) -> Result<Option<tools::Rules>, Error> {
    let given = |globs: &[String]| globs.iter().filter(|glob| !text::is_unset(glob)).cloned().collect::<Vec<_>>();
    tools::Rules::parse(&given(&typed.allow_tool), &given(&typed.ignore_tool), typed.read_only).map_err(Error::Usage)
}

fn credential(cli: &Credentials, headers: &mut Headers) -> Result<Option<Credential>, Error> {
    let given = |value: &Option<String>| value.clone().filter(|value| !text::is_unset(value));
    let mut found = Vec::new();
    if let Some(command) = given(&cli.token_command) {
        let argv = text::split_command(&command);
        if argv.is_empty() {
            return Err(Error::Usage("--token-command names no program, or has an open quote".to_owned()));
        }
        found.push(Credential::Command { argv });
    }
    if let Some(path) = given(&cli.bearer_token_file) {
        // Read now, so that a wrong path is told at once.
        read_file(&path)?;
        found.push(Credential::File { path: PathBuf::from(path) });
    }
    let variable = given(&cli.bearer_token_env);
    let (variable, pasted): (Option<String>, Option<String>) = match variable {
        Some(name) if text::is_name(&name) && !looks_like_a_token(&name) => (Some(name), None),
        other => (None, other),
    };
    if let Some(pasted) = pasted {
        log::hide(&pasted);
        headers.leave_out(
            "no bearer token is sent: --bearer-token-env wants the name of an environment variable, and was given something else"
                .to_owned(),
        );
    }
    if let Some(variable) = variable {
        match std::env::var(&variable).ok().filter(|value| !text::is_unset(value)) {
            Some(value) => {
                found.push(Credential::Environment { token: Secret::new(value), variable });
            }
            None => headers.leave_out(format!(
                "no bearer token is sent: the environment variable {variable} of --bearer-token-env is not set"
            )),
        }
    }
    if found.len() > 1 {
        log::warn!(
            "several bearer tokens are given; --token-command goes before --bearer-token-file before --bearer-token-env"
        );
    }
    Ok(found.into_iter().next())
}

fn read_file(path: impl AsRef<Path>) -> Result<String, Error> {
    let path = path.as_ref();
    std::fs::read_to_string(path)
        .map_err(|error| Error::File { path: path.display().to_string(), cause: error.to_string() })
}

#[cfg(test)]
mod tests;
