use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::auth::expiry::now;
use crate::auth::record::Origin;
use crate::auth::tests::server::{Answer, Seen, Server, fetch, issuer};

pub(super) fn client(secret: Option<&str>, method: Option<&str>) -> Client {
    Client {
        client_id: "a b".to_owned(),
        client_secret: secret.map(Secret::new),
        token_endpoint_auth_method: method.map(str::to_owned),
        ..Client::default()
    }
}

pub(super) fn tokens(scope: Option<&str>) -> Tokens {
    Tokens {
        access_token: Secret::new("old-access-token"),
        token_type: "Bearer".to_owned(),
        refresh_token: Some(Secret::new("old-refresh-token")),
        id_token: Some(Secret::new("old-id-token")),
        scope: scope.map(str::to_owned),
        obtained_at: now(),
        lifetime: Some(60),
        refresh_with_scope: false,
    }
}

/// Refreshes at a server whose metadata have `more` in them.
pub(super) async fn refreshed(
    server: &Server,
    client: &Client,
    more: Value,
    scope: Option<&str>,
) -> Result<Issued, TokenError> {
    let mut issuer = issuer(&server.origin, more);
    issuer.other_resource = Some(server.origin.clone());
    let login = Login::default();
    let fetch = fetch();
    let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client, login: &login, dpop: None };
    endpoint.refresh(&tokens(scope)).await
}

pub(super) fn good() -> (u16, Value) {
    (200, json!({"access_token": "new-access-token", "token_type": "bearer"}))
}

fn refuse(error: &str) -> (u16, Value) {
    (400, json!({"error": error, "error_description": "because"}))
}

pub(super) async fn always(answer: impl Fn() -> Answer + Send + 'static) -> Server {
    Server::start(move |_, _| Some(answer())).await
}

#[tokio::test]
async fn a_code_is_exchanged_with_the_parameters_of_its_login() {
    let server = always(|| good().into()).await;
    let (issuer, client, login) = (issuer(&server.origin, json!({})), client(None, None), Login::default());
    let redirect_uri = "http://127.0.0.1:7777/oauth/callback";
    let mut request = AuthorizationRequest::new(issuer.clone(), client.clone(), redirect_uri.to_owned()).unwrap();
    request.scope = Some("a".to_owned());
    let fetch = fetch();
    let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client: &client, login: &login, dpop: None };
    let got = endpoint.exchange(&request, &Secret::new("the-code")).await.unwrap();
    let form = server.seen()[0].form();
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "the-code"),
        ("redirect_uri", redirect_uri),
        ("code_verifier", request.verifier.expose()),
        ("client_id", "a b"),
        ("resource", issuer.resource.as_deref().unwrap()),
    ] {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(got.tokens.scope.as_deref(), Some("a"), "no scope means the requested scope");
    let mut record = Record { issuer: Some(issuer.clone()), client: Some(client.clone()), ..Record::default() };
    got.write_to(&mut record);
    assert_eq!(record.tokens.unwrap().access_token.expose(), "new-access-token");
}

