use serde_json::{Value, json};

use super::*;
use crate::auth::settings::Grant;
use crate::auth::tests::server::{Answer, Server, fetch, issuer as known, metadata};

const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

async fn discover_at(server: &Server, path: &str, login: &Login) -> Result<Discovered, DiscoveryError> {
    with(server, path, login, None).await
}

async fn with(
    server: &Server,
    path: &str,
    login: &Login,
    challenge: Option<&Challenge>,
) -> Result<Discovered, DiscoveryError> {
    let url = Url::parse(&format!("{}{path}", server.origin)).unwrap();
    discover(&fetch(), &url, challenge, Known::default(), login).await
}

/// A server with these documents, as (path, document); `@` in them is its origin.
async fn documents(documents: Vec<(&'static str, Value)>) -> Server {
    Server::start(move |seen, origin| {
        let (_, document) = documents.iter().find(|(path, _)| *path == seen.target)?;
        let text = document.to_string().replace('@', origin);
        Some((200, serde_json::from_str::<Value>(&text).unwrap()).into())
    })
    .await
}

fn prm(resource: &str, issuer: &str) -> Value {
    json!({"resource": resource, "authorization_servers": [issuer], "scopes_supported": ["a", "b"]})
}

#[tokio::test]
async fn the_challenge_leads_to_the_issuer() {
    let server = documents(vec![("/challenged", prm("@/mcp", "@")), (OAUTH, metadata("@", "@"))]).await;
    let challenge = Challenge {
        bearer: true,
        resource_metadata: Some(format!("{}/challenged", server.origin)),
        scope: Some("c".to_owned()),
        ..Challenge::default()
    };
    let discovered = with(&server, "/mcp", &Login::default(), Some(&challenge)).await.unwrap();
    assert_eq!(server.targets(), ["GET /challenged".to_owned(), format!("GET {OAUTH}")], "no well-known URL is needed");
    assert_eq!(discovered.issuer.issuer, server.origin);
    assert_eq!(discovered.issuer.resource, Some(format!("{}/mcp", server.origin)));
    assert_eq!(discovered.scopes.challenged.as_deref(), Some("c"));
    assert_eq!(discovered.scopes.supported, ["a", "b"]);
    for seen in server.seen() {
        assert!(seen.header("user-agent").unwrap().starts_with("mcp-ferry/"), "firewalls require a user agent");
        assert!(seen.header("accept").is_some() && seen.header("authorization").is_none());
    }
}

#[tokio::test]
async fn urls_are_tried_in_the_order_of_the_specification() {
    let server = documents(vec![
        (RESOURCE, prm("@", "@/tenant/1")),
        ("/tenant/1/.well-known/oauth-authorization-server", metadata("@", "@/tenant/1")),
    ])
    .await;
    discover_at(&server, "/mcp", &Login::default()).await.unwrap();
    let expected = [
        format!("{RESOURCE}/mcp"),
        RESOURCE.to_owned(),
        format!("{OAUTH}/tenant/1"),
        format!("{OPENID}/tenant/1"),
        format!("/tenant/1{OPENID}"),
        format!("/tenant/1{OAUTH}"),
    ];
    assert_eq!(server.targets(), expected.map(|place| format!("GET {place}")));
}

#[tokio::test]
async fn responses_that_are_not_metadata_count_as_missing() {
    let server = Server::start(|seen, origin| {
        Some(match seen.target.as_str() {
            RESOURCE => (200, prm(origin, origin)).into(),
            "/.well-known/oauth-protected-resource/mcp" => (401, "log in").into(),
            OAUTH => (200, "<html>an application</html>").into(),
            OPENID => (200, metadata(origin, origin)).into(),
            _ => return None,
        })
    })
    .await;
    let discovered = discover_at(&server, "/mcp", &Login::default()).await.unwrap();
    assert_eq!(discovered.issuer.resource.as_deref(), Some(server.origin.as_str()), "byte for byte, without a slash");
    assert_eq!(discovered.issuer.other_resource, Some(format!("{}/mcp", server.origin)));
}

#[tokio::test]
async fn a_failing_server_gets_a_second_request_and_no_default_endpoints() {
    let mut requests = 0;
    let server = Server::start(move |seen, origin| {
        requests += 1;
        Some(match seen.target.as_str() {
            _ if requests == 1 => (503, "busy").into(),
            "/.well-known/oauth-protected-resource/mcp" => (200, prm(origin, origin)).into(),
            OAUTH => (200, metadata(origin, origin)).into(),
            _ => return None,
        })
    })
    .await;
    assert!(discover_at(&server, "/mcp", &Login::default()).await.is_ok());
    let down = Server::start(|_, _| Some((500, "down").into())).await;
    let error = discover_at(&down, "/mcp", &Login::default()).await.unwrap_err();
    assert!(error.is_temporary(), "a failing server is not one of 2025-03-26: {error}");
}

#[tokio::test]
async fn a_server_of_2025_03_26_is_its_own_issuer() {
    let server = documents(vec![(OAUTH, metadata("@/oauth", "@"))]).await;
    let discovered = discover_at(&server, "/mcp", &Login::default()).await.unwrap();
    assert_eq!(discovered.issuer.metadata["token_endpoint"], format!("{}/oauth/token", server.origin));
    assert_eq!(discovered.issuer.resource, None, "2025-03-26 has no resource parameter");
    let versions: Vec<_> = server.seen().iter().map(|seen| seen.header("mcp-protocol-version").is_some()).collect();
    assert_eq!(versions, [false, false, true]);
    let no_metadata = documents(Vec::new()).await;
    let discovered = discover_at(&no_metadata, "/mcp", &Login::default()).await.unwrap();
    let page = format!("{}/authorize", no_metadata.origin);
    assert_eq!(discovered.issuer.metadata["authorization_endpoint"], page);
    let listed = documents(vec![(RESOURCE, prm("@", "@"))]).await;
    let error = discover_at(&listed, "/mcp", &Login::default()).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::NoMetadata { .. }), "there are resource metadata: {error}");
}

