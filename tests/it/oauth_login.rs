//! One user, one program and one server that requires a login: which requests are sent and what is stored.

use serde_json::json;

use crate::support::*;

#[test]
fn a_call_needs_one_login_and_then_succeeds() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    bridge.message("notifications/tools/list_changed");
    let tools = bridge.request("2", "tools/list", "{}");
    assert!(tools.contains(r#""look""#), "after the login the server's own tools are there: {tools}");
    bridge.finish();

    let records = servers.records();
    assert_eq!(machine.browser.tabs().len(), 1, "one login is one tab");
    let [registration] = &records.registrations[..] else { panic!("one registration: {:?}", records.registrations) };
    assert_eq!(registration["application_type"], "native", "the bridge is a native application");
    assert_eq!(registration["token_endpoint_auth_method"], "none", "a native application has no secret");
    let grants = registration["grant_types"].as_array().expect("grant types");
    assert!(grants.contains(&json!("authorization_code")) && grants.contains(&json!("refresh_token")), "{grants:?}");

    let [login] = &records.logins[..] else { panic!("one authorization request: {:?}", records.logins) };
    let [token] = &records.token_requests[..] else { panic!("one token request: {:?}", records.token_requests) };
    for request in [login, token] {
        assert_eq!(parameter(request, "resource"), Some(servers.url()), "the token is only for this server");
        assert_eq!(parameter(request, "client_id").as_deref(), Some("client-1"));
    }
    assert!(parameter(login, "state").is_some_and(|state| state.len() >= 16), "the state cannot be guessed");
    let redirect = parameter(login, "redirect_uri").expect("a redirect URI");
    assert!(
        redirect.starts_with("http://127.0.0.1:") || redirect.starts_with("http://localhost:"),
        "the callback is on this machine: {redirect}"
    );
}

#[test]
fn the_final_page_of_a_login_loads_nothing_from_elsewhere() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let Machine { browser, .. } = machine;
    let pages = browser.pages();
    let page = pages[0].as_ref().expect("a page at the end of the tab");
    assert_eq!(page.status, 200, "{}", page.head);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let outside =
        ["src=\"http", "href=\"http", "@import", "url(http"].iter().find(|outside| page.body.contains(**outside));
    assert_eq!(outside, None, "the page loads nothing from other origins");
    for secret in &servers.records().secrets {
        assert!(!page.body.contains(secret), "the page contains a secret");
    }
}

#[test]
fn a_login_is_stored_for_the_next_start() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let mut bridge = machine.bridge(&servers).start();
    let response = bridge.initialize();
    assert!(response.contains("an-upstream"), "with a valid token the first result is the server's: {response}");
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    assert_eq!(
        (machine.browser.tabs().len(), servers.records().token_requests.len()),
        (1, 1),
        "no login and no token request was needed"
    );
}

#[test]
fn an_expired_token_is_refreshed_without_the_user() {
    let second = std::time::Duration::from_secs(1);
    // The server accepts the token longer than declared: only the declared lifetime has ended.
    let servers = OauthServers::start(Rules { lifetime: (Some(1), second * 3600), ..Rules::default() });
    let machine = Machine::with_user();
    let mut bridge = machine.logged_in(&servers);
    servers.rules().lifetime = (Some(3600), second * 3600);
    // Lifetimes are whole seconds, and their end causes no event to wait for.
    std::thread::sleep(second);
    call_succeeds(&mut bridge, "2");
    bridge.finish();
    let records = servers.records();
    assert!(records.refreshes > 0, "the token was refreshed");
    assert_eq!(
        (records.reuses, machine.browser.tabs().len()),
        (0, 1),
        "each refresh token is used once and no tab opens"
    );
    let refresh = records.token_requests.last().unwrap();
    assert_eq!(parameter(refresh, "resource"), Some(servers.url()), "a refresh names the resource too");
}

#[test]
fn a_token_refused_before_its_expiry_is_refreshed() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    for round in 1..=3 {
        servers.records().invalidate_access_tokens();
        call_succeeds(&mut bridge, &format!("{}", 10 + round));
        assert_eq!(servers.records().refreshes, round, "one 401 causes one refresh with the newest refresh token");
    }
    bridge.finish();
    assert_eq!((servers.records().reuses, machine.browser.tabs().len()), (0, 1));
}

#[test]
fn a_refresh_token_that_is_not_replaced_is_kept() {
    let servers = OauthServers::start(Rules {
        grace: std::time::Duration::from_secs(60),
        token_response: Box::new(|answer| {
            if answer["refresh_token"].as_str().is_some_and(|token| !token.starts_with("refresh-secret-3-")) {
                answer.as_object_mut().unwrap().remove("refresh_token");
            }
        }),
        ..Rules::default()
    });
    let machine = Machine::with_user();
    let mut bridge = machine.logged_in(&servers);
    for id in ["11", "12"] {
        servers.records().invalidate_access_tokens();
        call_succeeds(&mut bridge, id);
    }
    bridge.finish();
    assert_eq!((servers.records().refreshes, machine.browser.tabs().len()), (2, 1));
}

