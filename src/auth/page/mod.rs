//! Which page does the browser show after a login?
//!
//! The page has no scripts and loads nothing; its content security policy forbids both. Texts of servers are escaped.

use std::fmt::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::log;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// Longer texts of servers are cut.
const LONGEST_TEXT: usize = 600;

/// Allows only the page's own style, by its hash; no scripts, images, frames or forms.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
});

/// A page of ours. Its texts are plain text, not HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    SignedIn {
        host: String,
        /// What to do then, where the program does not have the server's tools by itself.
        next_step: Option<String>,
    },
    Failed {
        host: String,
        reason: String,
        advice: String,
    },
    /// The authorization server refused a part of the request. The login goes on in another tab with a changed request.
    Retrying {
        host: String,
        reason: String,
    },
    /// The request belongs to no login that is waiting: it is forged or old, or the page was loaded again.
    Unknown,
    /// The short address was opened before, perhaps by another program.
    Opened,
    /// The login came back in another browser than the one that it was begun in.
    OtherBrowser,
    /// The exchange of the code takes longer than a browser should wait.
    Unfinished,
}

const CHECK: &str = "M15 24.8l6.2 6.2L33.4 18";
const CROSS: &str = "M17.5 17.5l13 13M30.5 17.5l-13 13";
const MARK: &str = "M24 14.5v12M24 33v.2";
const CLOCK: &str = "M24 14v10.5l6.5 4";

impl Page {
    fn status(&self) -> StatusCode {
        match self {
            Self::SignedIn { .. } => StatusCode::OK,
            Self::Failed { .. } | Self::Retrying { .. } | Self::Unknown => StatusCode::BAD_REQUEST,
            Self::Opened => StatusCode::GONE,
            Self::OtherBrowser => StatusCode::FORBIDDEN,
            Self::Unfinished => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::SignedIn { host, next_step } => format!(
                "<p>You are signed in to <strong>{}</strong>. You can close this tab and go back to your program.</p>{}",
                escaped(host),
                next_step.as_ref().map(|step| format!("\n<p>{}</p>", escaped(step))).unwrap_or_default()
            ),
            Self::Failed { host, reason, advice } => format!(
                "<p>You are not signed in to <strong>{}</strong>.</p>\n<p class=\"reason\">{}</p>\n<p>{}</p>",
                escaped(host),
                escaped(reason),
                escaped(advice)
            ),
            Self::Retrying { host, reason } => format!(
                "<p>You are not signed in to <strong>{}</strong> yet.</p>\n<p class=\"reason\">{}</p>\n\
                 <p>To continue, use the tab that opens now, or the new address that your program shows.</p>",
                escaped(host),
                escaped(reason)
            ),
            Self::Unknown => "<p>It may be finished, or a newer one may have replaced it. \
                              Go back to your program and sign in from there.</p>"
                .to_owned(),
            Self::Opened => "<p>This address works once. If no other tab shows where to sign in, another program has \
                             opened it: do not continue there, but use the address that your program shows, \
                             or run <code>mcp-ferry login</code>.</p>"
                .to_owned(),
            Self::OtherBrowser => "<p>This sign-in was begun in another browser. Continue there, \
                                   or paste the address of this page where <code>mcp-ferry login</code> asks for it.</p>"
                .to_owned(),
            Self::Unfinished => "<p>The server has not answered yet. You can close this tab; \
                                 your program continues as soon as it answers.</p>"
                .to_owned(),
        }
    }

    fn html(&self) -> String {
        let [kind, label, sign, title] = match self {
            Self::SignedIn { .. } => ["good", "Done", CHECK, "Signed in"],
            Self::Failed { .. } => ["bad", "Failed", CROSS, "Signing in failed"],
            Self::Retrying { .. } => ["dull", "Again", MARK, "Please sign in once more"],
            Self::Unknown => ["dull", "Unknown", MARK, "This sign-in is unknown"],
            Self::Opened => ["bad", "Opened", MARK, "This address was opened before"],
            Self::OtherBrowser => ["bad", "Refused", CROSS, "This is another browser"],
            Self::Unfinished => ["dull", "Waiting", CLOCK, "Signing in is not finished"],
        };
        let parts = [("{style}", STYLE), ("{kind}", kind), ("{label}", label), ("{sign}", sign), ("{title}", title)];
        let html = parts.iter().fold(TEMPLATE.to_owned(), |html, (name, part)| html.replace(name, part));
        // Last, so that a `{` in a server's text has no effect.
        html.replace("{text}", &self.text())
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        response(self.status(), self.html())
    }
}

/// A response with the headers that every response to a browser has.
pub(super) fn response(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let fixed: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The page's address has the code in it.
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (CONNECTION, "close"),
    ];
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        response.headers_mut().insert(http::header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A server's text without secrets, escaped for HTML.
fn escaped(text: &str) -> String {
    let mut html = String::new();
    for c in log::redact(text).chars().take(LONGEST_TEXT) {
        match c {
            '&' | '<' | '>' | '"' | '\'' | '`' => write!(html, "&#{};", u32::from(c)).unwrap_or_default(),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_policy_allows_only_the_page_s_own_style() {
        let response = Page::Unknown.response();
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        let html = Page::Unknown.html();
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, style.as_bytes()));
        assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(!html.contains("http") && !html.contains("<script") && !html.contains("url("), "nothing is loaded");
    }

    proptest! {
        #[test]
        fn no_text_of_a_server_becomes_markup(reason in ".*", host in "[<>&\"'{}a-z]*") {
            let failed = |host: &str, reason: &str| {
                Page::Failed { host: host.to_owned(), reason: reason.to_owned(), advice: String::new() }.html()
            };
            let marks = |html: &str| html.matches(['<', '>', '"', '{']).count();
            prop_assert_eq!(marks(&failed(&host.replace('{', ""), &reason.replace('{', ""))), marks(&failed("", "")));
        }
    }
}
