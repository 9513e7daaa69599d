//! Which credential does a request get, and what follows when the server refuses it?
//!
//! [`Authorizer`] is what other rooms use: `authorize` puts a credential into the headers of a request, `challenge`
//! takes a 401 or 403. A credential is either static ([`Credential`], or a header that the user gave) or that of a
//! login, which is OAuth 2.1 as the revisions of MCP ask for it. If the server refuses a static credential, that is
//! reported: no browser opens because a key has expired.
//!
//! # Layout
//!
//! * `settings`, `headers`: what the user said.
//! * `static_credential`: a token from a variable, a file, a command.
//! * `oauth`: the login as requests use it; `refusal`: what was refused, and what can help. A refusal begins no login:
//!   whoever has a client that waits does (`require_login`). `oauth` stands on `login_context`, which logins and
//!   refreshes share; `refresh`, `login` and `logout` can each be read from top to bottom; `login_status` connects a
//!   login with the clients that wait for it.
//! * One login for all programs of a machine: `record` is what is kept, `store` is where, `account` is what a process
//!   knows of it, `login_lock` decides which process logs in, `expiry` knows clocks, `import` reads the login of
//!   another bridge.
//! * `binding`: which authorization server the user's own credentials may go to.
//! * From a challenge to tokens: `challenge`, `discovery` (with `metadata`), `registration`, `scope`, `authorization`,
//!   `token`; `grants` without a browser on this machine; signatures: `jwt`, `dpop`, `crypto`; `web_url` checks URLs.
//!   All requests go through `fetch`, which never sees a header of the user's.
//! * `survey`: what is kept of a login, and what would another one need? It changes nothing.
//! * `environment`: what programs that we start do not inherit.
//! * The browser: `browser` opens it, `callback` is where it comes back to, `page` is what it shows.

mod account;
mod authorization;
mod binding;
mod browser;
mod callback;
pub mod challenge;
mod crypto;
mod discovery;
mod dpop;
mod environment;
mod error;
mod expiry;
mod fetch;
mod grants;
mod headers;
mod import;
mod jwt;
mod login;
mod login_context;
mod login_lock;
mod login_status;
mod logout;
mod metadata;
mod oauth;
mod overview;
mod page;
mod record;
mod refresh;
mod refusal;
mod registration;
mod scope;
mod settings;
mod static_credential;
mod store;
mod survey;
#[cfg(test)]
mod tests;
mod token;
mod web_url;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::net::Http;
use crate::{log, system};
use static_credential::StaticCredential;

pub use account::{Account, Snapshot};
pub use callback::CallbackSettings;
pub use error::AuthError;
pub use expiry::now;
pub use headers::Headers;
pub use jwt::Signer;
pub use login::{LoginError, LoginOptions};
pub(crate) use login::{begin_login, complete_login, log_in, prepare_login};
pub use login_lock::LoginLock;
pub use login_status::{LoginPrompt, LoginStatus, Tab};
pub(crate) use logout::{LoggedOut, log_out};
pub use oauth::OAuth;
pub(crate) use overview::kept_logins;
pub use record::Record;
pub use refusal::{LoginRequired, Refusal, RefusedRequest, Remedy};
pub use registration::release_document;
pub use settings::{AuthMode, DpopChoice, Enterprise, Grant, Login, Options, ResourceChoice};
pub use static_credential::Credential;
pub use store::KeptIn;
use store::Key;
pub(crate) use survey::{Held, HeldLogin, MetadataError, MetadataProblem, Registration, Survey};

/// Gives requests their credential.
pub struct Authorizer {
    options: Arc<Options>,
    source: Source,
    /// The status where no login is possible.
    not_needed: LoginStatus,
}

/// Where the `Authorization` header comes from.
enum Source {
    /// From the user's headers, or there is none.
    Headers,
    Static(StaticCredential),
    Login(OAuth),
}

impl Authorizer {
    /// For these options.
    pub fn new(options: &Arc<Options>, http: &Http) -> Self {
        let source = match &options.credential {
            Some(credential) => Source::Static(StaticCredential::new(credential.clone())),
            None if options.headers.replace_login() || options.mode == AuthMode::Off => Source::Headers,
            None => OAuth::new(options, http).map_or(Source::Headers, Source::Login),
        };
        Self { options: Arc::clone(options), source, not_needed: LoginStatus::default() }
    }

    fn oauth(&self) -> Option<&OAuth> {
        match &self.source {
            Source::Login(oauth) => Some(oauth),
            _ => None,
        }
    }

    /// Whether a login can help against a 401.
    pub fn can_log_in(&self) -> bool {
        self.oauth().is_some()
    }

    /// The state of the login.
    pub fn login_status(&self) -> &LoginStatus {
        self.oauth().map_or(&self.not_needed, |oauth| &oauth.context.login_status)
    }

    /// Finishes the login under way with the address that the browser ended at, which a person brings.
    pub async fn complete_login(&self, address: &str) -> Result<(), LoginError> {
        match self.oauth() {
            Some(oauth) => oauth.complete_login(address).await,
            None => Err(LoginError::Other("no login is possible".to_owned())),
        }
    }

    /// Whether the user has several logins at this server, by `--profile`.
    pub fn has_profile(&self) -> bool {
        self.options.profile.is_some()
    }

