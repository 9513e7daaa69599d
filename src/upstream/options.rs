//! What did the user say about the server?

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

/// Everything that this room needs to know of the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server's endpoint.
    pub uri: Uri,
    /// Which transports to try, in which order.
    pub transport: TransportStrategy,
    /// Which era the server speaks.
    pub protocol: Protocol,
    /// Which era the client speaks.
    pub client_protocol: ClientProtocol,
    /// Whether a legacy client's calls may become a modern server's tasks.
    pub tasks: bool,
    /// How long the server may take to answer the client's first message before the bridge answers it.
    pub startup_wait: Duration,
    /// How long the first request of an outage waits for a server that cannot be reached.
    pub patience: Duration,
    /// The same, from the client's first message, for a server that has not been there since the start.
    pub start_patience: Duration,
    /// The same for the first answers and for requests for lists.
    pub absent_wait: Duration,
    /// How long the server may take to begin an answer.
    pub headers_timeout: Option<Duration>,
    /// How long the server may be silent within an answer.
    pub body_timeout: Option<Duration>,
    /// How often the server is sent a ping.
    pub ping_interval: Option<Duration>,
    /// The longest event or body, in bytes.
    pub max_message: usize,
    /// Where results of earlier runs are kept; `None` where there is no home directory.
    pub home: Option<PathBuf>,
}

/// The share of the startup wait for a server of which an earlier run has a result: what it returns differs seldom.
const KNOWN_SHARE: u32 = 8;

impl Options {
    /// How long the client waits for an answer of the server where the bridge can give one in its place. `is_known`: it
    /// is the server's own, from an earlier run.
    pub(super) fn wait_for_answer(&self, is_known: bool) -> Duration {
        if is_known { self.startup_wait / KNOWN_SHARE } else { self.startup_wait }
    }
}

/// The strategies of `--transport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportStrategy {
    /// Streamable HTTP; HTTP+SSE where the server does not speak it.
    HttpFirst,
    /// HTTP+SSE; Streamable HTTP where the server does not speak it.
    SseFirst,
    /// Streamable HTTP alone.
    HttpOnly,
    /// HTTP+SSE alone.
    SseOnly,
}

/// The eras of `--protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Whichever the server turns out to speak.
    Auto,
    /// With the `initialize` handshake: 2024-11-05 to 2025-11-25.
    Legacy,
    /// Without it: 2026-07-28.
    Modern,
}

/// The eras of `--client-protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientProtocol {
    /// Whichever its first messages show.
    Auto,
    /// With the `initialize` handshake: nothing is translated for it.
    Legacy,
    /// Without it: 2026-07-28.
    Modern,
}
