#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::auth::record::Origin;
use crate::auth::tests::server::{Server, fetch, issuer};

const REDIRECT: &str = "http://127.0.0.1:7777/oauth/callback";

fn begun(issuer: &Issuer, login: &Login, scope: Option<&str>) -> Result<(String, Pending), AuthorizationError> {
    let client = Client { client_id: "me & you".to_owned(), ..Client::default() };
    begin(Ask { issuer, client: &client, login, redirect_uri: REDIRECT, scope, attempt: Attempt::Full, dpop_key: None })
}

fn query(url: &str) -> BTreeMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

fn server(more: Value) -> Issuer {
    issuer("https://as.example", more)
}

#[test]
fn the_request_has_all_it_needs() {
    let (url, pending) = begun(&server(json!({})), &Login::default(), Some("a b")).unwrap();
    let query = query(&url);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "me & you"),
        ("redirect_uri", REDIRECT),
        ("scope", "a b"),
        ("resource", "https://as.example/mcp"),
        ("code_challenge_method", "S256"),
        ("state", pending.state.expose()),
        ("code_challenge", &crate::auth::jwt::digest(pending.verifier.expose())),
    ] {
        assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!query.contains_key("prompt"));
    assert!((43..=128).contains(&pending.verifier.expose().len()), "RFC 7636 section 4.1");
    let (_, other) = begun(&server(json!({})), &Login::default(), None).unwrap();
    assert!(pending.state != other.state && pending.verifier != other.verifier);
    let kept: Pending = serde_json::from_str(&serde_json::to_string(&pending).unwrap()).unwrap();
    assert_eq!(kept, pending, "another process can finish it");
}

#[test]
fn the_challenge_is_that_of_the_rfc() {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(
        crate::auth::jwt::digest(verifier),
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "RFC 7636 appendix B"
    );
}

#[test]
fn without_pkce_there_is_no_login_unless_the_user_knows_better() {
    for methods in [Value::Null, json!([]), json!(["plain"])] {
        let server = server(json!({"code_challenge_methods_supported": methods}));
        assert!(matches!(begun(&server, &Login::default(), None), Err(AuthorizationError::NoPkce(_))));
        let login = Login { assume_pkce: true, ..Login::default() };
        let (url, _) = begun(&server, &login, None).unwrap();
        assert_eq!(query(&url)["code_challenge_method"], "S256", "and still with it");
    }
}

#[test]
fn an_endpoint_stays_as_it_is() {
    let endpoint = "https://as.example/realms/a%20b/auth?tenant=x%2Fy&prompt=login#f";
    let server = server(json!({"authorization_endpoint": endpoint}));
    let (url, _) = begun(&server, &Login::default(), Some("offline_access")).unwrap();
    assert!(
        url.starts_with("https://as.example/realms/a%20b/auth?tenant=x%2Fy&prompt=login&response_type=code&"),
        "{url}"
    );
    assert!(!url.contains('#') && url.matches("prompt=").count() == 1, "{url}");
    let server = issuer("https://as.example", json!({"authorization_endpoint": "https://as.example/a?state=theirs"}));
    assert!(begun(&server, &Login::default(), None).is_err(), "a state that is not ours");
}

#[test]
fn only_web_addresses_are_opened() {
    for (url, safe) in [
        ("https://as.example/a", true),
        ("http://localhost:1/a", true),
        ("http://[::1]:1/a", true),
        ("http://as.example/a", false),
        ("http://127.0.0.1.evil.example/", false),
        ("https://user@as.example/", false),
        ("https://user:pass@as.example/", false),
        ("javascript:alert(1)", false),
        ("data:text/html,x", false),
        ("file:///etc/passwd", false),
        ("vbscript:x", false),
        ("ms-settings:", false),
        ("$(calc)", false),
        ("--version", false),
        ("", false),
    ] {
        assert_eq!(safe_to_open(url).is_ok(), safe, "{url}");
    }
    let shell = safe_to_open("https://as.example/a?x=$(calc)`id`|\" '").unwrap();
    assert!(!shell.as_str().contains([' ', '"']), "what is opened is the parsed address: {shell}");
    for bad in ["javascript:alert(1)", "http://as.example/a"] {
        let server = server(json!({"authorization_endpoint": bad}));
        assert!(begun(&server, &Login::default(), None).is_err(), "{bad}");
    }
}

#[test]
fn some_need_more_to_give_a_refresh_token() {
    let (url, _) = begun(&server(json!({})), &Login::default(), Some("a offline_access")).unwrap();
    assert_eq!(query(&url)["prompt"], "consent", "OpenID Connect Core section 11");
    let google = issuer("https://accounts.google.com", json!({}));
    let (url, _) = begun(&google, &Login::default(), Some("a")).unwrap();
    assert_eq!((query(&url)["access_type"].as_str(), query(&url)["prompt"].as_str()), ("offline", "consent"));
    let params = vec![("prompt".to_owned(), "login".to_owned()), ("audience".to_owned(), "x y".to_owned())];
    let login = Login { authorize_params: params, ..Login::default() };
    let (url, _) = begun(&google, &login, None).unwrap();
    assert_eq!((query(&url)["prompt"].as_str(), query(&url)["audience"].as_str()), ("login", "x y"), "the user's word");
    assert_eq!(url.matches("prompt=").count(), 1);
}

