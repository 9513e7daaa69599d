//! What does an error of the token endpoint mean for the tokens that we have?

use std::time::Duration;

use crate::auth::crypto::CryptoError;
use crate::auth::fetch::FetchError;
use crate::auth::metadata::rejects_resource;
use crate::log::foreign;

/// Why there are no tokens. The methods say what happened to the grant or the refresh token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    #[error("{0}")]
    ErrorResponse(ErrorResponse),
    /// The server failed, is overloaded or cannot be reached; it did not use the grant.
    #[error("{cause}")]
    Temporary { cause: String, retry_after: Option<Duration> },
    /// The request was sent, but no response came: the server may have used the grant.
    #[error("{0}")]
    NoResponse(String),
    /// The response is not JSON or has no token.
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    Address(FetchError),
    #[error("the authorization server's metadata have no token endpoint")]
    NoEndpoint,
    #[error("the authorization server {0} does not support logins on other devices")]
    NoDeviceEndpoint(String),
    /// A JWT that somebody else issued for another authorization server. It was not sent.
    #[error(
        "the token for this login is for {audience}, not for the authorization server {issuer}, so it is not sent there"
    )]
    OtherAudience { audience: String, issuer: String },
    #[error("there is no refresh token")]
    NoRefreshToken,
    #[error(transparent)]
    Key(#[from] CryptoError),
}

/// An error response of RFC 6749 section 5.2, or a server's own form of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    /// Scheme and host.
    pub host: String,
    /// The HTTP status; some servers send errors with 200.
    pub status: u16,
    /// `invalid_grant`, …; empty if the response has no such code.
    pub error: String,
    pub description: Option<String>,
}

impl std::fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = match (&self.description, self.error.as_str()) {
            (Some(description), "") => description.clone(),
            (Some(description), error) => foreign(&format!("{error} ({description})")),
            (None, "") => format!("status {}", self.status),
            (None, error) => error.to_owned(),
        };
        write!(f, "the authorization server at {} refused: {why}", self.host)
    }
}

/// `invalid_grant`, and what servers send in place of it.
const INVALID_GRANT: [&str; 6] =
    ["invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked", "expired_token", "token_expired"];

/// Errors that mean that a person must log in again (OIDC Core section 3.1.2.6).
const NEEDS_PERSON: [&str; 4] = ["access_denied", "interaction_required", "consent_required", "login_required"];

/// Other errors of a token endpoint (RFC 6749 section 5.2, RFC 8707, RFC 9449). Web frameworks send words of their own.
const OAUTH_ERRORS: [&str; 8] = [
    "invalid_request",
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "invalid_dpop_proof",
    "use_dpop_nonce",
];

impl ErrorResponse {
    /// Whether the status is one of RFC 6749: the code of a server error or of a proxy's page is not believed.
    fn has_oauth_status(&self) -> bool {
        matches!(self.status, 200 | 400 | 401)
    }

    fn has_oauth_error(&self) -> bool {
        let error = self.error.as_str();
        OAUTH_ERRORS.contains(&error) || INVALID_GRANT.contains(&error) || NEEDS_PERSON.contains(&error)
    }

    pub(super) fn rejects_resource(&self) -> bool {
        self.description.as_deref().is_some_and(rejects_resource)
    }

    pub(super) fn is_about_scope(&self) -> bool {
        let named = self.description.as_deref().is_some_and(|text| text.contains("AADSTS90009"));
        self.error == "invalid_scope" || named
    }
}

impl TokenError {
    fn error_response(&self) -> Option<&ErrorResponse> {
        match self {
            Self::ErrorResponse(response) => Some(response),
            _ => None,
        }
    }

    /// Whether the refresh token or the code is no longer valid.
    pub fn is_invalid_grant(&self) -> bool {
        self.error_response().is_some_and(|response| {
            let error = response.error.as_str();
            let needs_person = NEEDS_PERSON.contains(&error) && (response.has_oauth_status() || response.status == 403);
            needs_person || response.has_oauth_status() && INVALID_GRANT.contains(&error)
        })
    }

    /// Whether the token endpoint refused the request without an error of OAuth: nothing says what was refused.
    pub fn is_unexplained(&self) -> bool {
        let is_refusal = |response: &ErrorResponse| matches!(response.status, 400 | 401) && !response.has_oauth_error();
        self.error_response().is_some_and(is_refusal) && !self.client_is_unknown() && !self.is_invalid_grant()
    }

    /// Whether the server no longer knows the client: the caller drops the registration and its tokens, registers and
    /// logs in, but does so only once.
    pub fn client_is_unknown(&self) -> bool {
        let unknown = |response: &ErrorResponse| match response.error.as_str() {
            "invalid_client" | "unauthorized_client" => response.has_oauth_status(),
            _ => response.description.as_deref().is_some_and(|text| text.starts_with("Unrecognized client_id")),
        };
        self.error_response().is_some_and(unknown)
    }

    /// Whether the grant is unused and the server may work later: the caller keeps everything and opens no browser.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Temporary { .. } | Self::Malformed(_) => true,
            // An error without a code does not come from OAuth, but from a proxy or a firewall.
            Self::ErrorResponse(response) => response.error.is_empty() && !self.client_is_unknown(),
            _ => false,
        }
    }

    /// Whether the server may have used the grant: the caller sends the same refresh token again at once, because it
    /// may still be valid.
    pub fn has_unknown_outcome(&self) -> bool {
        matches!(self, Self::NoResponse(_))
    }

    /// The authorization server's `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Temporary { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::ErrorResponse(response) => match response.error.as_str() {
                "invalid_client" | "unauthorized_client" => {
                    "check --client-id and its secret; without --client-id, log out and log in again to register a new client"
                }
                "invalid_scope" => "set the scope with --scope",
                "invalid_target" => "set the authorization server's name for the MCP server with --resource",
                _ => "log in again",
            },
            Self::Temporary { .. } | Self::NoResponse(_) | Self::Malformed(_) => "the request is sent again",
            Self::Address(error) => error.hint(),
            Self::NoEndpoint => "only the server's operator can fix this",
            Self::NoDeviceEndpoint(_) => {
                "log in without --device-code; with --no-browser you can paste the address from a browser elsewhere"
            }
            Self::OtherAudience { .. } => {
                "have the token issued for this authorization server, or name the right one with --issuer URL"
            }
            Self::NoRefreshToken => "log in again",
            Self::Key(_) => "set a private key in PEM form with --private-key",
        }
    }
}

impl From<FetchError> for TokenError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::UrlNotAllowed(_) | FetchError::Barred { .. } | FetchError::TooMany => Self::Address(error),
            FetchError::Unreachable(cause) => Self::Temporary { cause, retry_after: None },
            FetchError::NoResponse(cause) => Self::NoResponse(cause),
        }
    }
}
