//! Which scope does a request ask for?

use std::collections::HashSet;

use super::metadata::{Metadata, OFFLINE_ACCESS, Vendor};
use super::record::{Client, Issuer, Origin, Tokens};
use super::settings::Login;
use crate::log;

/// The longest list of scopes that is requested because a server has it in its metadata, in bytes.
const LONGEST_LIST: usize = 16 * 1024;

/// The longest list of all scopes of an authorization server that is registered, in bytes.
const LONGEST_REGISTERED: usize = 2000;

/// The scopes that servers name. A challenge and `scopes_supported` need not have scopes in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scopes {
    /// The scope of the challenge: it decides what the refused request needs.
    pub challenged: Option<String>,
    /// `scopes_supported` of the protected resource.
    pub supported: Vec<String>,
}

/// Which scope to ask for: after each `invalid_scope`, another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeAttempt {
    /// All scopes that are selected.
    #[default]
    Full,
    /// Without `offline_access`.
    WithoutOffline,
    /// Only the scope of the challenge.
    ChallengeOnly,
    /// The authorization server's own scopes, after a request without a scope was refused. They are not the resource's
    /// scopes, so never the first attempt.
    IssuerScopes,
}

impl ScopeAttempt {
    /// The next attempt after the server refused this scope as `invalid_scope`.
    #[must_use]
    pub fn after_invalid_scope(self, requested: &str) -> Option<Self> {
        match self {
            Self::Full if covers(requested, OFFLINE_ACCESS) => Some(Self::WithoutOffline),
            Self::Full | Self::WithoutOffline => Some(Self::ChallengeOnly),
            Self::ChallengeOnly | Self::IssuerScopes => None,
        }
    }
}

impl Scopes {
    /// The scope of a request; `None`: no `scope` parameter. `previous`: every scope that was ever requested from this
    /// issuer, which a step-up must request again (SEP-2350).
    pub(super) fn select(
        &self,
        login: &Login,
        issuer: &Issuer,
        previous: Option<&str>,
        attempt: ScopeAttempt,
    ) -> Option<String> {
        if let Some(pinned) = &login.scope {
            return Some(pinned.clone()).filter(|scope| !scope.trim().is_empty());
        }
        let metadata = Metadata::of(issuer);
        let vendor = Vendor::of(issuer);
        let supported = listed(&self.supported);
        let mut scope = match attempt {
            ScopeAttempt::ChallengeOnly => self.challenged.clone().unwrap_or_default(),
            ScopeAttempt::IssuerScopes => listed(&metadata.scopes_supported()),
            ScopeAttempt::Full | ScopeAttempt::WithoutOffline => {
                union(previous.unwrap_or_default(), self.challenged.as_ref().unwrap_or(&supported))
            }
        };
        if scope.is_empty() && vendor == Vendor::Microsoft {
            // Entra refuses requests without a scope; `.default` means all scopes that an administrator has granted.
            scope = issuer.other_resource.as_ref().map(|resource| format!("{resource}/.default")).unwrap_or_default();
        }
        if attempt == ScopeAttempt::WithoutOffline || vendor == Vendor::Google {
            let words = scope.split_ascii_whitespace().filter(|word| *word != OFFLINE_ACCESS);
            scope = words.collect::<Vec<_>>().join(" ");
        } else if attempt == ScopeAttempt::Full && metadata.scopes_supported().contains(&OFFLINE_ACCESS) {
            scope = union(&scope, OFFLINE_ACCESS);
        }
        Some(scope).filter(|scope| !scope.is_empty())
    }

    /// The scopes of a registration, the best first: all scopes that later requests may ask for, because some servers
    /// allow a client no others. A step-up may ask for any scope of the authorization server; where a login asks for
    /// none, the registered scope would become that of its tokens.
    pub(super) fn to_register(&self, login: &Login, issuer: &Issuer, previous: Option<&str>) -> Vec<String> {
        let selected = self.select(login, issuer, previous, ScopeAttempt::Full).unwrap_or_default();
        if login.scope.is_some() {
            return Vec::from_iter(Some(selected).filter(|scope| !scope.is_empty()));
        }
        let known = union(&selected, &listed(&self.supported));
        let all = union(&known, &listed(&Metadata::of(issuer).scopes_supported()));
        let mut scopes = Vec::new();
        if !selected.is_empty() && all != known && all.len() <= LONGEST_REGISTERED {
            scopes.push(all);
        }
        scopes.extend(Some(known).filter(|scope| !scope.is_empty()));
        scopes
    }
}

/// All scopes of both, each once, in order.
pub(super) fn union(one: &str, other: &str) -> String {
    let mut known = HashSet::new();
    let words = one.split_ascii_whitespace().chain(other.split_ascii_whitespace());
    words.filter(|word| known.insert(*word)).collect::<Vec<_>>().join(" ")
}

/// Whether every scope of `wanted` is in `granted`.
pub(super) fn covers(granted: &str, wanted: &str) -> bool {
    let granted: HashSet<_> = granted.split_ascii_whitespace().collect();
    wanted.split_ascii_whitespace().all(|word| granted.contains(word))
}

/// The scopes that a server lists, or nothing if they are too long: no authorization server accepts a request with
/// that many, and the request would be refused for a reason which a person cannot find.
fn listed(scopes: &[impl AsRef<str>]) -> String {
    let length: usize = scopes.iter().map(|scope| scope.as_ref().len() + 1).sum();
    if length > LONGEST_LIST {
        log::warn!("a server lists more than {LONGEST_LIST} bytes of scopes; they are ignored");
        return String::new();
    }
    scopes.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
}

/// Whether this client was registered for less than this scope, and to register it again may bring more: it was not
/// asked for.
pub(super) fn is_registered_too_narrowly(client: &Client, scope: &str) -> bool {
    let lacks = |has: &Option<String>| has.as_ref().is_none_or(|has| !covers(has, scope));
    client.origin == Origin::Dynamic && client.scope.is_some() && lacks(&client.scope) && lacks(&client.asked.scope)
}

/// Warns of a login without a refresh token.
pub(super) fn warn_if_no_refresh_token(tokens: &Tokens, requested: Option<&str>) {
    if tokens.refresh_token.is_none() {
        let has_offline = covers(requested.unwrap_or_default(), OFFLINE_ACCESS);
        let hint = if has_offline { "" } else { "; a --scope that includes offline_access may help" };
        log::warn!(
            "the authorization server issued no refresh token, so you must log in again when this login expires{hint}"
        );
    }
}

#[cfg(test)]
#[path = "tests/scope.rs"]
mod tests;
