//! `login`, `logout`, `status`: logging in by hand, beside the bridges that use it.

use std::process::Output;

use serde_json::Value;

use crate::support::*;

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The one JSON document a command prints.
#[track_caller]
fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The address to open, of what a command says.
#[track_caller]
fn link(text: &str) -> String {
    let is_end = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '"';
    let mut words = text.split(is_end).filter_map(|word| word.find("http://").map(|start| &word[start..]));
    words.find(|word| word.contains("/authorize?")).unwrap_or_else(|| panic!("a link: {text}")).to_owned()
}

/// Where the browser would come back to.
fn way_back(authorize: &str) -> String {
    get(authorize, &[]).expect("an answer").header("location").expect("a redirect").to_owned()
}

/// A bridge finds the login made.
#[track_caller]
fn is_logged_in(machine: &Machine, realm: &Realm) {
    let tabs = machine.browser.tabs().len();
    let mut bridge = machine.bridge(realm).start();
    bridge.shake_hands();
    looks(&mut bridge, "1");
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), tabs, "nothing is opened for a login that is there");
}

#[test]
fn login_opens_the_browser_and_says_when_it_is_done() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let output = machine.run(["login", &realm.url()], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(format!("{}{}", out(&output), err(&output)).contains("http://"), "the address is told even so: {output:?}");
    assert_eq!(machine.browser.tabs().len(), 1);
    is_logged_in(&machine, &realm);
}

#[test]
fn a_running_bridge_picks_up_a_login_by_hand() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    assert_eq!(machine.run(["login", &realm.url()], "").status.code(), Some(0));
    bridge.message("notifications/tools/list_changed");
    looks(&mut bridge, "1");
    bridge.finish();
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn login_takes_a_pasted_address_where_no_browser_comes_back() {
    for paste in ["whole", "query"] {
        let (realm, machine) = (Realm::usual(), Machine::unattended());
        let url = realm.url();
        // What is pasted depends on what is printed: two processes share the pending login.
        let begun = machine.run(["login", &url, "--no-wait"], "");
        assert_eq!(begun.status.code(), Some(0), "{begun:?}");
        let back = way_back(&link(&format!("{}{}", out(&begun), err(&begun))));
        let pasted = if paste == "whole" { back.as_str() } else { back.split_once('?').unwrap().1 };
        let done = machine.run(["login", &url, "--complete", pasted], "");
        assert_eq!(done.status.code(), Some(0), "{paste}: {done:?}");
        assert!(machine.browser.tabs().is_empty(), "--no-wait opens nothing");
        is_logged_in(&machine, &realm);
    }
}

#[test]
fn a_pasted_address_of_another_login_is_refused() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    machine.run(["login", &realm.url(), "--no-wait"], "");
    let forged = "http://127.0.0.1:1/callback?code=evil&state=forged";
    let output = machine.run(["login", &realm.url(), "--complete", forged], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(realm.ledger().token_requests.is_empty(), "the code is sent nowhere");
}

#[test]
fn login_without_a_browser_reads_the_address_from_stdin() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.launch().args(["login", &realm.url(), "--no-browser"]).converse();
    let authorize = bridge.until("/authorize?");
    let back = way_back(&link(&authorize));
    bridge.say(&back);
    let output = bridge.end();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(machine.browser.tabs().is_empty(), "--no-browser opens nothing");
    is_logged_in(&machine, &realm);
}

