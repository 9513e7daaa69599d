//! Which address, protocol and login does a proxy have?

use std::fmt;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use percent_encoding::percent_decode_str;

use super::origin::origin;
use crate::log;

/// The port of a SOCKS proxy whose address names none.
const SOCKS_PORT: u16 = 1080;

/// The protocol that a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyProtocol {
    /// HTTP, inside TLS if the scheme of the proxy's address is https.
    Http,
    /// SOCKS5; this program resolves the server's name if it can.
    Socks5,
    /// SOCKS5; the proxy resolves the server's name.
    Socks5h,
}

/// A proxy's address, with the user name and password that it may hold.
#[derive(Clone)]
pub struct ProxyUrl {
    intercept: Intercept,
    pub(super) protocol: ProxyProtocol,
}

impl ProxyUrl {
    /// Reads `[http|https|socks5|socks5h://][USER:PASSWORD@]HOST[:PORT]`. The error is a clause that quotes nothing of
    /// the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let mut url =
            url::Url::parse(&with_scheme).map_err(|error| format!("is not the address of a proxy: {error}"))?;
        hide_credentials(&url);
        let protocol = match url.scheme() {
            "http" | "https" => ProxyProtocol::Http,
            "socks5" => ProxyProtocol::Socks5,
            "socks5h" => ProxyProtocol::Socks5h,
            _ => return Err("is not the address of an http, https, socks5 or socks5h proxy".to_owned()),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err("names no host".to_owned());
        }
        if protocol != ProxyProtocol::Http && url.port().is_none() {
            url.set_port(Some(SOCKS_PORT)).ok();
        }
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
        let intercept = Matcher::builder().all(url.as_str()).build().intercept(&Uri::from_static("http://any/"));
        let intercept = intercept.ok_or("is not the address of a proxy")?;
        if let Some((user, password)) = intercept.raw_auth()
            && (user.len() > 255 || password.len() > 255)
        {
            return Err("has a user name or password that is too long for SOCKS".to_owned());
        }
        if let Some(Ok(value)) = intercept.basic_auth().map(|value| value.to_str()) {
            log::hide(value);
        }
        Ok(Self { intercept, protocol })
    }

    /// A proxy that the system's settings name.
    #[cfg(any(target_os = "macos", windows))]
    pub(super) fn of_system(intercept: Intercept) -> Self {
        Self { intercept, protocol: ProxyProtocol::Http }
    }

    pub(super) fn uri(&self) -> &Uri {
        self.intercept.uri()
    }

    /// The value of `Proxy-Authorization` for an HTTP proxy: `Basic …`.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.intercept.basic_auth()
    }

    /// User name and password for a SOCKS proxy.
    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        self.intercept.raw_auth()
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", origin(self.uri()))
    }
}

/// Hides user name and password, as they are spelled and as the proxy reads them.
fn hide_credentials(url: &url::Url) {
    for spelled in url.password().into_iter().chain([url.username()]) {
        log::hide(spelled);
        log::hide(&percent_decode_str(spelled).decode_utf8_lossy());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let http = ProxyUrl::parse("http://Aladdin:open%20ses@me@h").unwrap();
        assert_eq!(http.authorization().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc0BtZQ==");
        assert_eq!(format!("{http:?}"), "http://h");
        let socks = ProxyUrl::parse("socks5h://user:p%40ss@h:99").unwrap();
        assert_eq!((socks.credentials(), socks.protocol), (Some(("user", "p@ss")), ProxyProtocol::Socks5h));
        assert_eq!(log::redact("open ses@me, open%20ses%40me"), "***, ***");
    }
}
