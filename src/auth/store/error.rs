//! Why can a login not be kept, or not be reached?

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::files::Newer;

/// The store, its locks or the system's keychain failed. Nothing secret is in the text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A file of the store.
    #[error("the login cannot be kept in {}: {cause}", .path.display())]
    Write { path: PathBuf, cause: String, kind: ErrorKind },
    /// A file or folder of the store that must not be used, or that the system does not give us.
    #[error("{} cannot be used: {cause}", .path.display())]
    Read { path: PathBuf, cause: String },
    /// A newer version of this program has written the file, and may have kept more in it than this one understands.
    #[error("the login in {} {Newer}", .0.display())]
    Newer(PathBuf),
    /// Another process holds the lock for too long.
    #[error("another mcp-ferry process has held the lock of this login for {0} seconds")]
    Busy(u64),
    /// The program ends while another process holds the lock.
    #[error("the program ends; it was waiting for another mcp-ferry process, which holds the lock of this login")]
    Ending,
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
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                    "make room on that disk, or for larger files; the login is kept then"
                }
                ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                    "a file stands where a folder is needed; move it, or set MCP_FERRY_HOME to another folder"
                }
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    "let this user write there, or set MCP_FERRY_HOME to a folder where it may"
                }
                _ => "check that folder, or set MCP_FERRY_HOME to another one",
            },
            Self::Read { .. } => "mend that file or folder, or set MCP_FERRY_HOME to a folder that only you can change",
            Self::Newer(_) => {
                "update mcp-ferry here too, `mcp-ferry status` names the command; `mcp-ferry logout --all` removes the \
                 file, and its login with it"
            }
            Self::Ending => "start it again",
            Self::Busy(_) => "try again; if it stays so, end the other mcp-ferry processes",
            Self::KeptElsewhere { .. } => "give --token-store that place, or log out there first",
            Self::Keychain(_) => {
                "unlock the keychain and allow mcp-ferry in it (on Linux `mcp-ferry login` asks for that), or use \
                 --token-store file, which keeps logins in files that only you can read"
            }
            Self::CutOff => "try again, and report it",
        }
    }
}
