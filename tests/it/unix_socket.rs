//! A server without a port: behind a socket of this machine. And which addresses a name is reached at.

use crate::support::*;

/// Leads a socket to this upstream.
#[cfg(unix)]
fn socket_to(upstream: &Upstream) -> (tempfile::TempDir, String) {
    use std::os::unix::net::UnixListener;

    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("mcp server.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let to = upstream.host();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut server = std::net::TcpStream::connect(&to).unwrap();
            let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                std::io::copy(&mut from_server, &mut to_client).ok();
                to_client.shutdown(std::net::Shutdown::Both).ok();
            });
            std::thread::spawn(move || {
                std::io::copy(&mut client, &mut server).ok();
                server.shutdown(std::net::Shutdown::Both).ok();
            });
        }
    });
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[cfg(unix)]
#[test]
fn a_server_behind_a_socket_is_reached() {
    let upstream = Upstream::start(|call| {
        assert_eq!(call.path(), "/mcp");
        call.usual();
    });
    let (_directory, path) = socket_to(&upstream);
    let url = format!("unix://{}#/mcp", path.replace(' ', "%20"));
    for launch in [
        Bridge::to(&url),
        Bridge::to("http://mcp.example/mcp").args(["--unix-socket", &path]),
        Bridge::to(&url).args(["--proxy", "http://127.0.0.1:9"]),
    ] {
        let mut bridge = launch.start();
        bridge.shake_hands();
        bridge.still_works();
        bridge.finish();
    }
    let hosts: Vec<_> = upstream.requests().iter().map(|request| request.header("host").unwrap().to_owned()).collect();
    assert_eq!(hosts.first().map(String::as_str), Some("localhost"));
    assert!(hosts.contains(&"mcp.example".to_owned()), "{hosts:?}");
}

#[cfg(unix)]
#[test]
fn a_socket_that_is_not_there_is_named() {
    let mut bridge = Bridge::to("unix:///no/such.sock#/mcp").args(["--patience", "0.1"]).startup_wait("0.1").start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    says(&bridge.ask("2", "tools/list", "{}"), &["/no/such.sock", "cannot be reached", "No such file"]);
    bridge.finish();
}

#[cfg(windows)]
#[test]
fn a_socket_is_a_pipe_on_windows() {
    let mut bridge = Bridge::to("http://localhost/mcp").args(["--unix-socket", r"C:\mcp.sock"]).start();
    let ended = bridge.ended();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains(r"\\.\pipe\NAME"), "{}", ended.stderr);
}

#[test]
fn only_addresses_of_the_wanted_family_are_used() {
    let upstream = Upstream::usual();
    let port = upstream.host().rsplit(':').next().unwrap().to_owned();
    let mut bridge = Bridge::to(&format!("http://localhost:{port}/mcp")).arg("--ipv4").start();
    bridge.shake_hands();
    bridge.finish();
    for (url, flag, words) in [
        (format!("http://127.0.0.1:{port}/mcp"), "--ipv6", "127.0.0.1 has no IPv6 address"),
        (format!("http://[::1]:{port}/mcp"), "--ipv4", "[::1] has no IPv4 address"),
    ] {
        let mut bridge = Bridge::to(&url).arg(flag).start();
        bridge.send(&initialize("1", REVISION));
        says(&bridge.answer("1"), &[words, flag]);
        bridge.finish();
    }
}
