//! The login as this process lives with it: which token a request gets, what a refusal of it means, and when somebody has to log in.
//!
//! Tokens are refreshed by whoever needs one, under the account's locks. A login that only a person can make is left to one task, which
//! begins when a client needs it, or has lived for a while: programs start and end us only to look.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use tokio::sync::OnceCell;
use url::Url;

use super::account::{Account, Snapshot};
use super::challenge::Challenge;
use super::discovery::{self, Discovered, DiscoveryError};
use super::dpop::{self, Dpop};
use super::expiry::{Freshness, now};
use super::fetch::Fetch;
use super::login::Manner;
use super::metadata::Metadata;
use super::record::{Issuer, Record, Tokens};
use super::scope;
use super::settings::{Grant, ResourceChoice};
use super::store::{Identity, Key, KeyParts, Store};
use super::token::{self, TokenEndpoint, TokenError};
use super::transaction::{Reason, RefreshError, Spent};
use super::{AuthError, Standing, import, login};
use crate::cli::AuthMode;
use crate::config::{LoginSettings, Settings};
use crate::http::{Http, Network, Zone};
use crate::log::Secret;

/// A client that lives this long after it needed a login is one that somebody uses.
const LIVING: Duration = Duration::from_secs(2);

/// How long the end of the process waits for a refresh that has been sent.
const LAST_REFRESH: Duration = Duration::from_secs(10);

/// A token that is younger than this, in seconds, and refused, was of no use from the beginning.
const FRESH: u64 = 60;

/// Fresh tokens refused in a row, after which more of them are no help.
const MOST_REFUSALS: u32 = 2;

/// How often one and the same scope is asked for because a request was refused for lack of it.
const MOST_STEPS: usize = 2;

/// The login of one server. Clones are the same.
#[derive(Clone)]
pub struct OAuth(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) server: Url,
    pub(super) settings: Arc<LoginSettings>,
    pub(super) account: Account,
    pub(super) standing: Standing,
    pub(super) need: Mutex<Need>,
    http: Http,
    network: Network,
    plain_http: bool,
    uri: Uri,
    /// The user's headers, of which another bridge's names for its files are made.
    typed_headers: Vec<String>,
    typed_url: String,
    fetch: OnceCell<Fetch>,
    dpop: Mutex<Option<(Secret, Arc<Dpop>)>>,
    /// Makes marks of tokens.
    marks: RandomState,
    /// The mark of the last token that the server took.
    accepted: AtomicU64,
    /// The mark of the last fresh one that it refused.
    last_refused: AtomicU64,
    /// Fresh tokens that it refused since.
    refusals: AtomicU32,
    imported: AtomicBool,
    /// A login was made here, and the server has not yet taken its token.
    pub(super) has_logged_in: AtomicBool,
    /// Client ids that are known to be known: registered or looked at in this run.
    pub(super) alive: Mutex<HashSet<String>>,
}

/// What the last refusal asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Need {
    /// Its challenge.
    pub(super) challenge: Option<Challenge>,
    /// Who issues tokens, as far as that was found out.
    pub(super) discovered: Option<Discovered>,
    /// The record that was not enough.
    pub(super) seen: u64,
    /// The mark of its token; 0 is none.
    refused: u64,
    /// The scope that the next token must have been asked for with.
    wanted: Option<String>,
    /// The scopes that were stepped up to, for want of which requests were refused.
    steps: Vec<String>,
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("standing", &self.0.standing).finish_non_exhaustive()
    }
}

