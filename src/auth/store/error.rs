//! Why can a login not be kept, or not be reached?

use std::io::ErrorKind;
use std::path::PathBuf;

/// The store, its locks or the system's keychain failed. Nothing secret is in the text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A file of the store.
    #[error("the login cannot be kept in {}: {cause}", .path.display())]
    Write { path: PathBuf, cause: String, kind: ErrorKind },
    /// Another process holds the lock for too long.
    #[error("another mcp-ferry has been busy with this login for {0} seconds")]
    Busy(u64),
    /// The login is kept in another place than `--token-store` names.
    #[error("this login is kept in the {there}, and --token-store says {here}")]
    KeptElsewhere { there: &'static str, here: &'static str },
    /// The system's keychain.
    #[error("the keychain cannot be used: {0}")]
    Keychain(String),
    /// A bug ended the work on the login; the login's file is unchanged.
    #[error("the work on the login was cut off")]
    CutOff,
}

impl StoreError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Write { kind, .. } => match kind {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on that disk; the login is kept then",
                ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                    "a file stands where a folder is needed; move it, or set MCP_FERRY_HOME to another folder"
                }
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    "let this user write there, or set MCP_FERRY_HOME to a folder where it may"
                }
                _ => "check that folder, or set MCP_FERRY_HOME to another one",
            },
            Self::Busy(_) => "try again; if it stays so, end the other mcp-ferry processes",
            Self::KeptElsewhere { .. } => "give --token-store that place, or log out there first",
            Self::Keychain(_) => "unlock the keychain and allow mcp-ferry in it, or log out and use --token-store file",
            Self::CutOff => "try again, and report it",
        }
    }
}
