//! The real binary between a client and a small upstream, both played by the test.
//!
//! `support/upstream.rs` plays the server down to the byte, `support/bridge.rs` plays the program that starts us. Every
//! test ends with the bridge's own accounts: stdout held nothing but JSON-RPC, and each request was answered exactly
//! once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod acceptances;
mod answers;
mod batches;
mod cancellation;
mod chaos;
mod cli;
mod configuration_file;
mod cookies;
mod credentials;
mod discover;
mod early_questions;
mod endings;
mod entries;
mod error_bodies;
mod first_message;
mod get_stream;
mod http_sse;
mod http_sse_answers;
mod http_sse_breaks;
mod ids;
mod limits;
mod logs;
mod lost_sessions;
mod mcp_remote_arguments;
mod mcp_remote_effects;
mod modern_client_first;
mod modern_client_listens;
mod modern_client_questions;
mod modern_client_replies;
mod modern_client_requests;
mod modern_client_sessions;
mod modern_eras;
mod modern_headers;
mod modern_questions;
mod modern_refused_subscriptions;
mod modern_subscriptions;
mod modern_tasks;
mod modern_upstream;
mod nesting;
mod notifications;
mod oauth_attacks;
mod oauth_commands;
mod oauth_first_start;
mod oauth_import;
mod oauth_login;
mod oauth_modern;
mod oauth_processes;
mod outages;
mod passthrough;
mod post_stream;
mod proxies;
mod redaction;
mod redirects;
mod refused_credentials;
mod resumption;
mod retries;
mod secrets;
mod sessions;
mod signals;
mod stderr;
mod support;
mod timeouts;
mod tls;
mod token_command;
mod tool_filters;
mod turned_eras;
mod unix_socket;
mod users;
