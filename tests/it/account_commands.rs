//! What a person sees of `login`, `status` and `logout`: words, marks, progress, exit status.

use std::process::Output;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::*;

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An ID token with these claims.
fn id_token(claims: &Value) -> String {
    format!("e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// Servers that tell whose login it is.
fn servers_with_accounts() -> OauthServers {
    OauthServers::start(Rules {
        lifetime: (Some(3000), std::time::Duration::from_secs(3000)),
        challenge: r#", scope="read write""#.to_owned(),
        token_response: Box::new(|answer| answer["id_token"] = json!(id_token(&json!({ "email": "ann@example.com" })))),
        ..Rules::default()
    })
}

/// Changes the login that is kept.
fn change_record(machine: &Machine, change: impl Fn(&mut Value)) {
    for entry in std::fs::read_dir(machine.home().join("ferry/logins")).unwrap().flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
        let Ok(mut file) = serde_json::from_str::<Value>(&text) else { continue };
        if file["record"].is_object() {
            change(&mut file["record"]);
            std::fs::write(entry.path(), file.to_string()).unwrap();
        }
    }
}

#[test]
fn status_of_one_server_is_in_words_and_its_exit_status_says_whether_it_can_be_used() {
    let (servers, machine) = (servers_with_accounts(), Machine::with_user());
    let url = servers.url();
    let status = || (machine.run(["status", &url], ""), machine.run(["status", &url, "--json"], ""));

    let (plain, json) = status();
    assert_eq!((plain.status.code(), json.status.code()), (Some(4), Some(4)), "nobody is signed in: {plain:?}");
    assert_eq!(json_output(&json)["logins"], json!([]));
    assert!(stdout_text(&plain).contains(&format!("nobody is signed in to {url}")), "{plain:?}");
    assert!(stdout_text(&plain).contains(&format!("mcp-ferry login {url}")), "the cure: {plain:?}");

    machine.logged_in(&servers).finish();
    let (plain, json) = status();
    assert_eq!((plain.status.code(), json.status.code()), (Some(0), Some(0)), "{plain:?}");
    let words = stdout_text(&plain);
    for text in
        ["ann@example.com", "read write", "signed in; the token expires in 50 minutes, and is renewed by itself"]
    {
        assert!(words.contains(text), "{text}: {words}");
    }
    let login = &json_output(&json)["logins"][0];
    assert_eq!((&login["account"], &login["state"]), (&json!("ann@example.com"), &json!("signed_in")));
    assert_eq!(login["expiresAt"].as_u64().unwrap() - login["obtainedAt"].as_u64().unwrap(), 3000);

    let other = machine.run(["status", "https://nowhere.example/mcp"], "");
    assert_eq!(other.status.code(), Some(4), "another server has no login: {other:?}");

    change_record(&machine, |record| {
        record["tokens"]["refresh_token"] = Value::Null;
        record["tokens"]["obtained_at"] = json!(record["tokens"]["obtained_at"].as_u64().unwrap() - 2 * 86_400 - 3000);
    });
    let (plain, json) = status();
    assert_eq!((plain.status.code(), json.status.code()), (Some(4), Some(4)), "{plain:?}");
    assert!(
        stdout_text(&plain).contains("ended: its token is not accepted any more; it expired 2 days ago"),
        "{plain:?}"
    );
    assert_eq!(machine.run(["status"], "").status.code(), Some(0), "the list of logins is no question about one");

    assert_eq!(machine.run(["logout", &url], "").status.code(), Some(0));
    let (plain, json) = status();
    assert_eq!((plain.status.code(), json.status.code()), (Some(4), Some(4)), "{plain:?}");
    assert!(stdout_text(&plain).contains("nobody is signed in to"), "{plain:?}");
    assert_eq!(json_output(&json)["logins"][0]["state"], "signed_out");
}

/// Whatever an ID token holds, it is no error.
#[test]
fn an_account_is_shown_only_if_the_id_token_names_one() {
    for (token, account) in [
        (json!(id_token(&json!({ "preferred_username": "ann", "name": "Ann" }))), json!("ann")),
        (json!(id_token(&json!({ "email": "", "name": "Ann" }))), json!("Ann")),
        (json!(id_token(&json!({ "email": 7, "sub": "0815" }))), Value::Null),
        (json!("e30.!!!.x"), Value::Null),
        (json!("opaque"), Value::Null),
        (json!(7), Value::Null),
    ] {
        let shown = token.to_string();
        let token_response = Box::new(move |answer: &mut Value| answer["id_token"] = token.clone());
        let servers = OauthServers::start(Rules { token_response, ..Rules::default() });
        let machine = Machine::with_user();
        let login = machine.run(["login", &servers.url()], "");
        assert_eq!(login.status.code(), Some(0), "{shown}: {login:?}");
        let words = stdout_text(&login);
        assert_eq!(words.contains("\n  as "), account != Value::Null, "{shown}: {words}");
        let status = json_output(&machine.run(["status", &servers.url(), "--json"], ""));
        assert_eq!(status["logins"][0]["account"], account, "{shown}");
    }
}

#[test]
fn login_says_whose_it_is_what_it_may_and_until_when() {
    let (servers, machine) = (servers_with_accounts(), Machine::with_user());
    for event in ["signed in to", "already signed in to"] {
        let login = machine.run(["login", &servers.url()], "");
        let words = stdout_text(&login);
        for text in [event, "as ann@example.com", "with the scopes read write", "the token expires in 50 minutes"] {
            assert!(words.contains(text), "{text}: {words}");
        }
    }
    let json = json_output(&machine.run(["login", &servers.url(), "--json"], ""));
    assert_eq!((&json["event"], &json["account"]), (&json!("already_signed_in"), &json!("ann@example.com")));
}

#[test]
fn logout_says_whether_the_tokens_are_revoked() {
    for (revocable, words) in [
        (true, "removed from this machine, and its tokens are revoked"),
        (false, "removed from this machine, but its tokens are not revoked, and end by themselves"),
    ] {
        for json in [false, true] {
            let metadata = Box::new(move |metadata: &mut Value| {
                if !revocable {
                    metadata.as_object_mut().unwrap().remove("revocation_endpoint");
                }
            });
            let (servers, machine) =
                (OauthServers::start(Rules { metadata, ..Rules::default() }), Machine::with_user());
            machine.logged_in(&servers).finish();
            if json {
                let output = json_output(&machine.run(["logout", &servers.url(), "--json"], ""));
                assert_eq!((&output["event"], &output["revoked"]), (&json!("signed_out"), &json!(revocable)));
            } else {
                let output = machine.run(["logout", &servers.url()], "");
                assert!(stdout_text(&output).contains(words), "{output:?}");
                assert_eq!(err(&output), "", "nothing but the result is printed");
            }
        }
    }
}

/// Where a login cannot be seen to go on, one line says what is waited for.
#[test]
fn a_login_that_is_waited_for_is_said_once_and_not_to_who_wants_quiet() {
    for (quiet, times) in [("--auth=auto", 1), ("--quiet", 0)] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
        let output = machine.run(["login", &servers.url(), "--device", quiet], "");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(err(&output).matches("waiting for the login at http").count(), times, "{output:?}");
        assert!(!err(&output).contains(['\r', '\u{1b}']), "no line is replaced: {output:?}");
    }
}

