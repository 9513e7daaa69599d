//! Why is there no authorization server that may be used?

use crate::auth::fetch::FetchError;
use crate::log::shell_word;

/// Why discovery failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DiscoveryError {
    #[error("the metadata at {place} are for the resource {resource:?}, which is not {server:?}")]
    OtherResource { place: String, resource: String, server: String },
    #[error("the metadata at {place} name the issuer {found:?}, but were requested for the issuer {expected:?}")]
    OtherIssuer {
        place: String,
        /// The issuer that they name; empty if they name none.
        found: String,
        expected: String,
    },
    #[error("the authorization server {issuer} has no metadata{detail}")]
    NoMetadata {
        issuer: String,
        /// The response in place of metadata; empty or `: …`.
        detail: String,
    },
    /// A server failed or did not answer; it may work later.
    #[error("{0}")]
    Temporary(String),
    #[error(transparent)]
    Fetch(FetchError),
}

impl DiscoveryError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::OtherResource { resource, .. } if !resource.ends_with('…') => {
                format!("if this is the right name for the server, use --resource {}", shell_word(resource))
            }
            Self::OtherResource { .. } => "only the server's operator can fix this".to_owned(),
            Self::OtherIssuer { found, .. } if !found.is_empty() && !found.ends_with('…') => {
                format!("if you know that this is the right issuer, use --issuer {}", shell_word(found))
            }
            Self::OtherIssuer { .. } | Self::NoMetadata { .. } => {
                "only the server's operator can fix this; --issuer names another authorization server".to_owned()
            }
            Self::Temporary(_) => "the next request tries it again".to_owned(),
            Self::Fetch(error) => error.hint().to_owned(),
        }
    }

    /// Whether discovery may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(_))
    }
}
