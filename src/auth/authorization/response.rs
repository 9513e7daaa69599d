//! Does an authorization response belong to our login, and does it bring a code?

use super::request::AuthorizationRequest;
use crate::auth::callback::Redirect;
use crate::auth::metadata::{Metadata, rejects_resource};
use crate::auth::record::Origin;
use crate::auth::scope::{ScopeAttempt, is_registered_too_narrowly};
use crate::log::{Secret, foreign, foreign_name};

/// An authorization response without a code that may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationResponseError {
    /// The `state` is ours, but `iss` is not our authorization server (RFC 9207). No other parameter is used or shown.
    #[error("the response does not come from the authorization server {expected:?}{}", found_issuer(.found.as_deref()))]
    WrongIssuer { expected: String, found: Option<String> },
    #[error("the authorization server refused the login: {}", error_and_description(.error, .description.as_deref()))]
    Refused {
        /// RFC 6749 section 4.1.2.1.
        error: String,
        description: Option<String>,
        retry: Option<Retry>,
    },
}

impl AuthorizationResponseError {
    pub fn retry(&self) -> Option<Retry> {
        match self {
            Self::Refused { retry, .. } => *retry,
            Self::WrongIssuer { .. } => None,
        }
    }
}

/// What to change in one more login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Request another scope.
    Scope(ScopeAttempt),
    /// Send `other_resource` of the issuer as the resource.
    OtherResource,
    /// Send no resource: Entra refuses the parameter.
    NoResource,
    /// Push the request (RFC 9126).
    Push,
    /// Register again, and dynamically if a client ID metadata document was used.
    Register,
}

fn found_issuer(found: Option<&str>) -> String {
    found.map_or_else(|| ": it has no iss".to_owned(), |found| format!(" but from {found:?}"))
}

fn error_and_description(error: &str, description: Option<&str>) -> String {
    description.map_or_else(|| error.to_owned(), |text| foreign(&format!("{error} ({text})")))
}

/// The authorization code of a redirect, which is good for one token request. `iss` is checked before an error is read.
pub(in crate::auth) fn code(
    request: &AuthorizationRequest,
    redirect: &Redirect,
) -> Result<Secret, AuthorizationResponseError> {
    let expected = &request.issuer.issuer;
    match (redirect.first("iss"), redirect.get("iss")) {
        // Compared byte for byte: issuers that only look alike are different issuers.
        (_, Some(iss)) if iss == expected => {}
        (None, _) if !Metadata::of(&request.issuer).flag("authorization_response_iss_parameter_supported") => {}
        (found, _) => {
            let found = found.map(foreign_name);
            return Err(AuthorizationResponseError::WrongIssuer { expected: foreign_name(expected), found });
        }
    }
    // Some servers send an empty error beside a code.
    let Some(error) = redirect.first_filled("error") else {
        // A redirect without an error has a code.
        return Ok(Secret::new(redirect.get("code").unwrap_or_default()));
    };
    let description = redirect.first_filled("error_description");
    Err(AuthorizationResponseError::Refused {
        retry: retry(request, error, description.unwrap_or_default()),
        error: foreign(error),
        description: description.map(foreign),
    })
}

/// What to change after this error. Each change leads to a request that was not sent before, so that retries end; the
/// caller limits them too.
pub(in crate::auth) fn retry(request: &AuthorizationRequest, error: &str, description: &str) -> Option<Retry> {
    let metadata = Metadata::of(&request.issuer);
    let resource = request.issuer.resource.is_some();
    if resource && rejects_resource(description) {
        return Some(Retry::NoResource);
    }
    if !request.must_push && error == "invalid_request" && asks_for_push(description) {
        return metadata.text("pushed_authorization_request_endpoint").map(|_| Retry::Push);
    }
    match error {
        "invalid_scope" => match &request.scope {
            None if metadata.scopes_supported().is_empty() => None,
            None => Some(Retry::Scope(ScopeAttempt::IssuerScopes)),
            // Some servers let a client request only the scope that it was registered with.
            Some(scope) if is_registered_too_narrowly(&request.client, scope) => Some(Retry::Register),
            Some(scope) => request.attempt.after_invalid_scope(scope).map(Retry::Scope),
        },
        "invalid_target" if resource && request.issuer.other_resource.is_some() => Some(Retry::OtherResource),
        "invalid_client" | "unauthorized_client" if request.client.origin != Origin::Given => Some(Retry::Register),
        "invalid_request" if request.client.origin == Origin::MetadataDocument => Some(Retry::Register),
        _ => None,
    }
}

/// Whether an error description says that the request must be pushed: the metadata may not.
fn asks_for_push(description: &str) -> bool {
    let description = description.to_ascii_lowercase();
    description.contains("pushed authorization request") || description.contains("request_uri")
}
