//! What can go wrong between us and a server?

use std::error::Error;
use std::io;

use http::Uri;
use hyper_util::client::legacy;

/// A request that got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// No connection could be made: nothing of the request has been sent.
    #[error("cannot reach {host}: {cause}")]
    Connect {
        /// Scheme and host.
        host: String,
        /// The chain of causes, outermost first.
        cause: String,
        /// The other side was reached but not trusted, or spoke no TLS: trying again does not help.
        tls: bool,
        /// This process has no file descriptor left for it.
        exhausted: bool,
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

impl HttpError {
    pub(super) fn new(uri: &Uri, error: &legacy::Error) -> Self {
        let host = super::host(uri);
        let cause = chain(error.source().unwrap_or(error));
        if error.is_connect() {
            let tls = find::<rustls::Error>(error).is_some();
            let os = find::<io::Error>(error).and_then(io::Error::raw_os_error);
            Self::Connect { host, cause, tls, exhausted: is_exhausted(os) }
        } else {
            Self::Broken { host, cause }
        }
    }
}

/// Too many open files, in this process or on this machine (EMFILE, ENFILE, WSAEMFILE).
fn is_exhausted(os: Option<i32>) -> bool {
    if cfg!(windows) { os == Some(10024) } else { matches!(os, Some(23 | 24)) }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
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
