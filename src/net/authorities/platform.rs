//! Which authorities are trusted where the system itself decides?

use std::sync::Arc;

use rustls::Error;
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::Verifier;

use super::{Certificates, Known, OfEnvironment, in_directories};

/// Read at once.
#[derive(Debug)]
pub(in crate::net) struct Authorities(Known<Verifier>);

impl Authorities {
    /// `given`: what the user named.
    pub(in crate::net) fn read(given: Certificates, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let environment = OfEnvironment::read();
        let mut named = given;
        named.extend(environment.certificates);
        named.extend(in_directories(&environment.directories, &environment.files));
        let verifier = Verifier::new_with_extra_roots(named.iter().cloned(), Arc::clone(provider))?;
        Ok(Self(Known { verifier: Arc::new(verifier), named }))
    }

    pub(in crate::net) fn first(&self) -> &Known<Verifier> {
        &self.0
    }

    /// There are no more.
    #[allow(clippy::unused_self)] // Its twin for other systems reads them here.
    pub(in crate::net) fn all(&self) -> Option<&Known<Verifier>> {
        None
    }
}
