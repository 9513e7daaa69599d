//! Which cookies does a server get back?
//!
//! A jar in memory, as RFC 6265 has it, for load balancers that know a session's machine by one. A cookie goes back to
//! the host that set it and to no other: `Domain` could only widen that, so a cookie with one is taken as the host's
//! own.

use parking_lot::Mutex;
use std::time::{Duration, Instant, SystemTime};

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Uri};

use super::proxy::is_loopback;
use crate::log;

/// The longest cookie that is kept, name and value, in bytes.
const LONGEST: usize = 4096;

/// Cookies that are kept; the oldest makes room.
const MOST: usize = 50;

/// Values that are kept out of what is said: balancers that send a new one with each answer must not fill the memory.
const MOST_HIDDEN: usize = 200;

/// No cookie is kept for longer.
const LONGEST_LIFE: Duration = Duration::from_secs(400 * 24 * 3600);

#[derive(Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    path: String,
    secure: bool,
    /// `None`: as long as this process.
    until: Option<Instant>,
}

/// The cookies of one client.
#[derive(Default)]
pub(super) struct Jar(Mutex<Cookies>);

#[derive(Default)]
struct Cookies {
    kept: Vec<Cookie>,
    hidden: usize,
}

impl Jar {
    /// Adds to a request what its server has set before. The user's own cookies stay, and go before ours of the same
    /// name.
    pub(super) fn add_to(&self, uri: &Uri, headers: &mut HeaderMap) {
        let jar = self.0.lock();
        if jar.kept.is_empty() {
            return;
        }
        let own: Vec<_> = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).collect();
        let own = own.join("; ");
        let is_own =
            |name: &str| own.split(';').any(|pair| pair.split_once('=').is_some_and(|(own, _)| own.trim() == name));
        let now = Instant::now();
        let mut ours: Vec<&Cookie> = Vec::new();
        for cookie in jar.kept.iter().filter(|cookie| cookie.belongs_to(uri, now) && !is_own(&cookie.name)) {
            // The most particular path first, and of two the older (section 5.4).
            ours.insert(ours.partition_point(|other| other.path.len() >= cookie.path.len()), cookie);
        }
        let pairs = ours.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value));
        let all: Vec<_> = Some(own.clone()).filter(|own| !own.is_empty()).into_iter().chain(pairs).collect();
        if let (false, Ok(mut value)) = (ours.is_empty(), HeaderValue::from_str(&all.join("; "))) {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }

    /// Keeps what an answer sets.
    pub(super) fn keep_from(&self, uri: &Uri, headers: &HeaderMap) {
        for set in headers.get_all(SET_COOKIE) {
            let Ok(set) = set.to_str() else { continue };
            let Some(cookie) = Cookie::read(set, uri) else { continue };
            self.0.lock().keep(cookie);
        }
    }
}

impl Cookies {
    fn keep(&mut self, cookie: Cookie) {
        let now = Instant::now();
        let same = |old: &Cookie| old.name == cookie.name && old.host == cookie.host && old.path == cookie.path;
        let place = self.kept.iter().position(same);
        if place.is_some_and(|place| self.kept[place] == cookie) {
            return;
        }
        if self.hidden < MOST_HIDDEN {
            self.hidden += 1;
            log::hide(&cookie.value);
        }
        self.kept.retain(|old| !old.is_over(now));
        match self.kept.iter().position(same) {
            _ if cookie.is_over(now) => self.kept.retain(|old| !same(old)),
            Some(place) => self.kept[place] = cookie,
            None => {
                if self.kept.len() == MOST {
                    self.kept.remove(0);
                }
                self.kept.push(cookie);
            }
        }
    }
}

impl Cookie {
    /// Section 5.2 and 5.3; `None` for what must be ignored.
    fn read(set: &str, uri: &Uri) -> Option<Self> {
        let host = host(uri)?;
        let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > LONGEST || set.chars().any(|c| c.is_control() && c != '\t') {
            return None;
        }
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            path: default_path(uri),
            host,
            secure: false,
            until: None,
        };
        let mut max_age = None;
        for attribute in attributes.split(';') {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "domain" if !covers(value, &cookie.host) => return None,
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "path" => cookie.path = default_path(uri),
                "secure" => cookie.secure = true,
                "max-age" => max_age = seconds(value).or(max_age),
                "expires" => cookie.until = date(value).map(after).or(cookie.until),
                _ => {}
            }
        }
        cookie.until = max_age.map(after).or(cookie.until);
        (!cookie.secure || is_safe(uri)).then_some(cookie)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    fn belongs_to(&self, uri: &Uri, now: Instant) -> bool {
        !self.is_over(now)
            && host(uri).as_deref() == Some(&self.host)
            && is_under(uri.path(), &self.path)
            && (!self.secure || is_safe(uri))
    }
}

fn host(uri: &Uri) -> Option<String> {
    uri.host().map(str::to_ascii_lowercase)
}

/// Nobody listens: on https, and within this machine.
fn is_safe(uri: &Uri) -> bool {
    uri.scheme() == Some(&http::uri::Scheme::HTTPS) || uri.host().is_some_and(is_loopback)
}

/// Whether a `Domain` is the host or one of those above it; an empty one says nothing.
fn covers(domain: &str, host: &str) -> bool {
    let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    domain.is_empty() || host == domain || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
}

/// The directory of the path that set it (section 5.1.4).
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

/// A life of no length for what is negative; `None` for what is no number.
fn seconds(value: &str) -> Option<Duration> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    if digits.len() != value.len() {
        return Some(Duration::ZERO);
    }
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}

/// The time until a date of HTTP's, also with the dashes that cookies were given first.
fn date(value: &str) -> Option<Duration> {
    let spaced = value.replace('-', " ");
    let date = httpdate::parse_http_date(value).or_else(|_| httpdate::parse_http_date(&spaced)).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

fn after(life: Duration) -> Instant {
    Instant::now() + life.min(LONGEST_LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "https://mcp.example.com/v1/mcp";

    /// What goes to `to` after `FROM` has set these.
    fn sent(sets: &[&str], to: &str) -> String {
        let jar = Jar::default();
        sent_by(&jar, sets, FROM, to)
    }

    fn sent_by(jar: &Jar, sets: &[&str], from: &str, to: &str) -> String {
        for set in sets {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_str(set).unwrap());
            jar.keep_from(&from.parse().unwrap(), &headers);
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
        let jar = Jar::default();
        let sets: Vec<String> = (0..=MOST).map(|n| format!("c{n}=1")).collect();
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        let cookies = sent_by(&jar, &sets, FROM, FROM);
        assert!(!cookies.contains("c0=1") && cookies.contains("c50=1"), "{cookies}");
        assert_eq!(sent(&[&format!("a={}", "x".repeat(LONGEST))], FROM), "");
    }

    #[test]
    fn secure_is_secure_enough_within_this_machine() {
        let here = "http://localhost:80/mcp";
        assert_eq!(sent_by(&Jar::default(), &["a=1; Secure"], here, here), "a=1");
        let there = "http://mcp.example.com/mcp";
        assert_eq!(sent_by(&Jar::default(), &["a=1; Secure"], there, FROM), "");
    }

    #[test]
    fn the_user_s_own_cookies_stay() {
        let jar = Jar::default();
        sent_by(&jar, &["a=1", "b=2"], FROM, FROM);
        let mut headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("b=mine; c=3"))]);
        jar.add_to(&FROM.parse().unwrap(), &mut headers);
        assert_eq!(headers.get(COOKIE).unwrap(), "b=mine; c=3; a=1");
    }
}
