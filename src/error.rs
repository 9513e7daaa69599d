//! How can a run end badly? What ends one request is [`crate::upstream::Failure`].

use std::process::ExitCode;

use crate::net::NetworkError;

/// Why the program does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Arguments that make no sense together or alone.
    #[error("{0}")]
    Usage(String),
    /// A file that an option names.
    #[error("cannot read {path}: {cause}")]
    File {
        /// As it was typed.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// The configuration file.
    #[error("{path} cannot be used: {cause}")]
    Configuration {
        /// Where it is.
        path: String,
        /// The line or the key at fault, and why.
        cause: String,
    },
    /// A choice about the network that cannot be had.
    #[error(transparent)]
    Network(NetworkError),
    /// A login, or the end of one, that came to nothing.
    #[error("{cause}")]
    Login {
        /// What happened.
        cause: String,
        /// What to do about it.
        hint: String,
    },
    /// What the program stands on does not work.
    #[error("{0}")]
    System(String),
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> &str {
        match self {
            Self::Usage(_) => "run `mcp-ferry --help` for what can be given",
            Self::File { .. } => "check that the file exists and that this user may read it",
            Self::Configuration { .. } => "mend the file, or move it away; its options are those of `mcp-ferry --help`",
            Self::Network(error) => error.hint(),
            Self::Login { hint, .. } => hint,
            Self::System(_) => "try again; if it stays so, the machine lacks memory, threads or file descriptors",
        }
    }

    /// The status this process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::File { .. } | Self::Configuration { .. } | Self::Network(_) => Exit::Usage,
            Self::Login { .. } | Self::System(_) => Exit::Failure,
        }
    }
}

/// The exit statuses, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The client closed stdin or stdout, or a signal asked for the end.
    Orderly = 0,
    /// The program could not run.
    Failure = 1,
    /// The arguments, or a file they name, are wrong.
    Usage = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
