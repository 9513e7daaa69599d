//! Why does a connection fail, in words for the user? All sentences about TLS and certificates are here.

use std::error::Error;

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode, Uri};
use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, OtherError};

use super::certificate::Certificate;
use super::error::{ConnectError, Problem, find};
use super::identity::ClientIdentity;

/// The most names of a certificate that a sentence lists.
const MOST_NAMES: usize = 10;

const UNKNOWN_ISSUER_HINT: &str =
    "if you trust that authority, give its certificate with --ca-cert FILE; without it the server is not trusted";
const TIME_HINT: &str =
    "the server is not trusted until its operator renews the certificate; check this machine's clock, too";
const NAME_HINT: &str = "the server is not trusted under this name; check the address";
const COMMON_NAME_HINT: &str = "ask the operator for a certificate with a subject alternative name, or give this very certificate with --ca-cert FILE";
const VERSION_1_HINT: &str = "make a certificate of version 3, with the host as subject alternative name";
const CERTIFICATE_HINT: &str = "the server is not trusted; ask its operator";
const CLIENT_CERTIFICATE_HINT: &str =
    "give your certificate for this server with --client-cert FILE, and its key with --client-key FILE";
const WITHHELD_HINT: &str =
    "if that server is to see your certificate too, name it with --client-cert-origin https://HOST";
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
        Error::AlertReceived(alert) if requires_certificate(*alert, identity) => {
            client_certificate_missing(host, identity)
        }
        Error::AlertReceived(alert)
            if identity.is_given() && identity.was_requested() && is_about_certificate(*alert) =>
        {
            client_certificate_refused(host, &alert_words(*alert))
        }
        Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::HandshakeFailure,
        )
        | Error::PeerIncompatible(_) => ConnectError::permanent(
            format!("{host} and this program have no version or cipher of TLS in common"),
            VERSION_HINT,
        )
        .of(Problem::OldTls),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            ConnectError::permanent(format!("the server does not know the name {host}"), OTHER_HINT)
                .of(Problem::WrongName)
        }
        Error::AlertReceived(alert) => {
            ConnectError::permanent(format!("{host} ended the TLS handshake ({})", alert_words(*alert)), OTHER_HINT)
        }
        Error::InvalidMessage(_) => {
            ConnectError::permanent(format!("{host} does not answer in TLS, as an https server does"), PLAIN_HTTP_HINT)
                .of(Problem::NotTls)
        }
        Error::General(text) if text.contains("No CA certificates") => ConnectError::permanent(
            "this machine has no certificates of authorities, so it cannot trust any https server",
            STORE_HINT,
        )
        .of(Problem::UnknownIssuer),
        Error::InvalidCertificate(error) => {
            ConnectError::permanent(format!("the certificate of {host} {}", problem(error)), CERTIFICATE_HINT)
                .of(Problem::Certificate)
        }
        Error::PeerMisbehaved(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            ConnectError::permanent(format!("{host} does not keep to the rules of TLS"), OTHER_HINT)
        }
        Error::General(text) => ConnectError::permanent(format!("TLS with {host} fails: {text}"), OTHER_HINT),
        Error::Other(OtherError(inner)) => {
            ConnectError::permanent(format!("TLS with {host} fails: {}", words(&inner.to_string())), OTHER_HINT)
        }
        _ => ConnectError::permanent(format!("TLS with {host} fails"), OTHER_HINT),
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
        return ConnectError::permanent(format!("the certificate of {host} cannot be read"), CERTIFICATE_HINT)
            .of(Problem::Certificate);
    };
    let (cause, hint, kind) = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            let cause = if certificate.has_expired {
                format!("the certificate of {host} expired on {}", certificate.not_after)
            } else {
                format!("a certificate that signs for {host} has expired")
            };
            (cause, TIME_HINT, Problem::Expired)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let cause = if certificate.is_not_valid_yet {
                format!("the certificate of {host} is not valid before {}", certificate.not_before)
            } else {
                format!("a certificate that signs for {host} is not valid yet")
            };
            (cause, TIME_HINT, Problem::NotValidYet)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let (cause, hint) = wrong_name(host, &certificate);
            (cause, hint, Problem::WrongName)
        }
        CertificateError::Revoked => {
            let cause = format!("the certificate of {host} has been revoked by its authority");
            (cause, CERTIFICATE_HINT, Problem::Certificate)
        }
        CertificateError::UnknownIssuer => {
            let kind = kind_of_issuer(&certificate, intermediates);
            (unknown_issuer(host, &certificate, intermediates), UNKNOWN_ISSUER_HINT, kind)
        }
        _ if certificate.is_version_1 => {
            let cause =
                format!("the certificate of {host} is of version 1 of X.509, which this program does not support");
            (cause, VERSION_1_HINT, Problem::Certificate)
        }
        // An authority's own certificate: `openssl req -x509` makes such a one.
        CertificateError::Other(_) if certificate.is_self_issued => {
            (unknown_issuer(host, &certificate, intermediates), UNKNOWN_ISSUER_HINT, Problem::SelfSigned)
        }
        error => (format!("the certificate of {host} {}", problem(error)), CERTIFICATE_HINT, Problem::Certificate),
    };
    ConnectError::permanent(cause, hint).of(kind)
}

