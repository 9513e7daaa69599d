//! What servers, pages and programs try that mean no good.

use serde_json::json;

use crate::support::*;

/// A call through a bridge on a machine with somebody at it; gives the bridge's answer.
#[track_caller]
fn call(machine: &Machine, realm: &Realm) -> String {
    let mut bridge = machine.bridge(realm).start();
    bridge.shake_hands();
    let answer = bridge.ask("1", "tools/call", r#"{"name":"look","arguments":{}}"#);
    bridge.finish();
    answer
}

/// A login whose way back is changed like this must end before the code is used.
#[track_caller]
fn refused_callback(change: impl Fn(&mut Vec<(String, String)>) + Send + Sync + 'static) -> (String, String) {
    let (realm, machine) =
        (Realm::start(Rules { callback: Box::new(change), ..Rules::default() }), Machine::attended());
    let answer = call(&machine, &realm);
    assert!(!answer.contains("looked"), "{answer}");
    assert!(realm.ledger().token_requests.is_empty(), "the code is sent nowhere");
    let page = machine.browser.pages().remove(0).expect("a page");
    assert!(page.status >= 400, "the person is told: {}", page.head);
    (answer, page.body)
}

fn set(parameters: &mut Vec<(String, String)>, name: &str, value: &str) {
    parameters.retain(|(have, _)| have != name);
    parameters.push((name.to_owned(), value.to_owned()));
}

#[test]
fn an_answer_from_another_issuer_is_refused() {
    refused_callback(|back| set(back, "iss", "https://attacker.example"));
}

#[test]
fn an_issuer_that_is_only_nearly_the_same_is_refused() {
    refused_callback(|back| {
        let issuer = parameter(back, "iss").unwrap() + "/";
        set(back, "iss", &issuer);
    });
}

#[test]
fn a_promised_issuer_that_does_not_come_is_missed() {
    refused_callback(|back| back.retain(|(name, _)| name != "iss"));
}

#[test]
fn an_issuer_that_was_not_promised_is_compared_all_the_same() {
    let rules = Rules {
        metadata: Box::new(|metadata| {
            metadata.as_object_mut().unwrap().remove("authorization_response_iss_parameter_supported");
        }),
        callback: Box::new(|back| set(back, "iss", "https://attacker.example")),
        ..Rules::default()
    };
    let (realm, machine) = (Realm::start(rules), Machine::attended());
    assert!(!call(&machine, &realm).contains("looked"));
    assert!(realm.ledger().token_requests.is_empty(), "the code is sent nowhere");
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
fn an_error_is_shown_as_text() {
    let (_, page) = refused_callback(|back| {
        back.retain(|(name, _)| name != "code");
        set(back, "error", "access_denied");
        set(back, "error_description", "<script>alert(1)</script>");
    });
    assert!(!page.contains("<script>alert"), "{page}");
}

#[test]
fn strays_at_the_callback_are_turned_away_and_the_login_goes_on() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    let tab = machine.browser.tab(1);
    let asked = query(&tab);
    let (redirect, state) = (parameter(&asked, "redirect_uri").unwrap(), parameter(&asked, "state").unwrap());
    let issuer = realm.issuer.url("");
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
    // A page elsewhere whose name was pointed at this machine.
    let port = origin.rsplit(':').next().unwrap();
    for host in ["attacker.example".to_owned(), format!("attacker.example:{port}"), "127.0.0.1:1".to_owned()] {
        let page =
            get(&format!("{redirect}?code=evil&iss={issuer}&state={state}"), &[("Host", &host)]).expect("an answer");
        assert!((400..500).contains(&page.status), "Host {host}: {}", page.head);
    }
    assert!(realm.ledger().token_requests.is_empty(), "no stray code is used");
    assert_eq!(follow(&tab).expect("a page").status, 200, "the login itself goes on");
    assert!(bridge.answer("1").contains("looked"));
    let again = get(&format!("{redirect}?code=evil&iss={issuer}&state={state}"), &[]);
    assert!(again.is_none_or(|page| page.status >= 400), "a state is good once");
    bridge.finish();
    assert_eq!(realm.ledger().token_requests.len(), 1);
}

#[test]
fn a_token_endpoint_that_sends_us_elsewhere_is_not_followed() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let thief = Upstream::start(|exchange| exchange.json("{}")).may_stay_unasked();
    realm.meets([Fault::Redirect(thief.url("/token"))]);
    assert!(!call(&machine, &realm).contains("looked"));
    assert!(thief.requests().is_empty(), "code and verifier go to the token endpoint alone");
}

/// An `authorization_endpoint` like this opens nothing.
#[track_caller]
fn opens_nothing(endpoint: &'static str) {
    let rules = Rules {
        metadata: Box::new(move |metadata| metadata["authorization_endpoint"] = json!(endpoint)),
        ..Rules::default()
    };
    let (realm, machine) = (Realm::start(rules), Machine::attended());
    let answer = call(&machine, &realm);
    assert!(!answer.contains("looked"), "{answer}");
    assert_eq!(machine.browser.tabs(), [""; 0], "{endpoint}");
}

#[test]
fn only_web_pages_are_opened() {
    for endpoint in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,hello",
        "vbscript:x",
        "http://attacker.example/authorize",
        "\\\\attacker.example\\share",
        "--help",
    ] {
        opens_nothing(endpoint);
    }
}

