//! Which version of HTTP does the upstream of a test speak?
//!
//! A test of a transport is a row of a table: `over_each_protocol!` makes two tests of each function that it lists, one
//! for each version. The function itself names no version.

// For Windows with mingw, clippy overlooks the `const` below.
#![allow(clippy::missing_const_for_thread_local)]

use std::cell::Cell;
use std::sync::{Arc, LazyLock};

use rustls::ServerConfig;

use super::https::{CertificateAuthority, Https};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 without TLS.
    Http1,
    /// HTTP/2, agreed upon in the TLS handshake.
    Http2,
}

thread_local! {
    static CURRENT: Cell<Protocol> = const { Cell::new(Protocol::Http1) };
    static TRUSTS: Cell<bool> = const { Cell::new(false) };
}

impl Protocol {
    /// What the upstreams of this thread speak.
    pub(super) fn current() -> Self {
        CURRENT.get()
    }

    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::Http1 => "http",
            Self::Http2 => "https",
        }
    }
}

/// Runs a test whose upstreams speak this protocol.
pub(crate) fn over(protocol: Protocol, test: impl FnOnce()) {
    CURRENT.set(protocol);
    test();
}

/// The tests of a table, each over HTTP/1.1 and over HTTP/2. A function that no table lists is unused code.
macro_rules! over_each_protocol {
    ($($(#[$attribute:meta])* $test:ident,)*) => {
        mod http1 {
            $($(#[$attribute])* #[test] fn $test() { $crate::support::over($crate::support::Protocol::Http1, super::$test); })*
        }
        mod http2 {
            $($(#[$attribute])* #[test] fn $test() { $crate::support::over($crate::support::Protocol::Http2, super::$test); })*
        }
    };
}
pub(crate) use over_each_protocol;

struct Certificates {
    authority: CertificateAuthority,
    config: Arc<ServerConfig>,
}

static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    let authority = CertificateAuthority::new("CA of the tests");
    let names = ["localhost", "mcp.example", "127.0.0.1", "2001:db8::1"];
    let (config, _) = Https::config(&authority, &names, |_| {});
    Certificates { authority, config }
});

/// The TLS configuration of a server that offers these protocols. Bridges that this thread starts from now on trust it.
pub(super) fn tls_config(protocols: &[&str]) -> Arc<ServerConfig> {
    TRUSTS.set(true);
    let mut config = (*CERTIFICATES.config).clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// The certificate authority, as PEM, that a bridge needs for the servers of this thread.
pub(super) fn trusted_authority() -> Option<String> {
    TRUSTS.get().then(|| CERTIFICATES.authority.pem())
}
