//! How is a token tied to a key? Proofs of possession (RFC 9449): one for each request, signed by a key that is made at
//! login and kept in the record, because refresh tokens are tied to it too.

use parking_lot::Mutex;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, Method};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use url::Url;

use super::jwt::{JwtError, Signer, digest, random_text};
use crate::log::Secret;

/// The request header that carries a proof.
pub const PROOF: HeaderName = HeaderName::from_static("dpop");

/// The response header that gives a nonce for the next proof.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A key, and the nonces that servers want to see in its proofs.
#[derive(Debug)]
pub struct Dpop {
    signer: Signer,
    jwk: Value,
    /// By origin: the authorization server's nonces are none of the resource's (RFC 9449 section 9).
    nonces: Mutex<HashMap<String, String>>,
}

impl Dpop {
    /// A new key, as [`super::Record::dpop_key`] keeps it.
    pub fn generate() -> Result<Secret, JwtError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let document = document.map_err(|_| JwtError::Sign("no key could be made"))?;
        Ok(Secret::new(STANDARD_NO_PAD.encode(document)))
    }

    /// The key of a record.
    pub fn new(key: &Secret) -> Result<Self, JwtError> {
        let damaged = || JwtError::Key("the DPoP key of this login is damaged".to_owned());
        let der = STANDARD_NO_PAD.decode(key.expose()).map_err(|_| damaged())?;
        let signer = Signer::from_pkcs8(&der)?;
        let point = signer.public_point().filter(|point| point.len() == 65).ok_or_else(damaged)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        Ok(Self { signer, jwk, nonces: Mutex::default() })
    }

    /// The key's thumbprint (RFC 7638): `dpop_jkt` of an authorization request.
    pub fn thumbprint(&self) -> String {
        let member = |name: &str| self.jwk[name].as_str().unwrap_or_default();
        digest(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, member("x"), member("y")))
    }

    /// A fresh proof for one request. `access_token`: the one that goes with it, at a resource.
    pub fn proof(&self, method: &Method, url: &Url, access_token: Option<&Secret>) -> Result<String, JwtError> {
        let mut target = url.clone();
        target.set_query(None);
        target.set_fragment(None);
        let mut claims = json!({
            "jti": random_text()?,
            "htm": method.as_str(),
            "htu": target.as_str(),
            "iat": super::expiry::now(),
        });
        if let Some(token) = access_token {
            claims["ath"] = digest(token.expose()).into();
        }
        let nonces = self.nonces.lock();
        if let Some(nonce) = nonces.get(&url.origin().ascii_serialization()) {
            claims["nonce"] = nonce.as_str().into();
        }
        drop(nonces);
        self.signer.sign(json!({ "typ": "dpop+jwt", "jwk": self.jwk }), &claims)
    }

    /// Learns the nonce that an answer gives for the next proof, be it good or bad news. True if it is a new one.
    pub fn learn(&self, url: &Url, headers: &HeaderMap) -> bool {
        let Some(nonce) = headers.get(NONCE).and_then(|value| value.to_str().ok()) else { return false };
        let mut nonces = self.nonces.lock();
        let before = nonces.insert(url.origin().ascii_serialization(), nonce.to_owned());
        before.as_deref() != Some(nonce)
    }
}

#[cfg(test)]
#[path = "tests/dpop.rs"]
mod tests;
