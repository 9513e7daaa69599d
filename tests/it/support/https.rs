//! An https server with whatever is right or wrong with its certificate, and the authority that vouches for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use tempfile::NamedTempFile;

use super::{Bridge, Launch, peek, result};

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A file with its certificate.
    pub(crate) fn file(&self) -> NamedTempFile {
        file(&self.pem())
    }

    /// A certificate and its key, as PEM.
    pub(crate) fn vouch(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// A file that is there as long as the value.
pub(crate) fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

pub(crate) fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

/// What a server is like.
pub(crate) struct Making {
    pub(crate) params: CertificateParams,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    /// It serves none but those with a certificate from its own authority.
    pub(crate) wants_certificate: bool,
    /// Its certificate is its own authority.
    pub(crate) signs_itself: bool,
}

/// A server on a port of its own, and the authority that vouches for it.
pub(crate) struct Https {
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    /// Its own certificate.
    pub(crate) certificate: String,
}

impl Https {
    pub(crate) fn start(names: &[&str]) -> Self {
        Self::made(names, |_| {})
    }

    pub(crate) fn made(names: &[&str], change: impl FnOnce(&mut Making)) -> Self {
        let authority = Authority::new("Example Private CA");
        let (config, certificate) = Self::config(&authority, names, change);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                std::thread::spawn(move || serve(StreamOwned::new(connection, stream)));
            }
        });
        Self { port, authority, certificate }
    }

    pub(crate) fn config(
        authority: &Authority,
        names: &[&str],
        change: impl FnOnce(&mut Making),
    ) -> (Arc<ServerConfig>, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut making = Making {
            params: CertificateParams::new(names).unwrap(),
            versions: rustls::DEFAULT_VERSIONS,
            wants_certificate: false,
            signs_itself: false,
        };
        change(&mut making);
        let key = KeyPair::generate().unwrap();
        let certificate = if making.signs_itself {
            making.params.self_signed(&key).unwrap()
        } else {
            making.params.signed_by(&key, &authority.0).unwrap()
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_protocol_versions(making.versions).unwrap();
        let config = if making.wants_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        } else {
            config.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
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

/// Answers each request until the client has enough, or has refused the certificate. The answer to a request tells how
/// it was asked for.
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
