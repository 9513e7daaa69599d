#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;

const URL: &str = "http://127.0.0.1:7107/mcp";

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A cache with these tokens for these options.
fn cached(folder: &str, typed: &Typed, access_token: &str) -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    add(cache.path(), folder, typed, access_token);
    cache
}

fn add(cache: &Path, folder: &str, typed: &Typed, access_token: &str) {
    let folder = cache.join(folder);
    fs::create_dir_all(&folder).unwrap();
    let tokens = format!(
        r#"{{"access_token":"{access_token}","token_type":"bearer","expires_in":3600,"scope":"a b","refresh_token":"r-1",
            "issuer":"https://as.example/","expires_at":1700003600000,"requested_scope":"a b c"}}"#
    );
    fs::write(folder.join(format!("{}_tokens.json", name(typed))), tokens).unwrap();
    let client = r#"{"client_id":"c-1","redirect_uris":["http://localhost:4000/oauth/callback"],"client_secret_expires_at":0,
        "token_endpoint_auth_method":"none","scope":"a b c"}"#;
    fs::write(folder.join(format!("{}_client_info.json", name(typed))), client).unwrap();
}

fn access(import: Import) -> Option<String> {
    match import {
        Import::Found(record) => Some(record.tokens.unwrap().access_token.expose().to_owned()),
        _ => None,
    }
}

#[test]
fn names_are_the_md5_of_what_was_typed() {
    let headers = [pair("X-B", "2"), pair("X-A", "${FOO}")];
    assert_eq!(name(&Typed { url: URL, ..Typed::default() }), md5_hex(URL));
    assert_eq!(
        name(&Typed { url: URL, headers: &headers[1..], ..Typed::default() }),
        md5_hex(r#"http://127.0.0.1:7107/mcp|{"X-A":"${FOO}"}"#)
    );
    let all = Typed {
        url: URL,
        resource: Some(" https://r "),
        authorize_params: &[pair("b", "2"), pair("a", "1")],
        headers: &headers,
        client_metadata_url: Some("https://c/d"),
        token_endpoint: Some("https://as/token"),
    };
    assert_eq!(
        name(&all),
        md5_hex(&format!(
            r#"{URL}|https://r|{{"a":"1","b":"2"}}|{{"X-A":"${{FOO}}","X-B":"2"}}|https://c/d|https://as/token"#
        ))
    );
}

#[test]
fn a_login_comes_over_whole_and_its_cache_stays_as_it_is() {
    let typed = Typed { url: URL, ..Typed::default() };
    let cache = cached("mcp-remote-v1", &typed, "t-1");
    let before: Vec<_> = fs::read_dir(cache.path().join("mcp-remote-v1")).unwrap().map(|e| e.unwrap().path()).collect();
    let Import::Found(record) = find(cache.path(), &typed) else { panic!("it is there") };
    let tokens = record.tokens.unwrap();
    assert_eq!((tokens.obtained_at, tokens.lifetime), (1_700_000_000, Some(3600)));
    assert_eq!(tokens.refresh_token.unwrap().expose(), "r-1");
    assert_eq!(record.requested_scope.as_deref(), Some("a b c"));
    assert_eq!(record.issuer.unwrap().issuer, "https://as.example/");
    let client = record.client.unwrap();
    assert_eq!((client.client_id.as_str(), client.client_secret_expires_at), ("c-1", Some(0)));
    assert_eq!(client.redirect_uris, ["http://localhost:4000/oauth/callback"]);
    let after: Vec<_> = fs::read_dir(cache.path().join("mcp-remote-v1")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(before, after, "never written to");
}

#[test]
fn the_newest_directory_wins_and_the_exact_name_within_it() {
    let headers = [pair("X-A", "1")];
    let typed = Typed { url: URL, headers: &headers, ..Typed::default() };
    let alone = Typed { url: URL, ..Typed::default() };
    let slash = Typed { url: "http://127.0.0.1:7107/mcp/", ..Typed::default() };
    let cache = cached("mcp-remote-0.1.9", &typed, "oldest");
    assert_eq!(access(find(cache.path(), &typed)).as_deref(), Some("oldest"));
    add(cache.path(), "mcp-remote-0.1.37", &slash, "newer");
    assert_eq!(
        access(find(cache.path(), &typed)).as_deref(),
        Some("newer"),
        "37 is more than 9; a slash is no other server"
    );
    add(cache.path(), "mcp-remote-v1", &alone, "without headers");
    assert_eq!(access(find(cache.path(), &typed)).as_deref(), Some("without headers"));
    add(cache.path(), "mcp-remote-v1", &typed, "exact");
    assert_eq!(access(find(cache.path(), &typed)).as_deref(), Some("exact"));
}

#[test]
fn what_is_damaged_or_missing_is_nothing() {
    let typed = Typed { url: URL, ..Typed::default() };
    assert_eq!(find(Path::new("/nowhere"), &typed), Import::Nothing);
    let cache = cached("mcp-remote-v1", &typed, "");
    assert_eq!(find(cache.path(), &typed), Import::Nothing, "an empty token is none");
    let path = cache.path().join("mcp-remote-v1").join(format!("{}_tokens.json", name(&typed)));
    for damaged in ["", "{", "[]", r#"{"access_token":7}"#] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(find(cache.path(), &typed), Import::Nothing, "{damaged}");
    }
    fs::write(&path, r#"{"access_token":"t","token_type":"Bearer"}"#).unwrap();
    assert_eq!(access(find(cache.path(), &typed)).as_deref(), Some("t"), "the least that counts");
    fs::write(&path, r#"{"access_token":"t","expires_in":-1e300,"expires_at":1e300}"#).unwrap();
    assert!(access(find(cache.path(), &typed)).is_some(), "absurd numbers are no numbers");
}

#[test]
fn a_refresh_of_theirs_under_way_is_waited_for() {
    let typed = Typed { url: URL, ..Typed::default() };
    let cache = cached("mcp-remote-v1", &typed, "t-1");
    let lease = cache.path().join("mcp-remote-v1").join(format!("{}_refresh_in_progress.json", name(&typed)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    fs::write(&lease, format!(r#"{{"pid":1,"nonce":"n","at":{now}}}"#)).unwrap();
    assert!(matches!(find(cache.path(), &typed), Import::Busy(left) if left <= LEASE));
    fs::write(&lease, format!(r#"{{"pid":1,"nonce":"n","at":{}}}"#, now - 60_000)).unwrap();
    assert!(access(find(cache.path(), &typed)).is_some(), "a lease that has run out is nobody's");
    for never in ["1e22", "1e300", "-5", "\"soon\"", "null"] {
        fs::write(&lease, format!(r#"{{"pid":1,"nonce":"n","at":{never}}}"#)).unwrap();
        assert!(access(find(cache.path(), &typed)).is_some(), "a time that cannot be is none: {never}");
    }
}
