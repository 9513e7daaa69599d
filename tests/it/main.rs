//! The real binary between a client and a small upstream, both played by the test.
//!
//! `support/upstream.rs` plays the server down to the byte, `support/bridge.rs` plays the program that starts us. Every test ends
//! with the bridge's own accounts: stdout held nothing but JSON-RPC, and each request was answered exactly once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod answers;
mod cancellation;
mod passthrough;
mod sessions;
mod streams;
mod support;
