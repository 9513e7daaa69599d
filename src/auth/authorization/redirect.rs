//! Is this redirect the answer to our login?

use url::form_urlencoded;

use super::{Pending, same};
use crate::auth::metadata::Metadata;
use crate::auth::record::Origin;
use crate::auth::scope::Attempt;
use crate::log::{Secret, redact};

/// What a login came to: good for one exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(pub(in crate::auth) Secret);

/// A redirect without a code that may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// Not the answer to this login: another `state`, or none. It is to be refused, and the login goes on.
    #[error("this is not the answer to the login that is waiting")]
    Stray,
    /// Ours by its `state`, but not from our authorization server (RFC 9207). Nothing else of it is believed or shown.
    #[error("the answer to the login does not come from the authorization server {expected:?}{}", named(.found.as_deref()))]
    OtherIssuer {
        /// Where the person was sent.
        expected: String,
        /// What `iss` says, if it is there.
        found: Option<String>,
    },
    /// The authorization server says no.
    #[error("the authorization server refused the login: {error}{}", described(.description.as_deref()))]
    Refused {
        /// RFC 6749 section 4.1.2.1.
        error: String,
        /// For people.
        description: Option<String>,
        /// What to ask for instead, for one more login.
        retry: Option<Retry>,
    },
    /// Neither code nor error, or several.
    #[error("the answer to the login has no code")]
    NoCode,
}

impl RedirectError {
    /// What to ask for instead, for one more login.
    pub fn retry(&self) -> Option<Retry> {
        match self {
            Self::Refused { retry, .. } => *retry,
            _ => None,
        }
    }
}

/// What may go better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Another scope.
    Scope(Attempt),
    /// The other name of the resource: [`crate::auth::Issuer::other_resource`].
    OtherResource,
    /// No resource at all: to Entra, the name of one is an error.
    NoResource,
    /// Dynamic registration in place of the client ID metadata document, or anew.
    Register,
}

fn named(found: Option<&str>) -> String {
    found.map_or_else(|| ": it does not say where it comes from".to_owned(), |found| format!(" but from {found:?}"))
}

fn described(description: Option<&str>) -> String {
    description.map(|text| format!(" ({text})")).unwrap_or_default()
}

/// Checks the query of a redirect. In this order: whether it is ours at all, who sent it, and only then what it says.
pub fn check(pending: &Pending, query: &str) -> Result<Code, RedirectError> {
    let one = |name: &str| {
        let mut values =
            form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value);
        let first = values.next().map(std::borrow::Cow::into_owned);
        // RFC 6749 section 3.1: not more than once. Which one a later reader would take is nobody's guess.
        (first, values.next().is_some())
    };
    match one("state") {
        (Some(state), false) if same(&state, pending.state.expose()) => {}
        _ => return Err(RedirectError::Stray),
    }
    let expected = &pending.issuer.issuer;
    match one("iss") {
        // Byte by byte: what only looks alike is another.
        (Some(iss), false) if iss == *expected => {}
        (None, _) if !Metadata::of(&pending.issuer).sends_iss() => {}
        (found, _) => {
            let found = found.map(|found| redact(&found));
            return Err(RedirectError::OtherIssuer { expected: expected.clone(), found });
        }
    }
    match (one("error"), one("code")) {
        ((Some(error), _), _) => {
            let description = one("error_description").0;
            Err(RedirectError::Refused {
                retry: retry(pending, &error, description.as_deref().unwrap_or_default()),
                error: redact(&error),
                description: description.as_deref().map(redact),
            })
        }
        (_, (Some(code), false)) if !code.is_empty() => Ok(Code(Secret::new(code))),
        _ => Err(RedirectError::NoCode),
    }
}

/// Each leads to something that was not asked for before, so that it cannot go round in circles; the caller counts all
/// the same.
fn retry(pending: &Pending, error: &str, description: &str) -> Option<Retry> {
    let resource = pending.issuer.resource.is_some();
    if resource && rejects_resource(description) {
        return Some(Retry::NoResource);
    }
    match error {
        "invalid_scope" => match &pending.scope {
            None => Attempt::issuer_scopes_help(None, &pending.issuer).then_some(Retry::Scope(Attempt::IssuerScopes)),
            Some(scope) if pending.client.is_registered_for_less_than(scope) => Some(Retry::Register),
            Some(scope) => pending.attempt.after_invalid_scope(scope).map(Retry::Scope),
        },
        "invalid_target" if resource && pending.issuer.other_resource.is_some() => Some(Retry::OtherResource),
        "invalid_client" | "unauthorized_client" if pending.client.origin != Origin::Given => Some(Retry::Register),
        "invalid_request" if pending.client.origin == Origin::MetadataDocument => Some(Retry::Register),
        _ => None,
    }
}

/// Entra's numbers for "the parameter `resource` is not supported" and "does not match the scope".
pub(in crate::auth) fn rejects_resource(description: &str) -> bool {
    description.contains("AADSTS901002") || description.contains("AADSTS9010010")
}
