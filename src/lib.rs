//! A bridge between programs that speak MCP over stdio and MCP servers that speak it over HTTP.
//!
//! # The way of a message
//!
//! ```text
//!  stdin ─► stdio ─► message ─► bridge ─► upstream ─► [translator] ─► session ─► transport ─► net
//! stdout ◄─ stdio ◄──────────── bridge ◄─ upstream ◄─ [translator] ◄─ session ◄─ transport ◄─ net/sse
//!                                 │                                       │ 401, 403
//!                               tools                                     ▼
//!                                                                       auth
//! ```
//!
//! What was typed becomes a [`cli::Command`], and with the environment and files the [`config::Settings`]: one group of
//! options for each room that acts on them. From then on a line of the client becomes a [`message::Message`], which is
//! the line itself and the few members that were read from it. The [`bridge`] owns each request in flight and gives it
//! a task. The task has the [`upstream::Upstream`] carry the request: that chooses its route, waits until a session is
//! open, POSTs the text as it is, and reads messages from the body or the event stream of the response. Notifications
//! and requests of the server go straight to the client; responses go to the bridge, which lets exactly one through for
//! each request.
//!
//! Between a client and a server of the same era bytes pass untouched. Where the eras differ, a machine of
//! [`translate`] stands in between; `upstream/translator` runs it for a modern client, `upstream/transport/modern/call`
//! for a legacy one. Besides that the bridge writes only its own errors ([`upstream::Failure`]), responses for a server
//! that is slow (`upstream/session/placeholder`) or needs a login first (`upstream/login`), the cancellation of a
//! request that took too long, and the id of a response where the server changed it.
//!
//! # Layout
//!
//! * [`cli`]: what can be typed? Arguments, environment variables, the configuration file, help.
//! * [`config`]: what did the user mean? The settings of each room that acts.
//! * `typed`: how is a text read that a person typed? Places like `${VAR}`, `~`, quotes, encodings.
//! * [`error`]: how can a run end badly? Exit codes and hints.
//! * [`log`]: how does the program speak to people, and which secrets must they not see? `trace`: the trace file.
//! * `files`: private, whole, durable files, and which are trusted. The only room that writes to disk, but for the log.
//! * [`message`]: what is a JSON-RPC message? How is it read, edited and written? No I/O.
//! * [`stdio`]: lines in, lines out.
//! * [`bridge`]: who owns a request in flight? Exactly one response, timeouts, cancellation, the end.
//! * [`tools`]: which tools may be listed and called? No I/O.
//! * [`translate`]: what do a client and a server of different eras mean to each other? `to_modern` is for legacy
//!   clients, `to_legacy` for modern ones. No I/O.
//! * [`upstream`]: the server. Its layers, each of which knows only those below it:
//!   * `mod`, `route`: which way does a message take?
//!   * `translator`: runs the machine for a modern client and a legacy server.
//!   * `client_program`: which programs do otherwise than the protocol says, and what follows?
//!   * `late_lists`: what does a client get that requests a list, while the server is late?
//!   * `login`: what does a client get while a login is missing? Its lists, the tool that signs in, prompts, waiting.
//!   * `session`: how is a session opened, and opened anew? `gate` holds messages until then, `negotiation` tries the
//!     transports, `keep_alive` pings.
//!   * `era`: which era does the server speak? A list of what a response shows and what follows; its memory on disk.
//!   * `transport`: legacy Streamable HTTP (`legacy/get_stream`: the GET stream), `http_sse`, `modern` (with its
//!     subscriptions), and what a new session must have from the one before (`session_state`).
//!   * `exchange`: one HTTP request: `sender`, `outage`, `response`, `response_stream`, `backoff`, and `to_client`, the
//!     way back.
//! * [`net`]: the one HTTP client: HTTP/1.1 and HTTP/2, proxies, TLS (`tls_error`: sentences about certificates), cookies, SSE.
//! * [`auth`]: which credential does a request get, and what follows a 401 or 403 (`oauth`)? `login`, `refresh`,
//!   `grants` and `discovery` make logins; `store` keeps them; `login_lock` lets one process of the machine log in, and
//!   rations browser tabs.
//! * [`install`]: how does an entry get into a client's configuration file, and out of it again? How was a program
//!   installed?
//! * [`bundle`]: how does a server become an extension (`.mcpb`) that other people install with a click?
//! * [`doctor`]: why does a server not work here? Steps, causes and their codes.
//! * [`command`]: `install`, `uninstall`, `bundle`, `login`, `logout`, `status`, `tools`, `call`, `doctor`. `client` is this program as an MCP
//!   client of its own bridge; `schema` reads the schemas of arguments.
//! * [`system`]: signals, limits and folders of the operating system. `task`: how is asynchronous work started?
//!   `watchdog`: what ends the process when its runtime is stuck?
//!
//! Every room may import `message`; `stdio`, `net`, `files`, `log` and `typed` import nothing of MCP; `auth` imports `net` and
//! `files`, not `upstream`; only `bridge` imports both sides; no room imports `command`. `tests/it/imports.rs` checks
//! that no circle of imports crosses a folder, and that none inside a folder has more than five files.

