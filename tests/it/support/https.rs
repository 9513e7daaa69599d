//! An https server with a valid or invalid certificate, and the certificate authority that signs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use tempfile::NamedTempFile;

use super::{Bridge, Launch, peek, result};

/// A certificate authority.
pub(crate) struct CertificateAuthority(CertifiedIssuer<'static, KeyPair>);

impl CertificateAuthority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A file with the authority's certificate.
    pub(crate) fn file(&self) -> NamedTempFile {
        file(&self.pem())
    }

    /// A signed certificate and its key, as PEM.
    pub(crate) fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// A file that exists as long as the returned value.
pub(crate) fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

pub(crate) fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

/// The TLS settings of a server.
pub(crate) struct TlsOptions {
    pub(crate) params: CertificateParams,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    /// Whether clients must show a certificate of the server's own authority.
    pub(crate) requires_client_certificate: bool,
    /// Whether the certificate is signed by its own key.
    pub(crate) self_signed_certificate: bool,
    /// The versions of HTTP that the server offers, the preferred one first.
    pub(crate) protocols: &'static [&'static str],
}

/// A server on its own port, and the certificate authority that signs its certificate.
pub(crate) struct Https {
    pub(crate) port: u16,
    pub(crate) authority: CertificateAuthority,
    /// The server's certificate, as PEM.
    pub(crate) certificate: String,
    /// How many connections it has accepted.
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Https {
    pub(crate) fn start(names: &[&str]) -> Self {
        Self::with_options(names, |_| {})
    }

    pub(crate) fn with_options(names: &[&str], change: impl FnOnce(&mut TlsOptions)) -> Self {
        let authority = CertificateAuthority::new("Example Private CA");
        let (config, certificate) = Self::config(&authority, names, change);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                accepted.fetch_add(1, Ordering::SeqCst);
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                std::thread::spawn(move || serve(StreamOwned::new(connection, stream)));
            }
        });
        Self { port, authority, certificate, connections }
    }

    pub(crate) fn config(
        authority: &CertificateAuthority,
        names: &[&str],
        change: impl FnOnce(&mut TlsOptions),
    ) -> (Arc<ServerConfig>, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut options = TlsOptions {
            params: CertificateParams::new(names).unwrap(),
            versions: rustls::DEFAULT_VERSIONS,
            requires_client_certificate: false,
            self_signed_certificate: false,
            protocols: &[],
        };
        change(&mut options);
        let key = KeyPair::generate().unwrap();
        let certificate = if options.self_signed_certificate {
            options.params.self_signed(&key).unwrap()
        } else {
            options.params.signed_by(&key, &authority.0).unwrap()
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_protocol_versions(options.versions).unwrap();
        let config = if options.requires_client_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        } else {
            config.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = options.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        (Arc::new(config), certificate.pem())
    }

    pub(crate) fn bridge(&self) -> Launch {
        Bridge::to(&format!("https://localhost:{}/mcp", self.port))
    }

    /// A bridge that trusts the authority.
    pub(crate) fn trusting_bridge(&self) -> (Launch, NamedTempFile) {
        let authority = self.authority.file();
        (self.bridge().args(["--ca-cert", path(&authority)]), authority)
    }
}

/// Answers each request until the client closes the connection or refuses the certificate. The result contains the
/// request target.
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
        let target = head.split(' ').nth(1)?;
        let answer = match peek(&body).id {
            Some(id) => result(
                &id,
                &format!(r#"{{"protocolVersion":"2025-06-18","capabilities":{{}},"over":"TLS","target":"{target}"}}"#),
            ),
            None => String::new(),
        };
        let status = if answer.is_empty() { "202 Accepted" } else { "200 OK" };
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.get_mut().write_all((head + &answer).as_bytes()).ok()?;
    }
}
