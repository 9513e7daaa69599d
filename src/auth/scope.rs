//! Which scope is asked for?

use super::metadata::{Metadata, OFFLINE_ACCESS, Vendor};
use super::record::{Issuer, Tokens};
use super::settings::Login;

/// What servers say of scopes. Between a challenge and `scopes_supported` no relation is assumed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    /// Of the challenge: authoritative for the request that was refused.
    pub challenged: Option<String>,
    /// `scopes_supported` of the protected resource.
    pub supported: Vec<String>,
}

/// How much is asked for, after less of it was refused as `invalid_scope`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// All that is selected.
    #[default]
    Full,
    /// Without `offline_access`.
    WithoutOffline,
    /// What the challenge names, and nothing else.
    ChallengeOnly,
    /// Nothing was known to ask for, and that was not enough: what the authorization server knows. Its scopes are not
    /// the resource's, so never at first.
    IssuerScopes,
}

impl Attempt {
    /// What to try once this scope was refused as `invalid_scope`.
    #[must_use]
    pub fn after_invalid_scope(self, asked: &str) -> Option<Self> {
        match self {
            Self::Full if covers(asked, OFFLINE_ACCESS) => Some(Self::WithoutOffline),
            Self::Full | Self::WithoutOffline => Some(Self::ChallengeOnly),
            Self::ChallengeOnly | Self::IssuerScopes => None,
        }
    }

    /// Whether the authorization server's own scopes are worth a try: nothing was asked for, and it knows some.
    pub fn issuer_scopes_help(asked: Option<&str>, issuer: &Issuer) -> bool {
        asked.is_none() && !Metadata::of(issuer).scopes_supported().is_empty()
    }
}

impl Scopes {
    /// The scope of an authorization request; `None`: the parameter is left out. `previous`: all that was ever asked
    /// for at this issuer, which a step-up must ask for again (SEP-2350).
    pub fn select(&self, login: &Login, issuer: &Issuer, previous: Option<&str>, attempt: Attempt) -> Option<String> {
        if let Some(pinned) = &login.scope {
            return Some(pinned.clone()).filter(|scope| !scope.trim().is_empty());
        }
        let metadata = Metadata::of(issuer);
        let vendor = Vendor::of(issuer);
        let supported = self.supported.join(" ");
        let selected = match attempt {
            Attempt::ChallengeOnly => self.challenged.clone().unwrap_or_default(),
            Attempt::IssuerScopes => metadata.scopes_supported().join(" "),
            Attempt::Full | Attempt::WithoutOffline => match &self.challenged {
                Some(challenged) => union(previous.unwrap_or_default(), challenged),
                None => union(previous.unwrap_or_default(), &supported),
            },
        };
        let mut scope = selected;
        if scope.is_empty() && vendor == Vendor::Microsoft {
            // Entra issues nothing without a scope; this one stands for all that an administrator has granted.
            scope = issuer.other_resource.as_ref().map(|resource| format!("{resource}/.default")).unwrap_or_default();
        }
        let offline = attempt == Attempt::Full && metadata.knows_offline_access() && vendor != Vendor::Google;
        if offline {
            scope = union(&scope, OFFLINE_ACCESS);
        }
        if attempt == Attempt::WithoutOffline || vendor == Vendor::Google {
            scope = without(&scope, OFFLINE_ACCESS);
        }
        Some(scope).filter(|scope| !scope.is_empty())
    }

    /// The scope to register with: all that might be asked for, because some let a client ask for nothing else.
    pub fn to_register(&self, login: &Login, issuer: &Issuer, previous: Option<&str>) -> Option<String> {
        if login.scope.is_some() {
            return self.select(login, issuer, previous, Attempt::Full);
        }
        let selected = self.select(login, issuer, previous, Attempt::Full).unwrap_or_default();
        Some(union(&selected, &self.supported.join(" "))).filter(|scope| !scope.is_empty())
    }
}

/// All words of both, each once, in order.
pub fn union(one: &str, other: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in one.split_ascii_whitespace().chain(other.split_ascii_whitespace()) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" ")
}

/// Whether every word of `wanted` is in `granted`.
pub fn covers(granted: &str, wanted: &str) -> bool {
    wanted.split_ascii_whitespace().all(|word| granted.split_ascii_whitespace().any(|has| has == word))
}

fn without(scope: &str, left_out: &str) -> String {
    scope.split_ascii_whitespace().filter(|word| *word != left_out).collect::<Vec<_>>().join(" ")
}

/// What to tell people of a login without a refresh token; `None` if there is one.
pub fn no_refresh_token(tokens: &Tokens, asked: Option<&str>) -> Option<String> {
    let asked = asked.unwrap_or_default();
    let hint =
        if covers(asked, OFFLINE_ACCESS) { "" } else { "; --scope with offline_access among its words may bring one" };
    tokens.refresh_token.is_none().then(|| {
        format!("the authorization server gave no refresh token, so the next login is due when this one ends{hint}")
    })
}

#[cfg(test)]
#[path = "tests/scope.rs"]
mod tests;
