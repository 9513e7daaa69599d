//! What does `doctor` say where no request reaches the server? A row for each fault.

use rcgen::date_time_ymd;

use crate::support::*;

const PASSWORD: &str = "pass-planted-0815";

/// The launch of `doctor` with these arguments.
fn doctor(arguments: &[&str]) -> Launch {
    arguments.iter().fold(Bridge::bare().arg("doctor"), |launch, argument| launch.arg(argument))
}

#[track_caller]
fn assert_cause(found: &Diagnosis, code: &str, words: &[&str]) {
    assert_eq!((found.cause(), found.exit), (Some(code), 1), "{}", found.text);
    assert_eq!(found.json["failures"], 1, "what follows a failure is skipped: {}", found.text);
    let sentence = found.json["cause"]["sentence"].as_str().unwrap();
    for word in words {
        assert!(sentence.contains(word), "{code} names {word}: {sentence}");
    }
}

#[test]
fn an_address_that_is_none_is_a_cause() {
    for (url, code, words) in [
        ("mcp.example.com/mcp", "url.bad", "https://"),
        ("https://", "url.bad", "host"),
        ("https://mcp.example.com/${TENANT}/mcp", "url.bad", "TENANT"),
        ("ftp://mcp.example.com/mcp", "url.bad", "ftp"),
        ("https://user:pass-planted-0815@mcp.example.com/", "url.bad", "--header"),
        ("http://user:pass-planted-0815@mcp.example.com/", "url.bad", "--header"),
        ("http://mcp.example.com/mcp", "http.plain", "not encrypted"),
    ] {
        let found = diagnose(&[PASSWORD], || doctor(&[url]));
        assert!(found.text.contains("and all that follow: not reached"), "{}", found.text);
        assert!(!found.text.contains("one for null"), "{}", found.text);
        assert_cause(&found, code, &[words]);
    }
}

