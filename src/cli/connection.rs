//! How is the server spoken to?

use super::option::options;
use super::value::one_of;
use crate::upstream::{ClientProtocol, Protocol, TransportStrategy};

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

        /// How long the server may take to answer the first message before the bridge answers it instead
        startup_wait SECONDS: f64 = "2.4",

        /// How long a request waits for a server that cannot be reached
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
        request_timeout SECONDS: f64 = "0",

        /// Send the server a ping at intervals, so that it does not end an idle session
        keep_alive: bool,

        /// The interval of --keep-alive
        ping_interval SECONDS: f64 = "30",

        /// The size of the largest message in either direction, in MiB
        max_message_size MIB: u32 = "256",
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
}
