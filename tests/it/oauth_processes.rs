//! Many programs on one machine share one login: each step happens once although all of them need it.

use std::time::Duration;

use crate::support::*;

/// Five bridges with open sessions.
fn five_bridges(machine: &Machine, servers: &OauthServers) -> Vec<Bridge> {
    let mut bridges: Vec<_> = (0..5).map(|_| machine.bridge(servers).start()).collect();
    for bridge in &mut bridges {
        bridge.initialize();
    }
    bridges
}

/// All bridges call at once, and each gets its own result.
#[track_caller]
fn all_calls_succeed(bridges: &mut [Bridge], id: &str) {
    for bridge in bridges.iter_mut() {
        bridge.send(&request(id, "tools/call", r#"{"name":"look"}"#));
    }
    for bridge in bridges {
        let answer = bridge.response(id);
        assert!(answer.contains("looked"), "every call gets its result: {answer}");
    }
}

#[test]
fn five_processes_share_one_tab_and_one_registration() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridges = five_bridges(&machine, &servers);
    all_calls_succeed(&mut bridges, "1");
    let records = servers.records();
    let counts = (machine.browser.tabs().len(), records.registrations.len(), records.token_requests.len());
    assert_eq!(counts, (1, 1, 1), "tabs, registrations, token requests");
}

#[test]
fn a_401_in_five_processes_causes_one_refresh() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridges = five_bridges(&machine, &servers);
    all_calls_succeed(&mut bridges, "1");
    for round in 1..=3 {
        servers.records().invalidate_access_tokens();
        all_calls_succeed(&mut bridges, &format!("{}", round + 1));
        let records = servers.records();
        assert_eq!((records.refreshes, records.reuses), (round, 0), "refreshes, reuses");
    }
    assert_eq!(machine.browser.tabs().len(), 1);
}

#[test]
fn a_missing_scope_in_five_processes_opens_one_more_tab() {
    let servers = OauthServers::start(Rules {
        challenge: r#", scope="read""#.to_owned(),
        required_scope: |method| (method == "tools/call").then_some("write"),
        ..Rules::default()
    });
    let machine = Machine::with_user();
    let mut first = machine.bridge(&servers).start();
    first.initialize();
    first.request("1", "resources/read", r#"{"uri":"note:1"}"#);
    first.finish();
    assert_eq!(machine.browser.tabs().len(), 1, "one login for the scope read");
    all_calls_succeed(&mut five_bridges(&machine, &servers), "1");
    assert_eq!(machine.browser.tabs().len(), 2, "one step-up for all processes");
}

#[test]
fn transient_errors_of_the_token_endpoint_do_not_end_the_login() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridges = five_bridges(&machine, &servers);
    all_calls_succeed(&mut bridges, "1");
    servers.records().invalidate_access_tokens();
    servers.queue_token_faults([Fault::Answer("500 Internal Server Error", "the database is away"), Fault::Cut]);
    all_calls_succeed(&mut bridges, "2");
    let records = servers.records();
    assert_eq!((records.refreshes, records.reuses, machine.browser.tabs().len()), (1, 0, 1));
}

#[test]
fn a_refresh_with_a_lost_response_is_repeated_within_the_grace_period() {
    let servers = OauthServers::start(Rules { grace: Duration::from_secs(30), ..Rules::default() });
    let machine = Machine::with_user();
    let mut bridges = five_bridges(&machine, &servers);
    all_calls_succeed(&mut bridges, "1");
    servers.records().invalidate_access_tokens();
    servers.queue_token_faults([Fault::LostResponse]);
    all_calls_succeed(&mut bridges, "2");
    let records = servers.records();
    assert_eq!((records.refreshes, records.reuses, machine.browser.tabs().len()), (2, 0, 1));
}

#[test]
fn a_refresh_lost_beyond_the_grace_period_causes_one_new_login() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridges = five_bridges(&machine, &servers);
    all_calls_succeed(&mut bridges, "1");
    servers.records().invalidate_access_tokens();
    servers.queue_token_faults([Fault::LostResponse]);
    all_calls_succeed(&mut bridges, "2");
    let counts = (machine.browser.tabs().len(), servers.records().registrations.len());
    assert_eq!(counts, (2, 1), "tabs, registrations");
}

