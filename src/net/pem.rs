//! Which certificates and keys are in the files that the user or the environment names?

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::network::NetworkError;
use crate::typed::{decode, pem};

/// The first byte of a certificate that is not PEM: Windows exports such files.
const DER_SEQUENCE: u8 = 0x30;

type Certificates = Vec<CertificateDer<'static>>;

/// The certificates of authorities in a file: at least one.
pub(super) fn authorities(path: &Path) -> Result<Certificates, NetworkError> {
    let certificates = certificates(path, &read(path)?)?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        let added = store.add(certificate.clone());
        added.map_err(|_| content(path, "holds a certificate that cannot be read"))?;
    }
    Ok(certificates)
}

/// The certificates of a file that can be used. In the system's own files, one bad certificate must not disable the
/// others.
pub(super) fn usable_authorities(path: &Path) -> Certificates {
    let mut store = RootCertStore::empty();
    let mut certificates = read(path).and_then(|bytes| certificates(path, &bytes)).unwrap_or_default();
    certificates.retain(|certificate| store.add(certificate.clone()).is_ok());
    certificates
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Certificates, NetworkError> {
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(vec![CertificateDer::from(bytes.to_vec())]);
    }
    let certificates: Result<Certificates, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(content(path, "holds no certificate")),
        Err(_) => Err(content(path, "holds a certificate that is damaged")),
    }
}

/// Our certificate with its chain, and its key, which may be in the same file.
pub(super) fn client_certificate(certificate: &Path, key: Option<&Path>) -> Result<Arc<CertifiedKey>, NetworkError> {
    let certificate_bytes = read(certificate)?;
    let chain = certificates(certificate, &certificate_bytes)?;
    let (key_path, key) = match key {
        Some(path) => (path, private_key(path, &read(path)?, "holds no private key")?),
        None => {
            let missing = "holds no private key, and no --client-key is given";
            (certificate, private_key(certificate, &certificate_bytes, missing)?)
        }
    };
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|_| {
        content(key_path, "holds a key of an unsupported kind; RSA, P-256, P-384 and Ed25519 are supported")
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err(content(key_path, "holds the key of another certificate"))
        }
        Err(rustls::Error::InvalidCertificate(_)) => {
            Err(content(certificate, "holds a certificate that cannot be read"))
        }
        _ => Ok(Arc::new(certified)),
    }
}

/// A key in PKCS#8, PKCS#1 or SEC 1. An error never quotes the file.
fn private_key(path: &Path, bytes: &[u8], missing: &str) -> Result<PrivateKeyDer<'static>, NetworkError> {
    crate::files::warn_if_readable(path);
    let holds = |words: &[u8]| memchr::memmem::find(bytes, words).is_some();
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => Ok(key),
        Err(_) if holds(b"BEGIN ENCRYPTED PRIVATE KEY") || holds(b"Proc-Type: 4,ENCRYPTED") => Err(content(
            path,
            "holds a key that is encrypted with a password; `openssl pkey` writes the key without one",
        )),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => Err(content(path, missing)),
        Err(_) => Err(content(path, "holds a private key that is damaged")),
    }
}

/// The file's bytes. PEM is a text that tools write in whatever encoding, with or without quotes.
fn read(path: &Path) -> Result<Vec<u8>, NetworkError> {
    let bytes = std::fs::read(path).map_err(|error| {
        let hint = "check that the file exists and that this user may read it";
        NetworkError::new(format!("cannot read {}: {error}", path.display()), hint)
    })?;
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(bytes);
    }
    Ok(decode(&bytes).map_or(bytes, |text| pem(&text).into_bytes()))
}

fn content(path: &Path, problem: &str) -> NetworkError {
    let hint = "give another file; certificates and keys are read as PEM: text between BEGIN and END lines";
    NetworkError::new(format!("{} {problem}", path.display()), hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rcgen::{CertificateParams, KeyPair};
    use tempfile::NamedTempFile;

    use super::*;

    /// A key that is used nowhere else, in two formats.
    const PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCaw1bUqlrdeLPV10
fcqImTD6bdxJnVCp+TrAX2cbvYehRANCAATvg0DQJa12qR/feHLXbKB+8qapdT00
sujaocK+t1C9bdqs4ykY7KT6FEQvxB9X4TLKpxuGGghcsBPAD7Fv58hd
-----END PRIVATE KEY-----
";
    const SEC1: &str = "-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIAmsNW1Kpa3Xiz1ddH3KiJkw+m3cSZ1Qqfk6wF9nG72HoAoGCCqGSM49
AwEHoUQDQgAE74NA0CWtdqkf33hy12ygfvKmqXU9NLLo2qHCvrdQvW3arOMpGOyk
+hREL8QfV+EyyqcbhhoIXLATwA+xb+fIXQ==
-----END EC PRIVATE KEY-----
";

    fn file(content: &[u8]) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn keys_are_read_in_every_format() {
        let certificate =
            CertificateParams::new(Vec::new()).unwrap().self_signed(&KeyPair::from_pem(PKCS8).unwrap()).unwrap();
        for key in [PKCS8, SEC1] {
            let (certificate, key) = (file(certificate.pem().as_bytes()), file(key.as_bytes()));
            assert!(client_certificate(certificate.path(), Some(key.path())).is_ok());
        }
        let both = file(format!("{SEC1}{}", certificate.pem()).as_bytes());
        assert!(client_certificate(both.path(), None).is_ok(), "in one file, the key first");
        let crlf = file(format!("{}{PKCS8}", certificate.pem()).replace('\n', "\r\n").as_bytes());
        assert!(client_certificate(crlf.path(), None).is_ok(), "with the line ends of Windows");
    }

    #[test]
    fn an_error_tells_what_is_wrong_with_a_key() {
        let key = KeyPair::generate().unwrap();
        let certificate = file(CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem().as_bytes());
        for (content, words) in [
            (PKCS8.to_owned(), "the key of another certificate"),
            (PKCS8.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "encrypted with a password"),
            (PKCS8.replace("MIGH", "????"), "damaged"),
            (String::new(), "holds no private key"),
        ] {
            let error =
                client_certificate(certificate.path(), Some(file(content.as_bytes()).path())).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }

    #[test]
    fn authorities_are_read_from_pem_and_der() {
        let made = CertificateParams::new(Vec::new()).unwrap().self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(authorities(file(made.der()).path()).unwrap().len(), 1);
        assert_eq!(authorities(file(made.pem().repeat(2).as_bytes()).path()).unwrap().len(), 2);
        for (content, words) in [(&b""[..], "holds no certificate"), (&b"0\x00"[..], "cannot be read")] {
            let error = authorities(file(content).path()).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
