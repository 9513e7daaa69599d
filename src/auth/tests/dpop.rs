use http::HeaderValue;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::*;
use crate::auth::jwt::claims;

fn header(proof: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(proof.split('.').next().unwrap()).unwrap()).unwrap()
}

#[test]
fn a_proof_is_for_one_request_and_is_signed_by_its_own_key() {
    let key = Dpop::generate().unwrap();
    let dpop = Dpop::new(&key).unwrap();
    let url = Url::parse("https://h.example:8443/mcp?q=1#f").unwrap();
    let proof = dpop.proof(&Method::POST, &url, Some(&Secret::new("the-access-token"))).unwrap();
    let sent = Value::Object(claims(&proof).unwrap());
    assert_eq!(sent["htm"], "POST");
    assert_eq!(sent["htu"], "https://h.example:8443/mcp", "RFC 9449 section 4.2: without query and fragment");
    assert_eq!(sent["ath"], sha256_base64url("the-access-token"));
    assert_eq!(sent.get("nonce"), None);
    let header = header(&proof);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
    assert_eq!(header["jwk"].get("d"), None, "the private key is not sent");
    let point = |name: &str| URL_SAFE_NO_PAD.decode(header["jwk"][name].as_str().unwrap()).unwrap();
    let public = [vec![4], point("x"), point("y")].concat();
    let (signed, signature) = proof.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
        .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .unwrap();
    let next = claims(&dpop.proof(&Method::POST, &url, None).unwrap()).unwrap();
    assert_ne!(sent["jti"], next["jti"], "each proof is valid once");
    assert!(!next.contains_key("ath"), "without a token there is no hash");
    assert_eq!(Dpop::new(&key).unwrap().thumbprint(), dpop.thumbprint(), "the key outlives the process");
    assert!(Dpop::new(&Secret::new("damaged")).is_err());
}

#[test]
fn a_nonce_is_for_the_origin_that_sent_it() {
    let dpop = Dpop::new(&Dpop::generate().unwrap()).unwrap();
    let (one, other) = (Url::parse("https://one.example/a").unwrap(), Url::parse("https://other.example/a").unwrap());
    let mut headers = HeaderMap::new();
    assert!(!dpop.store_nonce(&one, &headers));
    headers.insert("DPoP-Nonce", HeaderValue::from_static("n-1"));
    assert!(dpop.store_nonce(&one, &headers));
    assert!(!dpop.store_nonce(&one, &headers), "a known nonce is not a reason to try again");
    let nonce = |url| claims(&dpop.proof(&Method::POST, url, None).unwrap()).unwrap().get("nonce").cloned();
    assert_eq!(nonce(&one), Some(json!("n-1")));
    assert_eq!(nonce(&other), None);
}
