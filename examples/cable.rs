//! A cable of any length to any server: a TCP relay that delays every byte, to see what a person feels who is far away.
//!
//! ```text
//! cargo run --example cable -- --to 127.0.0.1:3000 --round-trip 80
//! ```
//!
//! The benchmark uses the same relay.

#![allow(clippy::print_stdout, unreachable_pub)]

#[path = "bench/cable/relay.rs"]
mod relay;

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use clap::Parser;

/// Delay the bytes of TCP connections by a round-trip time
#[derive(Parser)]
#[command(name = "cable")]
struct Args {
    /// The server, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// The port to listen on, on this machine; 0 takes any that is free
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The round-trip time in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 80)]
    round_trip: u64,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let listener = TcpListener::bind(("127.0.0.1", args.port))?;
    println!("{} → {}, {} ms", listener.local_addr()?, args.to, args.round_trip);
    relay::serve(&listener, &args.to, Duration::from_millis(args.round_trip));
    Ok(())
}
