//! Through which proxy is a server reached?

use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::error::{ConnectError, Problem};
use super::network::Proxy;
use super::origin::{is_https, is_loopback, origin, port};
use super::proxy_url::ProxyUrl;

/// A proxy, and the option or variable that names it.
#[derive(Debug, Clone)]
pub(super) struct NamedProxy {
    pub(super) url: ProxyUrl,
    pub(super) named_by: &'static str,
}

impl fmt::Display for NamedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} (from {})", origin(self.url.uri()), self.named_by)
    }
}

/// The proxies of one run.
pub(super) enum Proxies {
    None,
    Given(NamedProxy),
    Environment(EnvProxies),
}

impl Proxies {
    pub(super) fn new(proxy: &Proxy) -> Self {
        match proxy {
            Proxy::None => Self::None,
            Proxy::Given(url) => Self::Given(NamedProxy { url: url.clone(), named_by: "--proxy" }),
            Proxy::Environment => Self::Environment(EnvProxies::new(|name| std::env::var(name).ok())),
        }
    }

    /// The proxy for the server at this address; `None` if it is reached directly.
    pub(super) fn for_server(&self, uri: &Uri) -> Result<Option<NamedProxy>, ConnectError> {
        match self {
            Self::None => Ok(None),
            Self::Given(proxy) => Ok(Some(proxy.clone())),
            Self::Environment(environment) => environment.for_server(uri),
        }
    }
}

/// A variable that is set, and its value.
type Variable = (&'static str, String);

/// The proxies of the environment's variables, or else of the system's settings.
pub(super) struct EnvProxies {
    http: Option<Variable>,
    https: Option<Variable>,
    exceptions: String,
    #[cfg(any(target_os = "macos", windows))]
    system: std::sync::OnceLock<Box<Matcher>>,
}

impl EnvProxies {
    /// As curl does: a variable in lower case precedes the one in upper case, and an empty variable counts as not set.
    fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|&name| Some((name, variable(name).filter(|value| !value.trim().is_empty())?)))
        };
        // Under CGI a request can set HTTP_PROXY by a `Proxy` header.
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

    fn for_server(&self, uri: &Uri) -> Result<Option<NamedProxy>, ConnectError> {
        let Some((name, value)) = (if is_https(uri) { &self.https } else { &self.http }) else {
            return Ok(self.system(uri));
        };
        if self.is_bypassed(uri) {
            return Ok(None);
        }
        match ProxyUrl::parse(value) {
            Ok(url) => Ok(Some(NamedProxy { url, named_by: name })),
            Err(why) => {
                let hint = "correct the variable, or use no proxy: --no-proxy";
                Err(ConnectError::permanent(format!("the variable {name} {why}"), hint).of(Problem::Proxy))
            }
        }
    }

    /// Whether this server is reached directly: no proxy elsewhere can reach this machine's own loopback.
    fn is_bypassed(&self, uri: &Uri) -> bool {
        is_loopback(uri.host().unwrap_or_default()) || is_excepted(&self.exceptions, uri)
    }

    #[cfg(any(target_os = "macos", windows))]
    fn system(&self, uri: &Uri) -> Option<NamedProxy> {
        if self.is_bypassed(uri) {
            return None;
        }
        let intercept = self.system.get_or_init(|| Box::new(Matcher::from_system())).intercept(uri)?;
        Some(NamedProxy { url: ProxyUrl::of_system(intercept), named_by: "the system's settings" })
    }

    #[cfg(not(any(target_os = "macos", windows)))]
    #[allow(clippy::unused_self)] // Its twin for other systems keeps the settings it has read.
    fn system(&self, _: &Uri) -> Option<NamedProxy> {
        None
    }
}

/// Whether `NO_PROXY` names this server: by name, by domain, by address or network, or with `*`. In addition to curl's
/// rules an entry may have a port, which must be the server's, or begin with `*.`, because users write both.
fn is_excepted(exceptions: &str, uri: &Uri) -> bool {
    let Some(host) = uri.host() else { return false };
    let entries = exceptions.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    let entries: Vec<_> = entries.filter_map(|entry| entry_without_port(entry, port(uri))).collect();
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
        let proxy = EnvProxies::new(find).for_server(&url.parse().unwrap());
        proxy.map(|proxy| proxy.map(|proxy| proxy.to_string())).map_err(|error| error.cause)
    }

    #[test]
    fn each_scheme_has_its_variable() {
        let all = [("HTTP_PROXY", "h:1"), ("HTTPS_PROXY", "http://s:2"), ("all_proxy", "socks5://a")];
        let proxy = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(found(&all, "http://x/"), proxy("the proxy http://h:1 (from HTTP_PROXY)"));
        assert_eq!(found(&all, "https://x/"), proxy("the proxy http://s:2 (from HTTPS_PROXY)"));
        assert_eq!(found(&all[2..], "https://x/"), proxy("the proxy socks5://a:1080 (from all_proxy)"));
        assert_eq!(found(&all[1..2], "http://x/"), Ok(None));
        assert_eq!(
            found(&[("https_proxy", ""), ("HTTPS_PROXY", "u:1")], "https://x/"),
            proxy("the proxy http://u:1 (from HTTPS_PROXY)")
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
}