#[tokio::test]
async fn metadata_of_another_resource_are_refused() {
    for (resource, path, fits) in [
        ("@/mcp", "/mcp", true),
        ("@/mcp/", "/mcp", true),
        ("@/mcp", "/mcp/", true),
        ("@", "/mcp", true),
        ("@/a", "/a/mcp", true),
        ("@/mc", "/mcp", false),
        ("@/other", "/mcp", false),
        ("https://evil.example/mcp", "/mcp", false),
        ("http://127.0.0.1/mcp", "/mcp", false),
        ("not a url", "/mcp", false),
    ] {
        let place = match path {
            "/mcp" => "/.well-known/oauth-protected-resource/mcp",
            _ => RESOURCE,
        };
        let server = documents(vec![(place, prm(resource, "@")), (OAUTH, metadata("@", "@"))]).await;
        let result = discover_at(&server, path, &Login::default()).await;
        let spelling = resource.replace('@', &server.origin);
        match result {
            Ok(discovered) if fits => assert_eq!(discovered.issuer.resource, Some(spelling), "the metadata's bytes"),
            Err(DiscoveryError::OtherResource { resource, server: ours, .. }) if !fits => {
                assert_eq!((resource, ours), (spelling, format!("{}{path}", server.origin)), "both are named");
            }
            result => panic!("{resource} for {path}: {result:?}"),
        }
    }
    let server = documents(vec![(RESOURCE, prm("@/other", "@")), (OAUTH, metadata("@", "@"))]).await;
    let login = Login { resource: ResourceChoice::Given(format!("{}/other", server.origin)), ..Login::default() };
    assert!(discover_at(&server, "/mcp", &login).await.is_ok(), "--resource allows it");
}

#[tokio::test]
async fn metadata_of_another_issuer_are_refused() {
    for (listed, named, fits) in [
        ("@", "@", true),
        ("@/", "@", true),
        ("@", "@/", true),
        ("@", "@//", false),
        ("@", "https://evil.example", false),
        ("@", "", false),
    ] {
        let server = documents(vec![(RESOURCE, prm("@", listed)), (OAUTH, metadata("@", named))]).await;
        let named = named.replace('@', &server.origin);
        match discover_at(&server, "/mcp", &Login::default()).await {
            Ok(discovered) if fits => {
                assert_eq!(discovered.issuer.issuer, named, "the metadata's spelling is stored for iss");
            }
            Err(DiscoveryError::OtherIssuer { found, expected, .. }) if !fits => {
                assert_eq!((found, expected), (named.clone(), listed.replace('@', &server.origin)), "both are named");
            }
            result => panic!("{listed} and {named}: {result:?}"),
        }
    }
}

