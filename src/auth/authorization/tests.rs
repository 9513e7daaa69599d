use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::auth::callback::Redirect;
use crate::auth::crypto::sha256_base64url;
use crate::auth::record::{Client, Issuer, Origin};
use crate::auth::scope::ScopeAttempt;
use crate::auth::settings::Login;
use crate::auth::tests::server::{Answer, Server, fetch, issuer};

const REDIRECT: &str = "http://127.0.0.1:7777/oauth/callback";

fn started(
    issuer: &Issuer,
    login: &Login,
    scope: Option<&str>,
) -> Result<(String, AuthorizationRequest), AuthorizationError> {
    let client = Client { client_id: "me & you".to_owned(), ..Client::default() };
    let mut request = AuthorizationRequest::new(issuer.clone(), client, REDIRECT.to_owned())?;
    request.scope = scope.map(str::to_owned);
    Ok((request.url(login)?, request))
}

fn redirect(request: &AuthorizationRequest, query: &str) -> Redirect {
    let state = request.state.expose();
    Redirect::pasted(&format!("{query}&state={state}"), state).unwrap()
}

fn query(url: &str) -> BTreeMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

fn server(more: Value) -> Issuer {
    issuer("https://as.example", more)
}

#[test]
fn the_request_has_all_parameters() {
    let (url, pending) = started(&server(json!({})), &Login::default(), Some("a b")).unwrap();
    let query = query(&url);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "me & you"),
        ("redirect_uri", REDIRECT),
        ("scope", "a b"),
        ("resource", "https://as.example/mcp"),
        ("code_challenge_method", "S256"),
        ("state", pending.state.expose()),
        ("code_challenge", &sha256_base64url(pending.verifier.expose())),
    ] {
        assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!query.contains_key("prompt"));
    assert!((43..=128).contains(&pending.verifier.expose().len()), "RFC 7636 section 4.1");
    let (_, other) = started(&server(json!({})), &Login::default(), None).unwrap();
    assert!(pending.state != other.state && pending.verifier != other.verifier);
    let stored: AuthorizationRequest = serde_json::from_str(&serde_json::to_string(&pending).unwrap()).unwrap();
    assert_eq!(stored, pending, "another process can finish it");
}

