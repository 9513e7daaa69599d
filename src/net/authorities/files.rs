//! Which authorities are trusted where the system's store consists of files?

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{Error, RootCertStore};

use super::{Certificates, Known, OfEnvironment, in_directories};
use crate::net::pem;

/// Read in two steps.
#[derive(Debug)]
pub(in crate::net) struct Authorities {
    first: Known<WebPkiServerVerifier>,
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
    /// The files that have been read, and the directories that have not.
    files: Vec<PathBuf>,
    of_environment: Vec<PathBuf>,
    of_system: Vec<PathBuf>,
    /// Set by the first connection to a server that is not trusted without them.
    all: OnceLock<Option<Known<WebPkiServerVerifier>>>,
}

impl Authorities {
    /// `given`: what the user named.
    pub(in crate::net) fn read(given: Certificates, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let environment = OfEnvironment::read();
        let (mut named, mut files) = (given, environment.files);
        named.extend(environment.certificates);
        let of_environment = environment.directories;
        let mut of_system: Vec<_> = openssl_probe::candidate_cert_dirs().map(Path::to_owned).collect();
        let is_in_store = |file: &PathBuf| of_system.iter().any(|directory| file.parent() == Some(directory));
        let is_named = |file: &PathBuf| std::env::var_os("SSL_CERT_FILE").is_some_and(|named| *file == named);
        // What the variable names is not the system's, or it is in the system's store.
        let bundle = openssl_probe::probe().cert_file.filter(|file| !is_named(file) || is_in_store(file));
        of_system.retain(|directory| !of_environment.contains(directory));
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(named.iter().cloned());
        if let Some(bundle) = bundle.as_ref().filter(|bundle| !files.contains(bundle)) {
            roots.add_parsable_certificates(pem::usable_authorities(bundle));
            files.push(bundle.clone());
        }
        if bundle.is_none() || roots.is_empty() {
            roots.add_parsable_certificates(in_directories(&of_system, &files));
            of_system.clear();
        }
        if roots.is_empty() {
            let certificates = in_directories(&of_environment, &files);
            roots.add_parsable_certificates(certificates.iter().cloned());
            named.extend(certificates);
        }
        let first = known(named, roots.clone(), provider)?;
        let provider = Arc::clone(provider);
        Ok(Self { first, roots, provider, files, of_environment, of_system, all: OnceLock::new() })
    }

    #[cfg(test)]
    fn add_directory(&mut self, directory: &Path) {
        self.of_environment.push(directory.to_owned());
    }

    /// Those that are read at the start.
    pub(in crate::net) fn first(&self) -> &Known<WebPkiServerVerifier> {
        &self.first
    }

    /// All, if there are more. This reads files, if it is the first time; a verifier cannot wait for that elsewhere.
    pub(in crate::net) fn all(&self) -> Option<&Known<WebPkiServerVerifier>> {
        let Self { of_environment, of_system, .. } = self;
        if of_environment.is_empty() && of_system.is_empty() {
            return None;
        }
        let read = || {
            let (mut named, mut roots) = (self.first.named.clone(), self.roots.clone());
            let certificates = in_directories(of_environment, &self.files);
            roots.add_parsable_certificates(certificates.iter().cloned());
            named.extend(certificates);
            roots.add_parsable_certificates(in_directories(of_system, &self.files));
            known(named, roots, &self.provider).ok()
        };
        self.all.get_or_init(read).as_ref()
    }
}

fn known(
    named: Certificates,
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Known<WebPkiServerVerifier>, Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    let verifier = verifier.map_err(|_| Error::General("No CA certificates were found".to_owned()))?;
    Ok(Known { verifier, named })
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn is_trusted<V: ServerCertVerifier>(known: &Known<V>, signed_by: &CertifiedIssuer<'_, KeyPair>) -> bool {
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&KeyPair::generate().unwrap(), signed_by).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        known.verifier.verify_server_cert(certificate.der(), &[], &name, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn what_is_in_a_directory_is_trusted_once_it_is_needed() {
        let (given, kept) = (authority(), authority());
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("kept.pem"), kept.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut authorities = Authorities::read(vec![given.der().clone()], &provider).unwrap();
        authorities.add_directory(directory.path());
        assert!(is_trusted(authorities.first(), &given));
        assert!(!is_trusted(authorities.first(), &kept), "the directory has not been read");
        let all = authorities.all().unwrap();
        assert!(is_trusted(all, &given) && is_trusted(all, &kept));
        assert!(all.named.contains(kept.der()), "the user has named it");
        assert!(!is_trusted(all, &authority()));
    }
}
