//! How is the server reached?

use clap::Args;
use clap::builder::FalseyValueParser;

use super::OrDefault;

/// Proxies, certificates, addresses.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
#[allow(clippy::struct_excessive_bools)]
pub struct Network {
    /// The proxy to go through: http://, https://, socks5:// or socks5h:// before HOST:PORT or USER:PASSWORD@HOST:PORT
    #[arg(long, value_name = "URL", env = "MCP_FERRY_PROXY", hide_env_values = true)]
    pub proxy: Option<String>,

    /// Go through no proxy, whatever the environment or the system says
    #[arg(
        long,
        env = "MCP_FERRY_NO_PROXY",
        value_parser = OrDefault(FalseyValueParser::new(), false)
    )]
    pub no_proxy: bool,

    /// Go through the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: done anyway
    #[arg(long, hide = true, env = "MCP_FERRY_ENABLE_PROXY", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub enable_proxy: bool,

    /// A file of certificates (PEM) to trust besides the system's (repeatable)
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_CA_CERT")]
    pub ca_cert: Vec<String>,

    /// A file (PEM) with the certificate that shows the server who this is, and its chain
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_CLIENT_CERT")]
    pub client_cert: Option<String>,

    /// A file (PEM) with that certificate's key, if it is not in the same file
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_CLIENT_KEY")]
    pub client_key: Option<String>,

    /// Connect over a unix-domain socket, or a named pipe on Windows
    #[arg(long, value_name = "PATH", env = "MCP_FERRY_UNIX_SOCKET")]
    pub unix_socket: Option<String>,

    /// Use IPv4 alone
    #[arg(long, env = "MCP_FERRY_IPV4", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub ipv4: bool,

    /// Use IPv6 alone
    #[arg(
        long,
        env = "MCP_FERRY_IPV6",
        value_parser = OrDefault(FalseyValueParser::new(), false)
    )]
    pub ipv6: bool,

    /// Keep no cookies between requests
    #[arg(long, env = "MCP_FERRY_DISABLE_COOKIES", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub disable_cookies: bool,
}
