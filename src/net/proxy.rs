//! Which proxy stands before a server?

use std::fmt;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use percent_encoding::percent_decode_str;

use super::error::ConnectError;
use super::network::Proxy;
use crate::log;

/// The port of a SOCKS proxy whose address names none.
const SOCKS_PORT: u16 = 1080;

/// What is said to a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyProtocol {
    /// HTTP, with TLS around it or not: the scheme of its address tells.
    Http,
    /// SOCKS5; names are looked up here if they can be.
    Socks5,
    /// SOCKS5; the proxy looks names up.
    Socks5h,
}

/// A proxy's address, and the user name and password for it if they were in it.
#[derive(Clone)]
pub struct ProxyUrl {
    intercept: Intercept,
    pub(super) speech: ProxyProtocol,
}

impl ProxyUrl {
    /// Reads `[http|https|socks5|socks5h://][USER:PASSWORD@]HOST[:PORT]`. The error is a clause that quotes nothing of
    /// it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let mut url = url::Url::parse(&with_scheme).map_err(|error| format!("is no address of a proxy: {error}"))?;
        hide_credentials(&url);
        let speech = match url.scheme() {
            "http" | "https" => ProxyProtocol::Http,
            "socks5" => ProxyProtocol::Socks5,
            "socks5h" => ProxyProtocol::Socks5h,
            _ => return Err("is not the address of an http, https, socks5 or socks5h proxy".to_owned()),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err("names no host".to_owned());
        }
        if speech != ProxyProtocol::Http && url.port().is_none() {
            url.set_port(Some(SOCKS_PORT)).ok();
        }
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
        let intercept = Matcher::builder().all(url.as_str()).build().intercept(&Uri::from_static("http://any/"));
        let intercept = intercept.ok_or("is no address of a proxy")?;
        if let Some((user, password)) = intercept.raw_auth()
            && (user.len() > 255 || password.len() > 255)
        {
            return Err("has a user name or password that is too long for SOCKS".to_owned());
        }
        if let Some(Ok(value)) = intercept.basic_auth().map(|value| value.to_str()) {
            log::hide(value);
        }
        Ok(Self { intercept, speech })
    }

    pub(super) fn uri(&self) -> &Uri {
        self.intercept.uri()
    }

    /// `Basic …`, for an HTTP proxy.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.intercept.basic_auth()
    }

    /// User name and password, for a SOCKS proxy.
    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        self.intercept.raw_auth()
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", super::host(self.uri()))
    }
}

/// As they are spelled, and as the proxy reads them.
fn hide_credentials(url: &url::Url) {
    for spelled in url.password().into_iter().chain([url.username()]) {
        log::hide(spelled);
        log::hide(&percent_decode_str(spelled).decode_utf8_lossy());
    }
}

/// A proxy to be asked, and who named it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) url: ProxyUrl,
    pub(super) named_by: &'static str,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} (from {})", super::host(self.url.uri()), self.named_by)
    }
}

/// The proxies of one run.
pub(super) enum Proxies {
    None,
    Given(Server),
    Environment(EnvProxies),
}

impl Proxies {
    pub(super) fn new(proxy: &Proxy) -> Self {
        match proxy {
            Proxy::None => Self::None,
            Proxy::Given(url) => Self::Given(Server { url: url.clone(), named_by: "--proxy" }),
            Proxy::Found => Self::Environment(EnvProxies::new(|name| std::env::var(name).ok())),
        }
    }

    /// The proxy before the server at this address.
    pub(super) fn before(&self, uri: &Uri) -> Result<Option<Server>, ConnectError> {
        match self {
            Self::None => Ok(None),
            Self::Given(server) => Ok(Some(server.clone())),
            Self::Environment(found) => found.before(uri),
        }
    }
}