#[test]
fn the_code_challenge_is_that_of_the_rfc() {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(sha256_base64url(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "RFC 7636 appendix B");
}

#[test]
fn without_pkce_there_is_no_login_unless_the_user_allows_it() {
    for methods in [Value::Null, json!([]), json!(["plain"])] {
        let server = server(json!({"code_challenge_methods_supported": methods}));
        assert!(matches!(started(&server, &Login::default(), None), Err(AuthorizationError::NoPkce(_))));
        let login = Login { assume_pkce: true, ..Login::default() };
        let (url, _) = started(&server, &login, None).unwrap();
        assert_eq!(query(&url)["code_challenge_method"], "S256", "PKCE is used all the same");
    }
}

#[test]
fn the_endpoint_s_path_and_query_are_not_changed() {
    let endpoint = "https://as.example/realms/a%20b/auth?tenant=x%2Fy&p=B2C_1&access_type=online#f";
    let server = server(json!({"authorization_endpoint": endpoint}));
    let login = Login { authorize_params: vec![("access_type".to_owned(), "offline".to_owned())], ..Login::default() };
    let (url, _) = started(&server, &login, Some("offline_access")).unwrap();
    assert!(url.starts_with("https://as.example/realms/a%20b/auth?tenant=x%2Fy&p=B2C_1&response_type="), "{url}");
    assert!(!url.contains('#') && url.matches("prompt=").count() == 1, "{url}");
    assert!(url.contains("access_type=offline") && !url.contains("online"), "the user's parameter wins: {url}");
}

#[test]
fn an_endpoint_sets_no_protocol_parameter() {
    for parameter in [
        "state=x",
        "client_id=x",
        "redirect_uri=x",
        "response_type=token",
        "code_challenge=x",
        "code_challenge_method=plain",
        "scope=admin",
        "%73cope=admin",
        "SCOPE=admin",
        "scope[]=admin",
        "a=b&scope",
        "resource=https%3A%2F%2Fbank.example",
        "request=e30.e30.",
        "request_uri=urn%3Ax",
        "response_mode=fragment",
        "prompt=none",
        "nonce=x",
        "claims=%7B%7D",
        "login_hint=x",
        "id_token_hint=x",
        "authorization_details=%5B%5D",
        "dpop_jkt=x",
        "max_age=0",
        "registration=x",
    ] {
        let endpoint = format!("https://as.example/authorize?{parameter}");
        let server = server(json!({"authorization_endpoint": endpoint}));
        let allowed = Login { assume_pkce: true, ..Login::default() };
        for login in [Login::default(), allowed] {
            let error = started(&server, &login, None).unwrap_err();
            assert!(matches!(error, AuthorizationError::UnsafeUrl(_)), "{parameter}: {error}");
        }
    }
}

#[test]
fn a_person_is_told_who_gets_the_code() {
    let elsewhere = json!({"token_endpoint": "https://evil.example/token"});
    let (_, request) = started(&server(elsewhere.clone()), &Login::default(), None).unwrap();
    let warning = request.warning().unwrap();
    assert!(warning.contains("https://as.example") && warning.contains("https://evil.example"), "{warning}");
    let mut named = elsewhere;
    named["authorization_response_iss_parameter_supported"] = json!(true);
    let (_, request) = started(&server(named), &Login::default(), None).unwrap();
    assert_eq!(request.warning(), None, "iss shows who sent the code");
    let (_, request) = started(&server(json!({})), &Login::default(), None).unwrap();
    assert_eq!(request.warning(), None);
}

#[test]
fn some_servers_need_more_parameters_for_a_refresh_token() {
    let (url, _) = started(&server(json!({})), &Login::default(), Some("a offline_access")).unwrap();
    assert_eq!(query(&url)["prompt"], "consent", "OIDC Core section 11");
    let google = issuer("https://accounts.google.com", json!({}));
    let (url, _) = started(&google, &Login::default(), Some("a")).unwrap();
    assert_eq!((query(&url)["access_type"].as_str(), query(&url)["prompt"].as_str()), ("offline", "consent"));
    let params = vec![("prompt".to_owned(), "login".to_owned()), ("audience".to_owned(), "x y".to_owned())];
    let login = Login { authorize_params: params, ..Login::default() };
    let (url, _) = started(&google, &login, None).unwrap();
    let query = query(&url);
    assert_eq!((&*query["prompt"], &*query["audience"]), ("login", "x y"), "the user's parameters replace ours");
    assert_eq!(url.matches("prompt=").count(), 1);
}

fn pending(more: Value) -> AuthorizationRequest {
    started(&server(more), &Login::default(), Some("a offline_access")).unwrap().1
}

#[test]
fn the_issuer_of_a_response_is_compared_byte_by_byte() {
    let advertised = pending(json!({"authorization_response_iss_parameter_supported": true}));
    let not_advertised = pending(json!({}));
    for (iss, good_if_advertised, good_if_not_advertised) in [
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
        for (pending, good) in [(&advertised, good_if_advertised), (&not_advertised, good_if_not_advertised)] {
            assert_eq!(code(pending, &redirect(pending, &format!("code=c{iss}"))).is_ok(), good, "{iss:?}");
            let error = redirect(pending, &format!("error=e&error_description=from+evil{iss}"));
            let refused = code(pending, &error).unwrap_err();
            assert_eq!(matches!(refused, AuthorizationResponseError::Refused { .. }), good, "{iss:?}");
            assert_eq!(refused.to_string().contains("from evil"), good, "an error of another issuer is not shown");
        }
    }
}

#[test]
fn an_error_leads_to_the_change_for_a_retry() {
    let mut pending = pending(json!({"scopes_supported": ["x"]}));
    pending.issuer.other_resource = Some("https://as.example".to_owned());
    let retry = |pending: &AuthorizationRequest, error: &str| {
        code(pending, &redirect(pending, &format!("error={error}"))).unwrap_err().retry()
    };
    assert_eq!(retry(&pending, "access_denied"), None);
    assert_eq!(retry(&pending, "invalid_scope"), Some(Retry::Scope(ScopeAttempt::WithoutOffline)));
    assert_eq!(retry(&pending, "invalid_target"), Some(Retry::OtherResource));
    assert_eq!(retry(&pending, "server_error&error_description=AADSTS9010010:+x"), Some(Retry::NoResource));
    assert_eq!(retry(&pending, "unauthorized_client"), Some(Retry::Register));
    assert_eq!(retry(&pending, "invalid_request"), None);
    pending.client.scope = Some("a".to_owned());
    assert_eq!(retry(&pending, "invalid_scope"), Some(Retry::Register), "the client was registered for less");
    pending.client.scope = None;
    pending.scope = None;
    assert_eq!(retry(&pending, "invalid_scope"), Some(Retry::Scope(ScopeAttempt::IssuerScopes)));
    pending.client.origin = Origin::MetadataDocument;
    assert_eq!(retry(&pending, "invalid_request"), Some(Retry::Register), "its redirect URIs may name a port");
    pending.client.origin = Origin::Given;
    assert_eq!(retry(&pending, "unauthorized_client"), None, "the user's client is not replaced");
}

#[tokio::test]
async fn an_unknown_client_is_noticed_before_a_browser_opens() {
    let server = Server::start(|seen, _| {
        Some(match seen.target.as_str() {
            "/unknown" => (400, json!({"message": "Unrecognized client_id"})).into(),
            "/also" => (401, json!({"error": "invalid_client", "error_description": "client is invalid"})).into(),
            "/other" => (400, json!({"error": "invalid_request", "error_description": "missing parameter"})).into(),
            "/moves" => Answer(302, vec![("location", "/unknown".to_owned())], String::new()),
            _ => (200, "<form>").into(),
        })
    })
    .await;
    for (path, known) in [("/unknown", false), ("/also", false), ("/other", true), ("/moves", true), ("/page", true)] {
        assert_eq!(knows_client(&fetch(), &format!("{}{path}", server.origin), false).await, known, "{path}");
    }
    assert_eq!(server.seen().len(), 5, "no redirect is followed");
}
