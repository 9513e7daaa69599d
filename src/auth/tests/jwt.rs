use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::*;

/// P-256 and RSA keys that OpenSSL made for these tests.
const SEC1: &str = include_str!("keys/sec1.pem");
const PKCS8: &str = include_str!("keys/pkcs8.pem");
const RSA: &str = include_str!("keys/rsa.pem");
const RSA_PKCS1: &str = include_str!("keys/rsa-pkcs1.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa-public.b64");

fn verify(jwt: &str, key: &UnparsedPublicKey<Vec<u8>>) {
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
}

#[test]
fn a_client_assertion_names_client_and_issuer_and_is_signed() {
    let signer = Signer::from_pem(PKCS8, Some("key 1".to_owned())).unwrap();
    let jwt = signer.client_assertion("me", "https://as.example").unwrap();
    let (header, _) = jwt.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(header, json!({"alg": "ES256", "kid": "key 1", "typ": "JWT"}));
    let sent = Value::Object(claims(&jwt).unwrap());
    assert_eq!((&sent["iss"], &sent["sub"], &sent["aud"]), (&json!("me"), &json!("me"), &json!("https://as.example")));
    assert_eq!(sent["exp"].as_u64().unwrap() - sent["iat"].as_u64().unwrap(), ASSERTION_LIFETIME);
    verify(&jwt, &UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, signer.public_point().unwrap().to_vec()));
    let again = claims(&signer.client_assertion("me", "https://as.example").unwrap()).unwrap();
    assert_ne!(sent["jti"], again["jti"], "each assertion is valid once");
}

#[test]
fn keys_are_read_in_each_form_that_openssl_writes() {
    let (one, other) = (Signer::from_pem(SEC1, None).unwrap(), Signer::from_pem(PKCS8, None).unwrap());
    assert_eq!(one.public_point(), other.public_point(), "SEC1 and PKCS#8 of the same key");
    for pem in [RSA, RSA_PKCS1] {
        let signer = Signer::from_pem(pem, None).unwrap();
        assert_eq!(signer.algorithm(), "RS256");
        let jwt = signer.client_assertion("me", "https://as.example").unwrap();
        let public = STANDARD.decode(RSA_PUBLIC.split_whitespace().collect::<String>()).unwrap();
        verify(&jwt, &UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public));
    }
    for text in ["", "nope", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        assert!(matches!(Signer::from_pem(text, None), Err(CryptoError::Key(_))), "{text}");
    }
}

#[test]
fn only_a_token_with_three_parts_has_claims() {
    let encoded = URL_SAFE_NO_PAD.encode(r#"{"aud":"x"}"#);
    assert_eq!(claims(&format!("h.{encoded}.s")).unwrap()["aud"], "x");
    for token in ["opaque", "a.b", "a.!!.c", "a.b.c.d.e"] {
        assert_eq!(claims(token), None, "{token}");
    }
}
