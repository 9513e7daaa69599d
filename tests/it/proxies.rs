//! Through a proxy, or past it: as flags, environment and manners say.

use crate::support::*;

/// A name that only the proxy can have led to an upstream.
const ELSEWHERE: &str = "http://mcp.example:8765/mcp";

/// What a request is told when the server is not reached, for good or for now.
fn trouble(launch: Launch) -> String {
    let mut bridge = launch.args(["--patience", "0.6"]).startup_wait("0.1").start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    let told = bridge.ask("2", "tools/list", "{}");
    bridge.finish();
    told
}

fn to_elsewhere() -> Launch {
    Bridge::to(ELSEWHERE).arg("--allow-http")
}

#[test]
fn a_plain_http_request_goes_to_the_proxy_whole() {
    let proxy = Upstream::start(|call| {
        assert!(call.path().starts_with("http://mcp.example:8765/mcp"), "the whole address: {}", call.path());
        assert_eq!(call.header("host"), Some("mcp.example:8765"));
        assert_eq!(call.header("proxy-authorization"), Some("Basic dXNlcjpwYSBzcw=="), "decoded from the URL");
        call.usual();
    });
    let url = format!("http://user:pa%20ss@{}", proxy.host());
    for launch in [to_elsewhere().args(["--proxy", &url]), to_elsewhere().env("HTTP_PROXY", &url)] {
        let mut bridge = launch.secret("pa ss").start();
        bridge.shake_hands();
        bridge.still_works();
        bridge.finish();
    }
}

