//! Servers that make more of a login than it is for: other parameters, other receivers, more tabs, more requests.

use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::CertificateParams;
use serde_json::{Value, json};

use super::authorization_server::first_answer;
use crate::support::*;

/// Calls the tool of a server whose authorization server has these metadata. `--auth error`: the response comes at once.
#[track_caller]
fn call(machine: &Machine, metadata: impl Fn(&mut Value) + Send + Sync + 'static) -> (String, OauthServers) {
    let servers = OauthServers::start(Rules { metadata: Box::new(metadata), ..Rules::default() });
    (first_answer(machine.bridge(&servers).args(["--auth", "error"])), servers)
}

#[test]
fn an_authorization_endpoint_sets_no_protocol_parameter() {
    for parameter in [
        "scope=admin",
        "resource=https%3A%2F%2Fbank.example",
        "code_challenge_method=plain",
        "request=e30.e30.",
        "response_mode=fragment",
    ] {
        let machine = Machine::without_user();
        let (answer, servers) = call(&machine, move |metadata| {
            let endpoint = metadata["authorization_endpoint"].as_str().unwrap().to_owned();
            metadata["authorization_endpoint"] = json!(format!("{endpoint}?{parameter}"));
        });
        let name = parameter.split('=').next().unwrap();
        assert!(answer.contains(name) && !answer.contains("code_challenge="), "{parameter} is refused: {answer}");
        let visits = servers.issuer.requests().iter().filter(|request| request.path.starts_with("/authorize")).count();
        assert_eq!((visits, machine.browser.tabs().len()), (0, 0), "{parameter}");
    }
}

#[test]
fn a_person_is_told_of_another_receiver_of_the_code() {
    for (names_itself, is_elsewhere, is_told) in [(false, true, true), (true, true, false), (false, false, false)] {
        let machine = Machine::without_user();
        let (answer, servers) = call(&machine, move |metadata| {
            metadata["authorization_response_iss_parameter_supported"] = json!(names_itself);
            if is_elsewhere {
                let elsewhere = metadata["token_endpoint"].as_str().unwrap().replace("127.0.0.1", "localhost");
                metadata["token_endpoint"] = json!(elsewhere);
            }
        });
        assert!(answer.contains("/authorize?"), "{answer}");
        let receiver = servers.issuer.url("").replace("127.0.0.1", "localhost");
        let told = answer.contains(&format!("{receiver} gets the login"));
        assert_eq!(told, is_told, "iss {names_itself}, elsewhere {is_elsewhere}: {answer}");
    }
}

/// How often the server has asked for a new scope.
static SCOPES: AtomicUsize = AtomicUsize::new(0);

fn another_scope(method: &str) -> Option<&'static str> {
    let next = || String::leak(format!("scope-{}", SCOPES.fetch_add(1, Ordering::SeqCst)));
    (method == "tools/call").then(|| &*next())
}

#[test]
fn a_server_that_names_a_new_scope_each_time_gets_three_tabs_an_hour() {
    let (servers, machine) =
        (OauthServers::start(Rules { required_scope: another_scope, ..Rules::default() }), Machine::with_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    let call = |id: usize| {
        request(&id.to_string(), "tools/call", r#"{"name":"look","arguments":{},"_meta":{"progressToken":"p"}}"#)
    };
    // A login, and another one for the first new scope.
    bridge.send(&call(1));
    bridge.response("1");
    // The third tab, and then a login that has an address alone, which the person may open.
    bridge.send(&call(2));
    let refused = bridge.response("2");
    let scope = format!("scope-{}", SCOPES.load(Ordering::SeqCst) - 1);
    assert!(refused.contains(&scope), "the scope that is missing is named: {refused}");
    assert!(!refused.contains("not signed in"), "there is a login: {refused}");
    let link = refused.split_whitespace().find(|word| word.contains("/start/")).expect("an address");
    assert_eq!(follow(link).expect("a page").status, 200, "the login goes on without a tab");
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 3, "{:?}", machine.browser.tabs());
}

#[test]
fn a_server_that_loses_every_registration_gets_five_an_hour() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut last = None;
    for _ in 0..7 {
        last = Some(machine.run(["login", &servers.url(), "--no-wait"], ""));
        servers.records().lose_database();
    }
    let last = last.unwrap();
    assert_eq!(last.status.code(), Some(1), "{last:?}");
    assert!(String::from_utf8_lossy(&last.stderr).contains("registrations"), "{last:?}");
    let registrations = servers.issuer.requests().iter().filter(|request| request.path == "/register").count();
    assert_eq!(registrations, 5);
}

#[test]
fn a_client_certificate_is_shown_to_the_mcp_server_alone() {
    let authorization_server =
        Https::with_options(&["localhost"], |options| options.requires_client_certificate = true);
    let (certificate, key) = authorization_server.authority.sign(&CertificateParams::new(Vec::new()).unwrap());
    let (both, authority) = (file(&(key + &certificate)), authorization_server.authority.file());
    let origin = format!("https://localhost:{}", authorization_server.port);
    let listed = origin.clone();
    let servers = OauthServers::start(Rules {
        resource_metadata: Box::new(move |metadata| metadata["authorization_servers"] = json!([listed])),
        ..Rules::default()
    });
    let answer = |more: &[&str]| {
        let machine = Machine::without_user();
        let mut launch = machine.bridge(&servers).args(["--auth", "error", "--ca-cert", path(&authority)]);
        for argument in ["--client-cert", path(&both)].iter().chain(more) {
            launch = launch.arg(argument);
        }
        first_answer(launch)
    };
    let withheld = answer(&[]);
    assert!(withheld.contains("--client-cert-origin"), "the error names the option that allows it: {withheld}");
    let shown = answer(&["--client-cert-origin", &origin]);
    assert!(shown.contains("no metadata"), "with the option the connection succeeds: {shown}");
}
