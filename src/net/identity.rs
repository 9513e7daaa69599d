//! Which certificate does this program show to a server that asks for one?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// The certificate of `--client-cert`, if it is given, for some servers.
#[derive(Debug)]
pub(super) struct ClientIdentity {
    certificate: Option<Arc<CertifiedKey>>,
    /// The certificate is given, but not for these servers.
    pub(super) is_withheld: bool,
    /// Set by each TLS handshake in which the server asks for a certificate; read when a request fails, to tell
    /// whether our certificate is the reason. Shared because rustls owns the other half.
    requested: AtomicBool,
}

impl ClientIdentity {
    pub(super) fn new(certificate: Option<Arc<CertifiedKey>>) -> Self {
        Self { certificate, is_withheld: false, requested: AtomicBool::new(false) }
    }

    /// What other servers see than those that may see the certificate.
    pub(super) fn withheld(&self) -> Self {
        Self { certificate: None, is_withheld: self.is_given(), requested: AtomicBool::new(false) }
    }

    pub(super) fn is_given(&self) -> bool {
        self.certificate.is_some()
    }

    pub(super) fn was_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.requested.store(true, Ordering::Relaxed);
        self.certificate.clone()
    }

    fn has_certs(&self) -> bool {
        self.is_given()
    }
}
