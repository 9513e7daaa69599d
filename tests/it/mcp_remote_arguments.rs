//! Every argument of mcp-remote, in its own spellings and with its users' mistakes, and the result.

use std::panic::catch_unwind;

use tempfile::TempDir;

use crate::support::*;

/// The result of a list of arguments. Words are those that stderr must contain.
enum Leads {
    /// A bridge that works and prints nothing.
    Work,
    /// A bridge that works after a warning of one line.
    Warning(&'static [&'static str]),
    /// Exit status 2 before any message is sent.
    Refusal(&'static [&'static str]),
}
use Leads::{Refusal, Warning, Work};

/// Placeholders in the tables: the server's URL, a directory with files, and a secret value that must not be printed.
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
        write_private(files.path().join(name), text);
    }
    files
}

/// Tries each row against a well-behaved server and lists all rows that fail.
fn check_rows(rows: &[(&[&str], Leads)]) {
    let (upstream, files) = (Upstream::well_behaved().may_receive_no_request(), files());
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
    assert!(failed.is_empty(), "these rows failed, see above: {failed:#?}");
}

fn try_row(typed: &[String], leads: &Leads) {
    let launch = typed.iter().fold(Bridge::bare(), |launch, argument| launch.arg(argument));
    let mut bridge = launch.secret(STRAY).secret("planted-secret-one").start();
    let (warnings, words) = match leads {
        Refusal(words) => {
            bridge.close_stdin();
            let ended = bridge.wait_for_exit();
            assert_eq!(ended.code, Some(2), "{typed:?} is refused: {}", ended.stderr);
            assert!(ended.lines.is_empty(), "{typed:?}: stdout only carries JSON-RPC: {:?}", ended.lines);
            return assert_names_each(typed, &ended.stderr, words);
        }
        Warning(words) => (1, *words),
        Work => (0, &[][..]),
    };
    bridge.initialize();
    bridge.still_works();
    let stderr = bridge.finish().stderr;
    assert_eq!(stderr.lines().count(), warnings, "the number of warnings for {typed:?}: {stderr}");
    assert_names_each(typed, &stderr, words);
}

fn assert_names_each(typed: &[String], stderr: &str, words: &[&str]) {
    for word in words {
        assert!(stderr.contains(word), "the message for {typed:?} should mention {word:?}: {stderr}");
    }
}

#[test]
fn the_callback_port_may_follow_the_url() {
    check_rows(&[
        (&[URL, "9696"], Work),
        (&[URL, "9696abc"], Work),
        (&[URL, "0"], Work),
        (&["--debug=false", URL, "9696"], Work),
        (&[URL, "--allow-http", "9696"], Work),
        (&[URL, STRAY], Warning(&["argument"])),
        (&[URL, "70000"], Warning(&["argument"])),
        (&[URL, "9696", STRAY], Warning(&["argument"])),
    ]);
}

#[test]
fn flags_may_stand_anywhere_with_their_value_after_a_space_or_an_equals_sign() {
    check_rows(&[
        (&["--allow-http", URL], Work),
        (&["--transport", "http-only", URL, "9696"], Work),
        (&[URL, "9696", "--transport=http-only"], Work),
        (&["--transport=http-only", "--allow-http", URL], Work),
        (&["--header", "X-A: 1", URL], Work),
        (&["--header=X-A: 1", URL], Work),
        (&[URL, "--header", "Authorization:", "Bearer", STRAY], Work),
    ]);
}

#[test]
fn an_unknown_flag_is_one_warning_and_its_value_is_ignored() {
    check_rows(&[
        (&[URL, "--no-such-option"], Warning(&["--no-such-option"])),
        (&["--no-such-option", URL], Warning(&["--no-such-option"])),
        (&[URL, "--no-such-option", STRAY], Warning(&["--no-such-option"])),
        (&[URL, "--no-such-option=sk-stray-0123456789"], Warning(&["--no-such-option"])),
        (&["--no-such-option", STRAY, URL], Warning(&["--no-such-option"])),
        (&["--no-such-option", "9999", URL, "9696"], Warning(&["--no-such-option"])),
        (&[URL, "--no-such-option", "--transport", "http-only"], Warning(&["--no-such-option"])),
        (&[URL, "-x"], Warning(&["option"])),
        (&[URL, "--transprot", "http-only"], Warning(&["--transprot", "did you mean --transport?"])),
    ]);
}

