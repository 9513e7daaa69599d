//! What did the user choose about the way to a server? Plain values; nothing here has been looked at yet.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use percent_encoding::percent_decode_str;

use super::proxy::ProxyUrl;

/// How long making one connection may take where nobody says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How connections are made. [`Default`] is what a user gets who says nothing about it.
#[derive(Debug, Clone)]
pub struct Network {
    /// Which proxy is asked.
    pub proxy: Proxy,
    /// Files of certificates of authorities, trusted besides the system's own.
    pub ca_certs: Vec<PathBuf>,
    /// A file with this side's certificate and those that lead to its authority.
    pub client_cert: Option<PathBuf>,
    /// A file with the key of `client_cert`, if that file does not hold it.
    pub client_key: Option<PathBuf>,
    /// Which addresses of a name are used.
    pub family: Family,
    /// Where every connection goes instead of the host of the URL: a Unix-domain socket, or `\\.\pipe\NAME` on Windows.
    pub unix_socket: Option<PathBuf>,
    /// For one connection: its name, TCP, a proxy's tunnel and TLS together.
    pub connect_timeout: Duration,
    /// Whether cookies are kept and sent back.
    pub cookies: bool,
    /// Where requests may lead.
    pub address_scope: AddressScope,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            proxy: Proxy::Found,
            ca_certs: Vec::new(),
            client_cert: None,
            client_key: None,
            family: Family::Any,
            unix_socket: None,
            connect_timeout: CONNECT_TIMEOUT,
            cookies: true,
            address_scope: AddressScope::Any,
        }
    }
}

/// Which proxy stands between us and a server.
#[derive(Debug, Clone)]
pub enum Proxy {
    /// The one that the environment names for the server, or else the system's settings; none for this machine.
    Found,
    /// This one, for every server.
    Given(ProxyUrl),
    /// None.
    None,
}

/// Which addresses of a name are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Both kinds, the sooner one.
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

/// Where requests may lead. What a server names as the address of something else must not turn this program against the
/// network it runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressScope {
    /// Anywhere: the user has given the address.
    Any,
    /// Anywhere but to link-local addresses, where clouds keep their machines' credentials.
    Local,
    /// To public addresses alone.
    Public,
}

/// Takes `unix:///path/to.sock#/mcp`, or `pipe:///pipe/name#/mcp` on Windows, apart: the socket, and the address of the
/// endpoint behind it. `None`: it is another kind of URL.
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
    Ok((socket.into(), uri.map_err(|_| "what follows the # is no path".to_owned())?))
}

/// Why the user's choice cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NetworkError {
    /// A file that cannot be read.
    #[error("cannot read {path}: {cause}")]
    File {
        /// As it was given.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// A file that holds something else.
    #[error("{path} {what}")]
    Content {
        /// As it was given.
        path: String,
        /// A clause about it.
        what: String,
    },
    /// A key without a certificate.
    #[error("--client-key is given without --client-cert")]
    KeyAlone,
    /// A socket where there can be none.
    #[error("{0}")]
    Socket(String),
}

impl NetworkError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "check that the file exists and that this user may read it",
            Self::Content { .. } => {
                "give another file; certificates and keys are read as PEM: text between BEGIN and END lines"
            }
            Self::KeyAlone => "name the certificate that belongs to the key",
            Self::Socket(_) => r"on Windows, name a pipe: \\.\pipe\NAME",
        }
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
