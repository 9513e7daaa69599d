//! Why is there no authorization server that may be used?

use crate::auth::fetch::FetchError;
use crate::log::{foreign_name, shell_word};

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
        /// The issuer that the user or the MCP server names; empty if the user typed the address of the metadata.
        expected: String,
    },
    /// The user's own credentials must not go to this authorization server.
    #[error("the credentials for this server belong to the issuer {bound:?}, but the server now names {found:?}")]
    OtherThanBound { bound: String, found: String },
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
    pub(super) fn other_issuer(place: String, found: &str, expected: &str) -> Self {
        Self::OtherIssuer { place, found: foreign_name(found), expected: foreign_name(expected) }
    }

    pub(in crate::auth) fn bound(bound: &str, found: &str) -> Self {
        Self::OtherThanBound { bound: foreign_name(bound), found: foreign_name(found) }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::OtherResource { resource, .. } if !resource.ends_with('…') => {
                format!("if this is the right name for the server, use --resource {}", shell_word(resource))
            }
            Self::OtherResource { .. } => "only the server's operator can fix this".to_owned(),
            Self::OtherIssuer { .. } | Self::NoMetadata { .. } => {
                "only the server's operator can fix this; if you know better, name the right issuer with --issuer URL, \
                 or the address of its metadata with --metadata-url URL"
                    .to_owned()
            }
            Self::OtherThanBound { .. } => {
                "if you know that the new issuer is right, name it with --issuer URL, or run `mcp-ferry logout` with the \
                 same options and log in again"
                    .to_owned()
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