#[test]
fn another_process_completes_the_tab_of_a_killed_process() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut owner = machine.bridge(&servers).start();
    owner.initialize();
    owner.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    let tab = machine.browser.tab(1);
    let mut others = vec![machine.bridge(&servers).start(), machine.bridge(&servers).start()];
    for other in &mut others {
        other.initialize();
        other.send(&request("1", "tools/call", r#"{"name":"look"}"#));
    }
    owner.kill();
    assert_eq!(follow_when_reachable(&tab).status, 200, "a process listens at the callback again");
    for other in &mut others {
        assert!(other.response("1").contains("looked"));
    }
    assert_eq!(machine.browser.tabs().len(), 1, "the open tab is used");
}

#[test]
fn another_process_completes_a_login_killed_after_the_callback() {
    for (spent, tabs) in [(false, 1), (true, 2)] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
        let mut owner = machine.bridge(&servers).start();
        owner.initialize();
        owner.send(&request("1", "tools/call", r#"{"name":"look"}"#));
        let tab = machine.browser.tab(1);
        let mut other = machine.bridge(&servers).start();
        other.initialize();
        other.send(&request("1", "tools/call", r#"{"name":"look"}"#));
        servers.queue_token_faults([Fault::Held]);
        // The page of the killed process never comes.
        let browser = std::thread::spawn(move || drop(follow(&tab)));
        let held = servers.issuer.take("other");
        if spent {
            servers.queue_token_faults([Fault::Answer("400 Bad Request", r#"{"error":"invalid_grant"}"#)]);
        }
        owner.kill();
        held.cut();
        browser.join().unwrap();
        if spent {
            assert_eq!(follow_when_reachable(&machine.browser.tab(2)).status, 200, "a new tab opens at once");
        }
        assert!(other.response("1").contains("looked"));
        assert_eq!(machine.browser.tabs().len(), tabs, "another tab opens only when the code is no longer valid");
    }
}

#[test]
fn another_process_completes_the_refresh_of_a_killed_process() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridges = five_bridges(&machine, &servers);
    all_calls_succeed(&mut bridges, "1");
    servers.records().invalidate_access_tokens();
    servers.queue_token_faults([Fault::Held]);
    let mut owner = bridges.remove(0);
    owner.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    let held = servers.issuer.take("other");
    owner.kill();
    held.cut();
    all_calls_succeed(&mut bridges, "2");
    let records = servers.records();
    assert_eq!((records.refreshes, records.reuses, machine.browser.tabs().len()), (1, 0, 1));
}

#[test]
fn a_refresh_in_flight_completes_after_the_end_of_stdin() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    servers.records().invalidate_access_tokens();
    servers.queue_token_faults([Fault::Slow(Duration::from_millis(700))]);
    bridge.send(&request("2", "tools/call", r#"{"name":"look"}"#));
    servers.issuer.wait_for("other", 3);
    bridge.cancel("2");
    bridge.finish();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    let records = servers.records();
    assert_eq!(
        (records.refreshes, records.reuses, machine.browser.tabs().len()),
        (1, 0, 1),
        "the refreshed tokens are stored"
    );
}

#[test]
fn a_logout_is_not_undone_by_a_refresh_in_flight() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    servers.records().invalidate_access_tokens();
    servers.queue_token_faults([Fault::Slow(Duration::from_millis(700))]);
    bridge.send(&request("2", "resources/read", r#"{"uri":"note:1"}"#));
    servers.issuer.wait_for("other", 3);
    let output = machine.run(["logout", &servers.url()], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    bridge.cancel("2");
    bridge.finish();
    let status = machine.run(["status", &servers.url(), "--json"], "");
    assert!(!String::from_utf8_lossy(&status.stdout).contains("expires_in"), "{status:?}");
    assert!(!servers.records().revocations.is_empty(), "a logout revokes the tokens");
}

#[test]
fn a_server_that_lost_its_database_causes_one_registration_and_one_tab() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridges = five_bridges(&machine, &servers);
    all_calls_succeed(&mut bridges, "1");
    servers.records().lose_database();
    servers.queue_token_faults([Fault::Answer("401 Unauthorized", r#"{"error":"invalid_client"}"#)]);
    all_calls_succeed(&mut bridges, "2");
    assert_eq!(
        (machine.browser.tabs().len(), servers.records().registrations.len()),
        (2, 1),
        "tabs, new registrations"
    );
}
