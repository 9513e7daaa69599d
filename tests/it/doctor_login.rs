//! What does `doctor` say of logins, kept and missing, without beginning one? A row for each fault.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

/// The report about this server on this machine. Nothing is registered, refreshed or opened for it.
#[track_caller]
fn report(machine: &Machine, servers: &OauthServers, arguments: &[&str]) -> Diagnosis {
    let count = || (servers.records().registrations.len(), servers.issuer.count("POST"), machine.browser.tabs().len());
    let before = count();
    let sessions = |name: &str| servers.resource.count(name);
    let (opened, deleted) = (sessions("initialize"), sessions("DELETE"));
    let secrets: Vec<String> = tokens(machine);
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let found = diagnose_at(machine.home(), &secrets, || {
        let launch = machine.launch().args(["doctor", &servers.url()]);
        arguments.iter().fold(launch, |launch, argument| launch.arg(argument))
    });
    assert_eq!(count(), before, "no registration, no request for a token, no tab");
    if found.fact("mcp").contains("with a session") {
        assert_eq!(sessions("DELETE") - deleted, sessions("initialize") - opened, "each session is deleted");
    }
    found
}

/// The files beside logins on this machine.
fn logins(machine: &Machine) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(machine.home().join("ferry/logins")) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn record(machine: &Machine) -> Option<(std::path::PathBuf, Value)> {
    logins(machine).into_iter().find_map(|path| {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(&path).ok()?).ok()?;
        file["record"].is_object().then_some((path, file))
    })
}

/// The tokens that are kept.
fn tokens(machine: &Machine) -> Vec<String> {
    let Some((_, file)) = record(machine) else { return Vec::new() };
    let tokens =
        ["access_token", "refresh_token"].map(|name| file["record"]["tokens"][name].as_str().map(str::to_owned));
    tokens.into_iter().flatten().collect()
}

/// Changes the login that is kept.
fn edit(machine: &Machine, change: impl FnOnce(&mut Value)) {
    let (path, mut file) = record(machine).expect("a login");
    change(&mut file["record"]);
    write_private(path, &file.to_string());
}

/// How a record of a login differs from a good one.
type Edit = fn(&mut Value);

