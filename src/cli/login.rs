//! How does a login go?

use std::net::IpAddr;
use std::path::PathBuf;

use super::option::{one_of, options};
use crate::auth::{AuthMode, DpopChoice, KeptIn};

options! {
    /// The client's registration, the tokens to request, and where the browser returns to.
    #[allow(clippy::struct_excessive_bools)]
    pub struct Login {
        /// What to do when the server requires a login
        auth MODE: AuthMode = "auto",

        /// The client id, if the client is registered already; each client id has logins of its own
        client_id ID: Option<String>,

        /// The environment variable that holds the client secret
        client_secret_env VAR: Option<String>,

        /// The file that holds the client secret
        client_secret_file FILE: Option<PathBuf>,

        /// An existing client registration, as JSON or @FILE: client_id, client_secret, …; `${VAR}` stands for an
        /// environment variable
        static_oauth_client_info JSON: Option<String>,

        /// Metadata for the registration of a new client, as JSON or @FILE; its scope, if it has one, is requested
        static_oauth_client_metadata JSON: Option<String>,

        /// The https URL of a client ID metadata document, for servers that accept one instead of a registration
        /// (default: that of the release, if it has one; "off": none)
        client_metadata_url URL: Option<String>,

        /// The client's name on the consent page
        client_name NAME: Option<String>,

        /// The scopes to request, instead of those that the server names
        scope SCOPES: Option<String>,

        /// The resource to request a token for, instead of the one that the server names; "" sends no resource
        resource URI: Option<String>,

        /// Request tokens without naming a resource
        disable_resource_parameter: bool,

        /// A parameter for the authorization request, NAME=VALUE (repeatable)
        authorize_param PARAM: Vec<String> => alias = "auth-param",

        /// The only issuer to log in with, whatever the server names
        issuer URL: Option<String>,

        /// The address of the authorization server's metadata, if it is not one that the issuer's name leads to
        metadata_url URL: Option<String>,

        /// Log in even if the authorization server's metadata do not say that it supports PKCE
        assume_pkce: bool,

        /// Whether to bind tokens to a key of the bridge (DPoP)
        dpop WHEN: DpopChoice = "auto",

        /// Send the ID token instead of the access token
        use_id_token: bool,

        /// The host in the redirect URI, to which the browser returns after a login
        host HOST: Option<String>,

        /// The port of the redirect URI; a login fails if this port is taken
        callback_port PORT: Option<u16>,

        /// The path of the redirect URI
        callback_path PATH: Option<String>,

        /// An address to listen on for the redirect, besides this machine's loopback addresses
        callback_bind ADDRESS: Option<IpAddr>,

        /// The page that the browser shows after a login, instead of the bridge's own
        auth_success_url URL: Option<String>,

        /// How long a login may take; at least 180 seconds are given
        auth_timeout SECONDS: f64 = "600",

        /// Log in on another device, with a code (RFC 8628)
        device_code: bool => visible_alias = "device",

        /// Log in as a program, with the client's own secret or key, without a person
        client_credentials: bool,

        /// The token endpoint for logins without a person, such as --client-credentials, instead of the discovered one
        token_endpoint URL: Option<String>,

        /// A file (PEM) with the key that authenticates the client, instead of a client secret (private_key_jwt)
        private_key FILE: Option<PathBuf>,

        /// The key id (kid) of --private-key, if the authorization server requires one
        private_key_id ID: Option<String>,

        /// The file with the workload's own token, to be exchanged for an access token
        workload_token_file FILE: Option<PathBuf>,

        /// The token endpoint of the company's identity provider, which authorizes the login (ID-JAG)
        idp_token_endpoint URL: Option<String>,

        /// The client id at the identity provider
        idp_client_id ID: Option<String>,

        /// The environment variable that holds the client secret for the identity provider
        idp_client_secret_env VAR: Option<String>,

        /// The file with the person's ID token from the identity provider; read again for each login
        idp_token_file FILE: Option<PathBuf>,

        /// Where logins are stored
        token_store STORE: KeptIn = "file",

        /// A name for this login, if several persons or accounts use one server
        profile NAME: Option<String>,
    }
}

one_of! {
    AuthMode {
        Auto = "auto", "Answer the client at once, open a browser when a request needs the login, and go on after the login";
        Wait = "wait", "Let the client wait until the login is done";
        Error = "error", "Answer the client at once with the address to log in at";
        Off = "off", "Never log in";
    }
    DpopChoice {
        Auto = "auto", "If the server requires it";
        On = "on", "If the authorization server supports it";
        Off = "off", "Never";
    }
    KeptIn {
        File = "file", "Files under ~/.mcp-ferry/logins that only this user can read";
        Keychain = "keychain", "The system's keychain; on Linux the Secret Service (GNOME Keyring, KWallet, KeePassXC)";
    }
}