/// Words in the names of authorities that programs have which read what TLS protects: those of companies, of virus
/// scanners, and of developers.
const INTERCEPTORS: [&str; 22] = [
    "zscaler",
    "netskope",
    "palo alto",
    "fortinet",
    "fortigate",
    "blue coat",
    "bluecoat",
    "cisco umbrella",
    "sophos",
    "check point",
    "forcepoint",
    "websense",
    "mcafee",
    "trend micro",
    "kaspersky",
    "avast",
    "avg web",
    "eset ssl",
    "bitdefender",
    "mitmproxy",
    "charles proxy",
    "portswigger",
];

/// Whether an authority of this name belongs to a program that reads what TLS protects.
pub(super) fn is_interceptor(issuer: &str) -> bool {
    let issuer = issuer.to_lowercase();
    INTERCEPTORS.iter().any(|name| issuer.contains(name))
}

fn kind_of_issuer(certificate: &Certificate, intermediates: &[CertificateDer<'_>]) -> Problem {
    let above = intermediates.iter().filter_map(|above| Certificate::read(above)).map(|above| above.issuer);
    if above.chain([certificate.issuer.clone()]).any(|issuer| is_interceptor(&issuer)) {
        Problem::Interceptor
    } else if certificate.is_self_issued {
        Problem::SelfSigned
    } else {
        Problem::UnknownIssuer
    }
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

fn wrong_name(host: &str, certificate: &Certificate) -> (String, &'static str) {
    if certificate.has_as_common_name(host) {
        let cause = format!(
            "the certificate of {host} has this name only as its common name, which does not count any more: it has no \
             subject alternative name"
        );
        return (cause, COMMON_NAME_HINT);
    }
    (format!("the certificate of {host} is for {}, not for {host}", listed(certificate)), NAME_HINT)
}

/// What is wrong with a certificate, as the rest of a sentence. Without it the user would read the names of variants.
fn problem(error: &CertificateError) -> String {
    let problem = match error {
        CertificateError::BadEncoding => "cannot be read",
        CertificateError::BadSignature => "has a signature that is not its authority's",
        CertificateError::UnhandledCriticalExtension => "has an extension that this program does not know",
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. }
        | CertificateError::InvalidOcspResponse => "may have been revoked: that could not be checked",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed with an algorithm that this program does not support"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "is not meant for servers",
        CertificateError::Other(OtherError(inner)) if inner.to_string() == "CaUsedAsEndEntity" => {
            "is that of an authority, and not accepted as a server's"
        }
        CertificateError::Other(OtherError(inner)) => return format!("is not accepted: {}", words(&inner.to_string())),
        _ => "is not accepted",
    };
    problem.to_owned()
}

fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::Unknown(code) => format!("alert {code}"),
        alert => words(&format!("{alert:?}")),
    }
}

