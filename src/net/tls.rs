//! Whom do we trust, who are we, and with which ciphers? With `pem.rs` the only files that name the crypto provider.

use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use tokio::sync::{OnceCell, oneshot};

use super::network::{Network, NetworkError};
use super::pem;
use super::verifier::Verifier;
use crate::log;

type Config = Result<Arc<ClientConfig>, rustls::Error>;

/// The configuration of TLS: read on a thread of its own, because the system's store takes milliseconds, and only if it
/// is needed.
pub(super) struct Tls {
    /// Of the files that the user named.
    authorities: Vec<CertificateDer<'static>>,
    identity: Arc<Identity>,
    ready: OnceCell<Arc<ClientConfig>>,
    reading: Mutex<Option<oneshot::Receiver<Config>>>,
}

impl Tls {
    /// Reads the files that the user named.
    pub(super) fn new(network: &Network) -> Result<Self, NetworkError> {
        let mut authorities = Vec::new();
        for path in &network.ca_certs {
            authorities.extend(pem::authorities(path)?);
        }
        let key = match (&network.client_cert, &network.client_key) {
            (Some(certificate), key) => Some(pem::identity(certificate, key.as_deref())?),
            (None, Some(_)) => return Err(NetworkError::KeyAlone),
            (None, None) => None,
        };
        let identity = Arc::new(Identity { key, asked: AtomicBool::new(false) });
        Ok(Self { authorities, identity, ready: OnceCell::new(), reading: Mutex::new(None) })
    }

    /// Begins to read the system's store, so that it is there when it is needed.
    pub(super) fn prepare(&self) {
        let mut reading = self.reading.lock();
        if reading.is_none() && !self.ready.initialized() {
            let (sender, receiver) = oneshot::channel();
            let (authorities, identity) = (self.authorities.clone(), Arc::clone(&self.identity));
            std::thread::spawn(move || sender.send(client_config(authorities, identity)).ok());
            *reading = Some(receiver);
        }
    }

    pub(super) async fn config(&self) -> Config {
        let config = self.ready.get_or_try_init(|| async {
            self.prepare();
            let reading = self.reading.lock().take();
            match reading {
                Some(reading) => reading.await.unwrap_or_else(|_| Err(rustls::Error::General("a bug".to_owned()))),
                None => Err(rustls::Error::General("a bug".to_owned())),
            }
        });
        config.await.cloned()
    }

    /// Whether a server has asked who we are.
    pub(super) fn was_asked(&self) -> bool {
        self.identity.asked.load(Ordering::Relaxed)
    }

    pub(super) fn has_identity(&self) -> bool {
        self.identity.key.is_some()
    }
}

/// This side's certificate, if there is one, and whether anybody wanted it.
#[derive(Debug)]
struct Identity {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

/// Trusts the system's own store, and besides it what the user and the environment name. On Linux this reads files for
/// some 2 ms.
fn client_config(authorities: Vec<CertificateDer<'static>>, identity: Arc<Identity>) -> Config {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut named = authorities;
    named.extend(from_environment());
    let verifier = Verifier::new(named, system_besides_environment(), &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous() // only in that it lets us tell people what is wrong, see verifier.rs
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(identity);
    Ok(Arc::new(config))
}

/// What the variables of OpenSSL's programs and of Node's name. A file that cannot be used is told and left out.
fn from_environment() -> Vec<CertificateDer<'static>> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let mut certificates = Vec::new();
    for variable in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        let Some(path) = set(variable) else { continue };
        match pem::authorities(Path::new(&path)) {
            Ok(found) => certificates.extend(found),
            Err(error) => log::warn!("{variable} is left out: {error}"),
        }
    }
    let directories = set("SSL_CERT_DIR");
    let directories = directories.iter().flat_map(std::env::split_paths).filter(|path| !path.as_os_str().is_empty());
    for directory in directories {
        match files(&directory) {
            Ok(files) => certificates.extend(files.iter().flat_map(|file| pem::usable_authorities(file))),
            Err(error) => log::warn!("{} of SSL_CERT_DIR is left out: {error}", directory.display()),
        }
    }
    certificates
}

fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    Ok(std::fs::read_dir(directory)?.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect())
}

/// Where the system's store is files, its reader takes the variables' in their stead. They are meant to be added, so
/// the store is read here in that case.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn system_besides_environment() -> Vec<CertificateDer<'static>> {
    if ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().all(|name| std::env::var_os(name).is_none()) {
        return Vec::new();
    }
    let files = openssl_probe::candidate_cert_dirs().flat_map(|directory| files(directory).unwrap_or_default());
    let mut certificates: Vec<_> = files.flat_map(|file| pem::usable_authorities(&file)).collect();
    certificates.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
    certificates.dedup();
    certificates
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn system_besides_environment() -> Vec<CertificateDer<'static>> {
    Vec::new()
}
