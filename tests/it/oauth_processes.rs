//! Many programs on one machine, one login: what happens once although all of them want it.

use std::time::Duration;

use crate::support::*;

/// Five bridges that have shaken hands.
fn five(machine: &Machine, realm: &Realm) -> Vec<Bridge> {
    let mut bridges: Vec<_> = (0..5).map(|_| machine.bridge(realm).start()).collect();
    for bridge in &mut bridges {
        bridge.shake_hands();
    }
    bridges
}

/// All of them call at once, and each hears its own result.
#[track_caller]
fn all_look(bridges: &mut [Bridge], id: &str) {
    for bridge in bridges.iter_mut() {
        bridge.send(&request(id, "tools/call", r#"{"name":"look"}"#));
    }
    for bridge in bridges {
        let answer = bridge.answer(id);
        assert!(answer.contains("looked"), "every call is answered with its result: {answer}");
    }
}

#[test]
fn five_at_once_are_one_tab_and_one_registration() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridges = five(&machine, &realm);
    all_look(&mut bridges, "1");
    let ledger = realm.ledger();
    let counts = (machine.browser.tabs().len(), ledger.registrations.len(), ledger.token_requests.len());
    assert_eq!(counts, (1, 1, 1), "tabs, registrations, token requests");
}

#[test]
fn a_refusal_in_all_five_is_one_refresh() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridges = five(&machine, &realm);
    all_look(&mut bridges, "1");
    for round in 1..=3 {
        realm.ledger().refuse_access_tokens();
        all_look(&mut bridges, &format!("{}", round + 1));
        let ledger = realm.ledger();
        assert_eq!((ledger.refreshes, ledger.reuses), (round, 0), "refreshes, reuses");
    }
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn a_missing_scope_in_all_five_is_one_more_tab() {
    let realm = Realm::start(Rules {
        challenge: r#", scope="read""#.to_owned(),
        needs: |method| (method == "tools/call").then_some("write"),
        ..Rules::default()
    });
    let machine = Machine::attended();
    let mut first = machine.bridge(&realm).start();
    first.shake_hands();
    first.ask("1", "resources/read", r#"{"uri":"note:1"}"#);
    first.finish();
    assert_eq!(machine.browser.tabs().len(), 1, "logged in for reading");
    all_look(&mut five(&machine, &realm), "1");
    assert_eq!(machine.browser.tabs().len(), 2, "one step up for all");
}

#[test]
fn a_500_and_a_cut_at_the_token_endpoint_end_no_login() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridges = five(&machine, &realm);
    all_look(&mut bridges, "1");
    realm.ledger().refuse_access_tokens();
    realm.meets([Fault::Answer("500 Internal Server Error", "the database is away"), Fault::Cut]);
    all_look(&mut bridges, "2");
    let ledger = realm.ledger();
    assert_eq!((ledger.refreshes, ledger.reuses, machine.browser.tabs().len()), (1, 0, 1));
}

#[test]
fn a_refresh_whose_answer_was_lost_is_sent_again_while_it_is_forgiven() {
    let realm = Realm::start(Rules { grace: Duration::from_secs(30), ..Rules::default() });
    let machine = Machine::attended();
    let mut bridges = five(&machine, &realm);
    all_look(&mut bridges, "1");
    realm.ledger().refuse_access_tokens();
    realm.meets([Fault::LostAnswer]);
    all_look(&mut bridges, "2");
    let ledger = realm.ledger();
    assert_eq!((ledger.refreshes, ledger.reuses, machine.browser.tabs().len()), (2, 0, 1));
}

#[test]
fn a_refresh_whose_answer_was_lost_for_good_is_one_new_login() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridges = five(&machine, &realm);
    all_look(&mut bridges, "1");
    realm.ledger().refuse_access_tokens();
    realm.meets([Fault::LostAnswer]);
    all_look(&mut bridges, "2");
    let counts = (machine.browser.tabs().len(), realm.ledger().registrations.len());
    assert_eq!(counts, (2, 1), "tabs, registrations");
}

