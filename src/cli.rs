//! What can a user type? clap types and help text, nothing else.
//!
//! House rules: no short flags but the usual ones; value names in upper case; the first line of a doc comment is the short help and
//! says what it is for; every option has an environment variable `MCP_FERRY_…`, because hosts differ in what they let one configure.

use std::ffi::OsStr;

use clap::builder::{EnumValueParser, FalseyValueParser, PossibleValue, RangedU64ValueParser, TypedValueParser};
use clap::{Arg, Command, Parser, ValueEnum};

use crate::config::is_unset;

/// Reach a remote MCP server from a program that speaks MCP only over stdio.
#[derive(Debug, Parser)]
#[command(name = "mcp-ferry", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    /// The server's MCP endpoint; `${VAR}` is taken from the environment
    #[arg(value_name = "URL")]
    pub url: String,

    /// A header for the server, `Name: value`; `${VAR}` is taken from the environment (repeatable)
    #[arg(long, value_name = "HEADER", help_heading = "Credentials", env = "MCP_FERRY_HEADER", hide_env_values = true)]
    pub header: Vec<String>,

    /// A file of headers, one `Name: value` a line, `#` for comments (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Credentials", env = "MCP_FERRY_HEADER_FILE")]
    pub header_file: Vec<String>,

    /// The environment variable that holds the bearer token
    #[arg(long, value_name = "VAR", help_heading = "Credentials", env = "MCP_FERRY_BEARER_TOKEN_ENV")]
    pub bearer_token_env: Option<String>,

    /// The file that holds the bearer token; read again when the server refuses it
    #[arg(long, value_name = "FILE", help_heading = "Credentials", env = "MCP_FERRY_BEARER_TOKEN_FILE")]
    pub bearer_token_file: Option<String>,

    /// A command that prints the bearer token (no shell); run again when the server refuses it
    #[arg(
        long,
        value_name = "CMD",
        help_heading = "Credentials",
        env = "MCP_FERRY_TOKEN_COMMAND",
        hide_env_values = true
    )]
    pub token_command: Option<String>,

    /// Which transport to try, and which to fall back to
    #[arg(
        long,
        value_name = "STRATEGY",
        default_value = "http-first",
        help_heading = "Connection",
        env = "MCP_FERRY_TRANSPORT",
        value_parser = OrDefault(EnumValueParser::<Transport>::new(), Transport::HttpFirst)
    )]
    pub transport: Transport,

    /// Allow plain http to hosts other than this machine
    #[arg(
        long,
        help_heading = "Connection",
        env = "MCP_FERRY_ALLOW_HTTP",
        value_parser = OrDefault(FalseyValueParser::new(), false)
    )]
    pub allow_http: bool,

    /// How long the server may take to answer the first message before the bridge does
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "2.5",
        help_heading = "Connection",
        env = "MCP_FERRY_STARTUP_WAIT",
        value_parser = OrDefault(seconds, 2.5)
    )]
    pub startup_wait: f64,

    /// How long a request waits for a server that cannot be reached
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "20",
        help_heading = "Connection",
        env = "MCP_FERRY_PATIENCE",
        value_parser = OrDefault(seconds, 20.0)
    )]
    pub patience: f64,

    /// How long making one connection may take
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "10",
        help_heading = "Connection",
        env = "MCP_FERRY_CONNECT_TIMEOUT",
        value_parser = OrDefault(seconds, 10.0)
    )]
    pub connect_timeout: f64,

    /// How long the server may be silent on a request before it counts as broken; progress counts as speech, 0 is for ever
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "0",
        help_heading = "Connection",
        env = "MCP_FERRY_IDLE_TIMEOUT",
        value_parser = OrDefault(seconds, 0.0)
    )]
    pub idle_timeout: f64,

    /// How long a request may take in all before it is cancelled; 0 is for ever
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "0",
        help_heading = "Connection",
        env = "MCP_FERRY_REQUEST_TIMEOUT",
        value_parser = OrDefault(seconds, 0.0)
    )]
    pub request_timeout: f64,

    /// The largest message carried in either direction, in MiB
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 256,
        help_heading = "Connection",
        env = "MCP_FERRY_MAX_MESSAGE_SIZE",
        value_parser = OrDefault(RangedU64ValueParser::<u32>::new().range(1..=2047), 256)
    )]
    pub max_message_size: u32,

    /// How much is said on stderr
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "warn",
        help_heading = "Logging",
        env = "MCP_FERRY_LOG_LEVEL",
        value_parser = OrDefault(EnumValueParser::<LogLevel>::new(), LogLevel::Warn)
    )]
    pub log_level: LogLevel,
}

const AFTER_HELP: &str = "\
Environment:
  MCP_FERRY_<OPTION>  a value for any option above that is not typed
  MCP_FERRY_HOME      where the bridge keeps what it remembers [default: ~/.mcp-ferry]

Exit status: 0 when the client closed stdin or stdout or a signal asked for the end, 1 when the bridge could not run, \
2 when the arguments are wrong.";

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

/// The levels of `--log-level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What ends the program
    Error,
    /// What a person should look at
    Warn,
    /// Connections and sessions as they come and go
    Info,
    /// Every message's way, without its content
    Debug,
}

/// A parser, and the value for what hosts pass for an option that nobody filled in.
#[derive(Clone)]
struct OrDefault<P: TypedValueParser>(P, P::Value);

impl<P: TypedValueParser> TypedValueParser for OrDefault<P>
where
    P::Value: Clone + Send + Sync + 'static,
{
    type Value = P::Value;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Self::Value, clap::Error> {
        if value.to_str().is_some_and(is_unset) {
            return Ok(self.1.clone());
        }
        self.0.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && (0.0..=1e9).contains(&seconds) => Ok(seconds),
        _ => Err("not a number of seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound_and_every_option_has_its_variable() {
        let command = Cli::command();
        command.clone().debug_assert();
        for option in command.get_opts().filter(|option| !["help", "version"].contains(&option.get_id().as_str())) {
            let variable = format!("MCP_FERRY_{}", option.get_id().as_str().to_ascii_uppercase());
            assert_eq!(option.get_env().and_then(|name| name.to_str()), Some(variable.as_str()));
        }
    }
}