fn log_in(machine: &Machine, servers: &OauthServers) {
    let output = machine.run(["login", &servers.url()], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[track_caller]
fn assert_cause(found: &Diagnosis, code: &str, exit: i32, words: &[&str]) {
    assert_eq!((found.cause(), found.exit), (Some(code), exit), "{}", found.text);
    assert_eq!(found.json["failures"], 1, "what follows a failure is skipped: {}", found.text);
    let sentence = found.json["cause"]["sentence"].as_str().unwrap();
    for word in words {
        assert!(sentence.contains(word), "{code} names {word}: {sentence}");
    }
}

#[test]
fn a_missing_login_is_status_4_and_its_command_can_be_pasted() {
    let servers = OauthServers::well_behaved();
    let machine = Machine::without_user();
    let found = report(&machine, &servers, &[]);
    assert_cause(&found, "auth.login-needed", 4, &["nobody on this machine is signed in"]);
    let fix = found.json["cause"]["fix"].as_str().unwrap();
    assert!(fix.contains(&format!("login {}", servers.url())), "{fix}");
    assert!(found.fact("metadata").contains("PKCE yes"), "{}", found.text);
    assert!(found.fact("register").contains("register themselves"), "{}", found.text);
}

#[test]
fn a_login_that_is_kept_is_used_and_shown_without_its_token() {
    let servers = OauthServers::well_behaved();
    let machine = Machine::with_user();
    log_in(&machine, &servers);
    let found = report(&machine, &servers, &[]);
    assert_eq!((found.exit, found.cause()), (0, None), "{}", found.text);
    let login = found.fact("login");
    assert!(login.starts_with("Bearer … (") && login.contains("renewed by itself"), "{login}");
    assert_eq!(found.fact("tools"), "1", "{}", found.text);
}

#[test]
fn what_is_wrong_with_a_kept_login_is_told_from_its_record() {
    let past = json!(1_000_000_000);
    let rows: [(&str, i32, Edit); 5] = [
        ("auth.expired", 4, |record| {
            (record["tokens"]["obtained_at"], record["tokens"]["refresh_token"]) = (json!(1_000_000_000), Value::Null);
        }),
        ("auth.refresh-dead", 4, |record| {
            record["tokens"]["obtained_at"] = json!(1_000_000_000);
            record["dead_refresh"] = json!("0000");
        }),
        ("auth.client-gone", 4, |record| {
            record["tokens"]["obtained_at"] = json!(1_000_000_000);
            record["dead_client"] = record["client"]["client_id"].clone();
        }),
        ("auth.refused", 4, |record| record["tokens"]["access_token"] = json!("not-a-token-of-the-server")),
        ("auth.login-needed", 4, |record| record["logged_out"] = json!(true)),
    ];
    for (code, exit, change) in rows {
        let servers = OauthServers::well_behaved();
        let machine = Machine::with_user();
        log_in(&machine, &servers);
        edit(&machine, change);
        assert_cause(&report(&machine, &servers, &[]), code, exit, &[]);
    }
    let servers = OauthServers::well_behaved();
    let machine = Machine::with_user();
    log_in(&machine, &servers);
    edit(&machine, |record| record["tokens"]["obtained_at"] = past);
    let found = report(&machine, &servers, &[]);
    assert_eq!(
        (found.exit, found.cause()),
        (0, None),
        "an expired token that can be renewed is no fault: {}",
        found.text
    );
    assert!(found.fact("login").contains("renews it"), "{}", found.text);
}

#[test]
fn a_damaged_store_is_a_cause() {
    let servers = OauthServers::well_behaved();
    let machine = Machine::with_user();
    log_in(&machine, &servers);
    let (path, mut file) = record(&machine).unwrap();
    file["format"] = json!(99);
    write_private(path, &file.to_string());
    let found = report(&machine, &servers, &[]);
    assert_cause(&found, "auth.store", 1, &["newer"]);
}

/// How the servers of one row differ from good ones.
type Change = fn(&mut Rules);

#[test]
fn metadata_that_cannot_be_used_have_their_causes() {
    let rows: [(&str, Change, &[&str]); 8] = [
        ("auth.no-dcr", |rules| rules.metadata = without("registration_endpoint"), &["does not let programs register"]),
        ("auth.no-pkce", |rules| rules.metadata = without("code_challenge_methods_supported"), &["PKCE"]),
        (
            "auth.issuer",
            |rules| rules.metadata = Box::new(|metadata| metadata["issuer"] = json!("https://other.example")),
            &["other.example"],
        ),
        (
            "auth.resource",
            |rules| {
                rules.resource_metadata =
                    Box::new(|metadata| metadata["resource"] = json!("https://other.example/mcp"));
            },
            &["other.example"],
        ),
        (
            "auth.no-metadata",
            |rules| rules.metadata = Box::new(|metadata| *metadata = Value::Null),
            &["no place to log in"],
        ),
        (
            "auth.address",
            |rules| {
                rules.resource_metadata =
                    Box::new(|metadata| metadata["authorization_servers"] = json!(["ftp://login.example"]));
            },
            &["login.example"],
        ),
        (
            "auth.metadata-down",
            |rules| {
                rules.odd.moved.push((
                    "/.well-known/oauth-authorization-server",
                    "500 Internal Server Error",
                    String::new(),
                ));
            },
            &["500"],
        ),
        ("auth.off", |_| {}, &["logins are switched off"]),
    ];
    for (code, change, words) in rows {
        let mut rules = Rules::default();
        change(&mut rules);
        let servers = OauthServers::start(rules);
        let arguments: &[&str] = if code == "auth.off" { &["--auth", "off"] } else { &[] };
        assert_cause(&report(&Machine::without_user(), &servers, arguments), code, 1, words);
    }
}

fn without(name: &'static str) -> Box<dyn Fn(&mut Value) + Send + Sync> {
    Box::new(move |metadata| {
        metadata.as_object_mut().unwrap().remove(name);
    })
}

#[test]
fn a_client_id_takes_the_place_of_registration() {
    let servers = OauthServers::start(Rules { metadata: without("registration_endpoint"), ..Rules::default() });
    let found = report(&Machine::without_user(), &servers, &["--client-id", "mine"]);
    assert_cause(&found, "auth.login-needed", 4, &[]);
    assert_eq!(found.fact("register"), "your client id", "{}", found.text);
}

#[test]
fn what_will_trouble_the_login_is_a_warning() {
    let servers = OauthServers::well_behaved();
    let machine = Machine::without_user();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let found = report(&machine, &servers, &["--callback-port", &port]);
    assert_eq!(found.codes(), ["auth.port-busy", "auth.login-needed"], "{}", found.text);
    let found =
        diagnose_at(machine.home(), &[], || machine.launch().args(["doctor", &servers.url()]).env("BROWSER", "none"));
    assert_eq!(found.codes(), ["auth.no-browser", "auth.login-needed"], "{}", found.text);
}

#[test]
fn a_login_under_way_is_a_warning() {
    let servers = OauthServers::well_behaved();
    let machine = Machine::without_user();
    let mut bridge = machine.bridge(&servers).env("MCP_FERRY_AUTH", "wait").start();
    bridge.send(&initialize("1", REVISION));
    let begun = std::time::Instant::now();
    while logins(&machine).iter().all(|path| !path.display().to_string().ends_with(".login.json")) {
        assert!(begun.elapsed() < DEADLINE, "the login should begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = machine.launch().args(["doctor", &servers.url(), "--json"]).run("");
    assert!(stdout_text(&output).contains("auth.race"), "{output:?}");
    bridge.kill();
}

#[test]
fn a_header_whose_variable_is_not_set_is_the_cause() {
    let upstream = Upstream::start(|call| call.respond("401 Unauthorized", &[], ""));
    let url = upstream.url("/mcp");
    let found =
        diagnose(&[], || Bridge::bare().args(["doctor", &url, "--header", "Authorization: Bearer ${ACME_TOKEN}"]));
    assert_cause(&found, "env.unset", 1, &["ACME_TOKEN"]);
}

#[test]
fn a_token_that_cannot_be_read_is_the_cause() {
    let upstream = Upstream::start(Exchange::respond_normally).may_receive_no_request();
    let url = upstream.url("/mcp");
    for (code, arguments) in [
        ("option.bad", ["--bearer-token-file", "/no/such/token"]),
        ("auth.no-token", ["--token-command", "/no/such/program"]),
    ] {
        let found = diagnose(&[], || Bridge::bare().args(["doctor", &url]).args(arguments));
        assert_cause(&found, code, 1, &["/no/such/"]);
    }
}

#[test]
fn a_server_that_only_wants_a_key_is_told_from_one_with_a_login() {
    let upstream = Upstream::start(|call| match call.path() {
        "/mcp" => call.respond("401 Unauthorized", &[], r#"{"error":"key required"}"#),
        _ => call.plain("404 Not Found", ""),
    });
    let url = upstream.url("/mcp");
    let found = diagnose(&[], || Bridge::bare().args(["doctor", &url]));
    assert_cause(&found, "auth.no-metadata", 1, &["key required"]);
}

#[test]
fn a_login_that_only_a_list_wants_has_the_same_cause() {
    let upstream = Upstream::start(|call| match (call.path(), call.kind()) {
        ("/mcp", "tools/list") => call.respond("401 Unauthorized", &[], r#"{"error":"key required"}"#),
        ("/mcp", _) => call.respond_normally(),
        _ => call.plain("404 Not Found", ""),
    });
    let url = upstream.url("/mcp");
    let found = diagnose(&[], || Bridge::bare().args(["doctor", &url]));
    assert_cause(&found, "auth.no-metadata", 1, &["key required"]);
    assert!(!found.fact("mcp").contains("not reached"), "the session is open: {}", found.text);
}
