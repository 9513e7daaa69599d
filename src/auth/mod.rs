//! `Authorizer`: "the header for this request", "this is the refusal I got".
//!
//! A credential is either given by the user ([`Credential`]) or that of a login, which is OAuth 2.1 as MCP's revisions
//! ask for it. A given one that is refused is reported as just that: nobody is sent to a browser because of a key that
//! has expired.
//!
//! # Layout
//!
//! * `given`: a variable, a file, a command.
//! * `oauth`: the login as this process lives with it; `login`: how somebody logs in; `login_status`: what they tell
//!   whoever waits.
//! * From a refusal to tokens: `challenge`, `discovery` (with `metadata`), `registration`, `scope`, `authorization`,
//!   `token`; the grants without a browser on this machine: `device`, `client_credentials`, `enterprise`, `workload`;
//!   what signs: `jwt`, `dpop`. All of it goes through `fetch`, which never sees a header of the user's. What the user
//!   said about it is in `settings`.
//! * The browser: `browser` opens it, `callback` is where it comes back to, `page` what it shows.
//! * One login for all programs of a machine: `record` is what is kept, `store` where, `account` what a process knows
//!   of it, `transaction` how it is renewed once, `ownership` who logs in; `expiry` knows clocks; `import` reads
//!   another bridge's.

mod account;
mod authorization;
mod browser;
mod callback;
pub mod challenge;
mod crypto;
mod device_login;
mod discovery;
mod dpop;
mod expiry;
mod fetch;
mod given;
mod grants;
mod headers;
mod import;
mod jwt;
mod login;
mod login_status;
mod logout;
mod metadata;
mod oauth;
mod options;
pub mod ownership;
mod page;
mod record;
mod registration;
mod scope;
pub mod settings;
pub mod store;
#[cfg(test)]
mod tests;
mod token;
pub mod transaction;
mod web_url;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use crate::log::Secret;
use crate::net::Http;

pub use account::{Account, Snapshot, Transaction};
pub use callback::CallbackSettings;
pub use expiry::{Freshness, now};
pub use given::Credential;
pub use headers::Headers;
pub use jwt::Signer;
pub use login::{LoginError, LoginOptions, begin_only, complete, log_in};
pub use login_status::{LoginPrompt, LoginStatus};
pub use logout::log_out;
pub use oauth::OAuth;
pub use options::{AuthMode, Options};
pub use record::{Client, Issuer, Origin, Record, Tokens};

use given::Given;

/// Gives requests their credential.
#[derive(Debug)]
pub struct Authorizer {
    headers: Headers,
    source: Source,
    /// Of a login that there is none of.
    fine: LoginStatus,
}

/// Where `Authorization` comes from.
#[derive(Debug)]
enum Source {
    /// From nowhere, or from the user's headers.
    Headers,
    Given(Given),
    Login(OAuth),
}

/// Which credential a request went out with, to be given back when it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serial(u64);

/// The bearer token could not be had; nothing of it is in the text.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file of `--bearer-token-file`.
    #[error("no bearer token: cannot read {path}: {cause}")]
    File {
        /// As it was typed.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// The program of `--token-command`.
    #[error("no bearer token: {program} of --token-command {cause}")]
    Command {
        /// The program alone; arguments may be secret.
        program: String,
        /// What happened to it.
        cause: String,
    },
    /// What came is not a token.
    #[error("no bearer token: what {0} gives is empty or cannot stand in a header")]
    NoToken(String),
    /// No token for now: the login is whole.
    #[error("{0}")]
    OutOfOrder(String),
    /// No token, and no person who could help with that.
    #[error("{0}")]
    NoLogin(String),
}

impl Authorizer {
    /// For these options.
    pub fn new(options: &Arc<Options>, http: &Http) -> Self {
        let headers = options.headers.clone();
        let source = match &options.credential {
            Some(credential) => Source::Given(Given::new(credential.clone())),
            None if headers.mean_a_credential() || options.mode == AuthMode::Off => Source::Headers,
            None => OAuth::new(options, http).map_or(Source::Headers, Source::Login),
        };
        Self { headers, source, fine: LoginStatus::default() }
    }

