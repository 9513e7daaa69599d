//! How can a run end badly? The failure of a single request is [`crate::upstream::Failure`].

use std::process::ExitCode;

use crate::net::NetworkError;

/// An error that ends the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Arguments that are not valid, alone or together.
    #[error("{0}")]
    Usage(String),
    /// Arguments that the server or this machine does not take.
    #[error("{cause}")]
    Arguments {
        /// What is wrong with them.
        cause: String,
        /// How to find out what it takes.
        hint: String,
    },
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
    /// A request that a command has sent, and that failed.
    #[error("{cause}")]
    Request {
        /// What happened.
        cause: String,
        /// What to do about it; may be empty.
        hint: String,
    },
    /// The server wants a login, and the command may not begin one.
    #[error("{cause}")]
    LoginNeeded {
        /// What is missing.
        cause: String,
        /// How to log in.
        hint: String,
    },
    /// Configuration files of clients that were not changed as the user wanted.
    #[error("{cause}")]
    Install {
        /// What was not done.
        cause: String,
        /// What to do about it; may be empty.
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
            Self::Arguments { hint, .. }
            | Self::Login { hint, .. }
            | Self::Request { hint, .. }
            | Self::LoginNeeded { hint, .. }
            | Self::Install { hint, .. } => hint,
            Self::System(_) => "try again; if the error stays, the machine lacks memory, threads or file descriptors",
        }
    }

    /// The status this process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Arguments { .. } | Self::File(..) | Self::Configuration(..) | Self::Network(_) => {
                Exit::Usage
            }
            Self::Login { .. } | Self::Request { .. } | Self::Install { .. } | Self::System(_) => Exit::Failure,
            Self::LoginNeeded { .. } => Exit::LoginNeeded,
        }
    }
}

/// The exit statuses, the same for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// A command has done its work. For the bridge: the client closed stdin or stdout, or a signal ended the program.
    Orderly = 0,
    /// The program could not run, could not reach the server, or could not keep a login.
    Failure = 1,
    /// The arguments, or a file that they name, are not valid.
    Usage = 2,
    /// The tool that was called says that it failed.
    ToolError = 3,
    /// The server wants a login.
    LoginNeeded = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
