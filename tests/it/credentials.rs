//! Static credentials: every way to give one, and which values count as not given.

use std::io::Write;

use tempfile::NamedTempFile;

use crate::support::*;

const TOKEN: &str = "sk-org-0123456789abcdef";

/// An upstream that requires this bearer token on every request.
fn requiring_token() -> Upstream {
    Upstream::start(|call| {
        let wanted = format!("Bearer {TOKEN}");
        assert_eq!(call.header("authorization"), Some(wanted.as_str()), "on {}", call.kind());
        call.respond_normally();
    })
}

/// Starts and ends a session; the token must reach only the upstream.
fn session(launch: Launch) {
    let mut bridge = launch.env("MCP_FERRY_LOG_LEVEL", "debug").secret(TOKEN).start();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn a_header_is_accepted_in_every_spelling() {
    let whole = format!("Authorization: Bearer {TOKEN}");
    let tight = format!("Authorization:Bearer {TOKEN}");
    let equals = format!("--header=Authorization: Bearer {TOKEN}");
    let value = format!("Bearer {TOKEN}");
    let spellings: [&[&str]; 6] = [
        &["--header", &whole],
        &["--header", &tight],
        &[&equals],
        // Hosts that split arguments at spaces pass these.
        &["--header", "Authorization:", &value],
        &["--header", "Authorization:", "Bearer", TOKEN],
        &["--header", "Authorization:Bearer", TOKEN],
    ];
    for spelling in spellings {
        let upstream = requiring_token();
        let launch = spelling.iter().fold(Bridge::to(&upstream.url("/mcp")), |launch, argument| launch.arg(argument));
        session(launch);
    }
}

#[test]
fn a_split_header_may_be_followed_by_other_options() {
    let upstream = requiring_token();
    let value = format!("Bearer {TOKEN}");
    session(Bridge::to(&upstream.url("/mcp")).args(["--header", "Authorization:", &value, "--allow-http"]));
}

#[test]
fn options_may_precede_the_url() {
    let upstream = requiring_token();
    session(Bridge::bare().args(["--header", &format!("Authorization: Bearer {TOKEN}"), &upstream.url("/mcp")]));
}

#[test]
fn variables_in_a_header_come_from_the_environment() {
    let upstream = requiring_token();
    session(
        Bridge::to(&upstream.url("/mcp"))
            .args(["--header", "Authorization: Bearer ${MY_TOKEN}"])
            .env("MY_TOKEN", TOKEN),
    );
    let upstream = requiring_token();
    session(
        Bridge::to(&upstream.url("/mcp"))
            .args(["--header", "Authorization:${MY_AUTH}"])
            .env("MY_AUTH", &format!("Bearer {TOKEN}")),
    );
}

#[test]
fn a_bearer_token_can_come_from_a_variable() {
    let upstream = requiring_token();
    session(Bridge::to(&upstream.url("/mcp")).args(["--bearer-token-env", "MY_TOKEN"]).env("MY_TOKEN", TOKEN));
}

#[test]
fn a_bearer_token_can_come_from_a_file() {
    let (upstream, file) = (requiring_token(), file(&format!("{TOKEN}\n")));
    session(Bridge::to(&upstream.url("/mcp")).args(["--bearer-token-file", file.path().to_str().unwrap()]));
}

#[test]
fn headers_can_come_from_a_file() {
    let file = file("# the key of the test\n\nAuthorization: Bearer ${MY_TOKEN}\r\nX-Two:  two  \n  # no header\n");
    let upstream = Upstream::start(|call| {
        assert_eq!(call.header("x-two"), Some("two"));
        assert_eq!(call.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        call.respond_normally();
    });
    session(
        Bridge::to(&upstream.url("/mcp")).args(["--header-file", file.path().to_str().unwrap()]).env("MY_TOKEN", TOKEN),
    );
}

#[test]
fn several_headers_are_sent_together() {
    let upstream = Upstream::start(|call| {
        assert_eq!(call.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        assert_eq!(call.header("partly-integration-id"), Some("int-7"));
        assert_eq!(call.header("x-empty-part"), Some("a::b: c"));
        call.respond_normally();
    });
    session(
        Bridge::to(&upstream.url("/mcp"))
            .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
            .args(["--header", "Partly-Integration-ID: int-7"])
            .args(["--header", "X-Empty-Part: a::b: c"]),
    );
}

#[test]
fn empty_values_and_placeholders_count_as_not_given() {
    let upstream = Upstream::start(|call| {
        for name in ["authorization", "x-a", "x-b", "x-c"] {
            assert_eq!(call.header(name), None, "an empty {name} is not sent");
        }
        assert_eq!(call.header("x-d"), Some("d"));
        call.respond_normally();
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--header", "X-A: ${UNSET_VARIABLE}"])
        .args(["--header", "X-B:"])
        .args(["--header", "X-C: ${user_config.key}"])
        .args(["--header", "X-D: d"])
        .args(["--header", "Authorization: Bearer ${EMPTY}"])
        .args(["--header", "Authorization: Bearer"])
        .args(["--bearer-token-env", "EMPTY"])
        .env("EMPTY", "")
        .start();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
}

#[test]
fn a_variable_that_holds_a_host_placeholder_counts_as_not_given() {
    let upstream = Upstream::start(|call| {
        assert_eq!(call.header("authorization"), None);
        call.respond_normally();
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .args(["--bearer-token-env", "MY_TOKEN"])
        .args(["--header", "Authorization: Bearer ${MY_TOKEN}"])
        .env("MY_TOKEN", "${user_config.token}")
        .start();
    bridge.initialize();
    bridge.finish();
}

#[test]
fn variables_in_the_url_come_from_the_environment_and_stay_secret() {
    let upstream = Upstream::start(|call| {
        assert_eq!(call.path(), "/mcp/sk-org-0123456789abcdef/slot-1");
        if call.kind() == "tools/call" {
            call.plain("500 Internal Server Error", "no");
        } else {
            call.respond_normally();
        }
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp/${MCP_ACCESS_TOKEN}/slot-1"))
        .env("MCP_ACCESS_TOKEN", TOKEN)
        .args(["--log-level", "debug"])
        .secret(TOKEN)
        .start();
    bridge.initialize();
    assert_error_mentions(&bridge.request("1", "tools/call", "{}"), &[&upstream.host(), "500"]);
    if cfg!(target_os = "linux") {
        let title = std::fs::read_to_string(format!("/proc/{}/cmdline", bridge.process_id())).unwrap();
        assert!(!title.contains(TOKEN), "every user can read the process title: {title}");
    }
    bridge.finish();
}

#[test]
fn a_secret_in_the_path_is_never_printed_or_stored() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.cut(),
        "prompts/get" => call.plain("404 Not Found", &format!("no route /mcp/{TOKEN}/slot-1")),
        _ => call.respond_normally(),
    });
    let home = tempfile::tempdir().unwrap();
    let mut bridge = Bridge::to(&upstream.url(&format!("/mcp/{TOKEN}/slot-1")))
        .home(home.path())
        .args(["--log-level", "debug"])
        .secret(TOKEN)
        .start();
    bridge.initialize();
    bridge_error(&bridge.request("1", "tools/call", "{}"));
    bridge_error(&bridge.request("2", "prompts/get", "{}"));
    bridge.finish();
    let mut kept = vec![home.path().to_owned()];
    while let Some(path) = kept.pop() {
        assert!(!path.to_string_lossy().contains(TOKEN), "a file name contains a secret: {}", path.display());
        if path.is_dir() {
            kept.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            assert!(
                !String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(TOKEN),
                "a secret in {}",
                path.display()
            );
        }
    }
}

#[test]
fn an_invalid_header_is_not_sent_and_a_warning_names_the_option() {
    for header in ["no colon here", "Bad Name: x", "X-A: line\nbreak", ": no name"] {
        let upstream = Upstream::start(|call| {
            assert!(call.header("bad name").is_none() && call.header("x-a").is_none());
            call.respond_normally();
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--header", header]).start();
        bridge.initialize();
        let ended = bridge.finish();
        assert!(ended.stderr.contains("--header"), "{header:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{header:?}: {}", ended.stderr);
    }
}

#[test]
fn an_unreadable_header_file_is_named_in_the_error() {
    let upstream = Upstream::well_behaved().may_receive_no_request();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--header-file", "/nonexistent/headers"]).start();
    bridge.close_stdin();
    let ended = bridge.wait_for_exit();
    assert!(matches!(ended.code, Some(1 | 2)), "{:?}", ended.code);
    assert!(ended.stderr.contains("/nonexistent/headers"), "{}", ended.stderr);
}

#[test]
fn a_secret_that_the_server_quotes_is_not_passed_on() {
    for (status, kind) in [
        ("401 Unauthorized", "tools/call"),
        ("500 Internal Server Error", "tools/call"),
        ("403 Forbidden", "initialize"),
    ] {
        let upstream = Upstream::start(move |call| {
            if call.kind() == kind {
                let quoted = call.header("authorization").unwrap_or_default().to_owned();
                call.plain(status, &format!("I was given {quoted} and do not like it"));
            } else {
                call.respond_normally();
            }
        });
        let mut bridge = Bridge::to(&upstream.url("/mcp"))
            .args(["--bearer-token-env", "MY_TOKEN", "--log-level", "debug"])
            .env("MY_TOKEN", TOKEN)
            .secret(TOKEN)
            .start();
        bridge.send(&initialize("1", REVISION));
        bridge.response("1");
        bridge.send(&request("2", "tools/call", "{}"));
        bridge_error(&bridge.response("2"));
        bridge.finish();
    }
}

#[test]
fn a_secret_in_the_query_is_never_printed() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("500 Internal Server Error", "no"),
        _ => call.respond_normally(),
    });
    let url = upstream.url(&format!("/mcp?api_key={TOKEN}"));
    let mut bridge = Bridge::to(&url).args(["--log-level", "debug"]).secret(TOKEN).start();
    bridge.initialize();
    bridge_error(&bridge.request("2", "tools/call", "{}"));
    assert_eq!(upstream.wait_for("tools/call", 1).path, format!("/mcp?api_key={TOKEN}"));
    bridge.finish();
}

#[test]
fn a_password_in_the_url_is_refused_and_never_printed() {
    let mut bridge = Bridge::to(&format!("https://me:{TOKEN}@example.invalid/mcp")).secret(TOKEN).start();
    bridge.close_stdin();
    let ended = bridge.wait_for_exit();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("password"), "{}", ended.stderr);
}

#[test]
fn a_user_agent_header_of_the_user_replaces_the_default() {
    let upstream = Upstream::start(|call| {
        let agents = call.request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
        let agents: Vec<_> = agents.map(|(_, value)| value.as_str()).collect();
        assert_eq!(agents, ["mine/1"], "the user's header, once, on {}", call.kind());
        call.respond_normally();
    });
    session(Bridge::to(&upstream.url("/mcp")).args(["--header", "User-Agent: mine/1"]));
}
