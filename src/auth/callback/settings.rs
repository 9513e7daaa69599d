//! Where does the browser come back to, as far as the user has a say?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// What the options say of the callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackSettings {
    /// `--callback-bind`: listen here as well, for a browser on another machine or outside of a container.
    pub bind: Option<IpAddr>,
    /// `--callback-port`: this port or none.
    pub port: Option<u16>,
    /// `--callback-path`.
    pub path: String,
    /// `--host`: the host in the redirect URI.
    pub host: String,
    /// `--auth-success-url`: where the browser is sent after tokens have come.
    pub success_url: Option<Url>,
}

impl Default for CallbackSettings {
    fn default() -> Self {
        // On Windows `localhost` may be looked up, and filtered, by others.
        let host = if cfg!(windows) { "127.0.0.1" } else { "localhost" };
        Self { bind: None, port: None, path: "/oauth/callback".to_owned(), host: host.to_owned(), success_url: None }
    }
}

impl CallbackSettings {
    /// The value of `--callback-path`.
    pub fn parse_path(text: &str) -> Result<String, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        match text {
            _ if !text.starts_with('/') => Err("a path begins with /".to_owned()),
            _ if text.split('/').any(|part| part == "." || part == "..") || !text.bytes().all(is_plain) => {
                Err("a path here has letters, digits, - . _ ~ and / only".to_owned())
            }
            _ if text.starts_with(super::START) => Err(format!("{} is taken", super::START)),
            // Other bridges serve something there, and configurations are shared with them.
            "/wait-for-auth" | "/.mcp-remote/id" => Err(format!("{text} is taken")),
            _ => Ok(text.to_owned()),
        }
    }

    /// The value of `--host`.
    pub fn parse_host(text: &str) -> Result<String, String> {
        let bracketed = if text.parse::<Ipv6Addr>().is_ok() { format!("[{text}]") } else { text.to_owned() };
        let host = Host::parse(&bracketed).map_err(|_| "it is a host name or address, without a port".to_owned())?;
        Ok(host.to_string())
    }

    /// The value of `--auth-success-url`.
    pub fn parse_success_url(text: &str, allow_http: bool) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|error| format!("it is not a URL: {error}"))?;
        if !(url.scheme() == "https" || url.scheme() == "http" && (allow_http || is_loopback(&url))) {
            return Err("it must be https, or http to this machine".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().or(url.fragment()).is_some() {
            return Err("it must be without user name, query and fragment".to_owned());
        }
        Ok(url)
    }

    /// The redirect URI for a port, exactly as it is registered and sent.
    pub fn redirect_uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }

    /// Where to listen. Both families, because `localhost` is either; what the user asks for must be had.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if let Some(bind) = self.bind {
            addresses
                .retain(|address| *address != bind && !(bind.is_unspecified() && bind.is_ipv4() == address.is_ipv4()));
            addresses.insert(0, bind);
        }
        addresses
    }

    /// What a request may call us. Any other name is one that leads here by somebody else's DNS.
    pub(super) fn names(&self) -> Vec<String> {
        let given = self.bind.map(|address| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
        let loopback = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned);
        loopback.into_iter().chain(given).chain([self.host.to_ascii_lowercase()]).collect()
    }
}

/// Whether a URL leads to this machine by its very name.
pub(in crate::auth) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain() {
        for good in ["/", "/oauth/callback", "/cb_1~a.b-c"] {
            assert_eq!(CallbackSettings::parse_path(good).as_deref(), Ok(good));
        }
        for bad in ["", "cb", "/a b", "/a?b", "/a/../b", "/start/x", "/ü"] {
            assert!(CallbackSettings::parse_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_stand_in_a_url() {
        assert_eq!(CallbackSettings::parse_host("::1").as_deref(), Ok("[::1]"));
        assert_eq!(CallbackSettings::parse_host("LocalHost").as_deref(), Ok("localhost"));
        for bad in ["a:80", "http://a", "a/b", ""] {
            assert!(CallbackSettings::parse_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_success_url_is_nobody_s_trick() {
        for good in ["https://a.example/done", "http://127.0.0.1:9/"] {
            assert!(CallbackSettings::parse_success_url(good, false).is_ok(), "{good}");
        }
        for bad in ["http://a.example/", "javascript:alert(1)", "https://u:p@a/", "https://a/?x", "https://a/#x", "x"] {
            assert!(CallbackSettings::parse_success_url(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_of_the_user_s_takes_the_place_of_what_it_covers() {
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