impl OAuth {
    /// The login that belongs to these settings; `None` where there is nowhere to keep one.
    pub fn new(settings: &Settings) -> Option<Self> {
        let home = settings.home.as_deref()?;
        let server = Url::parse(&settings.upstream.to_string()).ok()?;
        let said = &settings.login;
        let identity = match (&said.login.client_id, &said.login.client_metadata_url) {
            (Some(id), _) => Identity::Given(id),
            (None, Some(url)) => Identity::MetadataDocument(url),
            (None, None) => Identity::Dynamic,
        };
        let extra = said.login.marks();
        let parts = KeyParts { url: server.as_str(), identity, profile: said.profile.as_deref(), extra: &extra };
        let account = Account::new(Store::new(home, said.kept_in), Key::new(&parts));
        Some(Self(Arc::new(Inner {
            plain_http: server.scheme() == "http",
            server,
            settings: Arc::clone(said),
            account,
            standing: Standing::default(),
            need: Mutex::default(),
            http: settings.http.clone(),
            network: settings.network.clone(),
            uri: settings.upstream.clone(),
            typed_headers: settings.typed_headers.clone(),
            typed_url: settings.typed_url.clone(),
            fetch: OnceCell::new(),
            dpop: Mutex::default(),
            marks: RandomState::new(),
            accepted: AtomicU64::new(0),
            last_refused: AtomicU64::new(0),
            refusals: AtomicU32::new(0),
            imported: AtomicBool::new(false),
            has_logged_in: AtomicBool::new(false),
            alive: Mutex::default(),
        })))
    }

    /// Where the login stands.
    pub fn standing(&self) -> &Standing {
        &self.0.standing
    }

    /// What the user wants done while there is none.
    pub fn mode(&self) -> AuthMode {
        self.0.settings.mode
    }

    /// What is kept of it.
    pub fn account(&self) -> &Account {
        &self.0.account
    }

    /// Lets work that has begun come to its end.
    pub(super) async fn close(&self) {
        self.0.account.settle(LAST_REFRESH).await;
    }

    /// The server has taken this token.
    pub(super) fn accepted(&self, mark: u64) {
        if self.0.accepted.swap(mark, Ordering::Relaxed) != mark {
            self.0.refusals.store(0, Ordering::Relaxed);
            if self.0.has_logged_in.swap(false, Ordering::Relaxed) {
                self.0.account.uncount_tab();
            }
        }
    }

    /// Adds the token, renewed if that is due. Returns its [mark](Inner::mark); 0 is none.
    pub(super) async fn apply(&self, method: &Method, uri: &Uri, headers: &mut HeaderMap) -> Result<u64, AuthError> {
        let Some(mut held) = self.0.account.snapshot() else { return Ok(0) };
        let freshness = held.freshness();
        if freshness != Freshness::Good && held.record.tokens.is_some() {
            match self.renew(&held, Reason::Due).await {
                Ok(renewed) => held = renewed,
                // It is good for a while yet.
                Err(_) if freshness == Freshness::Due => {}
                Err(error) if error.needs_login() => {
                    if !self.0.needs_a_person() {
                        held = self.0.obtain(held.record.generation).await?;
                    }
                }
                Err(error) => return Err(AuthError::OutOfOrder(error.to_string())),
            }
        }
        if held.freshness() == Freshness::Expired || held.record.logged_out {
            // The refusal says what to do.
            return Ok(0);
        }
        if let Some(tokens) = &held.record.tokens {
            self.0.put(&held.record, tokens, method, uri, headers)?;
        }
        Ok(self.0.mark(&held.record))
    }