fn pending(more: Value) -> Pending {
    begun(&server(more), &Login::default(), Some("a offline_access")).unwrap().1
}

#[test]
fn a_redirect_is_ours_by_its_state() {
    let pending = pending(json!({}));
    let state = pending.state.expose();
    assert_eq!(check(&pending, &format!("code=c%2B1&state={state}")), Ok(Code(Secret::new("c+1"))));
    for query in [
        String::new(),
        "code=c".to_owned(),
        format!("code=c&state={}", &state[1..]),
        format!("code=c&state={state}x"),
        format!("code=c&state={state}&state=other"),
        "error=access_denied".to_owned(),
    ] {
        assert_eq!(check(&pending, &query), Err(RedirectError::Stray), "{query}");
    }
    for query in [format!("state={state}"), format!("state={state}&code="), format!("state={state}&code=a&code=b")] {
        assert_eq!(check(&pending, &query), Err(RedirectError::NoCode), "{query}");
    }
}

#[test]
fn the_sender_of_a_redirect_is_compared_byte_by_byte() {
    let advertised = pending(json!({"authorization_response_iss_parameter_supported": true}));
    let silent = pending(json!({}));
    for (iss, good_if_advertised, good_if_silent) in [
        ("&iss=https%3A%2F%2Fas.example", true, true),
        ("&iss=https://as.example", true, true),
        ("", false, true),
        ("&iss=", false, false),
        ("&iss=https://as.example/", false, false),
        ("&iss=https://AS.example", false, false),
        ("&iss=https://as.example:443", false, false),
        ("&iss=https://evil.example", false, false),
        ("&iss=https://as.example&iss=https://evil.example", false, false),
    ] {
        for (pending, good) in [(&advertised, good_if_advertised), (&silent, good_if_silent)] {
            let state = pending.state.expose();
            assert_eq!(check(pending, &format!("code=c&state={state}{iss}")).is_ok(), good, "{iss:?}");
            let refused =
                check(pending, &format!("error=e&error_description=from+evil&state={state}{iss}")).unwrap_err();
            assert_eq!(matches!(refused, RedirectError::Refused { .. }), good, "{iss:?}");
            assert_eq!(refused.to_string().contains("from evil"), good, "an error of somebody else is not shown");
        }
    }
}

#[test]
fn a_refusal_says_what_may_go_better() {
    let mut pending = pending(json!({"scopes_supported": ["x"]}));
    pending.issuer.other_resource = Some("https://as.example".to_owned());
    let retry = |pending: &Pending, error: &str| {
        let query = format!("error={error}&state={}", pending.state.expose());
        let RedirectError::Refused { retry, .. } = check(pending, &query).unwrap_err() else { panic!("not refused") };
        retry
    };
    assert_eq!(retry(&pending, "access_denied"), None);
    assert_eq!(retry(&pending, "invalid_scope"), Some(Retry::Scope(Attempt::WithoutOffline)));
    assert_eq!(retry(&pending, "invalid_target"), Some(Retry::OtherResource));
    assert_eq!(retry(&pending, "server_error&error_description=AADSTS9010010:+x"), Some(Retry::NoResource));
    assert_eq!(retry(&pending, "unauthorized_client"), Some(Retry::Register));
    assert_eq!(retry(&pending, "invalid_request"), None);
    pending.client.scope = Some("a".to_owned());
    assert_eq!(retry(&pending, "invalid_scope"), Some(Retry::Register), "it was registered for less");
    pending.client.scope = None;
    pending.scope = None;
    assert_eq!(retry(&pending, "invalid_scope"), Some(Retry::Scope(Attempt::IssuerScopes)));
    pending.client.origin = Origin::MetadataDocument;
    assert_eq!(
        retry(&pending, "invalid_request"),
        Some(Retry::Register),
        "its redirect URIs may be too strict for ports"
    );
    pending.client.origin = Origin::Given;
    assert_eq!(retry(&pending, "unauthorized_client"), None, "what the user gave is not replaced");
}

#[tokio::test]
async fn a_client_that_was_forgotten_is_noticed_before_a_browser_opens() {
    let server = Server::start(|seen, _| {
        Some(match seen.target.as_str() {
            "/forgot" => (400, json!({"message": "Unrecognized client_id"})).into(),
            "/also" => (401, json!({"error": "invalid_client", "error_description": "client is invalid"})).into(),
            "/other" => (400, json!({"error": "invalid_request", "error_description": "missing parameter"})).into(),
            "/moves" => {
                crate::auth::tests::server::Answer(302, vec![("location", "/forgot".to_owned())], String::new())
            }
            _ => (200, "<form>").into(),
        })
    })
    .await;
    for (path, known) in [("/forgot", false), ("/also", false), ("/other", true), ("/moves", true), ("/page", true)] {
        assert_eq!(knows_client(&fetch(), &format!("{}{path}", server.origin)).await.unwrap(), known, "{path}");
    }
    assert_eq!(server.seen().len(), 5, "no redirect is followed");
}
