//! Which redirect URI and which addresses does the callback server have?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::start::START;
use crate::auth::web_url::is_loopback;

/// The user's options for the callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackSettings {
    /// `--callback-bind`: also listen on this address, for a browser on another machine or outside of a container.
    pub bind: Option<IpAddr>,
    /// `--callback-port`: use only this port.
    pub port: Option<u16>,
    /// `--callback-path`.
    pub path: String,
    /// `--host`: the host in the redirect URI.
    pub host: String,
    /// `--auth-success-url`: where the browser is redirected after a successful login.
    pub success_url: Option<Url>,
}

impl Default for CallbackSettings {
    fn default() -> Self {
        // On Windows, other programs may resolve or filter `localhost`.
        let host = if cfg!(windows) { "127.0.0.1" } else { "localhost" };
        Self { bind: None, port: None, path: "/oauth/callback".to_owned(), host: host.to_owned(), success_url: None }
    }
}

impl CallbackSettings {
    /// The value of `--callback-path`.
    pub fn parse_path(text: &str) -> Result<String, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        match text {
            _ if !text.starts_with('/') => Err("the path must begin with /".to_owned()),
            _ if text.split('/').any(|part| part == "." || part == "..") || !text.bytes().all(is_plain) => {
                Err("the path may have only letters, digits, - . _ ~ and /".to_owned())
            }
            _ if text.starts_with(START) => Err(format!("mcp-ferry uses {START} itself")),
            // mcp-remote answers these paths itself, and reads the same configurations.
            "/wait-for-auth" | "/.mcp-remote/id" => Err(format!("mcp-remote uses {text} itself")),
            _ => Ok(text.to_owned()),
        }
    }

    /// The value of `--host`.
    pub fn parse_host(text: &str) -> Result<String, String> {
        let bracketed = if text.parse::<Ipv6Addr>().is_ok() { format!("[{text}]") } else { text.to_owned() };
        let host =
            Host::parse(&bracketed).map_err(|_| "the host must be a name or an address, without a port".to_owned())?;
        Ok(host.to_string())
    }

    /// The value of `--auth-success-url`.
    pub fn parse_success_url(text: &str, allow_http: bool) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        if !(url.scheme() == "https" || url.scheme() == "http" && (allow_http || is_loopback(&url))) {
            return Err("the URL must be https, or http to this machine".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().or(url.fragment()).is_some() {
            return Err("the URL must not have a user name, query or fragment".to_owned());
        }
        Ok(url)
    }

    /// The redirect URI for a port, exactly as in registrations and authorization requests.
    pub fn redirect_uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }

    /// The addresses to listen on: both families, because `localhost` may mean either, and the user's address first.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if let Some(bind) = self.bind {
            addresses
                .retain(|address| *address != bind && !(bind.is_unspecified() && bind.is_ipv4() == address.is_ipv4()));
            addresses.insert(0, bind);
        }
        addresses
    }

    /// The host names that a request may have. Any other name leads here only through DNS.
    pub(super) fn names(&self) -> Vec<String> {
        let given = self.bind.map(|address| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
        let loopback = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned);
        loopback.into_iter().chain(given).chain([self.host.to_ascii_lowercase()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_are_allowed() {
        for good in ["/", "/oauth/callback", "/cb_1~a.b-c"] {
            assert_eq!(CallbackSettings::parse_path(good).as_deref(), Ok(good));
        }
        for bad in ["", "cb", "/a b", "/a?b", "/a/../b", "/start/x", "/ü"] {
            assert!(CallbackSettings::parse_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_are_in_the_form_of_a_url() {
        assert_eq!(CallbackSettings::parse_host("::1").as_deref(), Ok("[::1]"));
        assert_eq!(CallbackSettings::parse_host("LocalHost").as_deref(), Ok("localhost"));
        for bad in ["a:80", "http://a", "a/b", ""] {
            assert!(CallbackSettings::parse_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_safe_success_urls_are_allowed() {
        for good in ["https://a.example/done", "http://127.0.0.1:9/"] {
            assert!(CallbackSettings::parse_success_url(good, false).is_ok(), "{good}");
        }
        for bad in ["http://a.example/", "javascript:alert(1)", "https://u:p@a/", "https://a/?x", "https://a/#x", "x"] {
            assert!(CallbackSettings::parse_success_url(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_user_s_address_replaces_the_addresses_that_it_includes() {
        let with = |bind: &str| {
            let settings = CallbackSettings { bind: Some(bind.parse().unwrap()), ..CallbackSettings::default() };
            settings.addresses().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(with("0.0.0.0"), ["0.0.0.0", "::1"]);
        assert_eq!(with("::"), ["::", "127.0.0.1"]);
        assert_eq!(with("192.0.2.1"), ["192.0.2.1", "127.0.0.1", "::1"]);
        assert_eq!(with("127.0.0.1"), ["127.0.0.1", "::1"]);
    }
}