#[test]
fn a_missing_scope_is_requested_together_with_the_granted_ones() {
    let servers = OauthServers::start(Rules {
        challenge: r#", scope="read""#.to_owned(),
        required_scope: |method| (method == "tools/call").then_some("write"),
        ..Rules::default()
    });
    let machine = Machine::with_user();
    let mut bridge = machine.logged_in(&servers);
    call_succeeds(&mut bridge, "2");
    bridge.finish();
    let scopes: Vec<_> =
        servers.records().logins.iter().map(|login| parameter(login, "scope").unwrap_or_default()).collect();
    assert_eq!(scopes.len(), 2, "one login and one step-up: {scopes:?}");
    assert_eq!(scopes[0], "read", "only the required scope");
    let mut both: Vec<_> = scopes[1].split(' ').collect();
    both.sort_unstable();
    assert_eq!(both, ["read", "write"], "a step-up keeps the granted scopes");
}

#[test]
fn a_server_that_refuses_every_token_causes_an_error_and_not_a_loop() {
    let servers = OauthServers::start(Rules {
        token_response: Box::new(|answer| answer["access_token"] = json!("for-another-server")),
        ..Rules::default()
    });
    let machine = Machine::with_user();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    let answer = bridge.request("1", "tools/call", r#"{"name":"look"}"#);
    assert!(!answer.contains("looked"), "{answer}");
    bridge.finish();
    assert!(machine.browser.tabs().len() <= 2, "{} tabs", machine.browser.tabs().len());
    assert!(servers.records().token_requests.len() <= 4, "{} token requests", servers.records().token_requests.len());
}

#[test]
fn a_refused_registration_is_repeated_without_scopes() {
    let servers = OauthServers::start(Rules { challenge: r#", scope="read""#.to_owned(), ..Rules::default() });
    let fault =
        r#"{"error":"invalid_client_metadata","error_description":"scope must only contain supported scope values"}"#;
    servers.rules().registration_faults.push_back(("400 Bad Request", fault));
    let machine = Machine::with_user();
    machine.logged_in(&servers).finish();
    assert_eq!(servers.records().registrations[0].get("scope"), None, "the second registration names no scope");
}

#[test]
fn a_lost_registration_is_repeated_once() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    servers.records().lose_database();
    servers.queue_token_faults([Fault::Answer("401 Unauthorized", r#"{"error":"invalid_client"}"#)]);
    call_succeeds(&mut bridge, "2");
    bridge.finish();
    assert_eq!((servers.records().registrations.len(), machine.browser.tabs().len()), (1, 2));
}

/// Asserts that a login with one fault at the authorization server continues in a second tab.
#[track_caller]
fn continues_in_a_second_tab(rules: Rules) {
    let (servers, machine) = (OauthServers::start(rules), Machine::with_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    let Machine { browser, .. } = machine;
    assert_eq!(browser.tabs().len(), 2, "the limit of tabs does not stop a user who continues a login");
    let pages: Vec<_> = browser.pages().into_iter().map(|page| page.expect("a page")).collect();
    assert!(pages[0].status == 400 && pages[0].body.contains("sign in once more"), "{}", pages[0].body);
    assert_eq!(pages[1].status, 200, "{}", pages[1].body);
}

#[test]
fn a_refused_scope_is_left_out_in_a_second_tab() {
    continues_in_a_second_tab(Rules {
        metadata: Box::new(|metadata| metadata["scopes_supported"] = json!(["offline_access"])),
        callback: {
            let was_refused = std::sync::atomic::AtomicBool::new(false);
            Box::new(move |back| {
                if !was_refused.swap(true, std::sync::atomic::Ordering::SeqCst) {
                    back.retain(|(name, _)| name != "code");
                    back.push(("error".to_owned(), "invalid_scope".to_owned()));
                }
            })
        },
        ..Rules::default()
    });
}

#[test]
fn a_registration_lost_during_a_login_is_repeated_in_a_second_tab() {
    let forgotten = Fault::Answer("401 Unauthorized", r#"{"error":"invalid_client"}"#);
    continues_in_a_second_tab(Rules { token_faults: [forgotten].into(), ..Rules::default() });
}

#[test]
fn unusual_token_responses_are_accepted() {
    let servers = OauthServers::start(Rules {
        challenge: r#", scope="read""#.to_owned(),
        token_response: Box::new(|answer| {
            answer["expires_in"] = json!("3600");
            answer["scope"] = json!(["read"]);
            answer.as_object_mut().unwrap().remove("token_type");
        }),
        ..Rules::default()
    });
    let machine = Machine::with_user();
    machine.logged_in(&servers).finish();
    machine.logged_in(&servers).finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn an_issuer_may_end_with_a_slash() {
    let servers = OauthServers::start(Rules {
        resource_metadata: Box::new(|metadata| {
            let issuer = metadata["authorization_servers"][0].as_str().unwrap().to_owned();
            metadata["authorization_servers"] = json!([issuer + "/"]);
        }),
        ..Rules::default()
    });
    Machine::with_user().logged_in(&servers).finish();
}

#[test]
fn a_resource_may_be_the_origin_and_is_sent_unchanged() {
    let servers = OauthServers::start(Rules {
        resource_metadata: Box::new(|metadata| {
            let origin = metadata["resource"].as_str().unwrap().trim_end_matches("/mcp").to_owned();
            metadata["resource"] = json!(origin);
        }),
        ..Rules::default()
    });
    Machine::with_user().logged_in(&servers).finish();
    let records = servers.records();
    let sent = parameter(&records.logins[0], "resource");
    assert_eq!(sent, Some(servers.resource.url("")), "no slash is added");
    assert_eq!(sent, parameter(&records.token_requests[0], "resource"));
}

#[test]
fn pkce_support_must_be_declared_unless_the_user_assumes_it() {
    let without = || Rules {
        metadata: Box::new(|metadata| {
            drop(metadata.as_object_mut().unwrap().remove("code_challenge_methods_supported"));
        }),
        ..Rules::default()
    };
    let (servers, machine) = (OauthServers::start(without()), Machine::with_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    let answer = bridge.request("1", "tools/call", r#"{"name":"look"}"#);
    assert!(answer.contains("assume-pkce"), "the error names the way out: {answer}");
    bridge.finish();
    assert!(machine.browser.tabs().is_empty(), "no tab opens for a server that may not support PKCE");

    let (servers, machine) = (OauthServers::start(without()), Machine::with_user());
    let mut bridge = machine.bridge(&servers).arg("--assume-pkce").start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
}

#[test]
fn a_preregistered_client_is_used_without_registration() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine
        .bridge(&servers)
        .args(["--client-id", "given-7", "--client-secret-env", "SECRET", "--scope", "one two"])
        .args(["--authorize-param", "audience=the api", "--disable-resource-parameter"])
        .env("SECRET", "of-the-client-0123456789")
        .secret("of-the-client-0123456789")
        .start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    let records = servers.records();
    assert!(records.registrations.is_empty(), "a given client id needs no registration");
    let login = &records.logins[0];
    for (name, value) in [("client_id", "given-7"), ("scope", "one two"), ("audience", "the api")] {
        assert_eq!(parameter(login, name).as_deref(), Some(value), "{name} of the authorization request");
    }
    assert_eq!(parameter(login, "resource"), None, "--disable-resource-parameter");
    assert_eq!(parameter(login, "client_secret"), None, "the browser never gets the secret");
}

#[test]
fn the_redirect_uri_can_be_configured() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut bridge = machine
        .bridge(&servers)
        .args([&port.to_string(), "--host", "localhost", "--callback-path", "/back/here"])
        .start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    let redirect = parameter(&servers.records().logins[0], "redirect_uri");
    assert_eq!(redirect, Some(format!("http://localhost:{port}/back/here")));
}

#[test]
fn auth_wait_answers_initialize_after_the_login() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.bridge(&servers).args(["--auth", "wait"]).start();
    let response = bridge.initialize();
    assert!(response.contains("an-upstream"), "the server's own answer: {response}");
    call_succeeds(&mut bridge, "1");
    bridge.finish();
}

#[test]
fn auth_error_answers_initialize_with_the_login_link() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).args(["--auth", "error"]).start();
    bridge.send(&initialize("1", REVISION));
    let answer = bridge.response("1");
    let (code, message) = error_of(&answer);
    assert_eq!(code, -32001, "{answer}");
    assert!(message.contains("http"), "the error contains the login link: {message}");
    assert!(
        value(&answer)["error"]["data"].to_string().contains("http"),
        "the error's data contains the link: {answer}"
    );
    let link = message.split(' ').find(|word| word.contains("/authorize?")).expect("a link").to_owned();
    let state = parameter(&query(&link), "state").expect("a state");
    assert!(state.len() >= 16 && !state.contains('*'), "the link is complete: {link}");
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    let again = bridge.response("2");
    assert!(again.contains("/authorize?"), "every error contains the link: {again}");
    bridge.finish();
}

#[test]
fn auth_off_looks_for_no_authorization_server() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.bridge(&servers).args(["--auth", "off"]).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &["401"]);
    bridge.finish();
    assert!(servers.issuer.requests().is_empty() && machine.browser.tabs().is_empty());
    assert!(servers.resource.requests().iter().all(|request| request.path == "/mcp"), "no metadata are requested");
}

#[test]
fn client_credentials_survive_errors_of_the_token_endpoint() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let bridge = machine.bridge(&servers).args(["--client-credentials", "--client-id", "given-1"]);
    let mut bridge = bridge.args(["--client-secret-env", "SECRET"]).env("SECRET", "of the client").start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    servers.records().invalidate_access_tokens();
    servers.queue_token_faults([Fault::Answer("503 Service Unavailable", "the database is away"), Fault::Cut]);
    call_succeeds(&mut bridge, "2");
    bridge.finish();
}
