//! One person, one program, one server that wants a login: what is asked of whom, and what is kept.

use serde_json::json;

use crate::support::*;

#[test]
fn a_call_leads_through_one_login_to_its_result() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.logged_in(&realm);
    bridge.message("notifications/tools/list_changed");
    let tools = bridge.ask("2", "tools/list", "{}");
    assert!(tools.contains(r#""look""#), "after the login the server's own tools are there: {tools}");
    bridge.finish();

    let ledger = realm.ledger();
    assert_eq!(machine.browser.tabs().len(), 1, "one login is one tab");
    let [registration] = &ledger.registrations[..] else { panic!("one registration: {:?}", ledger.registrations) };
    assert_eq!(registration["application_type"], "native", "we are no web site");
    assert_eq!(registration["token_endpoint_auth_method"], "none", "a program on a person's machine has no secrets");
    let grants = registration["grant_types"].as_array().expect("grant types");
    assert!(grants.contains(&json!("authorization_code")) && grants.contains(&json!("refresh_token")), "{grants:?}");

    let [login] = &ledger.logins[..] else { panic!("one authorization request: {:?}", ledger.logins) };
    let [token] = &ledger.token_requests[..] else { panic!("one token request: {:?}", ledger.token_requests) };
    for request in [login, token] {
        assert_eq!(parameter(request, "resource"), Some(realm.url()), "the token is for this server alone");
        assert_eq!(parameter(request, "client_id").as_deref(), Some("client-1"));
    }
    assert!(parameter(login, "state").is_some_and(|state| state.len() >= 16), "a state that nobody guesses");
    let redirect = parameter(login, "redirect_uri").expect("a redirect URI");
    assert!(
        redirect.starts_with("http://127.0.0.1:") || redirect.starts_with("http://localhost:"),
        "logins come back to this machine: {redirect}"
    );
}

#[test]
fn the_page_at_the_end_is_ours_and_needs_nobody() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    machine.logged_in(&realm).finish();
    let Machine { browser, .. } = machine;
    let pages = browser.pages();
    let page = pages[0].as_ref().expect("a page at the end of the tab");
    assert_eq!(page.status, 200, "{}", page.head);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let outside =
        ["src=\"http", "href=\"http", "@import", "url(http"].iter().find(|outside| page.body.contains(**outside));
    assert_eq!(outside, None, "the page loads nothing from elsewhere");
    for secret in &realm.ledger().secrets {
        assert!(!page.body.contains(secret), "a secret on the page");
    }
}

#[test]
fn a_login_is_kept_for_the_next_start() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    machine.logged_in(&realm).finish();
    let mut bridge = machine.bridge(&realm).start();
    let welcome = bridge.shake_hands();
    assert!(welcome.contains("an-upstream"), "with a good token the first answer is the server's: {welcome}");
    looks(&mut bridge, "1");
    bridge.finish();
    assert_eq!((machine.browser.tabs().len(), realm.ledger().token_requests.len()), (1, 1), "nothing was asked again");
}

#[test]
fn an_expired_token_is_renewed_without_anybody() {
    let second = std::time::Duration::from_secs(1);
    // The server would take it for longer: only the clock says that it is old.
    let realm = Realm::start(Rules { lifetime: (Some(1), second * 3600), ..Rules::default() });
    let machine = Machine::attended();
    let mut bridge = machine.logged_in(&realm);
    realm.rules().lifetime = (Some(3600), second * 3600);
    // Lifetimes are whole seconds, and nobody hears of their end.
    std::thread::sleep(second);
    looks(&mut bridge, "2");
    bridge.finish();
    let ledger = realm.ledger();
    assert!(ledger.refreshes > 0, "the token was renewed");
    assert_eq!((ledger.reuses, machine.browser.tabs().len()), (0, 1), "each refresh token once, and nobody was asked");
    let refresh = ledger.token_requests.last().unwrap();
    assert_eq!(parameter(refresh, "resource"), Some(realm.url()), "a refresh names the resource too");
}

