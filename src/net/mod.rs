//! The one HTTP client. It knows no MCP.
//!
//! The way of a request, from top to bottom:
//!
//! 1. `client`: [`Http::send`] adds cookies and the headers for a proxy, and reads redirects. Its pool (of hyper-util)
//!    takes a connection that is idle, or asks the connector for a new one.
//! 2. `connector`: opens a connection within `--connect-timeout`. The next four are its steps.
//! 3. `proxy`: which proxy, if any? `proxy_url` reads a proxy's address. `socket` connects to a Unix-domain socket or
//!    a named pipe instead.
//! 4. `address`: resolves the host and refuses addresses that are not allowed.
//! 5. `tunnel`: asks the proxy for a tunnel to the server. `stream` is the byte stream that results.
//! 6. `tls`: the configuration of TLS. `pem` reads the user's files for it, `identity` is our own certificate,
//!    `verifier` decides about the server's, and `certificate` reads names and dates of it.
//! 7. `error`: what can go wrong on the way. `tls_error` has the sentences about TLS and certificates.
//!
//! What comes back is read by `body`, or as server-sent events by `sse`. `origin` answers small questions about an
//! address; `network` holds the user's choices.

mod address;
mod body;
mod certificate;
mod client;
mod connector;
mod cookies;
mod error;
mod identity;
mod network;
mod origin;
mod pem;
mod proxy;
mod proxy_url;
mod socket;
mod sse;
mod stream;
mod tls;
mod tls_error;
mod tunnel;
mod verifier;

pub use body::{BodyError, read, snippet};
pub use client::{Http, PRODUCT, ResponseOrRedirect, retry_after};
pub use error::HttpError;
pub use network::{AddressScope, Family, Network, NetworkError, Proxy, socket_url};
pub use origin::{host_header, origin};
pub use proxy_url::ProxyUrl;
pub use sse::{Event, Events, SseError};
