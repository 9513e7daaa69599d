//! Attacks by servers, web pages and other programs.

use serde_json::json;

use crate::support::*;

/// Calls the tool through a bridge on this machine and returns the response.
#[track_caller]
fn call(machine: &Machine, servers: &OauthServers) -> String {
    let mut bridge = machine.bridge(servers).start();
    bridge.initialize();
    let answer = bridge.request("1", "tools/call", r#"{"name":"look","arguments":{}}"#);
    bridge.finish();
    answer
}

/// Asserts that a login with a callback changed in this way ends before the code is used.
#[track_caller]
fn refused_callback(change: impl Fn(&mut Vec<(String, String)>) + Send + Sync + 'static) -> (String, String) {
    let (servers, machine) =
        (OauthServers::start(Rules { callback: Box::new(change), ..Rules::default() }), Machine::with_user());
    let answer = call(&machine, &servers);
    assert!(!answer.contains("looked"), "{answer}");
    assert!(servers.records().token_requests.is_empty(), "the code is not used");
    let page = machine.browser.pages().remove(0).expect("a page");
    assert!(page.status >= 400, "the user sees an error page: {}", page.head);
    (answer, page.body)
}

fn set(parameters: &mut Vec<(String, String)>, name: &str, value: &str) {
    parameters.retain(|(have, _)| have != name);
    parameters.push((name.to_owned(), value.to_owned()));
}

#[test]
fn a_callback_from_another_issuer_is_refused() {
    refused_callback(|back| set(back, "iss", "https://attacker.example"));
}

#[test]
fn a_callback_from_a_similar_issuer_is_refused() {
    refused_callback(|back| {
        let issuer = parameter(back, "iss").unwrap() + "/";
        set(back, "iss", &issuer);
    });
}

#[test]
fn a_callback_without_the_declared_issuer_is_refused() {
    refused_callback(|back| back.retain(|(name, _)| name != "iss"));
}

#[test]
fn an_undeclared_issuer_in_the_callback_is_compared() {
    let rules = Rules {
        metadata: Box::new(|metadata| {
            metadata.as_object_mut().unwrap().remove("authorization_response_iss_parameter_supported");
        }),
        callback: Box::new(|back| set(back, "iss", "https://attacker.example")),
        ..Rules::default()
    };
    let (servers, machine) = (OauthServers::start(rules), Machine::with_user());
    assert!(!call(&machine, &servers).contains("looked"));
    assert!(servers.records().token_requests.is_empty(), "the code is not used");
}

#[test]
fn an_error_from_another_issuer_is_not_shown() {
    let (answer, page) = refused_callback(|back| {
        back.retain(|(name, _)| name == "state");
        set(back, "iss", "https://attacker.example");
        set(back, "error", "access_denied");
        set(back, "error_description", "call-this-number");
    });
    assert!(!answer.contains("call-this-number") && !page.contains("call-this-number"), "{answer}\n{page}");
}

#[test]
fn an_error_is_shown_as_escaped_text() {
    let (_, page) = refused_callback(|back| {
        back.retain(|(name, _)| name != "code");
        set(back, "error", "access_denied");
        set(back, "error_description", "<script>alert(1)</script>");
    });
    assert!(!page.contains("<script>alert"), "{page}");
}

#[test]
fn invalid_requests_to_the_callback_are_refused_and_the_login_continues() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    let mut tab = Tab::default();
    let url = tab.start(&machine.browser.tab(1));
    let authorization = query(&url);
    let (redirect, state) =
        (parameter(&authorization, "redirect_uri").unwrap(), parameter(&authorization, "state").unwrap());
    let issuer = servers.issuer.url("");
    let origin = redirect.split('/').take(3).collect::<Vec<_>>().join("/");
    let strays = [
        format!("{redirect}?code=evil"),
        format!("{redirect}?code=evil&iss={issuer}&state=forged"),
        format!("{redirect}?code=evil&iss={issuer}&state={}", &state[..state.len() - 1]),
        format!("{redirect}?error=access_denied"),
        redirect.clone(),
        format!("{origin}/"),
        format!("{redirect}/more?code=evil&state={state}"),
    ];
    for stray in &strays {
        let page = get(stray, &[]).expect("an answer");
        assert!((400..500).contains(&page.status), "{stray}: {}", page.head);
    }
    // DNS rebinding: a page elsewhere whose host name resolves to this machine.
    let port = origin.rsplit(':').next().unwrap();
    for host in ["attacker.example".to_owned(), format!("attacker.example:{port}"), "127.0.0.1:1".to_owned()] {
        let page =
            get(&format!("{redirect}?code=evil&iss={issuer}&state={state}"), &[("Host", &host)]).expect("an answer");
        assert!((400..500).contains(&page.status), "Host {host}: {}", page.head);
    }
    assert!(servers.records().token_requests.is_empty(), "no code of an invalid request is used");
    assert_eq!(tab.follow(&url).expect("a page").status, 200, "the login continues");
    assert!(bridge.response("1").contains("looked"));
    let again = get(&format!("{redirect}?code=evil&iss={issuer}&state={state}"), &[]);
    assert!(again.is_none_or(|page| page.status >= 400), "a state can be used once");
    bridge.finish();
    assert_eq!(servers.records().token_requests.len(), 1);
}

