//! Connections through a proxy or past it, as options and environment say.

use crate::support::*;

/// A host name that only the proxy can resolve.
const ELSEWHERE: &str = "http://mcp.example:8765/mcp";

/// The error response of a request when the server cannot be reached.
fn connection_error(launch: Launch) -> String {
    let mut bridge = launch.args(["--patience", "0.6"]).startup_wait("0.1").start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    let answer = bridge.request("2", "tools/list", "{}");
    bridge.finish();
    answer
}

fn bridge_to_remote_host() -> Launch {
    Bridge::to(ELSEWHERE).arg("--allow-http")
}

#[test]
fn a_plain_http_request_reaches_the_proxy_with_its_absolute_url() {
    let proxy = Upstream::start(|call| {
        assert!(call.path().starts_with("http://mcp.example:8765/mcp"), "the full URL: {}", call.path());
        assert_eq!(call.header("host"), Some("mcp.example:8765"));
        assert_eq!(
            call.header("proxy-authorization"),
            Some("Basic dXNlcjpwYSBzcw=="),
            "the credentials come from the URL"
        );
        call.respond_normally();
    });
    let url = format!("http://user:pa%20ss@{}", proxy.host());
    for launch in [bridge_to_remote_host().args(["--proxy", &url]), bridge_to_remote_host().env("HTTP_PROXY", &url)] {
        let mut bridge = launch.secret("pa ss").start();
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
    }
}

