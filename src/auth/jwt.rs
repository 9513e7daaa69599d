//! How do we sign? JWS in compact form with ES256 and RS256 (RFC 7515, 7518), and the client assertion of RFC 7523.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

/// How long an assertion is good for, in seconds: it is used at once.
const ASSERTION_LIFETIME: u64 = 120;

/// The OIDs of an elliptic curve key on P-256, as PKCS#8 names them (RFC 5480).
const P256: [u8; 21] = [
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];

/// What cannot be signed, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not a private key, or none of a kind we know.
    #[error("the private key cannot be used: {0}")]
    Key(String),
    /// The system gave no randomness, or the key failed.
    #[error("nothing can be signed: {0}")]
    Sign(&'static str),
}

/// A private key that signs tokens.
pub struct Signer {
    key: Key,
    /// For the header, so that the other side knows which of several keys it is.
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
    pub fn from_pem(pem: &str, kid: Option<String>) -> Result<Self, JwtError> {
        let rejected = |what: &str| {
            let what = what.to_owned();
            move |error: ring::error::KeyRejected| JwtError::Key(format!("{what}: {error}"))
        };
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| JwtError::Key("there is no unencrypted private key in PEM form".to_owned()))?;
        let key = match der {
            PrivateKeyDer::Pkcs8(der) => match ec(der.secret_pkcs8_der()) {
                Ok(key) => Key::Ec(Box::new(key)),
                Err(error) => match RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()) {
                    Ok(key) => Key::Rsa(Box::new(key)),
                    Err(rsa) => {
                        return Err(JwtError::Key(format!("as an EC key on P-256: {error}; as an RSA key: {rsa}")));
                    }
                },
            },
            PrivateKeyDer::Pkcs1(der) => {
                let key = RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(rejected("as an RSA key"))?;
                Key::Rsa(Box::new(key))
            }
            PrivateKeyDer::Sec1(der) => {
                let der = pkcs8(der.secret_sec1_der());
                Key::Ec(Box::new(ec(&der).map_err(rejected("as an EC key on P-256"))?))
            }
            _ => return Err(JwtError::Key("it is of an unknown kind".to_owned())),
        };
        Ok(Self { key, kid })
    }

    /// A key as [`super::dpop`] keeps it.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, JwtError> {
        let key = ec(der).map_err(|error| JwtError::Key(error.to_string()))?;
        Ok(Self { key: Key::Ec(Box::new(key)), kid: None })
    }

    /// Its name in RFC 7518.
    pub fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Ec(_) => "ES256",
            Key::Rsa(_) => "RS256",
        }
    }

    /// The uncompressed point of an EC key's public half.
    pub(super) fn public_point(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Ec(key) => Some(ring::signature::KeyPair::public_key(&**key).as_ref()),
            Key::Rsa(_) => None,
        }
    }

    /// Signs the claims. `alg` and `kid` are added to the header.
    pub fn sign(&self, mut header: Value, claims: &Value) -> Result<String, JwtError> {
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

    fn signature(&self, bytes: &[u8]) -> Result<Vec<u8>, JwtError> {
        let random = SystemRandom::new();
        let failed = |_| JwtError::Sign("the key or the system's randomness failed");
        match &self.key {
            Key::Ec(key) => Ok(key.sign(&random, bytes).map_err(failed)?.as_ref().to_vec()),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }

    /// Proof that we are the client, for `private_key_jwt` (RFC 7523 section 3): the audience is the issuer.
    pub fn client_assertion(&self, client_id: &str, issuer: &str) -> Result<String, JwtError> {
        let now = super::expiry::now();
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

/// An EC key of SEC1, which is what OpenSSL writes, in the PKCS#8 envelope that ring wants (RFC 5958 section 2).
fn pkcs8(sec1: &[u8]) -> Vec<u8> {
    let octets = tagged(0x04, sec1);
    let version = [0x02, 0x01, 0x00];
    tagged(0x30, &[&version[..], &P256, &octets].concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    let mut der = vec![tag];
    match significant {
        [short] if *short < 0x80 => der.push(*short),
        long => {
            // At most eight of them.
            der.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(content);
    der
}

/// 256 random bits as text that needs no escaping anywhere: 43 characters, as a PKCE verifier must have at least.
pub(super) fn random_text() -> Result<String, JwtError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| JwtError::Sign("the system gave no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 in base64url: PKCE challenges, hashes of tokens.
pub(super) fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
}

/// The claims of a token that happens to be a JWT, unverified: good for advice, never for trust.
pub(super) fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()
}

#[cfg(test)]
#[path = "tests/jwt.rs"]
mod tests;
