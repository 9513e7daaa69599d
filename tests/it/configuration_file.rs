//! Options from the environment, and from `config.toml` for every server or for one server.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::support::*;

/// A home directory with this configuration file.
fn home(configuration: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("config.toml"), configuration).unwrap();
    home
}

/// Opens a session; returns the values of `X-Tenant` that the server received, and stderr.
fn tenants(upstream: &Upstream, launch: Launch) -> (Vec<String>, String) {
    let mut bridge = launch.start();
    bridge.initialize();
    bridge.still_works();
    let stderr = bridge.finish().stderr;
    let request = upstream.requests().pop().expect("a request");
    let values = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-tenant"));
    (values.map(|(_, value)| value.clone()).collect(), stderr)
}

/// Asserts that the program refuses this configuration and that stderr contains these words.
fn assert_refused(configuration: &str, words: &[&str]) {
    let home = home(configuration);
    let mut bridge = Bridge::to("https://example.invalid/mcp").home(home.path()).secret("planted-secret").start();
    bridge.close_stdin();
    let ended = bridge.wait_for_exit();
    assert_eq!(ended.code, Some(2), "{configuration:?} is invalid: {}", ended.stderr);
    for word in words {
        assert!(
            ended.stderr.contains(word),
            "the message for {configuration:?} should mention {word:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn typed_options_override_the_environment_and_the_file() {
    let upstream = Upstream::well_behaved();
    let origin = upstream.url("");
    let everywhere = r#"header = ["X-Tenant: everywhere"]"#;
    let host = format!("[servers.\"{origin}\"]\nheader = [\"X-Tenant: host\"]");
    let path = format!("[servers.\"{origin}/mcp\"]\nheader = [\"X-Tenant: path\"]");
    let rows: [(&str, &[&str], bool, bool); 5] = [
        ("everywhere", &[everywhere], false, false),
        ("host", &[everywhere, &host], false, false),
        ("path", &[everywhere, &path, &host], false, false),
        ("environment", &[everywhere, &host, &path], true, false),
        ("typed", &[everywhere, &host, &path], true, true),
    ];
    for (expected, written, in_environment, typed) in rows {
        let home = home(&written.join("\n"));
        let mut launch = Bridge::to(&upstream.url("/mcp")).home(home.path());
        if in_environment {
            launch = launch.env("MCP_FERRY_HEADER", "X-Tenant: environment");
        }
        if typed {
            launch = launch.args(["--header", "X-Tenant: typed"]);
        }
        let (seen, stderr) = tenants(&upstream, launch);
        assert_eq!(seen, [expected], "the order is: flag, environment, this server (longest path), every server");
        assert_eq!(stderr, "");
    }
}

/// The options for one server, above all its headers, are never sent to another server.
#[test]
fn a_server_entry_applies_to_its_url_and_the_paths_below() {
    let upstream = Upstream::well_behaved();
    let origin = upstream.url("");
    let named = origin.replace("127.0.0.1", "localhost");
    let rows = [
        (format!("{origin}/mcp"), "/mcp", true),
        (format!("{origin}/mcp"), "/mcp/", true),
        (format!("{origin}/mcp"), "/mcp/tenant/7", true),
        (format!("{origin}/mcp"), "/mcp?tenant=7", true),
        (format!("{origin}/mcp/"), "/mcp/tenant", true),
        (format!("{origin}/"), "/mcp", true),
        (format!("{origin}/mcp"), "/mcpx", false),
        (format!("{origin}/mcp/tenant"), "/mcp", false),
        (format!("{origin}/MCP"), "/mcp", false),
        (format!("{}1/mcp", origin.trim_end_matches(|c: char| c.is_ascii_digit())), "/mcp", false),
        (format!("{named}/mcp"), "/mcp", false),
        (origin.replace("http:", "https:") + "/mcp", "/mcp", false),
    ];
    for (entry, path, applies) in rows {
        let home = home(&format!("[servers.\"{entry}\"]\nheader = [\"X-Tenant: here\"]\n"));
        let (seen, _) = tenants(&upstream, Bridge::to(&upstream.url(path)).home(home.path()));
        assert_eq!(seen.len(), usize::from(applies), "the entry {entry} for {path}");
    }
}

#[test]
fn variables_are_expanded_and_a_list_may_have_several_values() {
    let upstream = Upstream::well_behaved();
    let home = home("header = [\"X-Tenant: ${TENANT}\", \"X-Other: o\"]\nallow-http = true\npatience = 1\n");
    let launch = Bridge::to(&upstream.url("/mcp")).home(home.path());
    let (seen, stderr) = tenants(&upstream, launch.env("TENANT", "planted-secret").secret("planted-secret"));
    assert_eq!((seen, stderr), (vec!["planted-secret".to_owned()], String::new()));
    assert_eq!(upstream.requests().pop().unwrap().header("X-Other"), Some("o"));
}

/// Every option that the help lists has a variable, and the file rejects a wrong value for it.
#[test]
fn every_option_can_be_set_in_the_environment_and_in_the_file() {
    let help = Command::new(env!("CARGO_BIN_EXE_mcp-ferry")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let options = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let mut tried = 0;
    for option in options {
        let (name, value) = option.split_once(' ').unwrap_or((option, ""));
        if ["help", "version"].contains(&name.trim()) {
            continue;
        }
        let variable = format!("MCP_FERRY_{}", name.replace('-', "_").to_uppercase());
        assert!(help.contains(&variable), "--{name} has no variable");
        let wrong = if value.is_empty() { "\"perhaps\"" } else { "{ a = 1 }" };
        assert_refused(&format!("{name} = {wrong}\n"), &[name, "config.toml"]);
        tried += 1;
    }
    assert!(tried > 25, "the help lists every option: {help}");
}

#[test]
fn an_unknown_key_is_one_warning_and_does_not_end_the_program() {
    let upstream = Upstream::well_behaved();
    let origin = upstream.url("");
    for text in
        ["colour = \"blue\"\n".to_owned(), format!("[servers.\"{origin}/mcp\"]\ncolour = \"blue\"\npatience = 1\n")]
    {
        let home = home(&text);
        let (_, stderr) = tenants(&upstream, Bridge::to(&upstream.url("/mcp")).home(home.path()));
        assert_eq!(stderr.lines().count(), 1, "{text:?} causes one line: {stderr}");
        assert!(
            stderr.contains("colour") && stderr.contains("config.toml"),
            "the key and the file are named: {stderr}"
        );
    }
}

#[test]
fn a_mistyped_key_is_a_warning_with_a_suggestion() {
    let upstream = Upstream::well_behaved();
    let home = home("pateince = 1\n");
    let (_, stderr) = tenants(&upstream, Bridge::to(&upstream.url("/mcp")).home(home.path()));
    assert!(stderr.contains("did you mean patience?"), "{stderr}");
}

#[test]
fn an_invalid_file_is_reported_with_the_line_or_the_key() {
    assert_refused("patience = 1\nheader = [\"X-Api-Key: planted-secret\"\n= 2\n", &["config.toml", "line 3"]);
    assert_refused("patience = \"soon\"\n", &["config.toml", "patience"]);
    assert_refused("header = 7\n", &["config.toml", "header"]);
    assert_refused("header = [7]\n", &["config.toml", "header"]);
    assert_refused("read-only = 3\n", &["config.toml", "read-only"]);
    assert_refused("log-level = \"loud\"\n", &["config.toml", "log-level"]);
    assert_refused("servers = 3\n", &["config.toml", "servers"]);
    assert_refused("[servers.\"https://example.invalid/\"]\npatience = true\n", &["config.toml", "patience"]);
}

#[test]
fn a_missing_or_empty_file_is_accepted() {
    let upstream = Upstream::well_behaved();
    let nothing = tempfile::tempdir().unwrap();
    for home in [home(""), home("# nothing yet\n"), nothing] {
        let (_, stderr) = tenants(&upstream, Bridge::to(&upstream.url("/mcp")).home(home.path()));
        assert_eq!(stderr, "");
    }
}

#[test]
fn an_entry_that_is_not_a_url_is_a_warning_and_a_query_selects_its_own_entry() {
    let upstream = Upstream::well_behaved();
    let entry = |name: &str, tenant: &str| format!("[servers.\"{name}\"]\nheader = [\"X-Tenant: {tenant}\"]\n");
    let written = [
        entry("${MCP_FERRY_NEVER_SET}", "unused"),
        entry("foo", "unused"),
        entry(&upstream.url("/mcp"), "any"),
        entry(&upstream.url("/mcp?tenant=a"), "a"),
    ];
    let home = home(&format!("log-level = \"INFO\"\n{}", written.concat()));
    for (query, tenant) in [("?tenant=a", "a"), ("?tenant=b", "any"), ("", "any")] {
        let launch = Bridge::to(&upstream.url(&format!("/mcp{query}"))).home(home.path());
        let (tenants, stderr) = tenants(&upstream, launch);
        assert_eq!(tenants, [tenant], "the headers of one tenant are not sent for another: {query:?}");
        assert!(stderr.contains("not a URL"), "an ignored entry is reported: {stderr}");
    }
}

#[test]
fn a_command_flag_can_be_enabled_by_1_in_the_environment() {
    let machine = Machine::without_user();
    for (value, start) in [("1", "{"), ("true", "{"), ("0", "nobody is signed in anywhere\n")] {
        let launch = machine.launch().env("MCP_FERRY_JSON", value).args(["status"]);
        let shown = stdout_text(&launch.run(""));
        assert!(shown.starts_with(start), "MCP_FERRY_JSON={value}: {shown}");
    }
}
