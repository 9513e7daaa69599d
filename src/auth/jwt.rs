//! How are JWTs signed (RFC 7515, 7518)? In compact form with ES256 and RS256, among them client assertions (RFC 7523).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use super::crypto::{CryptoError, random_text};
use super::expiry::now;

/// The lifetime of a client assertion in seconds: it is used at once.
const ASSERTION_LIFETIME: u64 = 120;

/// The OIDs of an elliptic curve key on P-256, as PKCS#8 names them (RFC 5480).
const P256: [u8; 21] = [
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];

/// A private key that signs JWTs.
pub struct Signer {
    key: Key,
    /// The key ID in the header, for a server that knows several keys of ours.
    kid: Option<String>,
}

enum Key {
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.algorithm())
    }
}

impl Signer {
    /// Reads a key from PEM: PKCS#8, PKCS#1 (RSA) or SEC1 (EC on P-256).
    pub fn from_pem(pem: &str, kid: Option<String>) -> Result<Self, CryptoError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| CryptoError::Key("the text has no unencrypted private key in PEM form".to_owned()))?;
        let ec_error = |error: ring::error::KeyRejected| CryptoError::Key(format!("as an EC key on P-256: {error}"));
        let rsa_error = |error: ring::error::KeyRejected| CryptoError::Key(format!("as an RSA key: {error}"));
        let key = match der {
            PrivateKeyDer::Pkcs8(der) => match ec(der.secret_pkcs8_der()) {
                Ok(key) => Key::Ec(Box::new(key)),
                Err(error) => Key::Rsa(Box::new(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|rsa| {
                    CryptoError::Key(format!("as an EC key on P-256: {error}; as an RSA key: {rsa}"))
                })?)),
            },
            PrivateKeyDer::Pkcs1(der) => {
                Key::Rsa(Box::new(RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(rsa_error)?))
            }
            PrivateKeyDer::Sec1(der) => Key::Ec(Box::new(ec(&sec1_to_pkcs8(der.secret_sec1_der())).map_err(ec_error)?)),
            _ => return Err(CryptoError::Key("its kind is unknown".to_owned())),
        };
        Ok(Self { key, kid })
    }

    /// Reads a key as [`super::dpop`] stores it.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        let key = ec(der).map_err(|error| CryptoError::Key(error.to_string()))?;
        Ok(Self { key: Key::Ec(Box::new(key)), kid: None })
    }

    /// The algorithm's name in RFC 7518.
    pub fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Ec(_) => "ES256",
            Key::Rsa(_) => "RS256",
        }
    }

    /// The public key of an EC key as an uncompressed point.
    pub(super) fn public_point(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Ec(key) => Some(ring::signature::KeyPair::public_key(&**key).as_ref()),
            Key::Rsa(_) => None,
        }
    }

    /// Signs the claims. `alg` and `kid` are added to the header.
    pub fn sign(&self, mut header: Value, claims: &Value) -> Result<String, CryptoError> {
        header["alg"] = self.algorithm().into();
        if let Some(kid) = &self.kid {
            header["kid"] = kid.as_str().into();
        }
        let encode = |value: &dyn std::fmt::Display| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut text = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.signature(text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(text)
    }

    fn signature(&self, bytes: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let random = SystemRandom::new();
        let failed = |_| CryptoError::Failed("the key or the system's randomness failed");
        match &self.key {
            Key::Ec(key) => Ok(key.sign(&random, bytes).map_err(failed)?.as_ref().to_vec()),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }

    /// A client assertion for `private_key_jwt` (RFC 7523 section 3). Its audience is the issuer.
    pub fn client_assertion(&self, client_id: &str, issuer: &str) -> Result<String, CryptoError> {
        let now = now();
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": issuer,
            "jti": random_text()?,
            "iat": now,
            "exp": now + ASSERTION_LIFETIME,
        });
        self.sign(json!({ "typ": "JWT" }), &claims)
    }
}

fn ec(der: &[u8]) -> Result<EcdsaKeyPair, ring::error::KeyRejected> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new())
}

/// Puts an EC key in SEC1 form, as OpenSSL writes it, into the PKCS#8 form that ring reads (RFC 5958 section 2).
fn sec1_to_pkcs8(sec1: &[u8]) -> Vec<u8> {
    let octets = der_element(0x04, sec1);
    let version = [0x02, 0x01, 0x00];
    der_element(0x30, &[&version[..], &P256, &octets].concat())
}

fn der_element(tag: u8, content: &[u8]) -> Vec<u8> {
    // ring refuses the longer keys of other curves, whatever length is written here.
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [&head, content].concat()
}

/// The claims of a token that is a JWT. They are not verified, so only messages and estimates may use them.
pub(super) fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()
}

#[cfg(test)]
#[path = "tests/jwt.rs"]
mod tests;