#[test]
fn a_token_that_is_refused_before_its_time_is_renewed() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.logged_in(&realm);
    for round in 1..=3 {
        realm.ledger().refuse_access_tokens();
        looks(&mut bridge, &format!("{}", 10 + round));
        assert_eq!(realm.ledger().refreshes, round, "one refusal, one refresh, with the newest refresh token");
    }
    bridge.finish();
    assert_eq!((realm.ledger().reuses, machine.browser.tabs().len()), (0, 1));
}

#[test]
fn a_refresh_token_that_is_not_replaced_is_kept() {
    let realm = Realm::start(Rules {
        grace: std::time::Duration::from_secs(60),
        token_answer: Box::new(|answer| {
            if answer["refresh_token"].as_str().is_some_and(|token| !token.starts_with("refresh-secret-3-")) {
                answer.as_object_mut().unwrap().remove("refresh_token");
            }
        }),
        ..Rules::default()
    });
    let machine = Machine::attended();
    let mut bridge = machine.logged_in(&realm);
    for id in ["11", "12"] {
        realm.ledger().refuse_access_tokens();
        looks(&mut bridge, id);
    }
    bridge.finish();
    assert_eq!((realm.ledger().refreshes, machine.browser.tabs().len()), (2, 1));
}

#[test]
fn a_missing_scope_is_asked_for_together_with_the_old_ones() {
    let realm = Realm::start(Rules {
        challenge: r#", scope="read""#.to_owned(),
        needs: |method| (method == "tools/call").then_some("write"),
        ..Rules::default()
    });
    let machine = Machine::attended();
    let mut bridge = machine.logged_in(&realm);
    looks(&mut bridge, "2");
    bridge.finish();
    let scopes: Vec<_> =
        realm.ledger().logins.iter().map(|login| parameter(login, "scope").unwrap_or_default()).collect();
    assert_eq!(scopes.len(), 2, "one login, one step up: {scopes:?}");
    assert_eq!(scopes[0], "read", "no more than was asked for");
    let mut both: Vec<_> = scopes[1].split(' ').collect();
    both.sort_unstable();
    assert_eq!(both, ["read", "write"], "a step up keeps what was granted before");
}

