//! Client ID metadata documents: when is their address the client id, and what if the server cannot use them?

use serde_json::{Value, json};

use crate::support::*;

const DOCUMENT: &str = "https://client.example/client-metadata.json";

/// Servers whose authorization server takes documents, with a registration endpoint or without one.
fn taking_documents(registers: bool, reads_no_document: bool) -> OauthServers {
    OauthServers::start(Rules {
        metadata: Box::new(move |metadata| {
            metadata["client_id_metadata_document_supported"] = json!(true);
            if !registers {
                metadata.as_object_mut().unwrap().remove("registration_endpoint");
            }
        }),
        odd: Oddities { reads_no_document, ..Oddities::default() },
        ..Rules::default()
    })
}

/// Logs in by a call, and returns the client id and the redirect URI of the last authorization request.
#[track_caller]
fn logged_in(servers: &OauthServers, machine: &Machine, arguments: &[&str]) -> (String, String) {
    let launch = arguments.iter().fold(machine.bridge(servers), |launch, argument| launch.arg(argument));
    let mut bridge = launch.start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    let records = servers.records();
    let (login, token) = (records.logins.last().unwrap(), records.token_requests.last().unwrap());
    for name in ["client_id", "redirect_uri"] {
        assert_eq!(parameter(login, name), parameter(token, name), "{name}");
    }
    (parameter(login, "client_id").unwrap(), parameter(login, "redirect_uri").unwrap())
}

/// Our document for releases.
fn published() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/client-metadata.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_address_of_a_document_is_the_client_id_and_the_document_has_the_redirect_uri() {
    for registers in [true, false] {
        let (servers, machine) = (taking_documents(registers, false), Machine::with_user());
        let (client, redirect) = logged_in(&servers, &machine, &["--client-metadata-url", DOCUMENT]);
        assert_eq!(client, DOCUMENT);
        assert!(servers.records().registrations.is_empty(), "nothing is registered");
        let listed = published()["redirect_uris"].as_array().unwrap().clone();
        assert!(listed.contains(&json!(redirect)), "some servers compare the port too: {redirect}");
        assert_eq!(machine.browser.tabs().len(), 1);
    }
}

#[test]
fn without_a_document_the_client_is_registered() {
    for (arguments, takes) in [(&[][..], false), (&["--client-metadata-url", "off"], true)] {
        let servers = if takes { taking_documents(true, false) } else { OauthServers::well_behaved() };
        let (client, _) = logged_in(&servers, &Machine::with_user(), arguments);
        assert_eq!((client.as_str(), servers.records().registrations.len()), ("client-1", 1), "{arguments:?}");
    }
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let (client, _) = logged_in(&servers, &machine, &["--client-metadata-url", DOCUMENT]);
    assert_eq!(client, "client-1", "a server that takes no documents never sees the address");
}

#[test]
fn a_document_that_the_server_cannot_read_leads_to_a_registration_and_opens_no_tab_in_vain() {
    let (servers, machine) = (taking_documents(true, true), Machine::with_user());
    let (client, _) = logged_in(&servers, &machine, &["--client-metadata-url", DOCUMENT]);
    assert_eq!((client.as_str(), machine.browser.tabs().len()), ("client-1", 1));
    let (servers, machine) = (taking_documents(false, true), Machine::with_user());
    let login = machine.run(["login", &servers.url(), "--client-metadata-url", DOCUMENT], "");
    assert_eq!((login.status.code(), machine.browser.tabs().len()), (Some(1), 0), "{login:?}");
    assert!(String::from_utf8_lossy(&login.stderr).contains("--client-id"), "{login:?}");
}

/// A build that is given the address uses it without an option; any other build sends none. A login that was made
/// without the document stays in use.
#[test]
fn only_a_release_has_a_document_of_its_own() {
    let (servers, machine) = (taking_documents(true, false), Machine::with_user());
    let release = option_env!("MCP_FERRY_CLIENT_METADATA_URL").filter(|url| !url.is_empty());
    let (client, _) = logged_in(&servers, &machine, &[]);
    assert_eq!(client, release.unwrap_or("client-1"));
    let (servers, machine) = (taking_documents(true, false), Machine::with_user());
    logged_in(&servers, &machine, &["--client-metadata-url", "off"]);
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    call_succeeds(&mut bridge, "1");
    bridge.finish();
    assert_eq!((servers.records().registrations.len(), machine.browser.tabs().len()), (1, 1));
}
