//! What are a login's files called? After everything that makes two logins two.

use crate::files::hex;

/// The name of a login's files: a hash, because the address may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub(super) String);

impl Key {
    /// The key of the login with these parts; another part is another login.
    ///
    /// `url` is the MCP server's address as the `url` crate writes it, without a fragment. `identity` is the kind of
    /// our client identity at the authorization server, and what the user gave for it. `profile` is the user's name for
    /// this login, where there are several. `extra` are the parameters that change the token: `resource`, `audience`, …
    pub fn new(url: &str, identity: (&str, &str), profile: Option<&str>, extra: &[(String, String)]) -> Self {
        let mut extra: Vec<_> = extra.iter().collect();
        extra.sort();
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let fixed = [url, identity.0, identity.1, profile.unwrap_or_default()];
        for part in fixed.into_iter().chain(extra.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()])) {
            // Each with its length: otherwise two parts could look like one.
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        Self(hex(&digest.finish().as_ref()[..16]))
    }

    /// Three ports for the callback, the same ones on every start: an authorization server may accept only the port
    /// that was registered. Between 3335 and 49150, below what systems hand out to outgoing connections.
    pub fn ports(&self) -> [u16; 3] {
        let word = |at: usize| u16::from_str_radix(self.0.get(at..at + 4).unwrap_or_default(), 16).unwrap_or_default();
        [0, 4, 8].map(|at| 3335 + word(at) % 45_816)
    }

    /// The beginning of the names of all files of this login.
    pub fn name(&self) -> &str {
        &self.0
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let is_key = name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_key.then(|| Self(name.to_owned()))
    }
}
