//! How does somebody log in? One process owns the login: it finds out where, registers us once, shows the way, waits for the browser to
//! come back or for what a person pastes, and exchanges the code. The others wait for what it saves, and the next takes over if it dies.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::account::Snapshot;
use super::authorization::{self, Ask, Code, Pending};
use super::browser::{self, BrowserUrl, Opening, Surroundings};
use super::callback::{Callback, CallbackError, Expected, Listener, Outcome, Redirect};
use super::discovery::{Discovered, DiscoveryError};
use super::dpop::Dpop;
use super::expiry::now;
use super::oauth::{Inner, OAuth};
use super::ownership::{self, Ownership, Turn};
use super::page::Page;
use super::record::{Client, Origin, Record};
use super::registration::{self, RegistrationError, Wanted};
use super::scope::{self, Attempt};
use super::settings::Grant;
use super::store::StoreError;
use super::token::{Issued, TokenEndpoint, TokenError};
use super::{Offer, device_login};
use crate::log::Secret;

/// How often whoever waits for another process looks for what it shows.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// When a code is sent again that an authorization server in trouble did not take.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Logins begun anew within one, because something about the first was refused.
const MOST_ROUNDS: usize = 6;

/// How a login is gone about.
#[derive(Debug, Default)]
pub struct Manner {
    /// A browser may be opened.
    pub opens: bool,
    /// A person asked for it in so many words: the way is shown to them, and tabs are not rationed.
    pub asked_for: bool,
    /// What a person pastes.
    pub pasted: Option<mpsc::Receiver<String>>,
}

/// Why nobody is logged in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginError {
    /// There is nobody to log in with.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// We are nobody there.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// It cannot begin.
    #[error(transparent)]
    Authorization(#[from] authorization::AuthorizationError),
    /// It came back with a refusal, or from somebody else.
    #[error(transparent)]
    Redirect(#[from] authorization::RedirectError),
    /// The code is worth no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Nowhere to come back to.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// A login on another device.
    #[error(transparent)]
    Device(#[from] super::device::DeviceError),
    /// Nowhere to keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody did.
    #[error("nobody has signed in within {0} seconds")]
    TimedOut(u64),
    /// What does not fit.
    #[error("{0}")]
    Other(String),
}

impl LoginError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Discovery(error) => error.hint(),
            Self::Registration(error) => error.hint(),
            Self::Authorization(error) => error.hint().to_owned(),
            Self::Redirect(_) | Self::TimedOut(_) | Self::Other(_) => "try again, or run `mcp-ferry login`".to_owned(),
            Self::Token(error) if error.is_temporary() || error.is_unknown() => {
                "the authorization server is in trouble; sign in again in a while".to_owned()
            }
            Self::Token(error) => error.hint().to_owned(),
            Self::Callback(error) => error.hint().to_owned(),
            Self::Device(error) => error.hint().to_owned(),
            Self::Store(error) => error.hint().to_owned(),
        }
    }
}

/// Logs in, or waits until another process has.
pub async fn log_in(oauth: &OAuth, mut manner: Manner) -> Result<Snapshot, LoginError> {
    let inner = &oauth.0;
    let limit = inner.settings.timeout;
    let logging_in = async {
        let mut seen = inner.need().seen;
        loop {
            match turn(inner, seen).await? {
                Turn::Owner(ownership) => return own(inner, ownership, &mut manner).await,
                Turn::Changed => match inner.account.snapshot() {
                    Some(held) if inner.is_enough(&held) => return Ok(held),
                    held => seen = held.map_or(0, |held| held.record.generation),
                },
            }
        }
    };
    tokio::time::timeout(limit, logging_in).await.unwrap_or(Err(LoginError::TimedOut(limit.as_secs())))
}