    /// What a refusal means for the next attempt: true if there is something to try at once.
    pub(super) async fn refused(
        &self,
        mark: u64,
        uri: &Uri,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<bool, AuthError> {
        let challenge = Challenge::read(headers);
        if let Some(dpop) = self.0.known_dpop()
            && Url::parse(&uri.to_string()).is_ok_and(|url| dpop.learn(&url, headers))
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
                inner.standing.fail(why);
                return Ok(false);
            }
        }
        if let Some(held) = held.filter(|held| held.record.tokens.is_some() && !held.record.logged_out) {
            match self.renew(&held, Reason::Refused).await {
                Ok(_) => return Ok(true),
                Err(error) if error.needs_login() => tracing::info!("{error}"),
                Err(error) => return Err(AuthError::OutOfOrder(error.to_string())),
            }
        } else if newest == 0 && self.import().await {
            return Ok(true);
        }
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
        if steps >= MOST_STEPS || inner.settings.login.scope.is_some() {
            tracing::warn!("the server still asks for the scope {wanted:?} after a login for it");
            return Ok(false);
        }
        let seen = inner.set_need(Some(challenge), Some(wanted.clone()));
        if !inner.needs_a_person() {
            inner.need().steps.push(wanted);
            return inner.obtain(seen).await.map(|_| true);
        }
        self.ask_for_a_login(true).await
    }

    /// For a person who wants to log in: what the server says to those who have not, if it refused them. False if it gives no sign of
    /// wanting a login.
    pub async fn prepare(&self, refused: Option<&HeaderMap>) -> Result<bool, login::LoginError> {
        let inner = &self.0;
        inner.set_need(refused.and_then(Challenge::read), None);
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
        if inner.imported.swap(true, Ordering::Relaxed) || inner.settings.login.client_id.is_some() {
            return false;
        }
        let Some(mut record) = inner.imported() else { return false };
        let Ok(discovered) = inner.discover().await else { return false };
        // Tokens go to their own issuer and to no other (RFC 9700 section 4.4).
        if record.issuer.as_ref().is_some_and(|known| known.issuer != discovered.issuer.issuer) {
            return false;
        }
        record.server = inner.shown_server();
        record.issuer = Some(discovered.issuer);
        let saved = inner.account.transact(async move |mut transaction| {
            if transaction.record.generation == 0 {
                transaction.keep(record).await;
            }
        });
        tracing::info!("a login of mcp-remote's is taken over");
        saved.await.is_ok()
    }

    /// Leaves it to a person, unless nobody could help: then the server wants a key, not a login.
    async fn ask_for_a_login(&self, step_up: bool) -> Result<bool, AuthError> {
        let inner = &self.0;
        if !step_up {
            match inner.discover().await {
                Ok(discovered) => {
                    let guessed = !discovered.issuer.metadata.contains_key("issuer");
                    if guessed && !inner.is_authorization_server(&discovered).await {
                        return Ok(false);
                    }
                }
                Err(error) if error.is_temporary() => tracing::info!("{error}"),
                // The login itself will say so, to whoever wants it.
                Err(error) => tracing::warn!("{error}"),
            }
        }
        self.need_a_person(step_up);
        Ok(false)
    }

    fn need_a_person(&self, step_up: bool) {
        if self.0.standing.need(step_up) {
            tokio::spawn(drive(self.clone()));
        }
    }

    async fn renew(&self, held: &Snapshot, reason: Reason) -> Result<Snapshot, RefreshError> {
        let inner = Arc::clone(&self.0);
        let spend = move |record: Record| {
            let inner = Arc::clone(&inner);
            async move { inner.spend(record).await }
        };
        self.0.account.refresh(held, reason, spend).await
    }
}

/// Sees to a login until there is one, made here or anywhere on this machine. Begins when a request needs it, or when a client whose first
/// message needed it is still there after a while; what the bridge does by itself in the background is no reason for a tab.
async fn drive(oauth: OAuth) {
    let inner = &oauth.0;
    loop {
        let seen = inner.need().seen;
        let living = async {
            inner.standing.greeted().await;
            tokio::time::sleep(LIVING).await;
        };
        tokio::select! {
            () = inner.standing.wanted() => {}
            () = living, if inner.settings.mode == AuthMode::Auto => {}
            () = inner.logged_in_elsewhere(seen) => break,
        }
        let opens = inner.settings.mode != AuthMode::Error;
        match login::log_in(&oauth, Manner { opens, ..Manner::default() }).await {
            Ok(_) => break,
            Err(error) => {
                let text = format!("{error}; {}", error.hint());
                tracing::warn!("{text}");
                inner.standing.fail(text);
            }
        }
    }
    inner.has_stepped_up();
    inner.standing.settle();
}

impl Inner {
    pub(super) fn need(&self) -> MutexGuard<'_, Need> {
        self.need.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What mcp-remote has kept of a login with this server.
    fn imported(&self) -> Option<Record> {
        let login = &self.settings.login;
        let pair = |header: &String| {
            let (name, value) = header.split_once(':')?;
            Some((name.to_owned(), value.trim_start().to_owned()))
        };
        let headers: Vec<_> = self.typed_headers.iter().filter_map(pair).collect();
        let typed = import::Typed {
            url: &self.typed_url,
            resource: match &login.resource {
                ResourceChoice::Given(resource) => Some(resource),
                ResourceChoice::Discovered | ResourceChoice::Off => None,
            },
            authorize_params: &login.authorize_params,
            headers: &headers,
            client_metadata_url: login.client_metadata_url.as_deref(),
            token_endpoint: login.token_endpoint.as_deref(),
        };
        match import::find(&import::cache()?, &typed) {
            import::Import::Found(record) => Some(*record),
            import::Import::Busy(_) | import::Import::Nothing => None,
        }
    }

