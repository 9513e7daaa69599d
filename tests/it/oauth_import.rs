//! A login made by mcp-remote is imported: a user who switches bridges need not log in again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::json;

use crate::support::*;

const CALLBACK: &str = "http://localhost:3334/oauth/callback";

/// Writes the files that mcp-remote stores for a login, in `directory` and with the hash of `hashed` as their name.
fn write_mcp_remote_files(servers: &OauthServers, directory: &Path, hashed: &str, refreshable: bool) {
    assert_eq!(md5("message digest"), "f96b697d7cb7938d525a2f31aaf161d0", "RFC 1321, appendix A.5");
    let (id, access, refresh) = servers.records().issue_to_another_client(CALLBACK);
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

/// The content and modification time of every file below a directory.
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
fn a_login_of_every_mcp_remote_version_is_imported() {
    for (version, notes_issuer) in [("mcp-remote-v1", true), ("mcp-remote-0.1.37", false)] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        let cache = machine.home().join(".mcp-auth");
        write_mcp_remote_files(&servers, &cache.join(version), &servers.url(), true);
        if notes_issuer {
            note_issuer(&servers, &cache);
        }
        let before = contents(&cache);
        let mut bridge = machine.logged_in(&servers);
        assert!(machine.browser.tabs().is_empty(), "{version}: no login is needed");
        assert_eq!(servers.records().registrations.len(), 1, "{version}: no registration is needed");
        servers.records().invalidate_access_tokens();
        call_succeeds(&mut bridge, "2");
        bridge.finish();
        // A refresh token goes only to the issuer that issued it.
        let needed = usize::from(!notes_issuer);
        assert_eq!((machine.browser.tabs().len(), servers.records().refreshes), (needed, 1 - needed), "{version}");
        assert_eq!(contents(&cache), before, "{version}: the files of mcp-remote are never written");
    }
}

/// Adds the issuer to the tokens, as newer versions do.
fn note_issuer(servers: &OauthServers, cache: &Path) {
    for file in contents(cache).into_keys().filter(|file| file.to_string_lossy().ends_with("_tokens.json")) {
        let mut tokens: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        tokens["issuer"] = servers.issuer.url("").into();
        std::fs::write(file, tokens.to_string()).unwrap();
    }
}

#[test]
fn the_login_of_the_newest_mcp_remote_version_is_imported() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let cache = machine.home().join(".mcp-auth");
    write_mcp_remote_files(&servers, &cache.join("mcp-remote-0.1.9"), &servers.url(), true);
    servers.records().lose_database();
    write_mcp_remote_files(&servers, &cache.join("mcp-remote-0.1.37"), &servers.url(), true);
    machine.logged_in(&servers).finish();
    assert!(machine.browser.tabs().is_empty());
}

#[test]
fn headers_and_the_configured_directory_determine_the_imported_file() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let elsewhere = machine.home().join("elsewhere");
    let hashed = format!(r#"{}|{{"X-A":"${{FOO}}"}}"#, servers.url());
    write_mcp_remote_files(&servers, &elsewhere.join("mcp-remote-v1"), &hashed, true);
    let mut bridge = machine
        .bridge(&servers)
        .args(["--header", "X-A: ${FOO}"])
        .env("FOO", "bar")
        .env("MCP_REMOTE_CONFIG_DIR", elsewhere.to_str().unwrap())
        .start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    assert!(machine.browser.tabs().is_empty());
}

#[test]
fn a_login_is_imported_once() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    write_mcp_remote_files(&servers, &machine.home().join(".mcp-auth/mcp-remote-v1"), &servers.url(), true);
    machine.logged_in(&servers).finish();
    let output = machine.run(["logout", &servers.url()], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    servers.records().invalidate_access_tokens();
    machine.logged_in(&servers).finish();
    assert_eq!(machine.browser.tabs().len(), 1, "after a logout the old login is not imported again");
}

#[test]
fn a_token_that_is_invalid_in_a_header_is_not_imported() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let cache = machine.home().join(".mcp-auth/mcp-remote-v1");
    write_mcp_remote_files(&servers, &cache, &servers.url(), false);
    for file in contents(&cache).into_keys().filter(|file| file.to_string_lossy().ends_with("_tokens.json")) {
        std::fs::write(file, r#"{"access_token":"two\nlines"}"#).unwrap();
    }
    machine.logged_in(&servers).finish();
    assert_eq!(machine.browser.tabs().len(), 1, "the user can log in");
}

#[test]
fn an_unreadable_login_file_is_not_imported() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let cache = machine.home().join(".mcp-auth/mcp-remote-v1");
    write_mcp_remote_files(&servers, &cache, &servers.url(), false);
    for file in contents(&cache).into_keys() {
        std::fs::write(file, "{\"access_token\": 7").unwrap();
    }
    machine.logged_in(&servers).finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}
