//! How does a login go?

use std::net::IpAddr;

use clap::builder::{EnumValueParser, FalseyValueParser, RangedU64ValueParser};
use clap::{Args, ValueEnum};

use super::{OrDefault, seconds};

/// Who we are to an authorization server, what is asked of it, and where it sends the browser back to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Login")]
#[allow(clippy::struct_excessive_bools)]
pub struct Login {
    /// What to do when the server wants a login
    #[arg(
        long,
        value_name = "MODE",
        default_value = "auto",
        env = "MCP_FERRY_AUTH",
        value_parser = OrDefault(EnumValueParser::<AuthMode>::new(), AuthMode::Auto)
    )]
    pub auth: AuthMode,

    /// The client id, where the client is registered already; another id is another login
    #[arg(long, value_name = "ID", env = "MCP_FERRY_CLIENT_ID")]
    pub client_id: Option<String>,

    /// The environment variable that holds the client secret
    #[arg(long, value_name = "VAR", env = "MCP_FERRY_CLIENT_SECRET_ENV")]
    pub client_secret_env: Option<String>,

    /// The file that holds the client secret
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_CLIENT_SECRET_FILE")]
    pub client_secret_file: Option<String>,

    /// A registration that exists, as JSON or @FILE: client_id, client_secret, …; `${VAR}` is taken from the
    /// environment
    #[arg(long, value_name = "JSON", env = "MCP_FERRY_STATIC_OAUTH_CLIENT_INFO", hide_env_values = true)]
    pub static_oauth_client_info: Option<String>,

    /// Members for the registration of a new client, as JSON or @FILE; a scope in it is the one asked for
    #[arg(long, value_name = "JSON", env = "MCP_FERRY_STATIC_OAUTH_CLIENT_METADATA", hide_env_values = true)]
    pub static_oauth_client_metadata: Option<String>,

    /// The https address of a client ID metadata document, for servers that take one in place of a registration
    #[arg(long, value_name = "URL", env = "MCP_FERRY_CLIENT_METADATA_URL")]
    pub client_metadata_url: Option<String>,

    /// The name that the consent page shows
    #[arg(long, value_name = "NAME", env = "MCP_FERRY_CLIENT_NAME")]
    pub client_name: Option<String>,

    /// The scopes to ask for, in place of those that the server names
    #[arg(long, value_name = "SCOPES", env = "MCP_FERRY_SCOPE")]
    pub scope: Option<String>,

    /// The resource to ask a token for, in place of the one that the server names; "" for none
    #[arg(long, value_name = "URI", env = "MCP_FERRY_RESOURCE")]
    pub resource: Option<String>,

    /// Ask for a token without naming the resource
    #[arg(
        long,
        env = "MCP_FERRY_DISABLE_RESOURCE_PARAMETER",
        value_parser = OrDefault(FalseyValueParser::new(), false)
    )]
    pub disable_resource_parameter: bool,

    /// A parameter for the authorization request, NAME=VALUE (repeatable)
    #[arg(long, alias = "auth-param", value_name = "PARAM", env = "MCP_FERRY_AUTHORIZE_PARAM")]
    pub authorize_param: Vec<String>,

    /// The only issuer to log in with, whatever the server's documents say
    #[arg(long, value_name = "URL", env = "MCP_FERRY_ISSUER")]
    pub issuer: Option<String>,

    /// Log in though the authorization server does not say that it knows PKCE
    #[arg(long, env = "MCP_FERRY_ASSUME_PKCE", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub assume_pkce: bool,

    /// Whether to tie tokens to a key of ours (DPoP)
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        env = "MCP_FERRY_DPOP",
        value_parser = OrDefault(EnumValueParser::<Dpop>::new(), Dpop::Auto)
    )]
    pub dpop: Dpop,

    /// Send the ID token in place of the access token
    #[arg(long, env = "MCP_FERRY_USE_ID_TOKEN", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub use_id_token: bool,

    /// The host part of the address to which a login comes back
    #[arg(long, value_name = "HOST", env = "MCP_FERRY_HOST")]
    pub host: Option<String>,

    /// The port of that address, and no other
    #[arg(
        long,
        value_name = "PORT",
        env = "MCP_FERRY_CALLBACK_PORT",
        value_parser = OrDefault(RangedU64ValueParser::<u16>::new(), 0)
    )]
    pub callback_port: Option<u16>,

    /// The path of that address
    #[arg(long, value_name = "PATH", env = "MCP_FERRY_CALLBACK_PATH")]
    pub callback_path: Option<String>,

    /// Where to listen for it, if not on this machine's loopback addresses
    #[arg(long, value_name = "ADDRESS", env = "MCP_FERRY_CALLBACK_BIND")]
    pub callback_bind: Option<IpAddr>,

    /// Where to send the browser after a login, in place of our own page
    #[arg(long, value_name = "URL", env = "MCP_FERRY_AUTH_SUCCESS_URL")]
    pub auth_success_url: Option<String>,

    /// How long a login may take; never less than three minutes
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "600",
        env = "MCP_FERRY_AUTH_TIMEOUT",
        value_parser = OrDefault(seconds, 600.0)
    )]
    pub auth_timeout: f64,

    /// Log in on another device, with a code (RFC 8628)
    #[arg(
        long,
        visible_alias = "device",
        env = "MCP_FERRY_DEVICE_CODE",
        value_parser = OrDefault(FalseyValueParser::new(), false)
    )]
    pub device_code: bool,

    /// Log in as a program, with the client's own secret or key, and no person
    #[arg(long, env = "MCP_FERRY_CLIENT_CREDENTIALS", value_parser = OrDefault(FalseyValueParser::new(), false))]
    pub client_credentials: bool,

    /// Where tokens are had, with --client-credentials, in place of finding it out
    #[arg(long, value_name = "URL", env = "MCP_FERRY_TOKEN_ENDPOINT")]
    pub token_endpoint: Option<String>,

    /// A file (PEM) with the key that signs who we are, in place of a client secret (private_key_jwt)
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_PRIVATE_KEY")]
    pub private_key: Option<String>,

    /// The id of that key, where the authorization server wants one
    #[arg(long, value_name = "ID", env = "MCP_FERRY_PRIVATE_KEY_ID")]
    pub private_key_id: Option<String>,

    /// The file with this workload's own token, which is given for an access token
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_WORKLOAD_TOKEN_FILE")]
    pub workload_token_file: Option<String>,

    /// The token endpoint of the company's identity provider, which gives the right to log in (ID-JAG)
    #[arg(long, value_name = "URL", env = "MCP_FERRY_IDP_TOKEN_ENDPOINT")]
    pub idp_token_endpoint: Option<String>,

    /// The client id at that provider
    #[arg(long, value_name = "ID", env = "MCP_FERRY_IDP_CLIENT_ID")]
    pub idp_client_id: Option<String>,

    /// The environment variable that holds the client secret at that provider
    #[arg(long, value_name = "VAR", env = "MCP_FERRY_IDP_CLIENT_SECRET_ENV")]
    pub idp_client_secret_env: Option<String>,

    /// The file with the person's ID token from that provider; read again for each login
    #[arg(long, value_name = "FILE", env = "MCP_FERRY_IDP_TOKEN_FILE")]
    pub idp_token_file: Option<String>,

    /// Where logins are kept
    #[arg(
        long,
        value_name = "STORE",
        default_value = "file",
        env = "MCP_FERRY_TOKEN_STORE",
        value_parser = OrDefault(EnumValueParser::<TokenStore>::new(), TokenStore::File)
    )]
    pub token_store: TokenStore,

    /// A name for this login, where one server is used as several persons
    #[arg(long, value_name = "NAME", env = "MCP_FERRY_PROFILE")]
    pub profile: Option<String>,
}

/// The modes of `--auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// Answer the client at once, open a browser when it is needed, and go on when somebody has logged in
    Auto,
    /// Let the client wait for the login
    Wait,
    /// Tell the client at once where to log in
    Error,
    /// Never log in
    Off,
}

/// The modes of `--dpop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dpop {
    /// Where the server wants it
    Auto,
    /// Always
    On,
    /// Never
    Off,
}

/// The stores of `--token-store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TokenStore {
    /// Files under ~/.mcp-ferry/logins that only this user can read
    File,
    /// The system's keychain (macOS, Windows)
    Keychain,
}
