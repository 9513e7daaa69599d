//! A server behind a unix socket, and the choice between IPv4 and IPv6 addresses.

use crate::support::*;

/// A unix socket that forwards to this upstream.
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
fn a_server_behind_a_unix_socket_is_reached() {
    let upstream = Upstream::start(|call| {
        assert_eq!(call.path(), "/mcp");
        call.respond_normally();
    });
    let (_directory, path) = socket_to(&upstream);
    let url = format!("unix://{}#/mcp", path.replace(' ', "%20"));
    for launch in [
        Bridge::to(&url),
        Bridge::to("http://mcp.example/mcp").args(["--unix-socket", &path]),
        Bridge::to(&url).args(["--proxy", "http://127.0.0.1:9"]),
    ] {
        let mut bridge = launch.start();
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
    }
    let hosts: Vec<_> = upstream.requests().iter().map(|request| request.header("host").unwrap().to_owned()).collect();
    assert_eq!(hosts.first().map(String::as_str), Some("localhost"));
    assert!(hosts.contains(&"mcp.example".to_owned()), "{hosts:?}");
}

#[cfg(unix)]
#[test]
fn a_missing_unix_socket_is_named() {
    let mut bridge = Bridge::to("unix:///no/such.sock#/mcp").args(["--patience", "0.1"]).startup_wait("0.1").start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    assert_error_mentions(
        &bridge.request("2", "tools/list", "{}"),
        &["/no/such.sock", "cannot be reached", "No such file"],
    );
    bridge.finish();
}

#[cfg(windows)]
#[test]
fn a_unix_socket_path_is_refused_on_windows_with_a_hint_to_named_pipes() {
    let mut bridge = Bridge::to("http://localhost/mcp").args(["--unix-socket", r"C:\mcp.sock"]).start();
    let ended = bridge.wait_for_exit();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains(r"\\.\pipe\NAME"), "{}", ended.stderr);
}

#[test]
fn ipv4_and_ipv6_restrict_the_addresses_used() {
    let upstream = Upstream::well_behaved();
    let port = upstream.host().rsplit(':').next().unwrap().to_owned();
    let mut bridge = Bridge::to(&format!("http://localhost:{port}/mcp")).arg("--ipv4").start();
    bridge.initialize();
    bridge.finish();
    for (url, flag, words) in [
        (format!("http://127.0.0.1:{port}/mcp"), "--ipv6", "127.0.0.1 has no IPv6 address"),
        (format!("http://[::1]:{port}/mcp"), "--ipv4", "[::1] has no IPv4 address"),
    ] {
        let mut bridge = Bridge::to(&url).arg(flag).start();
        bridge.send(&initialize("1", REVISION));
        assert_error_mentions(&bridge.response("1"), &[words, flag]);
        bridge.finish();
    }
}
