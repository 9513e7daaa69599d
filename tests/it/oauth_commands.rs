//! The commands `login` and `logout`, beside the bridges that use the login.

use std::process::Output;

use serde_json::Value;

use crate::support::*;

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The address to open in the output of a command.
#[track_caller]
pub(crate) fn link(text: &str) -> String {
    let is_end = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '"';
    let mut words = text.split(is_end).filter_map(|word| word.find("http://").map(|start| &word[start..]));
    words.find(|word| word.contains("/authorize?")).unwrap_or_else(|| panic!("a link: {text}")).to_owned()
}

/// The callback URL to which the authorization server would redirect.
pub(crate) fn callback_url(authorize: &str) -> String {
    get(authorize, &[]).expect("an answer").header("location").expect("a redirect").to_owned()
}

/// Asserts that a bridge uses the existing login.
#[track_caller]
fn assert_logged_in(machine: &Machine, servers: &OauthServers) {
    let tabs = machine.browser.tabs().len();
    let mut bridge = machine.bridge(servers).start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), tabs, "no tab opens when a login exists");
}

#[test]
fn login_opens_the_browser_and_reports_success() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let output = machine.run(["login", &servers.url()], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        format!("{}{}", stdout_text(&output), err(&output)).contains("http://"),
        "the address is printed as well: {output:?}"
    );
    assert_eq!(machine.browser.tabs().len(), 1);
    assert_logged_in(&machine, &servers);
}

#[test]
fn a_running_bridge_uses_a_login_made_by_the_command() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    assert_eq!(machine.run(["login", &servers.url()], "").status.code(), Some(0));
    bridge.message("notifications/tools/list_changed");
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn login_accepts_a_pasted_callback_address() {
    for paste in ["whole", "query"] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
        let url = servers.url();
        // The pasted address depends on the printed one: two processes share the pending login.
        let started = machine.run(["login", &url, "--no-wait"], "");
        assert_eq!(started.status.code(), Some(0), "{started:?}");
        let back = callback_url(&link(&format!("{}{}", stdout_text(&started), err(&started))));
        let pasted = if paste == "whole" { back.as_str() } else { back.split_once('?').unwrap().1 };
        let done = machine.run(["login", &url, "--complete", pasted], "");
        assert_eq!(done.status.code(), Some(0), "{paste}: {done:?}");
        assert!(machine.browser.tabs().is_empty(), "--no-wait opens no tab");
        assert_logged_in(&machine, &servers);
    }
}

#[test]
fn a_pasted_address_of_another_login_is_refused() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    machine.run(["login", &servers.url(), "--no-wait"], "");
    let forged = "http://127.0.0.1:1/callback?code=evil&state=forged";
    let output = machine.run(["login", &servers.url(), "--complete", forged], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(servers.records().token_requests.is_empty(), "the code is not used");
}

#[test]
fn login_without_a_browser_reads_the_address_from_stdin() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.launch().args(["login", &servers.url(), "--no-browser"]).start_interactive();
    let authorize = bridge.wait_for_line("/authorize?");
    let back = callback_url(&link(&authorize));
    bridge.type_line(&back);
    let output = bridge.wait_for_exit();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(machine.browser.tabs().is_empty(), "--no-browser opens no tab");
    assert_logged_in(&machine, &servers);
}

#[test]
fn login_on_another_device_gives_a_code() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let output = machine.run(["login", &servers.url(), "--device"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = format!("{}{}", stdout_text(&output), err(&output));
    assert!(
        printed.contains("WDJB-MJHT") && printed.contains("/device/page"),
        "the code and the page to type it in: {printed}"
    );
    assert_logged_in(&machine, &servers);
}

#[test]
fn the_device_code_is_shown_to_a_waiting_client() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).arg("--device-code").start();
    bridge.initialize();
    // No browser shows the page, so the answer does.
    let answer = bridge.request("1", "tools/call", r#"{"name":"look","arguments":{}}"#);
    assert!(answer.contains("/device/page") && answer.contains("WDJB-MJHT"), "the page and the code: {answer}");
    bridge.message("notifications/tools/list_changed");
    call_succeeds(&mut bridge, "2");
    bridge.finish();
}

