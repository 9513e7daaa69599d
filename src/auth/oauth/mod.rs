//! Which token does a request get, and what follows when the server refuses it?
//!
//! A request that needs a new token refreshes it. A login that needs a person is left to one background task.

mod moved;
mod take_over;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use url::Url;

use super::account::Snapshot;
use super::binding::admit;
use super::challenge::Challenge;
use super::error::AuthError;
use super::expiry::Freshness;
use super::headers::authorization;
use super::login::{LoginError, begin_in_background, complete_with_address, is_login_useless};
use super::login_context::LoginContext;
use super::record::{Record, Tokens, fingerprint};
use super::refresh::{Reason, RefreshError, RefreshFailure, Refresher};
use super::refusal::{LoginRequired, Parts, Refusal, RefusedRequest, Remedy};
use super::settings::Options;
use super::static_credential::no_usable_token;
use super::store::StoreError;
use super::token::{self, Issued, TokenEndpoint};
use super::{dpop, grants};
use crate::log;
use crate::net::Http;
use moved::{LastLook, has_moved};

/// How long the end of the process waits for a refresh that has been sent.
const LAST_REFRESH: Duration = Duration::from_secs(10);

/// The login of one server, as requests use it.
pub struct OAuth {
    /// What requests share with logins and logouts.
    pub(crate) context: Arc<LoginContext>,
    refresher: Refresher,
    /// Whether a login of mcp-remote was looked for. The first refused request sets it.
    has_looked_for_import: AtomicBool,
    /// Whether there is no login and the server has not asked for one: then requests need not look for a login. A
    /// request sets it; a refusal clears it for good.
    is_unneeded: AtomicBool,
    /// The server has refused a request. A refusal sets it.
    was_refused: AtomicBool,
    /// Requests whose token cannot be refreshed look whether the server has moved.
    last_look: LastLook,
}

impl OAuth {
    /// The login that belongs to these options; `None` if there is no home directory to keep a login in.
    pub fn new(options: &Arc<Options>, http: &Http) -> Option<Self> {
        let context = LoginContext::new(options, http)?;
        Some(Self {
            refresher: Refresher::new(context.account.clone()),
            context: Arc::new(context),
            has_looked_for_import: AtomicBool::new(false),
            is_unneeded: AtomicBool::new(false),
            was_refused: AtomicBool::new(false),
            last_look: LastLook::default(),
        })
    }

    /// Finishes the login under way with the whole address that the browser ended at.
    pub(super) async fn complete_login(&self, address: &str) -> Result<(), LoginError> {
        complete_with_address(&self.context, address).await
    }

