//! Why does a request get no credential?

/// No bearer token. The texts hold nothing of the token.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The source of the token has none. The text has its fault.
    #[error("no bearer token: {0}")]
    NoToken(String),
    /// No token for now; the login is kept.
    #[error("{0}")]
    Temporary(String),
    /// No token, and no login by a person would help.
    #[error("{0}")]
    NoLogin(String),
}