#[test]
fn a_proxy_that_ends_each_connection_after_one_answer_without_saying_so_loses_no_call() {
    let proxy = Upstream::start(|call| call.the_last().usual());
    let mut bridge = to_elsewhere().args(["--proxy", &proxy.host()]).start();
    bridge.shake_hands();
    for id in ["11", "12", "13"] {
        let answer = bridge.ask(id, "tools/call", r#"{"name":"pay"}"#);
        assert!(answer.contains(r#""result""#), "a call must not go over a connection that may have ended: {answer}");
    }
    bridge.finish();
    assert_eq!(proxy.count("tools/call"), 3, "and must not be made twice");
}

#[test]
fn an_https_request_goes_through_a_tunnel() {
    for scheme in ["http", "socks5h", "socks5"] {
        let server = Https::start(&["mcp.example"]);
        let authority = server.authority.file();
        let manner = if scheme == "http" { Manner::Connect(None) } else { Manner::Socks(None) };
        let proxy = Proxy::start(manner, &format!("127.0.0.1:{}", server.port));
        let answer = first_answer(
            Bridge::to("https://mcp.example/mcp")
                .args(["--ca-cert", path(&authority)])
                .env("https_proxy", &format!("{scheme}://{}", proxy.address())),
        );
        assert!(answer.contains(r#""over":"TLS","target":"/mcp""#), "{scheme}: {answer}");
        assert_eq!(
            proxy.asked().first().map(String::as_str),
            Some("mcp.example:443"),
            "{scheme}: the proxy knows the name"
        );
    }
}

#[test]
fn a_socks_proxy_carries_plain_http_too() {
    let upstream = Upstream::start(|call| {
        assert_eq!(call.header("proxy-authorization"), None, "the password is for the proxy alone");
        assert_eq!(call.path(), "/mcp");
        call.usual();
    });
    let proxy = Proxy::start(Manner::Socks(Some(("user", "p@ss-word"))), &upstream.host());
    let url = format!("socks5h://user:p%40ss-word@{}", proxy.address());
    let mut bridge = to_elsewhere().args(["--proxy", &url]).secret("p@ss-word").start();
    bridge.shake_hands();
    bridge.still_works();
    bridge.finish();
    assert!(proxy.asked().iter().all(|asked| asked == "mcp.example:8765"), "{:?}", proxy.asked());
}

#[test]
fn a_tunnel_may_lead_through_tls() {
    let server = Https::start(&["mcp.example"]);
    let (config, _) = Https::config(&server.authority, &["localhost"], |_| {});
    let proxy = Proxy::start(Manner::Tls(config), &format!("127.0.0.1:{}", server.port));
    let authority = server.authority.file();
    let url = format!("https://localhost:{}", proxy.address().rsplit(':').next().unwrap());
    let answer =
        first_answer(Bridge::to("https://mcp.example/mcp").args(["--ca-cert", path(&authority), "--proxy", &url]));
    assert!(answer.contains(r#""over":"TLS""#), "{answer}");
    assert_eq!(proxy.asked().first().map(String::as_str), Some("mcp.example:443"));
}

#[test]
fn this_machine_and_exceptions_are_reached_without_the_environment_s_proxy() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::to(&upstream.url("/mcp")).env("ALL_PROXY", "http://127.0.0.1:9").start();
    bridge.shake_hands();
    bridge.finish();
    let proxy = Upstream::usual().may_stay_unasked();
    let through = |launch: Launch| trouble(launch.env("ALL_PROXY", &format!("http://{}", proxy.host())));
    for launch in [
        to_elsewhere().env("NO_PROXY", "other.example,.example"),
        to_elsewhere().arg("--no-proxy"),
        to_elsewhere().env("NO_PROXY", "*"),
    ] {
        says(&through(launch), &["mcp.example"]);
    }
    assert!(proxy.requests().is_empty(), "the proxy saw {:?}", proxy.kinds());
}

#[test]
fn an_explicit_proxy_is_for_this_machine_too() {
    let upstream = Upstream::usual();
    let proxy = Proxy::start(Manner::Socks(None), &upstream.host());
    let url = format!("socks5h://{}", proxy.address());
    let mut bridge = Bridge::to("http://localhost:1/mcp").args(["--proxy", &url]).env("NO_PROXY", "localhost").start();
    bridge.shake_hands();
    bridge.finish();
    assert_eq!(proxy.asked().first().map(String::as_str), Some("localhost:1"));
}

#[test]
fn a_proxy_that_wants_a_password_says_so() {
    let proxy = Proxy::start(Manner::Connect(Some("Basic dXNlcjpyaWdodC1vbmU=")), "127.0.0.1:9");
    let bridge =
        |url: &str| first_answer(Bridge::to("https://mcp.example/mcp").env("HTTPS_PROXY", url).secret("wrong-one"));
    let named = format!("the proxy http://{} (from HTTPS_PROXY)", proxy.address());
    let without = bridge(&format!("http://{}", proxy.address()));
    says(&without, &["https://mcp.example", &named, "requires a user name and password (407)", "USER:PASSWORD@"]);
    let wrong = bridge(&format!("http://user:wrong-one@{}", proxy.address()));
    says(&wrong, &[&named, "does not accept the user name and password in its address (407)"]);
    let passing = Upstream::start(|call| {
        call.respond("407 Proxy Authentication Required", &[("Proxy-Authenticate", "Basic realm=\"x\"")], "no");
    });
    let plain = first_answer(to_elsewhere().args(["--proxy", &passing.host()]));
    says(&plain, &[&passing.host(), "(from --proxy)", "requires a user name and password (407)"]);
}

#[test]
fn socks_passwords_are_asked_for_in_words() {
    let proxy = Proxy::start(Manner::Socks(Some(("user", "right-one"))), "127.0.0.1:9");
    let bridge = |credentials: &str| {
        first_answer(to_elsewhere().args(["--proxy", &format!("socks5://{credentials}{}", proxy.address())]))
    };
    says(&bridge(""), &["proxy socks5://", "requires a user name and password", "socks5h://USER:PASSWORD@"]);
    says(&bridge("user:wrong-one@"), &["does not accept the user name and password"]);
}

#[test]
fn other_refusals_are_told_with_what_they_say() {
    for (manner, scheme, words) in [
        (Manner::Refuses("HTTP/1.1 403 Forbidden\r\n\r\n"), "http", "refuses to connect to it (403 Forbidden)"),
        (Manner::Refuses("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "http", "refuses to connect to it (502 Bad Gateway)"),
        (
            Manner::Refuses("HTTP/1.1 407 x\r\nProxy-Authenticate: NTLM\r\n\r\n"),
            "http",
            "requires a login by NTLM (407)",
        ),
        (Manner::Refuses("HTTP/1.1 401 Unauthorized\r\n\r\n"), "http", "requires a user name and password (401)"),
        (Manner::Refuses("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "http", "does not answer as an HTTP proxy does"),
        (Manner::SocksRefuses(2), "socks5h", "does not allow connections to it"),
        (Manner::SocksRefuses(4), "socks5h", "finds no such host"),
    ] {
        let proxy = Proxy::start(manner, "127.0.0.1:9");
        let url = format!("{scheme}://{}", proxy.address());
        let launch = Bridge::to("https://mcp.example/mcp").args(["--proxy", &url]);
        says(&trouble(launch), &["https://mcp.example", &url, words]);
    }
}

#[test]
fn a_proxy_out_of_reach_is_named_as_the_proxy() {
    let upstream = Upstream::offline(Exchange::usual).may_stay_unasked();
    let answer = trouble(Bridge::to("https://mcp.example/mcp").args(["--proxy", &upstream.host()]));
    says(&answer, &["the proxy", &upstream.host(), "cannot be reached", "refused"]);
}

#[test]
fn a_proxy_that_says_nothing_has_its_time() {
    let proxy = Proxy::start(Manner::Silent, "127.0.0.1:9");
    for scheme in ["http", "socks5h"] {
        let url = format!("{scheme}://{}", proxy.address());
        let launch = Bridge::to("https://mcp.example/mcp");
        let answer = trouble(launch.args(["--connect-timeout", "0.3", "--proxy", &url]));
        says(&answer, &[&url, "0.3 seconds"]);
    }
}

#[test]
fn a_malformed_proxy_is_told_without_its_text() {
    let answer =
        first_answer(to_elsewhere().env("HTTP_PROXY", "gopher://user:marked-secret@host:1").secret("marked-secret"));
    says(&answer, &["HTTP_PROXY", "http, https, socks5 or socks5h"]);
    let mut bridge =
        to_elsewhere().args(["--proxy", "gopher://user:marked-secret@host:1"]).secret("marked-secret").start();
    let ended = bridge.ended();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("--proxy") && !ended.stderr.contains("marked-secret"), "{}", ended.stderr);
}