/// The user's choice, and a server that lists a stranger whose metadata claim to be the user's choice.
#[tokio::test]
async fn a_pinned_issuer_is_asked_itself_and_no_other_server_is() {
    let pinned = documents(vec![(OAUTH, metadata("@", "@"))]).await;
    let claimed = pinned.origin.clone();
    let stranger = Server::start(move |_, origin| Some((200, metadata(origin, &claimed)).into())).await;
    let (listed, evil) = (prm("@", &stranger.origin), metadata(&stranger.origin, &pinned.origin));
    for listed in [vec![(RESOURCE, listed), (OAUTH, evil.clone())], vec![(OAUTH, evil)]] {
        let server = documents(listed).await;
        let login = Login { issuer: Some(pinned.origin.clone()), ..Login::default() };
        let discovered = discover_at(&server, "/mcp", &login).await.unwrap();
        assert_eq!(discovered.issuer.metadata["token_endpoint"], format!("{}/token", pinned.origin));
        assert_eq!(stranger.targets(), [""; 0], "nothing is sent to the stranger");
        assert!(server.targets().iter().all(|target| target.contains("oauth-protected-resource")), "of the MCP server");
        let nowhere = Login { issuer: Some(format!("{}/other", pinned.origin)), ..Login::default() };
        assert!(discover_at(&server, "/mcp", &nowhere).await.is_err(), "a pinned issuer without metadata is an error");
    }
    let away = stranger.origin.clone();
    let redirecting =
        Server::start(move |_, _| Some(Answer(302, vec![("location", away.clone())], String::new()))).await;
    let login = Login { issuer: Some(redirecting.origin.clone()), ..Login::default() };
    let server = documents(vec![(RESOURCE, prm("@", "@")), (OAUTH, metadata("@", "@"))]).await;
    assert!(discover_at(&server, "/mcp", &login).await.is_err());
    assert_eq!(stranger.targets(), [""; 0], "a redirect away from the pinned issuer is not followed");
}

#[tokio::test]
async fn metadata_at_a_typed_address_may_name_any_issuer() {
    let elsewhere = documents(vec![("/odd/place", metadata("@", "https://as.example"))]).await;
    let server = documents(vec![(RESOURCE, prm("@", "https://evil.example"))]).await;
    let typed = |issuer: Option<&str>| Login {
        metadata_url: Some(format!("{}/odd/place", elsewhere.origin)),
        issuer: issuer.map(str::to_owned),
        ..Login::default()
    };
    for issuer in [None, Some("https://as.example"), Some("https://as.example/")] {
        let discovered = discover_at(&server, "/mcp", &typed(issuer)).await.unwrap();
        assert_eq!(discovered.issuer.issuer, "https://as.example", "with --issuer {issuer:?}");
        assert_eq!(discovered.issuer.resource.as_deref(), Some(server.origin.as_str()));
    }
    let error = discover_at(&server, "/mcp", &typed(Some("https://other.example"))).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::OtherIssuer { .. }), "--issuer holds there too: {error}");
    assert!(elsewhere.targets().iter().all(|target| target == "GET /odd/place"), "no other place is asked");
}

#[tokio::test]
async fn bound_credentials_allow_one_issuer() {
    let good = documents(vec![(OAUTH, metadata("@", "@"))]).await;
    let evil = documents(vec![(OAUTH, metadata("@", "@"))]).await;
    let bound = Known { earlier: None, bound: Some(&good.origin) };
    for (listed, fits) in [(vec![&evil, &good], true), (vec![&good], true), (vec![&evil], false), (vec![], false)] {
        let listed: Vec<_> = listed.iter().map(|server| server.origin.clone()).collect();
        let resource = json!({"resource": "@", "authorization_servers": listed});
        let server = documents(vec![(RESOURCE, resource), (OAUTH, metadata("@", "@"))]).await;
        let url = Url::parse(&server.origin).unwrap();
        match discover(&fetch(), &url, None, bound, &Login::default()).await {
            Ok(discovered) if fits => assert_eq!(discovered.issuer.issuer, good.origin),
            Err(error @ DiscoveryError::OtherThanBound { .. }) if !fits => {
                let other = listed.first().unwrap_or(&server.origin);
                assert!([&good.origin, other].iter().all(|name| error.to_string().contains(*name)), "{error}");
            }
            result => panic!("{listed:?}: {result:?}"),
        }
    }
    assert_eq!(evil.targets(), [""; 0], "another issuer is not even looked at");
}

#[tokio::test]
async fn a_typed_resource_is_not_believed_of_strangers() {
    let claimed = "https://bank.example/api";
    let stranger = documents(vec![("/prm", prm(claimed, "https://evil.example"))]).await;
    let server = documents(Vec::new()).await;
    let challenge =
        Challenge { bearer: true, resource_metadata: Some(format!("{}/prm", stranger.origin)), ..Challenge::default() };
    let login = Login { resource: ResourceChoice::Given(claimed.to_owned()), ..Login::default() };
    let error = with(&server, "/mcp", &login, Some(&challenge)).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::OtherResource { .. }), "{error}");
}

