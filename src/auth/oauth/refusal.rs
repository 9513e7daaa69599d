//! What does a refusal mean? That another token is to be tried, had by a refresh or from another process; that somebody
//! has to log in; or that the server wants something else.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode, Uri};
use url::Url;

use super::{Inner, OAuth};
use crate::auth::AuthMode;
use crate::auth::account::Snapshot;
use crate::auth::challenge::Challenge;
use crate::auth::discovery::Discovered;
use crate::auth::expiry::{Freshness, now};
use crate::auth::login::{self, LoginOptions};
use crate::auth::metadata::Metadata;
use crate::auth::record::{Issuer, Record, fingerprint};
use crate::auth::settings::ResourceChoice;
use crate::auth::transaction::Reason;
use crate::auth::{AuthError, import, scope, token};
use crate::log;
use crate::task;

/// A client that lives this long after it needed a login is one that somebody uses.
const LIVING: Duration = Duration::from_secs(2);

/// How long a refused request may look for who issues tokens: a client's first message waits for it.
const LOOK: Duration = Duration::from_millis(1500);

/// A token that is younger than this, in seconds, and refused, was of no use from the beginning.
const FRESH: u64 = 60;

/// Fresh tokens refused in a row, after which more of them are no help.
const MOST_REFUSALS: u32 = 2;

/// How often one and the same scope is asked for because a request was refused for lack of it.
const MOST_STEPS: usize = 2;

