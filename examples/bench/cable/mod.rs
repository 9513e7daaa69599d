//! A server that is far away: TLS, HTTP/2 and HTTP/1.1, behind a relay that delays every byte.

mod relay;
mod server;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use server::Server;

use crate::direct::Secure;

/// The name in the URL and the certificate.
const HOST: &str = "localhost";

/// The cables to one server for each subject, so that the connections of each are counted apart.
pub struct Cables {
    pub round_trip: Duration,
    /// The certificate of the authority that signed the server's, and variables with which programs trust it.
    pub authority: PathBuf,
    pub trust: Vec<(&'static str, PathBuf)>,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    cables: Vec<Cable>,
}

/// A server, and the relay to it.
struct Cable {
    address: SocketAddr,
    server: Arc<Server>,
}

impl Cables {
    pub fn new(round_trip: Duration, home: &Path) -> Result<Self, String> {
        let authority = home.join("authority.pem");
        let (server, client) = certified(&authority).map_err(|error| format!("no certificate: {error}"))?;
        let (server, client) = (Arc::new(server), Arc::new(client));
        let trust = trust(&authority, home).map_err(|error| format!("no file of authorities: {error}"))?;
        Ok(Self { round_trip, authority, trust, server, client, cables: Vec::new() })
    }

    /// Starts a server for the next subject, and returns its URL.
    pub fn lay(&mut self) -> Result<String, String> {
        let (server, far) = Server::start(Arc::clone(&self.server)).map_err(|error| error.to_string())?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let round_trip = self.round_trip;
        thread::spawn(move || relay::serve(&listener, far, round_trip));
        self.cables.push(Cable { address, server });
        Ok(format!("https://{HOST}:{}/mcp", address.port()))
    }

    /// How a client reaches the server of this subject that trusts its certificate.
    pub fn secure(&self, subject: usize) -> Secure {
        Secure { address: self.cables[subject].address, host: HOST, config: Arc::clone(&self.client) }
    }

    /// The TLS connections to the server of this subject so far.
    pub fn connections(&self, subject: usize) -> u32 {
        self.cables[subject].server.connections()
    }

    /// Whether the servers answer a GET only when there is an event to send, which is never.
    pub fn withhold_get(&self, withhold: bool) {
        for cable in &self.cables {
            cable.server.withhold_get(withhold);
        }
    }
}

/// The settings of a server with a new certificate, and of a client that trusts its authority, which this file gets.
fn certified(authority: &Path) -> Result<(ServerConfig, ClientConfig), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes a certificate for self-signed that has the name of its authority.
    params.distinguished_name.push(DnType::CommonName, "Authority of the benchmark");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    fs::write(authority, issuer.pem())?;

    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![HOST.to_owned()])?.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let mut server = server.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone())?;
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    Ok((server, client))
}

/// Variables that name files with this authority, and with those which they name already: a launcher may need these to
/// fetch its program.
fn trust(authority: &Path, home: &Path) -> io::Result<Vec<(&'static str, PathBuf)>> {
    let mut variables = Vec::new();
    for name in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
        let mut authorities = fs::read(authority)?;
        let known = std::env::var_os(name).and_then(|file| fs::read(file).ok());
        authorities.extend(known.unwrap_or_default());
        let file = home.join(name).with_extension("pem");
        fs::write(&file, authorities)?;
        variables.push((name, file));
    }
    Ok(variables)
}
