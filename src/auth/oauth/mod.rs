//! The login as this process lives with it: which token a request gets, what a refusal of it means, and when somebody
//! has to log in.
//!
//! Tokens are refreshed by whoever needs one, under the account's locks. A login that only a person can make is left to
//! one task, which begins when a client needs it, or has lived for a while: programs start and end us only to look.

mod refusal;

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::sync::OnceCell;
use url::Url;

use super::account::{Account, Snapshot};
use super::challenge::Challenge;
use super::discovery::{self, Discovered, DiscoveryError};
use super::dpop::{self, Dpop};
use super::expiry::Freshness;
use super::fetch::Fetch;
use super::record::{Record, Tokens};
use super::settings::Grant;
use super::store::{Identity, Key, KeyParts, Store};
use super::token::{Issued, TokenEndpoint, TokenError};
use super::transaction::{Reason, RefreshError, Spent};
use super::{AuthError, LoginStatus};
use crate::auth::{AuthMode, Options};
use crate::log::{self, Secret};
use crate::net::{AddressScope, Http, Network};

/// How long the end of the process waits for a refresh that has been sent.
const LAST_REFRESH: Duration = Duration::from_secs(10);

/// The login of one server. Clones are the same.
#[derive(Clone)]
pub struct OAuth(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) server: Url,
    pub(super) options: Arc<Options>,
    pub(super) account: Account,
    pub(super) login_status: LoginStatus,
    pub(super) need: Mutex<Need>,
    http: Http,
    plain_http: bool,
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
    is_unneeded: AtomicBool,
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
    /// How many logins there were when a person asked for another one, which no refresh takes the place of.
    logins: Option<u64>,
    /// The scope that the next token must have been asked for with.
    wanted: Option<String>,
    /// The scopes that were stepped up to, for want of which requests were refused.
    steps: Vec<String>,
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("login_status", &self.0.login_status).finish_non_exhaustive()
    }
}

impl OAuth {
    /// The login that belongs to these options; `None` where there is nowhere to keep one.
    pub fn new(options: &Arc<Options>, http: &Http) -> Option<Self> {
        let home = options.home.as_deref()?;
        let server = Url::parse(&options.server.to_string()).ok()?;
        let identity = match (&options.login.client_id, &options.login.client_metadata_url) {
            (Some(id), _) => Identity::Given(id),
            (None, Some(url)) => Identity::MetadataDocument(url),
            (None, None) => Identity::Dynamic,
        };
        let extra = options.login.marks();
        let parts = KeyParts { url: server.as_str(), identity, profile: options.profile.as_deref(), extra: &extra };
        let account = Account::new(Store::new(home, options.kept_in), Key::new(&parts));
        Some(Self(Arc::new(Inner {
            plain_http: server.scheme() == "http",
            server,
            options: Arc::clone(options),
            account,
            login_status: LoginStatus::default(),
            need: Mutex::default(),
            http: http.clone(),
            fetch: OnceCell::new(),
            dpop: Mutex::default(),
            marks: RandomState::new(),
            accepted: AtomicU64::new(0),
            last_refused: AtomicU64::new(0),
            refusals: AtomicU32::new(0),
            imported: AtomicBool::new(false),
            is_unneeded: AtomicBool::new(false),
            has_logged_in: AtomicBool::new(false),
            alive: Mutex::default(),
        })))
    }

    /// Where the login stands.
    pub fn login_status(&self) -> &LoginStatus {
        &self.0.login_status
    }

    /// What the user wants done while there is none.
    pub fn mode(&self) -> AuthMode {
        self.0.options.mode
    }

    /// What is kept of it.
    pub fn account(&self) -> &Account {
        &self.0.account
    }

    /// Lets work that has begun come to its end.
    pub(super) async fn close(&self) {
        self.0.account.settle(LAST_REFRESH).await;
    }