const GOOD: &str = "\u{1b}[32m✓\u{1b}[0m http";

#[test]
fn marks_and_colours_are_forced_or_absent_without_a_terminal() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    for (variables, is_marked) in [(&[][..], false), (&[("CLICOLOR_FORCE", "1")], true)] {
        let launch = variables.iter().fold(machine.launch(), |launch, (name, value)| launch.env(name, value));
        let output = launch.args(["status", &servers.url()]).run("");
        assert_eq!(stdout_text(&output).starts_with(GOOD), is_marked, "{variables:?}: {output:?}");
        assert_eq!(stdout_text(&output).contains('\u{1b}'), is_marked, "{variables:?}: {output:?}");
    }
}

#[cfg(unix)]
#[test]
fn marks_and_progress_are_shown_on_a_terminal_that_may_have_them() {
    for (variables, is_styled) in [
        (&[][..], true),
        (&[("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
        (&[("NO_COLOR", "")], true),
        (&[("CLICOLOR", "0")], false),
    ] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        let url = servers.url();
        let on_terminal = |arguments: &[&str]| {
            let launch = variables.iter().fold(machine.launch(), |launch, (name, value)| launch.env(name, value));
            arguments.iter().fold(launch, |launch, argument| launch.arg(argument)).run_on_terminal("")
        };
        // The server has it polled after a second: until then it is waited for.
        let login = on_terminal(&["login", &url, "--device"]);
        assert_eq!(login.status.code(), Some(0), "{login:?}");
        assert_eq!(login.text.contains("\u{1b}[32m✓\u{1b}[0m signed in to"), is_styled, "{variables:?}: {login:?}");
        assert!(login.text.contains("waiting for the login at http"), "{variables:?}: {login:?}");
        assert_eq!(login.text.contains('\r'), is_styled, "{variables:?}: {login:?}");
        assert_eq!(login.text.contains("asking http"), is_styled, "{variables:?}: {login:?}");
        let status = on_terminal(&["status", &url]);
        assert_eq!(status.text.starts_with(GOOD), is_styled, "{variables:?}: {status:?}");
        let logout = on_terminal(&["logout", &url]);
        assert_eq!(logout.text.contains("ending the login"), is_styled, "{variables:?}: {logout:?}");
        let again = on_terminal(&["status", &url]);
        assert_eq!(again.status.code(), Some(4), "{again:?}");
        assert_eq!(again.text.contains("\u{1b}[31m✗"), is_styled, "{variables:?}: {again:?}");
        for shown in [login, status, logout, again] {
            assert_eq!(shown.text.contains('\u{1b}'), is_styled && shown.text.contains("\u{1b}[3"), "{shown:?}");
            // What a line of progress leaves on the screen.
            let left = shown.text.lines().map(|line| line.rsplit('\r').next().unwrap_or_default());
            assert!(left.into_iter().all(|line| !line.starts_with("asking") || !is_styled), "{shown:?}");
        }
    }
}

/// A person whose browser does not come back pastes while the line stands there.
#[cfg(unix)]
#[test]
fn a_login_on_a_terminal_takes_a_pasted_line() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let launch = machine.launch().args(["login", &servers.url(), "--no-browser", "--auth-timeout", "180"]);
    let started = machine.run(["login", &servers.url(), "--no-wait"], "");
    let address = stdout_text(&started).lines().next().unwrap().to_owned();
    let back = get(&address, &[]).expect("an answer").header("location").expect("a redirect").to_owned();
    let shown = launch.run_on_terminal(&format!("garbage\n{back}\n"));
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(shown.text.contains("signed in to"), "{shown:?}");
}
