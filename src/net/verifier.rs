//! Is the server's certificate trusted?
//!
//! The verifier of `authorities` decides, with two additions. A refusal becomes a sentence here, because the certificate
//! is at hand. And a certificate that the user named is accepted as the server's own, not only as an authority's, because
//! many private servers have a single certificate.

use std::iter;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::authorities::Authorities;
use super::certificate::Certificate;
use super::tls_error::certificate_refused;

#[derive(Debug)]
pub(super) struct Verifier(Authorities);

impl Verifier {
    pub(super) fn new(authorities: Authorities) -> Self {
        Self(authorities)
    }

    /// Why this very certificate, which was named, is not good for this host; `refused` is the verifier's reason. That
    /// the server has the key of it is shown by the signature, which is checked in any case.
    fn problem_of_named(
        presented: &CertificateDer<'_>,
        host: &ServerName<'_>,
        refused: CertificateError,
    ) -> Option<CertificateError> {
        let Some(read) = Certificate::read(presented) else { return Some(refused) };
        let has_name = || {
            read.has_as_common_name(&host.to_str())
                || ParsedCertificate::try_from(presented).is_ok_and(|parsed| verify_server_name(&parsed, host).is_ok())
        };
        if read.has_expired {
            Some(CertificateError::Expired)
        } else if read.is_not_valid_yet {
            Some(CertificateError::NotValidYet)
        } else if read.is_version_1 {
            Some(refused)
        } else {
            (!has_name()).then_some(CertificateError::NotValidForName)
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut refused = None;
        for known in iter::once(self.0.first()).chain(iter::once_with(|| self.0.all()).flatten()) {
            match known.verifier.verify_server_cert(presented, intermediates, host, ocsp, now) {
                Err(Error::InvalidCertificate(error)) => {
                    let is_named = known.named.contains(presented) && error != CertificateError::Revoked;
                    let problem = if is_named { Self::problem_of_named(presented, host, error) } else { Some(error) };
                    let Some(error) = problem else { return Ok(ServerCertVerified::assertion()) };
                    refused = Some(error);
                }
                verdict => return verdict,
            }
        }
        let error = refused.unwrap_or(CertificateError::UnknownIssuer);
        let explained = certificate_refused(&host.to_str(), &error, presented, intermediates);
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(explained)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.first().verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.first().verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.first().verifier.supported_verify_schemes()
    }
}
