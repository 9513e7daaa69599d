use std::fs;

use super::*;

const URL: &str = "http://127.0.0.1:7107/mcp";

fn plain() -> McpRemoteOptions<'static> {
    McpRemoteOptions { url: URL, ..McpRemoteOptions::default() }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Makes a cache with these tokens for these options.
fn cached(folder: &str, options: &McpRemoteOptions, access_token: &str) -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    add(cache.path(), folder, options, access_token);
    cache
}

fn add(cache: &Path, folder: &str, options: &McpRemoteOptions, access_token: &str) {
    let folder = cache.join(folder);
    fs::create_dir_all(&folder).unwrap();
    let tokens = format!(
        r#"{{"access_token":"{access_token}","token_type":"bearer","expires_in":3600,"scope":"a b","refresh_token":"r-1",
            "issuer":"https://as.example/","expires_at":1700003600000,"requested_scope":"a b c"}}"#
    );
    fs::write(folder.join(format!("{}_tokens.json", name(options))), tokens).unwrap();
    let client = r#"{"client_id":"c-1","redirect_uris":["http://localhost:4000/oauth/callback"],"client_secret_expires_at":0,
        "token_endpoint_auth_method":"none","scope":"a b c"}"#;
    fs::write(folder.join(format!("{}_client_info.json", name(options))), client).unwrap();
}

/// The access token of the login that is found.
fn found(cache: &tempfile::TempDir, options: &McpRemoteOptions) -> Option<String> {
    Some(find(cache.path(), options)?.tokens.unwrap().access_token.expose().to_owned())
}

#[test]
fn file_names_are_the_md5_of_the_options() {
    let headers = [pair("X-B", "2"), pair("X-A", "${FOO}")];
    let all = McpRemoteOptions {
        url: URL,
        resource: Some(" https://r "),
        authorize_params: &[pair("b", "2"), pair("a", "1")],
        headers: &headers,
        client_metadata_url: Some("https://c/d"),
        token_endpoint: Some("https://as/token"),
    };
    let hashed = r#"|https://r|{"a":"1","b":"2"}|{"X-A":"${FOO}","X-B":"2"}|https://c/d|https://as/token"#;
    assert_eq!(name(&all), format!("{:x}", md5::compute(format!("{URL}{hashed}"))));
}

#[test]
fn a_login_is_imported_completely() {
    let options = plain();
    let cache = cached("mcp-remote-v1", &options, "t-1");
    let record = find(cache.path(), &options).unwrap();
    let tokens = record.tokens.unwrap();
    assert_eq!((tokens.obtained_at, tokens.lifetime), (1_700_000_000, Some(3600)));
    assert_eq!(tokens.refresh_token.unwrap().expose(), "r-1");
    assert_eq!(record.requested_scope.as_deref(), Some("a b c"));
    assert_eq!(record.issuer.unwrap().issuer, "https://as.example/");
    let client = record.client.unwrap();
    assert_eq!((client.client_id.as_str(), client.client_secret_expires_at), ("c-1", Some(0)));
    assert_eq!(client.redirect_uris, ["http://localhost:4000/oauth/callback"]);
}

#[test]
fn the_newest_directory_and_the_exact_name_come_first() {
    let headers = [pair("X-A", "1")];
    let options = McpRemoteOptions { url: URL, headers: &headers, ..McpRemoteOptions::default() };
    let alone = plain();
    let slash = McpRemoteOptions { url: "http://127.0.0.1:7107/mcp/", ..McpRemoteOptions::default() };
    let cache = cached("mcp-remote-0.1.9", &options, "oldest");
    assert_eq!(found(&cache, &options).as_deref(), Some("oldest"));
    add(cache.path(), "mcp-remote-0.1.37", &slash, "newer");
    // 37 is newer than 9; a slash at the end means the same server.
    assert_eq!(found(&cache, &options).as_deref(), Some("newer"));
    add(cache.path(), "mcp-remote-v1", &alone, "without headers");
    assert_eq!(found(&cache, &options).as_deref(), Some("without headers"));
    add(cache.path(), "mcp-remote-v1", &options, "exact");
    assert_eq!(found(&cache, &options).as_deref(), Some("exact"));
}

#[test]
fn damaged_or_missing_files_give_no_login() {
    let options = plain();
    assert_eq!(find(Path::new("/nowhere"), &options), None);
    let cache = cached("mcp-remote-v1", &options, "");
    assert_eq!(find(cache.path(), &options), None, "an empty token is no token");
    let path = cache.path().join("mcp-remote-v1").join(format!("{}_tokens.json", name(&options)));
    for damaged in ["", "{", "[]", r#"{"access_token":7}"#] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(find(cache.path(), &options), None, "{damaged}");
    }
    fs::write(&path, r#"{"access_token":"t","token_type":"Bearer"}"#).unwrap();
    assert_eq!(found(&cache, &options).as_deref(), Some("t"), "an access token is enough");
    fs::write(&path, r#"{"access_token":"t","expires_in":-1e300,"expires_at":1e300}"#).unwrap();
    assert!(found(&cache, &options).is_some(), "impossible numbers are ignored");
}

#[test]
fn a_login_that_mcp_remote_is_refreshing_is_not_imported() {
    let options = plain();
    let cache = cached("mcp-remote-v1", &options, "t-1");
    let lease = cache.path().join("mcp-remote-v1").join(format!("{}_refresh_in_progress.json", name(&options)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    fs::write(&lease, format!(r#"{{"pid":1,"nonce":"n","at":{now}}}"#)).unwrap();
    assert_eq!(find(cache.path(), &options), None);
    fs::write(&lease, format!(r#"{{"pid":1,"nonce":"n","at":{}}}"#, now - 60_000)).unwrap();
    assert!(found(&cache, &options).is_some(), "the lease has expired");
    for never in ["1e22", "1e300", "-5", "\"soon\"", "null"] {
        fs::write(&lease, format!(r#"{{"pid":1,"nonce":"n","at":{never}}}"#)).unwrap();
        assert!(found(&cache, &options).is_some(), "an impossible time is ignored: {never}");
    }
}