#[test]
fn the_tab_of_an_owner_that_was_killed_is_finished_by_another() {
    let (realm, machine) = (Realm::usual(), Machine::unattended());
    let mut owner = machine.bridge(&realm).start();
    owner.shake_hands();
    owner.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    let tab = machine.browser.tab(1);
    let mut others = vec![machine.bridge(&realm).start(), machine.bridge(&realm).start()];
    for other in &mut others {
        other.shake_hands();
        other.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    }
    owner.kill();
    assert_eq!(follow_when_heard(&tab).status, 200, "somebody listens for the tab again");
    for other in &mut others {
        assert!(other.answer("1").contains("looked"));
    }
    assert_eq!(machine.browser.tabs().len(), 1, "the tab that is open is used");
}

#[test]
fn a_login_whose_owner_was_killed_when_the_browser_had_come_back_is_finished_by_another() {
    for (spent, tabs) in [(false, 1), (true, 2)] {
        let (realm, machine) = (Realm::usual(), Machine::unattended());
        let mut owner = machine.bridge(&realm).start();
        owner.shake_hands();
        owner.send(&request("1", "tools/call", r#"{"name":"look"}"#));
        let tab = machine.browser.tab(1);
        let mut other = machine.bridge(&realm).start();
        other.shake_hands();
        other.send(&request("1", "tools/call", r#"{"name":"look"}"#));
        realm.meets([Fault::Held]);
        let browser = std::thread::spawn(move || drop(std::panic::catch_unwind(|| follow_when_heard(&tab))));
        let held = realm.issuer.take("other");
        if spent {
            realm.meets([Fault::Answer("400 Bad Request", r#"{"error":"invalid_grant"}"#)]);
        }
        owner.kill();
        held.cut();
        browser.join().unwrap();
        if spent {
            assert_eq!(follow_when_heard(&machine.browser.tab(2)).status, 200, "a new tab, at once");
        }
        assert!(other.answer("1").contains("looked"));
        assert_eq!(machine.browser.tabs().len(), tabs, "another tab only where the code was worth nothing any more");
    }
}

#[test]
fn a_refresh_whose_owner_was_killed_is_done_by_the_next() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridges = five(&machine, &realm);
    all_look(&mut bridges, "1");
    realm.ledger().refuse_access_tokens();
    realm.meets([Fault::Held]);
    let mut owner = bridges.remove(0);
    owner.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    let held = realm.issuer.take("other");
    owner.kill();
    held.cut();
    all_look(&mut bridges, "2");
    let ledger = realm.ledger();
    assert_eq!((ledger.refreshes, ledger.reuses, machine.browser.tabs().len()), (1, 0, 1));
}

#[test]
fn a_refresh_in_flight_outlives_the_end_of_stdin() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.logged_in(&realm);
    realm.ledger().refuse_access_tokens();
    realm.meets([Fault::Slow(Duration::from_millis(700))]);
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    realm.issuer.wait_for("other", 3);
    bridge.cancel("2");
    bridge.finish();
    let mut bridge = machine.bridge(&realm).start();
    bridge.shake_hands();
    looks(&mut bridge, "1");
    bridge.finish();
    let ledger = realm.ledger();
    assert_eq!((ledger.refreshes, ledger.reuses, machine.browser.tabs().len()), (1, 0, 1), "what was renewed was kept");
}

#[test]
fn a_logout_is_not_undone_by_a_refresh_in_flight() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridge = machine.logged_in(&realm);
    realm.ledger().refuse_access_tokens();
    realm.meets([Fault::Slow(Duration::from_millis(700))]);
    bridge.send(&request("2", "resources/read", r#"{"uri":"note:1"}"#));
    realm.issuer.wait_for("other", 3);
    let output = machine.run(["logout", &realm.url()], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    bridge.cancel("2");
    bridge.finish();
    let status = machine.run(["status", &realm.url(), "--json"], "");
    assert!(!String::from_utf8_lossy(&status.stdout).contains("expires_in"), "{status:?}");
    assert!(!realm.ledger().revocations.is_empty(), "a logout tells the server");
}

#[test]
fn a_server_that_forgot_everything_is_one_registration_and_one_tab() {
    let (realm, machine) = (Realm::usual(), Machine::attended());
    let mut bridges = five(&machine, &realm);
    all_look(&mut bridges, "1");
    realm.ledger().forget();
    realm.meets([Fault::Answer("401 Unauthorized", r#"{"error":"invalid_client"}"#)]);
    all_look(&mut bridges, "2");
    assert_eq!((machine.browser.tabs().len(), realm.ledger().registrations.len()), (2, 1), "tabs, new registrations");
}
