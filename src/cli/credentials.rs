//! What does the server get to see of the user?

use super::option::options;

options! {
    /// Headers and tokens that the user has.
    pub struct Credentials {
        /// A header for the server, `Name: value`; `${VAR}` is taken from the environment (repeatable)
        header HEADER: Vec<String>,

        /// A file of headers, one `Name: value` a line, `#` for comments (repeatable)
        header_file FILE: Vec<String>,

        /// The environment variable that holds the bearer token
        bearer_token_env VAR: Option<String>,

        /// The file that holds the bearer token; read again when the server refuses it
        bearer_token_file FILE: Option<String>,

        /// A command that prints the bearer token (no shell); run again when the server refuses it
        token_command CMD: Option<String>,
    }
}