pub mod auth;
pub mod bridge;
pub mod bundle;
pub mod cli;
pub mod command;
pub mod config;
pub mod doctor;
pub mod error;
mod files;
pub mod install;
pub mod log;
pub mod message;
pub mod net;
pub mod stdio;
pub mod system;
mod task;
pub mod tools;
pub mod translate;
mod typed;
pub mod upstream;
mod watchdog;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use auth::Authorizer;
use cli::{BridgeCommand, Command, ParseError, Parsed};
use config::Settings;
use error::{Error, Exit};
use upstream::Upstream;

/// Runs the program with these arguments (the first is the program's name), on this process's stdin and stdout.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    system::keep_memory_private();
    let Parsed { command, warnings } = match cli::parse(args) {
        Ok(parsed) => parsed,
        Err(ParseError::Arguments(error)) => return print(&error),
        Err(ParseError::Value(error)) => return fail(&error),
    };
    log::start(config::log_options(command.url(), &command.options().logging));
    log::hook_panics();
    for warning in warnings {
        log::warn!("{warning}");
    }
    let result = match &command {
        Command::Bridge(typed) => run_bridge(typed),
        Command::Install(typed) => command::install(typed),
        Command::Uninstall(typed) => command::uninstall(typed),
        Command::Bundle(typed) => command::bundle(typed),
        Command::Login(typed) => command::login(typed),
        Command::Logout(typed) => command::logout(typed),
        Command::Status(typed) => command::status(typed),
        Command::Tools(typed) => command::tools(typed),
        Command::Call(typed) => command::call(typed),
        Command::Doctor(typed) => command::doctor(typed),
    };
    if let Err(error) = &result {
        log::fatal_error(&error.to_string());
    }
    log::flush();
    result.map_or_else(|error| fail(&error), ExitCode::from)
}

/// Carries messages until the client ends or a signal comes.
fn run_bridge(typed: &BridgeCommand) -> Result<Exit, Error> {
    let settings = Settings::new(&typed.url, typed.port, &typed.options)?;
    let http = settings.http()?;
    system::raise_descriptor_limit();
    task::run(async {
        // Whatever else the start takes, the way to the server takes longer.
        http.connect(&settings.upstream.uri);
        let shutdown =
            system::shutdown().map_err(|error| Error::System(format!("signals cannot be received: {error}")))?;
        let (connection, input_ended) = stdio::stdio(settings.upstream.max_message);
        watchdog::start(input_ended);
        let Settings { auth, upstream, bridge } = settings;
        let authorizer = Authorizer::new(&auth, &http);
        let memory = upstream::recall(&upstream, &authorizer).await;
        let connect = |client| Upstream::new(upstream, authorizer, http, memory, client);
        let is_kept = bridge::run(connection, connect, bridge, shutdown).await;
        Ok(if is_kept { Exit::Orderly } else { Exit::Failure })
    })
}

/// Prints help and the version to stdout, an error in the arguments to stderr.
fn print(error: &clap::Error) -> ExitCode {
    error.print().ok();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Orderly.into() }
}

/// Prints an error that ends the program: the error, an empty line, the hint.
fn fail(error: &Error) -> ExitCode {
    let hint = match error.hint() {
        "" => String::new(),
        hint => format!("\nhint: {}\n", log::redact(hint)),
    };
    let text = format!("mcp-ferry: error: {}\n{hint}", log::redact(&error.to_string()));
    std::io::stderr().write_all(text.as_bytes()).ok();
    error.exit().into()
}