    /// Notes what a refusal asks for: another token than the one there is, and for a step-up one with this scope. Returns the generation
    /// that is not enough.
    fn set_need(&self, challenge: Option<Challenge>, wanted: Option<String>) -> u64 {
        let held = self.account.snapshot();
        let mut need = self.need();
        if need.challenge != challenge {
            need.discovered = None;
        }
        need.challenge = challenge;
        need.wanted = wanted;
        need.seen = held.as_ref().map_or(0, |held| held.record.generation);
        need.refused = held.as_ref().map_or(0, |held| self.mark(&held.record));
        need.seen
    }

    /// Whether this is the login that is needed: not every change of the record is one.
    pub(super) fn is_enough(&self, held: &Snapshot) -> bool {
        let need = self.need();
        let has = |wanted: &String| {
            let granted = held.record.tokens.as_ref().and_then(|tokens| tokens.scope.as_deref()).unwrap_or_default();
            let asked = held.record.requested_scope.as_deref().unwrap_or_default();
            scope::covers(&scope::union(granted, asked), wanted)
        };
        held.freshness() != Freshness::Expired
            && self.mark(&held.record) != need.refused
            && need.wanted.as_ref().is_none_or(has)
    }

    /// A login for more scope has been made; if the server goes on asking for it, that is not for want of a login.
    fn has_stepped_up(&self) {
        let mut need = self.need();
        if let Some(wanted) = need.wanted.take() {
            need.steps.push(wanted);
        }
    }

