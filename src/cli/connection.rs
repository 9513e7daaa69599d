//! How is the server spoken to?

use clap::builder::{EnumValueParser, FalseyValueParser, RangedU64ValueParser};
use clap::{Args, ValueEnum};

use super::{OrDefault, seconds};

/// Transport, protocol and time limits.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Which transport to try, and which to fall back to
    #[arg(
        long,
        value_name = "STRATEGY",
        default_value = "http-first",
        env = "MCP_FERRY_TRANSPORT",
        value_parser = OrDefault(EnumValueParser::<Transport>::new(), Transport::HttpFirst)
    )]
    pub transport: Transport,

    /// Which era of the protocol the server speaks
    #[arg(
        long,
        value_name = "ERA",
        default_value = "auto",
        env = "MCP_FERRY_PROTOCOL",
        value_parser = OrDefault(EnumValueParser::<Protocol>::new(), Protocol::Auto)
    )]
    pub protocol: Protocol,

    /// Which era of the protocol the client speaks
    #[arg(
        long,
        value_name = "ERA",
        default_value = "auto",
        env = "MCP_FERRY_CLIENT_PROTOCOL",
        value_parser = OrDefault(EnumValueParser::<ClientProtocol>::new(), ClientProtocol::Auto)
    )]
    pub client_protocol: ClientProtocol,

    /// Do not let a modern server turn a legacy client's calls into tasks, which the bridge would follow
    #[arg(long, env = "MCP_FERRY_NO_TASKS", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub no_tasks: bool,

    /// Allow plain http to hosts other than this machine
    #[arg(long, env = "MCP_FERRY_ALLOW_HTTP", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub allow_http: bool,

    /// How long the server may take to answer the first message before the bridge does
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "2.4",
        env = "MCP_FERRY_STARTUP_WAIT",
        value_parser = OrDefault(seconds, 2.4)
    )]
    pub startup_wait: f64,

    /// How long a request waits for a server that cannot be reached
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "20",
        env = "MCP_FERRY_PATIENCE",
        value_parser = OrDefault(seconds, 20.0)
    )]
    pub patience: f64,

    /// How long making one connection may take
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "10",
        env = "MCP_FERRY_CONNECT_TIMEOUT",
        value_parser = OrDefault(seconds, 10.0)
    )]
    pub connect_timeout: f64,

    /// How long the server may take to begin its answer; 0 is for ever
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "0",
        env = "MCP_FERRY_HEADERS_TIMEOUT",
        value_parser = OrDefault(seconds, 0.0)
    )]
    pub headers_timeout: f64,

    /// How long the server may be silent within an answer; 0 is for ever
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "0",
        env = "MCP_FERRY_BODY_TIMEOUT",
        value_parser = OrDefault(seconds, 0.0)
    )]
    pub body_timeout: f64,

    /// Both at once: how long the server may be silent on a request; progress counts as speech, 0 is for ever
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "0",
        env = "MCP_FERRY_IDLE_TIMEOUT",
        value_parser = OrDefault(seconds, 0.0)
    )]
    pub idle_timeout: f64,

    /// How long a request may take in all before it is cancelled; 0 is for ever
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "0",
        env = "MCP_FERRY_REQUEST_TIMEOUT",
        value_parser = OrDefault(seconds, 0.0)
    )]
    pub request_timeout: f64,

    /// Send the server a ping now and then, for those that forget who is silent
    #[arg(long, env = "MCP_FERRY_KEEP_ALIVE", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub keep_alive: bool,

    /// How often, with --keep-alive
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "30",
        env = "MCP_FERRY_PING_INTERVAL",
        value_parser = OrDefault(seconds, 30.0)
    )]
    pub ping_interval: f64,

    /// The largest message carried in either direction, in MiB
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 256,
        env = "MCP_FERRY_MAX_MESSAGE_SIZE",
        value_parser = OrDefault(RangedU64ValueParser::<u32>::new().range(1..=2047), 256)
    )]
    pub max_message_size: u32,
}

/// The four strategies of `--transport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// Streamable HTTP; HTTP+SSE where the server does not speak it
    HttpFirst,
    /// HTTP+SSE; Streamable HTTP where the server does not speak it
    SseFirst,
    /// Streamable HTTP alone
    HttpOnly,
    /// HTTP+SSE alone
    SseOnly,
}

/// The eras of `--protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Whichever the server turns out to speak
    Auto,
    /// With a handshake: 2024-11-05 to 2025-11-25
    Legacy,
    /// Without one: 2026-07-28
    Modern,
}

/// The eras of `--client-protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClientProtocol {
    /// Whichever its first messages show; one that may speak the server's own is asked to
    Auto,
    /// With a handshake: nothing is translated for it
    Legacy,
    /// Without one: 2026-07-28
    Modern,
}
