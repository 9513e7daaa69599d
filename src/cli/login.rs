//! How does a login go?

use std::net::IpAddr;

use super::option::options;
use super::value::one_of;
use crate::auth::AuthMode;
use crate::auth::DpopChoice;
use crate::auth::KeptIn;

options! {
    /// Who we are to an authorization server, what is asked of it, and where it sends the browser back to.
    #[allow(clippy::struct_excessive_bools)]
    pub struct Login {
        /// What to do when the server wants a login
        auth MODE: AuthMode = "auto",

        /// The client id, where the client is registered already; another id is another login
        client_id ID: Option<String>,

        /// The environment variable that holds the client secret
        client_secret_env VAR: Option<String>,

        /// The file that holds the client secret
        client_secret_file FILE: Option<String>,

        /// A registration that exists, as JSON or @FILE: client_id, client_secret, …; `${VAR}` is taken from the
        /// environment
        static_oauth_client_info JSON: Option<String>,

        /// Members for the registration of a new client, as JSON or @FILE; a scope in it is the one asked for
        static_oauth_client_metadata JSON: Option<String>,

        /// The https address of a client ID metadata document, for servers that take one in place of a registration
        client_metadata_url URL: Option<String>,

        /// The name that the consent page shows
        client_name NAME: Option<String>,

        /// The scopes to ask for, in place of those that the server names
        scope SCOPES: Option<String>,

        /// The resource to ask a token for, in place of the one that the server names; "" for none
        resource URI: Option<String>,

        /// Ask for a token without naming the resource
        disable_resource_parameter: bool,

        /// A parameter for the authorization request, NAME=VALUE (repeatable)
        authorize_param PARAM: Vec<String> => |option| option.alias("auth-param"),

        /// The only issuer to log in with, whatever the server's documents say
        issuer URL: Option<String>,

        /// Log in though the authorization server does not say that it knows PKCE
        assume_pkce: bool,

        /// Whether to tie tokens to a key of ours (DPoP)
        dpop WHEN: DpopChoice = "auto",

        /// Send the ID token in place of the access token
        use_id_token: bool,

        /// The host part of the address to which a login comes back
        host HOST: Option<String>,

        /// The port of that address, and no other
        callback_port PORT: Option<u16>,

        /// The path of that address
        callback_path PATH: Option<String>,

        /// Where to listen for it, if not on this machine's loopback addresses
        callback_bind ADDRESS: Option<IpAddr>,

        /// Where to send the browser after a login, in place of our own page
        auth_success_url URL: Option<String>,

        /// How long a login may take; never less than three minutes
        auth_timeout SECONDS: f64 = "600",

        /// Log in on another device, with a code (RFC 8628)
        device_code: bool => |option| option.visible_alias("device"),

        /// Log in as a program, with the client's own secret or key, and no person
        client_credentials: bool,

        /// Where tokens are had, with --client-credentials, in place of finding it out
        token_endpoint URL: Option<String>,

        /// A file (PEM) with the key that signs who we are, in place of a client secret (private_key_jwt)
        private_key FILE: Option<String>,

        /// The id of that key, where the authorization server wants one
        private_key_id ID: Option<String>,

        /// The file with this workload's own token, which is given for an access token
        workload_token_file FILE: Option<String>,

        /// The token endpoint of the company's identity provider, which gives the right to log in (ID-JAG)
        idp_token_endpoint URL: Option<String>,

        /// The client id at that provider
        idp_client_id ID: Option<String>,

        /// The environment variable that holds the client secret at that provider
        idp_client_secret_env VAR: Option<String>,

        /// The file with the person's ID token from that provider; read again for each login
        idp_token_file FILE: Option<String>,

        /// Where logins are kept
        token_store STORE: KeptIn = "file",

        /// A name for this login, where one server is used as several persons
        profile NAME: Option<String>,
    }
}

one_of! {
    AuthMode {
        Auto = "auto", "Answer the client at once, open a browser when it is needed, and go on when somebody has logged in";
        Wait = "wait", "Let the client wait for the login";
        Error = "error", "Tell the client at once where to log in";
        Off = "off", "Never log in";
    }
    DpopChoice {
        Auto = "auto", "Where the server wants it";
        On = "on", "Always";
        Off = "off", "Never";
    }
    KeptIn {
        File = "file", "Files under ~/.mcp-ferry/logins that only this user can read";
        Keychain = "keychain", "The system's keychain (macOS, Windows)";
    }
}