#[test]
fn an_option_that_cannot_be_used_is_a_cause_or_a_mistake_in_the_arguments() {
    let found = diagnose(&[], || doctor(&["https://localhost/mcp", "--ca-cert", "/no/such/file.pem"]));
    assert_cause(&found, "option.bad", &["/no/such/file.pem"]);
    let output = doctor(&["https://localhost/mcp", "--ipv4", "--ipv6"]).run("");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_name_that_nobody_knows_is_a_cause() {
    assert_cause(&diagnose(&[], || doctor(&["https://mcp.invalid/mcp"])), "net.dns", &["mcp.invalid"]);
}

#[test]
fn a_port_where_nobody_listens_is_a_cause() {
    let upstream = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    assert_cause(&diagnose(&[], || doctor(&[&upstream.url("/mcp")])), "net.refused", &[&upstream.host()]);
}

#[cfg(unix)]
#[test]
fn a_socket_without_a_server_is_a_cause() {
    let found = diagnose(&[], || doctor(&["unix:///no/such/mcp.sock#/mcp"]));
    assert_cause(&found, "net.refused", &["socket"]);
}

#[test]
fn a_server_that_is_slow_in_all_it_does_is_not_waited_for() {
    let upstream = Upstream::start(|call| match call.request.http_method.as_str() {
        "POST" => call.plain("404 Not Found", ""),
        _ => call.hold(),
    });
    assert_cause(&diagnose(&[], || doctor(&[&upstream.url("/api")])), "http.404", &["/api"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_does_not_answer_is_a_cause() {
    let (address, _hole) = hanging_address();
    let url = format!("http://{address}/mcp");
    let found = diagnose(&[], || doctor(&[&url, "--connect-timeout", "0.5"]));
    assert_cause(&found, "net.timeout", &["does not answer"]);
}

#[test]
fn an_option_may_exclude_all_addresses() {
    let found = diagnose(&[], || doctor(&["https://127.0.0.1/mcp", "--ipv6"]));
    assert_cause(&found, "net.address", &["--ipv6"]);
}

/// A server that sends these bytes to each client, whatever that says.
fn server_that_says(bytes: &'static [u8]) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            drop(std::io::Read::read(&mut client, &mut [0; 1024]));
            drop(std::io::Write::write_all(&mut client, bytes));
        }
    });
    address
}

#[test]
fn a_silent_proxy_is_a_cause() {
    let silent = Proxy::start(ProxyBehavior::Silent, "127.0.0.1:1");
    let found =
        diagnose(&[], || doctor(&["https://mcp.example/mcp", "--proxy", silent.address(), "--connect-timeout", "0.5"]));
    assert_cause(&found, "net.timeout", &["through the proxy"]);
}

#[test]
fn a_proxy_s_faults_are_told_apart() {
    let nobody = Upstream::offline(Exchange::respond_normally).may_receive_no_request();
    let wants_login = Proxy::start(ProxyBehavior::Connect(Some("Basic x")), "127.0.0.1:1");
    let refuses = Proxy::start(ProxyBehavior::Refuses("HTTP/1.1 403 Forbidden\r\n\r\n"), "127.0.0.1:1");
    let socks = Proxy::start(ProxyBehavior::SocksRefuses(2), "127.0.0.1:1");
    let socks_login = Proxy::start(ProxyBehavior::Socks(Some(("u", "p"))), "127.0.0.1:1");
    let no_proxy = server_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    for (proxy, code) in [
        (format!("http://{}", nobody.host()), "net.proxy"),
        (format!("http://user:{PASSWORD}@{}", wants_login.address()), "net.proxy-407"),
        (format!("http://{}", wants_login.address()), "net.proxy-407"),
        (format!("http://{}", refuses.address()), "net.proxy-refused"),
        (format!("socks5h://{}", socks.address()), "net.proxy-refused"),
        (format!("socks5h://{}", socks_login.address()), "net.proxy-407"),
        (format!("socks5h://{no_proxy}"), "net.proxy"),
        ("ftp://proxy.example".to_owned(), "net.proxy"),
    ] {
        let found = diagnose(&[PASSWORD], || doctor(&["https://mcp.example/mcp"]).env("HTTPS_PROXY", &proxy));
        assert_cause(&found, code, &[]);
    }
}

#[test]
fn a_forwarding_proxy_that_wants_a_login_is_a_cause() {
    let proxy = Upstream::start(|call| {
        call.respond("407 Proxy Authentication Required", &[("Proxy-Authenticate", "Basic realm=\"x\"")], "");
    });
    let found = diagnose(&[], || doctor(&["http://mcp.example/mcp", "--allow-http", "--proxy", &proxy.host()]));
    assert_cause(&found, "net.proxy-407", &["407"]);
}

#[test]
fn a_proxy_that_is_not_used_is_named() {
    let variables =
        |launch: Launch| launch.env("HTTPS_PROXY", "http://proxy.example:3128").env("NO_PROXY", "mcp.invalid");
    let found = diagnose(&[], || variables(doctor(&["https://mcp.invalid/mcp"])));
    assert_cause(&found, "net.proxy-needed", &["HTTPS_PROXY"]);
}

#[test]
fn certificates_have_their_causes() {
    let trusted = |change: fn(&mut TlsOptions)| (Https::with_options(&["localhost"], change), true);
    let rows: [((Https, bool), &str, &str); 6] = [
        ((Https::start(&["localhost"]), false), "tls.private-ca", "Example Private CA"),
        (
            (Https::with_options(&["localhost"], |options| options.self_signed_certificate = true), false),
            "tls.self-signed",
            "signed by itself",
        ),
        (
            trusted(|options| {
                options.params.not_before = date_time_ymd(2020, 1, 1);
                options.params.not_after = date_time_ymd(2024, 5, 1);
            }),
            "tls.expired",
            "2024-05-01",
        ),
        (trusted(|options| options.params.not_before = date_time_ymd(2090, 1, 1)), "tls.clock", "clock"),
        ((Https::start(&["other.example"]), true), "tls.name", "other.example"),
        (trusted(|options| options.requires_client_certificate = true), "tls.client-cert", "certificate"),
    ];
    for ((server, is_trusted), code, word) in rows {
        let (url, authority) = (format!("https://localhost:{}/mcp", server.port), server.authority.file());
        let found = diagnose(&[], || {
            let launch = doctor(&[&url]);
            if is_trusted { launch.args(["--ca-cert", path(&authority)]) } else { launch }
        });
        assert_cause(&found, code, &[word]);
    }
}

#[test]
fn a_program_that_reads_tls_is_named() {
    let authority = CertificateAuthority::new("Zscaler Intermediate Root CA");
    let (config, _) = Https::config(&authority, &["localhost"], |_| {});
    let proxy = Proxy::start(ProxyBehavior::Tls(config), "127.0.0.1:1");
    let url = format!("https://localhost:{}/mcp", proxy.address().rsplit_once(':').unwrap().1);
    assert_cause(&diagnose(&[], || doctor(&[&url])), "tls.intercept", &["Zscaler"]);
}

#[test]
fn a_certificate_that_expires_soon_is_a_warning() {
    let soon = time::OffsetDateTime::now_utc() + time::Duration::days(5);
    let server = Https::with_options(&["localhost"], move |options| options.params.not_after = soon);
    let (url, authority) = (format!("https://localhost:{}/mcp", server.port), server.authority.file());
    let found = diagnose(&[], || doctor(&[&url, "--ca-cert", path(&authority)]));
    assert!(found.codes().contains(&"tls.expires-soon") && found.cause().is_none(), "{}", found.text);
    assert!(found.fact("tls").contains("trusted by --ca-cert"), "{}", found.text);
}

#[test]
fn http_and_https_at_the_wrong_port_are_told_apart() {
    let plain = server_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let found = diagnose(&[], || doctor(&[&format!("https://{plain}/mcp")]));
    assert_cause(&found, "tls.not-tls", &["TLS"]);
    assert_eq!(found.json["cause"]["fix"], format!("mcp-ferry doctor http://{plain}/mcp"));
    let closes = Upstream::start(Exchange::respond_normally).may_receive_no_request();
    let found = diagnose(&[], || doctor(&[&format!("https://{}/mcp", closes.host())]));
    assert_cause(&found, "tls.not-tls", &["closes the connection when TLS begins"]);
    let secure = Https::start(&["localhost"]);
    let found = diagnose(&[], || doctor(&[&format!("http://localhost:{}/mcp", secure.port)]));
    assert_cause(&found, "url.bad", &["https"]);
    assert_eq!(found.json["cause"]["fix"], format!("mcp-ferry doctor https://localhost:{}/mcp", secure.port));
}

#[test]
fn the_codes_are_listed_once_each() {
    let output = doctor(&["--codes"]).run("");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let listed = stdout_text(&output);
    let codes: Vec<_> = listed.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let mut sorted = codes.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), codes.len(), "{listed}");
    assert!(codes.len() >= 50, "{} codes", codes.len());
    let page = include_str!("../../dist/docs/doctor.md");
    for line in listed.lines() {
        let (code, meaning) = line.split_once(' ').unwrap();
        assert!(page.contains(&format!("| `{code}` | {} |", meaning.trim())), "dist/docs/doctor.md has {line}");
    }
    let json = json_output(&doctor(&["--codes", "--json"]).run(""));
    assert_eq!(json.as_array().unwrap().len(), codes.len());
}