#[test]
fn a_missing_repeated_or_invalid_value_is_ignored_with_a_warning() {
    check_rows(&[
        (&[URL, "--transport"], Warning(&["--transport"])),
        (&[URL, "--header"], Warning(&["--header"])),
        (&[URL, "--connect-timeout"], Warning(&["--connect-timeout"])),
        (&[URL, "--resource"], Warning(&["--resource"])),
        (&[URL, "--transport", "http-only", "--transport", "sse-only"], Warning(&["--transport"])),
        (&[URL, "--host", "localhost", "--host", "127.0.0.1"], Warning(&["--host"])),
        (&[URL, "--allow-http", "--allow-http"], Work),
        (&[URL, "--transport", "pigeon"], Warning(&["--transport"])),
        (&[URL, "--protocol", "pigeon"], Warning(&["--protocol"])),
        (&[URL, "--connect-timeout", "abc"], Warning(&["--connect-timeout"])),
        (&[URL, "--headers-timeout", "-1"], Warning(&["--headers-timeout"])),
        (&[URL, "--body-timeout", "soon"], Warning(&["--body-timeout"])),
        (&[URL, "--ping-interval", "x"], Warning(&["--ping-interval"])),
        (&[URL, "--auth-timeout", "never"], Warning(&["--auth-timeout"])),
        (&[URL, "--header", STRAY], Warning(&["--header"])),
        (&[URL, "--header", "X-A: ${NOT_SET}"], Warning(&["x-a", "NOT_SET"])),
        (&[URL, "--callback-path", "/wait-for-auth"], Warning(&["--callback-path"])),
        (&[URL, "--callback-path", "/.mcp-remote/id"], Warning(&["--callback-path"])),
    ]);
}

#[test]
fn every_connection_argument_is_accepted() {
    check_rows(&[
        (&[URL, "--transport", "http-first"], Work),
        (&[URL, "--transport", "sse-first"], Work),
        (&[URL, "--transport", "http-only"], Work),
        (&[URL, "--protocol", "legacy"], Work),
        (&[URL, "--protocol", "auto"], Work),
        (&[URL, "--allow-http"], Work),
        (&[URL, "--silent"], Work),
        (&[URL, "--enable-proxy"], Work),
        (&[URL, "--ignore-tool", "delete*", "--ignore-tool", "drop*"], Work),
        (&[URL, "--connect-timeout", "5", "--headers-timeout", "0", "--body-timeout", "0"], Work),
        (&[URL, "--keep-alive", "--ping-interval", "60"], Work),
        (&[URL, "--ipv4"], Work),
        (&[URL, "--disable-cookies"], Work),
        (&[URL, "--header-file", "{files}/headers"], Work),
    ]);
}

