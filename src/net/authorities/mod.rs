//! Whose signature makes a server's certificate trusted? That of the system's authorities, and of those that the user or
//! the environment names.
//!
//! Most systems have files, and all authorities twice: in one file, and in directories with hundreds of them. To read
//! those takes many times as long, so they are read only for a certificate that is not trusted without them (`files`).
//! Elsewhere the system itself decides (`platform`).

#[cfg(all(unix, not(target_vendor = "apple")))]
mod files;
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
mod platform;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::log;
use crate::net::pem;
use crate::typed::{expand_path, is_unset};

#[cfg(all(unix, not(target_vendor = "apple")))]
pub(super) use files::Authorities;
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
pub(super) use platform::Authorities;

type Certificates = Vec<CertificateDer<'static>>;

/// Some authorities, and who decides with them.
#[derive(Debug)]
pub(super) struct Known<V> {
    pub(super) verifier: Arc<V>,
    /// The certificates that the user or the environment named.
    pub(super) named: Certificates,
}

/// What the variables of OpenSSL and Node name.
#[derive(Default)]
struct OfEnvironment {
    certificates: Certificates,
    /// The files that these certificates are from.
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl OfEnvironment {
    /// A file or directory that cannot be used is left out with a warning.
    fn read() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.to_str().is_some_and(is_unset));
        let expanded = |path: &Path| expand_path(path).unwrap_or_else(|_| path.to_owned());
        let mut named = Self::default();
        for variable in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            let Some(path) = set(variable).map(|path| expanded(Path::new(&path))) else { continue };
            if named.files.contains(&path) {
                continue;
            }
            match pem::authorities(&path) {
                Ok(authorities) => {
                    named.certificates.extend(authorities);
                    named.files.push(path);
                }
                Err(error) => log::warn!("{variable} is ignored: {error}"),
            }
        }
        let directories = set("SSL_CERT_DIR");
        let directories = directories.iter().flat_map(std::env::split_paths);
        for directory in directories.filter(|path| !path.as_os_str().is_empty()) {
            let directory = expanded(&directory);
            match std::fs::read_dir(&directory) {
                Ok(_) => named.directories.push(directory),
                Err(error) => log::warn!("{} in SSL_CERT_DIR is ignored: {error}", directory.display()),
            }
        }
        named
    }
}

/// Which of the places for authorities has the one that a certificate is trusted by. The certificate is trusted; only the
/// place is looked for.
pub(super) fn trusted_by(
    given: &[CertificateDer<'static>],
    presented: &[CertificateDer<'_>],
    host: &str,
    provider: &Arc<CryptoProvider>,
) -> &'static str {
    let Some((leaf, intermediates)) = presented.split_first() else { return "nobody" };
    let Ok(name) = ServerName::try_from(host.trim_matches(['[', ']'])) else { return "nobody" };
    let is_trusted_by = |authorities: &[CertificateDer<'static>]| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        let now = UnixTime::now();
        authorities.iter().any(|named| **named == **leaf)
            || verifier.is_ok_and(|verifier| verifier.verify_server_cert(leaf, intermediates, &name, &[], now).is_ok())
    };
    if !given.is_empty() && is_trusted_by(given) {
        return "--ca-cert";
    }
    let environment = OfEnvironment::read();
    let of_environment = [environment.certificates, in_directories(&environment.directories, &[])].concat();
    if !of_environment.is_empty() && is_trusted_by(&of_environment) {
        return "SSL_CERT_FILE, SSL_CERT_DIR or NODE_EXTRA_CA_CERTS";
    }
    "the system's store"
}

/// The certificates in the files of directories, each once; without those in the files that have been read.
fn in_directories(directories: &[PathBuf], but: &[PathBuf]) -> Certificates {
    let entries = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    let files = entries.map(|entry| entry.path()).filter(|path| !but.contains(path) && path.is_file());
    let mut certificates: Certificates = files.flat_map(|file| pem::usable_authorities(&file)).collect();
    certificates.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
    certificates.dedup();
    certificates
}