/// A variable that is set, and its value.
type Variable = (&'static str, String);

/// What the environment says about proxies. The system's own settings count where it says nothing.
pub(super) struct EnvProxies {
    http: Option<Variable>,
    https: Option<Variable>,
    exceptions: String,
    #[cfg(any(target_os = "macos", windows))]
    system: std::sync::OnceLock<Matcher>,
}

impl EnvProxies {
    /// The small letters go first, and what is empty is not set, as with curl.
    fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|&name| Some((name, variable(name).filter(|value| !value.trim().is_empty())?)))
        };
        // A web server's program gets the request's `Proxy` header in HTTP_PROXY.
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let http = if is_cgi { first(&["http_proxy"]) } else { first(&["http_proxy", "HTTP_PROXY"]) };
        let all = first(&["all_proxy", "ALL_PROXY"]);
        Self {
            http: http.or_else(|| all.clone()),
            https: first(&["https_proxy", "HTTPS_PROXY"]).or(all),
            exceptions: first(&["no_proxy", "NO_PROXY"]).map(|(_, value)| value).unwrap_or_default(),
            #[cfg(any(target_os = "macos", windows))]
            system: std::sync::OnceLock::new(),
        }
    }

    fn before(&self, uri: &Uri) -> Result<Option<Server>, ConnectError> {
        let is_https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let Some((name, value)) = (if is_https { &self.https } else { &self.http }) else {
            return Ok(self.system(uri));
        };
        if self.spares(uri) {
            return Ok(None);
        }
        match ProxyUrl::parse(value) {
            Ok(url) => Ok(Some(Server { url, named_by: name })),
            Err(why) => {
                let hint = "correct the variable, or go without a proxy: --no-proxy";
                Err(ConnectError::permanent(format!("the variable {name} {why}"), hint))
            }
        }
    }

    /// Whether this server is to be reached without a proxy.
    fn spares(&self, uri: &Uri) -> bool {
        is_loopback(uri.host().unwrap_or_default()) || is_excepted(&self.exceptions, uri)
    }

    #[cfg(any(target_os = "macos", windows))]
    fn system(&self, uri: &Uri) -> Option<Server> {
        if self.spares(uri) {
            return None;
        }
        let intercept = self.system.get_or_init(Matcher::from_system).intercept(uri)?;
        Some(Server { url: ProxyUrl { intercept, speech: ProxyProtocol::Http }, named_by: "the system's settings" })
    }

    #[cfg(not(any(target_os = "macos", windows)))]
    #[allow(clippy::unused_self)] // Its twins of other systems remember what they found.
    fn system(&self, _: &Uri) -> Option<Server> {
        None
    }
}

/// This machine, which no proxy elsewhere could reach.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.to_canonical().is_loopback())
}

/// Whether `NO_PROXY` names this server: by name, as a part of a domain, by address or network, or `*`. More than curl
/// knows, but what other programs' users write: a port, which must then be the server's, and `*.` before a domain.
fn is_excepted(exceptions: &str, uri: &Uri) -> bool {
    let Some(host) = uri.host() else { return false };
    let entries = exceptions.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    let entries: Vec<_> = entries.filter_map(|entry| entry_without_port(entry, super::port(uri))).collect();
    if entries.contains(&"*") {
        return true;
    }
    if entries.is_empty() {
        return false;
    }
    let Ok(server) = Uri::builder().scheme("http").authority(host.trim_end_matches('.')).path_and_query("/").build()
    else {
        return false;
    };
    Matcher::builder().all("http://proxy").no(entries.join(",")).build().intercept(&server).is_none()
}

