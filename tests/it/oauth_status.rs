//! The command `status`.

use serde_json::{Value, json};

use crate::support::*;

#[test]
fn status_lists_logins_without_secrets() {
    let servers = OauthServers::start(Rules { challenge: r#", scope="read""#.to_owned(), ..Rules::default() });
    let machine = Machine::with_user();
    let nothing = machine.run(["status", "--json"], "");
    assert_eq!(nothing.status.code(), Some(0), "{nothing:?}");
    machine.logged_in(&servers).finish();
    let (plain, status) = (machine.run(["status"], ""), machine.run(["status", "--json"], ""));
    assert_eq!((plain.status.code(), status.status.code()), (Some(0), Some(0)), "{plain:?} {status:?}");
    let printed = json_output(&status).to_string();
    for word in [servers.issuer.url(""), "read".to_owned(), servers.resource.host()] {
        assert!(printed.contains(&word), "{word} is missing from {printed}");
        assert!(stdout_text(&plain).contains(&word), "{word} is missing from {}", stdout_text(&plain));
    }
    for secret in &servers.records().secrets {
        assert!(!printed.contains(secret) && !stdout_text(&plain).contains(secret), "the output contains a secret");
    }
}

#[test]
fn status_distinguishes_an_ended_login_from_a_working_one() {
    for refreshable in [true, false] {
        let servers = OauthServers::start(Rules { refreshable, ..Rules::default() });
        let machine = Machine::with_user();
        let mut bridge = machine.logged_in(&servers);
        let one = |machine: &Machine| json_output(&machine.run(["status", "--json"], ""))["logins"][0].clone();
        assert_eq!((&one(&machine)["state"], &one(&machine)["loggedIn"]), (&"signed_in".into(), &true.into()));
        assert_eq!(one(&machine)["server"], servers.url(), "the full URL");
        servers.records().lose_database();
        servers.rules().registration_faults.extend([("403 Forbidden", r#"{"error":"access_denied"}"#); 2]);
        bridge.request("2", "tools/call", r#"{"name":"look"}"#);
        assert_eq!((&one(&machine)["state"], &one(&machine)["loggedIn"]), (&"ended".into(), &false.into()));
        let plain = stdout_text(&machine.run(["status"], ""));
        assert!(plain.contains("ended") && !plain.contains("signed in"), "{plain}");
        bridge.finish();
    }
}

#[test]
fn status_names_the_issuer_that_the_users_credentials_belong_to() {
    let servers = OauthServers::well_behaved();
    let machine = Machine::with_user();
    let mut bridge = machine.bridge(&servers).args(["--client-id", "given-1"]).start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    let (plain, json) = (machine.run(["status"], ""), machine.run(["status", "--json"], ""));
    let issuer = servers.issuer.url("");
    assert_eq!(json_output(&json)["logins"][0]["credentialsBoundTo"], issuer);
    let plain = stdout_text(&plain);
    assert!(plain.lines().any(|line| line.contains("bound to") && line.contains(&issuer)), "{plain}");
}

/// An authorization server chooses the number.
#[test]
fn status_of_a_token_that_never_expires_is_shown() {
    for lifetime in [json!(u64::MAX), json!(1e300), json!(i64::MAX), json!(-1), json!("99999999999999999999999")] {
        let shown = lifetime.to_string();
        let servers = OauthServers::start(Rules {
            token_response: Box::new(move |answer| answer["expires_in"] = lifetime.clone()),
            refreshable: false,
            ..Rules::default()
        });
        let machine = Machine::with_user();
        machine.logged_in(&servers).finish();
        let (plain, json) = (machine.run(["status"], ""), machine.run(["status", "--json"], ""));
        assert_eq!(json_output(&json)["logins"][0]["state"], "signed_in", "{shown}");
        assert!(stdout_text(&plain).contains("signed in"), "{shown}: {plain:?}");
    }
}

#[test]
fn status_without_logins_is_an_empty_list() {
    let nothing = Machine::without_user().run(["status", "--json"], "");
    assert_eq!(json_output(&nothing)["logins"], Value::Array(Vec::new()));
}
