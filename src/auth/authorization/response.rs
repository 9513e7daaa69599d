//! Does an authorization response belong to our login, and does it bring a code?

use url::form_urlencoded;

use super::request::PendingAuthorization;
use crate::auth::crypto::is_equal;
use crate::auth::metadata::{Metadata, rejects_resource};
use crate::auth::record::{Client, Origin};
use crate::auth::scope::{ScopeAttempt, covers};
use crate::log::{Secret, redact};

/// An authorization code: good for one token request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::auth) struct AuthorizationCode(pub(in crate::auth) Secret);

/// An authorization response without a code that may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationResponseError {
    /// Its `state` is missing or another one. It is ignored, and the login goes on.
    #[error("this response does not belong to the login that is waiting")]
    WrongState,
    /// The `state` is ours, but `iss` is not our authorization server (RFC 9207). No other parameter is used or shown.
    #[error("the response does not come from the authorization server {expected:?}{}", found_issuer(.found.as_deref()))]
    WrongIssuer {
        /// The issuer that the person was sent to.
        expected: String,
        /// The `iss` of the response, if there is one.
        found: Option<String>,
    },
    #[error("the authorization server refused the login: {error}{}", in_brackets(.description.as_deref()))]
    Refused {
        /// RFC 6749 section 4.1.2.1.
        error: String,
        description: Option<String>,
        /// How one more login may succeed.
        retry: Option<Retry>,
    },
    /// Neither code nor error, or several.
    #[error("the response has no authorization code")]
    NoCode,
}

impl AuthorizationResponseError {
    /// How one more login may succeed.
    pub fn retry(&self) -> Option<Retry> {
        match self {
            Self::Refused { retry, .. } => *retry,
            _ => None,
        }
    }
}

/// What to change in one more login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Request another scope.
    Scope(ScopeAttempt),
    /// Send [`crate::auth::Issuer::other_resource`] as the resource.
    OtherResource,
    /// Send no resource: Entra refuses the parameter.
    NoResource,
    /// Register again, and dynamically if a client ID metadata document was used.
    Register,
}

fn found_issuer(found: Option<&str>) -> String {
    found.map_or_else(|| ": it has no iss".to_owned(), |found| format!(" but from {found:?}"))
}

fn in_brackets(description: Option<&str>) -> String {
    description.map(|text| format!(" ({text})")).unwrap_or_default()
}

/// Checks the query of a redirect: first that `state` is ours, then that `iss` is right, and only then code or error.
pub(in crate::auth) fn check_response(
    pending: &PendingAuthorization,
    query: &str,
) -> Result<AuthorizationCode, AuthorizationResponseError> {
    // The first value, and whether there are more. RFC 6749 section 3.1 allows one; with two, other programs might read
    // another one than we do.
    let parameter = |name: &str| {
        let mut values =
            form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value);
        let first = values.next().map(std::borrow::Cow::into_owned);
        (first, values.next().is_some())
    };
    match parameter("state") {
        (Some(state), false) if is_equal(&state, pending.state.expose()) => {}
        _ => return Err(AuthorizationResponseError::WrongState),
    }
    let expected = &pending.issuer.issuer;
    match parameter("iss") {
        // Compared byte for byte: issuers that only look alike are different issuers.
        (Some(iss), false) if iss == *expected => {}
        (None, _) if !Metadata::of(&pending.issuer).sends_iss() => {}
        (found, _) => {
            let found = found.map(|found| redact(&found));
            return Err(AuthorizationResponseError::WrongIssuer { expected: expected.clone(), found });
        }
    }
    match (parameter("error"), parameter("code")) {
        ((Some(error), _), _) => {
            let description = parameter("error_description").0;
            Err(AuthorizationResponseError::Refused {
                retry: retry(pending, &error, description.as_deref().unwrap_or_default()),
                error: redact(&error),
                description: description.as_deref().map(redact),
            })
        }
        (_, (Some(code), false)) if !code.is_empty() => Ok(AuthorizationCode(Secret::new(code))),
        _ => Err(AuthorizationResponseError::NoCode),
    }
}

/// Each change leads to a request that was not sent before, so that retries end; the caller limits them too.
fn retry(pending: &PendingAuthorization, error: &str, description: &str) -> Option<Retry> {
    let metadata = Metadata::of(&pending.issuer);
    let resource = pending.issuer.resource.is_some();
    if resource && rejects_resource(description) {
        return Some(Retry::NoResource);
    }
    match error {
        "invalid_scope" => match &pending.scope {
            None if metadata.scopes_supported().is_empty() => None,
            None => Some(Retry::Scope(ScopeAttempt::IssuerScopes)),
            Some(scope) if is_registered_for_less(&pending.client, scope) => Some(Retry::Register),
            Some(scope) => pending.attempt.after_invalid_scope(scope).map(Retry::Scope),
        },
        "invalid_target" if resource && pending.issuer.other_resource.is_some() => Some(Retry::OtherResource),
        "invalid_client" | "unauthorized_client" if pending.client.origin != Origin::Given => Some(Retry::Register),
        "invalid_request" if pending.client.origin == Origin::MetadataDocument => Some(Retry::Register),
        _ => None,
    }
}

/// Some servers let a client request only the scope that it was registered with.
fn is_registered_for_less(client: &Client, scope: &str) -> bool {
    client.origin == Origin::Dynamic && client.scope.as_deref().is_some_and(|registered| !covers(registered, scope))
}
