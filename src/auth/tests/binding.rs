#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::auth::tests::server::issuer;

fn given() -> Login {
    Login { client_id: Some("i".to_owned()), ..Login::default() }
}

fn bound(to: &str) -> Record {
    Record { bound_issuer: Some(to.to_owned()), ..Record::default() }
}

#[test]
fn the_users_credentials_go_to_one_issuer() {
    let (good, evil) = (issuer("https://good.example", json!({})), issuer("https://evil.example", json!({})));
    assert!(admit(&Record::default(), &given(), &good).unwrap(), "the first use is noted");
    assert!(!admit(&bound("https://good.example"), &given(), &good).unwrap());
    assert!(!admit(&bound("https://good.example/"), &given(), &good).unwrap(), "but for one slash at the end");
    let error = admit(&bound("https://good.example"), &given(), &evil).unwrap_err();
    let words = format!("{error} {}", error.hint());
    for word in ["https://good.example", "https://evil.example", "--issuer", "logout"] {
        assert!(words.contains(word), "{word} is in {words}");
    }
    for other in ["https://GOOD.example", "https://good.example:443", "https://good.example/x", "http://good.example"] {
        assert!(admit(&bound("https://good.example"), &given(), &issuer(other, json!({}))).is_err(), "{other}");
    }
    assert!(!admit(&bound("https://good.example"), &Login::default(), &evil).unwrap(), "the user gave no credentials");
}

#[test]
fn every_kind_of_credential_is_bound() {
    let good = issuer("https://good.example", json!({}));
    let token = crate::auth::Credential::File { path: "t".into() };
    let mut statement = Login::default();
    statement.client_metadata.insert("software_statement".to_owned(), json!("a.b.c"));
    let workload = Login { grant: Grant::Workload(token), ..Login::default() };
    for login in [given(), statement, workload] {
        assert!(admit(&Record::default(), &login, &good).unwrap(), "{login:?}");
        assert!(admit(&bound("https://other.example"), &login, &good).is_err(), "{login:?}");
    }
}

#[test]
fn a_jwt_is_sent_only_to_its_audience() {
    let here = issuer("https://as.example", json!({"token_endpoint": "https://as.example/token"}));
    let jwt = |claims: Value| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let pinned = Login { issuer: Some("https://as.example".to_owned()), ..Login::default() };
    for (audience, open, named) in [
        (json!("https://as.example"), true, true),
        (json!("https://as.example/"), true, true),
        (json!("https://as.example/token"), true, true),
        (json!(["https://x.example", "https://as.example"]), true, true),
        (json!("https://x.example"), false, false),
        (json!(["https://x.example"]), false, false),
        (json!(["api://x", "https://x.example"]), false, false),
        (json!("https://as.example.x"), false, false),
        (json!("api://AzureADTokenExchange"), false, true),
        (json!([]), false, false),
        (json!(7), false, false),
    ] {
        let token = jwt(json!({ "aud": audience }));
        assert_eq!(check_audience(&token, &here, &Login::default()).is_ok(), open, "{audience}");
        assert_eq!(check_audience(&token, &here, &pinned).is_ok(), named, "{audience} and --issuer");
    }
    for token in [jwt(json!({"sub": "x"})), "opaque".to_owned(), "a.b.c".to_owned()] {
        assert!(check_audience(&token, &here, &Login::default()).is_ok(), "{token} has no audience");
    }
}
