//! Which parameters did a redirect bring, from the browser or from a person who pasted them?

use std::fmt;

use crate::auth::crypto::{is_equal, sha256_base64url};

/// The `state` of a tab that was opened by its short address. From it nobody learns the other `state` of the login.
pub(super) fn tab_state(state: &str) -> String {
    sha256_base64url(&format!("tab {state}"))
}

/// The parameters of a redirect that has our `state`. Before they are used or shown, `authorization` checks the issuer
/// (RFC 9207).
#[derive(Clone, PartialEq, Eq)]
pub(in crate::auth) struct Redirect(Vec<(String, String)>);

/// Why a pasted text does not finish this login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::auth) enum PasteError {
    #[error("the pasted text is neither the address from the browser nor a code")]
    NotARedirect,
    #[error("the pasted address belongs to another login; use the address from the tab that was opened last")]
    AnotherLogin,
}

impl Redirect {
    /// Reads the query of a request, if it has this `state` or the tab's: then it is `true`.
    pub(super) fn parse(query: &str, state: &str) -> Option<(Self, bool)> {
        Self::read(query).of_login(state).filter(|(redirect, _)| redirect.has_result())
    }

    fn read(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The redirect of the login with this `state`, which the tab's is replaced with; and whether it had the tab's.
    fn of_login(mut self, state: &str) -> Option<(Self, bool)> {
        let given = self.get("state")?;
        let is_of_tab = is_equal(given, &tab_state(state));
        if !is_of_tab && !is_equal(given, state) {
            return None;
        }
        for (_, value) in self.0.iter_mut().filter(|(name, _)| name == "state") {
            state.clone_into(value);
        }
        Some((self, is_of_tab))
    }

    /// Reads what a person pastes: the whole address, its query, or a bare code.
    pub(in crate::auth) fn pasted(text: &str, state: &str) -> Result<Self, PasteError> {
        let text = text.trim().trim_matches(['"', '\'', '<', '>']);
        let query = match text.split_once('?') {
            Some((_, query)) => query.split('#').next().unwrap_or_default(),
            None => text,
        };
        let redirect = Self::read(query);
        if redirect.has_result() {
            return redirect.of_login(state).map(|(redirect, _)| redirect).ok_or(PasteError::AnotherLogin);
        }
        let is_code = text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains("://");
        if !is_code || redirect.get("state").is_some() {
            return Err(PasteError::NotARedirect);
        }
        Ok(Self(vec![("code".to_owned(), text.to_owned())]))
    }

    pub(in crate::auth) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first value that is not empty.
    pub(in crate::auth) fn first_filled(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// A parameter, if it occurs exactly once: of two values, other programs might read another one than we do (RFC
    /// 6749 section 3.1).
    pub(in crate::auth) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Whether a person pasted only the code.
    pub(in crate::auth) fn is_bare(&self) -> bool {
        self.get("state").is_none()
    }

    /// The parameters as a query. `state` is added to a bare code, which a person pasted for this login.
    pub(in crate::auth) fn query(&self, state: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.0);
        if self.is_bare() {
            query.append_pair("state", state);
        }
        query.finish()
    }

    fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Whether there is either one code or one error.
    fn has_result(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_redirect_is_ours_if_it_has_our_state_exactly_once() {
        let is_ours = |query: &str| Redirect::parse(query, "st-1").is_some();
        assert!(is_ours("code=c&state=st-1"));
        assert!(is_ours("state=st-1&error=access_denied&iss=https%3A%2F%2Fas"));
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
            assert!(!is_ours(stray), "{stray}");
        }
    }

    #[test]
    fn the_state_of_the_tab_is_recognized_and_replaced() {
        let of_tab = format!("code=c&state={}", tab_state("st-1"));
        let (redirect, is_of_tab) = Redirect::parse(&of_tab, "st-1").unwrap();
        assert_eq!((redirect.get("state"), is_of_tab), (Some("st-1"), true));
        assert!(!Redirect::parse("code=c&state=st-1", "st-1").unwrap().1);
        assert_eq!(Redirect::pasted(&of_tab, "st-1"), Ok(redirect), "a person may paste it");
    }

    #[test]
    fn a_person_may_paste_an_address_a_query_or_a_code() {
        let code = |text: &str| Redirect::pasted(text, "st").map(|redirect| redirect.get("code").map(str::to_owned));
        let expected = Ok(Some("c/1+2".to_owned()));
        assert_eq!(code(" http://localhost:4/oauth/callback?code=c%2F1%2B2&state=st#x\n"), expected);
        assert_eq!(code("code=c%2F1%2B2&state=st"), expected);
        assert_eq!(code("?code=c%2F1%2B2&state=st"), expected);
        assert_eq!(code("c/1+2"), expected, "a bare code is not decoded");
        assert_eq!(code("http://localhost:4/?code=c&state=other"), Err(PasteError::AnotherLogin));
        assert_eq!(code("code=c"), Err(PasteError::AnotherLogin), "it may belong to another login");
        for nothing in ["", "y", "http://localhost:4/oauth/callback", "two words", "state=st"] {
            assert_eq!(code(nothing), Err(PasteError::NotARedirect), "{nothing}");
        }
    }

    #[test]
    fn debug_output_has_no_code() {
        let (redirect, _) = Redirect::parse("code=c-marked-secret&state=st", "st").unwrap();
        assert_eq!(format!("{redirect:?}"), r#"["code", "state"]"#);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_match(text in ".*") {
            prop_assert!(Redirect::parse(&text, "a-state-that-cannot-be-guessed").is_none());
            let _ = Redirect::pasted(&text, "a-state-that-cannot-be-guessed");
        }
    }
}
