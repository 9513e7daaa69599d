//! Which cookies does a server get back?
//!
//! A jar in memory as RFC 6265 describes it, because load balancers recognise a session's server by a cookie. A cookie
//! goes back only to the host that set it: `Domain` could only add more hosts, so it is not stored.

use cookie::Cookie;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Uri};
use parking_lot::Mutex;
use time::{Duration, OffsetDateTime};

use super::origin::{is_https, is_loopback};
use crate::log;

/// The longest cookie that is stored, name and value together, in bytes.
const LONGEST: usize = 4096;

/// The most cookies that are stored; a new one removes the oldest.
const MOST: usize = 50;

/// The most values that are redacted from logs: a load balancer that sets a new value in each response must not fill
/// the memory.
const MOST_REDACTED: usize = 200;

/// No cookie is stored for longer.
const LONGEST_LIFE: Duration = Duration::days(400);

#[derive(Debug, PartialEq, Eq)]
struct StoredCookie {
    name: String,
    value: String,
    host: String,
    path: String,
    secure: bool,
    /// `None`: as long as this process runs.
    expires: Option<OffsetDateTime>,
}

/// The cookies of one client. Each response stores cookies, each request reads them.
#[derive(Default)]
pub(super) struct CookieJar(Mutex<Cookies>);

#[derive(Default)]
struct Cookies {
    stored: Vec<StoredCookie>,
    /// How many values have been redacted so far.
    redacted: usize,
}

impl CookieJar {
    /// Adds to a request the cookies that its server has set. The user's own cookies remain, and replace those of the
    /// same name.
    pub(super) fn add_to(&self, uri: &Uri, headers: &mut HeaderMap) {
        let jar = self.0.lock();
        if jar.stored.is_empty() {
            return;
        }
        let own: Vec<_> = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).collect();
        let own = own.join("; ");
        let is_own =
            |name: &str| own.split(';').any(|pair| pair.split_once('=').is_some_and(|(own, _)| own.trim() == name));
        let mut stored: Vec<_> =
            jar.stored.iter().filter(|cookie| cookie.belongs_to(uri) && !is_own(&cookie.name)).collect();
        // The longest path first, and of two equal ones the older cookie (section 5.4).
        stored.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs = stored.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value));
        let all: Vec<_> = Some(own.clone()).filter(|own| !own.is_empty()).into_iter().chain(pairs).collect();
        if let (false, Ok(mut value)) = (stored.is_empty(), HeaderValue::from_str(&all.join("; "))) {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }

    /// Stores the cookies that a response sets.
    pub(super) fn store(&self, uri: &Uri, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE) {
            let Ok(header) = header.to_str() else { continue };
            let Some(cookie) = StoredCookie::read(header, uri) else { continue };
            self.0.lock().store(cookie);
        }
    }
}

impl Cookies {
    fn store(&mut self, cookie: StoredCookie) {
        let is_same =
            |old: &StoredCookie| old.name == cookie.name && old.host == cookie.host && old.path == cookie.path;
        let place = self.stored.iter().position(is_same);
        if place.is_some_and(|place| self.stored[place] == cookie) {
            return;
        }
        if self.redacted < MOST_REDACTED {
            self.redacted += 1;
            log::hide(&cookie.value);
        }
        match place {
            Some(place) => self.stored[place] = cookie,
            None => self.stored.push(cookie),
        }
        self.stored.retain(|cookie| !cookie.has_expired());
        if self.stored.len() > MOST {
            self.stored.remove(0);
        }
    }
}

impl StoredCookie {
    /// As sections 5.2 and 5.3 describe; `None` for a header that must be ignored.
    fn read(header: &str, uri: &Uri) -> Option<Self> {
        if header.chars().any(|c| c.is_control() && c != '\t') {
            return None;
        }
        let cookie = Cookie::parse(header).ok()?;
        let host = host(uri)?;
        let secure = cookie.secure() == Some(true);
        let is_too_long = cookie.name().len() + cookie.value().len() > LONGEST;
        if is_too_long || !cookie.domain().is_none_or(|domain| covers(domain, &host)) || (secure && !is_safe(uri)) {
            return None;
        }
        let now = OffsetDateTime::now_utc();
        let life = cookie.max_age().or_else(|| Some(cookie.expires_datetime()? - now));
        Some(Self {
            name: cookie.name().to_owned(),
            value: cookie.value().to_owned(),
            path: cookie.path().filter(|path| path.starts_with('/')).map_or_else(|| default_path(uri), str::to_owned),
            host,
            secure,
            expires: life.map(|life| now + life.min(LONGEST_LIFE)),
        })
    }

    fn has_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= OffsetDateTime::now_utc())
    }

    fn belongs_to(&self, uri: &Uri) -> bool {
        !self.has_expired()
            && host(uri).as_deref() == Some(&self.host)
            && is_under(uri.path(), &self.path)
            && (!self.secure || is_safe(uri))
    }
}

fn host(uri: &Uri) -> Option<String> {
    uri.host().map(str::to_ascii_lowercase)
}

