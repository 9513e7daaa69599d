use std::path::PathBuf;

use serde_json::{Value, json};

use super::device;
use super::non_interactive::{as_client, exchange_id_token, exchange_jwt};
use crate::auth::Credential;
use crate::auth::jwt::{Signer, claims};
use crate::auth::record::{Client, Issuer, Origin};
use crate::auth::settings::{Enterprise, Login};
use crate::auth::tests::server::{Seen, Server, fetch, issuer};
use crate::auth::token::{DEVICE_CODE_GRANT, TokenEndpoint, TokenError};
use crate::log::Secret;

const KEY: &str = include_str!("../tests/keys/pkcs8.pem");

fn client(secret: Option<&str>) -> Client {
    let client_secret = secret.map(Secret::new);
    Client { client_id: "me".to_owned(), client_secret, origin: Origin::Given, ..Client::default() }
}

async fn server(error: Option<&'static str>) -> Server {
    Server::start(move |_: &Seen, _: &str| {
        Some(match error {
            None => (200, json!({"access_token": "issued-token", "refresh_token": "needless-token"})).into(),
            Some(error) => (400, json!({"error": error})).into(),
        })
    })
    .await
}

#[tokio::test]
async fn a_client_obtains_tokens_as_itself() {
    let server = server(None).await;
    let issuer = issuer(&server.origin, json!({}));
    let fetch = fetch();
    let login = Login { client_key: Some(Signer::from_pem(KEY, None).unwrap()), ..Login::default() };
    let by_key = client(None);
    let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client: &by_key, login: &login, dpop: None };
    let got = as_client(endpoint, Some("a")).await.unwrap();
    assert_eq!((got.tokens.scope.as_deref(), got.tokens.refresh_token), (Some("a"), None));
    let form = server.seen()[0].form();
    assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let assertion = claims(&form["client_assertion"]).unwrap();
    assert_eq!((&assertion["iss"], &assertion["aud"]), (&json!("me"), &json!(server.origin)), "RFC 7523 section 3");
    let (by_secret, login) = (client(Some("the-client-secret")), Login::default());
    let endpoint = TokenEndpoint { client: &by_secret, login: &login, ..endpoint };
    as_client(endpoint, None).await.unwrap();
    let seen = &server.seen()[1];
    assert!(seen.header("authorization").unwrap().starts_with("Basic "));
    assert_eq!((seen.form()["grant_type"].as_str(), seen.form().get("scope")), ("client_credentials", None));
}

#[tokio::test]
async fn a_workload_sends_one_request_only() {
    let (fetch, login, client) = (fetch(), Login::default(), client(None));
    for error in
        [None, Some("invalid_grant"), Some("invalid_scope"), Some("unauthorized_client"), Some("invalid_client")]
    {
        let server = server(error).await;
        let issuer = issuer(&server.origin, json!({}));
        let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client: &client, login: &login, dpop: None };
        let result = exchange_jwt(endpoint, &Secret::new("the.workload.jwt"), Some("a")).await;
        assert_eq!(result.is_err(), error.is_some());
        assert_eq!(server.seen().len(), 1, "no retry, no other grant after {error:?}");
        let form = server.seen()[0].form();
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        assert_eq!((form["assertion"].as_str(), form["client_id"].as_str()), ("the.workload.jwt", "me"));
    }
}

#[tokio::test]
async fn an_identity_provider_authorizes_a_person() {
    let provider = Server::start(|_: &Seen, _: &str| {
        Some((200, json!({"access_token": "the.id.jag", "issued_token_type": "x", "token_type": "N_A"})).into())
    })
    .await;
    let server = server(None).await;
    let issuer = issuer(&server.origin, json!({"token_endpoint_auth_methods_supported": ["client_secret_basic"]}));
    let (fetch, login, client) = (fetch(), Login::default(), client(Some("the-client-secret")));
    let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client: &client, login: &login, dpop: None };
    let idp = Enterprise {
        token_endpoint: format!("{}/token", provider.origin),
        client_id: "at-the-provider".to_owned(),
        client_secret: None,
        subject_token: Credential::File { path: PathBuf::from("unused") },
    };
    let subject = Secret::new("the.id.token");
    let got = exchange_id_token(endpoint, &idp, &subject, "https://h/mcp", None).await.unwrap();
    assert_eq!(got.tokens.access_token.expose(), "issued-token");
    let form = provider.seen()[0].form();
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id-jag"),
        ("audience", server.origin.as_str()),
        ("resource", "https://h/mcp"),
        ("subject_token", "the.id.token"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("client_id", "at-the-provider"),
    ] {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}");
    }
    let seen = &server.seen()[0];
    assert_eq!(seen.form()["assertion"], "the.id.jag");
    assert!(seen.header("authorization").unwrap().starts_with("Basic "), "as the client of the authorization server");
    assert_eq!(server.targets(), ["POST /token"], "no person logs in there");
}

