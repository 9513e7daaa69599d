//! How does a login begin? With an authorization server that was found, a registration that was made once, a listener
//! to come back to, and the way there shown to whoever can go it.

use std::sync::Arc;

use super::{LoginError, LoginOptions, Round};
use crate::auth::authorization::{self, AuthorizationRequest, PendingAuthorization};
use crate::auth::browser::{self, BrowserUrl, Desktop};
use crate::auth::callback::{self, Callback, ExpectedRedirect, Listener};
use crate::auth::crypto::random_text;
use crate::auth::discovery::Discovered;
use crate::auth::dpop::Dpop;
use crate::auth::expiry::now;
use crate::auth::oauth::Inner;
use crate::auth::ownership::{self, Ownership};
use crate::auth::registration::{self, RegistrationRequest};
use crate::auth::{Client, LoginPrompt, Origin, Record};
use crate::log::{self, Secret};

/// Finishes what a process began that is no more: the same tab, the same port.
pub(super) async fn take_over(
    inner: &Inner,
    ownership: &Ownership,
    left: ownership::Pending,
    options: &LoginOptions,
) -> Result<Option<(Callback, PendingAuthorization)>, LoginError> {
    let Ok(pending) = PendingAuthorization::from_payload(&left.payload) else { return Ok(None) };
    let mut settings = inner.options.callback.clone();
    settings.port = Some(left.port);
    let Ok(listener) = Listener::bind(&settings, &[]) else { return Ok(None) };
    let expected = ExpectedRedirect { state: left.state.clone(), start: left.start.clone(), url: left.url.clone() };
    let callback = Callback::start(listener, expected).map_err(|error| LoginError::Other(error.to_string()))?;
    log::info!("a login that another process began is taken over");
    show(inner, ownership, &left.url, &callback, options).await;
    Ok(Some((callback, pending)))
}

/// Finds out where, becomes somebody there, and shows the way.
pub(super) async fn begin(
    inner: &Arc<Inner>,
    ownership: &Ownership,
    round: &Round,
    options: &LoginOptions,
) -> Result<(Callback, PendingAuthorization), LoginError> {
    let login = &inner.options.login;
    let discovered = discover(inner, round).await?;
    let listener = Listener::bind(&inner.options.callback, &inner.account.key().ports())?;
    let redirect_uri = listener.redirect_uri();
    let record = known(inner);
    let previous = record.requested_of(&discovered.issuer);
    let scope = discovered.scopes.select(login, &discovered.issuer, previous, round.attempt);
    let mut client = client(inner, &discovered, &record, round, &redirect_uri).await?;
    let dpop_key = if discovered.dpop { Some(dpop_key(&record)?) } else { None };
    let (mut url, mut pending) =
        ask(inner, &discovered, &client, &redirect_uri, scope.as_deref(), round, dpop_key.as_ref())?;
    if client.origin == Origin::Dynamic && !inner.is_alive(&client.client_id) && forgotten(inner, &url).await {
        log::info!("the authorization server has forgotten our registration; registering again");
        client = register(inner, &discovered, &record, round, &redirect_uri).await?;
        (url, pending) = ask(inner, &discovered, &client, &redirect_uri, scope.as_deref(), round, dpop_key.as_ref())?;
    }
    inner.call_alive(&client.client_id);
    let start = random_text().map_err(|error| LoginError::Other(error.to_string()))?;
    let expected =
        ExpectedRedirect { state: pending.state.expose().to_owned(), start: start[..12].to_owned(), url: url.clone() };
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
        redirect: None,
    })?;
    let callback = Callback::start(listener, expected).map_err(|error| LoginError::Other(error.to_string()))?;
    show(inner, ownership, &url, &callback, options).await;
    Ok((callback, pending))
}

