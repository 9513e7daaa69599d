//! https: a certificate is trusted by the system's store or a configured authority; otherwise the error names the cause.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, date_time_ymd};

use crate::support::*;

#[track_caller]
fn assert_reached(launch: Launch) {
    let answer = initialize_response(launch);
    assert!(answer.contains(r#""over":"TLS""#), "the response comes over TLS: {answer}");
}

#[test]
fn a_private_certificate_authority_can_be_configured() {
    let server = Https::start(&["localhost"]);
    let authority = server.authority.file();
    let other = CertificateAuthority::new("Another CA").file();
    assert_reached(server.bridge().args(["--ca-cert", path(&other), "--ca-cert", path(&authority)]));
    for variable in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
        assert_reached(server.bridge().env(variable, path(&authority)));
        // Each setting adds to the others.
        assert_reached(server.bridge().env(variable, path(&other)).args(["--ca-cert", path(&authority)]));
    }
    let directory = tempfile::TempDir::new().unwrap();
    std::fs::write(directory.path().join("private.pem"), server.authority.pem()).unwrap();
    assert_reached(server.bridge().env("SSL_CERT_DIR", directory.path().to_str().unwrap()));
}

#[test]
fn a_certificate_authority_is_read_in_every_encoding() {
    let server = Https::start(&["localhost"]);
    let pem = server.authority.pem();
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("ca.pem");
    let crlf = pem.replace('\n', "\r\n");
    for bytes in [
        [b"\xef\xbb\xbf", crlf.as_bytes()].concat(),
        [b"\xff\xfe".to_vec(), crlf.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat(),
        format!("\"{}\"", pem.trim().replace('\n', "\\n")).into_bytes(),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert_reached(server.bridge().args(["--ca-cert", path.to_str().unwrap()]));
        #[cfg(unix)]
        assert_reached(server.bridge().env("HOME", files.path().to_str().unwrap()).args(["--ca-cert", "~/ca.pem"]));
        #[cfg(unix)]
        for variable in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
            assert_reached(server.bridge().env("HOME", files.path().to_str().unwrap()).env(variable, "~/ca.pem"));
        }
    }
}

#[test]
fn an_unusable_certificate_file_of_the_environment_is_a_warning() {
    let server = Https::start(&["localhost"]);
    let (launch, _authority) = server.trusting_bridge();
    let mut bridge = launch.env("NODE_EXTRA_CA_CERTS", "/no/such/file").start();
    bridge.send(&initialize("1", REVISION));
    assert!(bridge.response("1").contains(r#""over":"TLS""#));
    let ended = bridge.finish();
    assert!(ended.stderr.contains("NODE_EXTRA_CA_CERTS") && ended.stderr.contains("/no/such/file"), "{}", ended.stderr);
}

#[test]
fn an_unusable_certificate_file_of_an_option_is_an_error() {
    let empty = file("nothing to see here\n");
    let certificate = CertificateAuthority::new("CA").file();
    for (arguments, words) in [
        (["--ca-cert", "/no/such/file"], "/no/such/file"),
        (["--ca-cert", path(&empty)], "holds no certificate"),
        (["--client-cert", path(&empty)], "holds no certificate"),
        (["--client-cert", path(&certificate)], "holds no private key, and no --client-key is given"),
        (["--client-key", path(&empty)], "--client-key is given without --client-cert"),
    ] {
        let mut bridge = Bridge::to("https://localhost:1/mcp").args(arguments).start();
        let ended = bridge.wait_for_exit();
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.stderr.contains(words) && ended.stderr.contains("hint:"), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn an_untrusted_certificate_authority_is_named() {
    let server = Https::start(&["localhost"]);
    let answer = initialize_response(server.bridge().startup_wait("10"));
    assert_error_mentions(
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
fn a_certificate_for_another_host_is_refused() {
    let server = Https::start(&["elsewhere.example", "www.elsewhere.example"]);
    let (launch, _authority) = server.trusting_bridge();
    assert_error_mentions(
        &initialize_response(launch),
        &["the certificate of localhost is for elsewhere.example, www.elsewhere.example, not for localhost"],
    );
}

#[test]
fn an_expired_or_future_certificate_is_refused_with_the_date() {
    let expired = Https::with_options(&["localhost"], |options| {
        options.params.not_before = date_time_ymd(2020, 1, 1);
        options.params.not_after = date_time_ymd(2024, 5, 1);
    });
    let (launch, _authority) = expired.trusting_bridge();
    assert_error_mentions(
        &initialize_response(launch),
        &["the certificate of localhost expired on 2024-05-01 00:00 UTC"],
    );
    let early = Https::with_options(&["localhost"], |options| options.params.not_before = date_time_ymd(2090, 1, 1));
    let (launch, _authority) = early.trusting_bridge();
    assert_error_mentions(
        &initialize_response(launch),
        &["the certificate of localhost is not valid before 2090-01-01 00:00 UTC"],
    );
}

/// As made by `openssl req -x509`: an authority's certificate that the server uses as its own.
#[test]
fn a_self_signed_certificate_can_be_trusted_directly() {
    for is_authority in [true, false] {
        let self_signed_certificate = |options: &mut TlsOptions| {
            options.self_signed_certificate = true;
            options.params.distinguished_name.push(DnType::CommonName, "the one and only");
            if is_authority {
                options.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
        };
        let server = Https::with_options(&["localhost"], self_signed_certificate);
        assert_error_mentions(
            &initialize_response(server.bridge()),
            &["signed by itself", "the one and only", "--ca-cert FILE"],
        );
        let certificate = file(&server.certificate);
        assert_reached(server.bridge().args(["--ca-cert", path(&certificate)]));
        let misnamed = Https::with_options(&["elsewhere.example"], self_signed_certificate);
        let certificate = file(&misnamed.certificate);
        let answer = initialize_response(misnamed.bridge().args(["--ca-cert", path(&certificate)]));
        assert_error_mentions(&answer, &["the certificate of localhost is for elsewhere.example, not for localhost"]);
    }
}

/// As made by `openssl req -x509 -subj /CN=localhost`.
#[test]
fn a_common_name_counts_in_a_certificate_that_the_user_named() {
    let only_common_name = |name: &'static str, itself: bool| {
        Https::with_options(&[], move |options| {
            options.self_signed_certificate = itself;
            options.params.distinguished_name.push(DnType::CommonName, name);
        })
    };
    let server = only_common_name("localhost", true);
    let certificate = file(&server.certificate);
    assert_reached(server.bridge().args(["--ca-cert", path(&certificate)]));
    let misnamed = only_common_name("elsewhere.example", true);
    let certificate = file(&misnamed.certificate);
    assert_error_mentions(
        &initialize_response(misnamed.bridge().args(["--ca-cert", path(&certificate)])),
        &["is for no host at all (its common name is \"elsewhere.example\"), not for localhost"],
    );
    let signed = only_common_name("localhost", false);
    let (launch, _authority) = signed.trusting_bridge();
    assert_error_mentions(
        &initialize_response(launch),
        &["only as its common name", "no subject alternative name", "this very certificate with --ca-cert FILE"],
    );
    let certificate = file(&signed.certificate);
    assert_reached(signed.bridge().args(["--ca-cert", path(&certificate)]));
}

#[test]
fn a_named_certificate_that_has_expired_is_refused_with_the_date() {
    let server = Https::with_options(&["localhost"], |options| {
        options.self_signed_certificate = true;
        options.params.not_before = date_time_ymd(2020, 1, 1);
        options.params.not_after = date_time_ymd(2024, 5, 1);
    });
    let certificate = file(&server.certificate);
    let answer = initialize_response(server.bridge().args(["--ca-cert", path(&certificate)]));
    assert_error_mentions(&answer, &["the certificate of localhost expired on 2024-05-01 00:00 UTC"]);
}

#[test]
fn no_certificate_error_shows_the_program_s_own_names() {
    // A certificate for clients, and one of an authority.
    let for_clients = Https::with_options(&["localhost"], |options| {
        options.params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let authority = Https::with_options(&["localhost"], |options| {
        options.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    for server in [for_clients, authority] {
        let (launch, _authority) = server.trusting_bridge();
        let message = bridge_error(&initialize_response(launch));
        for mark in ["Error", "Other(", "{", "::", "Context", "EndEntity"] {
            assert!(!message.contains(mark), "{message}");
        }
        assert!(message.contains("certificate of localhost"), "{message}");
    }
}

#[test]
fn tls_1_2_and_1_3_work_with_and_without_a_client_certificate() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let versions: &'static [_] = Box::leak(Box::new([version]));
        let server = Https::with_options(&["localhost"], |options| options.versions = versions);
        let (launch, _authority) = server.trusting_bridge();
        assert_reached(launch);
        let server = Https::with_options(&["localhost"], |options| {
            options.versions = versions;
            options.requires_client_certificate = true;
        });
        let (launch, _authority) = server.trusting_bridge();
        assert_error_mentions(
            &initialize_response(launch),
            &["localhost requires a certificate from its clients, but you have not given any", "--client-cert FILE"],
        );
        let (certificate, key) = server.authority.sign(&CertificateParams::new(Vec::new()).unwrap());
        let (both, certificate, key) = (file(&(key.clone() + &certificate)), file(&certificate), file(&key));
        let (launch, _authority) = server.trusting_bridge();
        assert_reached(launch.args(["--client-cert", path(&certificate), "--client-key", path(&key)]));
        let (launch, _authority) = server.trusting_bridge();
        assert_reached(launch.args(["--client-cert", path(&both)]));
        let (stranger, key) = CertificateAuthority::new("Stranger").sign(&CertificateParams::new(Vec::new()).unwrap());
        let stranger = file(&(stranger + &key));
        let (launch, _authority) = server.trusting_bridge();
        assert_error_mentions(
            &initialize_response(launch.args(["--client-cert", path(&stranger)])),
            &["localhost does not accept the certificate of --client-cert"],
        );
    }
}

#[test]
fn a_server_without_tls_is_an_error_that_names_the_cause() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
            std::io::copy(&mut stream, &mut std::io::sink()).ok();
        }
    });
    let answer = initialize_response(Bridge::to(&format!("https://localhost:{port}/mcp")));
    assert_error_mentions(&answer, &["localhost does not answer in TLS", "http://"]);
}

/// The peer accepts connections and never responds; the bridge must try again.
#[test]
fn a_tls_handshake_that_hangs_counts_as_a_failed_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (accepted, connections) = std::sync::mpsc::channel();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).try_for_each(|stream| accepted.send(stream)));
    let mut bridge = Bridge::to(&format!("https://{address}/mcp"))
        .args(["--connect-timeout", "0.5", "--patience", "1"])
        .startup_wait("0.2")
        .start();
    bridge.send(&initialize("1", REVISION));
    bridge.response("1");
    assert_error_mentions(&bridge.request("2", "tools/list", "{}"), &[&address]);
    let held: Vec<_> = (0..2).map(|_| connections.recv_timeout(DEADLINE).expect("another attempt")).collect();
    bridge.finish();
    drop(held);
}
