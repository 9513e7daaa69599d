//! Older and newer versions of the program on one machine: what an older one has stored is carried over, what a newer
//! one has stored is left alone, and a message says so.
//!
//! The folder `formats` has a file for each format that a stored document ever had, the newest last. A text that begins
//! with `@` is the place of a value in the document that is on the disk: tokens and hashes differ from test to test.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::install_command::{CURSOR, Home, code, err};
use crate::oauth_commands::{callback_url, link};
use crate::support::*;

/// What a version of the future may write, whatever it is.
const NEWER: &str = r#"{"format":2,"sealed":"of-a-newer-version"}"#;

/// The documents of this kind, the oldest first.
fn formats(kind: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/formats");
    let files = (1..).map(|number| folder.join(format!("{kind}-{number}.json")));
    let documents = files.map_while(|file| std::fs::read_to_string(file).ok());
    let documents: Vec<_> = documents.map(|text| serde_json::from_str(&text).unwrap()).collect();
    assert!(!documents.is_empty(), "there is no document of the kind {kind}");
    documents
}

/// A document with the values of another one in its places.
fn filled(document: &Value, from: &Value) -> Value {
    match document {
        Value::String(text) if text.starts_with('@') => {
            from.pointer(&text[1..]).unwrap_or_else(|| panic!("{text} is not in {from}")).clone()
        }
        Value::Array(items) => items.iter().map(|item| filled(item, from)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, from)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// The one file in a folder whose name ends so.
#[track_caller]
fn file(folder: &Path, end: &str) -> PathBuf {
    let names = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let is_meant = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        name.split_once('.').is_some_and(|(_, rest)| rest == end)
    };
    let found: Vec<_> = names.filter(is_meant).collect();
    let [file] = &found[..] else { panic!("one file *.{end}: {found:?}") };
    file.clone()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn logins(machine: &Machine) -> PathBuf {
    machine.home().join("ferry/logins")
}

#[test]
fn a_login_of_an_earlier_version_is_refreshed_and_written_in_the_format_of_now() {
    for (number, format) in formats("login").iter().enumerate() {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        machine.logged_in(&servers).finish();
        let path = file(&logins(&machine), "json");
        let now = read(&path);
        write_private(&path, &filled(format, &now).to_string());
        let status = machine.run(["status", &servers.url(), "--json"], "");
        assert_eq!(json_output(&status)["logins"][0]["refreshable"], true, "format {number}: {status:?}");
        let mut bridge = machine.bridge(&servers).start();
        bridge.initialize();
        call_succeeds(&mut bridge, "1");
        bridge.finish();
        let records = servers.records();
        assert_eq!((records.refreshes, records.registrations.len()), (1, 1), "format {number}");
        assert_eq!(machine.browser.tabs().len(), 1, "format {number}: the login is not made again");
        let names = |document: &Value| document["record"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&read(&path)), names(&now), "format {number}");
    }
}

#[test]
fn a_login_of_a_newer_version_is_told_with_what_updates_the_program() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let path = file(&logins(&machine), "json");
    write_private(&path, NEWER);
    let login = machine.run(["login", &servers.url()], "");
    assert_eq!(login.status.code(), Some(1), "{login:?}");
    assert!(err(&login).contains("hint: update mcp-ferry"), "{login:?}");
    let status = machine.run(["status"], "");
    assert_eq!(status.status.code(), Some(0), "{status:?}");
    assert!(err(&status).contains("was written by a newer version of mcp-ferry"), "{status:?}");
    assert!(stdout_text(&status).contains("to update"), "{status:?}");
    let report = json_output(&machine.run(["doctor", "--json"], ""));
    assert!(report.to_string().contains(r#""code":"store.newer""#), "{report}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), NEWER);
}

#[test]
fn a_login_under_way_of_an_earlier_version_is_finished() {
    for (number, format) in formats("pending").iter().enumerate() {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
        let url = servers.url();
        let started = machine.run(["login", &url, "--no-wait"], "");
        let path = file(&logins(&machine), "login.json");
        write_private(&path, &filled(format, &read(&path)).to_string());
        let back = callback_url(&link(&format!("{}{}", stdout_text(&started), err(&started))));
        let done = machine.run(["login", &url, "--complete", &back], "");
        assert_eq!(done.status.code(), Some(0), "format {number}: {done:?}");
        let status = machine.run(["status", &url], "");
        assert_eq!(status.status.code(), Some(0), "format {number}: {status:?}");
    }
}

#[test]
fn a_login_under_way_of_a_newer_version_is_not_disturbed_until_it_is_too_old() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let url = servers.url();
    machine.run(["login", &url, "--no-wait"], "");
    let path = file(&logins(&machine), "login.json");
    write_private(&path, NEWER);
    let login = machine.run(["login", &url], "");
    assert_eq!(login.status.code(), Some(1), "{login:?}");
    assert!(err(&login).contains("newer version") && err(&login).contains("hint: update mcp-ferry"), "{login:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), NEWER);
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(hour_ago).unwrap();
    let login = machine.run(["login", &url], "");
    assert_eq!(login.status.code(), Some(0), "nobody can finish that login any more: {login:?}");
}

/// The tabs of earlier and newer versions count: three in an hour are all that a server gets.
#[test]
fn the_tab_ration_of_another_version_holds() {
    let earlier = formats("ration");
    let newer: Value = serde_json::from_str(NEWER).unwrap();
    for format in earlier.iter().chain([&newer]) {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        machine.logged_in(&servers).finish();
        let path = file(&logins(&machine), "tabs.json");
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let ration = filled(format, &json!({ "now": now })).to_string();
        write_private(&path, &ration);
        std::fs::remove_file(file(&logins(&machine), "json")).unwrap();
        let mut bridge = machine.bridge(&servers).start();
        bridge.initialize();
        let answer = bridge.request("1", "tools/call", r#"{"name":"look","arguments":{}}"#);
        assert!(answer.contains("http://"), "{format}: the address is the answer: {answer}");
        assert_eq!(machine.browser.tabs().len(), 1, "{format}: no further tab");
        let exit = bridge.finish();
        if *format == newer {
            assert_eq!(std::fs::read_to_string(&path).unwrap(), ration);
            assert!(exit.stderr.contains("newer version of mcp-ferry"), "{}", exit.stderr);
        }
    }
}

#[test]
fn what_an_earlier_version_knew_of_a_server_is_given_while_the_server_is_late() {
    for (number, format) in formats("server").iter().enumerate() {
        let home = tempfile::tempdir().unwrap();
        let mut upstream = Upstream::well_behaved();
        initialize_response(Bridge::to(&upstream.url("/mcp")).home(home.path()));
        upstream.stop();
        let path = file(&home.path().join("servers"), "json");
        write_private(&path, &format.to_string());
        let mut bridge = Bridge::to(&upstream.url("/mcp")).home(home.path()).startup_wait("1.6").start();
        assert!(bridge.initialize().contains("of-an-earlier-version"), "format {number}");
        if format.get("tools").is_some() {
            let tools = bridge.request("1", "tools/list", "{}");
            assert!(tools.contains(r#""name":"kept""#), "format {number}: {tools}");
        }
        if format.get("lists").is_some() {
            let prompts = bridge.request("2", "prompts/list", "{}");
            assert!(prompts.contains(r#""name":"kept""#), "format {number}: {prompts}");
        }
        bridge.finish();
    }
}

#[test]
fn what_a_newer_version_knows_of_a_server_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::well_behaved();
    let launch = || Bridge::to(&upstream.url("/mcp")).home(home.path());
    initialize_response(launch());
    let path = file(&home.path().join("servers"), "json");
    assert_eq!(read(&path)["format"], 1);
    write_private(&path, NEWER);
    let mut bridge = launch().start();
    assert!(bridge.initialize().contains("mind the gap"), "the bridge works without it");
    let exit = bridge.finish();
    assert!(exit.stderr.contains("newer version of mcp-ferry"), "{}", exit.stderr);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), NEWER);
}

const URL: &str = "https://mcp.linear.app/mcp";
const BEFORE: &str = "{\"mcpServers\":{\"a\":{\"command\":\"b\"}} }";

#[test]
fn what_an_earlier_version_installed_is_taken_out_to_the_byte() {
    for (number, format) in formats("record").iter().enumerate() {
        let home = Home::with(&[(CURSOR, BEFORE)]);
        assert_eq!(code(&home.run(&["install", URL, "--client", "cursor"])), 0);
        let path = file(&home.path(".mcp-ferry/installs"), "json");
        let now = read(&path);
        assert_eq!(now["format"], 1);
        write_private(&path, &filled(format, &now).to_string());
        let output = home.run(&["uninstall", "linear"]);
        assert_eq!((code(&output), home.text(CURSOR)), (0, BEFORE.to_owned()), "format {number}: {output:?}");
        assert!(home.kept().is_empty(), "format {number}: {:?}", home.kept());
    }
}

#[test]
fn what_a_newer_version_installed_is_left_alone() {
    let home = Home::with(&[(CURSOR, BEFORE)]);
    assert_eq!(code(&home.run(&["install", URL, "--client", "cursor"])), 0);
    let path = file(&home.path(".mcp-ferry/installs"), "json");
    write_private(&path, NEWER);
    let (kept, text) = (home.kept(), home.text(CURSOR));
    for arguments in [
        &["uninstall", "linear"][..],
        &["uninstall", "linear", "--dry-run"],
        &["install", URL, "--client", "cursor", "--read-only"],
    ] {
        let output = home.run(arguments);
        let said = format!("{}{}", stdout_text(&output), err(&output));
        assert_ne!(code(&output), 0, "{arguments:?}: {said}");
        assert!(
            said.contains("newer version of mcp-ferry") && said.contains("mcp-ferry status"),
            "{arguments:?}: {said}"
        );
        assert_eq!((home.text(CURSOR), home.kept()), (text.clone(), kept.clone()), "{arguments:?}");
    }
    // Another entry of the same file is no concern of that record; its own copy stays.
    let other = ["install", "https://other.example/mcp", "--client", "cursor", "--name", "other"];
    assert_eq!(code(&home.run(&other)), 0);
    assert_eq!(code(&home.run(&["uninstall", "other"])), 0);
    assert_eq!((home.text(CURSOR), home.kept()), (text, kept));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), NEWER);
}
