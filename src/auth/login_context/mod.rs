//! What do logins to one MCP server share? Who the server is, what the user wants, the login as it is kept, and what
//! this process has learnt.

mod refusals;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::OnceCell;
use url::Url;

use super::account::{Account, Snapshot};
use super::binding::{admit, bound_issuer};
use super::challenge::Challenge;
use super::crypto::CryptoError;
use super::discovery::{self, Discovered, DiscoveryError, Known};
use super::dpop::Dpop;
use super::fetch::Fetch;
use super::login_lock::LoginLock;
use super::login_status::LoginStatus;
use super::record::{Client, Issuer, Record};
use super::registration::{self, RegistrationError, RegistrationRequest};
use super::scope;
use super::settings::{Grant, Options};
use super::store::{Key, Store, StoreError};
use super::token::Issued;
use crate::log::{self, Secret};
use crate::net::{AddressScope, Http, Network};
use refusals::{Requirement, TokenFingerprints};

/// Why the user's own credentials are not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum BindingError {
    #[error(transparent)]
    OtherIssuer(#[from] DiscoveryError),
    /// It cannot be kept which issuer they belong to.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the logins to one MCP server share. Requests, the task that waits for a login, and refreshes hold it.
pub(crate) struct LoginContext {
    pub(super) server: Url,
    pub(super) options: Arc<Options>,
    pub(crate) account: Account,
    pub(super) login_lock: LoginLock,
    /// Whoever logs in writes it; whoever waits for a login reads it.
    pub(crate) login_status: LoginStatus,
    /// A refused request writes it; a login reads it to see what it must bring, and writes who issues tokens.
    pub(super) requirement: Mutex<Requirement>,
    pub(super) fingerprints: TokenFingerprints,
    /// Client ids that the authorization server knows, seen in this run. Logins add to it; a login that the
    /// authorization server has ended clears it.
    pub(super) known_clients: Mutex<HashSet<String>>,
    /// A server without metadata was asked for the default endpoints of 2025-03-26 at this time, and has none. A 401
    /// reads and writes it.
    pub(super) no_default_endpoints: Mutex<Option<Instant>>,
    /// The `DPoP` key used last, with the nonces that it learnt. Requests and refreshes read it; a new login replaces
    /// it.
    dpop: Mutex<Option<(Secret, Arc<Dpop>)>>,
    /// The client of the MCP server, for want of another.
    http: Http,
    /// The clients for authorization servers, one for each scope of addresses. The first login makes it.
    fetch: [OnceCell<Fetch>; 3],
}

impl LoginContext {
    /// For these options; `None` if there is no home directory to keep a login in.
    pub(super) fn new(options: &Arc<Options>, http: &Http) -> Option<Self> {
        let home = options.home.as_deref()?;
        let server = Url::parse(&options.server.to_string()).ok()?;
        let identity = match (&options.login.client_id, &options.login.client_metadata_url) {
            (Some(id), _) => ("given", id.as_str()),
            (None, Some(url)) => ("document", url.as_str()),
            (None, None) => ("dynamic", ""),
        };
        let extra = options.login.key_parts();
        let key = Key::new(server.as_str(), identity, options.profile.as_deref(), &extra);
        let account = Account::new(Store::new(home, options.kept_in).asking(options.unlocks_keychain), key);
        Some(Self {
            server,
            options: Arc::clone(options),
            login_lock: LoginLock::new(account.clone()),
            account,
            login_status: LoginStatus::default(),
            requirement: Mutex::default(),
            fingerprints: TokenFingerprints::default(),
            known_clients: Mutex::default(),
            no_default_endpoints: Mutex::default(),
            dpop: Mutex::default(),
            http: http.clone(),
            fetch: Default::default(),
        })
    }

    /// Whether a login needs a person and a browser.
    pub(super) fn needs_a_person(&self) -> bool {
        matches!(self.options.login.grant, Grant::AuthorizationCode | Grant::Device)
    }

    /// Sets what the next login must have: another token than the one that is held, and for a step-up this scope.
    /// Returns the generation that is not enough.
    pub(super) async fn require(&self, challenge: Option<Challenge>, scope: Option<String>) -> u64 {
        let held = self.account.snapshot().await;
        let seen = held.as_ref().map_or(0, |held| held.record.generation);
        let refused = held.as_ref().map_or(0, |held| self.fingerprints.of(&held.record));
        self.requirement.lock().set(challenge, scope, seen, refused);
        seen
    }

    /// The login that is held, if it has what the requirement asks for.
    pub(super) async fn sufficient_login(&self) -> Option<Snapshot> {
        let held = self.account.snapshot().await?;
        self.requirement.lock().is_met_by(&held, self.fingerprints.of(&held.record)).then_some(held)
    }

    /// The client for authorization servers. If the MCP server was reached at a public address, it must not lead us into
    /// the network that this machine is in.
    pub(super) async fn fetch(&self) -> &Fetch {
        let address_scope = self.http.scope_around(&self.options.server).await;
        let of_scope = match address_scope {
            AddressScope::Any => 0,
            AddressScope::Network => 1,
            AddressScope::Public => 2,
        };
        self.fetch[of_scope]
            .get_or_init(|| async {
                // Cookies and the Unix socket are for the MCP server.
                let network =
                    Network { address_scope, cookies: false, unix_socket: None, ..self.options.network.clone() };
                let http = Http::new(&network).unwrap_or_else(|error| {
                    log::warn!("{error}; {}", error.hint());
                    self.http.clone()
                });
                Fetch::new(http, self.server.scheme() == "http", address_scope)
            })
            .await
    }

    /// The authorization server of the MCP server. It is looked for once for each challenge.
    pub(super) async fn discover(&self) -> Result<Discovered, DiscoveryError> {
        let (challenge, known) = {
            let requirement = self.requirement.lock();
            (requirement.challenge.clone(), requirement.discovered.clone())
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let discovered = self.look_for_issuer(challenge.as_ref()).await?;
        self.requirement.lock().discovered = Some(discovered.clone());
        Ok(discovered)
    }

    /// The authorization server that the MCP server names now, with this challenge or without one.
    pub(super) async fn look_for_issuer(&self, challenge: Option<&Challenge>) -> Result<Discovered, DiscoveryError> {
        let login = &self.options.login;
        if let Some(endpoint) = &login.token_endpoint {
            return Ok(discovery::from_token_endpoint(&self.server, endpoint, login));
        }
        let held = self.account.snapshot().await;
        let record = held.map(|held| held.record).unwrap_or_default();
        let earlier = record.issuer.as_ref().map(|issuer| issuer.issuer.as_str());
        let known = Known { earlier, bound: bound_issuer(&record, login) };
        discovery::discover(self.fetch().await, &self.server, challenge, known, login).await
    }

    /// Must be called before the user's own credentials are sent to this issuer: an error if they belong to another one.
    /// After the first call they belong to this one.
    pub(super) async fn bind_credentials(self: &Arc<Self>, issuer: &Issuer) -> Result<(), BindingError> {
        if !admit(&self.account.record().await, &self.options.login, issuer)? {
            return Ok(());
        }
        let (context, issuer, server) = (Arc::clone(self), issuer.clone(), self.address());
        let bound = self.account.transact(async move |mut transaction| {
            // Another process may have sent them elsewhere meanwhile.
            if admit(&transaction.record, &context.options.login, &issuer)? {
                let bound_issuer = Some(issuer.issuer);
                transaction.note(Record { server, bound_issuer, ..transaction.record.clone() }).await?;
            }
            Ok(())
        });
        bound.await?
    }

    /// Our client at this issuer: the user's, that of a document, or one that is registered now. However a server answers,
    /// it is asked for few registrations.
    pub(super) async fn register(
        &self,
        issuer: &Issuer,
        wanted: RegistrationRequest<'_>,
    ) -> Result<Client, RegistrationError> {
        let login = &self.options.login;
        let is_dynamic = registration::is_dynamic(issuer, login, wanted);
        if is_dynamic && !self.login_lock.may_register().await {
            return Err(RegistrationError::TooMany { host: self.shown_server() });
        }
        let registered = registration::register(self.fetch().await, issuer, login, wanted).await;
        // A server that is in trouble has registered nothing.
        if is_dynamic && !matches!(registered, Err(RegistrationError::Temporary { .. })) {
            self.login_lock.count_registration().await;
        }
        registered
    }

    /// The `DPoP` key that a record's tokens are bound to.
    pub(super) fn dpop(&self, record: &Record) -> Result<Option<Arc<Dpop>>, CryptoError> {
        let Some(key) = &record.dpop_key else { return Ok(None) };
        let mut known = self.dpop.lock();
        if let Some((_, dpop)) = known.as_ref().filter(|(known, _)| known == key) {
            return Ok(Some(Arc::clone(dpop)));
        }
        let dpop = Arc::new(Dpop::new(key)?);
        *known = Some((key.clone(), Arc::clone(&dpop)));
        Ok(Some(dpop))
    }

    pub(super) fn last_dpop(&self) -> Option<Arc<Dpop>> {
        self.dpop.lock().as_ref().map(|(_, dpop)| Arc::clone(dpop))
    }

    /// Scheme and host of the MCP server.
    pub(super) fn shown_server(&self) -> String {
        self.server.origin().ascii_serialization()
    }

    /// The address of the MCP server for people, without its secret parts.
    pub(crate) fn address(&self) -> String {
        let mut address = self.server.clone();
        address.set_username("").ok();
        address.set_password(None).ok();
        log::redact(address.as_str())
    }

    /// The record of a login that has just been made.
    pub(super) fn login_record(
        &self,
        record: Record,
        issuer: &Issuer,
        client: &Client,
        scope: Option<&str>,
        tokens: Issued,
    ) -> Record {
        let asked = record.requested_of(issuer).unwrap_or_default();
        let requested_scope = Some(scope::union(asked, scope.unwrap_or_default())).filter(|all| !all.is_empty());
        let mut record = Record {
            logins: record.logins + 1,
            server: self.address(),
            issuer: Some(issuer.clone()),
            client: Some(client.clone()),
            next_client: None,
            requested_scope,
            dead_refresh: None,
            dead_client: None,
            logged_out: false,
            ..record
        };
        tokens.write_to(&mut record);
        record
    }
}
