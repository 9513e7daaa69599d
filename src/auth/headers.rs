//! Which headers did the user give, and what is said about them when the server refuses or misses them?

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::log::{self, Secret};

/// The user's headers.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    /// The headers, with their variables filled in.
    pub map: HeaderMap,
    /// Each header in words: `the header authorization (${TOKEN})`.
    pub sources: Vec<String>,
    /// One sentence for each header that is left out because its variable is not set.
    pub left_out: Vec<String>,
}

impl Headers {
    /// Notes why a header is left out, and warns about it.
    pub(crate) fn leave_out(&mut self, why: String) {
        log::warn!("{why}");
        self.left_out.push(why);
    }

    /// Whether one of the headers is a credential in place of a login, or would be if its variable were set. Other
    /// headers name a tenant, or are keys of a gateway.
    pub(super) fn replace_login(&self) -> bool {
        let is_named = |why: &String| names_authorization(why) || why.to_ascii_lowercase().contains("bearer");
        self.map.contains_key(AUTHORIZATION) || self.left_out.iter().any(is_named)
    }

    /// The option to look at when the server refuses the credential.
    pub(super) fn source(&self) -> String {
        let authorization = self.sources.iter().find(|source| names_authorization(source));
        authorization.cloned().unwrap_or_else(|| self.sources.join(" or "))
    }

    /// Puts the user's headers into a request, in place of ours of the same name.
    pub(super) fn write_to(&self, headers: &mut HeaderMap) {
        for name in self.map.keys() {
            headers.remove(name);
            for value in self.map.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
    }
}

fn names_authorization(text: &str) -> bool {
    text.to_ascii_lowercase().contains("authorization")
}

/// The value of an `Authorization` header, never shown in logs; `None` if the token cannot stand in a header.
pub(super) fn authorization(scheme: &str, token: &Secret) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("{scheme} {}", token.expose())).ok()?;
    header.set_sensitive(true);
    Some(header)
}
