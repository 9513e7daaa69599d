use serde_json::{Map, Value, json};

use super::*;
use crate::auth::settings::Grant;
use crate::auth::tests::server::{Answer, Seen, Server, fetch, issuer};

const URIS: [&str; 2] = ["http://127.0.0.1:7777/oauth/callback", "http://127.0.0.1:7778/oauth/callback"];

async fn registered(server: &Server, more: Value, login: &Login) -> Result<Client, RegistrationError> {
    let uris = URIS.map(str::to_owned);
    let scopes = ["a offline_access".to_owned()];
    let request = RegistrationRequest { redirect_uris: &uris, scopes: &scopes, skip_metadata_document: false };
    register(&fetch(), &issuer(&server.origin, more), login, request).await
}

async fn server(mut answer: impl FnMut(&Map<String, Value>) -> (u16, Value) + Send + 'static) -> Server {
    Server::start(move |seen: &Seen, _: &str| Some(answer(&seen.json()).into())).await
}

#[tokio::test]
async fn the_user_s_client_comes_first_then_the_document_then_registration() {
    let server = server(|_| (201, json!({"client_id": "dynamic"}))).await;
    let cimd = json!({"client_id_metadata_document_supported": true});
    let mut login = Login { client_metadata_url: Some("https://c.example/c.json".to_owned()), ..Login::default() };
    let client = registered(&server, json!({}), &login).await.unwrap();
    // The server does not support documents.
    assert_eq!((client.client_id.as_str(), client.origin), ("dynamic", Origin::Dynamic));
    let client = registered(&server, cimd.clone(), &login).await.unwrap();
    assert_eq!((client.client_id.as_str(), client.origin), ("https://c.example/c.json", Origin::MetadataDocument));
    assert_eq!(client.token_endpoint_auth_method.as_deref(), Some("none"));
    login.client_id = Some("given".to_owned());
    let client = registered(&server, cimd, &login).await.unwrap();
    assert_eq!((client.client_id.as_str(), client.origin), ("given", Origin::Given));
    assert_eq!(server.seen().len(), 1);
    let error = registered(&server, json!({"registration_endpoint": null}), &Login::default()).await.unwrap_err();
    assert!(error.hint().contains(URIS[0]) && error.hint().contains("--client-id"), "{}", error.hint());
}

