//! The one HTTP client. It knows no MCP.
//!
//! A request goes from top to bottom: [`Http::send`] in `client` adds cookies and a proxy's headers. The connection that
//! carries it is held by `http2`, or by `http1` for servers without HTTP/2; `connector` opens both, and `spares` has those
//! that were opened before they are needed. The steps of that: `proxy` names the proxy, `address` resolves the
//! host and refuses addresses, `tunnel` leads through the proxy, `tls` encrypts (with `verifier` for the server's
//! certificate, `authorities` for whom it trusts, and `identity` for ours). What fails on the way is an `error`; `tls_error` has all sentences about TLS
//! and certificates. The response is decoded by `encoding`, and read by `body`, or by `sse` as server-sent events; `held`
//! limits what they hold, and `charset` reads text that is not UTF-8. `probe` takes the steps of a connection one by one,
//! for people who look for what is wrong.

mod address;
mod authorities;
mod body;
mod certificate;
mod charset;
mod client;
mod connector;
mod cookies;
mod encoding;
mod error;
mod held;
mod http1;
mod http2;
mod identity;
mod network;
mod origin;
mod pem;
mod probe;
mod proxy;
mod proxy_url;
mod spares;
mod sse;
mod stream;
mod tls;
mod tls_error;
mod tunnel;
mod verifier;

pub use address::{AddressScope, Family};
pub use body::{BodyError, read, snippet};
pub use charset::{from_other, from_utf16, to_utf8};
pub use client::{Http, PRODUCT, ResponseOrRedirect, retry_after};
pub use encoding::ResponseBody;
pub use error::{HttpError, NETWORK_HINT, Problem};
pub use network::{Network, NetworkError, Proxy, socket_url};
pub use origin::{at_own_origin, host_header, is_localhost, is_loopback, origin};
pub use probe::{Route, TlsFacts, Unreachable};
pub use proxy_url::ProxyUrl;
pub use sse::{Event, Events, SseError};
