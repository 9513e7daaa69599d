//! https: trusted by the system's store or what is named besides it, else refused, with the reason in a sentence.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, date_time_ymd};

use crate::support::*;

#[track_caller]
fn reached(launch: Launch) {
    let answer = first_answer(launch);
    assert!(answer.contains(r#""over":"TLS""#), "the answer comes through TLS: {answer}");
}

#[test]
fn a_private_authority_can_be_named() {
    let server = Https::start(&["localhost"]);
    let authority = server.authority.file();
    let other = Authority::new("Another CA").file();
    reached(server.bridge().args(["--ca-cert", path(&other), "--ca-cert", path(&authority)]));
    for variable in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
        reached(server.bridge().env(variable, path(&authority)));
        // Each adds to the others.
        reached(server.bridge().env(variable, path(&other)).args(["--ca-cert", path(&authority)]));
    }
    let directory = tempfile::TempDir::new().unwrap();
    std::fs::write(directory.path().join("private.pem"), server.authority.pem()).unwrap();
    reached(server.bridge().env("SSL_CERT_DIR", directory.path().to_str().unwrap()));
}

#[test]
fn a_file_of_the_environment_that_cannot_be_used_is_left_out() {
    let server = Https::start(&["localhost"]);
    let (launch, _authority) = server.trusting_bridge();
    let mut bridge = launch.env("NODE_EXTRA_CA_CERTS", "/no/such/file").start();
    bridge.send(&initialize("1", REVISION));
    assert!(bridge.answer("1").contains(r#""over":"TLS""#));
    let ended = bridge.finish();
    assert!(ended.stderr.contains("NODE_EXTRA_CA_CERTS") && ended.stderr.contains("/no/such/file"), "{}", ended.stderr);
}

#[test]
fn a_file_of_a_flag_that_cannot_be_used_is_an_error() {
    let empty = file("nothing to see here\n");
    let certificate = Authority::new("CA").file();
    for (arguments, words) in [
        (["--ca-cert", "/no/such/file"], "/no/such/file"),
        (["--ca-cert", path(&empty)], "holds no certificate"),
        (["--client-cert", path(&empty)], "holds no certificate"),
        (["--client-cert", path(&certificate)], "holds no private key, and no --client-key is given"),
        (["--client-key", path(&empty)], "--client-key is given without --client-cert"),
    ] {
        let mut bridge = Bridge::to("https://localhost:1/mcp").args(arguments).start();
        let ended = bridge.ended();
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.stderr.contains(words) && ended.stderr.contains("hint:"), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn an_authority_that_nobody_knows_is_named() {
    let server = Https::start(&["localhost"]);
    let answer = first_answer(server.bridge().startup_wait("10"));
    says(
        &answer,
        &[
            "the certificate of localhost is signed by",
            "CN=Example Private CA",
            "which this machine does not trust",
            "--ca-cert FILE",
        ],
    );
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let server = Https::start(&["elsewhere.example", "www.elsewhere.example"]);
    let (launch, _authority) = server.trusting_bridge();
    says(
        &first_answer(launch),
        &["the certificate of localhost is for elsewhere.example, www.elsewhere.example, not for localhost"],
    );
}

#[test]
fn a_certificate_out_of_its_time_is_refused_with_the_date() {
    let expired = Https::made(&["localhost"], |making| {
        making.params.not_before = date_time_ymd(2020, 1, 1);
        making.params.not_after = date_time_ymd(2024, 5, 1);
    });
    let (launch, _authority) = expired.trusting_bridge();
    says(&first_answer(launch), &["the certificate of localhost expired on 2024-05-01 00:00 UTC"]);
    let early = Https::made(&["localhost"], |making| making.params.not_before = date_time_ymd(2090, 1, 1));
    let (launch, _authority) = early.trusting_bridge();
    says(&first_answer(launch), &["the certificate of localhost is not valid before 2090-01-01 00:00 UTC"]);
}

/// What one `openssl req -x509` makes: an authority's certificate that a server shows as its own.
#[test]
fn a_server_s_only_certificate_can_be_named_itself() {
    for is_authority in [true, false] {
        let signs_itself = |making: &mut Making| {
            making.signs_itself = true;
            making.params.distinguished_name.push(DnType::CommonName, "the one and only");
            if is_authority {
                making.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
        };
        let server = Https::made(&["localhost"], signs_itself);
        says(&first_answer(server.bridge()), &["signed by itself", "the one and only", "--ca-cert FILE"]);
        let certificate = file(&server.certificate);
        reached(server.bridge().args(["--ca-cert", path(&certificate)]));
        let misnamed = Https::made(&["elsewhere.example"], signs_itself);
        let certificate = file(&misnamed.certificate);
        let answer = first_answer(misnamed.bridge().args(["--ca-cert", path(&certificate)]));
        assert!(answer.contains("error"), "a name must be right even then: {answer}");
    }
}

#[test]
fn tls_1_2_and_1_3_are_spoken_with_a_certificate_of_ours_and_without() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let versions: &'static [_] = Box::leak(Box::new([version]));
        let server = Https::made(&["localhost"], |making| making.versions = versions);
        let (launch, _authority) = server.trusting_bridge();
        reached(launch);
        let server = Https::made(&["localhost"], |making| {
            making.versions = versions;
            making.wants_certificate = true;
        });
        let (launch, _authority) = server.trusting_bridge();
        says(
            &first_answer(launch),
            &["localhost requires a certificate from its clients, but you have not given any", "--client-cert FILE"],
        );
        let (certificate, key) = server.authority.vouch(&CertificateParams::new(Vec::new()).unwrap());
        let (both, certificate, key) = (file(&(key.clone() + &certificate)), file(&certificate), file(&key));
        let (launch, _authority) = server.trusting_bridge();
        reached(launch.args(["--client-cert", path(&certificate), "--client-key", path(&key)]));
        let (launch, _authority) = server.trusting_bridge();
        reached(launch.args(["--client-cert", path(&both)]));
        let (stranger, key) = Authority::new("Stranger").vouch(&CertificateParams::new(Vec::new()).unwrap());
        let stranger = file(&(stranger + &key));
        let (launch, _authority) = server.trusting_bridge();
        says(
            &first_answer(launch.args(["--client-cert", path(&stranger)])),
            &["localhost does not accept the certificate of --client-cert"],
        );
    }
}

#[test]
fn a_server_without_tls_is_told_as_such() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
            std::io::copy(&mut stream, &mut std::io::sink()).ok();
        }
    });
    let answer = first_answer(Bridge::to(&format!("https://localhost:{port}/mcp")));
    says(&answer, &["localhost does not answer in TLS", "http://"]);
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