    /// Whether tokens are come by in a browser.
    pub(super) fn needs_a_person(&self) -> bool {
        matches!(self.settings.login.grant, Grant::AuthorizationCode | Grant::Device)
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

    /// The client for authorization servers. Where the MCP server is on a public address, it must not lead us into the network that
    /// we are in.
    pub(super) async fn fetch(&self) -> &Fetch {
        self.fetch
            .get_or_init(|| async {
                let zone = Zone::around(&self.uri).await;
                // Cookies and sockets are the MCP server's.
                let network = Network { zone, cookies: false, unix_socket: None, ..self.network.clone() };
                let http = Http::new(&network).unwrap_or_else(|error| {
                    tracing::warn!("{error}; {}", error.hint());
                    self.http.clone()
                });
                Fetch::new(http, self.plain_http)
            })
            .await
    }

    /// Who issues tokens for this server, asked once for each challenge.
    pub(super) async fn discover(&self) -> Result<Discovered, DiscoveryError> {
        let (challenge, known) = {
            let need = self.need();
            (need.challenge.clone(), need.discovered.clone())
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let login = &self.settings.login;
        if let Some(endpoint) = &login.token_endpoint {
            return Ok(discovery::given(&self.server, endpoint, login));
        }
        let earlier = self.account.snapshot().and_then(|held| Some(held.record.issuer.as_ref()?.issuer.clone()));
        let refusal = discovery::Refusal {
            server: &self.server,
            challenge: challenge.as_ref(),
            protocol_version: "2025-11-25",
            earlier: earlier.as_deref(),
        };
        let discovered = discovery::discover(self.fetch().await, refusal, login).await?;
        self.need().discovered = Some(discovered.clone());
        Ok(discovered)
    }

    /// Whether a server without any metadata issues tokens itself (2025-03-26), or just wants a key that the user has to give: many
    /// that do say `Bearer` too.
    async fn is_authorization_server(&self, discovered: &Discovered) -> bool {
        let challenged = self.need().challenge.is_some();
        let endpoint = Metadata::of(&discovered.issuer).token_endpoint().filter(|_| challenged);
        match endpoint {
            Some(endpoint) => self.fetch().await.is_served(endpoint).await,
            None => false,
        }
    }

    /// Sends the record's refresh token.
    async fn spend(&self, record: Record) -> Result<Tokens, Spent> {
        let incomplete = || Spent::Dead { said: "what is kept of the login is not complete".to_owned() };
        let (Some(issuer), Some(client), Some(tokens)) = (&record.issuer, &record.client, &record.tokens) else {
            return Err(incomplete());
        };
        let dpop = self.dpop(&record).map_err(|_| incomplete())?;
        let fetch = self.fetch().await;
        let endpoint = TokenEndpoint { fetch, issuer, client, login: &self.settings.login, dpop: dpop.as_deref() };
        endpoint.refresh(tokens).await.map(|issued| issued.tokens).map_err(spent)
    }

    /// Puts the token into a request's headers, and the proof that it is ours.
    fn put(
        &self,
        record: &Record,
        tokens: &Tokens,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthError> {
        let unusable = || AuthError::NoToken("the authorization server".to_owned());
        let id_token = tokens.id_token.as_ref().filter(|_| self.settings.login.use_id_token);
        let token = id_token.unwrap_or(&tokens.access_token);
        let mut scheme = "Bearer";
        // An ID token is tied to no key.
        if id_token.is_none()
            && tokens.token_type.eq_ignore_ascii_case("DPoP")
            && let Some(dpop) = self.dpop(record).map_err(|error| AuthError::NoLogin(error.to_string()))?
        {
            scheme = "DPoP";
            let url = Url::parse(&uri.to_string()).map_err(|_| unusable())?;
            let proof = dpop.proof(method, &url, Some(token)).map_err(|error| AuthError::NoLogin(error.to_string()))?;
            let mut proof = HeaderValue::try_from(proof).map_err(|_| unusable())?;
            proof.set_sensitive(true);
            headers.insert(dpop::PROOF, proof);
        }
        headers.insert(AUTHORIZATION, super::authorization(scheme, token).ok_or_else(unusable)?);
        Ok(())
    }

    /// The key that a record's tokens are tied to. Kept between requests, for its nonces.
    pub(super) fn dpop(&self, record: &Record) -> Result<Option<Arc<Dpop>>, super::jwt::JwtError> {
        let Some(key) = &record.dpop_key else { return Ok(None) };
        let mut known = self.dpop.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, dpop)) = known.as_ref().filter(|(known, _)| known == key) {
            return Ok(Some(Arc::clone(dpop)));
        }
        let dpop = Arc::new(Dpop::new(key)?);
        *known = Some((key.clone(), Arc::clone(&dpop)));
        Ok(Some(dpop))
    }

    /// Tells tokens apart, in this process alone; 0 where there is none. One that was issued again is another.
    fn mark(&self, record: &Record) -> u64 {
        let Some(tokens) = &record.tokens else { return 0 };
        let refresh_token = tokens.refresh_token.as_ref().map(Secret::expose);
        self.marks.hash_one((tokens.access_token.expose(), refresh_token, tokens.obtained_at)) | 1
    }

    /// Counts a refusal of a token that has just been issued. `Some` says why more of them are of no use.
    fn refused_again(&self, mark: u64, record: &Record) -> Option<String> {
        let tokens = record.tokens.as_ref()?;
        let is_fresh =
            now().saturating_sub(tokens.obtained_at) < FRESH && self.accepted.load(Ordering::Relaxed) != mark;
        // However many requests went out with one token, it was refused once.
        let is_news = is_fresh && self.last_refused.swap(mark, Ordering::Relaxed) != mark;
        let many = is_news && self.refusals.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_REFUSALS;
        many.then(|| token::refused_again(record.issuer.as_ref().unwrap_or(&Issuer::default()), tokens))
    }

    fn known_dpop(&self) -> Option<Arc<Dpop>> {
        self.dpop.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, dpop)| Arc::clone(dpop))
    }
}

fn spent(error: TokenError) -> Spent {
    let said = error.to_string();
    if error.client_is_unknown() {
        Spent::ClientUnknown { said }
    } else if error.is_dead() || matches!(error, TokenError::NoRefreshToken) {
        Spent::Dead { said }
    } else if error.is_unknown() {
        Spent::Unknown { said }
    } else {
        Spent::Temporary { said, retry_after: error.retry_after() }
    }
}
