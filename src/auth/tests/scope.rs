use serde_json::json;

use super::*;
use crate::auth::tests::server::issuer;

fn scopes(challenged: Option<&str>, supported: &[&str]) -> Scopes {
    let supported = supported.iter().map(|scope| (*scope).to_owned()).collect();
    Scopes { challenged: challenged.map(str::to_owned), supported }
}

fn login(scope: Option<&str>) -> Login {
    Login { scope: scope.map(str::to_owned), ..Login::default() }
}

#[test]
fn a_scope_is_selected_in_the_order_of_the_specification() {
    let plain = issuer("https://as.example", json!({"scopes_supported": ["not", "ours"]}));
    let offline = issuer("https://as.example", json!({"scopes_supported": ["offline_access"]}));
    for (challenged, supported, previous, server, expected) in [
        (Some("a b"), &["c"][..], None, &plain, Some("a b")),
        (None, &["c", "d"], None, &plain, Some("c d")),
        (None, &[], None, &plain, None),
        (Some("b"), &["c"], Some("a b"), &plain, Some("a b")),
        (Some("a"), &[], None, &offline, Some("a offline_access")),
        (None, &[], None, &offline, Some("offline_access")),
    ] {
        let selected = scopes(challenged, supported).select(&login(None), server, previous, ScopeAttempt::Full);
        assert_eq!(selected.as_deref(), expected, "{challenged:?} {supported:?} {previous:?}");
    }
    let pinned = scopes(Some("a"), &["b"]).select(&login(Some("x")), &offline, Some("y"), ScopeAttempt::Full);
    assert_eq!(pinned.as_deref(), Some("x"), "only the user's scope");
    assert_eq!(scopes(Some("a"), &[]).select(&login(Some("")), &plain, None, ScopeAttempt::Full), None);
}

#[test]
fn after_a_refused_scope_a_smaller_one_is_requested() {
    let server = issuer("https://as.example", json!({"scopes_supported": ["x", "offline_access"]}));
    let scopes = scopes(Some("a"), &["b"]);
    let select = |attempt| scopes.select(&login(None), &server, Some("p"), attempt);
    let mut attempt = ScopeAttempt::Full;
    let mut requested = Vec::new();
    loop {
        let scope = select(attempt).unwrap();
        requested.push(scope.clone());
        let Some(next) = attempt.after_invalid_scope(&scope) else { break };
        attempt = next;
    }
    assert_eq!(requested, ["p a offline_access", "p a", "a"]);
    assert_eq!(select(ScopeAttempt::IssuerScopes).as_deref(), Some("x offline_access"));
    // No scope is requested twice.
    assert_eq!(ScopeAttempt::Full.after_invalid_scope("p a"), Some(ScopeAttempt::ChallengeOnly));
}

#[test]
fn some_authorization_servers_have_their_own_rules() {
    let google = issuer("https://accounts.google.com", json!({"scopes_supported": ["offline_access"]}));
    let selected = scopes(Some("a offline_access"), &[]).select(&login(None), &google, None, ScopeAttempt::Full);
    assert_eq!(selected.as_deref(), Some("a"), "Google calls offline_access an invalid scope");
    let mut entra = issuer("https://login.microsoftonline.com", json!({}));
    entra.other_resource = entra.resource.take();
    let selected = scopes(None, &[]).select(&login(None), &entra, None, ScopeAttempt::Full);
    assert_eq!(selected.as_deref(), Some("https://login.microsoftonline.com/mcp/.default"), "Entra requires a scope");
}

#[test]
fn a_registration_has_all_scopes_of_later_requests() {
    let server = issuer("https://as.example", json!({"scopes_supported": ["offline_access"]}));
    let registered = scopes(Some("a"), &["b", "a"]).to_register(&login(None), &server, Some("p"));
    assert_eq!(registered, ["p a offline_access b"]);
    assert_eq!(scopes(Some("a"), &["b"]).to_register(&login(Some("x")), &server, None), ["x"]);
    let server = issuer("https://as.example", json!({"scopes_supported": ["a", "admin"]}));
    let registered = scopes(Some("a"), &["b"]).to_register(&login(None), &server, None);
    assert_eq!(
        registered,
        ["a b admin", "a b"],
        "a step-up may ask for any scope; a server may refuse to register some"
    );
    let registered = scopes(None, &[]).to_register(&login(None), &server, None);
    assert!(registered.is_empty(), "a login without a scope must not get all of them: {registered:?}");
}

#[test]
fn scopes_are_compared_as_whole_words() {
    assert_eq!(union("a  b", "b c"), "a b c");
    assert!(covers("a b", "b") && covers("", "") && !covers("ab", "a") && !covers("a", "a b"));
}

#[test]
fn very_many_scopes_take_no_long_time_and_are_not_requested() {
    let many: Vec<String> = (0..100_000).map(|n| format!("scope-{n}")).collect();
    let text = many.join(" ");
    let start = std::time::Instant::now();
    assert_eq!(union(&text, &text), text);
    assert!(covers(&text, &text));
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    let issuer = issuer("https://as.example", json!({"scopes_supported": many}));
    let scopes = Scopes { challenged: None, supported: many };
    for attempt in [ScopeAttempt::Full, ScopeAttempt::IssuerScopes] {
        assert_eq!(scopes.select(&login(None), &issuer, None, attempt), None);
    }
    assert!(scopes.to_register(&login(None), &issuer, None).is_empty());
}
