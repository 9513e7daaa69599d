//! What can go wrong between us and a server?

use std::error::Error;
use std::io;

use http::Uri;
use hyper_util::client::legacy;

use super::tls::Tls;
use super::tls_error;

/// An error of some other layer.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// A request that got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// No connection could be made: nothing of the request has been sent.
    #[error("cannot reach {host}: {cause}")]
    Connect {
        /// Scheme and host.
        host: String,
        /// A clause, or the chain of causes, outermost first.
        cause: String,
        /// Trying again does not help: somebody was reached who is not trusted, speaks no TLS, or says no.
        permanent: bool,
        /// This process has no file descriptor left for it.
        exhausted: bool,
        /// What a person can do about it.
        hint: &'static str,
    },
    /// The connection broke when some of the request may have been sent.
    #[error("the connection to {host} broke: {cause}")]
    Broken {
        /// Scheme and host.
        host: String,
        /// The chain of causes, outermost first.
        cause: String,
    },
    /// A redirect that is not followed.
    #[error("a redirect of {host} is not followed: {why}")]
    Redirect {
        /// Scheme and host.
        host: String,
        /// A clause about what it does.
        why: String,
    },
}

const NETWORK_HINT: &str = "check the address and the network; the bridge keeps trying";

impl HttpError {
    pub(super) fn new(uri: &Uri, error: &legacy::Error, tls: &Tls) -> Self {
        let host = super::host(uri);
        // A server may say only after the handshake that it does not like our certificate, or wants one.
        if error.is_connect() || tls_error::is_about_our_certificate(error, tls) {
            let ConnectError { cause, hint, permanent, .. } =
                ConnectError::of(error.source().unwrap_or(error), uri, tls);
            let os = find::<io::Error>(error).and_then(io::Error::raw_os_error);
            return Self::Connect { host, cause, permanent, exhausted: is_exhausted(os), hint };
        }
        Self::Broken { host, cause: chain(error.source().unwrap_or(error)) }
    }

    /// The way to this address is barred.
    pub(super) fn refused(uri: &Uri, cause: ConnectError) -> Self {
        let ConnectError { cause, hint, permanent, .. } = cause;
        Self::Connect { host: super::host(uri), cause, permanent, exhausted: false, hint }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Connect { hint, .. } => hint,
            Self::Broken { .. } => NETWORK_HINT,
            Self::Redirect { .. } => "if there is another address that you trust, use that one",
        }
    }

    /// Another attempt may go better by itself.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connect { permanent, .. } => !permanent,
            Self::Broken { .. } => true,
            Self::Redirect { .. } => false,
        }
    }
}

/// What stands in the way of a connection, when we can say it better than the system.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(super) struct ConnectError {
    pub(super) cause: String,
    pub(super) hint: &'static str,
    pub(super) permanent: bool,
    source: Option<BoxError>,
}

impl ConnectError {
    /// It will be there next time too.
    pub(super) fn permanent(cause: impl Into<String>, hint: &'static str) -> Self {
        Self { cause: cause.into(), hint, permanent: true, source: None }
    }

    /// It may be gone next time.
    pub(super) fn passing(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), hint: NETWORK_HINT, permanent: false, source: None }
    }

    /// The cause in an error, or what the error is in itself.
    pub(super) fn of(error: &(dyn Error + 'static), uri: &Uri, tls: &Tls) -> Self {
        if let Some(Self { cause, hint, permanent, .. }) = find::<Self>(error) {
            return Self { cause: cause.clone(), hint, permanent: *permanent, source: None };
        }
        match find::<rustls::Error>(error) {
            Some(error) => tls_error::cause(error, uri, tls),
            None => Self::passing(chain(error)),
        }
    }

    /// Somebody on the way is out of reach.
    pub(super) fn on_the_way_to(who: &impl std::fmt::Display, error: BoxError, uri: &Uri, tls: &Tls) -> Self {
        let Self { cause, hint, permanent, .. } = Self::of(&*error, uri, tls);
        Self { cause: format!("{who} cannot be reached: {cause}"), hint, permanent, source: Some(error) }
    }
}

/// Too many open files, in this process or on this machine (EMFILE, ENFILE, WSAEMFILE).
fn is_exhausted(os: Option<i32>) -> bool {
    if cfg!(windows) { os == Some(10024) } else { matches!(os, Some(23 | 24)) }
}

pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(found) = this.downcast_ref() {
            return Some(found);
        }
        // A TLS error travels inside an I/O error, which shows it only through `get_ref`.
        if let Some(inner) = this.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find(inner as &(dyn Error + 'static))
        {
            return Some(found);
        }
        error = this.source();
    }
    None
}

/// An error with its causes, without saying the same thing twice.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}