#[tokio::test]
async fn a_registration_has_only_known_members() {
    let server = server(|_| (201, json!({"client_id": "i"}))).await;
    let mut login = Login { client_name: Some("Name".to_owned()), ..Login::default() };
    login
        .set_client_metadata(r#"{"client_uri":"https://c.example","redirect_uris":["https://elsewhere.example"]}"#)
        .unwrap();
    registered(&server, json!({}), &login).await.unwrap();
    let sent = Value::Object(server.seen()[0].json());
    assert_eq!(
        sent,
        json!({
            "client_name": "Name",
            "application_type": "native",
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": "a offline_access",
            "redirect_uris": URIS,
            "client_uri": "https://c.example",
        })
    );
    login.grant = Grant::Device;
    registered(&server, json!({}), &login).await.unwrap();
    assert_eq!(server.seen()[1].json()["grant_types"][0], crate::auth::token::DEVICE_CODE_GRANT);
}

#[tokio::test]
async fn a_refused_member_is_changed_once() {
    type Rule = fn(&Map<String, Value>) -> Option<&'static str>;
    let rules: [Rule; 4] = [
        |sent| sent.contains_key("scope").then_some("unknown scope requested"),
        |sent| sent["redirect_uris"][0].as_str()?.contains("127.0.0.1").then_some("invalid_redirect_uri"),
        |sent| sent.contains_key("token_endpoint_auth_method").then_some("token_endpoint_auth_method none"),
        |sent| (sent["grant_types"].as_array()?.len() == 2).then_some("unsupported grant type"),
    ];
    for rule in rules {
        let server = server(move |sent| match rule(sent) {
            Some(reason) => (400, json!({"error": "invalid_client_metadata", "error_description": reason})),
            None => (201, json!({"client_id": "i"})),
        })
        .await;
        let client = registered(&server, json!({}), &Login::default()).await.unwrap();
        assert_eq!(server.seen().len(), 2, "one change is enough");
        let changed = server.seen()[1].json();
        assert_eq!(json!(client.redirect_uris), changed["redirect_uris"], "the registered URIs are used");
    }
    let stubborn = server(|_| (400, json!({"error": "invalid_redirect_uri"}))).await;
    let error = registered(&stubborn, json!({}), &Login::default()).await.unwrap_err();
    assert!(matches!(error, RegistrationError::Refused { .. }) && error.to_string().contains("invalid_redirect_uri"));
    assert_eq!(stubborn.seen().len(), 2, "only one change");
}

#[tokio::test]
async fn errors_of_registration_are_distinguished() {
    type Is = fn(&RegistrationError) -> bool;
    let closed: Is = |error| matches!(error, RegistrationError::Closed { .. });
    let blocked: Is = |error| matches!(error, RegistrationError::Blocked(_));
    let temporary: Is = |error| matches!(error, RegistrationError::Temporary { .. });
    let refused: Is = |error| matches!(error, RegistrationError::Refused { reason, .. } if reason.trim() == reason);
    let cases: [(u16, &str, &str, Is); 7] = [
        (401, r#"{"error":"invalid_token"}"#, "invalid_token", closed),
        (403, r#"{"error_description":"Policy 'Trusted Hosts' rejected request"}"#, "Trusted Hosts", closed),
        (403, "<title>Just a moment...</title>", "bot protection", blocked),
        (404, "", "404", closed),
        (500, "", "500", temporary),
        (400, "client not in the list", "status 400 Bad Request", refused),
        (307, "", "status 307 Temporary Redirect", refused),
    ];
    for (status, body, reason, is) in cases {
        let server = Server::start(move |_, _| Some((status, body).into())).await;
        let error = registered(&server, json!({}), &Login::default()).await.unwrap_err();
        assert!(is(&error) && error.to_string().contains(reason), "{status} {body}: {error}");
    }
    let server = Server::start(|_, _| Some(Answer(429, vec![("retry-after", "7".to_owned())], String::new()))).await;
    let error = registered(&server, json!({}), &Login::default()).await.unwrap_err();
    assert!(matches!(error, RegistrationError::Temporary { retry_after: Some(wait), .. } if wait.as_secs() == 7));
}

#[tokio::test]
async fn the_response_names_the_authentication() {
    let secret = json!({"client_id": "i", "client_secret": "registered-secret"});
    let with_method = json!({"client_id": "i", "client_secret": "registered-secret", "token_endpoint_auth_method": "client_secret_post"});
    let basic = json!(["client_secret_basic"]);
    for (answer, methods, expected) in [
        (with_method, basic.clone(), "client_secret_post"),
        (secret.clone(), basic, "client_secret_basic"),
        (secret.clone(), json!(["client_secret_basic", "none"]), "none"),
        (secret, Value::Null, "client_secret_basic"),
        (json!({"client_id": "i"}), Value::Null, "none"),
    ] {
        let server = server(move |_| (200, answer.clone())).await;
        let more = json!({"token_endpoint_auth_methods_supported": methods});
        let client = registered(&server, more, &Login::default()).await.unwrap();
        assert_eq!(client.token_endpoint_auth_method.as_deref(), Some(expected), "{methods}");
    }
    let server = server(|_| {
        (201, json!({"client_id": 17, "client_secret_expires_at": "99", "redirect_uris": ["x:y"], "scope": "s"}))
    })
    .await;
    let client = registered(&server, json!({}), &Login::default()).await.unwrap();
    assert_eq!((client.client_id.as_str(), client.client_secret_expires_at), ("17", Some(99)));
    assert_eq!((client.redirect_uris.as_slice(), client.scope.as_deref()), (&URIS.map(str::to_owned)[..], Some("s")));
}

#[test]
fn a_client_is_registered_again_only_for_a_reason() {
    let client = |origin, end| Client {
        origin,
        redirect_uris: vec![URIS[0].to_owned()],
        client_secret_expires_at: end,
        ..Client::default()
    };
    for (client, uri, due) in [
        (client(Origin::Dynamic, None), URIS[0], false),
        (client(Origin::Dynamic, Some(0)), URIS[0], false),
        (client(Origin::Dynamic, Some(101)), URIS[0], false),
        (client(Origin::Dynamic, Some(100)), URIS[0], true),
        (client(Origin::Dynamic, None), URIS[1], true),
        (client(Origin::Given, Some(1)), URIS[1], false),
        (client(Origin::MetadataDocument, None), URIS[1], false),
    ] {
        assert_eq!(client.needs_new_registration(uri, 100), due, "{client:?}");
    }
}