    fn oauth(&self) -> Option<&OAuth> {
        match &self.source {
            Source::Login(oauth) => Some(oauth),
            _ => None,
        }
    }

    /// Whether a login is what helps against a 401.
    pub fn can_log_in(&self) -> bool {
        self.oauth().is_some()
    }

    /// Where the login stands.
    pub fn login_status(&self) -> &LoginStatus {
        self.oauth().map_or(&self.fine, OAuth::login_status)
    }

    /// What to do while nobody is logged in.
    pub fn mode(&self) -> AuthMode {
        self.oauth().map_or(AuthMode::Off, OAuth::mode)
    }

    /// Whether a login is missing, and the user wants all to wait for it.
    pub fn is_waited_for(&self) -> bool {
        self.mode() == AuthMode::Wait && self.login_status().is_needed()
    }

    /// Whether a user gave any credential at all.
    pub fn is_given(&self) -> bool {
        matches!(self.source, Source::Given(_)) || !self.headers.map.is_empty()
    }

    /// Which option to look at when the credential is refused.
    pub fn source(&self) -> String {
        if let Source::Given(given) = &self.source {
            return given.source();
        }
        let sources = &self.headers.sources;
        let authorization = sources.iter().find(|source| source.to_ascii_lowercase().contains("authorization"));
        authorization.cloned().unwrap_or_else(|| sources.join(" or "))
    }

    /// What the user meant to give but did not, in sentences.
    pub fn left_out(&self) -> String {
        self.headers.left_out.join("; ")
    }

    /// Adds the user's headers and the bearer to a request's own.
    pub async fn apply(&self, method: &Method, uri: &Uri, headers: &mut HeaderMap) -> Result<Serial, AuthError> {
        for name in self.headers.map.keys() {
            // In place of one of ours; several of theirs stay several.
            headers.remove(name);
            for value in self.headers.map.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        // Boxed, for this is part of every request's future and its size.
        match &self.source {
            Source::Headers => Ok(Serial(0)),
            Source::Given(given) => {
                let current = Box::pin(given.current()).await?;
                headers.insert(AUTHORIZATION, current.header);
                Ok(Serial(current.serial))
            }
            Source::Login(oauth) if oauth.is_unneeded() => Ok(Serial(0)),
            Source::Login(oauth) => Box::pin(oauth.apply(method, uri, headers)).await.map(Serial),
        }
    }

    /// An answer has come to a request with this credential, and was not refused for it.
    pub fn accepted(&self, serial: Serial) {
        if let Some(oauth) = self.oauth() {
            oauth.accepted(serial.0);
        }
    }

    /// The credential was refused, with this status and these headers. True if there is another to try now.
    pub async fn refused(
        &self,
        serial: Serial,
        uri: &Uri,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<bool, AuthError> {
        match &self.source {
            Source::Headers => Ok(false),
            Source::Given(given) if status == StatusCode::UNAUTHORIZED => given.refused(serial.0).await,
            Source::Given(_) => Ok(false),
            Source::Login(oauth) => oauth.refused(serial.0, uri, status, headers).await,
        }
    }

    /// How often a request may be sent again with another credential. A source that was asked again has said what it
    /// has to say; a token may have been renewed by another process, then here, then want a nonce in its proof.
    pub fn most_renewals(&self) -> u32 {
        if self.can_log_in() { 3 } else { 1 }
    }

    /// Whether the refusal of a request is one that a person mends by logging in.
    pub fn wants_login(&self) -> bool {
        self.oauth().is_some_and(|oauth| oauth.login_status().is_wanted())
    }

    /// Sees a refresh to its end that has begun: its answer must not be lost.
    pub async fn close(&self) {
        if let Some(oauth) = self.oauth() {
            oauth.close().await;
        }
    }
}

/// A header that must not be shown; `None` if the token cannot stand in one.
fn authorization(scheme: &str, token: &Secret) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("{scheme} {}", token.expose())).ok()?;
    header.set_sensitive(true);
    Some(header)
}