#[test]
fn login_with_device_and_no_wait_is_refused() {
    let output = Machine::without_user().run(["login", "http://127.0.0.1:9/mcp", "--device", "--no-wait"], "");
    assert_eq!(output.status.code(), Some(2), "a device login has no address for --complete: {output:?}");
    assert!(err(&output).contains("--no-wait"), "{output:?}");
}

#[test]
fn login_prints_its_result_as_json() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let output = machine.run(["login", &servers.url(), "--json"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout_text(&output);
    let last = text.lines().last().expect("a line");
    let reported: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(reported.is_object(), "{reported}");
    for secret in &servers.records().secrets {
        assert!(!text.contains(secret) && !err(&output).contains(secret), "the output contains a secret: {output:?}");
    }
}

#[test]
fn a_refused_login_is_an_error() {
    let (servers, machine) = (OauthServers::start(Rules::user_denies()), Machine::with_user());
    let output = machine.run(["login", &servers.url()], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("access_denied"), "{output:?}");
}

#[test]
fn login_reports_a_server_that_needs_no_login() {
    let upstream = Upstream::well_behaved();
    let output = Machine::with_user().run(["login", &upstream.url("/mcp")], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn logout_deletes_the_login_and_revokes_its_tokens() {
    for which in ["url", "--all"] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        machine.logged_in(&servers).finish();
        let which = if which == "url" { servers.url() } else { which.to_owned() };
        let output = machine.run(["logout", &which], "");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let refresh = servers.records().secrets.iter().find(|secret| secret.starts_with("refresh")).cloned();
        let revoked: Vec<_> =
            servers.records().revocations.iter().filter_map(|request| parameter(request, "token")).collect();
        assert!(refresh.is_some_and(|refresh| revoked.contains(&refresh)), "RFC 7009 for the refresh token");
        let status = machine.run(["status", "--json"], "");
        assert!(
            !stdout_text(&status).contains(&servers.issuer.url("")) || !stdout_text(&status).contains("expires_at"),
            "{status:?}"
        );
        let mut bridge = machine.bridge(&servers).start();
        bridge.initialize();
        call_succeeds(&mut bridge, "1");
        bridge.finish();
        assert_eq!(machine.browser.tabs().len(), 2, "the next use needs a new login");
    }
}

#[test]
fn logout_without_a_login_succeeds() {
    let output = Machine::without_user().run(["logout", "https://nowhere.example/mcp"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn invalid_arguments_of_a_command_exit_with_2() {
    let machine = Machine::without_user();
    for arguments in [["login", "not a url"], ["logout", "--nonsense"], ["login", "--json"]] {
        let output = machine.run(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!err(&output).is_empty());
    }
}

#[test]
fn a_login_started_by_a_bridge_can_be_completed_by_the_command() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.send(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"look","arguments":{}}}"#);
    machine.browser.tab(1);

    let started = machine.run(["login", &servers.url(), "--no-wait"], "");
    assert_eq!(started.status.code(), Some(0), "a pending login is continued: {started:?}");
    let mut login = machine.launch().args(["login", &servers.url(), "--no-browser"]).start_interactive();
    let authorize = link(&login.wait_for_line("/authorize?"));
    assert_eq!(link(&stdout_text(&started)), authorize, "both show the same pending login");
    login.type_line("garbage");
    login.wait_for_line("still waiting");
    login.type_line(&callback_url(&authorize));
    let reported = login.wait_for_exit();
    assert_eq!(reported.status.code(), Some(0), "{reported:?}");
    let answer = bridge.response("7");
    assert!(answer.contains("looked"), "the waiting call succeeds: {answer}");
    bridge.finish();
}

#[test]
fn a_forced_login_is_not_completed_by_a_refresh() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    let mut login = machine.launch().args(["login", &servers.url(), "--no-browser", "--force"]).start_interactive();
    let authorize = link(&login.wait_for_line("/authorize?"));
    servers.records().invalidate_access_tokens();
    call_succeeds(&mut bridge, "2");
    assert_eq!(servers.records().refreshes, 1);
    login.type_line("garbage");
    login.wait_for_line("still waiting");
    login.type_line(&callback_url(&authorize));
    let reported = login.wait_for_exit();
    assert_eq!(reported.status.code(), Some(0), "{reported:?}");
    let records = servers.records();
    let grants = records.token_requests.iter().filter_map(|request| parameter(request, "grant_type"));
    assert_eq!(
        grants.filter(|grant| grant == "authorization_code").count(),
        2,
        "each login uses an authorization code"
    );
    drop(records);
    bridge.finish();
}

#[test]
fn a_login_ended_by_the_server_is_replaced_by_a_new_login() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let started = machine.run(["login", &servers.url(), "--no-wait"], "");
    machine.run(["login", &servers.url(), "--complete", &callback_url(&link(&stdout_text(&started)))], "");
    servers.records().lose_database();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.finish();
    let again = machine.run(["login", &servers.url(), "--no-wait"], "");
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert!(stdout_text(&again).contains("/authorize?"), "a new login is needed: {again:?}");
}

#[test]
fn a_404_is_not_reported_as_a_server_without_logins() {
    let upstream = Upstream::start(|exchange| exchange.plain("404 Not Found", ""));
    let output = Machine::without_user().run(["login", &upstream.url("/nowhere")], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("404"), "{output:?}");
}

#[test]
fn a_refused_registration_is_not_repeated_for_every_request() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let refusal = ("403 Forbidden", r#"{"error":"access_denied"}"#);
    servers.rules().registration_faults.extend([refusal; 3]);
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    for id in ["1", "2", "3"] {
        let answer = bridge.request(id, "tools/call", r#"{"name":"look","arguments":{}}"#);
        assert!(answer.contains("register"), "each response names the cause: {answer}");
    }
    assert_eq!(servers.rules().registration_faults.len(), 2, "the registration was requested once");
    bridge.finish();
}

#[test]
fn already_signed_in_is_printed_only_for_a_working_login() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let again = machine.run(["login", &servers.url()], "");
    assert!(stdout_text(&again).contains("already signed in"), "{again:?}");
    servers.records().invalidate_access_tokens();
    let renewed = machine.run(["login", &servers.url()], "");
    assert!(stdout_text(&renewed).contains("already signed in"), "an expired token is refreshed: {renewed:?}");
    assert_eq!((servers.records().refreshes, machine.browser.tabs().len()), (1, 1));
    servers.records().lose_database();
    let new_login = machine.run(["login", &servers.url()], "");
    assert!(
        !stdout_text(&new_login).contains("already") && stdout_text(&new_login).contains("signed in to"),
        "{new_login:?}"
    );
    assert_eq!(machine.browser.tabs().len(), 2, "an ended login is replaced by a new one");
}

#[test]
fn logout_cancels_a_pending_login() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    bridge.send(&request("7", "tools/call", r#"{"name":"look","arguments":{}}"#));
    let tab = machine.browser.tab(1);
    let output = machine.run(["logout", &servers.url()], "");
    assert!(stdout_text(&output).contains("given up"), "{output:?}");
    let answer = bridge.response("7");
    assert!(answer.contains("logged out"), "the waiting call fails with the reason: {answer}");
    drop(follow(&tab));
    assert!(servers.records().token_requests.is_empty(), "the callback of the cancelled login is ignored");
    bridge.finish();

    let started = machine.run(["login", &servers.url(), "--no-wait"], "");
    let back = callback_url(&link(&stdout_text(&started)));
    machine.run(["logout", "--all"], "");
    let late = machine.run(["login", &servers.url(), "--complete", &back], "");
    assert_eq!(late.status.code(), Some(1), "a cancelled login cannot be completed: {late:?}");
    assert!(servers.records().token_requests.is_empty());
}

#[test]
fn the_address_of_a_pending_login_is_printed_once() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let started = machine.run(["login", &servers.url(), "--no-wait"], "");
    let all = format!("{}{}", stdout_text(&started), err(&started));
    assert_eq!(all.matches("/authorize?").count(), 1, "{all}");
}

#[test]
fn login_in_a_terminal_explains_that_the_address_can_be_pasted() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut login = machine.launch().args(["login", &servers.url(), "--no-browser"]).start_interactive();
    let reported = login.wait_for_line("paste");
    login.type_line(&callback_url(&link(&reported)));
    assert_eq!(login.wait_for_exit().status.code(), Some(0));
}