#[test]
fn a_server_that_refuses_every_token_ends_in_an_error_and_not_in_a_loop() {
    let realm = Realm::start(Rules {
        token_answer: Box::new(|answer| answer["access_token"] = json!("for-somebody-else")),
        ..Rules::default()
    });
    let machine = Machine::attended();
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    let answer = bridge.ask("1", "tools/call", r#"{"name":"look"}"#);
    assert!(!answer.contains("looked"), "{answer}");
    bridge.finish();
    assert!(machine.browser.tabs().len() <= 2, "{} tabs", machine.browser.tabs().len());
    assert!(realm.ledger().token_requests.len() <= 4, "{} token requests", realm.ledger().token_requests.len());
}

#[test]
fn a_registration_is_tried_again_without_what_the_server_does_not_like() {
    let realm = Realm::start(Rules { challenge: r#", scope="read""#.to_owned(), ..Rules::default() });
    let fault =
        r#"{"error":"invalid_client_metadata","error_description":"scope must only contain supported scope values"}"#;
    realm.rules().registration_faults.push_back(("400 Bad Request", fault));
    let machine = Machine::attended();
    machine.logged_in(&realm).finish();
    assert_eq!(realm.ledger().registrations[0].get("scope"), None, "the second try names no scope");
}

#[test]
fn a_registration_that_the_server_has_forgotten_is_made_anew_once() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.logged_in(&realm);
    realm.ledger().forget();
    realm.meets([Fault::Answer("401 Unauthorized", r#"{"error":"invalid_client"}"#)]);
    looks(&mut bridge, "2");
    bridge.finish();
    assert_eq!((realm.ledger().registrations.len(), machine.browser.tabs().len()), (1, 2));
}

/// A login that the authorization server finds fault with once goes on before the eyes of whoever has just answered it.
#[track_caller]
fn goes_on_in_another_tab(rules: Rules) {
    let (realm, machine) = (Realm::start(rules), Machine::attended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    looks(&mut bridge, "1");
    bridge.finish();
    let Machine { browser, .. } = machine;
    assert_eq!(browser.tabs().len(), 2, "no ration of tabs keeps a person from going on");
    let pages: Vec<_> = browser.pages().into_iter().map(|page| page.expect("a page")).collect();
    assert!(pages[0].status == 400 && pages[0].body.contains("sign in once more"), "{}", pages[0].body);
    assert_eq!(pages[1].status, 200, "{}", pages[1].body);
}

#[test]
fn a_scope_that_is_refused_is_left_out_in_another_tab() {
    goes_on_in_another_tab(Rules {
        metadata: Box::new(|metadata| metadata["scopes_supported"] = json!(["offline_access"])),
        callback: {
            let asked = std::sync::atomic::AtomicBool::new(false);
            Box::new(move |back| {
                if !asked.swap(true, std::sync::atomic::Ordering::SeqCst) {
                    back.retain(|(name, _)| name != "code");
                    back.push(("error".to_owned(), "invalid_scope".to_owned()));
                }
            })
        },
        ..Rules::default()
    });
}

#[test]
fn a_registration_that_is_forgotten_during_a_login_is_made_anew_in_another_tab() {
    let forgotten = Fault::Answer("401 Unauthorized", r#"{"error":"invalid_client"}"#);
    goes_on_in_another_tab(Rules { token_faults: [forgotten].into(), ..Rules::default() });
}

#[test]
fn what_token_endpoints_say_differently_is_understood() {
    let realm = Realm::start(Rules {
        challenge: r#", scope="read""#.to_owned(),
        token_answer: Box::new(|answer| {
            answer["expires_in"] = json!("3600");
            answer["scope"] = json!(["read"]);
            answer.as_object_mut().unwrap().remove("token_type");
        }),
        ..Rules::default()
    });
    let machine = Machine::attended();
    machine.logged_in(&realm).finish();
    machine.logged_in(&realm).finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn an_issuer_may_be_spelt_with_a_slash_at_its_end() {
    let realm = Realm::start(Rules {
        resource_metadata: Box::new(|metadata| {
            let issuer = metadata["authorization_servers"][0].as_str().unwrap().to_owned();
            metadata["authorization_servers"] = json!([issuer + "/"]);
        }),
        ..Rules::default()
    });
    Machine::attended().logged_in(&realm).finish();
}

#[test]
fn a_resource_may_be_the_origin_and_is_sent_byte_for_byte() {
    let realm = Realm::start(Rules {
        resource_metadata: Box::new(|metadata| {
            let origin = metadata["resource"].as_str().unwrap().trim_end_matches("/mcp").to_owned();
            metadata["resource"] = json!(origin);
        }),
        ..Rules::default()
    });
    Machine::attended().logged_in(&realm).finish();
    let ledger = realm.ledger();
    let sent = parameter(&ledger.logins[0], "resource");
    assert_eq!(sent, Some(realm.resource.url("")), "no slash is added");
    assert_eq!(sent, parameter(&ledger.token_requests[0], "resource"));
}

#[test]
fn pkce_is_not_taken_on_trust_unless_the_user_says_so() {
    let without = || Rules {
        metadata: Box::new(|metadata| {
            drop(metadata.as_object_mut().unwrap().remove("code_challenge_methods_supported"));
        }),
        ..Rules::default()
    };
    let (realm, machine) = (Realm::start(without()), Machine::attended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    let answer = bridge.ask("1", "tools/call", r#"{"name":"look"}"#);
    assert!(answer.contains("assume-pkce"), "the error names the way out: {answer}");
    bridge.finish();
    assert!(machine.browser.tabs().is_empty(), "nobody is sent to a server that may not do PKCE");

    let (realm, machine) = (Realm::start(without()), Machine::attended());
    let mut bridge = machine.bridge(&realm).arg("--assume-pkce").start();
    bridge.shake_hands();
    looks(&mut bridge, "1");
    bridge.finish();
}

#[test]
fn a_client_that_was_registered_beforehand_is_used_as_it_is() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine
        .bridge(&realm)
        .args(["--client-id", "given-7", "--client-secret-env", "SECRET", "--scope", "one two"])
        .args(["--authorize-param", "audience=the api", "--disable-resource-parameter"])
        .env("SECRET", "of-the-client-0123456789")
        .secret("of-the-client-0123456789")
        .start();
    bridge.shake_hands();
    looks(&mut bridge, "1");
    bridge.finish();
    let ledger = realm.ledger();
    assert!(ledger.registrations.is_empty(), "who has a client id does not register");
    let login = &ledger.logins[0];
    for (name, value) in [("client_id", "given-7"), ("scope", "one two"), ("audience", "the api")] {
        assert_eq!(parameter(login, name).as_deref(), Some(value), "{name} of the authorization request");
    }
    assert_eq!(parameter(login, "resource"), None, "--disable-resource-parameter");
    assert_eq!(parameter(login, "client_secret"), None, "a secret is not for the browser");
}

#[test]
fn the_way_back_is_where_the_user_wants_it() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut bridge = machine
        .bridge(&realm)
        .args([&port.to_string(), "--host", "localhost", "--callback-path", "/back/here"])
        .start();
    bridge.shake_hands();
    looks(&mut bridge, "1");
    bridge.finish();
    let redirect = parameter(&realm.ledger().logins[0], "redirect_uri");
    assert_eq!(redirect, Some(format!("http://localhost:{port}/back/here")));
}

#[test]
fn auth_wait_answers_initialize_when_somebody_has_logged_in() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.bridge(&realm).args(["--auth", "wait"]).start();
    let welcome = bridge.shake_hands();
    assert!(welcome.contains("an-upstream"), "the server's own answer: {welcome}");
    looks(&mut bridge, "1");
    bridge.finish();
}

#[test]
fn auth_error_answers_initialize_with_the_way_in() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).args(["--auth", "error"]).start();
    bridge.send(&initialize("1", REVISION));
    let answer = bridge.answer("1");
    let (code, message) = error_of(&answer);
    assert_eq!(code, -32001, "{answer}");
    assert!(message.contains("http"), "the error says where to log in: {message}");
    assert!(value(&answer)["error"]["data"].to_string().contains("http"), "and so does its data: {answer}");
    let link = message.split(' ').find(|word| word.contains("/authorize?")).expect("a link").to_owned();
    let state = parameter(&query(&link), "state").expect("a state");
    assert!(state.len() >= 16 && !state.contains('*'), "the link is whole, so that it can be used: {link}");
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    let again = bridge.answer("2");
    assert!(again.contains("/authorize?"), "every error says where to log in, at once: {again}");
    bridge.finish();
}

#[test]
fn auth_off_asks_nobody() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.bridge(&realm).args(["--auth", "off"]).start();
    bridge.send(&initialize("1", REVISION));
    says(&bridge.answer("1"), &["401"]);
    bridge.finish();
    assert!(realm.issuer.requests().is_empty() && machine.browser.tabs().is_empty());
    assert!(realm.resource.requests().iter().all(|request| request.path == "/mcp"), "nothing is looked for");
}

#[test]
fn a_program_that_logs_in_as_itself_survives_trouble_at_the_token_endpoint() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let bridge = machine.bridge(&realm).args(["--client-credentials", "--client-id", "given-1"]);
    let mut bridge = bridge.args(["--client-secret-env", "SECRET"]).env("SECRET", "of the client").start();
    bridge.shake_hands();
    looks(&mut bridge, "1");
    realm.ledger().refuse_access_tokens();
    realm.meets([Fault::Answer("503 Service Unavailable", "the database is away"), Fault::Cut]);
    looks(&mut bridge, "2");
    bridge.finish();
}
