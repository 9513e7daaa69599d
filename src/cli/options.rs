//! Which options does every command have?

use std::path::PathBuf;

use clap::Args;

use super::login::Login;
use super::option::{one_of, options};
use crate::error::Error;
use crate::log::Level;
use crate::upstream::{ClientProtocol, Protocol, TransportStrategy};

/// The options that every command has.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Headers and tokens that the user has.
    #[command(flatten)]
    pub credentials: Credentials,
    /// Transport, protocol and time limits.
    #[command(flatten)]
    pub connection: Connection,
    /// Proxies, certificates, addresses.
    #[command(flatten)]
    pub network: Network,
    /// Which tools exist for the client.
    #[command(flatten)]
    pub tools: Tools,
    /// How a login goes.
    #[command(flatten)]
    pub login: Login,
    /// Which events are shown or written.
    #[command(flatten)]
    pub logging: Logging,
}

impl Options {
    /// Replaces what stands for something else in the values: variables, and `~` in paths.
    pub fn fill_in(&mut self) -> Result<(), Error> {
        let filled = self
            .credentials
            .fill_in()
            .and_then(|()| self.connection.fill_in())
            .and_then(|()| self.network.fill_in())
            .and_then(|()| self.tools.fill_in())
            .and_then(|()| self.login.fill_in())
            .and_then(|()| self.logging.fill_in());
        filled.map_err(|(name, why)| {
            Error::Usage(format!("the value of --{} cannot be used: {why}", name.replace('_', "-")))
        })
    }
}

options! {
    /// Headers and tokens that the user has.
    pub struct Credentials {
        /// A header for the server, `Name: value`; `${VAR}` stands for an environment variable, `${VAR:-TEXT}` has a default
        /// (repeatable)
        header HEADER: Vec<String>,

        /// A file of headers, one `Name: value` a line; a line that begins with `#` is a comment (repeatable)
        header_file FILE: Vec<PathBuf>,

        /// The environment variable that holds the bearer token
        bearer_token_env VAR: Option<String>,

        /// The file that holds the bearer token; read again when the server rejects the token
        bearer_token_file FILE: Option<PathBuf>,

        /// A command that prints the bearer token; run without a shell, and again when the server rejects the token
        token_command CMD: Option<String>,
    }
}

options! {
    /// Transport, protocol and time limits.
    pub struct Connection {
        /// Which transport to try first, and which to fall back to
        transport STRATEGY: TransportStrategy = "http-first",

        /// Which era of the protocol the server uses
        protocol ERA: Protocol = "auto",

        /// Which era of the protocol the client uses
        client_protocol ERA: ClientProtocol = "auto",

        /// Do not let a modern server run a legacy client's calls as tasks, whose results the bridge then fetches
        no_tasks: bool,

        /// Allow http://, which is not encrypted, to hosts other than this machine
        allow_http: bool,

        /// How long the server may take to answer the first message before the bridge answers it instead; an eighth of
        /// it for a server that is known from before
        startup_wait SECONDS: f64 = "2.4",

        /// How long requests wait for a server that cannot be reached before all of them fail at once; unless this is
        /// more than 20, no longer than 8 seconds after the start, and requests for lists no longer than 1
        patience SECONDS: f64 = "20",

        /// How long opening a connection may take
        connect_timeout SECONDS: f64 = "10",

        /// How long the server may take to begin a response; 0 means no limit
        headers_timeout SECONDS: f64 = "0",

        /// How long the server may send nothing within a response; 0 means no limit
        body_timeout SECONDS: f64 = "0",

        /// A value for --headers-timeout and --body-timeout where they are 0: how long the server may send nothing for
        /// a request, unless it waits for the client; each progress notification starts the time anew
        idle_timeout SECONDS: f64 = "0",

        /// How long a request may take in total before it is cancelled; 0 means no limit
        request_timeout SECONDS: f64 = "0" => visible_alias = "timeout",

        /// Send the server a ping at intervals, so that it does not end an idle session
        keep_alive: bool,

        /// The interval of --keep-alive
        ping_interval SECONDS: f64 = "30",

        /// The size of the largest message in either direction, in MiB
        max_message_size MIB: u32 = "256",
    }
}

