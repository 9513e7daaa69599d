//! How does the browser get from a short address on this machine to the authorization server, and how is it recognized
//! when it comes back?
//!
//! Other users of the machine can read the arguments of the program that opens the browser. So it is given a short
//! address, which works once: whoever opens it second learns nothing from it. It sets a cookie, and redirects to the
//! authorization URL with a `state` of its own; the callback takes that `state` only with the cookie. The `state` of the
//! URL itself needs no cookie: a person may open it in another browser.
//!
//! People are shown a short address too, which is in no argument. It works as often as they open it.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use tokio::sync::watch;
use url::Url;

use super::redirect::tab_state;
use crate::auth::crypto::{is_equal, random_text, sha256_base64url};
use crate::files::sha256;

/// The beginning of the path of short addresses.
pub(super) const START: &str = "/start/";

/// So many short addresses lead to one login: those of tabs, the printed one, and those of other processes.
const ADDRESSES: u8 = 64;

/// The number of the printed one.
const PRINTED: u8 = 1;

/// A short address has 80 bits in these 32 characters. Programs that show it may read `_` and `*` as markup and break
/// lines at hyphens, and people may read it aloud.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const LENGTH: usize = 16;

/// What a short address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum Purpose {
    /// The process that has begun the login opens a browser, once.
    FirstTab,
    /// Any process opens a browser, once. These addresses were opened before.
    AnotherTab { opened: u64 },
    /// People are shown it, and open it when and as often as they like.
    Print,
}

impl Purpose {
    /// The number of an address for it.
    fn number(self) -> u8 {
        let Self::AnotherTab { opened } = self else { return if self == Self::Print { PRINTED } else { 0 } };
        // Processes do not know of each other's addresses.
        let random =
            random_text().unwrap_or_default().bytes().fold(0usize, |sum, byte| sum * 31 % 65_521 + usize::from(byte));
        let fresh: Vec<u8> = (2..ADDRESSES).filter(|number| opened & 1 << number == 0).collect();
        fresh.get(random % fresh.len().max(1)).copied().unwrap_or(PRINTED)
    }
}

/// A short address of a login whose callback server, in this or another process, has this redirect URI. The cookie comes
/// back only to the host that has set it.
pub(in crate::auth) fn start_url(redirect_uri: &str, start: &str, purpose: Purpose) -> String {
    let origin = Url::parse(redirect_uri).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    format!("{origin}{START}{}", name(start, purpose.number()))
}

/// The last part of a short address.
fn name(start: &str, number: u8) -> String {
    let digest = sha256(format!("{start} {number}").as_bytes());
    digest.iter().take(LENGTH).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

/// Whether the address of this number works once: all but the one that people are shown.
fn works_once(number: u8) -> bool {
    number != PRINTED
}

/// The short addresses of a login.
#[derive(Debug)]
pub(super) struct StartAddresses {
    /// What the addresses and the cookie are made of: a secret.
    start: String,
    state: String,
    /// The authorization URL of the tab. The login changes it when it has made the URL anew; each request reads it.
    url: Mutex<String>,
    /// Whether the tab has a `state` of its own. It has none where the URL does not hold the `state`.
    has_own_state: bool,
    /// A bit for each address that was opened. Connections set it; the login saves it for the process that may have to
    /// take over.
    pub(super) opened: watch::Sender<u64>,
    cookie: String,
}

impl StartAddresses {
    pub(super) fn new(start: &str, state: &str, url: &str, port: u16, opened: u64) -> Self {
        let tab_url = with_state_of_tab(url, state);
        let cookie = format!("mcp-ferry-{port}={}", sha256_base64url(&format!("cookie {start} {state}")));
        let has_own_state = tab_url != url;
        let (start, state) = (start.to_owned(), state.to_owned());
        Self { start, state, url: Mutex::new(tab_url), has_own_state, opened: watch::Sender::new(opened), cookie }
    }

    pub(super) fn set_url(&self, url: &str) {
        *self.url.lock() = with_state_of_tab(url, &self.state);
    }

    /// Opens the address with this last part: the authorization URL. `Err(true)` if it works once and was opened before.
    pub(super) fn open(&self, given: &str) -> Result<String, bool> {
        let number = (0..ADDRESSES).find(|number| is_equal(given, &name(&self.start, *number))).ok_or(false)?;
        let bit = 1 << number;
        let is_first = self.opened.send_if_modified(|opened| {
            let before = std::mem::replace(opened, *opened | bit);
            before & bit == 0
        });
        if is_first || !works_once(number) { Ok(self.url.lock().clone()) } else { Err(true) }
    }

    /// The cookie, for the callback at this path and for no page of another server on this machine.
    pub(super) fn set_cookie(&self, headers: &mut HeaderMap, path: &str) {
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() { "/" } else { path };
        let cookie = format!("{}; Path={path}; Max-Age=600; HttpOnly; SameSite=Lax", self.cookie);
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            headers.insert(SET_COOKIE, cookie);
        }
    }

    /// Whether a redirect to the callback comes from the browser that it must come from. `is_of_tab`: it has the tab's
    /// `state`.
    pub(super) fn is_right_browser(&self, headers: &HeaderMap, is_of_tab: bool) -> bool {
        let was_opened = !self.has_own_state && *self.opened.borrow() != 0;
        let cookies = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies = cookies.flat_map(|line| line.split(';')).map(str::trim);
        !(is_of_tab || was_opened) || cookies.any(|cookie| is_equal(cookie, &self.cookie))
    }

    pub(super) fn state(&self) -> &str {
        &self.state
    }
}

