//! https: trusted by the system's store (or what stands in for it), else refused, with the reason.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::*;

/// A server for `names`, and the certificate of the authority that vouches for it.
struct Https {
    port: u16,
    authority: String,
}

impl Https {
    fn start(names: &[&str]) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = Arc::new(config);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                std::thread::spawn(move || serve(StreamOwned::new(connection, stream)));
            }
        });
        Self { port, authority: authority.pem() }
    }

    fn bridge(&self) -> Launch {
        Bridge::to(&format!("https://localhost:{}/mcp", self.port))
    }
}

/// Answers each request until the client has enough, or has refused the certificate.
fn serve(stream: impl Read + Write) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            (stream.read_line(&mut head).ok()? > 0).then_some(())?;
        }
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).ok()?;
        let answer = match peek(&body).id {
            Some(id) => result(&id, r#"{"protocolVersion":"2025-06-18","capabilities":{},"over":"TLS"}"#),
            None => String::new(),
        };
        let status = if answer.is_empty() { "202 Accepted" } else { "200 OK" };
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.get_mut().write_all((head + &answer).as_bytes()).ok()?;
    }
}

/// Only Linux takes its trust store from a variable; elsewhere it is the machine's own.
#[cfg(target_os = "linux")]
#[test]
fn a_server_whose_authority_the_system_trusts_is_reached() {
    let server = Https::start(&["localhost"]);
    let mut trusted = tempfile::NamedTempFile::new().unwrap();
    trusted.write_all(server.authority.as_bytes()).unwrap();
    let mut bridge = server.bridge().env("SSL_CERT_FILE", trusted.path().to_str().unwrap()).start();
    bridge.send(&initialize("1", REVISION));
    assert!(bridge.answer("1").contains(r#""over":"TLS""#), "the answer comes through TLS");
    bridge.finish();
}

#[cfg(target_os = "linux")]
#[test]
fn a_certificate_for_another_name_is_refused() {
    let server = Https::start(&["elsewhere.example"]);
    let mut trusted = tempfile::NamedTempFile::new().unwrap();
    trusted.write_all(server.authority.as_bytes()).unwrap();
    let mut bridge = server.bridge().env("SSL_CERT_FILE", trusted.path().to_str().unwrap()).start();
    bridge.send(&initialize("1", REVISION));
    says(&bridge.answer("1"), &["localhost", "certificate", "not trusted"]);
    bridge.finish();
}

#[test]
fn a_server_that_nobody_vouches_for_is_refused_at_once() {
    let server = Https::start(&["localhost"]);
    let mut bridge = server.bridge().startup_wait("10").start();
    bridge.send(&initialize("1", REVISION));
    says(&bridge.answer("1"), &["localhost", "certificate", "not trusted"]);
    bridge.finish();
}

/// Such a peer accepts connections and says nothing, and one attempt at it must not be the last.
#[test]
fn a_tls_handshake_that_never_ends_counts_as_a_failed_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (accepted, connections) = std::sync::mpsc::channel();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).try_for_each(|stream| accepted.send(stream)));
    let mut bridge = Bridge::to(&format!("https://{address}/mcp"))
        .args(["--connect-timeout", "0.5", "--patience", "1"])
        .startup_wait("0.2")
        .start();
    bridge.send(&initialize("1", REVISION));
    bridge.answer("1");
    says(&bridge.ask("2", "tools/list", "{}"), &[&address]);
    let held: Vec<_> = (0..2).map(|_| connections.recv_timeout(DEADLINE).expect("another attempt")).collect();
    bridge.finish();
    drop(held);
}
