//! Which client does the bridge register, and is what was registered what it uses?

use serde_json::{Value, json};

use crate::support::*;

fn refuses_localhost(client: &mut Value) -> Option<&'static str> {
    let is_refused = client["redirect_uris"].to_string().contains("localhost");
    is_refused.then_some(
        r#"{"error":"invalid_redirect_uri","error_description":"native apps use http://127.0.0.1 (RFC 8252)"}"#,
    )
}

fn with_oddities(odd: Oddities) -> OauthServers {
    OauthServers::start(Rules { odd, ..Rules::default() })
}

#[test]
fn the_registered_redirect_uri_is_used_where_only_one_loopback_host_is_taken() {
    for (host, expected) in [("localhost", "http://127.0.0.1:"), ("127.0.0.1", "http://127.0.0.1:")] {
        let servers = with_oddities(Oddities { registration: Box::new(refuses_localhost), ..Oddities::default() });
        let machine = Machine::with_user();
        for _ in 0..2 {
            let mut bridge = machine.bridge(&servers).args(["--host", host]).start();
            bridge.initialize();
            call_succeeds(&mut bridge, "1");
            bridge.finish();
            // The next login, in another process.
            servers.records().invalidate_access_tokens();
            servers.queue_token_faults([Fault::Answer("400 Bad Request", r#"{"error":"invalid_grant"}"#)]);
        }
        assert_eq!(machine.browser.tabs().len(), 2, "{host}");
        let records = servers.records();
        for login in &records.logins {
            let redirect = parameter(login, "redirect_uri").unwrap();
            assert!(redirect.starts_with(expected), "{host}: the registered redirect URI is used: {redirect}");
        }
        let of_token = parameter(records.token_requests.last().unwrap(), "redirect_uri");
        assert_eq!(of_token, parameter(records.logins.last().unwrap(), "redirect_uri"), "{host}");
        assert_eq!(records.registrations.len(), 1, "{host}: the second login needs no other registration");
    }
}

#[test]
fn the_redirect_uri_that_the_server_registered_in_place_of_ours_is_used() {
    let servers = with_oddities(Oddities {
        registration: Box::new(|client| {
            let uris = client["redirect_uris"].as_array().unwrap().iter();
            let uris = uris.map(|uri| json!(uri.as_str().unwrap().replace("localhost", "127.0.0.1") + "/"));
            client["redirect_uris"] = Value::Array(uris.collect());
            None
        }),
        ..Oddities::default()
    });
    let machine = Machine::with_user();
    let mut bridge = machine.bridge(&servers).args(["--host", "localhost"]).start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    let redirect = parameter(&servers.records().logins[0], "redirect_uri").unwrap();
    assert!(redirect.starts_with("http://127.0.0.1:") && redirect.ends_with("/oauth/callback/"), "{redirect}");
}

/// A server whose tools need the scope `write`, and an authorization server that holds a client to its registration.
fn strict_about_registered_scopes(scopes: &'static [&'static str], registration: fn(&mut Value)) -> OauthServers {
    OauthServers::start(Rules {
        challenge: r#", scope="read""#.to_owned(),
        required_scope: |method| (method == "tools/call").then_some("write"),
        metadata: Box::new(move |metadata| {
            if !scopes.is_empty() {
                metadata["scopes_supported"] = json!(scopes);
            }
        }),
        odd: Oddities {
            registered_scope_only: true,
            registration: Box::new(move |client| {
                registration(client);
                None
            }),
            ..Oddities::default()
        },
        ..Rules::default()
    })
}

#[test]
fn a_step_up_needs_one_tab_where_a_client_may_request_only_its_registered_scope() {
    for (scopes, registrations) in [(&["read", "write", "other"][..], 1), (&[], 2), (&["read"], 2)] {
        let servers = strict_about_registered_scopes(scopes, |_| {});
        let machine = Machine::with_user();
        let mut bridge = machine.logged_in(&servers);
        call_succeeds(&mut bridge, "2");
        bridge.finish();
        let records = servers.records();
        assert_eq!(machine.browser.tabs().len(), 2, "{scopes:?}: one tab for the login, one for the step-up");
        assert_eq!(records.registrations.len(), registrations, "{scopes:?}");
        let first = parameter(&records.logins[0], "scope");
        assert_eq!(first.as_deref(), Some("read"), "{scopes:?}: the login asks for no more than it needs");
    }
}

#[test]
fn a_registration_that_is_always_narrow_is_not_repeated_for_ever() {
    let servers = strict_about_registered_scopes(&[], |client| client["scope"] = json!("read"));
    let machine = Machine::with_user();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    let answer = bridge.request("1", "tools/call", r#"{"name":"look"}"#);
    assert!(!answer.contains("looked"), "{answer}");
    bridge.finish();
    assert!(servers.records().registrations.len() <= 2, "{:?}", servers.records().registrations);
    assert!(machine.browser.tabs().len() <= 3, "{} tabs", machine.browser.tabs().len());
}

#[test]
fn tokens_are_refreshed_by_the_client_that_they_were_issued_to() {
    let servers = strict_about_registered_scopes(&[], |_| {});
    let machine = Machine::with_user();
    servers.rules().required_scope = |_| None;
    let mut bridge = machine.logged_in(&servers);
    // A step-up registers anew and then fails, because its user does not agree.
    servers.rules().required_scope = |method| (method == "tools/call").then_some("write");
    servers.rules().callback = Box::new(|back| {
        back.retain(|(name, _)| name != "code");
        back.push(("error".to_owned(), "access_denied".to_owned()));
    });
    bridge.request("2", "tools/call", r#"{"name":"look"}"#);
    assert_eq!(servers.records().registrations.len(), 2, "the client was registered with too little scope");
    servers.rules().required_scope = |_| None;
    servers.records().invalidate_access_tokens();
    call_succeeds(&mut bridge, "3");
    bridge.finish();
    let records = servers.records();
    let refresh = records.token_requests.last().unwrap();
    assert_eq!(parameter(refresh, "grant_type").as_deref(), Some("refresh_token"));
    assert_eq!(parameter(refresh, "client_id").as_deref(), Some("client-1"), "not that of the login that failed");
}

#[test]
fn a_server_without_metadata_is_an_authorization_server_if_it_registers_us() {
    let servers = with_oddities(Oddities { without_metadata: true, ..Oddities::default() });
    let machine = Machine::with_user();
    machine.logged_in(&servers).finish();
    let mut again = machine.bridge(&servers).start();
    again.initialize();
    call_succeeds(&mut again, "1");
    again.finish();
    let records = servers.records();
    assert_eq!((records.registrations.len(), machine.browser.tabs().len()), (1, 1));
    assert_eq!(parameter(&records.logins[0], "resource"), None, "2025-03-26 has no resource parameter");
}

#[test]
fn a_server_without_metadata_takes_a_given_client_without_registration() {
    let servers = with_oddities(Oddities { without_metadata: true, ..Oddities::default() });
    let machine = Machine::with_user();
    let mut bridge = machine.bridge(&servers).args(["--client-id", "given-3"]).start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    assert!(servers.records().registrations.is_empty());
}

#[test]
fn a_server_that_wants_a_key_gets_no_login_whatever_it_answers_to_options() {
    let server = Upstream::start(|exchange| match exchange.request.http_method.as_str() {
        // As a framework answers every preflight request.
        "OPTIONS" => exchange.respond("204 No Content", &[("Allow", "GET, POST, OPTIONS")], ""),
        _ if exchange.path() == "/mcp" => {
            exchange.respond("401 Unauthorized", &[("WWW-Authenticate", "Bearer")], "an API key is missing");
        }
        // A web application that answers every path with its page.
        _ => exchange.respond("200 OK", &[("Content-Type", "text/html")], "<html></html>"),
    });
    let machine = Machine::with_user();
    let mut bridge = machine.launch().arg(&server.url("/mcp")).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &["401"]);
    bridge.finish();
    assert!(machine.browser.tabs().is_empty());
    let registrations = server.requests().iter().filter(|request| request.path == "/register").count();
    assert!(registrations <= 1, "{registrations} registrations were tried");
}
