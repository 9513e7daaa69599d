//! What did the browser, or the person who pasted it, bring back?

use std::fmt;

use ring::hmac;
use ring::rand::SystemRandom;

/// The parameters of a redirect that has our `state`. Whether its issuer is the right one (RFC 9207) is for the
/// protocol to say, before anything else of it is shown or used.
#[derive(Clone, PartialEq, Eq)]
pub struct Redirect(Vec<(String, String)>);

/// Why what was pasted is not the end of this sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasteError {
    /// Neither an address with a code or error in it, nor something that looks like a code.
    #[error("that is neither the address the browser ended at nor a code")]
    NotARedirect,
    /// It has a `state`, but not ours.
    #[error("that belongs to another sign-in; use the address from the tab that was opened last")]
    AnotherSignIn,
}

impl Redirect {
    /// The query of a request, if it is the answer to the request with this `state`.
    pub(super) fn parse(query: &str, state: &str) -> Option<Self> {
        let redirect = Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        let states: Vec<&str> = redirect.all("state").collect();
        let [given] = states[..] else { return None };
        (is_same(given, state) && redirect.is_answer()).then_some(redirect)
    }

    /// What a person pastes: the whole address, its query, or a bare code.
    pub fn pasted(text: &str, state: &str) -> Result<Self, PasteError> {
        let text = text.trim().trim_matches(['"', '\'', '<', '>']);
        let query = match text.split_once('?') {
            Some((_, query)) => query.split('#').next().unwrap_or_default(),
            None => text,
        };
        let redirect = Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        if redirect.is_answer() {
            return Self::parse(query, state).ok_or(PasteError::AnotherSignIn);
        }
        let is_code = text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains("://");
        if !is_code || redirect.get("state").is_some() {
            return Err(PasteError::NotARedirect);
        }
        Ok(Self(vec![("code".to_owned(), text.to_owned())]))
    }

    /// A parameter, if it is there exactly once.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Whether a person pasted the code and nothing else.
    pub fn is_bare(&self) -> bool {
        self.get("state").is_none()
    }

    /// As a query again. `state` stands in where a person pasted a bare code, which belongs to no other login than
    /// theirs.
    pub fn query(&self, state: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.0);
        if self.get("state").is_none() {
            query.append_pair("state", state);
        }
        query.finish()
    }

    fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Either one code or one error.
    fn is_answer(&self) -> bool {
        let filled = |name: &str| self.get(name).is_some_and(|value| !value.is_empty());
        filled("code") != filled("error")
    }
}

/// The code is a secret.
impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Compared in constant time: by the tags of a key that nobody knows, of which it does not matter where they begin to
/// differ.
pub(super) fn is_same(given: &str, expected: &str) -> bool {
    let Ok(key) = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()) else { return false };
    let tag = hmac::sign(&key, expected.as_bytes());
    hmac::verify(&key, given.as_bytes(), tag.as_ref()).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_our_state_exactly_once_is_ours() {
        let ours = |query: &str| Redirect::parse(query, "st-1").is_some();
        assert!(ours("code=c&state=st-1"));
        assert!(ours("state=st-1&error=access_denied&iss=https%3A%2F%2Fas"));
        for stray in [
            "",
            "code=c",
            "code=c&state=",
            "code=c&state=st-2",
            "code=c&state=ST-1",
            "code=c&state=st-1&state=st-1",
            "code=c&state=st-2&state=st-1",
            "state=st-1",
            "code=&state=st-1",
            "code=a&code=b&state=st-1",
            "code=a&error=b&state=st-1",
        ] {
            assert!(!ours(stray), "{stray}");
        }
    }

    #[test]
    fn a_person_may_paste_it_in_any_shape() {
        let code = |text: &str| Redirect::pasted(text, "st").map(|redirect| redirect.get("code").map(str::to_owned));
        let wanted = Ok(Some("c/1+2".to_owned()));
        assert_eq!(code(" http://localhost:4/oauth/callback?code=c%2F1%2B2&state=st#x\n"), wanted);
        assert_eq!(code("code=c%2F1%2B2&state=st"), wanted);
        assert_eq!(code("?code=c%2F1%2B2&state=st"), wanted);
        assert_eq!(code("c/1+2"), wanted, "a bare code is as the server wrote it");
        assert_eq!(code("http://localhost:4/?code=c&state=other"), Err(PasteError::AnotherSignIn));
        assert_eq!(code("code=c"), Err(PasteError::AnotherSignIn), "half an address may be another's");
        for nothing in ["", "y", "http://localhost:4/oauth/callback", "two words", "state=st"] {
            assert_eq!(code(nothing), Err(PasteError::NotARedirect), "{nothing}");
        }
    }

    #[test]
    fn a_code_is_in_no_log() {
        let redirect = Redirect::parse("code=c-marked-secret&state=st", "st").unwrap();
        assert_eq!(format!("{redirect:?}"), r#"["code", "state"]"#);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_match(text in ".*") {
            prop_assert!(Redirect::parse(&text, "a-state-that-nobody-guesses").is_none());
            let _ = Redirect::pasted(&text, "a-state-that-nobody-guesses");
        }
    }
}
