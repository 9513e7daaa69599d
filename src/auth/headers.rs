//! The headers that the user gave, and what is said about them when the server refuses or misses them.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::log;

/// The user's headers.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    /// Variables filled in.
    pub map: HeaderMap,
    /// For each, the option to look at: `--header Authorization (${TOKEN})`.
    pub sources: Vec<String>,
    /// What was given but not set, a sentence each.
    pub left_out: Vec<String>,
}

impl Headers {
    /// Notes that something is left out, and warns about it.
    pub(crate) fn leave_out(&mut self, why: String) {
        log::warn!("{why}");
        self.left_out.push(why);
    }

    /// Whether the user meant to give a credential that a login would replace: then no login is wanted. Other headers
    /// name a tenant, or are keys of a gateway.
    pub(super) fn mean_a_credential(&self) -> bool {
        let named =
            |why: &String| ["authorization", "bearer"].iter().any(|word| why.to_ascii_lowercase().contains(word));
        self.map.contains_key(AUTHORIZATION) || self.left_out.iter().any(named)
    }
}