/// The name of a variant as words: `UnknownCA` is "unknown CA". A text that is a sentence stays, and what a program would
/// print of a structure is left out.
fn words(text: &str) -> String {
    if text.contains(['{', '(']) && !text.contains(' ') || text.contains("{ ") {
        return "its verification failed".to_owned();
    }
    if text.contains(' ') {
        return text.to_owned();
    }
    let mut words = String::new();
    let letters: Vec<char> = text.chars().collect();
    for (at, c) in letters.iter().enumerate() {
        let is_capital = |at: usize| letters.get(at).is_some_and(char::is_ascii_uppercase);
        let begins = is_capital(at) && at > 0 && !is_capital(at - 1);
        if begins {
            words.push(' ');
        }
        let is_alone =
            is_capital(at) && !is_capital(at + 1) && (at == 0 || !is_capital(at - 1)) && at + 1 < letters.len();
        words.push(if is_alone { c.to_ascii_lowercase() } else { *c });
    }
    words
}

fn listed(certificate: &Certificate) -> String {
    match &certificate.names[..] {
        [] => match &certificate.common_name {
            Some(name) => format!("no host at all (its common name is \"{name}\")"),
            None => "no host at all".to_owned(),
        },
        names if names.len() > MOST_NAMES => format!("{} and others", names[..MOST_NAMES].join(", ")),
        names => names.join(", "),
    }
}

/// Why a page that came back refuses the connection. Some web servers (nginx) let every handshake succeed, and answer
/// with 400 where our certificate is missing or not accepted. An MCP server's own 400 is not an HTML page.
pub(super) fn refused_in_page<T>(uri: &Uri, response: &Response<T>, identity: &ClientIdentity) -> Option<ConnectError> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_page = content_type.is_some_and(|value| value.starts_with("text/html"));
    if response.status() != StatusCode::BAD_REQUEST || !is_page || !identity.was_requested() {
        return None;
    }
    let host = uri.host().unwrap_or_default();
    Some(if identity.is_given() {
        client_certificate_refused(host, "400")
    } else {
        client_certificate_missing(host, identity)
    })
}

fn client_certificate_missing(host: &str, identity: &ClientIdentity) -> ConnectError {
    if identity.is_withheld {
        let cause = format!("{host} requires a certificate from its clients, and --client-cert is not shown to it");
        return ConnectError::permanent(cause, WITHHELD_HINT).of(Problem::ClientCertificate);
    }
    let cause = format!("{host} requires a certificate from its clients, but you have not given any");
    ConnectError::permanent(cause, CLIENT_CERTIFICATE_HINT).of(Problem::ClientCertificate)
}

fn client_certificate_refused(host: &str, reason: &str) -> ConnectError {
    let cause = format!("{host} does not accept the certificate of --client-cert ({reason})");
    ConnectError::permanent(cause, "give your certificate for this server, and check that it has not expired")
        .of(Problem::ClientCertificate)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_shows_the_name_of_a_variant() {
        for (text, expected) in [
            ("UnknownCA", "unknown CA"),
            ("HandshakeFailure", "handshake failure"),
            ("CaUsedAsEndEntity", "ca used as end entity"),
            ("certificate had invalid extensions", "certificate had invalid extensions"),
            ("UnsupportedSignature(Context)", "its verification failed"),
            ("Context { a: [1] }", "its verification failed"),
        ] {
            assert_eq!(words(text), expected);
        }
        assert_eq!(alert_words(AlertDescription::Unknown(200)), "alert 200");
        for error in [
            CertificateError::BadEncoding,
            CertificateError::ApplicationVerificationFailure,
            CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: vec![1],
                supported_algorithms: Vec::new(),
            },
        ] {
            let text = problem(&error);
            assert!(text.contains(' ') && !text.contains(['{', '(', '[']), "{text}");
        }
    }
}
