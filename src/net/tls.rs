//! How is TLS configured: which authorities are trusted, which certificate is ours, which ciphers are used?
//!
//! This file and pem.rs are the only ones, besides tests, that name the crypto provider.

use std::sync::Arc;

use http::Uri;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use tokio::sync::{OnceCell, oneshot};

use super::authorities::{self, Authorities};
use super::identity::ClientIdentity;
use super::network::{Network, NetworkError};
use super::origin::is_same_origin;
use super::pem;
use super::verifier::Verifier;

type Config = Result<ClientConfig, rustls::Error>;

/// Which protocols a server is offered (ALPN, RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Http1,
    /// Or else HTTP/1.1.
    Http2,
}

/// The configurations with the client certificate, and those without.
struct Configs {
    showing: Offers,
    withholding: Offers,
}

/// A configuration for each offer.
struct Offers {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Offers {
    fn new(config: &ClientConfig) -> Self {
        let offering = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Self { http1: offering(&[b"http/1.1"]), http2: offering(&[b"h2", b"http/1.1"]) }
    }
}

/// The configuration of TLS. A thread of its own builds it when it is first needed, because reading the system's store
/// takes milliseconds.
pub(super) struct Tls {
    /// The certificates of `--ca-cert`.
    authorities: Vec<CertificateDer<'static>>,
    identity: Arc<ClientIdentity>,
    /// The servers that the certificate in `identity` is shown to.
    shown_to: Vec<Uri>,
    /// For all other servers.
    withheld: Arc<ClientIdentity>,
    /// The finished configurations. The first connection sets them, all connections read them.
    ready: OnceCell<Configs>,
    /// Where the thread delivers the configuration. `prepare` sets it, the first connection takes it.
    building: Mutex<Option<oneshot::Receiver<Config>>>,
}

impl Tls {
    /// Reads the files that the user named.
    pub(super) fn new(network: &Network) -> Result<Self, NetworkError> {
        let mut authorities = Vec::new();
        for path in &network.ca_certs {
            authorities.extend(pem::authorities(path)?);
        }
        let certificate = match (&network.client_cert, &network.client_key) {
            (Some(certificate), key) => Some(pem::client_certificate(certificate, key.as_deref())?),
            (None, Some(_)) => {
                let hint = "name the certificate that belongs to the key";
                return Err(NetworkError::new("--client-key is given without --client-cert", hint));
            }
            (None, None) => None,
        };
        let identity = Arc::new(ClientIdentity::new(certificate));
        let withheld = Arc::new(identity.withheld());
        let shown_to = network.client_cert_servers.clone();
        Ok(Self { authorities, identity, shown_to, withheld, ready: OnceCell::new(), building: Mutex::new(None) })
    }

    /// Begins to build the configuration, so that it is ready when a connection needs it.
    pub(super) fn prepare(&self) {
        let mut building = self.building.lock();
        if building.is_none() && !self.ready.initialized() {
            let (sender, receiver) = oneshot::channel();
            let (authorities, identity) = (self.authorities.clone(), Arc::clone(&self.identity));
            std::thread::spawn(move || sender.send(client_config(authorities, identity)).ok());
            *building = Some(receiver);
        }
    }

    /// The configuration for this server.
    pub(super) async fn config(&self, server: &Uri, offer: Offer) -> Result<Arc<ClientConfig>, rustls::Error> {
        let configs = self.ready.get_or_try_init(|| async {
            self.prepare();
            let building = self.building.lock().take();
            match building {
                Some(building) => building.await.unwrap_or_else(|_| Err(rustls::Error::General("a bug".to_owned()))),
                None => Err(rustls::Error::General("a bug".to_owned())),
            }
            .map(|showing| {
                let mut withholding = showing.clone();
                withholding.client_auth_cert_resolver = Arc::clone(&self.withheld) as _;
                // A resumed session would still be that of the certificate.
                withholding.resumption = Resumption::default();
                Configs { showing: Offers::new(&showing), withholding: Offers::new(&withholding) }
            })
        });
        let configs = configs.await?;
        let offers = if self.may_show(server) { &configs.showing } else { &configs.withholding };
        Ok(Arc::clone(if offer == Offer::Http1 { &offers.http1 } else { &offers.http2 }))
    }

    /// What this server sees of us.
    pub(super) fn identity(&self, server: &Uri) -> &ClientIdentity {
        if self.may_show(server) { &self.identity } else { &self.withheld }
    }

    /// Whose authority makes this certificate trusted; `presented` is the server's chain.
    pub(super) fn trusted_by(&self, presented: &[CertificateDer<'_>], host: &str) -> &'static str {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        authorities::trusted_by(&self.authorities, presented, host, &provider)
    }

    fn may_show(&self, server: &Uri) -> bool {
        self.shown_to.iter().any(|allowed| is_same_origin(allowed, server))
    }
}

/// Trusts the system's own store, and in addition what the user and the environment name. On Linux this reads files for
/// about 2 ms.
fn client_config(given: Vec<CertificateDer<'static>>, identity: Arc<ClientIdentity>) -> Config {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(Authorities::read(given, &provider)?);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous() // only in that our verifier adds words to an error, see verifier.rs
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(identity);
    Ok(config)
}