fn with_state_of_tab(url: &str, state: &str) -> String {
    url.replacen(&format!("state={state}"), &format!("state={}", tab_state(state)), 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const URL: &str = "https://as.example/authorize?state=st-1&x=y";

    fn last(url: &str) -> &str {
        url.rsplit('/').next().unwrap()
    }

    #[test]
    fn the_address_of_a_tab_works_once_and_the_one_that_people_are_shown_again_and_again() {
        let addresses = StartAddresses::new("seed", "st-1", URL, 4, 0);
        let url = |purpose| start_url("http://localhost:4/cb", "seed", purpose);
        let (tab, printed) = (url(Purpose::FirstTab), url(Purpose::Print));
        assert!(tab.starts_with("http://localhost:4/start/") && tab != printed, "{tab} {printed}");
        assert_eq!(printed, url(Purpose::Print), "every process shows the same one");
        let expected = format!("https://as.example/authorize?state={}&x=y", tab_state("st-1"));
        for _ in 0..3 {
            assert_eq!(addresses.open(last(&printed)), Ok(expected.clone()), "a person may close the tab");
        }
        let another = Purpose::AnotherTab { opened: !(1 << 5) };
        for address in [&tab, &url(another)] {
            assert_eq!(addresses.open(last(address)), Ok(expected.clone()));
            assert_eq!(addresses.open(last(address)), Err(true), "it works once");
        }
        let taken_over = StartAddresses::new("seed", "st-1", URL, 4, *addresses.opened.borrow());
        assert_eq!(taken_over.open(last(&tab)), Err(true), "in the next process too");
        for wrong in ["", "seed", "st-1"] {
            assert_eq!(addresses.open(wrong), Err(false), "{wrong}");
        }
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        for address in [tab, printed] {
            assert!(last(&address).bytes().all(is_plain), "no program breaks it or takes it for markup: {address}");
        }
    }

    #[test]
    fn the_tab_must_bring_its_cookie_and_no_other_browser_needs_one() {
        let addresses = StartAddresses::new("seed", "st-1", URL, 4, 0);
        let mut set = HeaderMap::new();
        addresses.set_cookie(&mut set, "/oauth/callback/");
        let set = set[SET_COOKIE].to_str().unwrap().to_owned();
        assert!(set.contains("; Path=/oauth/callback;") && set.contains("HttpOnly") && set.contains("SameSite=Lax"));
        let cookie = set.split(';').next().unwrap().to_owned();
        let with = |cookies: &str| HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(cookies).unwrap())]);
        assert!(addresses.is_right_browser(&with(&format!("a=b; {cookie}; c=d")), true));
        for wrong in ["", "a=b", &cookie[..cookie.len() - 1], &cookie.replace("-4=", "-5=")] {
            assert!(!addresses.is_right_browser(&with(wrong), true), "{wrong}");
            assert!(addresses.is_right_browser(&with(wrong), false));
        }
    }

    #[test]
    fn where_the_url_holds_no_state_every_browser_needs_the_cookie_once_the_address_was_opened() {
        let addresses = StartAddresses::new("seed", "st-1", "https://as.example/authorize?request_uri=x", 4, 0);
        assert!(addresses.is_right_browser(&HeaderMap::new(), false));
        let tab = start_url("http://localhost:4/cb", "seed", Purpose::FirstTab);
        assert!(addresses.open(last(&tab)).is_ok());
        assert!(!addresses.is_right_browser(&HeaderMap::new(), false));
    }
}