/// A server that answers polls with these responses, one after the other.
async fn device(answers: Vec<Value>) -> (Server, Issuer) {
    let mut answers = answers.into_iter();
    let server = Server::start(move |seen: &Seen, origin: &str| {
        if seen.target == "/device" {
            let page = format!("{origin}/activate");
            let begun = json!({"device_code": "the-device-code", "user_code": "AB-CD", "verification_uri": page, "interval": 1});
            return Some((200, begun).into());
        }
        let answer = answers.next()?;
        Some((if answer.get("error").is_some() { 400 } else { 200 }, answer).into())
    })
    .await;
    let issuer = issuer(&server.origin, json!({"device_authorization_endpoint": format!("{}/device", server.origin)}));
    (server, issuer)
}

#[tokio::test]
async fn a_person_logs_in_on_another_device() {
    let pending = json!({"error": "authorization_pending"});
    let slow = json!({"error": "slow_down"});
    let (server, issuer) = device(vec![pending, slow, json!({"access_token": "issued-token"})]).await;
    let (fetch, login, client) = (fetch(), Login::default(), client(None));
    let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client: &client, login: &login, dpop: None };
    let mut begun = device::authorize(endpoint, Some("a")).await.unwrap();
    assert_eq!((begun.user_code.as_str(), begun.interval.as_secs()), ("AB-CD", 1));
    assert!(matches!(begun.poll(endpoint).await, Ok(None)) && begun.interval.as_secs() == 1);
    assert!(matches!(begun.poll(endpoint).await, Ok(None)) && begun.interval.as_secs() == 6, "RFC 8628 section 3.5");
    let got = begun.poll(endpoint).await.unwrap().unwrap();
    assert_eq!((got.tokens.access_token.expose(), got.tokens.scope.as_deref()), ("issued-token", Some("a")));
    let (asked, polled) = (server.seen()[0].form(), server.seen()[1].form());
    assert_eq!((asked["client_id"].as_str(), asked["scope"].as_str()), ("me", "a"));
    assert!(asked.contains_key("resource"));
    assert_eq!((polled["grant_type"].as_str(), polled["device_code"].as_str()), (DEVICE_CODE_GRANT, "the-device-code"));
}

#[tokio::test]
async fn a_device_is_polled_once_a_second_at_most() {
    let (fetch, login, client) = (fetch(), Login::default(), client(None));
    for (interval, seconds) in [(json!(0), 1), (json!("0"), 1), (json!(-3), 5), (json!(null), 5), (json!(7), 7)] {
        let server = Server::start(move |_: &Seen, origin: &str| {
            let page = format!("{origin}/activate");
            let begun = json!({"device_code": "c", "user_code": "AB", "verification_uri": page, "interval": interval});
            Some((200, begun).into())
        });
        let server = server.await;
        let device = json!({"device_authorization_endpoint": format!("{}/device", server.origin)});
        let issuer = issuer(&server.origin, device);
        let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client: &client, login: &login, dpop: None };
        assert_eq!(device::authorize(endpoint, None).await.unwrap().interval.as_secs(), seconds);
    }
    let leading =
        issuer("https://as.example", json!({"device_authorization_endpoint": "https://as.example/d?scope=x"}));
    let endpoint = TokenEndpoint { fetch: &fetch, issuer: &leading, client: &client, login: &login, dpop: None };
    assert!(matches!(device::authorize(endpoint, None).await, Err(TokenError::Address(_))), "it sets the scope");
}

#[tokio::test]
async fn a_login_on_another_device_can_fail() {
    let (fetch, login, client) = (fetch(), Login::default(), client(None));
    for error in ["access_denied", "expired_token"] {
        let (_server, issuer) = device(vec![json!({"error": error})]).await;
        let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client: &client, login: &login, dpop: None };
        let mut begun = device::authorize(endpoint, None).await.unwrap();
        let result = begun.poll(endpoint).await;
        assert!(matches!(&result, Err(TokenError::ErrorResponse(response)) if response.error == error), "{result:?}");
    }
    let none = issuer("https://as.example", json!({}));
    let endpoint = TokenEndpoint { fetch: &fetch, issuer: &none, client: &client, login: &login, dpop: None };
    assert!(matches!(device::authorize(endpoint, None).await, Err(TokenError::NoDeviceEndpoint(_))));
}
