//! A login that mcp-remote has made is used as it is: whoever changes bridges does not log in again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::json;

use crate::support::*;

const CALLBACK: &str = "http://localhost:3334/oauth/callback";

/// What mcp-remote keeps of a login it has made at this realm, in `directory` and under the name of `hashed`.
fn keep(realm: &Realm, directory: &Path, hashed: &str, refreshable: bool) {
    assert_eq!(md5("message digest"), "f96b697d7cb7938d525a2f31aaf161d0", "RFC 1321, appendix A.5");
    let (id, access, refresh) = realm.ledger().elsewhere(CALLBACK);
    std::fs::create_dir_all(directory).unwrap();
    let name = |file: &str| directory.join(format!("{}_{file}", md5(hashed)));
    let mut tokens = json!({ "access_token": access, "token_type": "Bearer", "expires_in": 3600 });
    if refreshable {
        tokens["refresh_token"] = json!(refresh);
    }
    std::fs::write(name("tokens.json"), tokens.to_string()).unwrap();
    let client = json!({ "client_id": id, "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    std::fs::write(name("client_info.json"), client.to_string()).unwrap();
}

/// Everything below a directory, to the byte and the moment.
fn contents(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(contents(&entry.path()));
        } else {
            let changed = entry.metadata().unwrap().modified().unwrap();
            found.insert(entry.path(), (std::fs::read(entry.path()).unwrap(), changed));
        }
    }
    found
}

#[test]
fn a_login_of_this_and_of_older_versions_is_taken_over() {
    for version in ["mcp-remote-v1", "mcp-remote-0.1.37"] {
        let (realm, machine) = (Realm::usual(), Machine::unattended());
        let cache = machine.home().join(".mcp-auth");
        keep(&realm, &cache.join(version), &realm.url(), true);
        let before = contents(&cache);
        let mut bridge = machine.logged_in(&realm);
        realm.ledger().refuse_access_tokens();
        looks(&mut bridge, "2");
        bridge.finish();
        assert!(machine.browser.tabs().is_empty(), "{version}: no login is needed");
        assert_eq!(realm.ledger().registrations.len(), 1, "{version}: and no registration");
        assert_eq!(contents(&cache), before, "{version}: what is another's is read, never written");
    }
}

#[test]
fn the_newest_version_counts() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let cache = machine.home().join(".mcp-auth");
    keep(&realm, &cache.join("mcp-remote-0.1.9"), &realm.url(), true);
    realm.ledger().forget();
    keep(&realm, &cache.join("mcp-remote-0.1.37"), &realm.url(), true);
    machine.logged_in(&realm).finish();
    assert!(machine.browser.tabs().is_empty());
}

#[test]
fn headers_and_the_users_own_directory_are_part_of_where_it_is() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let elsewhere = machine.home().join("elsewhere");
    let hashed = format!(r#"{}|{{"X-A":"${{FOO}}"}}"#, realm.url());
    keep(&realm, &elsewhere.join("mcp-remote-v1"), &hashed, true);
    let mut bridge = machine
        .bridge(&realm)
        .args(["--header", "X-A: ${FOO}"])
        .env("FOO", "bar")
        .env("MCP_REMOTE_CONFIG_DIR", elsewhere.to_str().unwrap())
        .start();
    bridge.shake_hands();
    looks(&mut bridge, "1");
    bridge.finish();
    assert!(machine.browser.tabs().is_empty());
}

#[test]
fn it_is_taken_over_once() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    keep(&realm, &machine.home().join(".mcp-auth/mcp-remote-v1"), &realm.url(), true);
    machine.logged_in(&realm).finish();
    let output = machine.run(["logout", &realm.url()], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    realm.ledger().refuse_access_tokens();
    machine.logged_in(&realm).finish();
    assert_eq!(machine.browser.tabs().len(), 1, "after a logout a person logs in, not the past");
}

#[test]
fn a_token_that_no_header_can_hold_is_as_good_as_nothing() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let cache = machine.home().join(".mcp-auth/mcp-remote-v1");
    keep(&realm, &cache, &realm.url(), false);
    for file in contents(&cache).into_keys().filter(|file| file.to_string_lossy().ends_with("_tokens.json")) {
        std::fs::write(file, r#"{"access_token":"two\nlines"}"#).unwrap();
    }
    machine.logged_in(&realm).finish();
    assert_eq!(machine.browser.tabs().len(), 1, "a person can log in");
}

#[test]
fn what_cannot_be_read_is_as_good_as_nothing() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let cache = machine.home().join(".mcp-auth/mcp-remote-v1");
    keep(&realm, &cache, &realm.url(), false);
    for file in contents(&cache).into_keys() {
        std::fs::write(file, "{\"access_token\": 7").unwrap();
    }
    machine.logged_in(&realm).finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}