options! {
    /// Proxies, certificates, addresses.
    #[allow(clippy::struct_excessive_bools)]
    pub struct Network {
        /// The proxy to use: http://, https://, socks5:// or socks5h://, then HOST:PORT or USER:PASSWORD@HOST:PORT
        proxy URL: Option<String>,

        /// Use no proxy, even if the environment or the system's settings name one
        no_proxy: bool,

        /// Use HTTP/1.1 only: for a server that offers HTTP/2 and does not keep to it
        http1: bool,

        /// Use the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names, which is the default
        enable_proxy: bool => hide = true,

        /// A file of CA certificates (PEM) to trust besides those of the system (repeatable)
        ca_cert FILE: Vec<PathBuf>,

        /// A file (PEM) with the client certificate to show to the server, and its chain
        client_cert FILE: Option<PathBuf>,

        /// Another server to show the client certificate to, such as the authorization server (repeatable)
        client_cert_origin URL: Vec<String>,

        /// A file (PEM) with the key of the client certificate, if --client-cert does not contain it
        client_key FILE: Option<PathBuf>,

        /// Connect over a Unix-domain socket, or a named pipe on Windows
        unix_socket PATH: Option<PathBuf>,

        /// Use IPv4 only
        ipv4: bool,

        /// Use IPv6 only
        ipv6: bool,

        /// Do not keep cookies between requests
        disable_cookies: bool,
    }
}

options! {
    /// Which tools exist for the client.
    pub struct Tools {
        /// Let the client see and call only tools with this name; `*` matches any text (repeatable)
        allow_tool GLOB: Vec<String>,

        /// Do not let the client see or call tools with this name; `*` matches any text (repeatable)
        ignore_tool GLOB: Vec<String>,

        /// Let the client see and call only tools that the server declares to be read-only
        read_only: bool,
    }
}

options! {
    /// Where events go, and how many of them.
    pub struct Logging {
        /// Which events are written to stderr: those of this level and of the levels before it
        log_level LEVEL: Level = "warn",

        /// Write events to this file too, with the time; at 10 MB it is renamed to FILE.1, and a new file begins
        log_file FILE: Option<PathBuf>,

        /// Write every message and every header to this file as JSON lines, without secrets, for a bug report
        trace_file FILE: Option<PathBuf>,

        /// Write events of every level to stderr and to a file under ~/.mcp-ferry/logs
        debug: bool,

        /// Write nothing to stderr except where to log in, and the error that ends a command
        silent: bool => visible_alias = "quiet",
    }
}

one_of! {
    TransportStrategy {
        HttpFirst = "http-first", "Streamable HTTP, or HTTP+SSE if the server does not support it";
        SseFirst = "sse-first", "HTTP+SSE, or Streamable HTTP if the server does not support it";
        HttpOnly = "http-only", "Only Streamable HTTP";
        SseOnly = "sse-only", "Only HTTP+SSE";
    }
    Protocol {
        Auto = "auto", "The era that the server turns out to support";
        Legacy = "legacy", "With an initialize handshake: 2024-11-05 to 2025-11-25";
        Modern = "modern", "Without a handshake: 2026-07-28";
    }
    ClientProtocol {
        Auto = "auto", "The era of the client's first messages; a client that may support the server's era is asked to use it";
        Legacy = "legacy", "With an initialize handshake; nothing is translated for the client";
        Modern = "modern", "Without a handshake: 2026-07-28";
    }
    Level {
        Error = "error", "Errors that end the program";
        Warn = "warn", "Problems that a person should look at";
        Info = "info", "Connections and sessions that open and close";
        Debug = "debug", "The way of every message, without its content";
    }
}
