//! Arguments of the command line, and what the program prints for them.

use std::process::{Command, Output};

use serde_json::json;

use crate::support::*;

/// Runs the program to its end with nothing on stdin.
fn run(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_mcp-ferry"))
        .args(arguments)
        .env_clear()
        .env("MCP_FERRY_HOME", home.path())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn help_lists_every_option_and_its_environment_variable() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = utf8(&output.stdout);
    for option in [
        "header",
        "header-file",
        "bearer-token-env",
        "bearer-token-file",
        "token-command",
        "transport",
        "allow-http",
        "startup-wait",
        "max-message-size",
        "connect-timeout",
        "patience",
        "log-level",
    ] {
        assert!(help.contains(&format!("--{option}")), "--{option} is missing from the help:\n{help}");
        let variable = format!("MCP_FERRY_{}", option.replace('-', "_").to_uppercase());
        assert!(help.contains(&variable), "{variable} is missing from the help:\n{help}");
    }
    for word in ["http-first", "sse-first", "http-only", "sse-only", "MCP_FERRY_HOME"] {
        assert!(help.contains(word), "{word} is missing from the help:\n{help}");
    }
}

#[test]
fn dash_h_prints_the_help() {
    let output = run(&["-h"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(utf8(&output.stdout).contains("--header"));
}

#[test]
fn the_first_screen_has_the_commands_and_three_examples() {
    let output = run(&["-h"]);
    let help = utf8(&output.stdout);
    assert!(help.lines().count() <= 30 && output.stderr.is_empty(), "{output:?}");
    for command in ["login", "logout", "status", "tools", "call", "help"] {
        assert!(help.lines().any(|line| line.split_whitespace().next() == Some(command)), "{command}: {help}");
    }
    assert_eq!(help.lines().filter(|line| line.starts_with("  mcp-ferry ")).count(), 3, "{help}");
}

#[test]
fn the_help_of_a_command_has_three_spellings() {
    for command in ["login", "logout", "status", "tools", "call"] {
        let whole = run(&["help", command]);
        assert_eq!(whole.status.code(), Some(0), "{whole:?}");
        assert_eq!(run(&[command, "--help"]).stdout, whole.stdout, "{command}");
        let short = run(&[command, "-h"]);
        assert_eq!(short.status.code(), Some(0), "{short:?}");
        assert!(short.stdout.len() < whole.stdout.len() && utf8(&short.stdout).contains("Examples:"), "{short:?}");
    }
}

/// A program that starts the bridge without the URL must find the reason on stderr.
#[test]
fn without_arguments_and_terminal_it_is_an_error() {
    let output = run(&[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
    assert!(utf8(&output.stderr).contains("<URL>"), "{output:?}");
}

#[test]
fn a_mistyped_word_gets_a_suggestion() {
    for (arguments, words) in [
        (&["logni"][..], &["neither a command nor a URL", "`mcp-ferry login`"][..]),
        (&["stauts", "--json"], &["neither a command nor a URL", "`mcp-ferry status`"]),
        (&["sk0123456789secret"], &["neither a URL", "https://", "command", "login, logout, status"]),
        (&["help", "logni"], &["`mcp-ferry login`"]),
        (&["login", "https://example.invalid/mcp", "--jsno"], &["--jsno", "'--json'"]),
        (&["status", "--transprot=http-only"], &["--transprot", "'--transport'"]),
        (&["login"], &["<URL>"]),
        (&["login", "https://example.invalid/mcp", "--log-level", "lout"], &["lout", "[possible values: error, warn"]),
        (&["status", "https://example.invalid/mcp", "sk0123456789secret"], &["unexpected argument"]),
        (&["status", "https://example.invalid/mcp", "--token=sk0123456789secret"], &["--token"]),
    ] {
        let output = run(arguments);
        let stderr = utf8(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{arguments:?} should name {word:?}: {stderr}");
        }
        assert!(!stderr.contains("secret"), "a word that may be a token is not shown: {stderr}");
    }
}

#[test]
fn options_that_every_command_has_may_stand_before_it() {
    for arguments in [&["--debug", "status", "--json"][..], &["--log-level", "error", "status", "--json"]] {
        let output = run(arguments);
        assert_eq!((output.status.code(), &json_output(&output)["logins"]), (Some(0), &json!([])), "{output:?}");
    }
}

#[test]
fn help_has_colours_only_where_they_are_wanted() {
    let home = tempfile::tempdir().unwrap();
    let has_colours = |environment: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-ferry"));
        command.arg("-h").env_clear().env("MCP_FERRY_HOME", home.path()).envs(environment.iter().copied());
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        utf8(&output.stdout).contains('\u{1b}')
    };
    for (environment, expected) in [
        (&[][..], false),
        (&[("TERM", "xterm-256color")], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        assert_eq!(has_colours(environment), expected, "stdout is no terminal; {environment:?}");
    }
}

/// An option of one command may stand in the file that all read.
#[test]
fn the_configuration_file_may_have_options_of_one_command() {
    let home = tempfile::tempdir().unwrap();
    write_private(home.path().join("config.toml"), "json = true\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-ferry"));
    command.env_clear().env("MCP_FERRY_HOME", home.path()).stdin(std::process::Stdio::null());
    let status = command.arg("status").output().unwrap();
    assert_eq!((&json_output(&status)["logins"], utf8(&status.stderr)), (&json!([]), ""), "{status:?}");
    let mut bridge = Bridge::to("http://127.0.0.1:9/mcp").home(home.path()).start();
    bridge.close_stdin();
    assert_eq!(bridge.wait_for_exit().stderr, "", "the bridge has no --json and says nothing of it");
}

#[test]
fn version_prints_one_line() {
    let output = run(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(utf8(&output.stdout).trim_end(), format!("mcp-ferry {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_invalid_argument_is_named_on_stderr_and_exits_with_2() {
    let cases: [(&[&str], &str); 9] = [
        (&[], "URL"),
        (&["not a url"], "URL"),
        (&["${user_config.url}"], "URL"),
        (&["https://example.invalid/${NEVER_SET}"], "NEVER_SET"),
        (&["ftp://example.invalid/mcp"], "ftp"),
        (&["http://example.invalid/mcp"], "--allow-http"),
        (&["https://example.invalid/mcp", "--startup-wait", "soon"], "soon"),
        (&["https://example.invalid/mcp", "--max-message-size", "-1"], "-1"),
        (&["https://example.invalid/mcp", "--log-level", "loud"], "loud"),
    ];
    for (arguments, word) in cases {
        let output = run(arguments);
        let stderr = utf8(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(word), "{arguments:?} should name {word:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}: stdout only carries JSON-RPC");
        assert!(!stderr.contains("panicked") && stderr.lines().count() < 15, "{arguments:?}: {stderr}");
    }
}

#[test]
fn plain_http_is_allowed_for_every_loopback_name() {
    for host in ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"] {
        let output = run(&[&format!("http://{host}:9/mcp")]);
        assert_eq!(output.status.code(), Some(0), "{host}: {}", utf8(&output.stderr));
    }
    assert_eq!(run(&["http://example.invalid/mcp", "--allow-http"]).status.code(), Some(0));
    assert_eq!(
        run(&["http://localhost.example.invalid/mcp"]).status.code(),
        Some(2),
        "the name only resembles the loopback"
    );
}

#[test]
fn options_can_be_set_in_the_environment() {
    let upstream = Upstream::holding(["initialize"]);
    let mut bridge = Bridge::to(&upstream.url("/mcp"))
        .env("MCP_FERRY_STARTUP_WAIT", "0.2")
        .env("MCP_FERRY_LOG_LEVEL", "debug")
        .start();
    bridge.send(&initialize("1", REVISION));
    assert!(!bridge.response("1").contains("mind the gap"), "the placeholder, not the upstream's result");
    upstream.take("initialize").respond_normally();
    bridge.still_works();
    assert!(!bridge.finish().stderr.is_empty(), "the level debug prints something");
}

/// A user who mistakes the option for the token itself has given a secret in place of a variable's name.
#[test]
fn a_token_given_in_place_of_a_variable_name_is_never_printed() {
    for token in ["sk-org-0123456789abcdef", "ghp_0123456789abcdefABCDEF0123456789abcd"] {
        let output = run(&["https://example.invalid/mcp", "--log-level", "debug", "--bearer-token-env", token]);
        let stderr = utf8(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "like a variable that is not set: {stderr}");
        assert!(
            stderr.contains("--bearer-token-env") && !stderr.contains(token),
            "the message names the option, not the token: {stderr}"
        );
    }
}

/// Hosts with optional settings pass an empty value or an unexpanded placeholder for a setting without a value.
#[test]
fn an_empty_environment_variable_counts_as_unset() {
    let upstream = Upstream::well_behaved();
    let names = [
        "HEADER",
        "HEADER_FILE",
        "BEARER_TOKEN_ENV",
        "BEARER_TOKEN_FILE",
        "TOKEN_COMMAND",
        "TRANSPORT",
        "ALLOW_HTTP",
        "STARTUP_WAIT",
        "MAX_MESSAGE_SIZE",
        "CONNECT_TIMEOUT",
        "PATIENCE",
        "LOG_LEVEL",
    ];
    for unfilled in ["", " ", "${user_config.optional}"] {
        for name in names {
            let launch = Bridge::to(&upstream.url("/mcp")).env(&format!("MCP_FERRY_{name}"), unfilled);
            let mut bridge = launch.start();
            bridge.initialize();
            bridge.still_works();
            let stderr = bridge.finish().stderr;
            assert_eq!(stderr, "", "MCP_FERRY_{name}={unfilled:?} counts as unset");
        }
        let all = names
            .iter()
            .fold(Bridge::to(&upstream.url("/mcp")), |launch, name| launch.env(&format!("MCP_FERRY_{name}"), unfilled));
        let mut bridge = all.start();
        bridge.initialize();
        bridge.finish();
    }
}

#[test]
fn a_session_without_faults_prints_nothing_on_stderr() {
    let upstream = Upstream::holding(["GET"]);
    let mut bridge = Bridge::connected(&upstream);
    let get = upstream.take("GET").sse();
    get.event(&notification("notifications/x", "{}"));
    bridge.message("notifications/x");
    bridge.still_works();
    assert_eq!(bridge.finish().stderr, "");
}

#[test]
fn stderr_has_one_short_line_for_each_event() {
    let upstream = Upstream::start(|call| match call.kind() {
        "tools/call" => call.plain("500 Internal Server Error", "first line\nsecond \u{1b}[31mline"),
        _ => call.respond_normally(),
    });
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--log-level", "debug"]).start();
    bridge.initialize();
    bridge_error(&bridge.request("1", "tools/call", "{}"));
    let stderr = bridge.finish().stderr;
    assert!(!stderr.contains('\u{1b}'), "control characters are neutralised for a terminal: {stderr:?}");
    assert!(stderr.lines().all(|line| !line.trim().is_empty() && line.len() < 500), "{stderr}");
}