/// Whom to ask, and for which resource in this round.
async fn discover(inner: &Arc<Inner>, round: &Round) -> Result<Discovered, LoginError> {
    let mut discovered = inner.discover().await?;
    if round.other_resource {
        discovered.issuer.resource = discovered.issuer.other_resource.clone();
    }
    if round.no_resource {
        discovered.issuer.resource = None;
    }
    Ok(discovered)
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
    dpop_key: Option<&Secret>,
) -> Result<(String, PendingAuthorization), LoginError> {
    Ok(authorization::start(AuthorizationRequest {
        issuer: &discovered.issuer,
        client,
        login: &inner.options.login,
        redirect_uri,
        scope,
        attempt: round.attempt,
        dpop_key,
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
    let kept = record.registered_with(&discovered.issuer).filter(|client| {
        inner.options.login.client_id.is_none()
            && !round.register_anew
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
    let login = &inner.options.login;
    let previous = record.requested_of(&discovered.issuer);
    let mut redirect_uris = vec![redirect_uri.to_owned()];
    if inner.options.callback.port.is_none() {
        let others = inner.account.key().ports().map(|port| inner.options.callback.redirect_uri(port));
        redirect_uris.extend(others.into_iter().filter(|uri| uri != redirect_uri));
    }
    let scope = discovered.scopes.to_register(login, &discovered.issuer, previous);
    let wanted = RegistrationRequest {
        redirect_uris: &redirect_uris,
        scope: scope.as_deref(),
        skip_metadata_document: round.not_by_document,
    };
    let client = registration::register(inner.fetch().await, &discovered.issuer, login, wanted).await?;
    inner.call_alive(&client.client_id);
    if client.origin == Origin::Dynamic {
        let (kept, issuer) = (client.clone(), discovered.issuer.clone());
        let server = inner.address();
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
async fn show(inner: &Inner, ownership: &Ownership, url: &str, callback: &Callback, options: &LoginOptions) {
    inner.login_status.offer(LoginPrompt { url: url.to_owned(), code: None });
    let may_open = options.opens
        && if options.asked_for {
            ownership.count_tab();
            true
        } else {
            options.is_present || ownership.claim_tab().is_ok()
        };
    if !options.quiet {
        let short = options.asked_for.then(|| callback.start_url());
        tell(inner, url, short, may_open, options).await;
    }
}

/// Shows the way of a login that another process has begun to a person who asks for one: its tab may be closed long
/// since.
pub(super) async fn show_again(inner: &Inner, pending: &ownership::Pending, options: &LoginOptions) {
    let short = callback::start_url(pending.port, &pending.start);
    tell(inner, &pending.url, Some(short), options.opens, options).await;
}

async fn tell(inner: &Inner, url: &str, short: Option<String>, may_open: bool, options: &LoginOptions) {
    let host = inner.shown_server();
    if may_open && open(url).await {
        log::notice(&format!("a browser was opened to sign in to {host}; if it shows nothing, open {url}"));
    } else {
        log::notice(&format!("to sign in to {host}, open {url}"));
        if let Some(short) = short {
            log::notice(&format!("on this machine {short} leads there too"));
        }
    }
    if options.pasted.is_some() {
        log::notice("where the browser does not come back by itself, paste here the address that it ends at");
    }
}

/// Whether a browser was opened.
pub(in crate::auth) async fn open(url: &str) -> bool {
    let Ok(url) = BrowserUrl::parse(url) else { return false };
    match browser::open(&url, &Desktop::detect()).await {
        Ok(()) => true,
        Err(why) => {
            log::info!("no browser was opened: {why}");
            false
        }
    }
}

impl Inner {
    fn is_alive(&self, client_id: &str) -> bool {
        self.alive.lock().contains(client_id)
    }

    /// What was known to be registered may be so no longer.
    pub(in crate::auth) fn call_none_alive(&self) {
        self.alive.lock().clear();
    }

    fn call_alive(&self, client_id: &str) {
        self.alive.lock().insert(client_id.to_owned());
    }
}
