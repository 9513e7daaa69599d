//! Which responses of a token endpoint are read although they are odd?

use serde_json::json;

use super::tests::{always, client, good, refreshed, tokens};
use super::*;
use crate::auth::tests::server::{Answer, Seen, Server, fetch, issuer};

#[tokio::test]
async fn responses_may_be_forms_or_begin_with_a_byte_order_mark() {
    let form = "access_token=token-1&token_type=bearer&scope=a%2Cb&expires_in=300&refresh_token=next-token";
    for (kind, body) in [
        ("application/x-www-form-urlencoded; charset=utf-8", form.to_owned()),
        ("text/plain", format!("{form}\n")),
        ("application/json", format!("\u{feff}{form}")),
        (
            "application/json",
            "\u{feff}{\"access_token\":\"token-1\",\"expires_in\":\"300.5\",\"scope\":\"a b\"}".to_owned(),
        ),
    ] {
        let shown = body.clone();
        let server = always(move || Answer(200, vec![("content-type", kind.to_owned())], body.clone())).await;
        let tokens = refreshed(&server, &client(None, None), json!({}), None).await.unwrap().tokens;
        let found = (tokens.access_token.expose(), tokens.lifetime, tokens.scope.as_deref());
        assert_eq!(found, ("token-1", Some(300), Some("a b")), "{shown}");
    }
    let form = "error=bad_refresh_token&error_description=The+token+is+expired.";
    let server = always(move || Answer(200, Vec::new(), form.to_owned())).await;
    let error = refreshed(&server, &client(None, None), json!({}), None).await.unwrap_err();
    assert!(error.is_invalid_grant() && error.to_string().contains("The token is expired."), "{error}");
    for neither in ["access_token", "a page about access_token=1", "<p>error=1</p>", "", "name=value"] {
        let server = always(move || Answer(200, Vec::new(), neither.to_owned())).await;
        let error = refreshed(&server, &client(None, None), json!({}), None).await.unwrap_err();
        assert!(matches!(error, TokenError::Malformed(_)), "{neither}: {error}");
    }
}

#[tokio::test]
async fn only_a_redirect_for_posts_that_stays_at_its_origin_is_followed() {
    let other = always(|| good().into()).await;
    let elsewhere = other.origin.clone();
    for (status, location, followed) in [
        (307, "/next", true),
        (308, "next", true),
        (307, "/token", false),
        (301, "/next", false),
        (302, "/next", false),
        (303, "/next", false),
        (307, elsewhere.as_str(), false),
        (308, "//other.example/next", false),
        (307, "", false),
    ] {
        let to = location.to_owned();
        let server = Server::start(move |seen: &Seen, _: &str| {
            Some(match seen.target.as_str() {
                "/next" => good().into(),
                _ => Answer(status, vec![("location", to.clone())], String::new()),
            })
        })
        .await;
        let refreshed = refreshed(&server, &client(None, None), json!({}), None).await;
        assert_eq!(refreshed.is_ok(), followed, "{status} {location}");
        if let Err(error) = refreshed {
            assert!(error.to_string().contains("redirect") && error.is_temporary(), "{status} {location}: {error}");
        }
        let seen = server.seen();
        assert!(seen.iter().all(|seen| seen.method == "POST" && seen.form().contains_key("refresh_token")));
        assert!(seen.len() <= 4, "{status} {location}: {} requests", seen.len());
    }
    assert!(other.seen().is_empty(), "nothing is sent to another origin");
}

#[tokio::test]
async fn a_proof_names_the_url_that_a_redirect_leads_to() {
    let server = Server::start(|seen: &Seen, origin: &str| {
        let proof = claims(seen.header("dpop").unwrap()).unwrap();
        assert_eq!(proof["htu"], json!(format!("{origin}{}", seen.target)));
        Some(match seen.target.as_str() {
            "/next" => (200, json!({"access_token": "bound-token", "token_type": "dpop"})).into(),
            _ => Answer(308, vec![("location", "/next".to_owned())], String::new()),
        })
    })
    .await;
    let (issuer, client, login) = (issuer(&server.origin, json!({})), client(None, None), Login::default());
    let (fetch, dpop) = (fetch(), Dpop::new(&Dpop::generate().unwrap()).unwrap());
    let endpoint = TokenEndpoint { fetch: &fetch, issuer: &issuer, client: &client, login: &login, dpop: Some(&dpop) };
    assert!(endpoint.refresh(&tokens(None)).await.is_ok());
}
