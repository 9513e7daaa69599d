//! What was written for `npx mcp-remote`: every argument of its, its own spellings and mistakes included, and what becomes of it.

use std::fs;
use std::panic::catch_unwind;

use tempfile::TempDir;

use crate::support::*;

/// What a list of arguments leads to. Words are those that must stand on stderr.
enum Leads {
    /// To a bridge that works and says nothing.
    ToWork,
    /// To one that works after a warning of one line.
    ToWarning(&'static [&'static str]),
    /// To the end, with 2, before anything is carried.
    ToRefusal(&'static [&'static str]),
}
use Leads::{ToRefusal, ToWarning, ToWork};

/// In the table: the server's URL, a directory with files, and a value that may be a secret and must not be shown.
const URL: &str = "{url}";
const FILES: &str = "{files}";
const STRAY: &str = "sk-stray-0123456789";

fn files() -> TempDir {
    let files = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("headers", "# who we are\nX-One: 1\n\nX-Two: 2\n"),
        ("metadata.json", r#"{"client_name":"from a file"}"#),
        ("info.json", r#"{"client_id":"abc","client_secret":"planted-secret-one"}"#),
        ("broken.json", r#"{"client_id":"#),
    ] {
        fs::write(files.path().join(name), text).unwrap();
    }
    files
}

/// Tries each row on a server that does what most do; one run tells of all that do not hold.
fn hold(rows: &[(&[&str], Leads)]) {
    let (upstream, files) = (Upstream::usual().may_stay_unasked(), files());
    let fill = |argument: &&str| {
        argument.replace(URL, &upstream.url("/mcp")).replace(FILES, &files.path().display().to_string())
    };
    let failed: Vec<_> = rows
        .iter()
        .filter(|(typed, leads)| {
            let arguments: Vec<_> = typed.iter().map(fill).collect();
            catch_unwind(|| try_row(&arguments, leads)).is_err()
        })
        .map(|(typed, _)| typed)
        .collect();
    assert!(failed.is_empty(), "these arguments lead elsewhere, see above: {failed:#?}");
}

fn try_row(typed: &[String], leads: &Leads) {
    let launch = typed.iter().fold(Bridge::bare(), |launch, argument| launch.arg(argument));
    let mut bridge = launch.secret(STRAY).secret("planted-secret-one").start();
    let (warnings, words) = match leads {
        ToRefusal(words) => {
            bridge.close_stdin();
            let ended = bridge.ended();
            assert_eq!(ended.code, Some(2), "{typed:?} cannot be meant: {}", ended.stderr);
            assert!(ended.lines.is_empty(), "{typed:?}: stdout is for JSON-RPC alone: {:?}", ended.lines);
            return names_each(typed, &ended.stderr, words);
        }
        ToWarning(words) => (1, *words),
        ToWork => (0, &[][..]),
    };
    bridge.shake_hands();
    bridge.still_works();
    let stderr = bridge.finish().stderr;
    assert_eq!(stderr.lines().count(), warnings, "{typed:?} is worth so many lines: {stderr}");
    names_each(typed, &stderr, words);
}

fn names_each(typed: &[String], stderr: &str, words: &[&str]) {
    for word in words {
        assert!(stderr.contains(word), "{typed:?} should be told of {word:?}: {stderr}");
    }
}

#[test]
fn the_port_of_the_login_follows_the_url() {
    hold(&[
        (&[URL, "9696"], ToWork),
        (&[URL, "9696abc"], ToWork),
        (&[URL, "0"], ToWork),
        (&["--debug=false", URL, "9696"], ToWork),
        (&[URL, "--allow-http", "9696"], ToWork),
        (&[URL, STRAY], ToWarning(&["argument"])),
        (&[URL, "70000"], ToWarning(&["argument"])),
        (&[URL, "9696", STRAY], ToWarning(&["argument"])),
    ]);
}

#[test]
fn flags_stand_anywhere_and_take_their_value_in_both_ways() {
    hold(&[
        (&["--allow-http", URL], ToWork),
        (&["--transport", "http-only", URL, "9696"], ToWork),
        (&[URL, "9696", "--transport=http-only"], ToWork),
        (&["--transport=http-only", "--allow-http", URL], ToWork),
        (&["--header", "X-A: 1", URL], ToWork),
        (&["--header=X-A: 1", URL], ToWork),
        (&[URL, "--header", "Authorization:", "Bearer", STRAY], ToWork),
    ]);
}

#[test]
fn an_unknown_flag_is_one_warning_and_its_value_is_nothing_else() {
    hold(&[
        (&[URL, "--no-such-option"], ToWarning(&["--no-such-option"])),
        (&["--no-such-option", URL], ToWarning(&["--no-such-option"])),
        (&[URL, "--no-such-option", STRAY], ToWarning(&["--no-such-option"])),
        (&[URL, "--no-such-option=sk-stray-0123456789"], ToWarning(&["--no-such-option"])),
        (&["--no-such-option", STRAY, URL], ToWarning(&["--no-such-option"])),
        (&["--no-such-option", "9999", URL, "9696"], ToWarning(&["--no-such-option"])),
        (&[URL, "--no-such-option", "--transport", "http-only"], ToWarning(&["--no-such-option"])),
        (&[URL, "-x"], ToWarning(&["option"])),
    ]);
}

#[test]
fn values_that_are_missing_repeated_or_wrong_are_passed_over_with_a_warning() {
    hold(&[
        (&[URL, "--transport"], ToWarning(&["--transport"])),
        (&[URL, "--header"], ToWarning(&["--header"])),
        (&[URL, "--connect-timeout"], ToWarning(&["--connect-timeout"])),
        (&[URL, "--resource"], ToWarning(&["--resource"])),
        (&[URL, "--transport", "http-only", "--transport", "sse-only"], ToWarning(&["--transport"])),
        (&[URL, "--host", "localhost", "--host", "127.0.0.1"], ToWarning(&["--host"])),
        (&[URL, "--allow-http", "--allow-http"], ToWork),
        (&[URL, "--transport", "pigeon"], ToWarning(&["--transport"])),
        (&[URL, "--protocol", "pigeon"], ToWarning(&["--protocol"])),
        (&[URL, "--connect-timeout", "abc"], ToWarning(&["--connect-timeout"])),
        (&[URL, "--headers-timeout", "-1"], ToWarning(&["--headers-timeout"])),
        (&[URL, "--body-timeout", "soon"], ToWarning(&["--body-timeout"])),
        (&[URL, "--ping-interval", "x"], ToWarning(&["--ping-interval"])),
        (&[URL, "--auth-timeout", "never"], ToWarning(&["--auth-timeout"])),
        (&[URL, "--header", STRAY], ToWarning(&["--header"])),
        (&[URL, "--header", "X-A: ${NOT_SET}"], ToWarning(&["x-a", "NOT_SET"])),
        (&[URL, "--callback-path", "/wait-for-auth"], ToWarning(&["--callback-path"])),
        (&[URL, "--callback-path", "/.mcp-remote/id"], ToWarning(&["--callback-path"])),
    ]);
}

#[test]
fn every_argument_of_the_connection_is_taken() {
    hold(&[
        (&[URL, "--transport", "http-first"], ToWork),
        (&[URL, "--transport", "sse-first"], ToWork),
        (&[URL, "--transport", "http-only"], ToWork),
        (&[URL, "--protocol", "legacy"], ToWork),
        (&[URL, "--protocol", "auto"], ToWork),
        (&[URL, "--allow-http"], ToWork),
        (&[URL, "--silent"], ToWork),
        (&[URL, "--enable-proxy"], ToWork),
        (&[URL, "--ignore-tool", "delete*", "--ignore-tool", "drop*"], ToWork),
        (&[URL, "--connect-timeout", "5", "--headers-timeout", "0", "--body-timeout", "0"], ToWork),
        (&[URL, "--keep-alive", "--ping-interval", "60"], ToWork),
        (&[URL, "--ipv4"], ToWork),
        (&[URL, "--disable-cookies"], ToWork),
        (&[URL, "--header-file", "{files}/headers"], ToWork),
    ]);
}

#[test]
fn every_argument_of_the_login_is_taken() {
    hold(&[
        (&[URL, "--host", "127.0.0.1"], ToWork),
        (&[URL, "--callback-path", "/done"], ToWork),
        (&[URL, "--auth-timeout", "60"], ToWork),
        (&[URL, "--auth-success-url", "https://example.com/welcome"], ToWork),
        (&[URL, "--auth-success-url", "http://127.0.0.1:8080/welcome"], ToWork),
        (&[URL, "--auth-success-url", "http://example.com/welcome", "--allow-http"], ToWork),
        (&[URL, "--resource", "https://example.com/mcp"], ToWork),
        (&[URL, "--resource", ""], ToWork),
        (&[URL, "--disable-resource-parameter"], ToWork),
        (&[URL, "--authorize-param", "prompt=consent", "--authorize-param", "access_type=offline"], ToWork),
        (&[URL, "--static-oauth-client-metadata", r#"{"scope":"read write"}"#], ToWork),
        (&[URL, "--static-oauth-client-metadata", "@{files}/metadata.json"], ToWork),
        (&[URL, "--static-oauth-client-info", r#"{"client_id":"a","client_secret":"planted-secret-one"}"#], ToWork),
        (&[URL, "--static-oauth-client-info", "@{files}/info.json"], ToWork),
        (&[URL, "--client-metadata-url", "https://example.com/client.json"], ToWork),
        (&[URL, "--device-code"], ToWork),
        (&[URL, "--client-credentials", "--static-oauth-client-info", "@{files}/info.json"], ToWork),
        (
            &[
                URL,
                "--client-credentials",
                "--static-oauth-client-info",
                "@{files}/info.json",
                "--token-endpoint",
                "https://example.com/token",
            ],
            ToWork,
        ),
        (&[URL, "--use-id-token"], ToWork),
    ]);
}

/// What mcp-remote refuses too; it would be a bridge to somewhere else, or with other rights, than was meant.
#[test]
fn what_cannot_be_meant_is_refused() {
    hold(&[
        (&[], ToRefusal(&["URL"])),
        (&["9696"], ToRefusal(&["URL"])),
        (&["ftp://example.invalid/mcp"], ToRefusal(&["ftp"])),
        (&["http://example.invalid/mcp"], ToRefusal(&["--allow-http"])),
        (&[URL, "--resource", "not a url"], ToRefusal(&["--resource"])),
        (&[URL, "--authorize-param", "novalue"], ToRefusal(&["--authorize-param"])),
        (&[URL, "--authorize-param", "=x"], ToRefusal(&["--authorize-param"])),
        (&[URL, "--authorize-param", "client_id=x"], ToRefusal(&["--authorize-param", "client_id"])),
        (&[URL, "--authorize-param", "redirect_uri=x"], ToRefusal(&["--authorize-param", "redirect_uri"])),
        (&[URL, "--authorize-param", "response_type=x"], ToRefusal(&["--authorize-param", "response_type"])),
        (&[URL, "--authorize-param", "state=x"], ToRefusal(&["--authorize-param", "state"])),
        (&[URL, "--authorize-param", "code_challenge=x"], ToRefusal(&["--authorize-param", "code_challenge"])),
        (&[URL, "--authorize-param", "code_challenge_method=x"], ToRefusal(&["--authorize-param", "code_challenge"])),
        (&[URL, "--client-credentials", "--token-endpoint", "nowhere"], ToRefusal(&["--token-endpoint"])),
        (&[URL, "--token-endpoint"], ToRefusal(&["--token-endpoint"])),
        (&[URL, "--auth-success-url"], ToRefusal(&["--auth-success-url"])),
        (&[URL, "--auth-success-url", "nowhere"], ToRefusal(&["--auth-success-url"])),
        (&[URL, "--auth-success-url", "http://example.com/"], ToRefusal(&["--auth-success-url"])),
        (&[URL, "--auth-success-url", "https://a:planted-secret-one@example.com/"], ToRefusal(&["--auth-success-url"])),
        (&[URL, "--auth-success-url", "https://example.com/?a=b"], ToRefusal(&["--auth-success-url"])),
        (&[URL, "--auth-success-url", "https://example.com/#a"], ToRefusal(&["--auth-success-url"])),
        (&[URL, "--header-file", "{files}/nothing"], ToRefusal(&["nothing"])),
        (&[URL, "--static-oauth-client-info", "{"], ToRefusal(&["--static-oauth-client-info"])),
        (&[URL, "--static-oauth-client-info", "@{files}/broken.json"], ToRefusal(&["broken.json"])),
        (&[URL, "--static-oauth-client-info", "@{files}/nothing.json"], ToRefusal(&["nothing.json"])),
        (&[URL, "--static-oauth-client-metadata", "[1]"], ToRefusal(&["--static-oauth-client-metadata"])),
    ]);
}
