//! What does it mean when TLS fails? (What is wrong with a certificate is said in `verifier.rs`.)

use std::error::Error as StdError;

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode, Uri};
use hyper::body::Incoming;
use rustls::{AlertDescription, CertificateError, Error, OtherError};

use super::error::{ConnectError, find};
use super::tls::Tls;

const CERTIFICATE_HINT: &str =
    "give the certificate that you have for it with --client-cert FILE, and its key with --client-key FILE";
const PLAIN_HINT: &str =
    "if it is a plain http server, its address begins with http://; off this machine that needs --allow-http";
const STORE_HINT: &str = "install the system's ca-certificates, or name an authority's certificate with --ca-cert FILE";
const VERSION_HINT: &str = "it must speak TLS 1.2 or 1.3; ask whoever runs the server";
const OTHER_HINT: &str = "check the address; if it is right, ask whoever runs the server";

/// What stands in the way, if TLS says so.
pub(super) fn cause(error: &Error, uri: &Uri, tls: &Tls) -> ConnectError {
    let host = uri.host().unwrap_or_default();
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) if inner.is::<ConnectError>() => {
            ConnectError::of(&**inner, uri, tls)
        }
        Error::AlertReceived(alert) if wants_a_certificate(*alert, tls) => missing(host),
        Error::AlertReceived(alert) if tls.has_identity() && tls.was_asked() && is_about_a_certificate(*alert) => {
            not_accepted(host, &format!("{alert:?}"))
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
            ConnectError::permanent(format!("{host} does not answer in TLS, as an https server does"), PLAIN_HINT)
        }
        Error::General(text) if text.contains("No CA certificates") => ConnectError::permanent(
            "this machine has no certificates of authorities, so no https server can be trusted",
            STORE_HINT,
        ),
        error => ConnectError::permanent(format!("TLS with {host} fails: {error}"), OTHER_HINT),
    }
}

/// What stands in the way, if a page says it: some web servers (nginx) let every handshake pass, and answer with 400 to
/// those whose certificate is missing or not wanted. An MCP server's own 400 is no page.
pub(super) fn in_page(uri: &Uri, response: &Response<Incoming>, tls: &Tls) -> Option<ConnectError> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_page = kind.is_some_and(|kind| kind.starts_with("text/html"));
    if response.status() != StatusCode::BAD_REQUEST || !is_page || !tls.was_asked() {
        return None;
    }
    let host = uri.host().unwrap_or_default();
    Some(if tls.has_identity() { not_accepted(host, "400") } else { missing(host) })
}

fn missing(host: &str) -> ConnectError {
    ConnectError::permanent(format!("{host} wants a certificate from its clients, and none is given"), CERTIFICATE_HINT)
}

fn not_accepted(host: &str, how: &str) -> ConnectError {
    let cause = format!("{host} does not accept the certificate of --client-cert ({how})");
    ConnectError::permanent(cause, "give the one that you have for this server, and see that it has not expired")
}

/// Whether a connection that broke says that our certificate is missing or not wanted. In TLS 1.3 a server says so when
/// the handshake is over for us, and has carried out nothing.
pub(super) fn is_about_our_certificate(error: &(dyn StdError + 'static), tls: &Tls) -> bool {
    match find::<Error>(error) {
        Some(Error::AlertReceived(alert)) => {
            wants_a_certificate(*alert, tls) || (tls.was_asked() && is_about_a_certificate(*alert))
        }
        _ => false,
    }
}

fn wants_a_certificate(alert: AlertDescription, tls: &Tls) -> bool {
    alert == AlertDescription::CertificateRequired
        || (tls.was_asked() && !tls.has_identity() && is_about_a_certificate(alert))
}

fn is_about_a_certificate(alert: AlertDescription) -> bool {
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