#[tokio::test]
async fn a_refresh_keeps_what_the_response_leaves_out() {
    let server = always(|| good().into()).await;
    let issued = refreshed(&server, &client(None, None), json!({}), Some("a b")).await.unwrap();
    let kept = issued.tokens;
    assert_eq!(kept.refresh_token.unwrap().expose(), "old-refresh-token");
    assert_eq!((kept.scope.as_deref(), kept.id_token.unwrap().expose()), (Some("a b"), "old-id-token"));
    assert_eq!(kept.lifetime, None, "an unknown lifetime is not guessed");
    let form = server.seen()[0].form();
    assert_eq!(form.get("scope"), None, "some servers refuse a scope here");
    assert!(form["resource"].ends_with("/mcp") && form["grant_type"] == "refresh_token");
    assert_eq!(server.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_refresh_names_the_scope_where_the_server_requires_it() {
    let picky = Server::start(|seen: &Seen, _: &str| {
        let named = seen.form().contains_key("scope");
        Some(if named { good().into() } else { refuse("invalid_scope").into() })
    })
    .await;
    assert!(refreshed(&picky, &client(None, None), json!({}), Some("a")).await.is_ok());
    assert!(refreshed(&picky, &client(None, None), json!({}), None).await.is_err(), "no scope is invented");
}

#[tokio::test]
async fn another_authentication_is_tried_once_and_remembered() {
    let wants = |method: &'static str| {
        Server::start(move |seen: &Seen, _: &str| {
            let basic = seen.header("authorization").is_some();
            let post = seen.form().contains_key("client_secret");
            assert!(!(basic && post), "RFC 6749 section 2.3: one authentication in a request");
            let used = match (basic, post) {
                (true, _) => "client_secret_basic",
                (_, true) => "client_secret_post",
                _ => "none",
            };
            Some(if used == method { good().into() } else { (401, refuse("invalid_client").1).into() })
        })
    };
    for (method, registered, requests) in [
        ("client_secret_post", Some("none"), 2),
        ("client_secret_basic", Some("client_secret_post"), 2),
        ("client_secret_post", Some("client_secret_basic"), 2),
        ("client_secret_basic", Some("none"), 3),
        ("client_secret_basic", Some("client_secret_basic"), 1),
        ("client_secret_basic", None, 1),
    ] {
        let server = wants(method).await;
        let issued = refreshed(&server, &client(Some("p:w%"), registered), json!({}), None).await.unwrap();
        assert_eq!((issued.auth_method.name(), server.seen().len()), (method, requests), "{registered:?}");
        if let Some(header) = server.seen().last().unwrap().header("authorization") {
            let pair = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
            assert_eq!(pair, b"a+b:p%3Aw%25", "RFC 6749 section 2.3.1: form-encoded first");
        }
    }
    let server = wants("nothing").await;
    let error = refreshed(&server, &client(Some("secret-word"), None), json!({}), None).await.unwrap_err();
    assert!(error.client_is_unknown() && !error.is_invalid_grant() && !error.is_temporary(), "{error}");
    assert_eq!(server.seen().len(), 3, "a secret is never left out");
}

#[tokio::test]
async fn basic_is_tried_without_encoding_where_that_makes_a_difference() {
    let server = Server::start(|seen: &Seen, _: &str| {
        let pair = seen.header("authorization").and_then(|value| STANDARD.decode(value.strip_prefix("Basic ")?).ok());
        let known = pair.is_some_and(|pair| pair == b"a b:p:w%");
        Some(if known { good().into() } else { (401, refuse("invalid_client").1).into() })
    })
    .await;
    let issued = refreshed(&server, &client(Some("p:w%"), None), json!({}), None).await.unwrap();
    assert_eq!((issued.auth_method.name(), server.seen().len()), ("client_secret_basic_unencoded", 3));
    let remembered = client(Some("p:w%"), Some("client_secret_basic_unencoded"));
    assert!(refreshed(&server, &remembered, json!({}), None).await.is_ok());
    assert_eq!(server.seen().len(), 4, "the method that works is remembered");
    let plain = Client { client_id: "plain".to_owned(), ..client(Some("plain-secret"), None) };
    assert!(refreshed(&server, &plain, json!({}), None).await.is_err());
    assert_eq!(server.seen().len(), 6, "Basic and the form; nothing is encoded");
}

#[tokio::test]
async fn the_metadata_decide_how_the_user_s_client_authenticates() {
    let server = always(|| good().into()).await;
    for (methods, expected) in [
        (json!(["client_secret_basic"]), "client_secret_basic"),
        (json!(["none", "client_secret_basic", "client_secret_post"]), "client_secret_post"),
        (Value::Null, "client_secret_basic"),
    ] {
        let given = Client { origin: Origin::Given, ..client(Some("secret-word"), None) };
        let more = json!({"token_endpoint_auth_methods_supported": methods});
        assert_eq!(refreshed(&server, &given, more, None).await.unwrap().auth_method.name(), expected);
    }
}

#[tokio::test]
async fn another_resource_is_tried_once() {
    let server = Server::start(|seen: &Seen, origin: &str| {
        let known = seen.form().get("resource").is_some_and(|resource| resource == origin);
        Some(if known { good().into() } else { refuse("invalid_target").into() })
    })
    .await;
    let issued = refreshed(&server, &client(None, None), json!({}), None).await.unwrap();
    assert_eq!(issued.resource.as_deref(), Some(server.origin.as_str()), "remembered");
    let stubborn = always(|| refuse("invalid_target").into()).await;
    assert!(refreshed(&stubborn, &client(None, None), json!({}), None).await.is_err());
    assert_eq!(stubborn.seen().len(), 2);
    let entra = Server::start(|seen: &Seen, _: &str| {
        let named = seen.form().contains_key("resource");
        let answer = json!({"error": "invalid_request", "error_description": "AADSTS901002: no resource"});
        Some(if named { (400, answer).into() } else { good().into() })
    })
    .await;
    assert_eq!(refreshed(&entra, &client(None, None), json!({}), None).await.unwrap().resource, None);
}

#[tokio::test]
async fn responses_are_read_in_the_forms_of_many_servers() {
    let jwt = format!("h.{}.s", URL_SAFE_NO_PAD.encode(r#"{"iat":1000,"exp":1300}"#));
    for (answer, lifetime, scope) in [
        (json!({"access_token": "token-1", "expires_in": 300}), Some(300), None),
        (json!({"access_token": "token-1", "expires_in": "300", "scope": ["a", "b"]}), Some(300), Some("a b")),
        (json!({"access_token": "token-1", "expires_in": 299.9, "scope": "a,b"}), Some(299), Some("a b")),
        (json!({"access_token": "token-1", "expires_in": 0, "scope": ""}), None, None),
        (json!({"access_token": "token-1", "expires_in": "soon"}), None, None),
        (json!({"access_token": "token-1", "expires_in": -5, "token_type": null}), None, None),
        (json!({"access_token": jwt, "expires_in": 0}), Some(300), None),
        (
            json!({"ok": true, "authed_user": {"access_token": "token-1", "scope": "a,b", "expires_in": 300}}),
            Some(300),
            Some("a b"),
        ),
    ] {
        let shown = answer.to_string();
        let server = always(move || (200, answer.clone()).into()).await;
        let tokens = refreshed(&server, &client(None, None), json!({}), None).await.unwrap().tokens;
        assert_eq!((tokens.lifetime, tokens.scope.as_deref()), (lifetime, scope), "{shown}");
        assert_eq!(tokens.token_type, "Bearer", "{shown}");
    }
}

#[tokio::test]
async fn status_and_code_decide_what_an_error_means() {
    let (invalid_grant, unknown, temporary) = ("invalid grant", "client unknown", "temporary");
    for (status, body, expected) in [
        (400, json!({"error": "invalid_grant"}), invalid_grant),
        (401, json!({"error": "invalid_grant"}), invalid_grant),
        (400, json!([{"error": "invalid_grant"}]), invalid_grant),
        (400, json!({"errors": [{"code": "invalid_grant", "message": "m"}]}), invalid_grant),
        (200, json!({"ok": false, "error": "invalid_refresh_token"}), invalid_grant),
        (200, json!({"error": "bad_refresh_token"}), invalid_grant),
        (400, json!({"error": "interaction_required"}), invalid_grant),
        (403, json!({"error": "access_denied"}), invalid_grant),
        (500, json!({"error": "invalid_grant"}), temporary),
        (403, json!({"error": "invalid_grant"}), "final"),
        (503, json!({}), temporary),
        (429, json!({"error": "invalid_grant"}), temporary),
        (400, json!({"error": "temporarily_unavailable"}), temporary),
        (400, json!("invalid_grant"), temporary),
        (404, json!({"message": "no such path"}), temporary),
        (200, json!({}), temporary),
        (302, json!({}), temporary),
        (200, json!({"access_token": "two\nlines"}), temporary),
        (401, json!({"error": "invalid_client"}), unknown),
        (400, json!({"error": "unauthorized_client"}), unknown),
        (422, json!({"message": "Unrecognized client_id"}), unknown),
        (400, json!({"error": "invalid_scope"}), "final"),
    ] {
        let shown = format!("{status} {body}");
        let server = always(move || (status, body.clone()).into()).await;
        let error = refreshed(&server, &client(None, None), json!({}), None).await.unwrap_err();
        let class = match (error.is_invalid_grant(), error.client_is_unknown(), error.is_temporary()) {
            (true, false, false) => invalid_grant,
            (false, true, false) => unknown,
            (false, false, true) => temporary,
            (false, false, false) => "final",
            several => panic!("{shown}: {several:?}"),
        };
        assert_eq!((class, error.has_unknown_outcome()), (expected, false), "{shown}: {error}");
        assert_eq!(server.seen().len(), 1, "{shown}: one request");
    }
    let server = always(|| Answer(503, vec![("retry-after", "9".to_owned())], String::new())).await;
    let error = refreshed(&server, &client(None, None), json!({}), None).await.unwrap_err();
    assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(9));
}

#[tokio::test]
async fn a_lost_response_differs_from_a_request_that_was_never_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = always(|| good().into()).await;
    let lost = Server { origin, ..server };
    tokio::spawn(async move {
        // Reads a part of the request and closes the connection.
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut some = [0; 16];
            tokio::io::AsyncReadExt::read(&mut socket, &mut some).await.ok();
        }
    });
    let error = refreshed(&lost, &client(None, None), json!({}), None).await.unwrap_err();
    // The server may have acted on it.
    assert!(error.has_unknown_outcome() && !error.is_invalid_grant() && !error.is_temporary(), "{error}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unreachable = Server { origin: format!("http://{}", closed.local_addr().unwrap()), ..lost };
    drop(closed);
    let error = refreshed(&unreachable, &client(None, None), json!({}), None).await.unwrap_err();
    assert!(error.is_temporary() && !error.has_unknown_outcome(), "nothing was sent: {error}");
}

#[tokio::test]
async fn an_error_has_no_secrets() {
    let server = Server::start(|seen: &Seen, _: &str| {
        let description = format!("what is {}?", seen.body);
        Some((400, json!({"error": "invalid_request", "error_description": description})).into())
    })
    .await;
    let error = refreshed(&server, &client(Some("a-client-secret"), None), json!({}), None).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("what is") && !shown.contains("old-refresh-token"), "{shown}");
}

