//! What can go wrong between this program and a server?
//!
//! Callers get an [`HttpError`]. Inside this room a [`ConnectError`] is the reason why no connection could be made. The
//! file that notices the reason words it; `tls_error.rs` does so for TLS.

use std::error::Error;
use std::io;

use http::Uri;

use super::origin::origin;

/// An error of another library.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Why a request has no response.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// No connection could be made: nothing of the request has been sent.
    #[error("cannot reach {host}: {cause}")]
    Connect {
        /// Scheme and host.
        host: String,
        /// A clause, or the chain of causes, outermost first.
        cause: String,
        /// Another attempt does not help: for example, the certificate is not trusted, or a proxy refuses.
        permanent: bool,
        /// The process or the system has too many open files.
        exhausted: bool,
        /// What the user can do about it.
        hint: &'static str,
        /// The kind of the reason.
        problem: Problem,
    },
    /// The connection broke, and some of the request may have been sent.
    #[error("the connection to {host} broke: {cause}")]
    Broken {
        /// Scheme and host.
        host: String,
        /// The chain of causes, outermost first.
        cause: String,
        /// The connection had carried another request before, and broke before the first byte of a response: the server
        /// may have closed it before the request came.
        reused: bool,
    },
    /// The server has not processed the request: it may be sent again.
    #[error("{host} does not take the request: {cause}")]
    Unprocessed {
        /// Scheme and host.
        host: String,
        /// What the server says, or why nothing was sent.
        cause: String,
    },
    /// A redirect that is not followed.
    #[error("a redirect of {host} is not followed: {why}")]
    Redirect {
        /// Scheme and host.
        host: String,
        /// A clause about the redirect.
        why: String,
    },
}

/// Where nothing more is known.
pub const NETWORK_HINT: &str = "check the address and the network";

impl HttpError {
    pub(super) fn connect(uri: &Uri, error: ConnectError) -> Self {
        let ConnectError { cause, hint, permanent, exhausted, problem } = error;
        Self::Connect { host: origin(uri), cause, permanent, exhausted, hint, problem }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Connect { hint, .. } => hint,
            Self::Broken { .. } | Self::Unprocessed { .. } => NETWORK_HINT,
            Self::Redirect { .. } => "if the server has another address that you trust, use that address",
        }
    }

    /// Whether another attempt may succeed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connect { permanent, .. } => !permanent,
            Self::Broken { .. } | Self::Unprocessed { .. } => true,
            Self::Redirect { .. } => false,
        }
    }
}

/// What kind of reason there is for no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The name of the server is not known.
    Name,
    /// Nobody listens at the address.
    Refused,
    /// The address does not answer.
    TimedOut,
    /// This machine has no way to the address.
    NoRoute,
    /// The options allow no address of the server.
    Address,
    /// The proxy cannot be reached, or is none.
    Proxy,
    /// The proxy wants a login, or does not accept the one in its address.
    ProxyLogin,
    /// The proxy does not lead to the server.
    ProxyRefuses,
    /// The certificate is signed by an authority that is not trusted.
    UnknownIssuer,
    /// The same; the authority is one of a program that reads what TLS protects.
    Interceptor,
    /// The certificate is signed by itself.
    SelfSigned,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet: most likely the clock is wrong.
    NotValidYet,
    /// The certificate is for another host.
    WrongName,
    /// Another problem with the certificate.
    Certificate,
    /// The server wants a certificate from us, or does not accept ours.
    ClientCertificate,
    /// No version or cipher of TLS in common.
    OldTls,
    /// The server does not speak TLS at this port.
    NotTls,
    /// Anything else.
    Other,
}

/// Why no connection could be made, in words for the user.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{cause}")]
pub(super) struct ConnectError {
    pub(super) cause: String,
    pub(super) hint: &'static str,
    /// Another attempt does not help.
    pub(super) permanent: bool,
    /// The process or the system has too many open files.
    pub(super) exhausted: bool,
    pub(super) problem: Problem,
}

impl ConnectError {
    /// A reason that will still be there at the next attempt.
    pub(super) fn permanent(cause: impl Into<String>, hint: &'static str) -> Self {
        Self { cause: cause.into(), hint, permanent: true, exhausted: false, problem: Problem::Other }
    }

    /// A reason that may be gone at the next attempt.
    pub(super) fn temporary(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), hint: NETWORK_HINT, permanent: false, exhausted: false, problem: Problem::Other }
    }

    /// An error of the system, in the system's words.
    pub(super) fn of_system(error: &(dyn Error + 'static)) -> Self {
        let system = find::<io::Error>(error);
        let code = system.and_then(io::Error::raw_os_error);
        let problem = system.map_or(Problem::Other, |error| match error.kind() {
            io::ErrorKind::ConnectionRefused => Problem::Refused,
            io::ErrorKind::TimedOut => Problem::TimedOut,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => {
                Problem::NoRoute
            }
            _ => Problem::Other,
        });
        Self { exhausted: code.is_some_and(is_exhausted), problem, ..Self::temporary(chain(error)) }
    }

    /// The same with the kind of the reason.
    pub(super) fn of(self, problem: Problem) -> Self {
        Self { problem, ..self }
    }
}

/// Whether this error code says that too many files are open, in this process or on this machine (EMFILE, ENFILE,
/// WSAEMFILE).
fn is_exhausted(code: i32) -> bool {
    if cfg!(windows) { code == 10024 } else { matches!(code, 23 | 24) }
}

/// The first error of type `E` among an error and its causes.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // A TLS error is inside an I/O error, which shows it only through `get_ref`.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find(inner as &(dyn Error + 'static))
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error with its causes, each text once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    text
}
