//! Which odd but harmless answers of an authorization server lead to a login all the same?

use serde_json::{Value, json};

use crate::support::*;

fn with_oddities(odd: Oddities) -> OauthServers {
    OauthServers::start(Rules { odd, ..Rules::default() })
}

#[test]
fn a_refused_refresh_without_an_oauth_error_ends_the_login_if_the_token_is_refused_too() {
    for (status, body) in [
        ("400 Bad Request", ""),
        ("401 Unauthorized", ""),
        ("400 Bad Request", "<html>bad request</html>"),
        ("401 Unauthorized", r#"{"statusCode":401,"error":"Unauthorized","message":"refresh token is not known"}"#),
        ("400 Bad Request", r#"{"message":"no"}"#),
    ] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        let mut bridge = machine.logged_in(&servers);
        servers.records().invalidate_access_tokens();
        servers.queue_token_faults([Fault::Answer(status, body)]);
        call_succeeds(&mut bridge, "2");
        bridge.finish();
        assert_eq!(machine.browser.tabs().len(), 2, "{status} {body}: a new login at once");
        assert_eq!(servers.records().registrations.len(), 1, "{status} {body}");
    }
}

#[test]
fn a_refused_refresh_of_an_expired_token_ends_the_login_if_the_server_refuses_the_token() {
    let second = std::time::Duration::from_secs(1);
    let servers = OauthServers::start(Rules { lifetime: (Some(1), second), ..Rules::default() });
    let machine = Machine::with_user();
    let mut bridge = machine.logged_in(&servers);
    servers.rules().lifetime = (Some(3600), second * 3600);
    // Lifetimes are whole seconds, and their end causes no event to wait for.
    std::thread::sleep(second);
    servers.queue_token_faults([Fault::Answer("400 Bad Request", ""), Fault::Answer("400 Bad Request", "")]);
    call_succeeds(&mut bridge, "2");
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 2);
}

#[test]
fn a_pushed_authorization_request_is_made_where_it_is_required() {
    let servers = with_oddities(Oddities { pushed_only: true, ..Oddities::default() });
    let machine = Machine::with_user();
    let mut bridge = machine.logged_in(&servers);
    // The authorization server has lost the registration: the push shows it before a tab opens.
    servers.records().lose_database();
    servers.queue_token_faults([Fault::Answer("400 Bad Request", r#"{"error":"invalid_grant"}"#)]);
    call_succeeds(&mut bridge, "2");
    bridge.finish();
    let records = servers.records();
    assert_eq!((records.logins.len(), machine.browser.tabs().len()), (2, 2));
    for name in ["code_challenge", "state", "redirect_uri", "resource"] {
        assert!(parameter(&records.logins[0], name).is_some(), "{name} is pushed");
    }
}

#[test]
fn pushed_requests_are_made_where_the_registration_or_an_error_asks_for_them() {
    for by_registration in [true, false] {
        let servers = with_oddities(Oddities {
            pushed_only: by_registration,
            registration: Box::new(move |client| {
                client["require_pushed_authorization_requests"] = json!(by_registration);
                None
            }),
            ..Oddities::default()
        });
        servers.rules().metadata = Box::new(|metadata| {
            let endpoint = metadata["token_endpoint"].as_str().unwrap().replace("/token", "/par");
            metadata["pushed_authorization_request_endpoint"] = json!(endpoint);
            metadata["require_pushed_authorization_requests"] = json!(false);
        });
        if !by_registration {
            servers.rules().callback = Box::new(|back| {
                back.retain(|(name, _)| name != "code");
                back.push(("error".to_owned(), "invalid_request".to_owned()));
                back.push(("error_description".to_owned(), "Pushed Authorization Request must be used".to_owned()));
            });
        }
        let machine = Machine::with_user();
        let mut bridge = machine.bridge(&servers).start();
        bridge.initialize();
        bridge.send(&request("1", "tools/call", r#"{"name":"look"}"#));
        if !by_registration {
            machine.browser.tab(1);
            let began = std::time::Instant::now();
            while servers.records().pushed.is_empty() {
                assert!(began.elapsed() < DEADLINE, "the second request is pushed");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        let answer = bridge.response("1");
        assert_eq!(answer.contains("looked"), by_registration, "{answer}");
        bridge.finish();
        let pushed = servers.records().pushed.len();
        assert_eq!(pushed, 1, "by the registration: {by_registration}");
    }
}

#[test]
fn redirects_of_the_same_origin_are_followed_with_their_bodies() {
    for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
        let servers = OauthServers::well_behaved();
        servers.rules().odd.moved =
            vec![("/register", status, "/register/".to_owned()), ("/token", status, "/token/".to_owned())];
        Machine::with_user().logged_in(&servers).finish();
    }
}

#[test]
fn a_redirect_that_is_not_followed_is_called_one() {
    let elsewhere = Upstream::start(|exchange| exchange.plain("200 OK", "")).may_receive_no_request();
    for (path, status, location) in [
        ("/register", "307 Temporary Redirect", elsewhere.url("/register")),
        ("/register", "302 Found", "/register/".to_owned()),
        ("/token", "308 Permanent Redirect", elsewhere.url("/token")),
        ("/token", "301 Moved Permanently", "/token/".to_owned()),
        ("/token", "307 Temporary Redirect", "/token".to_owned()),
    ] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        servers.rules().odd.moved = vec![(path, status, location.clone())];
        let output = machine.run(["login", &servers.url()], "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("redirect"), "{path} {status} {location}: {said}");
    }
    assert!(elsewhere.requests().is_empty(), "nothing is sent to another origin");
}

fn as_form(body: &Value) -> (&'static str, String) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs = body.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), text(value)));
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    ("application/x-www-form-urlencoded; charset=utf-8", form)
}

#[test]
fn tokens_may_come_as_a_form_or_after_a_byte_order_mark() {
    let forms: [Format; 4] = [
        as_form,
        |body| ("text/plain", as_form(body).1),
        |body| ("application/json", format!("\u{feff}{body}")),
        |body| {
            let mut body = body.clone();
            if body.get("expires_in").is_some() {
                body["expires_in"] = json!("3600.0");
            }
            ("text/html", format!("\n{body}\n"))
        },
    ];
    for (place, format) in forms.into_iter().enumerate() {
        let servers = with_oddities(Oddities { token_format: Some(format), ..Oddities::default() });
        let machine = Machine::with_user();
        let mut bridge = machine.logged_in(&servers);
        servers.records().invalidate_access_tokens();
        call_succeeds(&mut bridge, "2");
        bridge.finish();
        assert_eq!((servers.records().refreshes, machine.browser.tabs().len()), (1, 1), "format {place}");
    }
}

#[test]
fn an_empty_error_beside_a_code_is_none() {
    let servers = OauthServers::start(Rules {
        callback: Box::new(|back| {
            back.push(("error".to_owned(), String::new()));
            back.push(("error_description".to_owned(), String::new()));
        }),
        ..Rules::default()
    });
    Machine::with_user().logged_in(&servers).finish();
}

#[test]
fn localhost_and_its_address_are_one_resource() {
    let servers = OauthServers::start(Rules {
        resource_metadata: Box::new(|metadata| {
            metadata["resource"] = json!(metadata["resource"].as_str().unwrap().replace("127.0.0.1", "localhost"));
        }),
        ..Rules::default()
    });
    Machine::with_user().logged_in(&servers).finish();
    let sent = parameter(&servers.records().logins[0], "resource").unwrap();
    assert!(sent.starts_with("http://localhost:"), "the metadata's own bytes are sent: {sent}");
}