#[test]
fn every_login_argument_is_accepted() {
    check_rows(&[
        (&[URL, "--host", "127.0.0.1"], Work),
        (&[URL, "--callback-path", "/done"], Work),
        (&[URL, "--auth-timeout", "60"], Work),
        (&[URL, "--auth-success-url", "https://example.com/welcome"], Work),
        (&[URL, "--auth-success-url", "http://127.0.0.1:8080/welcome"], Work),
        (&[URL, "--auth-success-url", "http://example.com/welcome", "--allow-http"], Work),
        (&[URL, "--resource", "https://example.com/mcp"], Work),
        (&[URL, "--resource", ""], Work),
        (&[URL, "--disable-resource-parameter"], Work),
        (&[URL, "--authorize-param", "prompt=consent", "--authorize-param", "access_type=offline"], Work),
        (&[URL, "--static-oauth-client-metadata", r#"{"scope":"read write"}"#], Work),
        (&[URL, "--static-oauth-client-metadata", "@{files}/metadata.json"], Work),
        (&[URL, "--static-oauth-client-info", r#"{"client_id":"a","client_secret":"planted-secret-one"}"#], Work),
        (&[URL, "--static-oauth-client-info", "@{files}/info.json"], Work),
        (&[URL, "--client-metadata-url", "https://example.com/client.json"], Work),
        (&[URL, "--device-code"], Work),
        (&[URL, "--client-credentials", "--static-oauth-client-info", "@{files}/info.json"], Work),
        (
            &[
                URL,
                "--client-credentials",
                "--static-oauth-client-info",
                "@{files}/info.json",
                "--token-endpoint",
                "https://example.com/token",
            ],
            Work,
        ),
        (&[URL, "--use-id-token"], Work),
    ]);
}

/// mcp-remote refuses these too: the bridge would reach another server or have other rights than intended.
#[test]
fn an_argument_that_would_change_the_target_or_the_rights_is_refused() {
    check_rows(&[
        (&[], Refusal(&["URL"])),
        (&["9696"], Refusal(&["URL"])),
        (&["ftp://example.invalid/mcp"], Refusal(&["ftp"])),
        (&["http://example.invalid/mcp"], Refusal(&["--allow-http"])),
        (&[URL, "--resource", "not a url"], Refusal(&["--resource"])),
        (&[URL, "--authorize-param", "novalue"], Refusal(&["--authorize-param"])),
        (&[URL, "--authorize-param", "=x"], Refusal(&["--authorize-param"])),
        (&[URL, "--authorize-param", "client_id=x"], Refusal(&["--authorize-param", "client_id"])),
        (&[URL, "--authorize-param", "redirect_uri=x"], Refusal(&["--authorize-param", "redirect_uri"])),
        (&[URL, "--authorize-param", "response_type=x"], Refusal(&["--authorize-param", "response_type"])),
        (&[URL, "--authorize-param", "state=x"], Refusal(&["--authorize-param", "state"])),
        (&[URL, "--authorize-param", "code_challenge=x"], Refusal(&["--authorize-param", "code_challenge"])),
        (&[URL, "--authorize-param", "code_challenge_method=x"], Refusal(&["--authorize-param", "code_challenge"])),
        (&[URL, "--client-credentials", "--token-endpoint", "nowhere"], Refusal(&["--token-endpoint"])),
        (&[URL, "--token-endpoint"], Refusal(&["--token-endpoint"])),
        (&[URL, "--auth-success-url"], Refusal(&["--auth-success-url"])),
        (&[URL, "--auth-success-url", "nowhere"], Refusal(&["--auth-success-url"])),
        (&[URL, "--auth-success-url", "http://example.com/"], Refusal(&["--auth-success-url"])),
        (&[URL, "--auth-success-url", "https://a:planted-secret-one@example.com/"], Refusal(&["--auth-success-url"])),
        (&[URL, "--auth-success-url", "https://example.com/?a=b"], Refusal(&["--auth-success-url"])),
        (&[URL, "--auth-success-url", "https://example.com/#a"], Refusal(&["--auth-success-url"])),
        (&[URL, "--header-file", "{files}/nothing"], Refusal(&["nothing"])),
        (&[URL, "--static-oauth-client-info", "{"], Refusal(&["--static-oauth-client-info"])),
        (&[URL, "--static-oauth-client-info", "@{files}/broken.json"], Refusal(&["broken.json"])),
        (&[URL, "--static-oauth-client-info", "@{files}/nothing.json"], Refusal(&["nothing.json"])),
        (&[URL, "--static-oauth-client-metadata", "[1]"], Refusal(&["--static-oauth-client-metadata"])),
    ]);
}