/// Whether no third party can read the request: over https, and within this machine.
fn is_safe(uri: &Uri) -> bool {
    is_https(uri) || is_loopback(uri.host().unwrap_or_default())
}

/// Whether a `Domain` is the host or a domain above it; an empty one is ignored.
fn covers(domain: &str, host: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    domain.is_empty() || host == domain || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
}

/// The directory of the path that set the cookie (section 5.1.4).
fn default_path(uri: &Uri) -> String {
    match uri.path().rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((directory, _)) => directory.to_owned(),
    }
}

fn is_under(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || directory.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "https://mcp.example.com/v1/mcp";

    /// The `Cookie` header for `to` after `FROM` has set these cookies.
    fn sent(sets: &[&str], to: &str) -> String {
        let jar = CookieJar::default();
        sent_by(&jar, sets, FROM, to)
    }

    fn sent_by(jar: &CookieJar, sets: &[&str], from: &str, to: &str) -> String {
        for set in sets {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_str(set).unwrap());
            jar.store(&from.parse().unwrap(), &headers);
        }
        let mut headers = HeaderMap::new();
        jar.add_to(&to.parse().unwrap(), &mut headers);
        headers.get(COOKIE).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_cookie_goes_back_where_it_came_from() {
        for (set, to, expected) in [
            ("a=1", FROM, "a=1"),
            ("a=1; Path=/", FROM, "a=1"),
            ("a=1; Path=/", "https://mcp.example.com/other", "a=1"),
            ("a=1", "https://mcp.example.com/v1/other", "a=1"),
            ("a=1", "https://mcp.example.com/v10/mcp", ""),
            ("a=1; Path=/v1/mcp", "https://mcp.example.com/v1/mcpx", ""),
            ("a=1; Path=/v1/mcp", "https://mcp.example.com/v1/mcp/x?y", "a=1"),
            ("a=1; path=relative", FROM, "a=1"),
            ("a=1", "https://example.com/v1/mcp", ""),
            ("a=1", "https://a.mcp.example.com/v1/mcp", ""),
            ("a=1; Domain=example.com", FROM, "a=1"),
            ("a=1; Domain=.example.com", "https://www.example.com/v1/mcp", ""),
            ("a=1; Domain=other.com", FROM, ""),
            ("a=1; Domain=cp.example.com", FROM, ""),
            ("a=1; Secure; HttpOnly; SameSite=None", FROM, "a=1"),
            ("a=1; Secure", "http://mcp.example.com/v1/mcp", ""),
            ("a=1; Max-Age=60", FROM, "a=1"),
            ("a=1; Max-Age=0", FROM, ""),
            ("a=1; Max-Age=-1", FROM, ""),
            ("a=1; Max-Age=99999999999999999999", FROM, "a=1"),
            ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", FROM, ""),
            ("a=1; Expires=Thu, 01-Jan-1970 00:00:00 GMT", FROM, ""),
            ("a=1; Expires=Fri, 01 Jan 2199 00:00:00 GMT", FROM, "a=1"),
            ("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", FROM, "a=1"),
            ("a=1; Expires=someday", FROM, "a=1"),
            ("a = \"1 2\" ", FROM, "a=\"1 2\""),
            ("a=b=c==", FROM, "a=b=c=="),
            ("a=", FROM, "a="),
            ("=1", FROM, ""),
            ("1", FROM, ""),
        ] {
            assert_eq!(sent(&[set], to), expected, "{set} to {to}");
        }
    }

    #[test]
    fn a_cookie_replaces_and_deletes_its_like() {
        assert_eq!(sent(&["a=1", "a=2"], FROM), "a=2");
        assert_eq!(sent(&["a=1", "a=2; Path=/"], FROM), "a=1; a=2", "another path is another cookie");
        assert_eq!(sent(&["a=1", "b=2", "a=; Max-Age=0"], FROM), "b=2");
    }

    #[test]
    fn a_jar_is_limited() {
        let jar = CookieJar::default();
        let sets: Vec<String> = (0..=MOST).map(|n| format!("c{n}=1")).collect();
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        let cookies = sent_by(&jar, &sets, FROM, FROM);
        assert!(!cookies.contains("c0=1") && cookies.contains("c50=1"), "{cookies}");
        assert_eq!(sent(&[&format!("a={}", "x".repeat(LONGEST))], FROM), "");
    }

    #[test]
    fn secure_is_secure_enough_within_this_machine() {
        let here = "http://localhost:80/mcp";
        assert_eq!(sent_by(&CookieJar::default(), &["a=1; Secure"], here, here), "a=1");
        let there = "http://mcp.example.com/mcp";
        assert_eq!(sent_by(&CookieJar::default(), &["a=1; Secure"], there, FROM), "");
    }

    #[test]
    fn the_user_s_own_cookies_stay() {
        let jar = CookieJar::default();
        sent_by(&jar, &["a=1", "b=2"], FROM, FROM);
        let mut headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("b=mine; c=3"))]);
        jar.add_to(&FROM.parse().unwrap(), &mut headers);
        assert_eq!(headers.get(COOKIE).unwrap(), "b=mine; c=3; a=1");
    }
}