impl OAuth {
    /// What a refusal means for the next attempt: true if there is something to try at once.
    pub async fn refused(
        &self,
        mark: u64,
        uri: &Uri,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<bool, AuthError> {
        self.0.is_unneeded.store(false, Ordering::Relaxed);
        let challenge = Challenge::read(headers);
        if let Some(dpop) = self.0.known_dpop()
            && Url::parse(&uri.to_string()).is_ok_and(|url| dpop.store_nonce(&url, headers))
            && challenge.as_ref().is_some_and(Challenge::wants_nonce)
        {
            return Ok(true);
        }
        match status {
            StatusCode::UNAUTHORIZED => self.unauthorized(mark, challenge).await,
            StatusCode::FORBIDDEN => match challenge.filter(Challenge::is_insufficient_scope) {
                Some(challenge) => self.insufficient_scope(mark, challenge).await,
                None => Ok(false),
            },
            _ => Ok(false),
        }
    }

    async fn unauthorized(&self, mark: u64, challenge: Option<Challenge>) -> Result<bool, AuthError> {
        let inner = &self.0;
        let held = inner.account.snapshot();
        let newest = held.as_ref().map_or(0, |held| held.record.generation);
        let usable = held.as_ref().filter(|held| held.freshness() != Freshness::Expired && !held.record.logged_out);
        if let Some(held) = usable {
            // Not merely another generation of the record, which may say of the same token that it cannot be renewed.
            if inner.mark(&held.record) != mark {
                return Ok(true);
            }
            if let Some(why) = inner.refused_again(mark, &held.record) {
                if !inner.needs_a_person() {
                    return Err(AuthError::NoLogin(why));
                }
                inner.set_need(challenge, None);
                self.need_a_person(false);
                inner.login_status.fail(why);
                return Ok(false);
            }
        }
        if let Some(held) = held.filter(|held| held.record.tokens.is_some() && !held.record.logged_out) {
            match self.renew(&held, Reason::Refused).await {
                Ok(_) => return Ok(true),
                Err(error) if error.needs_login() => {
                    log::info!("{error}");
                    // Whoever forgets logins may have forgotten us.
                    inner.call_none_alive();
                }
                Err(error) => return Err(AuthError::OutOfOrder(error.to_string())),
            }
        } else if newest == 0 && self.import().await {
            return Ok(true);
        }
        inner.note_refused(mark).await;
        // Not the generation from before: that the refresh token is dead was written down since.
        let seen = inner.set_need(challenge, None);
        if !inner.needs_a_person() {
            return inner.obtain(seen).await.map(|_| true);
        }
        self.ask_for_a_login(false).await
    }

    /// The token is good, but not for this: another one is wanted, for more.
    async fn insufficient_scope(&self, mark: u64, challenge: Challenge) -> Result<bool, AuthError> {
        let inner = &self.0;
        let Some(held) = inner.account.snapshot() else { return Ok(false) };
        if inner.mark(&held.record) != mark {
            return Ok(true);
        }
        self.accepted(mark);
        if held.freshness() == Freshness::Expired && self.renew(&held, Reason::Due).await.is_ok() {
            // Some servers say so of a token that has merely ended.
            return Ok(true);
        }
        let wanted = challenge.scope.clone().unwrap_or_default();
        let steps = inner.need().steps.iter().filter(|step| **step == wanted).count();
        if steps >= MOST_STEPS || inner.options.login.scope.is_some() {
            log::warn!("the server still asks for the scope {wanted:?} after a login for it");
            return Ok(false);
        }
        let seen = inner.set_need(Some(challenge), Some(wanted.clone()));
        if !inner.needs_a_person() {
            inner.need().steps.push(wanted);
            return inner.obtain(seen).await.map(|_| true);
        }
        self.ask_for_a_login(true).await
    }

    /// For a person who wants to log in: what the server says to those who have not, if it refused them. False if it
    /// gives no sign of wanting a login.
    pub async fn prepare(&self, refused: Option<&HeaderMap>) -> Result<bool, login::LoginError> {
        let inner = &self.0;
        inner.set_need(refused.and_then(Challenge::read), None);
        inner.need().logins = Some(inner.account.snapshot().map_or(0, |held| held.record.logins));
        let discovered = inner.discover().await;
        if refused.is_some() {
            return discovered.map(|_| true).map_err(Into::into);
        }
        // Some refuse nobody before a tool is called, and say in their metadata who issues tokens.
        Ok(discovered.is_ok_and(|discovered| {
            discovered.issuer.metadata.contains_key("issuer") && discovered.issuer.resource.is_some()
        }))
    }

    /// Has another bridge's login, the first time that there is none of ours.
    async fn import(&self) -> bool {
        let inner = &self.0;
        if inner.imported.swap(true, Ordering::Relaxed) || inner.options.login.client_id.is_some() {
            return false;
        }
        let Some(mut record) = inner.imported() else { return false };
        let Ok(discovered) = inner.discover().await else { return false };
        // Tokens go to their own issuer and to no other (RFC 9700 section 4.4).
        if record.issuer.as_ref().is_some_and(|known| known.issuer != discovered.issuer.issuer) {
            return false;
        }
        record.server = inner.address();
        record.issuer = Some(discovered.issuer);
        let saved = inner.account.transact(async move |mut transaction| {
            if transaction.record.generation == 0 {
                transaction.keep(record).await;
            }
        });
        log::info!("a login of mcp-remote's is taken over");
        saved.await.is_ok()
    }

    /// Leaves it to a person, unless nobody could help: then the server wants a key, not a login.
    async fn ask_for_a_login(&self, step_up: bool) -> Result<bool, AuthError> {
        let inner = &self.0;
        if !step_up {
            let wants_a_key = tokio::time::timeout(LOOK, inner.wants_a_key()).await;
            if wants_a_key.unwrap_or_default() {
                return Ok(false);
            }
        }
        self.need_a_person(step_up);
        Ok(false)
    }

    fn need_a_person(&self, step_up: bool) {
        if self.0.login_status.need(step_up) {
            task::spawn(drive(self.clone()));
        }
    }
}

/// Sees to a login until there is one, made here or anywhere on this machine. Begins when a request needs it, or when a
/// client whose first message needed it is still there after a while; what the bridge does by itself in the background
/// is no reason for a tab.
async fn drive(oauth: OAuth) {
    let inner = &oauth.0;
    let mut last: Option<(Instant, String)> = None;
    loop {
        let seen = inner.need().seen;
        let living = async {
            inner.login_status.greeted().await;
            tokio::time::sleep(LIVING).await;
        };
        tokio::select! {
            () = inner.login_status.wanted() => {}
            () = living, if inner.options.mode == AuthMode::Auto => {}
            () = inner.logged_in_elsewhere(seen) => break,
        }
        if let Some((_, text)) = last.as_ref().filter(|(until, _)| Instant::now() < *until) {
            inner.login_status.fail(text.clone());
            continue;
        }
        let opens = inner.options.mode != AuthMode::Error;
        match login::log_in(&oauth, LoginOptions { opens, ..LoginOptions::default() }).await {
            Ok(_) => break,
            Err(error) => {
                let text = format!("{error}; {}", error.hint());
                log::warn!("{text}");
                last = error.pause().map(|pause| (Instant::now() + pause, text.clone()));
                inner.login_status.fail(text);
            }
        }
    }
    inner.has_stepped_up();
    inner.login_status.settle();
}

impl Inner {
    /// Notes what a refusal asks for: another token than the one there is, and for a step-up one with this scope.
    /// Returns the generation that is not enough.
    fn set_need(&self, challenge: Option<Challenge>, wanted: Option<String>) -> u64 {
        let held = self.account.snapshot();
        let mut need = self.need();
        // The server may have moved to another authorization server since (SEP-2352).
        need.discovered = None;
        need.challenge = challenge;
        need.wanted = wanted;
        need.logins = None;
        need.seen = held.as_ref().map_or(0, |held| held.record.generation);
        need.refused = held.as_ref().map_or(0, |held| self.mark(&held.record));
        need.seen
    }