/// Waits for our turn, showing meanwhile where another process wants somebody to log in.
async fn turn(inner: &Inner, seen: u64) -> Result<Turn, StoreError> {
    let showing = async {
        loop {
            if let Some(pending) = inner.account.pending() {
                inner.standing.offer(Offer { url: pending.url, code: None });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::select! {
        turn = inner.account.own_or_wait(seen) => turn,
        () = showing => Ok(Turn::Changed),
    }
}

/// The login is ours.
async fn own(inner: &Arc<Inner>, ownership: Ownership, manner: &mut Manner) -> Result<Snapshot, LoginError> {
    if let Grant::Device = inner.settings.login.grant {
        let logged_in = device_login::log_in(inner, manner).await;
        ownership.done();
        return logged_in;
    }
    let logged_in = rounds(inner, &ownership, manner).await;
    inner.has_logged_in.fetch_or(logged_in.is_ok(), Ordering::Relaxed);
    ownership.done();
    logged_in
}

/// What one login differs in from the next, where something about the first was refused.
#[derive(Debug, Default)]
struct Round {
    attempt: Attempt,
    not_by_document: bool,
    register_anew: bool,
    other_resource: bool,
    no_resource: bool,
}

async fn rounds(inner: &Arc<Inner>, ownership: &Ownership, manner: &mut Manner) -> Result<Snapshot, LoginError> {
    let mut round = Round::default();
    let mut forgot_us = false;
    let mut left_behind = inner.account.pending();
    for _ in 0..MOST_ROUNDS {
        let taken_over = match left_behind.take() {
            Some(pending) => take_over(inner, ownership, pending, manner).await?,
            None => None,
        };
        let (callback, pending) = match taken_over {
            Some(taken_over) => taken_over,
            None => begin(inner, ownership, &round, manner).await?,
        };
        round.register_anew = false;
        match finish(inner, callback, &pending, manner).await {
            Ok(held) => return Ok(held),
            Err(LoginError::Redirect(error)) => match error.retry() {
                Some(retry) => round.adjust(retry, &pending),
                None => return Err(error.into()),
            },
            Err(LoginError::Token(error)) if error.client_is_unknown() && !forgot_us => {
                forgot_us = true;
                round.register_anew = true;
            }
            Err(error) => return Err(error),
        }
    }
    Err(LoginError::Other("the authorization server finds fault with every login".to_owned()))
}

impl Round {
    fn adjust(&mut self, retry: authorization::Retry, pending: &Pending) {
        use authorization::Retry;
        match retry {
            Retry::Scope(attempt) => self.attempt = attempt,
            Retry::OtherResource => self.other_resource = true,
            Retry::NoResource => self.no_resource = true,
            Retry::Register if pending.client.origin == Origin::MetadataDocument => self.not_by_document = true,
            Retry::Register => self.register_anew = true,
        }
    }
}

/// Finishes what a process began that is no more: the same tab, the same port.
async fn take_over(
    inner: &Inner,
    ownership: &Ownership,
    left: ownership::Pending,
    manner: &Manner,
) -> Result<Option<(Callback, Pending)>, LoginError> {
    let Ok(pending) = serde_json::from_value::<Pending>(left.payload.clone()) else { return Ok(None) };
    let mut settings = inner.settings.callback.clone();
    settings.port = Some(left.port);
    let Ok(listener) = Listener::bind(&settings, &[]) else { return Ok(None) };
    let expected = Expected { state: left.state.clone(), start: left.start.clone(), url: left.url.clone() };
    let callback = listener.serve(expected).map_err(|error| LoginError::Other(error.to_string()))?;
    tracing::info!("a login that another process began is taken over");
    show(inner, ownership, &left.url, &callback, manner).await;
    Ok(Some((callback, pending)))
}

/// Finds out where, becomes somebody there, and shows the way.
async fn begin(
    inner: &Arc<Inner>,
    ownership: &Ownership,
    round: &Round,
    manner: &Manner,
) -> Result<(Callback, Pending), LoginError> {
    let login = &inner.settings.login;
    let mut discovered = inner.discover().await?;
    if round.other_resource {
        discovered.issuer.resource = discovered.issuer.other_resource.clone();
    }
    if round.no_resource {
        discovered.issuer.resource = None;
    }
    let listener = Listener::bind(&inner.settings.callback, &inner.account.key().ports())?;
    let redirect_uri = listener.redirect_uri();
    let record = known(inner);
    let same_issuer = record.issuer.as_ref().is_some_and(|known| known.is_same_as(&discovered.issuer));
    let previous = record.requested_scope.as_deref().filter(|_| same_issuer);
    let scope = discovered.scopes.select(login, &discovered.issuer, previous, round.attempt);
    let mut client = client(inner, &discovered, &record, round, &redirect_uri).await?;
    let dpop_key = if discovered.dpop { Some(dpop_key(&record)?) } else { None };
    let (mut url, mut pending) = ask(inner, &discovered, &client, &redirect_uri, scope.as_deref(), round, &dpop_key)?;
    if client.origin == Origin::Dynamic && !inner.is_alive(&client.client_id) && forgotten(inner, &url).await {
        tracing::info!("the authorization server has forgotten our registration; registering again");
        client = register(inner, &discovered, &record, round, &redirect_uri).await?;
        (url, pending) = ask(inner, &discovered, &client, &redirect_uri, scope.as_deref(), round, &dpop_key)?;
    }
    inner.call_alive(&client.client_id);
    let start = super::jwt::random_text().map_err(|error| LoginError::Other(error.to_string()))?;
    let expected =
        Expected { state: pending.state.expose().to_owned(), start: start[..12].to_owned(), url: url.clone() };
    ownership.begin(&ownership::Pending {
        url: url.clone(),
        state: expected.state.clone(),
        verifier: pending.verifier.clone(),
        port: listener.port(),
        redirect_uri,
        start: expected.start.clone(),
        begun_at: now(),
        opened_at: None,
        payload: serde_json::to_value(&pending).unwrap_or_default(),
    })?;
    let callback = listener.serve(expected).map_err(|error| LoginError::Other(error.to_string()))?;
    show(inner, ownership, &url, &callback, manner).await;
    Ok((callback, pending))
}

fn known(inner: &Inner) -> Record {
    inner.account.snapshot().map(|held| held.record.as_ref().clone()).unwrap_or_default()
}

fn dpop_key(record: &Record) -> Result<Secret, LoginError> {
    match &record.dpop_key {
        Some(key) => Ok(key.clone()),
        None => Dpop::generate().map_err(|error| LoginError::Other(error.to_string())),
    }
}

fn ask(
    inner: &Inner,
    discovered: &Discovered,
    client: &Client,
    redirect_uri: &str,
    scope: Option<&str>,
    round: &Round,
    dpop_key: &Option<Secret>,
) -> Result<(String, Pending), LoginError> {
    Ok(authorization::begin(Ask {
        issuer: &discovered.issuer,
        client,
        login: &inner.settings.login,
        redirect_uri,
        scope,
        attempt: round.attempt,
        dpop_key: dpop_key.as_ref(),
    })?)
}

/// Who we are there: as registered in an earlier run, or now.
async fn client(
    inner: &Arc<Inner>,
    discovered: &Discovered,
    record: &Record,
    round: &Round,
    redirect_uri: &str,
) -> Result<Client, LoginError> {
    let same_issuer = record.issuer.as_ref().is_some_and(|known| known.is_same_as(&discovered.issuer));
    let kept = record.client.as_ref().filter(|client| {
        same_issuer
            && client.origin == Origin::Dynamic
            && inner.settings.login.client_id.is_none()
            && !round.register_anew
            && record.dead_client.as_ref() != Some(&client.client_id)
            && !client.needs_new_registration(Some(redirect_uri), now())
    });
    match kept {
        Some(client) => Ok(client.clone()),
        None => register(inner, discovered, record, round, redirect_uri).await,
    }
}

/// Registers, and keeps the registration at once: the next login shall not need another.
async fn register(
    inner: &Arc<Inner>,
    discovered: &Discovered,
    record: &Record,
    round: &Round,
    redirect_uri: &str,
) -> Result<Client, LoginError> {
    let login = &inner.settings.login;
    let same_issuer = record.issuer.as_ref().is_some_and(|known| known.is_same_as(&discovered.issuer));
    let previous = record.requested_scope.as_deref().filter(|_| same_issuer);
    let mut redirect_uris = vec![redirect_uri.to_owned()];
    if inner.settings.callback.port.is_none() {
        let others = inner.account.key().ports().map(|port| inner.settings.callback.redirect_uri(port));
        redirect_uris.extend(others.into_iter().filter(|uri| uri != redirect_uri));
    }
    let scope = discovered.scopes.to_register(login, &discovered.issuer, previous);
    let wanted =
        Wanted { redirect_uris: &redirect_uris, scope: scope.as_deref(), not_by_document: round.not_by_document };
    let client = registration::register(inner.fetch().await, &discovered.issuer, login, wanted).await?;
    inner.call_alive(&client.client_id);
    if client.origin == Origin::Dynamic {
        let (kept, issuer) = (client.clone(), discovered.issuer.clone());
        let server = inner.shown_server();
        let saved = inner.account.transact(async move |mut transaction| {
            // Tokens stay until a login has taken their place.
            let keeps_tokens = transaction.record.issuer.as_ref().is_none_or(|known| known.is_same_as(&issuer));
            let mut record = transaction.record.clone();
            if !keeps_tokens || record.tokens.is_none() {
                record.issuer = Some(issuer);
                record.tokens = None;
            }
            let record = Record { server, client: Some(kept), dead_client: None, ..record };
            transaction.note(record).await
        });
        saved.await??;
    }
    Ok(client)
}

async fn forgotten(inner: &Inner, url: &str) -> bool {
    matches!(authorization::knows_client(inner.fetch().await, url).await, Ok(false))
}

/// Shows the way to whoever can see it: waiting requests, stderr, a browser.
async fn show(inner: &Inner, ownership: &Ownership, url: &str, callback: &Callback, manner: &Manner) {
    inner.standing.offer(Offer { url: url.to_owned(), code: None });
    let host = inner.shown_server();
    if manner.opens {
        let may_open = if manner.asked_for {
            ownership.count_tab();
            true
        } else {
            ownership.claim_tab().is_ok()
        };
        if may_open && open(url).await {
            crate::log::notice(&format!("a browser was opened to sign in to {host}; if it shows nothing, open {url}"));
            return;
        }
    }
    crate::log::notice(&format!("to sign in to {host}, open {url}"));
    if manner.asked_for {
        crate::log::notice(&format!("on this machine {} leads there too", callback.start_url()));
    }
}

/// Whether a browser was opened.
pub(super) async fn open(url: &str) -> bool {
    let Ok(url) = BrowserUrl::parse(url) else { return false };
    match browser::open(&url, &Surroundings::read()).await {
        Opening::Opened => true,
        Opening::NotOpened(why) => {
            tracing::info!("no browser was opened: {why}");
            false
        }
    }
}

/// Waits for the way back, and exchanges the code. The browser hears how it went; what a person pasted in vain ends nothing.
async fn finish(
    inner: &Arc<Inner>,
    mut callback: Callback,
    pending: &Pending,
    manner: &mut Manner,
) -> Result<Snapshot, LoginError> {
    let mut seen = inner.account.generation();
    let logged_in = loop {
        tokio::select! {
            redirect = callback.redirected() => break redeem(inner, pending, &redirect).await,
            Some(text) = pasted(&mut manner.pasted) => match take_pasted(inner, pending, &text).await {
                Ok(held) => break Ok(held),
                Err(error) => crate::log::notice(&format!("{error}; still waiting")),
            },
            () = inner.account.changed(seen) => {
                seen = inner.account.generation();
                if let Some(held) = inner.account.snapshot().filter(|held| inner.is_enough(held)) {
                    break Ok(held);
                }
            }
        }
    };
    let outcome = match &logged_in {
        Ok(_) => Outcome::SignedIn { host: inner.shown_server() },
        Err(error) => Outcome::Page(Page::Failed {
            host: inner.shown_server(),
            said: crate::log::redact(&error.to_string()),
            advice: error.hint(),
        }),
    };
    callback.answer(outcome).await;
    logged_in
}

/// What a person brings back: the whole address, its query, or the code alone. An authorization server that says who it is says so in the
/// address, so that the code alone does not do there.
async fn take_pasted(inner: &Arc<Inner>, pending: &Pending, text: &str) -> Result<Snapshot, LoginError> {
    let redirect =
        Redirect::pasted(text, pending.state.expose()).map_err(|error| LoginError::Other(error.to_string()))?;
    match redeem(inner, pending, &redirect).await {
        Err(LoginError::Redirect(_)) if redirect.is_bare() => {
            Err(LoginError::Other("that is not enough: paste the whole address that the browser ended at".to_owned()))
        }
        redeemed => redeemed,
    }
}

async fn pasted(pasted: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match pasted {
        Some(pasted) => pasted.recv().await,
        None => None,
    }
}

/// Checks what came back and makes tokens of it, under the account's lock; they are kept before they are used.
pub(super) async fn redeem(inner: &Arc<Inner>, pending: &Pending, redirect: &Redirect) -> Result<Snapshot, LoginError> {
    let code = authorization::check(pending, &redirect.query(pending.state.expose()))?;
    let (inner, pending) = (Arc::clone(inner), pending.clone());
    let account = inner.account.clone();
    let exchanged = account.transact(async move |mut transaction| {
        let record = Record { dpop_key: pending.dpop_key.clone(), ..transaction.record.clone() };
        let dpop = inner.dpop(&record).map_err(|error| LoginError::Other(error.to_string()))?;
        let endpoint = TokenEndpoint {
            fetch: inner.fetch().await,
            issuer: &pending.issuer,
            client: &pending.client,
            login: &inner.settings.login,
            dpop: dpop.as_deref(),
        };
        let issued = exchange(endpoint, &pending, &code).await?;
        if let Some(remark) = scope::no_refresh_token(&issued.tokens, pending.scope.as_deref()) {
            tracing::warn!("{remark}");
        }
        let record = inner.logged_in(record, &pending.issuer, &pending.client, pending.scope.as_deref(), issued);
        Ok::<_, LoginError>(transaction.keep(record).await)
    });
    exchanged.await?
}

/// Exchanges a code, which a person had to come by: an authorization server in trouble gets it again. One that has taken it already says
/// so, and nothing is lost by having asked.
async fn exchange(endpoint: TokenEndpoint<'_>, pending: &Pending, code: &Code) -> Result<Issued, TokenError> {
    for pause in AGAIN {
        match endpoint.exchange(pending, code).await {
            Err(error @ (TokenError::Temporary { .. } | TokenError::Unknown(_))) => {
                tracing::info!("{error}; the code is sent again");
                tokio::time::sleep(pause).await;
            }
            exchanged => return exchanged,
        }
    }
    endpoint.exchange(pending, code).await
}

impl Inner {
    fn is_alive(&self, client_id: &str) -> bool {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner).contains(client_id)
    }

    fn call_alive(&self, client_id: &str) {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner).insert(client_id.to_owned());
    }

    /// Scheme and host of the MCP server.
    pub(super) fn shown_server(&self) -> String {
        self.server.origin().ascii_serialization()
    }

    /// The record of a login that has just been made.
    pub(super) fn logged_in(
        &self,
        record: Record,
        issuer: &super::Issuer,
        client: &Client,
        scope: Option<&str>,
        issued: Issued,
    ) -> Record {
        let same_issuer = record.issuer.as_ref().is_some_and(|known| known.is_same_as(issuer));
        let asked = record.requested_scope.as_deref().filter(|_| same_issuer).unwrap_or_default();
        let requested_scope = Some(scope::union(asked, scope.unwrap_or_default())).filter(|all| !all.is_empty());
        let mut record = Record {
            server: self.shown_server(),
            issuer: Some(issuer.clone()),
            client: Some(client.clone()),
            requested_scope,
            dead_refresh: None,
            dead_client: None,
            logged_out: false,
            ..record
        };
        issued.write_to(&mut record);
        record
    }
}

/// Begins a login that [`complete`] finishes, perhaps in another process. Returns where to open it.
pub async fn begin_only(oauth: &OAuth) -> Result<String, LoginError> {
    let inner = &oauth.0;
    let seen = inner.account.generation();
    match inner.account.own_or_wait(seen).await? {
        Turn::Owner(ownership) => {
            let manner = Manner::default();
            begin(inner, &ownership, &Round::default(), &manner).await?;
        }
        Turn::Changed => return Err(LoginError::Other("another process has just logged in".to_owned())),
    }
    let pending = inner.account.pending();
    pending.map(|pending| pending.url).ok_or_else(|| LoginError::Other("the login was not begun".to_owned()))
}

/// Finishes the login that was begun last, with the address that the browser ended at.
pub async fn complete(oauth: &OAuth, redirect: &str) -> Result<Snapshot, LoginError> {
    let inner = &oauth.0;
    let none = || LoginError::Other("no login has been begun, or it is too long ago".to_owned());
    let left = inner.account.pending().ok_or_else(none)?;
    let pending: Pending = serde_json::from_value(left.payload.clone()).map_err(|_| none())?;
    let logged_in = take_pasted(inner, &pending, redirect).await?;
    inner.account.forget_pending();
    Ok(logged_in)
}
