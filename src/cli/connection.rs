//! How is the server spoken to?

use super::option::options;
use super::value::{Values, one_of};
use crate::upstream::{ClientProtocol, Protocol, TransportStrategy};

options! {
    /// Transport, protocol and time limits.
    pub struct Connection {
        /// Which transport to try, and which to fall back to
        transport STRATEGY: TransportStrategy = "http-first",

        /// Which era of the protocol the server speaks
        protocol ERA: Protocol = "auto",

        /// Which era of the protocol the client speaks
        client_protocol ERA: ClientProtocol = "auto",

        /// Do not let a modern server turn a legacy client's calls into tasks, which the bridge would follow
        no_tasks: bool,

        /// Allow plain http to hosts other than this machine
        allow_http: bool,

        /// How long the server may take to answer the first message before the bridge does
        startup_wait SECONDS: f64 = "2.4",

        /// How long a request waits for a server that cannot be reached
        patience SECONDS: f64 = "20",

        /// How long making one connection may take
        connect_timeout SECONDS: f64 = "10",

        /// How long the server may take to begin its answer; 0 is for ever
        headers_timeout SECONDS: f64 = "0",

        /// How long the server may be silent within an answer; 0 is for ever
        body_timeout SECONDS: f64 = "0",

        /// Both at once: how long the server may be silent on a request, unless it waits for the client; progress counts as speech, 0 is for ever
        idle_timeout SECONDS: f64 = "0",

        /// How long a request may take in all before it is cancelled; 0 is for ever
        request_timeout SECONDS: f64 = "0",

        /// Send the server a ping now and then, for those that forget who is silent
        keep_alive: bool,

        /// How often, with --keep-alive
        ping_interval SECONDS: f64 = "30",

        /// The largest message carried in either direction, in MiB
        max_message_size MIB: u32 = "256" => |option| option.value_parser(Values::Whole(1, 2047)),
    }
}

one_of! {
    TransportStrategy {
        HttpFirst = "http-first", "Streamable HTTP; HTTP+SSE where the server does not speak it";
        SseFirst = "sse-first", "HTTP+SSE; Streamable HTTP where the server does not speak it";
        HttpOnly = "http-only", "Streamable HTTP alone";
        SseOnly = "sse-only", "HTTP+SSE alone";
    }
    Protocol {
        Auto = "auto", "Whichever the server turns out to speak";
        Legacy = "legacy", "With a handshake: 2024-11-05 to 2025-11-25";
        Modern = "modern", "Without one: 2026-07-28";
    }
    ClientProtocol {
        Auto = "auto", "Whichever its first messages show; one that may speak the server's own is asked to";
        Legacy = "legacy", "With a handshake: nothing is translated for it";
        Modern = "modern", "Without one: 2026-07-28";
    }
}