#[test]
fn a_document_in_the_place_of_the_server_is_told_and_leads_to_it() {
    let upstream = Upstream::start(|call| match call.path() {
        "/api/info" => {
            assert_eq!(call.kind(), "GET");
            assert_eq!(call.header("authorization"), None, "a document is public");
            let url = format!("{}/real/mcp?key=abcdefgh12345678", call.origin());
            call.respond("200 OK", &[("Content-Type", "application/json")], &format!(r#"{{"mcp_url":"{url}"}}"#));
        }
        "/api/other/info" => {
            let body = r#"{"mcp_url":"https://elsewhere.example/mcp"}"#;
            call.respond("200 OK", &[("Content-Type", "application/json")], body);
        }
        "/real/mcp?key=abcdefgh12345678" if call.kind() == "tools/list" => call.result(r#"{"tools":[{"name":"a"}]}"#),
        "/real/mcp?key=abcdefgh12345678" => call.respond_normally(),
        _ => call.plain("404 Not Found", ""),
    });
    let url = upstream.url("/api/info");
    let header = ["--header", "Authorization: Bearer abcdefgh87654321"];
    let found = diagnose(&["abcdefgh"], || Bridge::bare().args(["doctor", &url]).args(header));
    assert_eq!((found.cause(), found.exit), (None, 0), "{}", found.text);
    assert!(found.codes().contains(&"url.bad"), "{}", found.text);
    assert!(found.fact("document").contains("/real/mcp"), "{}", found.text);
    assert!(found.fact("mcp").contains("2025-"), "it goes on there: {}", found.text);
    let url = upstream.url("/api/other/info");
    let found = diagnose(&[], || Bridge::bare().args(["doctor", &url]));
    assert_eq!((found.cause(), found.exit), (Some("url.bad"), 1), "{}", found.text);
    assert!(found.json["cause"]["sentence"].as_str().unwrap().contains("elsewhere.example"), "{}", found.text);
}