#[test]
fn a_redirect_of_the_token_endpoint_is_not_followed() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let thief = Upstream::start(|exchange| exchange.json("{}")).may_receive_no_request();
    servers.queue_token_faults([Fault::Redirect(thief.url("/token"))]);
    assert!(!call(&machine, &servers).contains("looked"));
    assert!(thief.requests().is_empty(), "code and verifier are sent only to the token endpoint");
}

/// Asserts that such an `authorization_endpoint` is never opened in the browser.
#[track_caller]
fn is_never_opened(endpoint: &'static str) {
    let rules = Rules {
        metadata: Box::new(move |metadata| metadata["authorization_endpoint"] = json!(endpoint)),
        ..Rules::default()
    };
    let (servers, machine) = (OauthServers::start(rules), Machine::with_user());
    let answer = call(&machine, &servers);
    assert!(!answer.contains("looked"), "{answer}");
    assert_eq!(machine.browser.tabs(), [""; 0], "{endpoint}");
}

#[test]
fn only_http_addresses_are_opened_in_the_browser() {
    for endpoint in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,hello",
        "vbscript:x",
        "http://attacker.example/authorize",
        "\\\\attacker.example\\share",
        "--help",
    ] {
        is_never_opened(endpoint);
    }
}

#[test]
fn an_address_is_always_one_argument_of_the_browser() {
    let rules = Rules {
        metadata: Box::new(|metadata| {
            let endpoint = metadata["authorization_endpoint"].as_str().unwrap().to_owned();
            metadata["authorization_endpoint"] =
                json!(endpoint + r#"?a=$(touch${IFS}owned)`touch owned`;touch owned&b='"|calc %COMSPEC%"#);
        }),
        ..Rules::default()
    };
    let (servers, machine) = (OauthServers::start(rules), Machine::with_user());
    assert!(call(&machine, &servers).contains("looked"));
    let tabs = machine.browser.tabs();
    assert_eq!(tabs.len(), 1, "{tabs:?}");
    assert!(!tabs[0].contains([' ', '"', '\'', '`']) || cfg!(windows), "the address is percent-encoded: {}", tabs[0]);
    assert!(!machine.home().join("owned").exists() && !std::path::Path::new("owned").exists());
}

#[test]
fn metadata_of_another_issuer_are_refused_and_the_error_names_both_issuers() {
    let rules = Rules {
        metadata: Box::new(|metadata| metadata["issuer"] = json!("https://other.example")),
        ..Rules::default()
    };
    let (servers, machine) = (OauthServers::start(rules), Machine::with_user());
    let answer = call(&machine, &servers);
    assert!(answer.contains("https://other.example") && answer.contains(&servers.issuer.url("")), "{answer}");
    assert!(answer.contains("--issuer"), "the error names the option that accepts the issuer: {answer}");
    assert!(machine.browser.tabs().is_empty() && servers.records().registrations.is_empty());
}

#[test]
fn a_server_cannot_request_tokens_for_another_resource() {
    for resource in ["https://bank.example/mcp", "http://127.0.0.1:1/mcp", "http://127.0.0.1"] {
        let rules = Rules {
            resource_metadata: Box::new(move |metadata| metadata["resource"] = json!(resource)),
            ..Rules::default()
        };
        let (servers, machine) = (OauthServers::start(rules), Machine::with_user());
        let answer = call(&machine, &servers);
        assert!(!answer.contains("looked"), "{answer}");
        assert!(machine.browser.tabs().is_empty() && servers.issuer.requests().is_empty(), "{resource}");
    }
}

#[test]
fn a_link_local_authorization_server_is_never_contacted() {
    let rules = Rules {
        resource_metadata: Box::new(|metadata| metadata["authorization_servers"] = json!(["http://169.254.169.254"])),
        ..Rules::default()
    };
    let (servers, machine) = (OauthServers::start(rules), Machine::with_user());
    let started = std::time::Instant::now();
    assert!(!call(&machine, &servers).contains("looked"));
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "it is refused without a connection attempt");
}