#[test]
fn an_address_is_one_argument_whatever_stands_in_it() {
    let rules = Rules {
        metadata: Box::new(|metadata| {
            let endpoint = metadata["authorization_endpoint"].as_str().unwrap().to_owned();
            metadata["authorization_endpoint"] =
                json!(endpoint + r#"?a=$(touch${IFS}owned)`touch owned`;touch owned&b='"|calc %COMSPEC%"#);
        }),
        ..Rules::default()
    };
    let (realm, machine) = (Realm::start(rules), Machine::attended());
    assert!(call(&machine, &realm).contains("looked"));
    let tabs = machine.browser.tabs();
    assert_eq!(tabs.len(), 1, "{tabs:?}");
    assert!(!tabs[0].contains([' ', '"', '\'', '`']) || cfg!(windows), "as browsers write addresses: {}", tabs[0]);
    assert!(!machine.home().join("owned").exists() && !std::path::Path::new("owned").exists());
}

#[test]
fn metadata_of_another_issuer_are_refused_by_both_names() {
    let rules = Rules {
        metadata: Box::new(|metadata| metadata["issuer"] = json!("https://other.example")),
        ..Rules::default()
    };
    let (realm, machine) = (Realm::start(rules), Machine::attended());
    let answer = call(&machine, &realm);
    assert!(answer.contains("https://other.example") && answer.contains(&realm.issuer.url("")), "{answer}");
    assert!(answer.contains("--issuer"), "and the way to say that it is right: {answer}");
    assert!(machine.browser.tabs().is_empty() && realm.ledger().registrations.is_empty());
}

#[test]
fn a_server_cannot_ask_for_tokens_of_another() {
    for resource in ["https://bank.example/mcp", "http://127.0.0.1:1/mcp", "http://127.0.0.1"] {
        let rules = Rules {
            resource_metadata: Box::new(move |metadata| metadata["resource"] = json!(resource)),
            ..Rules::default()
        };
        let (realm, machine) = (Realm::start(rules), Machine::attended());
        let answer = call(&machine, &realm);
        assert!(!answer.contains("looked"), "{answer}");
        assert!(machine.browser.tabs().is_empty() && realm.issuer.requests().is_empty(), "{resource}");
    }
}

#[test]
fn a_link_local_authorization_server_is_never_asked() {
    let rules = Rules {
        resource_metadata: Box::new(|metadata| metadata["authorization_servers"] = json!(["http://169.254.169.254"])),
        ..Rules::default()
    };
    let (realm, machine) = (Realm::start(rules), Machine::attended());
    let started = std::time::Instant::now();
    assert!(!call(&machine, &realm).contains("looked"));
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "it is refused, not tried");
}

#[test]
fn the_users_headers_are_for_the_mcp_server_alone() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.bridge(&realm).args(["--header", "X-Api-Key: of-the-user"]).start();
    bridge.shake_hands();
    looks(&mut bridge, "1");
    realm.ledger().refuse_access_tokens();
    looks(&mut bridge, "2");
    bridge.finish();
    let told = realm.issuer.requests().iter().filter(|request| request.header("x-api-key").is_some()).count();
    assert_eq!(told, 0, "requests to the authorization server with the user's header");
    let mcp = realm.resource.requests();
    assert!(mcp.iter().filter(|request| request.path == "/mcp").all(|request| request.header("x-api-key").is_some()));
}

#[test]
fn a_refresh_token_does_not_follow_a_server_to_another_issuer() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    machine.logged_in(&realm).finish();
    let thief = Realm::usual();
    let elsewhere = thief.issuer.url("");
    realm.rules().resource_metadata = Box::new(move |metadata| metadata["authorization_servers"] = json!([elsewhere]));
    realm.ledger().refuse_access_tokens();
    call(&machine, &realm);
    for request in &thief.ledger().token_requests {
        let sent = parameter(request, "refresh_token").unwrap_or_default();
        assert!(!realm.ledger().secrets.contains(&sent), "a refresh token is for the issuer that issued it");
        assert_ne!(parameter(request, "grant_type").as_deref(), Some("refresh_token"));
    }
    drop(thief.resource.requests());
    get(&thief.resource.url("/mcp"), &[]);
}

#[test]
fn no_log_holds_a_secret() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let log = machine.home().join("ferry.log");
    for level in ["error", "warn", "info", "debug"] {
        let mut bridge = machine
            .bridge(&realm)
            .args(["--log-level", level, "--log-file", log.to_str().unwrap()])
            .args(["--client-id", "given-7", "--client-secret-env", "SECRET"])
            .env("SECRET", "of-the-client-0123456789")
            .secret("of-the-client-0123456789")
            .start();
        bridge.shake_hands();
        looks(&mut bridge, "1");
        realm.ledger().refuse_access_tokens();
        looks(&mut bridge, "2");
        let ended = bridge.finish();
        let told = ended.stderr + &std::fs::read_to_string(&log).unwrap_or_default();
        let verifiers =
            realm.ledger().token_requests.iter().filter_map(|request| parameter(request, "code_verifier")).collect();
        for secret in [realm.ledger().secrets.clone(), verifiers, vec!["of-the-client-0123456789".to_owned()]].concat()
        {
            assert!(!told.contains(&secret), "{secret} at level {level}");
        }
        machine.run(["logout", &realm.url(), "--client-id", "given-7"], "");
    }
    for tab in machine.browser.tabs() {
        let told = realm.ledger().secrets.iter().any(|secret| tab.contains(secret));
        assert!(!told, "what a program is started with is no secret: {tab}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (realm, machine) = (Realm::usual(), Machine::attended());
    machine.logged_in(&realm).finish();
    let logins = machine.home().join("ferry/logins");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&logins), 0o700);
    let secrets = realm.ledger().secrets.clone();
    for file in std::fs::read_dir(&logins).unwrap().map(|entry| entry.unwrap().path()) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!secrets.iter().any(|secret| name.contains(secret)));
    }
}
