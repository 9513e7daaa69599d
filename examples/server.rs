//! The demo server as a program of its own, to try with Claude Desktop, the MCP Inspector or any other client.
//!
//! ```text
//! cargo run --example server -- --port 3000
//! mcp-ferry http://127.0.0.1:3000/mcp
//! ```

#![allow(clippy::print_stdout, clippy::expect_used, unreachable_pub)]

#[path = "demo_server/mod.rs"]
mod demo_server;

use std::io;

use clap::Parser;

use demo_server::DemoServer;

/// A small MCP server over Streamable HTTP, on this machine only
#[derive(Parser)]
#[command(name = "server")]
struct Args {
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 3000)]
    port: u16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let server = DemoServer::bind(Args::parse().port).await?;
    println!("{}", server.url()?);
    println!("tools: echo, add, count, ask, slow; two resources, a prompt; end with Ctrl-C");
    server.serve().await;
    Ok(())
}
