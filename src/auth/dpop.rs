//! How is a token bound to a key (RFC 9449)? Each request has a `DPoP` proof, signed with a key that is made at login.
//! The record stores the key, because refresh tokens are bound to it too.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, Method};
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use url::Url;

use super::crypto::{CryptoError, random_text, sha256_base64url};
use super::expiry::now;
use super::jwt::Signer;
use crate::log::Secret;

/// The request header that carries a proof.
pub(super) const PROOF: HeaderName = HeaderName::from_static("dpop");

/// The response header with the nonce for the next proof.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A key, and the nonces that servers require in its proofs.
#[derive(Debug)]
pub(super) struct Dpop {
    signer: Signer,
    jwk: Value,
    /// The newest nonce of each origin (RFC 9449 section 9). Every request of this process reads and replaces them, so
    /// they are locked.
    nonces: Mutex<HashMap<String, String>>,
}

impl Dpop {
    /// Makes a new key, in the form that [`super::Record::dpop_key`] stores.
    pub(super) fn generate() -> Result<Secret, CryptoError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let document = document.map_err(|_| CryptoError::Failed("the system could not make a key"))?;
        Ok(Secret::new(STANDARD_NO_PAD.encode(document)))
    }

    pub(super) fn new(key: &Secret) -> Result<Self, CryptoError> {
        let damaged = || CryptoError::Key("the DPoP key of this login is damaged".to_owned());
        let der = STANDARD_NO_PAD.decode(key.expose()).map_err(|_| damaged())?;
        let signer = Signer::from_pkcs8(&der)?;
        let point = signer.public_point().filter(|point| point.len() == 65).ok_or_else(damaged)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        Ok(Self { signer, jwk, nonces: Mutex::default() })
    }

    /// The key's thumbprint (RFC 7638): `dpop_jkt` of an authorization request.
    pub(super) fn thumbprint(&self) -> String {
        let member = |name: &str| self.jwk[name].as_str().unwrap_or_default();
        sha256_base64url(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, member("x"), member("y")))
    }

    /// Makes the proof for one request. `access_token`: the token of a request to a resource.
    pub(super) fn proof(
        &self,
        method: &Method,
        url: &Url,
        access_token: Option<&Secret>,
    ) -> Result<String, CryptoError> {
        let mut target = url.clone();
        target.set_query(None);
        target.set_fragment(None);
        let mut claims = json!({
            "jti": random_text()?,
            "htm": method.as_str(),
            "htu": target.as_str(),
            "iat": now(),
        });
        if let Some(token) = access_token {
            claims["ath"] = sha256_base64url(token.expose()).into();
        }
        let nonces = self.nonces.lock();
        if let Some(nonce) = nonces.get(&url.origin().ascii_serialization()) {
            claims["nonce"] = nonce.as_str().into();
        }
        drop(nonces);
        self.signer.sign(json!({ "typ": "dpop+jwt", "jwk": self.jwk }), &claims)
    }

    /// Stores the nonce of a response, whatever its status. True if the nonce is a new one.
    pub(super) fn store_nonce(&self, url: &Url, headers: &HeaderMap) -> bool {
        let Some(nonce) = headers.get(NONCE).and_then(|value| value.to_str().ok()) else { return false };
        let mut nonces = self.nonces.lock();
        let previous = nonces.insert(url.origin().ascii_serialization(), nonce.to_owned());
        previous.as_deref() != Some(nonce)
    }
}

#[cfg(test)]
#[path = "tests/dpop.rs"]
mod tests;
