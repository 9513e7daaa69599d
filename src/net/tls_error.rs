//! Why does a connection fail, in words for the user? All sentences about TLS and certificates are here.

use std::error::Error;

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode, Uri};
use hyper::body::Incoming;
use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, OtherError};

use super::certificate::Certificate;
use super::error::{ConnectError, find};
use super::identity::ClientIdentity;

/// The most names of a certificate that a sentence lists.
const MOST_NAMES: usize = 5;

const UNKNOWN_ISSUER_HINT: &str =
    "if you trust that authority, give its certificate with --ca-cert FILE; without it the server is not trusted";
const TIME_HINT: &str =
    "the server is not trusted until its operator renews the certificate; check this machine's clock, too";
const NAME_HINT: &str = "the server is not trusted under this name; check the address";
const CERTIFICATE_HINT: &str = "the server is not trusted; ask its operator";
const CLIENT_CERTIFICATE_HINT: &str =
    "give your certificate for this server with --client-cert FILE, and its key with --client-key FILE";
const PLAIN_HTTP_HINT: &str =
    "if it is a plain http server, its address begins with http://; on another machine that needs --allow-http";
const STORE_HINT: &str = "install the system's ca-certificates, or give an authority's certificate with --ca-cert FILE";
const VERSION_HINT: &str = "the server must support TLS 1.2 or 1.3; ask its operator";
const OTHER_HINT: &str = "check the address; if it is right, ask the server's operator";

/// The reason in an error of the connector or of a connection: our own words if they are in it, words about TLS, or
/// what the system reports.
pub(super) fn explain(error: &(dyn Error + 'static), uri: &Uri, identity: &ClientIdentity) -> ConnectError {
    if let Some(known) = find::<ConnectError>(error) {
        return known.clone();
    }
    match find::<rustls::Error>(error) {
        Some(error) => tls_failed(error, uri.host().unwrap_or_default(), identity),
        None => ConnectError::of_system(error),
    }
}

fn tls_failed(error: &rustls::Error, host: &str, identity: &ClientIdentity) -> ConnectError {
    use rustls::Error;
    match error {
        // What `certificate_refused` wrote, on its way out of the handshake.
        Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) if inner.is::<ConnectError>() => {
            find::<ConnectError>(&**inner).cloned().unwrap_or_else(|| ConnectError::of_system(&**inner))
        }
        Error::AlertReceived(alert) if requires_certificate(*alert, identity) => client_certificate_missing(host),
        Error::AlertReceived(alert)
            if identity.is_given() && identity.was_requested() && is_about_certificate(*alert) =>
        {
            client_certificate_refused(host, &format!("{alert:?}"))
        }
        Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::HandshakeFailure,
        )
        | Error::PeerIncompatible(_) => ConnectError::permanent(
            format!("{host} and this program have no version or cipher of TLS in common"),
            VERSION_HINT,
        ),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            ConnectError::permanent(format!("the server does not know the name {host}"), OTHER_HINT)
        }
        Error::AlertReceived(alert) => {
            ConnectError::permanent(format!("{host} ended the TLS handshake ({alert:?})"), OTHER_HINT)
        }
        Error::InvalidMessage(_) => {
            ConnectError::permanent(format!("{host} does not answer in TLS, as an https server does"), PLAIN_HTTP_HINT)
        }
        Error::General(text) if text.contains("No CA certificates") => ConnectError::permanent(
            "this machine has no certificates of authorities, so it cannot trust any https server",
            STORE_HINT,
        ),
        error => ConnectError::permanent(format!("TLS with {host} fails: {error}"), OTHER_HINT),
    }
}

/// Why a server's certificate is refused: it has expired, is for another host, is signed by an unknown authority, …
pub(super) fn certificate_refused(
    host: &str,
    error: &CertificateError,
    presented: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> ConnectError {
    let Some(certificate) = Certificate::read(presented) else {
        return ConnectError::permanent(format!("the certificate of {host} cannot be read"), CERTIFICATE_HINT);
    };
    let (cause, hint) = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let cause = if certificate.has_expired {
                format!("the certificate of {host} expired on {}", certificate.not_after)
            } else {
                format!("a certificate that signs for {host} has expired")
            };
            (cause, TIME_HINT)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let cause = if certificate.is_not_valid_yet {
                format!("the certificate of {host} is not valid before {}", certificate.not_before)
            } else {
                format!("a certificate that signs for {host} is not valid yet")
            };
            (cause, TIME_HINT)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (format!("the certificate of {host} is for {}, not for {host}", listed(&certificate.names)), NAME_HINT)
        }
        CertificateError::Revoked => {
            (format!("the certificate of {host} has been revoked by its authority"), CERTIFICATE_HINT)
        }
        CertificateError::UnknownIssuer => (unknown_issuer(host, &certificate, intermediates), UNKNOWN_ISSUER_HINT),
        // An authority's own certificate: `openssl req -x509` makes such a one.
        CertificateError::Other(_) if certificate.is_self_issued => {
            (unknown_issuer(host, &certificate, intermediates), UNKNOWN_ISSUER_HINT)
        }
        error => (format!("the certificate of {host} is not accepted: {error}"), CERTIFICATE_HINT),
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
    match names {
        [] => "no host at all".to_owned(),
        names if names.len() > MOST_NAMES => format!("{} and others", names[..MOST_NAMES].join(", ")),
        names => names.join(", "),
    }
}

/// Why a page that came back refuses the connection. Some web servers (nginx) let every handshake succeed, and answer
/// with 400 where our certificate is missing or not accepted. An MCP server's own 400 is not an HTML page.
pub(super) fn refused_in_page(
    uri: &Uri,
    response: &Response<Incoming>,
    identity: &ClientIdentity,
) -> Option<ConnectError> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_page = content_type.is_some_and(|value| value.starts_with("text/html"));
    if response.status() != StatusCode::BAD_REQUEST || !is_page || !identity.was_requested() {
        return None;
    }
    let host = uri.host().unwrap_or_default();
    Some(if identity.is_given() { client_certificate_refused(host, "400") } else { client_certificate_missing(host) })
}

fn client_certificate_missing(host: &str) -> ConnectError {
    let cause = format!("{host} requires a certificate from its clients, but you have not given any");
    ConnectError::permanent(cause, CLIENT_CERTIFICATE_HINT)
}

fn client_certificate_refused(host: &str, reason: &str) -> ConnectError {
    let cause = format!("{host} does not accept the certificate of --client-cert ({reason})");
    ConnectError::permanent(cause, "give your certificate for this server, and check that it has not expired")
}

/// Whether a connection broke because the server requires a certificate or does not accept ours. In TLS 1.3 the server
/// reports it when the handshake is complete for us, and it has carried out nothing.
pub(super) fn is_about_client_certificate(error: &(dyn Error + 'static), identity: &ClientIdentity) -> bool {
    match find::<rustls::Error>(error) {
        Some(rustls::Error::AlertReceived(alert)) => {
            requires_certificate(*alert, identity) || (identity.was_requested() && is_about_certificate(*alert))
        }
        _ => false,
    }
}

fn requires_certificate(alert: AlertDescription, identity: &ClientIdentity) -> bool {
    alert == AlertDescription::CertificateRequired
        || (identity.was_requested() && !identity.is_given() && is_about_certificate(alert))
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::HandshakeFailure
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
}
