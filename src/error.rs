//! How can a run end badly? The failure of a single request is [`crate::upstream::Failure`].

use std::process::ExitCode;

use crate::net::NetworkError;

/// An error that ends the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Arguments that are not valid, alone or together.
    #[error("{0}")]
    Usage(String),
    /// A file that cannot be read: its path as it was typed, and the system's error.
    #[error("cannot read {0}: {1}")]
    File(String, String),
    /// A configuration file that is not valid: its path, and the line or the key at fault with the reason.
    #[error("{0} cannot be used: {1}")]
    Configuration(String, String),
    /// Network settings that cannot be used.
    #[error(transparent)]
    Network(NetworkError),
    /// A login or a logout that failed.
    #[error("{cause}")]
    Login {
        /// What happened.
        cause: String,
        /// What to do about it.
        hint: String,
    },
    /// An error of the operating system.
    #[error("{0}")]
    System(String),
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> &str {
        match self {
            Self::Usage(_) => "run `mcp-ferry --help` for the arguments and options",
            Self::File(..) => "check that the file exists and that this user may read it",
            Self::Configuration(..) => "correct the file, or move it away; `mcp-ferry --help` lists its options",
            Self::Network(error) => error.hint(),
            Self::Login { hint, .. } => hint,
            Self::System(_) => "try again; if the error stays, the machine lacks memory, threads or file descriptors",
        }
    }

    /// The status this process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::File(..) | Self::Configuration(..) | Self::Network(_) => Exit::Usage,
            Self::Login { .. } | Self::System(_) => Exit::Failure,
        }
    }
}

/// The exit statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The client closed stdin or stdout, or a signal ended the program.
    Orderly = 0,
    /// The program could not run, or could not keep a login.
    Failure = 1,
    /// The arguments, or a file that they name, are not valid.
    Usage = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