    /// Waits for a refresh that has begun. The error is that of what could not be kept.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.context.account.settle(LAST_REFRESH).await
    }

    /// The server did not refuse the token with this fingerprint. A request without a token shows nothing: a server may
    /// want a login for some requests alone.
    pub(super) fn accepted(&self, fingerprint: u64) {
        if fingerprint == 0 {
            return;
        }
        if self.context.fingerprints.accept(fingerprint) {
            self.context.login_lock.note_success();
        }
    }

    /// Adds the token to a request's headers, refreshed if that is due. Returns the token's fingerprint; 0 if there is
    /// no token.
    pub async fn authorize(&self, method: &Method, uri: &Uri, headers: &mut HeaderMap) -> Result<u64, AuthError> {
        if self.is_unneeded.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let Some(mut held) = self.context.account.snapshot().await else {
            self.is_unneeded.store(!self.was_refused.load(Ordering::Relaxed), Ordering::Relaxed);
            return Ok(0);
        };
        let freshness = held.freshness();
        let may_change = self.context.options.changes_logins;
        if may_change && freshness != Freshness::Good && held.record.tokens.is_some() {
            match self.refresh(&held, Reason::Due).await {
                Ok(refreshed) => held = refreshed,
                // The token is good for a while yet.
                Err(_) if freshness == Freshness::Due => {}
                Err(error) if error.needs_login() => {
                    if !self.context.needs_a_person() {
                        held = grants::obtain_tokens(&self.context, held.record.generation).await?;
                    }
                }
                // What the server says to this request decides.
                Err(RefreshError::Unexplained { .. }) => {}
                // Goes without a token: the server's refusal says where to log in now.
                Err(_) if has_moved(&self.context, &self.last_look, &held.record, None).await => {}
                Err(error) => return Err(AuthError::Temporary(error.to_string())),
            }
        }
        self.context.login_status.set_login_number(held.record.login_number());
        if held.freshness() == Freshness::Expired {
            // Goes without a token: the server's refusal says what to do.
            return Ok(0);
        }
        if let Some(tokens) = &held.record.tokens {
            self.add_token(&held.record, tokens, method, uri, headers)?;
        }
        Ok(self.context.fingerprints.of(&held.record))
    }

    /// Puts the record's token into the headers of a request, with the proof that the token is ours.
    pub(super) fn add_token(
        &self,
        record: &Record,
        tokens: &Tokens,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthError> {
        let unusable = || no_usable_token("the authorization server");
        let id_token = tokens.id_token.as_ref().filter(|_| self.context.options.login.use_id_token);
        let token = id_token.unwrap_or(&tokens.access_token);
        let mut scheme = "Bearer";
        // An ID token is not bound to a key.
        if id_token.is_none()
            && tokens.token_type.eq_ignore_ascii_case("DPoP")
            && let Some(dpop) = self.context.dpop(record).map_err(|error| AuthError::NoLogin(error.to_string()))?
        {
            scheme = "DPoP";
            let url = Url::parse(&uri.to_string()).map_err(|_| unusable())?;
            let proof = dpop.proof(method, &url, Some(token)).map_err(|error| AuthError::NoLogin(error.to_string()))?;
            let mut proof = HeaderValue::try_from(proof).map_err(|_| unusable())?;
            proof.set_sensitive(true);
            headers.insert(dpop::PROOF, proof);
        }
        headers.insert(AUTHORIZATION, authorization(scheme, token).ok_or_else(unusable)?);
        Ok(())
    }

    async fn refresh(&self, held: &Snapshot, reason: Reason) -> Result<Snapshot, RefreshError> {
        let context = Arc::clone(&self.context);
        let send = move |record: Record| {
            let context = Arc::clone(&context);
            async move { send_refresh_token(&context, &record).await }
        };
        self.refresher.refresh(held, reason, send).await
    }

    /// What can help against a refusal. A token that is there already comes from another request or process; otherwise
    /// the token is refreshed, or one is issued without a person. No login begins: a request that the bridge makes for
    /// itself is refused too, and nobody waits for it.
    pub async fn challenge(&self, refused: RefusedRequest<'_>) -> Result<Remedy, AuthError> {
        self.was_refused.store(true, Ordering::Relaxed);
        self.is_unneeded.store(false, Ordering::Relaxed);
        let challenge = Challenge::read(refused.headers);
        if let Some(dpop) = self.context.last_dpop()
            && Url::parse(&refused.uri.to_string()).is_ok_and(|url| dpop.store_nonce(&url, refused.headers))
            && challenge.as_ref().is_some_and(Challenge::wants_nonce)
        {
            return Ok(Remedy::OtherToken);
        }
        if !self.context.options.changes_logins {
            return Ok(self.login_helps(Parts { token: refused.token, challenge, ..Parts::default() }));
        }
        match refused.status {
            StatusCode::UNAUTHORIZED => self.unauthorized(refused, challenge).await,
            StatusCode::FORBIDDEN if challenge.as_ref().is_some_and(Challenge::is_insufficient_scope) => {
                self.insufficient_scope(refused, challenge.unwrap_or_default()).await
            }
            _ => Ok(Remedy::Nothing),
        }
    }

    /// The server wants another token than this one, or any token.
    async fn unauthorized(
        &self,
        refused: RefusedRequest<'_>,
        challenge: Option<Challenge>,
    ) -> Result<Remedy, AuthError> {
        let (context, fingerprint) = (&self.context, refused.token);
        let held = context.account.snapshot().await;
        if let Some(held) = held.as_ref().filter(|held| held.freshness() != Freshness::Expired) {
            // The generation says too little: a new one may hold the same token, with a note.
            if context.fingerprints.of(&held.record) != fingerprint {
                return Ok(Remedy::OtherToken);
            }
            if context.fingerprints.refuse(fingerprint, &held.record)
                && let Some(tokens) = &held.record.tokens
            {
                let why = token::explain_refused_token(&held.record.issuer.clone().unwrap_or_default(), tokens);
                if !context.needs_a_person() {
                    return Err(AuthError::NoLogin(why));
                }
                return Ok(self.login_helps(Parts {
                    token: fingerprint,
                    challenge,
                    why_in_vain: Some(why),
                    ..Parts::default()
                }));
            }
        }
        match held {
            // Another refresh would not help: other requests may be accepted with this token.
            Some(_) if refused.is_refreshed => {}
            Some(held) if held.has_tokens() => match self.refresh(&held, Reason::Refused).await {
                Ok(_) => return Ok(Remedy::RefreshedToken),
                Err(error) if error.needs_login() => {
                    log::info!("{error}");
                    // A server that lost the login may have lost the registration too.
                    context.known_clients.lock().clear();
                }
                Err(_) if has_moved(context, &self.last_look, &held.record, challenge.as_ref()).await => {}
                Err(error) => return Err(AuthError::Temporary(error.to_string())),
            },
            held if held.as_ref().is_none_or(|held| held.record.generation == 0)
                && !self.has_looked_for_import.swap(true, Ordering::Relaxed)
                && take_over::take_over(context).await =>
            {
                return Ok(Remedy::OtherToken);
            }
            _ => {}
        }
        self.note_refused(fingerprint).await;
        if !context.needs_a_person() {
            // After the refresh, which may have written a new generation.
            let seen = context.require(challenge, None).await;
            return grants::obtain_tokens(context, seen).await.map(|_| Remedy::OtherToken);
        }
        let wants_other_scheme = challenge.is_none() && refused.headers.contains_key(WWW_AUTHENTICATE);
        Ok(self.login_helps(Parts { token: fingerprint, challenge, wants_other_scheme, ..Parts::default() }))
    }

    /// The token is good, but lacks the scope that this request needs.
    async fn insufficient_scope(&self, refused: RefusedRequest<'_>, challenge: Challenge) -> Result<Remedy, AuthError> {
        let (context, fingerprint) = (&self.context, refused.token);
        let Some(held) = context.account.snapshot().await else {
            // Some servers say so of a request without a token.
            return self.unauthorized(refused, Some(challenge)).await;
        };
        if context.fingerprints.of(&held.record) != fingerprint {
            return Ok(Remedy::OtherToken);
        }
        self.accepted(fingerprint);
        if held.freshness() == Freshness::Expired && self.refresh(&held, Reason::Due).await.is_ok() {
            // Some servers answer an expired token with 403.
            return Ok(Remedy::RefreshedToken);
        }
        let scope = challenge.scope.clone().unwrap_or_default();
        let is_in_vain = context.requirement.lock().is_step_up_in_vain(&scope);
        if is_in_vain || context.options.login.scope.is_some() {
            log::warn!("the server still asks for more scope, after logins for it: {:?}", log::foreign(&scope));
            return Ok(Remedy::Nothing);
        }
        if !context.needs_a_person() {
            let seen = context.require(Some(challenge), Some(scope)).await;
            context.requirement.lock().note_step_up();
            return grants::obtain_tokens(context, seen).await.map(|_| Remedy::OtherToken);
        }
        let (challenge, step_up) = (Some(challenge), Some(scope));
        Ok(self.login_helps(Parts { token: fingerprint, challenge, step_up, ..Parts::default() }))
    }

    fn login_helps(&self, parts: Parts) -> Remedy {
        let login_number = self.context.login_status.login_number();
        Remedy::Login(Refusal::new(Parts { login_number, ..parts }))
    }

    /// A client waits for a request that was refused so. Notes that a login is missing, and has a task see to it.
    pub(super) async fn require_login(&self, refusal: &Refusal) -> LoginRequired {
        let (context, refused) = (&self.context, refusal.parts());
        let held = context.account.snapshot().await;
        let has_other_token = held.is_some_and(|held| {
            held.freshness() != Freshness::Expired && context.fingerprints.of(&held.record) != refused.token
        });
        if has_other_token {
            return LoginRequired::OtherToken;
        }
        let (status, is_step_up) = (&context.login_status, refused.step_up.is_some());
        // A login that somebody is shown already goes on as it was begun.
        if !status.is_prompted() {
            context.require(refused.challenge.clone(), refused.step_up.clone()).await;
        }
        if !is_step_up
            && !status.is_wanted()
            && refused.why_in_vain.is_none()
            && is_login_useless(context, refused.wants_other_scheme).await
        {
            return LoginRequired::Useless;
        }
        if !context.options.begins_logins && (context.needs_a_person() || !context.options.changes_logins) {
            status.require(refused.step_up.as_deref());
            return LoginRequired::NotBegun;
        }
        let is_new = begin_in_background(context, refused.step_up.as_deref());
        if let Some(why) = &refused.why_in_vain {
            // New tokens do not help: only a person begins another login.
            status.fail(why.clone());
            return LoginRequired::Yes { is_new: false };
        }
        LoginRequired::Yes { is_new }
    }

    /// Writes down that the server refuses this token, for `mcp-ferry status`.
    async fn note_refused(&self, fingerprint: u64) {
        let account = &self.context.account;
        let Some(held) = account.snapshot().await else { return };
        if self.context.fingerprints.of(&held.record) != fingerprint || held.record.is_refused() {
            return;
        }
        let Some(tokens) = &held.record.tokens else { return };
        let refused = self::fingerprint(&tokens.access_token);
        let noted = account.transact(async move |mut transaction| {
            let record = Record { refused_access: Some(refused), ..transaction.record.clone() };
            transaction.note(record).await
        });
        if let Ok(Err(error)) | Err(error) = noted.await {
            log::debug!("{error}");
        }
    }
}

async fn send_refresh_token(context: &LoginContext, record: &Record) -> Result<Issued, RefreshFailure> {
    let incomplete = || RefreshFailure::Dead("what is kept of the login is not complete".to_owned());
    let (Some(issuer), Some(client), Some(tokens)) = (&record.issuer, &record.client, &record.tokens) else {
        return Err(incomplete());
    };
    // The user's key may be needed too.
    admit(record, &context.options.login, issuer).map_err(|error| RefreshFailure::Dead(error.to_string()))?;
    let dpop = context.dpop(record).map_err(|_| incomplete())?;
    let fetch = context.fetch().await;
    let endpoint = TokenEndpoint { fetch, issuer, client, login: &context.options.login, dpop: dpop.as_deref() };
    Ok(endpoint.refresh(tokens).await?)
}
