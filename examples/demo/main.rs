//! The main use, shown: a client that speaks only stdio talks to a server that speaks only HTTP.
//!
//! ```text
//! cargo run --example demo
//! cargo run --example demo -- https://example.com/mcp --bearer-token-env TOKEN
//! cargo run --example demo -- https://example.com/mcp --call search '{"query": "ferries"}'
//! ```
//!
//! Without a URL it starts a server of its own. The bridge is a process of its own with real stdio, as under any MCP
//! client. It is this program, started again, so that nothing else must be built.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, unreachable_pub)]

mod client;
mod conversation;
#[path = "../demo_server/mod.rs"]
mod demo_server;
mod show;

use std::ffi::OsString;
use std::process::ExitCode;
use std::thread;

use client::{Client, Failure};
use conversation::Call;
use demo_server::DemoServer;
use show::Show;

const BRIDGE: &str = "bridge";
const USAGE: &str = "usage: demo [URL [--call TOOL JSON]… [mcp-ferry options]]";

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    if args.get(1).is_some_and(|first| first == BRIDGE) {
        args.remove(1);
        return mcp_ferry::run(args);
    }
    let show = Show::new();
    match demo(&show, &args[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            show.failure(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn demo(show: &Show, args: &[OsString]) -> Result<(), Failure> {
    let (calls, rest) = take_calls(args)?;
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return Ok(());
    }
    let Some(first) = rest.first() else {
        let url = start_server()?;
        show.title(&format!("client ⇄ stdio ⇄ mcp-ferry ⇄ HTTP ⇄ {url}"));
        let home = tempfile::tempdir()?;
        let mut client = Client::start(show, &[url.into()], Some(home.path()))?;
        conversation::with_own_server(show, &mut client)?;
        return client.end();
    };
    if first.to_string_lossy().starts_with('-') {
        return Err(Failure(format!("the URL comes first; {USAGE}")));
    }
    show.title("client ⇄ stdio ⇄ mcp-ferry ⇄ HTTP ⇄ the server of that URL");
    let mut client = Client::start(show, &rest, None)?;
    conversation::with_any_server(show, &mut client, &calls)?;
    client.end()
}

/// Starts the server on a thread of its own, where it runs until the program ends. Returns its URL.
fn start_server() -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = runtime.block_on(DemoServer::bind(0))?;
    let url = server.url()?;
    thread::spawn(move || runtime.block_on(server.serve()));
    Ok(url)
}

/// The demo's own `--call TOOL JSON` options, and the arguments that are left for the bridge.
fn take_calls(args: &[OsString]) -> Result<(Vec<Call>, Vec<OsString>), Failure> {
    let (mut calls, mut rest) = (Vec::new(), Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg != "--call" {
            rest.push(arg.clone());
            continue;
        }
        let mut word = || args.next().map(|word| word.to_string_lossy().into_owned());
        let (Some(tool), Some(arguments)) = (word(), word()) else { return Err(Failure(USAGE.to_owned())) };
        let arguments = serde_json::from_str(&arguments)
            .map_err(|error| Failure(format!("the arguments of --call {tool} must be a JSON object: {error}")))?;
        calls.push(Call { tool, arguments });
    }
    Ok((calls, rest))
}
