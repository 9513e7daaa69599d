//! Why does a request get no credential?

/// No bearer token. The texts hold nothing of the token.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file of `--bearer-token-file`.
    #[error("no bearer token: cannot read {path}: {cause}")]
    File {
        /// As the user typed it.
        path: String,
        /// The system's error.
        cause: String,
    },
    /// The program of `--token-command`.
    #[error("no bearer token: {program} of --token-command {cause}")]
    Command {
        /// The program without its arguments, which may be secret.
        program: String,
        /// What happened to the program: a verb with its object.
        cause: String,
    },
    /// The source of the token returned something else.
    #[error("no bearer token: the text from {0} is empty or cannot stand in a header")]
    NoToken(String),
    /// No token for now; the login is kept.
    #[error("{0}")]
    Temporary(String),
    /// No token, and no login by a person would help.
    #[error("{0}")]
    NoLogin(String),
}