    /// Writes down that a token is of no use, for people who ask how their logins stand.
    async fn note_refused(&self, mark: u64) {
        let refused =
            self.account.snapshot().filter(|held| self.mark(&held.record) == mark && !held.record.is_refused());
        let refused = refused.and_then(|held| Some(fingerprint(&held.record.tokens.as_ref()?.access_token)));
        let Some(refused) = refused else { return };
        let noted = self.account.transact(async move |mut transaction| {
            let record = Record { refused_access: Some(refused), ..transaction.record.clone() };
            transaction.note(record).await
        });
        if let Ok(Err(error)) | Err(error) = noted.await {
            log::debug!("{error}");
        }
    }

    /// Whether this is the login that is needed: not every change of the record is one.
    pub(in crate::auth) fn is_enough(&self, held: &Snapshot) -> bool {
        let need = self.need();
        let has = |wanted: &String| {
            let granted = held.record.tokens.as_ref().and_then(|tokens| tokens.scope.as_deref()).unwrap_or_default();
            let asked = held.record.requested_scope.as_deref().unwrap_or_default();
            scope::covers(&scope::union(granted, asked), wanted)
        };
        held.freshness() != Freshness::Expired
            && self.mark(&held.record) != need.refused
            && need.logins.is_none_or(|before| held.record.logins > before)
            && need.wanted.as_ref().is_none_or(has)
    }

    /// A login for more scope has been made; if the server goes on asking for it, that is not for want of a login.
    fn has_stepped_up(&self) {
        let mut need = self.need();
        if let Some(wanted) = need.wanted.take() {
            need.steps.push(wanted);
        }
    }

    /// What mcp-remote has kept of a login with this server.
    fn imported(&self) -> Option<Record> {
        let login = &self.options.login;
        let pair = |header: &String| {
            let (name, value) = header.split_once(':')?;
            Some((name.to_owned(), value.trim_start().to_owned()))
        };
        let headers: Vec<_> = self.options.typed_headers.iter().filter_map(pair).collect();
        let typed = import::McpRemoteOptions {
            url: &self.options.typed_url,
            resource: match &login.resource {
                ResourceChoice::Given(resource) => Some(resource),
                ResourceChoice::Discovered | ResourceChoice::Off => None,
            },
            authorize_params: &login.authorize_params,
            headers: &headers,
            client_metadata_url: login.client_metadata_url.as_deref(),
            token_endpoint: login.token_endpoint.as_deref(),
        };
        import::find(&import::cache_dir()?, &typed)
    }

    async fn logged_in_elsewhere(&self, seen: u64) {
        let mut seen = seen;
        loop {
            self.account.changed(seen).await;
            match self.account.snapshot() {
                Some(held) if self.is_enough(&held) => return,
                held => seen = held.map_or(0, |held| held.record.generation),
            }
        }
    }

    /// Whether nobody issues tokens for the server, so that a login is nothing that helps.
    async fn wants_a_key(&self) -> bool {
        match self.discover().await {
            Ok(discovered) => {
                let guessed = !discovered.issuer.metadata.contains_key("issuer");
                guessed && !self.is_authorization_server(&discovered).await
            }
            Err(error) => {
                // The login itself will say so, to whoever wants it.
                if error.is_temporary() {
                    log::info!("{error}");
                } else {
                    log::warn!("{error}");
                }
                false
            }
        }
    }

    /// Whether a server without any metadata issues tokens itself (2025-03-26), or just wants a key that the user has
    /// to give: many that do say `Bearer` too.
    async fn is_authorization_server(&self, discovered: &Discovered) -> bool {
        let challenged = self.need().challenge.is_some();
        let endpoint = Metadata::of(&discovered.issuer).token_endpoint().filter(|_| challenged);
        match endpoint {
            Some(endpoint) => self.fetch().await.is_endpoint(endpoint).await,
            None => false,
        }
    }

    /// Counts a refusal of a token that has just been issued. `Some` says why more of them are of no use.
    fn refused_again(&self, mark: u64, record: &Record) -> Option<String> {
        let tokens = record.tokens.as_ref()?;
        let is_fresh =
            now().saturating_sub(tokens.obtained_at) < FRESH && self.accepted.load(Ordering::Relaxed) != mark;
        // However many requests went out with one token, it was refused once.
        let is_news = is_fresh && self.last_refused.swap(mark, Ordering::Relaxed) != mark;
        let many = is_news && self.refusals.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_REFUSALS;
        many.then(|| token::explain_refused_token(record.issuer.as_ref().unwrap_or(&Issuer::default()), tokens))
    }
}