#[tokio::test]
async fn the_first_usable_issuer_is_used() {
    let two = json!({"resource": "@", "authorization_servers": ["@/gone", "@/here", "@"]});
    let here = "/.well-known/oauth-authorization-server/here";
    let server = documents(vec![(RESOURCE, two), (here, metadata("@", "@/here")), (OAUTH, metadata("@", "@"))]).await;
    let discovered = discover_at(&server, "/mcp", &Login::default()).await.unwrap();
    assert_eq!(discovered.issuer.issuer, format!("{}/here", server.origin));
    let url = Url::parse(&format!("{}/mcp", server.origin)).unwrap();
    let known = Known { earlier: Some(&server.origin), bound: None };
    let discovered = discover(&fetch(), &url, None, known, &Login::default()).await.unwrap();
    assert_eq!(discovered.issuer.issuer, server.origin, "the issuer of the earlier login");
}

#[tokio::test]
async fn a_search_has_an_end() {
    let listed: Vec<_> = (0..12).map(|number| format!("@/{number}")).collect();
    let resource = json!({"resource": "@", "authorization_servers": listed});
    let server = documents(vec![(RESOURCE, resource)]).await;
    let started = std::time::Instant::now();
    assert!(discover_at(&server, "/mcp", &Login::default()).await.is_err());
    let targets = server.targets();
    assert!(targets.len() <= 20, "{targets:?}");
    let tried = (0..12).filter(|number| targets.contains(&format!("GET {OAUTH}/{number}"))).count();
    assert!((2..=5).contains(&tried), "{tried} of them are tried: {targets:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
    // Each address leads to three others.
    let endless = Server::start(|seen, origin| {
        let next = vec![("location", format!("{origin}{}x", seen.target))];
        Some(Answer(302, next, String::new()))
    });
    let endless = endless.await;
    assert!(discover_at(&endless, "/a/b/c", &Login::default()).await.is_err());
    assert!(endless.targets().len() <= 20, "{:?}", endless.targets());
}

#[tokio::test]
async fn only_safe_urls_are_requested() {
    let server = documents(vec![(RESOURCE, prm("@", "http://as.example"))]).await;
    let error = discover_at(&server, "/mcp", &Login::default()).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::Fetch(_)), "plain http to another machine: {error}");
    let server = Server::start(|seen, origin| {
        Some(match seen.target.as_str() {
            RESOURCE => Answer(302, vec![("location", format!("{origin}/moved"))], String::new()),
            "/moved" => Answer(302, vec![("location", "http://as.example/x".to_owned())], String::new()),
            _ => return None,
        })
    })
    .await;
    // The redirect counts as missing metadata, so the server's own metadata are requested.
    assert!(discover_at(&server, "/mcp", &Login::default()).await.is_ok());
    assert!(server.targets().contains(&"GET /moved".to_owned()), "an allowed redirect is followed");
}

#[tokio::test]
async fn an_error_names_a_bot_protection() {
    let server = Server::start(|seen, origin| {
        Some(match seen.target.as_str() {
            RESOURCE => (200, prm(origin, origin)).into(),
            OAUTH => (403, "<title>Just a moment...</title>").into(),
            _ => return None,
        })
    })
    .await;
    let error = discover_at(&server, "/mcp", &Login::default()).await.unwrap_err().to_string();
    assert!(error.contains("blocked by bot protection") && error.contains("403"), "{error}");
}

#[test]
fn tokens_are_bound_to_a_key_if_both_servers_support_it() {
    let able = json!({"dpop_signing_alg_values_supported": ["ES256"]});
    let (able, unable) = (known("https://as.example", able), known("https://as.example", json!({})));
    for (issuer, wanted, choice, expected) in [
        (&able, true, DpopChoice::Auto, true),
        (&able, false, DpopChoice::Auto, false),
        (&unable, true, DpopChoice::Auto, false),
        (&unable, false, DpopChoice::On, true),
        (&able, true, DpopChoice::Off, false),
    ] {
        assert_eq!(uses_dpop(issuer, wanted, choice), expected);
    }
}

#[test]
fn entra_gets_no_resource() {
    let mut issuer = known("https://login.microsoftonline.com", json!({}));
    set_resource(&mut issuer, Some("api://x"), &Url::parse("https://h/mcp").unwrap(), &Login::default());
    assert_eq!((issuer.resource, issuer.other_resource.as_deref()), (None, Some("api://x")));
}

#[test]
fn a_given_token_endpoint_needs_no_discovery() {
    let login = Login { grant: Grant::ClientCredentials, ..Login::default() };
    let discovered = from_token_endpoint(&Url::parse("https://h/mcp").unwrap(), "https://as.example/x/token", &login);
    assert_eq!(discovered.issuer.issuer, "https://as.example");
    assert_eq!(Metadata::of(&discovered.issuer).text("token_endpoint"), Some("https://as.example/x/token"));
}
