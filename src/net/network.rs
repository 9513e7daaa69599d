//! Which connection options did the user choose? Plain values: no file has been read yet.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use percent_encoding::percent_decode_str;

use super::address::{AddressScope, Family};
use super::proxy_url::ProxyUrl;

/// The default of `--connect-timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How connections are opened. [`Default`] holds for a user who sets no option.
#[derive(Debug, Clone)]
pub struct Network {
    /// Which proxy is used.
    pub proxy: Proxy,
    /// Files with certificates of authorities, which are trusted in addition to the system's store.
    pub ca_certs: Vec<PathBuf>,
    /// A file with our certificate and its chain.
    pub client_cert: Option<PathBuf>,
    /// The servers that `client_cert` is shown to, and no others: only their origins matter.
    pub client_cert_servers: Vec<Uri>,
    /// A file with the key of `client_cert`; `None` if that file holds the key too.
    pub client_key: Option<PathBuf>,
    /// Which family of addresses is used.
    pub family: Family,
    /// A Unix-domain socket, or `\\.\pipe\NAME` on Windows, to which every connection goes instead of the URL's host.
    pub unix_socket: Option<PathBuf>,
    /// HTTP/2 is not used.
    pub http1: bool,
    /// The time limit for one connection: name, TCP, tunnel and TLS together.
    pub connect_timeout: Duration,
    /// Whether cookies are stored and sent back.
    pub cookies: bool,
    /// Which addresses requests may be sent to.
    pub address_scope: AddressScope,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            proxy: Proxy::Environment,
            ca_certs: Vec::new(),
            client_cert: None,
            client_cert_servers: Vec::new(),
            client_key: None,
            family: Family::Any,
            unix_socket: None,
            http1: false,
            connect_timeout: CONNECT_TIMEOUT,
            cookies: true,
            address_scope: AddressScope::Any,
        }
    }
}

/// Which proxy is used.
#[derive(Debug, Clone)]
pub enum Proxy {
    /// The proxy that the environment or else the system's settings name for the server; no proxy for this machine.
    Environment,
    /// This proxy, for every server.
    Given(ProxyUrl),
    /// No proxy.
    None,
}

/// Splits `unix:///path/to.sock#/mcp`, or `pipe:///pipe/name#/mcp` on Windows, into the socket and the address of the
/// endpoint behind it. `None` for a URL of another scheme.
pub fn socket_url(url: &str) -> Option<Result<(PathBuf, Uri), String>> {
    let (scheme, rest) = url.split_once("://")?;
    let is_pipe = match scheme.to_ascii_lowercase().as_str() {
        "unix" => false,
        "pipe" => true,
        _ => return None,
    };
    let (path, endpoint) = rest.split_once('#').unwrap_or((rest, "/"));
    Some(socket_and_endpoint(path, endpoint, is_pipe))
}

fn socket_and_endpoint(path: &str, endpoint: &str, is_pipe: bool) -> Result<(PathBuf, Uri), String> {
    if !path.starts_with('/') || path.len() == 1 {
        return Err("a socket's URL has three slashes and a path: unix:///path/to.sock#/mcp".to_owned());
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| "the socket's path is not UTF-8".to_owned())?;
    let socket = if is_pipe { format!(r"\\.{}", path.replace('/', "\\")) } else { path.into_owned() };
    let slash = if endpoint.starts_with('/') { "" } else { "/" };
    let uri = format!("http://localhost{slash}{endpoint}").parse();
    Ok((socket.into(), uri.map_err(|_| "the part after the # is not a path".to_owned())?))
}

/// Why the user's options cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{cause}")]
pub struct NetworkError {
    cause: String,
    hint: &'static str,
}

impl NetworkError {
    pub(super) fn new(cause: impl Into<String>, hint: &'static str) -> Self {
        Self { cause: cause.into(), hint }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        self.hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_s_url_names_the_socket_and_the_endpoint() {
        for (url, socket, endpoint) in [
            ("unix:///run/mcp.sock#/mcp", "/run/mcp.sock", "http://localhost/mcp"),
            ("unix:///run/mcp.sock#mcp?x=1", "/run/mcp.sock", "http://localhost/mcp?x=1"),
            ("UNIX:///run/a%20b.sock", "/run/a b.sock", "http://localhost/"),
            ("pipe:///pipe/mcp#/mcp", r"\\.\pipe\mcp", "http://localhost/mcp"),
        ] {
            let (path, uri) = socket_url(url).unwrap().unwrap();
            assert_eq!((path.to_str().unwrap(), uri.to_string().as_str()), (socket, endpoint), "{url}");
        }
        for broken in ["unix://", "unix://run/mcp.sock", "unix:///#/mcp", "unix:///a#/ b", "unix:///%ff"] {
            assert!(socket_url(broken).unwrap().is_err(), "{broken}");
        }
        assert!(socket_url("https://example.com/mcp").is_none() && socket_url("example.com").is_none());
    }
}
