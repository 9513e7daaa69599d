//! Is a server who it says it is, and if not, what do we tell people?
//!
//! The platform decides. This stands around its verdict for two reasons: it puts a refusal into a sentence while the
//! certificate is at hand; and a certificate that the user named as trusted is accepted itself, not only those it has
//! signed, because many private servers have just the one.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::certificate::{Certificate, Moment};
use super::error::ConnectError;

/// Names of a certificate that are told.
const MOST_NAMES: usize = 5;

const UNKNOWN_HINT: &str =
    "if you know that authority, name its certificate with --ca-cert FILE; without it the server is not trusted";
const TIME_HINT: &str = "it is not trusted until whoever runs the server renews it; look at this machine's clock, too";
const NAME_HINT: &str = "it is not trusted under this name; check the address for the right one";
const OTHER_HINT: &str = "it is not trusted; ask whoever runs the server";

#[derive(Debug)]
pub(super) struct Verifier {
    platform: rustls_platform_verifier::Verifier,
    /// The certificates that the user or the environment named.
    named: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// Trusts the system's store, what is `named`, and `more`.
    pub(super) fn new(
        named: Vec<CertificateDer<'static>>,
        more: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let extra = named.iter().cloned().chain(more);
        let platform = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(provider))?;
        Ok(Self { platform, named })
    }

    /// Whether this very certificate was named, is for this host, and in date. That the server has its key too is shown
    /// by its signature, which the platform's verifier looks at either way.
    fn is_named(&self, presented: &CertificateDer<'_>, host: &ServerName<'_>) -> bool {
        self.named.contains(presented)
            && Certificate::read(presented).is_some_and(|certificate| certificate.is_valid_at(Moment::now()))
            && ParsedCertificate::try_from(presented).is_ok_and(|parsed| verify_server_name(&parsed, host).is_ok())
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
        match self.platform.verify_server_cert(presented, intermediates, host, ocsp, now) {
            Err(Error::InvalidCertificate(error))
                if error != CertificateError::Revoked && self.is_named(presented, host) =>
            {
                Ok(ServerCertVerified::assertion())
            }
            Err(Error::InvalidCertificate(error)) => {
                let refusal = refusal(&host.to_str(), &error, presented, intermediates);
                Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal)))))
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}

/// Why a certificate is refused, as a sentence.
fn refusal(
    host: &str,
    error: &CertificateError,
    presented: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> ConnectError {
    let Some(certificate) = Certificate::read(presented) else {
        return ConnectError::permanent(format!("the certificate of {host} cannot be read"), OTHER_HINT);
    };
    let now = Moment::now();
    let (cause, hint) = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let cause = if certificate.not_after.moment < now {
                format!("the certificate of {host} has been expired since {}", certificate.not_after.text)
            } else {
                format!("a certificate that vouches for {host} has expired")
            };
            (cause, TIME_HINT)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let cause = if certificate.not_before.moment > now {
                format!("the certificate of {host} is not valid before {}", certificate.not_before.text)
            } else {
                format!("a certificate that vouches for {host} is not valid yet")
            };
            (cause, TIME_HINT)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("the certificate that {host} shows is for {}, not for {host}", listed(&certificate.names)),
            NAME_HINT,
        ),
        CertificateError::Revoked => {
            (format!("the certificate of {host} has been revoked by its authority"), OTHER_HINT)
        }
        CertificateError::UnknownIssuer => (unknown_issuer(host, &certificate, intermediates), UNKNOWN_HINT),
        // An authority's own certificate, which is what people get who make one with a single command.
        CertificateError::Other(_) if certificate.is_self_issued => {
            (unknown_issuer(host, &certificate, intermediates), UNKNOWN_HINT)
        }
        error => (format!("the certificate of {host} is not accepted: {error}"), OTHER_HINT),
    };
    ConnectError::permanent(cause, hint)
}

fn unknown_issuer(host: &str, certificate: &Certificate, intermediates: &[CertificateDer<'_>]) -> String {
    let issuer = &certificate.issuer;
    if certificate.is_self_issued {
        return format!(
            "the certificate of {host} is signed by itself (\"{issuer}\"), and this machine does not trust it"
        );
    }
    let top = intermediates.last().and_then(|last| Certificate::read(last)).map(|last| last.issuer);
    let under = top.filter(|top| top != issuer).map(|top| format!(" under \"{top}\"")).unwrap_or_default();
    format!("the certificate of {host} is signed by \"{issuer}\"{under}, which this machine does not trust")
}

fn listed(names: &[String]) -> String {
    let more = if names.len() > MOST_NAMES { " and others" } else { "" };
    match names {
        [] => "no host at all".to_owned(),
        names => format!("{}{more}", names[..names.len().min(MOST_NAMES)].join(", ")),
    }
}
