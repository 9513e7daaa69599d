//! Which headers and tokens does the user have for the server?

use super::option::options;

options! {
    /// Headers and tokens that the user has.
    pub struct Credentials {
        /// A header for the server, `Name: value`; `${VAR}` stands for an environment variable (repeatable)
        header HEADER: Vec<String>,

        /// A file of headers, one `Name: value` a line; a line that begins with `#` is a comment (repeatable)
        header_file FILE: Vec<String>,

        /// The environment variable that holds the bearer token
        bearer_token_env VAR: Option<String>,

        /// The file that holds the bearer token; read again when the server rejects the token
        bearer_token_file FILE: Option<String>,

        /// A command that prints the bearer token; run without a shell, and again when the server rejects the token
        token_command CMD: Option<String>,
    }
}