#[test]
fn a_proxy_that_closes_connections_without_notice_loses_no_call() {
    let proxy = Upstream::start(|call| call.lose_next_request().respond_normally());
    let mut bridge = bridge_to_remote_host().args(["--proxy", &proxy.host()]).start();
    bridge.initialize();
    for id in ["11", "12", "13"] {
        let answer = bridge.request(id, "tools/call", r#"{"name":"pay"}"#);
        assert!(answer.contains(r#""result""#), "a call must not go over a connection that may have ended: {answer}");
    }
    bridge.finish();
    assert_eq!(proxy.count("tools/call"), 3, "no call is sent twice");
}

#[test]
fn an_https_request_uses_a_connect_tunnel() {
    for scheme in ["http", "socks5h", "socks5"] {
        let server = Https::start(&["mcp.example"]);
        let authority = server.authority.file();
        let behavior = if scheme == "http" { ProxyBehavior::Connect(None) } else { ProxyBehavior::Socks(None) };
        let proxy = Proxy::start(behavior, &format!("127.0.0.1:{}", server.port));
        let answer = initialize_response(
            Bridge::to("https://mcp.example/mcp")
                .args(["--ca-cert", path(&authority)])
                .env("https_proxy", &format!("{scheme}://{}", proxy.address())),
        );
        assert!(answer.contains(r#""over":"TLS","target":"/mcp""#), "{scheme}: {answer}");
        assert_eq!(
            proxy.targets().first().map(String::as_str),
            Some("mcp.example:443"),
            "{scheme}: the proxy gets the host name"
        );
    }
}

#[test]
fn a_socks_proxy_carries_plain_http() {
    let upstream = Upstream::start(|call| {
        assert_eq!(call.header("proxy-authorization"), None, "the password is only for the proxy");
        assert_eq!(call.path(), "/mcp");
        call.respond_normally();
    });
    let proxy = Proxy::start(ProxyBehavior::Socks(Some(("user", "p@ss-word"))), &upstream.host());
    let url = format!("socks5h://user:p%40ss-word@{}", proxy.address());
    let mut bridge = bridge_to_remote_host().args(["--proxy", &url]).secret("p@ss-word").start();
    bridge.initialize();
    bridge.still_works();
    bridge.finish();
    assert!(proxy.targets().iter().all(|target| target == "mcp.example:8765"), "{:?}", proxy.targets());
}

#[test]
fn the_connection_to_the_proxy_may_use_tls() {
    let server = Https::start(&["mcp.example"]);
    let (config, _) = Https::config(&server.authority, &["localhost"], |_| {});
    let proxy = Proxy::start(ProxyBehavior::Tls(config), &format!("127.0.0.1:{}", server.port));
    let authority = server.authority.file();
    let url = format!("https://localhost:{}", proxy.address().rsplit(':').next().unwrap());
    let answer = initialize_response(Bridge::to("https://mcp.example/mcp").args([
        "--ca-cert",
        path(&authority),
        "--proxy",
        &url,
    ]));
    assert!(answer.contains(r#""over":"TLS""#), "{answer}");
    assert_eq!(proxy.targets().first().map(String::as_str), Some("mcp.example:443"));
}

#[test]
fn loopback_and_no_proxy_hosts_bypass_the_proxy_of_the_environment() {
    let upstream = Upstream::well_behaved();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).env("ALL_PROXY", "http://127.0.0.1:9").start();
    bridge.initialize();
    bridge.finish();
    let proxy = Upstream::well_behaved().may_receive_no_request();
    let through = |launch: Launch| connection_error(launch.env("ALL_PROXY", &format!("http://{}", proxy.host())));
    for launch in [
        bridge_to_remote_host().env("NO_PROXY", "other.example,.example"),
        bridge_to_remote_host().arg("--no-proxy"),
        bridge_to_remote_host().env("NO_PROXY", "*"),
    ] {
        assert_error_mentions(&through(launch), &["mcp.example"]);
    }
    assert!(proxy.requests().is_empty(), "the proxy saw {:?}", proxy.kinds());
}

#[test]
fn an_explicit_proxy_also_applies_to_loopback() {
    let upstream = Upstream::well_behaved();
    let proxy = Proxy::start(ProxyBehavior::Socks(None), &upstream.host());
    let url = format!("socks5h://{}", proxy.address());
    let mut bridge = Bridge::to("http://localhost:1/mcp").args(["--proxy", &url]).env("NO_PROXY", "localhost").start();
    bridge.initialize();
    bridge.finish();
    assert_eq!(proxy.targets().first().map(String::as_str), Some("localhost:1"));
}

#[test]
fn a_proxy_that_requires_a_password_is_an_error_that_explains_how_to_give_it() {
    let proxy = Proxy::start(ProxyBehavior::Connect(Some("Basic dXNlcjpyaWdodC1vbmU=")), "127.0.0.1:9");
    let bridge = |url: &str| {
        initialize_response(Bridge::to("https://mcp.example/mcp").env("HTTPS_PROXY", url).secret("wrong-one"))
    };
    let named = format!("the proxy http://{} (from HTTPS_PROXY)", proxy.address());
    let without = bridge(&format!("http://{}", proxy.address()));
    assert_error_mentions(
        &without,
        &["https://mcp.example", &named, "requires a user name and password (407)", "USER:PASSWORD@"],
    );
    let wrong = bridge(&format!("http://user:wrong-one@{}", proxy.address()));
    assert_error_mentions(&wrong, &[&named, "does not accept the user name and password in its address (407)"]);
    let passing = Upstream::start(|call| {
        call.respond("407 Proxy Authentication Required", &[("Proxy-Authenticate", "Basic realm=\"x\"")], "no");
    });
    let plain = initialize_response(bridge_to_remote_host().args(["--proxy", &passing.host()]));
    assert_error_mentions(&plain, &[&passing.host(), "(from --proxy)", "requires a user name and password (407)"]);
}

#[test]
fn a_socks_proxy_that_requires_a_password_is_an_error_that_explains_how_to_give_it() {
    let proxy = Proxy::start(ProxyBehavior::Socks(Some(("user", "right-one"))), "127.0.0.1:9");
    let bridge = |credentials: &str| {
        initialize_response(
            bridge_to_remote_host().args(["--proxy", &format!("socks5://{credentials}{}", proxy.address())]),
        )
    };
    assert_error_mentions(
        &bridge(""),
        &["proxy socks5://", "requires a user name and password", "socks5h://USER:PASSWORD@"],
    );
    assert_error_mentions(&bridge("user:wrong-one@"), &["does not accept the user name and password"]);
}

#[test]
fn other_refusals_of_a_proxy_are_reported_with_their_cause() {
    for (behavior, scheme, words) in [
        (ProxyBehavior::Refuses("HTTP/1.1 403 Forbidden\r\n\r\n"), "http", "refuses to connect to it (403 Forbidden)"),
        (
            ProxyBehavior::Refuses("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            "http",
            "refuses to connect to it (502 Bad Gateway)",
        ),
        (
            ProxyBehavior::Refuses("HTTP/1.1 407 x\r\nProxy-Authenticate: NTLM\r\n\r\n"),
            "http",
            "requires a login by NTLM (407)",
        ),
        (
            ProxyBehavior::Refuses("HTTP/1.1 401 Unauthorized\r\n\r\n"),
            "http",
            "requires a user name and password (401)",
        ),
        (ProxyBehavior::Refuses("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "http", "does not answer as an HTTP proxy does"),
        (ProxyBehavior::SocksRefuses(2), "socks5h", "does not allow connections to it"),
        (ProxyBehavior::SocksRefuses(4), "socks5h", "finds no such host"),
    ] {
        let proxy = Proxy::start(behavior, "127.0.0.1:9");
        let url = format!("{scheme}://{}", proxy.address());
        let launch = Bridge::to("https://mcp.example/mcp").args(["--proxy", &url]);
        assert_error_mentions(&connection_error(launch), &["https://mcp.example", &url, words]);
    }
}

#[test]
fn an_unreachable_proxy_is_named_as_a_proxy() {
    let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    let answer = connection_error(Bridge::to("https://mcp.example/mcp").args(["--proxy", &upstream.host()]));
    assert_error_mentions(&answer, &["the proxy", &upstream.host(), "cannot be reached", "refused"]);
}

#[test]
fn a_silent_proxy_times_out() {
    let proxy = Proxy::start(ProxyBehavior::Silent, "127.0.0.1:9");
    for scheme in ["http", "socks5h"] {
        let url = format!("{scheme}://{}", proxy.address());
        let launch = Bridge::to("https://mcp.example/mcp");
        let answer = connection_error(launch.args(["--connect-timeout", "0.3", "--proxy", &url]));
        assert_error_mentions(&answer, &[&url, "0.3 seconds"]);
    }
}

#[test]
fn an_invalid_proxy_url_is_reported_without_its_text() {
    let answer = initialize_response(
        bridge_to_remote_host().env("HTTP_PROXY", "gopher://user:marked-secret@host:1").secret("marked-secret"),
    );
    assert_error_mentions(&answer, &["HTTP_PROXY", "http, https, socks5 or socks5h"]);
    let mut bridge =
        bridge_to_remote_host().args(["--proxy", "gopher://user:marked-secret@host:1"]).secret("marked-secret").start();
    let ended = bridge.wait_for_exit();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--proxy") && !ended.stderr.contains("marked-secret"), "{}", ended.stderr);
}