#[test]
fn login_on_another_device_gives_a_code() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let output = machine.run(["login", &realm.url(), "--device"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = format!("{}{}", out(&output), err(&output));
    assert!(told.contains("WDJB-MJHT") && told.contains("/device/page"), "the code and where to type it: {told}");
    is_logged_in(&machine, &realm);
}

#[test]
fn a_code_for_another_device_is_told_to_whoever_waits() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).arg("--device-code").start();
    bridge.shake_hands();
    bridge.send(&request("1", "tools/call", r#"{"name":"look","arguments":{},"_meta":{"progressToken":"p"}}"#));
    let told = until_told(&mut bridge, "/device/page");
    assert!(told.contains("WDJB-MJHT"), "an address without its code leads nowhere: {told}");
    assert!(bridge.answer("1").contains("looked"));
    bridge.finish();
}

/// The first word of progress with this in it.
#[track_caller]
fn until_told(bridge: &mut Bridge, what: &str) -> String {
    loop {
        let progress = bridge.message("notifications/progress");
        if progress.contains(what) {
            return progress;
        }
    }
}

#[test]
fn a_login_on_another_device_is_waited_for() {
    let output = Machine::unattended().run(["login", "http://127.0.0.1:9/mcp", "--device", "--no-wait"], "");
    assert_eq!(output.status.code(), Some(2), "there is no address that --complete could take: {output:?}");
    assert!(err(&output).contains("--no-wait"), "{output:?}");
}

#[test]
fn login_says_in_json_what_it_did() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let output = machine.run(["login", &realm.url(), "--json"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = out(&output);
    let last = text.lines().last().expect("a line");
    let said: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(said.is_object(), "{said}");
    for secret in &realm.ledger().secrets {
        assert!(!text.contains(secret) && !err(&output).contains(secret), "a secret is told: {output:?}");
    }
}

#[test]
fn a_login_that_is_refused_is_an_error() {
    let (realm, machine) = (Realm::start(Rules::denying()), Machine::attended());
    let output = machine.run(["login", &realm.url()], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("access_denied"), "{output:?}");
}

#[test]
fn a_server_that_wants_no_login_needs_none() {
    let upstream = Upstream::usual();
    let output = Machine::attended().run(["login", &upstream.url("/mcp")], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn status_tells_what_there_is_and_no_secret() {
    let realm = Realm::start(Rules { challenge: r#", scope="read""#.to_owned(), ..Rules::default() });
    let machine = Machine::attended();
    let nothing = machine.run(["status", "--json"], "");
    assert_eq!(nothing.status.code(), Some(0), "{nothing:?}");
    machine.logged_in(&realm).finish();
    let (plain, status) = (machine.run(["status"], ""), machine.run(["status", "--json"], ""));
    assert_eq!((plain.status.code(), status.status.code()), (Some(0), Some(0)), "{plain:?} {status:?}");
    let told = json(&status).to_string();
    for word in [realm.issuer.url(""), "read".to_owned(), realm.resource.host()] {
        assert!(told.contains(&word), "{word} is missing from {told}");
        assert!(out(&plain).contains(&word), "{word} is missing from {}", out(&plain));
    }
    for secret in &realm.ledger().secrets {
        assert!(!told.contains(secret) && !out(&plain).contains(secret), "a secret is told");
    }
}

#[test]
fn logout_ends_the_login_here_and_there() {
    for which in ["url", "--all"] {
        let (realm, machine) = (Realm::usual(), Machine::attended());
        machine.logged_in(&realm).finish();
        let which = if which == "url" { realm.url() } else { which.to_owned() };
        let output = machine.run(["logout", &which], "");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let refresh = realm.ledger().secrets.iter().find(|secret| secret.starts_with("refresh")).cloned();
        let revoked: Vec<_> =
            realm.ledger().revocations.iter().filter_map(|request| parameter(request, "token")).collect();
        assert!(refresh.is_some_and(|refresh| revoked.contains(&refresh)), "RFC 7009 for the refresh token");
        let status = machine.run(["status", "--json"], "");
        assert!(!out(&status).contains(&realm.issuer.url("")) || !out(&status).contains("expires_at"), "{status:?}");
        let mut bridge = machine.bridge(&realm).start();
        bridge.shake_hands();
        looks(&mut bridge, "1");
        bridge.finish();
        assert_eq!(machine.browser.tabs().len(), 2, "the next use is a new login");
    }
}

#[test]
fn logout_where_there_is_no_login_is_no_error() {
    let output = Machine::unattended().run(["logout", "https://nowhere.example/mcp"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn commands_that_were_typed_wrongly_say_so() {
    let machine = Machine::unattended();
    for arguments in [["login", "not a url"], ["logout", "--nonsense"], ["login", "--json"]] {
        let output = machine.run(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!err(&output).is_empty());
    }
}

#[test]
fn a_login_that_a_bridge_waits_for_can_be_finished_by_hand() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    bridge.send(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"look","arguments":{}}}"#);
    machine.browser.tab(1);

    let begun = machine.run(["login", &realm.url(), "--no-wait"], "");
    assert_eq!(begun.status.code(), Some(0), "a login under way is one to go on with: {begun:?}");
    let mut login = machine.launch().args(["login", &realm.url(), "--no-browser"]).converse();
    let authorize = link(&login.until("/authorize?"));
    assert_eq!(link(&out(&begun)), authorize, "there is one login, whoever shows it");
    login.say("garbage");
    login.until("still waiting");
    login.say(&way_back(&authorize));
    let said = login.end();
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let answer = bridge.answer("7");
    assert!(answer.contains("looked"), "what waited goes on: {answer}");
    bridge.finish();
}

#[test]
fn a_login_asked_for_anew_is_not_ended_by_a_refresh() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.logged_in(&realm);
    let mut login = machine.launch().args(["login", &realm.url(), "--no-browser", "--force"]).converse();
    let authorize = link(&login.until("/authorize?"));
    realm.ledger().refuse_access_tokens();
    looks(&mut bridge, "2");
    assert_eq!(realm.ledger().refreshes, 1);
    login.say("garbage");
    login.until("still waiting");
    login.say(&way_back(&authorize));
    let said = login.end();
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let ledger = realm.ledger();
    let grants = ledger.token_requests.iter().filter_map(|request| parameter(request, "grant_type"));
    assert_eq!(grants.filter(|grant| grant == "authorization_code").count(), 2, "only a login is one");
    drop(ledger);
    bridge.finish();
}

#[test]
fn a_login_that_the_server_has_ended_is_made_anew() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let begun = machine.run(["login", &realm.url(), "--no-wait"], "");
    machine.run(["login", &realm.url(), "--complete", &way_back(&link(&out(&begun)))], "");
    realm.ledger().forget();
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    bridge.finish();
    let again = machine.run(["login", &realm.url(), "--no-wait"], "");
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert!(out(&again).contains("/authorize?"), "nobody is signed in any more: {again:?}");
}

#[test]
fn a_wrong_address_is_no_server_without_logins() {
    let upstream = Upstream::start(|exchange| exchange.plain("404 Not Found", ""));
    let output = Machine::unattended().run(["login", &upstream.url("/nowhere")], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("404"), "{output:?}");
}

#[test]
fn a_registration_that_is_refused_is_not_asked_for_by_every_request() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let refusal = ("403 Forbidden", r#"{"error":"access_denied"}"#);
    realm.rules().registration_faults.extend([refusal; 3]);
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    for id in ["1", "2", "3"] {
        let answer = bridge.ask(id, "tools/call", r#"{"name":"look","arguments":{}}"#);
        assert!(answer.contains("register"), "each hears why: {answer}");
    }
    assert_eq!(realm.rules().registration_faults.len(), 2, "the authorization server hears of it once");
    bridge.finish();
}

#[test]
fn already_signed_in_is_said_of_a_login_that_works() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    machine.logged_in(&realm).finish();
    let again = machine.run(["login", &realm.url()], "");
    assert!(out(&again).contains("already signed in"), "{again:?}");
    realm.ledger().refuse_access_tokens();
    let renewed = machine.run(["login", &realm.url()], "");
    assert!(out(&renewed).contains("already signed in"), "what can be renewed is: {renewed:?}");
    assert_eq!((realm.ledger().refreshes, machine.browser.tabs().len()), (1, 1));
    realm.ledger().forget();
    let anew = machine.run(["login", &realm.url()], "");
    assert!(!out(&anew).contains("already") && out(&anew).contains("signed in to"), "{anew:?}");
    assert_eq!(machine.browser.tabs().len(), 2, "a login that is over is made anew");
}

#[test]
fn status_tells_a_login_that_is_over_from_one_that_works() {
    for refreshable in [true, false] {
        let realm = Realm::start(Rules { refreshable, ..Rules::default() });
        let machine = Machine::attended();
        let mut bridge = machine.logged_in(&realm);
        let one = |machine: &Machine| json(&machine.run(["status", "--json"], ""))[0].clone();
        assert_eq!((&one(&machine)["state"], &one(&machine)["loggedIn"]), (&"signed_in".into(), &true.into()));
        assert_eq!(one(&machine)["server"], realm.url(), "the whole address");
        realm.ledger().forget();
        realm.rules().registration_faults.extend([("403 Forbidden", r#"{"error":"access_denied"}"#); 2]);
        bridge.ask("2", "tools/call", r#"{"name":"look"}"#);
        assert_eq!((&one(&machine)["state"], &one(&machine)["loggedIn"]), (&"ended".into(), &false.into()));
        let plain = out(&machine.run(["status"], ""));
        assert!(plain.contains("ended") && !plain.contains("signed in"), "{plain}");
        bridge.finish();
    }
}

#[test]
fn status_of_nothing_is_an_empty_list() {
    let nothing = Machine::unattended().run(["status", "--json"], "");
    assert_eq!(json(&nothing), Value::Array(Vec::new()));
}

#[test]
fn logout_gives_up_a_login_that_is_under_way() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    bridge.send(&request("7", "tools/call", r#"{"name":"look","arguments":{}}"#));
    let tab = machine.browser.tab(1);
    let output = machine.run(["logout", &realm.url()], "");
    assert!(out(&output).contains("given up"), "{output:?}");
    let answer = bridge.answer("7");
    assert!(answer.contains("logged out"), "who waits for it hears of it: {answer}");
    drop(follow(&tab));
    assert!(realm.ledger().token_requests.is_empty(), "the tab leads nowhere any more");
    bridge.finish();

    let begun = machine.run(["login", &realm.url(), "--no-wait"], "");
    let back = way_back(&link(&out(&begun)));
    machine.run(["logout", "--all"], "");
    let late = machine.run(["login", &realm.url(), "--complete", &back], "");
    assert_eq!(late.status.code(), Some(1), "a login that was given up is not completed: {late:?}");
    assert!(realm.ledger().token_requests.is_empty());
}

#[test]
fn the_address_of_a_login_to_be_completed_is_said_once() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let begun = machine.run(["login", &realm.url(), "--no-wait"], "");
    let all = format!("{}{}", out(&begun), err(&begun));
    assert_eq!(all.matches("/authorize?").count(), 1, "{all}");
}

#[test]
fn who_can_paste_is_told_so() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut login = machine.launch().args(["login", &realm.url(), "--no-browser"]).converse();
    let said = login.until("paste");
    login.say(&way_back(&link(&said)));
    assert_eq!(login.end().status.code(), Some(0));
}
