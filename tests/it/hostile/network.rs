//! A server that leads the bridge, or the browser of its user, to addresses inside the network of its user.
//!
//! The servers have no public address here: a SOCKS proxy resolves every name and leads to the one fake, so that the
//! bridge takes a name for a public server and an address for what it is.

use std::time::Duration;

use serde_json::json;

use crate::support::*;

/// What a hostile server puts an address into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `resource_metadata` of its challenge.
    Challenge,
    /// `authorization_servers` of its metadata.
    Issuer,
    /// A redirect of the authorization server's metadata.
    Redirect,
    /// `registration_endpoint`.
    Registration,
    /// `authorization_endpoint`: where the browser is sent.
    Page,
}

/// The MCP server and the authorization server `as.example`, with this URL in this place.
fn servers(place: Place, url: &str) -> Upstream {
    let url = url.to_owned();
    Upstream::start(move |call| {
        let own = format!("http://{}", call.header("host").unwrap());
        let at = |wanted: Place, normal: &str| if place == wanted { url.clone() } else { normal.to_owned() };
        let path = call.path().split('?').next().unwrap_or_default().to_owned();
        match path.as_str() {
            "/mcp" => {
                let metadata = at(Place::Challenge, &format!("{own}/.well-known/oauth-protected-resource/mcp"));
                let challenge = format!(r#"Bearer resource_metadata="{metadata}""#);
                call.respond("401 Unauthorized", &[("WWW-Authenticate", &challenge)], "");
            }
            "/.well-known/oauth-protected-resource/mcp" => {
                let issuer = at(Place::Issuer, "http://as.example");
                call.json(&json!({ "resource": format!("{own}/mcp"), "authorization_servers": [issuer] }).to_string());
            }
            "/.well-known/oauth-authorization-server" if place == Place::Redirect => {
                call.respond("302 Found", &[("Location", &url)], "");
            }
            "/.well-known/oauth-authorization-server" => call.json(
                &json!({
                    "issuer": own,
                    "authorization_endpoint": at(Place::Page, &format!("{own}/authorize")),
                    "token_endpoint": format!("{own}/token"),
                    "registration_endpoint": at(Place::Registration, &format!("{own}/register")),
                    "code_challenge_methods_supported": ["S256"],
                })
                .to_string(),
            ),
            _ => call.plain("404 Not Found", "marked-body-of-a-page-inside"),
        }
    })
}

/// Calls a tool of the server at `http://HOST/mcp` through a proxy that leads everything to `upstream`. Returns the
/// response, and the hosts that the proxy was asked for.
fn call(machine: &Machine, upstream: &Upstream, host: &str, more: &[&str]) -> (String, Vec<String>) {
    let proxy = Proxy::start(ProxyBehavior::Socks(None), &upstream.host());
    let address = format!("socks5h://{}", proxy.address());
    let launch = machine.launch().args(["--allow-http", "--proxy", &address]).arg(&format!("http://{host}/mcp"));
    let mut bridge = more.iter().fold(launch, |launch, argument| launch.arg(argument)).start();
    bridge.initialize();
    let answer = bridge.request("1", "tools/call", r#"{"name":"look","arguments":{}}"#);
    let ended = bridge.finish();
    assert!(!(answer.clone() + &ended.stderr).contains("marked-body"), "no body of such a request is quoted: {answer}");
    let hosts = proxy.targets().iter().map(|target| target.rsplit_once(':').unwrap().0.to_owned()).collect();
    (answer, hosts)
}

const METADATA_ADDRESSES: [&str; 6] = [
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "metadata.google.internal",
];

const OF_THIS_MACHINE: [&str; 5] = ["127.0.0.1:9", "localhost:9", "[::1]:9", "0.0.0.0:9", "[::ffff:127.0.0.1]:9"];

const PRIVATE: [&str; 4] = ["10.0.0.1", "192.168.1.1:8080", "100.64.0.1", "[fd12::1]"];

/// Asserts that this server cannot make the bridge request anything of this address.
#[track_caller]
fn is_never_asked(server: &str, place: Place, address: &str) {
    let (machine, upstream) = (Machine::with_user(), servers(place, &format!("http://{address}/inside")));
    let (answer, hosts) = call(&machine, &upstream, server, &[]);
    assert!(!answer.contains("looked"), "{answer}");
    let allowed = [server, "as.example"];
    assert!(hosts.iter().all(|host| allowed.contains(&host.as_str())), "{place:?} {address} of {server}: {hosts:?}");
}

#[test]
fn a_public_server_cannot_name_addresses_of_this_machine_or_its_network() {
    for address in METADATA_ADDRESSES.iter().chain(&OF_THIS_MACHINE).chain(&PRIVATE) {
        is_never_asked("mcp.example", Place::Issuer, address);
    }
    for place in [Place::Challenge, Place::Redirect, Place::Registration] {
        for address in ["169.254.169.254", "localhost:9", "10.0.0.1"] {
            is_never_asked("mcp.example", place, address);
        }
    }
}

#[test]
fn a_server_in_a_private_network_cannot_name_addresses_of_this_machine() {
    for address in ["169.254.169.254", "metadata.google.internal", "127.0.0.1:9", "localhost:9"] {
        is_never_asked("10.1.2.3", Place::Issuer, address);
    }
    let (machine, upstream) = (Machine::with_user(), servers(Place::Issuer, "http://10.9.9.9"));
    let (_, hosts) = call(&machine, &upstream, "10.1.2.3", &[]);
    assert!(hosts.contains(&"10.9.9.9".to_owned()), "its own network may have the authorization server: {hosts:?}");
}

#[test]
fn a_server_on_this_machine_cannot_name_metadata_addresses() {
    for address in METADATA_ADDRESSES.iter().filter(|address| !address.starts_with('m')) {
        is_never_asked("127.0.0.1", Place::Issuer, address);
    }
}

#[test]
fn a_name_that_is_resolved_here_for_a_proxy_is_checked() {
    let upstream = servers(Place::Issuer, "http://localhost:9");
    let proxy = Proxy::start(ProxyBehavior::Socks(None), &upstream.host());
    for kind in ["socks5", "socks5h"] {
        let machine = Machine::without_user();
        let address = format!("{kind}://{}", proxy.address());
        let mut bridge =
            machine.launch().args(["--allow-http", "--proxy", &address]).arg("http://93.184.216.34/mcp").start();
        bridge.initialize();
        let answer = bridge.request("1", "tools/call", r#"{"name":"look","arguments":{}}"#);
        assert!(answer.contains("localhost") && answer.contains("127.0.0.1"), "the refused address is named: {answer}");
        bridge.finish();
    }
    let targets = proxy.targets();
    assert!(targets.iter().all(|target| target.starts_with("93.184.216.34:")), "{targets:?}");
}

#[test]
fn the_users_own_address_may_not_be_a_metadata_address() {
    for host in ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16"] {
        let upstream = Upstream::well_behaved().may_receive_no_request();
        let proxy = Proxy::start(ProxyBehavior::Socks(None), &upstream.host());
        let address = format!("socks5h://{}", proxy.address());
        let bridge = Bridge::to(&format!("http://{host}/mcp")).args(["--allow-http", "--proxy", &address]);
        let answer = initialize_response(bridge);
        assert!(answer.contains("error") && proxy.targets().is_empty(), "{host}: {answer}");
    }
}

#[test]
fn a_public_server_cannot_send_the_browser_into_this_network_or_to_plain_http() {
    for page in [
        "http://as.example/authorize",
        "http://127.0.0.1:9/authorize",
        "http://localhost:9/authorize",
        "https://localhost:9/authorize",
        "https://app.localhost/authorize",
        "https://127.0.0.1/authorize",
        "https://[::1]/authorize",
        "https://10.0.0.1/authorize",
        "https://192.168.1.1/authorize",
        "https://[fd12::1]/authorize",
        "https://169.254.169.254/authorize",
        "https://0x7f.1/authorize",
        "https://2130706433/authorize",
    ] {
        let (machine, upstream) = (Machine::without_user(), servers(Place::Page, page));
        let (answer, _) = call(&machine, &upstream, "mcp.example", &["--client-id", "given"]);
        assert_eq!(machine.browser.tabs(), [""; 0], "{page}");
        assert!(!answer.contains(&format!("{page}?")), "nor is the person sent there: {answer}");
    }
}

#[test]
fn initialize_alone_sends_no_browser_to_a_host_that_the_person_has_never_seen() {
    let (machine, upstream) =
        (Machine::without_user(), servers(Place::Page, "https://login.elsewhere.example/authorize"));
    let proxy = Proxy::start(ProxyBehavior::Socks(None), &upstream.host());
    let address = format!("socks5h://{}", proxy.address());
    let mut bridge = machine
        .launch()
        .args(["--allow-http", "--proxy", &address, "--client-id", "given"])
        .arg("http://mcp.example/mcp")
        .start();
    bridge.initialize();
    // Longer than a client must stay for a tab of its server's own host.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(machine.browser.tabs(), [""; 0], "a client that only starts opens no tab there");
    bridge.request("1", "tools/list", "{}");
    let url = Tab::default().start(&machine.browser.tab(1));
    assert!(url.starts_with("https://login.elsewhere.example/authorize?"), "{url}");
    bridge.finish();
}
