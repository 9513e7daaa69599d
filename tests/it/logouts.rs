//! A logout leaves nothing: no tokens, no file that cannot be read, nothing that a server told the login.

use std::path::PathBuf;

use crate::support::*;

/// All files below the folder of the bridge, with their content.
fn files(machine: &Machine) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![machine.home().join("ferry")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            match std::fs::read(&path) {
                Ok(content) => found.push((path, String::from_utf8_lossy(&content).into_owned())),
                Err(_) => folders.push(path),
            }
        }
    }
    found
}

#[track_caller]
fn assert_nowhere(machine: &Machine, text: &str) {
    let holders: Vec<_> = files(machine).into_iter().filter(|(_, content)| content.contains(text)).collect();
    assert!(holders.is_empty(), "{text} is still in {holders:?}");
}

fn login_file(machine: &Machine, digit: &str, content: &str) -> PathBuf {
    let path = machine.home().join("ferry/logins").join(format!("{}.json", digit.repeat(32)));
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn logout_of_all_removes_what_cannot_be_read() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    for (digit, content) in [
        ("0", r#"{"format":1,"record":{"tokens":{"access_token":"old-secret"#),
        ("1", r#"{"format":99,"sealed":"old-secret"}"#),
        ("2", r#"{"format":1,"record":{"tokens":"old-secret"}}"#),
        ("3", "\u{0}old-secret"),
    ] {
        login_file(&machine, digit, content);
    }
    let pending = machine.home().join("ferry/logins").join(format!("{}.login.json", "4".repeat(32)));
    std::fs::write(pending, r#"{"state":"old-secret""#).unwrap();
    let output = machine.run(["logout", "--all"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_nowhere(&machine, "old-secret");
    for secret in &servers.records().secrets {
        assert_nowhere(&machine, secret);
    }
    assert!(!servers.records().revocations.is_empty(), "the login that can be read is revoked");
}

#[test]
fn logout_of_all_goes_on_and_says_what_is_left() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    // A folder cannot be removed as a file, and a session without a bus has no keychain.
    let stuck = machine.home().join("ferry/logins").join(format!("{}.json", "0".repeat(32)));
    std::fs::create_dir(&stuck).unwrap();
    if cfg!(target_os = "linux") {
        login_file(&machine, "1", r#"{"format":1,"kept_in":"keychain","record":{"server":"https://a.example"}}"#);
    }
    let output = machine.run(["logout", "--all"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(printed.contains(stuck.to_str().unwrap()), "what is left is named: {printed}");
    assert!(printed.contains("keychain") || !cfg!(target_os = "linux"), "each store is tried: {printed}");
    assert!(stdout_text(&output).contains("signed out of"), "the others are logged out: {output:?}");
    for secret in &servers.records().secrets {
        assert_nowhere(&machine, secret);
    }
}

#[test]
fn logout_of_one_removes_its_damaged_record_and_leaves_that_of_a_newer_version() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let (path, _) = files(&machine).into_iter().find(|(_, content)| content.contains("access-secret")).unwrap();
    let newer = r#"{"format":2,"sealed":"of-a-newer-version"}"#;
    std::fs::write(&path, newer).unwrap();
    let output = machine.run(["logout", &servers.url()], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("newer version"), "{output:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
    std::fs::write(&path, r#"{"format":1,"record":"damaged-secret"}"#).unwrap();
    assert_eq!(machine.run(["logout", &servers.url()], "").status.code(), Some(0));
    assert_nowhere(&machine, "damaged-secret");
}

#[test]
fn what_a_server_told_a_login_goes_with_it() {
    for which in ["url", "--all"] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        let mut bridge = machine.logged_in(&servers);
        assert!(bridge.request("2", "tools/list", "{}").contains("look"));
        wait_until_stored(&machine.home().join("ferry"), "look");
        let all = which.to_owned();
        let output = machine.run(["logout", if which == "url" { servers.url() } else { all }.as_str()], "");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_nowhere(&machine, "look");
        let tools = bridge.request("3", "tools/list", "{}");
        assert!(!tools.contains(r#""look""#), "a bridge that runs on does not tell it either: {tools}");
        bridge.finish();
    }
}

#[test]
fn each_profile_has_its_own_memory_of_a_server() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    for profile in ["home", "work"] {
        let mut bridge = machine.bridge(&servers).args(["--profile", profile]).start();
        bridge.initialize();
        call_succeeds(&mut bridge, "1");
        assert!(bridge.request("2", "tools/list", "{}").contains("look"));
        bridge.finish();
    }
    let holders = || files(&machine).into_iter().filter(|(_, content)| content.contains(r#""look""#)).count();
    assert_eq!(holders(), 2);
    let output = machine.launch().args(["logout", &servers.url(), "--profile", "work"]).run("");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(holders(), 1, "the other profile keeps what it knows");
}