#[test]
fn the_users_headers_are_sent_only_to_the_mcp_server() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.bridge(&servers).args(["--header", "X-Api-Key: of-the-user"]).start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    servers.records().invalidate_access_tokens();
    call_succeeds(&mut bridge, "2");
    bridge.finish();
    let found = servers.issuer.requests().iter().filter(|request| request.header("x-api-key").is_some()).count();
    assert_eq!(found, 0, "requests to the authorization server with the user's header");
    let mcp = servers.resource.requests();
    assert!(mcp.iter().filter(|request| request.path == "/mcp").all(|request| request.header("x-api-key").is_some()));
}

#[test]
fn a_refresh_token_is_never_sent_to_another_issuer() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let thief = OauthServers::well_behaved();
    let elsewhere = thief.issuer.url("");
    servers.rules().resource_metadata =
        Box::new(move |metadata| metadata["authorization_servers"] = json!([elsewhere]));
    servers.records().invalidate_access_tokens();
    call(&machine, &servers);
    for request in &thief.records().token_requests {
        let sent = parameter(request, "refresh_token").unwrap_or_default();
        assert!(!servers.records().secrets.contains(&sent), "a refresh token is only sent to its issuer");
        assert_ne!(parameter(request, "grant_type").as_deref(), Some("refresh_token"));
    }
    drop(thief.resource.requests());
    get(&thief.resource.url("/mcp"), &[]);
}

#[test]
fn no_log_contains_a_secret() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let log = machine.home().join("ferry.log");
    for level in ["error", "warn", "info", "debug"] {
        let mut bridge = machine
            .bridge(&servers)
            .args(["--log-level", level, "--log-file", log.to_str().unwrap()])
            .args(["--client-id", "given-7", "--client-secret-env", "SECRET"])
            .env("SECRET", "of-the-client-0123456789")
            .secret("of-the-client-0123456789")
            .start();
        bridge.initialize();
        call_succeeds(&mut bridge, "1");
        servers.records().invalidate_access_tokens();
        call_succeeds(&mut bridge, "2");
        let ended = bridge.finish();
        let found = ended.stderr + &std::fs::read_to_string(&log).unwrap_or_default();
        let verifiers =
            servers.records().token_requests.iter().filter_map(|request| parameter(request, "code_verifier")).collect();
        for secret in
            [servers.records().secrets.clone(), verifiers, vec!["of-the-client-0123456789".to_owned()]].concat()
        {
            assert!(!found.contains(&secret), "{secret} is logged at level {level}");
        }
        machine.run(["logout", &servers.url(), "--client-id", "given-7"], "");
    }
    for tab in machine.browser.tabs() {
        let found = servers.records().secrets.iter().any(|secret| tab.contains(secret));
        assert!(!found, "the arguments of the browser contain no secret: {tab}");
    }
}

#[cfg(unix)]
#[test]
fn stored_files_are_readable_only_by_their_owner() {
    use std::os::unix::fs::PermissionsExt;
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let logins = machine.home().join("ferry/logins");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&logins), 0o700);
    let secrets = servers.records().secrets.clone();
    for file in std::fs::read_dir(&logins).unwrap().map(|entry| entry.unwrap().path()) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!secrets.iter().any(|secret| name.contains(secret)));
    }
}
