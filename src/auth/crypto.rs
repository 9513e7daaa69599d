//! Which random values, hashes and comparisons do the protocols need?

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// Why a key, a signature or a random value is not available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    #[error("the private key cannot be used: {0}")]
    Key(String),
    #[error("{0}")]
    Failed(&'static str),
}

/// 256 random bits as text that needs no escaping: 43 characters, the least that a PKCE code verifier may have.
pub(super) fn random_text() -> Result<String, CryptoError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| CryptoError::Failed("the system has no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 in base64url: PKCE code challenges, hashes of tokens.
pub(super) fn sha256_base64url(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// Compares a secret in a time that tells nothing about it: tags made with a random key are compared, not the texts.
pub(super) fn is_equal(given: &str, expected: &str) -> bool {
    let Ok(key) = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()) else { return false };
    let tag = hmac::sign(&key, expected.as_bytes());
    hmac::verify(&key, given.as_bytes(), tag.as_ref()).is_ok()
}
