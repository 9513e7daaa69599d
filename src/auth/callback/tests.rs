use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::MOST_CONNECTIONS;
use super::*;

fn callback(settings: &CallbackSettings) -> (Callback, u16) {
    let listener = Listener::bind(settings, &[0]).unwrap();
    let port = listener.port;
    let expected = ExpectedRedirect {
        state: "st-1".to_owned(),
        start: "nonce-1".to_owned(),
        url: "https://as.example/authorize?state=st-1".to_owned(),
        opened: 0,
    };
    (Callback::start(listener, &expected).unwrap(), port)
}

/// Sends a request with this first line and host.
async fn send(port: u16, line: &str, host: &str) -> TcpStream {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    connection.write_all(format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    connection
}

/// Reads the whole response.
async fn read(mut connection: TcpStream) -> String {
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn ask(port: u16, line: &str, host: &str) -> String {
    read(send(port, line, host).await).await
}

async fn get(port: u16, path: &str) -> String {
    ask(port, &format!("GET {path}"), &format!("localhost:{port}")).await
}

fn signed_in() -> Page {
    Page::SignedIn { host: "mcp.example.com".to_owned(), next_step: None }
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_path_makes_no_difference() {
    for (configured, path) in [("/oauth/callback", "/oauth/callback/"), ("/cb/", "/cb"), ("/cb/", "/cb/"), ("/", "/")] {
        let settings = CallbackSettings { path: configured.to_owned(), ..CallbackSettings::default() };
        let (mut callback, port) = callback(&settings);
        let line = format!("GET {path}?code=c&state=st-1");
        let browser = send(port, &line, &format!("localhost:{port}")).await;
        let redirect = tokio::time::timeout(std::time::Duration::from_secs(10), callback.redirected()).await;
        assert_eq!(redirect.unwrap().get("code"), Some("c"), "{configured} {path}");
        callback.respond(signed_in()).await;
        assert!(read(browser).await.starts_with("HTTP/1.1 200 "), "{configured} {path}");
    }
}

#[tokio::test]
async fn requests_for_other_paths_get_400() {
    let (_callback, port) = callback(&CallbackSettings::default());
    let paths =
        ["/oauth/callback//?code=c&state=st-1", "/OAuth/callback?code=c&state=st-1", "/favicon.ico", "/start/other"];
    for path in paths {
        let answer = get(port, path).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
    }
    for method in ["HEAD", "OPTIONS", "PUT"] {
        let line = format!("{method} /oauth/callback?code=c&state=st-1");
        let answer = ask(port, &line, &format!("localhost:{port}")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
    }
}

#[tokio::test]
async fn a_host_name_that_is_not_ours_gets_400() {
    let (_callback, port) = callback(&CallbackSettings::default());
    let line = "GET /oauth/callback?code=c&state=st-1";
    for host in
        ["attacker.example", "localhost", "localhost:1", "attacker.example:80", "localhost.attacker.example:1", ""]
    {
        let host = host.replace(":1", &format!(":{}", port.wrapping_add(1)));
        let answer = ask(port, line, &host).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{host}: {answer}");
    }
    let twice = ask(port, line, &format!("localhost:{port}\r\nHost: attacker.example")).await;
    assert!(twice.starts_with("HTTP/1.1 400 "), "{twice}");
}

#[tokio::test]
async fn the_short_address_redirects_at_every_host_name_of_this_machine() {
    let bind = Some("127.0.0.2".parse().unwrap());
    let settings = CallbackSettings { bind, host: "box.example".to_owned(), ..CallbackSettings::default() };
    // Not every system allows listening on 127.0.0.2.
    let settings = if Listener::bind(&settings, &[0]).is_ok() { settings } else { CallbackSettings::default() };
    let (_callback, port) = callback(&settings);
    let url = format!("location: https://as.example/authorize?state={}\r\n", redirect::tab_state("st-1"));
    for name in settings.names() {
        let start = loop {
            let start = start_url("http://localhost/", "nonce-1", Purpose::AnotherTab { opened: 0 });
            let path = start.strip_prefix("http://localhost").unwrap().to_owned();
            let answer = ask(port, &format!("GET {path}"), &format!("{name}:{port}")).await;
            // Another round may have had this one of the addresses.
            if !answer.starts_with("HTTP/1.1 410 ") {
                break (path, answer);
            }
        };
        assert!(start.1.starts_with("HTTP/1.1 303 "), "{name}: {}", start.1);
        assert!(start.1.contains(&url) && start.1.contains("set-cookie: mcp-ferry-"), "{}", start.1);
        let again = ask(port, &format!("GET {}", start.0), &format!("{name}:{port}")).await;
        assert!(again.starts_with("HTTP/1.1 410 ") && !again.contains("as.example"), "{again}");
    }
}

#[tokio::test]
async fn the_page_comes_after_the_exchange_and_shows_its_result() {
    let (mut callback, port) = callback(&CallbackSettings::default());
    let browser = send(port, "GET /oauth/callback?code=c&state=st-1", &format!("127.0.0.1:{port}")).await;
    callback.redirected().await;
    let early = browser.try_read(&mut [0]);
    let is_open = early.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(is_open, "there is no response before the result is known");
    let failed = Page::Failed {
        host: "mcp.example.com".to_owned(),
        reason: "access was denied".to_owned(),
        advice: "Try again.".to_owned(),
    };
    callback.respond(failed).await;
    let page = read(browser).await;
    assert!(page.starts_with("HTTP/1.1 400 ") && page.contains("access was denied"), "{page}");
    assert!(page.contains("Try again."), "{page}");
    for header in [
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "connection: close",
    ] {
        assert!(page.contains(header), "{header}: {page}");
    }
    // Wine lets go of it a moment later than it was closed.
    let closed = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        assert!(cfg!(windows) && closed.elapsed() < PAGE_LIMIT, "the port is free again");
    }
}

#[tokio::test]
async fn a_repeated_request_gets_the_page_too_and_the_code_is_used_once() {
    let (mut callback, port) = callback(&CallbackSettings::default());
    let ask = || get(port, "/oauth/callback?code=c&state=st-1");
    let exchange = async {
        callback.redirected().await;
        let again = tokio::time::timeout(Duration::from_millis(50), callback.redirected()).await;
        callback.respond(signed_in()).await;
        again
    };
    let (one, two, again) = tokio::join!(ask(), ask(), exchange);
    assert!(one.contains("You are signed in to <strong>mcp.example.com"), "{one}");
    assert!(two.starts_with("HTTP/1.1 200 ") || two.is_empty(), "{two}");
    assert!(again.is_err(), "the second request is not a second login");
}

#[tokio::test]
async fn a_browser_that_reads_nothing_does_not_delay_the_end() {
    let (mut callback, port) = callback(&CallbackSettings::default());
    let _idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let _slow = send(port, "GET /oauth/callback?code=c&state=st-1", &format!("localhost:{port}")).await;
    callback.redirected().await;
    let answered = tokio::time::timeout(Duration::from_secs(10), callback.respond(signed_in())).await;
    assert!(answered.is_ok());
}

#[tokio::test]
async fn the_user_s_success_url_is_for_success_only() {
    let success_url = Some("https://intranet.example/welcome".parse().unwrap());
    let settings = CallbackSettings { success_url, ..CallbackSettings::default() };
    for (outcome, status) in [(signed_in(), 303), (Page::Unknown, 400)] {
        let (mut callback, port) = callback(&settings);
        let exchange = async {
            callback.redirected().await;
            callback.respond(outcome).await;
        };
        let (answer, ()) = tokio::join!(get(port, "/oauth/callback?code=c&state=st-1"), exchange);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn connections_without_a_request_do_not_block_the_browser() {
    let (_callback, port) = callback(&CallbackSettings::default());
    let mut silent = Vec::new();
    for _ in 0..=MOST_CONNECTIONS {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let answer = get(port, "/favicon.ico").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "the newest connection is served: {answer}");
}

#[tokio::test]
async fn malformed_and_too_long_requests_get_an_error_and_long_ones_are_read() {
    let (_callback, port) = callback(&CallbackSettings::default());
    let host = format!("localhost:{port}");
    let start = start_url("http://localhost/", "nonce-1", Purpose::FirstTab).replace("http://localhost", "GET ");
    for (line, host, status) in [
        ("GET", host.clone(), 400),
        ("\u{1}", host.clone(), 400),
        ("GET /favicon.ico", format!("{host}{}", "\r\nx: y".repeat(500)), 431),
        ("GET /favicon.ico", format!("{host}\r\nx: {}", "y".repeat(200_000)), 431),
        (&start, format!("{host}\r\nx: {}", "y".repeat(40_000)), 303),
    ] {
        let answer = ask(port, line, &host).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    // A body is ignored, and its sender still gets the response.
    let mut poster = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!("POST /oauth/callback HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n");
    poster.write_all(head.as_bytes()).await.unwrap();
    poster.write_all(&vec![b'x'; 100_000]).await.unwrap();
    let answer = read(poster).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn a_head_may_come_in_pieces() {
    let (_callback, port) = callback(&CallbackSettings::default());
    let mut browser = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    browser.set_nodelay(true).unwrap();
    let start = start_url("http://127.0.0.1/callback", "nonce-1", Purpose::Print);
    let path = start.strip_prefix("http://127.0.0.1").unwrap();
    for byte in format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").bytes() {
        browser.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let answer = read(browser).await;
    assert!(answer.starts_with("HTTP/1.1 303 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}