#[tokio::test]
async fn a_token_is_revoked_if_the_server_can_do_that() {
    let server = always(|| (200, json!({})).into()).await;
    let login = Login::default();
    let (fetch, client) = (fetch(), client(None, None));
    for (more, done) in
        [(json!({}), false), (json!({"revocation_endpoint": format!("{}/revoke", server.origin)}), true)]
    {
        let issuer = issuer(&server.origin, more);
        let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client: &client, login: &login, dpop: None };
        assert_eq!(endpoint.revoke(&Secret::new("a-token"), "refresh_token").await.unwrap(), done);
    }
    let form = server.seen()[0].form();
    assert_eq!((form["token"].as_str(), form["token_type_hint"].as_str()), ("a-token", "refresh_token"));
}

#[tokio::test]
async fn a_nonce_is_stored_and_used_in_the_next_proof() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let nonces = Arc::clone(&sent);
    let server = Server::start(move |seen: &Seen, _: &str| {
        let proof = claims(seen.header("dpop").unwrap()).unwrap();
        nonces.lock().unwrap().push(proof.get("nonce").cloned());
        let nonce = vec![("dpop-nonce", "n-1".to_owned())];
        Some(match proof.get("nonce") {
            None => Answer(400, nonce, json!({"error": "use_dpop_nonce"}).to_string()),
            Some(_) => (200, json!({"access_token": "bound-token", "token_type": "dpop"})).into(),
        })
    })
    .await;
    let (issuer, client, login) = (issuer(&server.origin, json!({})), client(None, None), Login::default());
    let (fetch, dpop) = (fetch(), Dpop::new(&Dpop::generate().unwrap()).unwrap());
    let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client: &client, login: &login, dpop: Some(&dpop) };
    let got = endpoint.refresh(&tokens(None)).await.unwrap();
    assert_eq!(got.tokens.token_type, "DPoP");
    endpoint.refresh(&tokens(None)).await.unwrap();
    let nonce = Some(json!("n-1"));
    assert_eq!(*sent.lock().unwrap(), [None, nonce.clone(), nonce], "the server asks once");
    let stubborn =
        always(|| Answer(400, vec![("dpop-nonce", "same".to_owned())], r#"{"error":"use_dpop_nonce"}"#.to_owned()))
            .await;
    let issuer = crate::auth::tests::server::issuer(&stubborn.origin, json!({}));
    let endpoint = TokenEndpoint { issuer: &issuer, ..endpoint };
    assert!(endpoint.refresh(&tokens(None)).await.is_err());
    assert_eq!(stubborn.seen().len(), 2, "one more request, not a loop");
}

#[test]
fn a_token_for_another_audience_is_explained() {
    let issuer = issuer("https://as.example", json!({}));
    let with =
        |token: &str| explain_refused_token(&issuer, &Tokens { access_token: Secret::new(token), ..tokens(None) });
    let jwt = format!("h.{}.s", URL_SAFE_NO_PAD.encode(r#"{"aud":"https://other.example"}"#));
    assert!(with(&jwt).contains("https://other.example") && with(&jwt).contains("https://as.example"));
    assert!(with("opaque-token").contains("https://as.example/mcp"));
    assert!(with("a.b.c.d.e").contains("audience="), "Auth0's encrypted tokens");
}