    /// The command with which a person makes this login in a terminal.
    pub fn login_command(&self) -> String {
        format!("{} {}", log::shell_word(&system::program()), self.options.login_arguments)
    }

    /// What to do while there is no login.
    pub fn mode(&self) -> AuthMode {
        self.oauth().map_or(AuthMode::Off, |oauth| oauth.context.options.mode)
    }

    /// Whether a login is missing, and the user wants every request to wait for it.
    pub fn is_waited_for(&self) -> bool {
        self.mode() == AuthMode::Wait && self.login_status().is_needed()
    }

    /// Whether the user gave a credential or headers.
    pub fn is_given(&self) -> bool {
        matches!(self.source, Source::Static(_)) || !self.options.headers.map.is_empty()
    }

    /// What to look at when the server refuses the credential.
    pub fn source(&self) -> String {
        match &self.source {
            Source::Static(credential) => credential.source(),
            _ => self.options.headers.source(),
        }
    }

    /// Which headers are left out because their variable is not set, in sentences.
    pub fn left_out(&self) -> String {
        self.options.headers.left_out.join("; ")
    }

    /// Adds the user's headers and the credential to the headers of a request. Returns what tells its token from
    /// others.
    pub async fn authorize(&self, method: &Method, uri: &Uri, headers: &mut HeaderMap) -> Result<u64, AuthError> {
        self.options.headers.write_to(headers);
        // Boxed, because this is a part of every request's future.
        match &self.source {
            Source::Headers => Ok(0),
            Source::Static(credential) => {
                let (header, serial) = Box::pin(credential.header()).await?;
                headers.insert(AUTHORIZATION, header);
                Ok(serial)
            }
            Source::Login(oauth) => Box::pin(oauth.authorize(method, uri, headers)).await,
        }
    }

    /// The server answered a request with this token, and did not refuse the token.
    pub fn accepted(&self, token: u64) {
        if let Some(oauth) = self.oauth() {
            oauth.accepted(token);
        }
    }

    /// What can help against the refusal of a request.
    pub async fn challenge(&self, refused: RefusedRequest<'_>) -> Result<Remedy, AuthError> {
        match &self.source {
            Source::Static(credential) if refused.status == StatusCode::UNAUTHORIZED => {
                let has_other = credential.challenge(refused.token).await?;
                Ok(if has_other { Remedy::OtherToken } else { Remedy::Nothing })
            }
            Source::Headers | Source::Static(_) => Ok(Remedy::Nothing),
            Source::Login(oauth) => oauth.challenge(refused).await,
        }
    }

    /// A client waits for a request that was refused so: a login is missing from now on.
    pub async fn require_login(&self, refusal: &Refusal) -> LoginRequired {
        match self.oauth() {
            Some(oauth) => oauth.require_login(refusal).await,
            None => LoginRequired::Useless,
        }
    }

    /// Whether no other login has been made since this refusal.
    pub fn is_refused_still(&self, refusal: &Refusal) -> bool {
        self.login_status().login_number() == refusal.parts().login_number
    }

    /// Waits until what was refused may be accepted: requests use another login. Begins none.
    pub async fn wait_for_other_login(&self, refusal: &Refusal) {
        self.login_status().wait_for_other_login(refusal.parts().login_number).await;
    }

    /// How often a refusal of one request is looked into. A static source is read again once. A token may have been
    /// refreshed by another process, then by this one, and then need a nonce in its `DPoP` proof; after that a login
    /// may help.
    pub fn most_remedies(&self) -> u32 {
        if self.can_log_in() { 4 } else { 1 }
    }

    /// Whether a login is missing, for all requests or for some.
    pub fn wants_login(&self) -> bool {
        self.login_status().is_wanted()
    }

    /// Waits for a refresh that has begun: its tokens must not be lost. False if something of the login could not be
    /// kept.
    pub async fn close(&self) -> bool {
        let Some(oauth) = self.oauth() else { return true };
        let closed = oauth.close().await;
        if let Err(error) = &closed {
            log::error!("{error}; {}", error.hint());
        }
        closed.is_ok()
    }

    /// Whether what has this [name](Self::name) is for one account only: a file or a command may have another one's
    /// token by now.
    pub fn is_one_account(&self) -> bool {
        !matches!(&self.source, Source::Static(credential) if !credential.is_constant())
    }

    /// The name of the files of what the server tells this login, profile and these headers, and no others.
    pub fn name(&self) -> String {
        let options = &self.options;
        let given = &options.headers.map;
        let headers: Vec<_> = given
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let (server, profile) = (options.server.to_string(), options.profile.as_deref());
        let of_headers = |identity| Key::new(&server, identity, profile, &headers);
        match &self.source {
            Source::Login(oauth) if headers.is_empty() => oauth.context.account.key().name().to_owned(),
            // The name of the login first, so that its logout finds the file.
            Source::Login(oauth) => {
                format!("{}-{}", oauth.context.account.key().name(), of_headers(("login", "")).name())
            }
            Source::Static(credential) => of_headers(("static", &credential.identity())).name().to_owned(),
            Source::Headers => of_headers(("headers", "")).name().to_owned(),
        }
    }
}