    /// Whether there is no login and the server has asked for none: then requests need not look for one.
    pub(super) fn is_unneeded(&self) -> bool {
        self.0.is_unneeded.load(Ordering::Relaxed)
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
    pub async fn apply(&self, method: &Method, uri: &Uri, headers: &mut HeaderMap) -> Result<u64, AuthError> {
        let Some(mut held) = self.0.account.snapshot() else {
            self.0.is_unneeded.store(true, Ordering::Relaxed);
            return Ok(0);
        };
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

    async fn renew(&self, held: &Snapshot, reason: Reason) -> Result<Snapshot, RefreshError> {
        let inner = Arc::clone(&self.0);
        let spend = move |record: Record| {
            let inner = Arc::clone(&inner);
            async move { inner.spend(record).await }
        };
        self.0.account.refresh(held, reason, spend).await
    }
}

impl Inner {
    pub(super) fn need(&self) -> MutexGuard<'_, Need> {
        self.need.lock()
    }

    /// Whether tokens are come by in a browser.
    pub(super) fn needs_a_person(&self) -> bool {
        matches!(self.options.login.grant, Grant::AuthorizationCode | Grant::Device)
    }

    /// The client for authorization servers. Where the MCP server is on a public address, it must not lead us into the
    /// network that we are in.
    pub(super) async fn fetch(&self) -> &Fetch {
        self.fetch
            .get_or_init(|| async {
                let address_scope = AddressScope::around(&self.options.server).await;
                // Cookies and sockets are the MCP server's.
                let network =
                    Network { address_scope, cookies: false, unix_socket: None, ..self.options.network.clone() };
                let http = Http::new(&network).unwrap_or_else(|error| {
                    log::warn!("{error}; {}", error.hint());
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
        let login = &self.options.login;
        if let Some(endpoint) = &login.token_endpoint {
            return Ok(discovery::from_token_endpoint(&self.server, endpoint, login));
        }
        let earlier = self.account.snapshot().and_then(|held| Some(held.record.issuer.as_ref()?.issuer.clone()));
        let refusal = discovery::DiscoveryInput {
            server: &self.server,
            challenge: challenge.as_ref(),
            protocol_version: "2025-11-25",
            earlier_issuer: earlier.as_deref(),
        };
        let discovered = discovery::discover(self.fetch().await, refusal, login).await?;
        self.need().discovered = Some(discovered.clone());
        Ok(discovered)
    }

    /// Sends the record's refresh token.
    async fn spend(&self, record: Record) -> Result<Issued, Spent> {
        let incomplete = || Spent::Dead { said: "what is kept of the login is not complete".to_owned() };
        let (Some(issuer), Some(client), Some(tokens)) = (&record.issuer, &record.client, &record.tokens) else {
            return Err(incomplete());
        };
        let dpop = self.dpop(&record).map_err(|_| incomplete())?;
        let fetch = self.fetch().await;
        let endpoint = TokenEndpoint { fetch, issuer, client, login: &self.options.login, dpop: dpop.as_deref() };
        endpoint.refresh(tokens).await.map_err(|error| spent(&error))
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
        let id_token = tokens.id_token.as_ref().filter(|_| self.options.login.use_id_token);
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
    pub(super) fn dpop(&self, record: &Record) -> Result<Option<Arc<Dpop>>, super::crypto::CryptoError> {
        let Some(key) = &record.dpop_key else { return Ok(None) };
        let mut known = self.dpop.lock();
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

    fn known_dpop(&self) -> Option<Arc<Dpop>> {
        self.dpop.lock().as_ref().map(|(_, dpop)| Arc::clone(dpop))
    }
}

fn spent(error: &TokenError) -> Spent {
    let said = error.to_string();
    if error.client_is_unknown() {
        Spent::ClientUnknown { said }
    } else if error.is_invalid_grant() || matches!(error, TokenError::NoRefreshToken) {
        Spent::Dead { said }
    } else if error.has_unknown_outcome() {
        Spent::Unknown { said }
    } else if matches!(error, TokenError::ErrorResponse(_)) && !error.is_temporary() {
        Spent::Refused { said }
    } else {
        Spent::Temporary { said, retry_after: error.retry_after() }
    }
}
