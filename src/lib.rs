//! A bridge between programs that speak MCP over stdio and MCP servers that speak it over HTTP.
//!
//! # The way of a message
//!
//! ```text
//!  stdin ─► stdio ─► message ─► bridge ─► upstream ─► its wire: legacy, http_sse, modern ─► http ─► the net
//! stdout ◄─ stdio ◄──────────── bridge ◄─ upstream ◄─ its wire ◄─ http/sse ◄──────────────────────┘
//!                                 │          │ ▲
//!                               tools        │ └─► translate, where client and server are of different eras
//!                                            ▼
//!                                          auth: the header for this request, a 401
//! ```
//!
//! What was typed becomes a [`cli::Cli`], and with environment and files a [`config::Settings`]: what is meant. From
//! then on a line of the client's becomes a [`message::Message`], which is the line itself and a peeked view of it. The
//! [`bridge`] owns it while it is in flight and gives each request a task. The task asks the [`upstream::Upstream`] to
//! carry it: that waits until a session is open, POSTs the text as it is, and reads messages from the body or the event
//! stream that comes back. What answers nothing goes straight to the client; the answer goes to the bridge, which lets
//! exactly one through.
//!
//! Between a client and a server of one era bytes pass untouched. New JSON is written for four things only: our own
//! errors ([`error::Failure`]), the first answers in the stead of a server that is slow and the news that follow them
//! (`upstream/first.rs`), the cancellation of a request that has had its time, and an answer that must be given its
//! request's id. While nobody is logged in, `upstream/sign_in` answers too.
//!
//! A client and a server of different eras have a translator between them: [`translate`] says what each means to the
//! other, `upstream` does it, in `modern/session.rs` for a legacy client and in `translated` for a modern one.
//!
//! # Layout
//!
//! * [`cli`]: what can a user type?
//! * [`config`]: what did the user mean?
//! * [`error`]: how can a run, or a request, end badly?
//! * [`log`]: how do we speak to people, and what must they not see? `level` says how much, `secret` what not, `trace`
//!   what went over the wire.
//! * [`message`]: what is a JSON-RPC message? No I/O.
//! * [`stdio`]: lines in, lines out.
//! * [`bridge`]: who owns a request in flight? `pending` knows each one, `tasks` carry them, `answers` lets one answer
//!   through, `tool_guard` applies the rules for tools and `tool_list` requests the list that it needs.
//! * [`upstream`]: the server. `opening` and `era` find out what it speaks, `turned` whether it still does, `gate`
//!   holds messages until it is known; `legacy`, `http_sse` and `modern` are the transports, `wire` whichever is open;
//!   `send` sends a request for each, `awaited` reads a stream until its answer, `unanswered` says who waits for whom;
//!   `lasting` is what a new session must have from the one before; `to_client` is the way back. `first` answers for a
//!   server that is slow; `sign_in` while nobody is logged in, with `lists` and a `tool`, by a `question` to a `modern`
//!   client; `memory` knows the server from earlier runs.
//! * [`net`]: the one HTTP client; `sse` makes events of bytes.
//! * [`auth`]: which credential does a request get?
//! * [`command`]: what else does the program do? `login`, `logout`, `status`.
//! * [`system`]: what do we ask of the operating system?
//! * `task`: how is asynchronous work started?
//! * [`tools`]: which of the server's tools may the client see and call? No I/O.
//! * [`translate`]: what do a client and a server of different eras mean to each other? `to_legacy` translates for a
//!   modern client, `to_modern` for a legacy one. No I/O.
//!
//! Everyone knows `message`; `stdio` and `http` know no MCP; only `bridge` knows both sides.

pub mod auth;
pub mod bridge;
pub mod cli;
pub mod command;
pub mod config;
pub mod error;
mod files;
pub mod log;
pub mod message;
pub mod net;
pub mod stdio;
pub mod system;
mod task;
pub mod tools;
pub mod translate;
pub mod upstream;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use auth::Authorizer;
use cli::{Cli, Command, ParseError, Parsed};
use config::Settings;
use error::{Error, Exit};
use upstream::Upstream;

/// Runs the program with these arguments (the first is the program's name), on this process's stdin and stdout.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Parsed { command, warnings } = match cli::parse(args) {
        Ok(parsed) => parsed,
        Err(ParseError::Arguments(error)) => return print(&error),
        Err(ParseError::Configuration(error)) => return fail(&error),
    };
    log::start(config::log_options(command.url(), &command.options().logging));
    log::hook_panics();
    for warning in warnings {
        log::warn!("{warning}");
    }
    let result = match &command {
        Command::Bridge(typed) => run_bridge(typed),
        Command::Login(typed) => command::login(typed),
        Command::Logout(typed) => command::logout(typed),
        Command::Status(typed) => command::status(typed),
    };
    if let Err(error) = &result {
        log::fatal_error(&error.to_string());
    }
    log::flush();
    result.map_or_else(|error| fail(&error), ExitCode::from)
}

/// Carries messages until the client ends or a signal comes.
fn run_bridge(typed: &Cli) -> Result<Exit, Error> {
    let settings = Settings::new(&typed.url, typed.port, &typed.options)?;
    let http = settings.http()?;
    system::raise_descriptor_limit();
    task::run(async {
        let shutdown =
            system::shutdown().map_err(|error| Error::System(format!("signals cannot be received: {error}")))?;
        let connection = stdio::stdio(settings.upstream.max_message);
        let Settings { auth, upstream, bridge } = settings;
        let authorizer = Authorizer::new(&auth, &http);
        bridge::run(connection, |client| Upstream::new(upstream, authorizer, http, client), bridge, shutdown).await;
        Ok(Exit::Orderly)
    })
}

/// Prints help and the version to stdout, an error in the arguments to stderr.
fn print(error: &clap::Error) -> ExitCode {
    error.print().ok();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Orderly.into() }
}

/// Prints an error that ends the program: the error, an empty line, the hint.
fn fail(error: &Error) -> ExitCode {
    let text = format!("mcp-ferry: error: {}\n\nhint: {}\n", log::redact(&error.to_string()), error.hint());
    std::io::stderr().write_all(text.as_bytes()).ok();
    error.exit().into()
}