fn entry_without_port(entry: &str, port: u16) -> Option<&str> {
    let (name, named_port) = match entry.rsplit_once(':') {
        Some((name, digits)) if (!name.contains(':') || name.ends_with(']')) && !digits.is_empty() => {
            (name, Some(digits.parse::<u16>().ok()?))
        }
        _ => (entry, None),
    };
    if named_port.is_some_and(|named| named != port) {
        return None;
    }
    let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    Some(name.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excepted(list: &str, url: &str) -> bool {
        is_excepted(list, &url.parse().unwrap())
    }

    #[test]
    fn no_proxy_is_read_as_curl_reads_it() {
        for (list, url, expected) in [
            ("", "https://example.com/", false),
            ("*", "https://example.com/", true),
            ("*", "http://192.168.3.4/", true),
            ("a.org,*", "http://[fd12::1]/", true),
            ("example.com", "https://example.com/", true),
            ("example.com", "https://www.example.com/", true),
            ("example.com", "https://notexample.com/", false),
            ("example.com", "https://example.com.evil.org/", false),
            (".example.com", "https://www.example.com/", true),
            (".example.com", "https://example.com/", true),
            ("*.example.com", "https://www.example.com/", true),
            ("EXAMPLE.com", "https://Example.COM/", true),
            ("example.com.", "https://example.com/", true),
            ("example.com", "https://example.com./", true),
            ("a.org, example.com", "https://example.com/", true),
            ("a.org example.com", "https://example.com/", true),
            ("example.com:8080", "https://example.com:8080/", true),
            ("example.com:8080", "https://example.com/", false),
            ("example.com:443", "https://example.com/", true),
            ("192.168.0.0/16", "http://192.168.3.4/", true),
            ("192.168.0.0/16", "http://192.169.3.4/", false),
            ("192.168.1.1", "http://192.168.1.1:99/", true),
            ("192.168.1.1:99", "http://192.168.1.1:98/", false),
            ("1.1", "http://192.168.1.1/", false),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("[fd12::1]", "http://[fd12::1]/", true),
            ("[fd12::1]:80", "http://[fd12::1]/", true),
            ("fd12::1", "http://[fd12::2]/", false),
        ] {
            assert_eq!(excepted(list, url), expected, "NO_PROXY={list:?} for {url}");
        }
    }

    fn found(variables: &[(&str, &str)], url: &str) -> Result<Option<String>, String> {
        let find = |name: &str| variables.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned());
        let server = EnvProxies::new(find).before(&url.parse().unwrap());
        server.map(|server| server.map(|server| server.to_string())).map_err(|cause| cause.cause)
    }

    #[test]
    fn each_scheme_has_its_variable() {
        let all = [("HTTP_PROXY", "h:1"), ("HTTPS_PROXY", "http://s:2"), ("all_proxy", "socks5://a")];
        let said = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(found(&all, "http://x/"), said("the proxy http://h:1 (from HTTP_PROXY)"));
        assert_eq!(found(&all, "https://x/"), said("the proxy http://s:2 (from HTTPS_PROXY)"));
        assert_eq!(found(&all[2..], "https://x/"), said("the proxy socks5://a:1080 (from all_proxy)"));
        assert_eq!(found(&all[1..2], "http://x/"), Ok(None));
        assert_eq!(
            found(&[("https_proxy", ""), ("HTTPS_PROXY", "u:1")], "https://x/"),
            said("the proxy http://u:1 (from HTTPS_PROXY)")
        );
        assert_eq!(found(&[("HTTP_PROXY", "h"), ("REQUEST_METHOD", "GET")], "http://x/"), Ok(None), "under CGI");
        assert_eq!(found(&[("HTTPS_PROXY", "h"), ("NO_PROXY", "x")], "https://x/"), Ok(None));
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for host in ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
        {
            assert_eq!(found(&[("ALL_PROXY", "p:1")], &format!("http://{host}:80/")), Ok(None), "{host}");
        }
        assert!(found(&[("ALL_PROXY", "p:1")], "http://localhost.example.com/").unwrap().is_some());
    }

    #[test]
    fn a_malformed_variable_is_named_and_not_quoted() {
        for value in
            ["http://", "ftp://marked-secret", "http://user:marked-secret@", "http://h:99999/marked-secret", "a b"]
        {
            let error = found(&[("HTTPS_PROXY", value)], "https://x/").unwrap_err();
            assert!(error.contains("HTTPS_PROXY") && !error.contains("marked-secret"), "{error}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let http = ProxyUrl::parse("http://Aladdin:open%20ses@me@h").unwrap();
        assert_eq!(http.authorization().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc0BtZQ==");
        assert_eq!(format!("{http:?}"), "http://h");
        let socks = ProxyUrl::parse("socks5h://user:p%40ss@h:99").unwrap();
        assert_eq!((socks.credentials(), socks.speech), (Some(("user", "p@ss")), ProxyProtocol::Socks5h));
        assert_eq!(log::redact("open ses@me, open%20ses%40me"), "***, ***");
    }
}
