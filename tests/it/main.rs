//! Integration tests: the real binary between a client and a small upstream, both played by the test.
//!
//! `support/upstream.rs` plays the server byte for byte, `support/bridge.rs` plays the client that starts the bridge.
//! Every test ends with the same check: stdout held only JSON-RPC messages, and each request was answered exactly once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod accepted_messages;
mod batches;
mod cancellation;
mod chaos;
mod cli;
mod configuration_file;
mod cookies;
mod credentials;
mod discover;
mod early_server_requests;
mod end_of_stdin;
mod entries;
mod era_changes;
mod error_bodies;
mod first_message;
mod get_stream;
mod hostile;
mod http_sse;
mod http_sse_broken_streams;
mod http_sse_responses;
mod ids;
mod imports;
mod limits;
mod logs;
mod lost_sessions;
mod mcp_remote_arguments;
mod mcp_remote_effects;
mod modern_client_first_request;
mod modern_client_input_requests;
mod modern_client_input_responses;
mod modern_client_requests;
mod modern_client_sessions;
mod modern_client_subscriptions;
mod modern_headers;
mod modern_input_requests;
mod modern_refused_subscriptions;
mod modern_subscriptions;
mod modern_tasks;
mod modern_to_modern;
mod modern_upstream;
mod nested_arrays;
mod notifications;
mod oauth_attacks;
mod oauth_commands;
mod oauth_first_start;
mod oauth_import;
mod oauth_login;
mod oauth_modern;
mod oauth_processes;
mod oauth_status;
mod outages;
mod passthrough;
mod post_stream;
mod proxies;
mod redaction;
mod redirects;
mod refused_credentials;
mod responses;
mod resumption;
mod retries;
mod secrets;
mod sessions;
mod signals;
mod support;
mod timeouts;
mod tls;
mod token_command;
mod tool_filters;
mod unix_socket;
mod unread_stderr;
mod user_scenarios;
