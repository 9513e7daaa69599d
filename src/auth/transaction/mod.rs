//! How is a refresh token spent exactly once?
//!
//! It is good for one use with most servers, and a second use may revoke the whole login. So a refresh is a
//! transaction: lock, look again whether somebody was faster, note on disk that the token is about to be spent, spend
//! it, keep what came, and only then use it and let go.

mod outcome;

use parking_lot::MutexGuard;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::Shared;

use super::account::{Account, Snapshot, Transaction};
use super::expiry::{Freshness, now};
use super::record::{Record, RefusedRefresh, Tokens, fingerprint};
use super::scope::covers;
use super::store::StoreError;
use super::token::Issued;
use crate::log::{self, Secret};

pub use outcome::{RefreshError, Spent};

/// When a token whose fate is not known is sent again: servers allow the same one twice for a short while, so that an
/// answer that was lost costs no login.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// So long a `Retry-After` is waited for at once, in all: requests have the patience, and need not fail.
const PATIENCE: Duration = Duration::from_secs(5);

/// After a failure nobody tries for this long, then for twice as long, up to the limit; who comes in the meantime waits
/// for its end, if that is no longer than the patience.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// The longest `Retry-After` that is obeyed.
const LONGEST_ASKED_REST: Duration = Duration::from_secs(300);

/// How often, and for how many seconds at least, a refresh is refused in words that are not known to be final, before
/// they are taken to be.
const MOST_REFUSALS: u32 = 3;
const REFUSED_FOR: u64 = 60;

/// Why a refresh is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The token is near its end, or past it.
    Due,
    /// The server refused it, whatever the clock says.
    Refused,
}

type Flight = Shared<Pin<Box<dyn Future<Output = Result<Snapshot, RefreshError>> + Send>>>;

/// Refreshes of this process: the one under way, and how the last ones went.
#[derive(Default)]
pub(super) struct Flights {
    current: Option<(u64, Flight)>,
    rest: Option<(Instant, String)>,
    failures: u32,
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("failures", &self.failures).finish_non_exhaustive()
    }
}

impl Account {
    /// Renews the access token of a record that was seen, or finds that somebody already has. `spend` sends the
    /// record's refresh token and returns what came; it may be called again with the same token where its fate is not
    /// known.
    ///
    /// Requests that ask at the same time share one refresh. Whoever stops waiting stops nothing.
    pub async fn refresh<F, Fut>(&self, seen: &Snapshot, reason: Reason, spend: F) -> Result<Snapshot, RefreshError>
    where
        F: Fn(Record) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Issued, Spent>> + Send + 'static,
    {
        let spend = Arc::new(spend);
        let first = self.join(seen, reason, &spend).await?;
        if is_other(&first.record, &seen.record, reason) {
            return Ok(first);
        }
        // A flight that began because the token was due may have found it good, where this request knows better.
        self.join(seen, reason, &spend).await
    }

    fn join<F, Fut>(&self, seen: &Snapshot, reason: Reason, spend: &Arc<F>) -> Flight
    where
        F: Fn(Record) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Issued, Spent>> + Send + 'static,
    {
        let newest = self.snapshot();
        let mut flights = self.flights();
        if let Some((generation, flight)) = &flights.current
            && *generation >= seen.record.generation
            && flight.peek().is_none()
        {
            return flight.clone();
        }
        if let Some(newest) = newest.filter(|newest| serves(newest, &seen.record, reason)) {
            return std::future::ready(Ok(newest)).boxed().shared();
        }
        let rest =
            flights.rest.as_ref().and_then(|(until, said)| Some((until.checked_duration_since(Instant::now())?, said)));
        let rest = match rest {
            Some((left, said)) if left > PATIENCE => {
                let resting = RefreshError::Temporary { said: said.clone(), retry_after: left };
                return std::future::ready(Err(resting)).boxed().shared();
            }
            Some((left, _)) => left,
            None => Duration::ZERO,
        };
        let (account, seen_by_it, spend) = (self.clone(), seen.clone(), Arc::clone(spend));
        let flight = async move {
            // Outside of what the end of the process waits for.
            tokio::time::sleep(rest).await;
            let work = account.own(fly(account.clone(), seen_by_it, reason, spend));
            work.await.unwrap_or(Err(StoreError::CutOff.into()))
        };
        let flight = flight.boxed().shared();
        flights.current = Some((seen.record.generation, flight.clone()));
        flight
    }

    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.0.flights.lock()
    }

    fn landed(&self, result: &Result<Snapshot, RefreshError>) {
        let mut flights = self.flights();
        flights.rest = None;
        match result {
            Err(RefreshError::Temporary { said, retry_after }) => {
                flights.failures = (flights.failures + 1).min(10);
                flights.rest = Some((Instant::now() + *retry_after, said.clone()));
            }
            _ => flights.failures = 0,
        }
    }
}

/// Whether the record has another access token than the one that was refused; one that was merely due may be the same.
fn is_other(record: &Record, seen: &Record, reason: Reason) -> bool {
    let token = |record: &Record| record.tokens.as_ref().map(|tokens| tokens.access_token.clone());
    reason == Reason::Due || token(record) != token(seen)
}

/// Whether this is as good as a refresh.
fn serves(newest: &Snapshot, seen: &Record, reason: Reason) -> bool {
    newest.freshness() == Freshness::Good && is_other(&newest.record, seen, reason)
}

async fn fly<F, Fut>(account: Account, seen: Snapshot, reason: Reason, spend: Arc<F>) -> Result<Snapshot, RefreshError>
where
    F: Fn(Record) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Issued, Spent>> + Send + 'static,
{
    let result = transact(&account, &seen, reason, spend.as_ref()).await;
    account.landed(&result);
    result
}

async fn transact<F, Fut>(
    account: &Account,
    seen: &Snapshot,
    reason: Reason,
    spend: &F,
) -> Result<Snapshot, RefreshError>
where
    F: Fn(Record) -> Fut,
    Fut: Future<Output = Result<Issued, Spent>>,
{
    let mut transaction = account.begin().await?;
    let mut token = refresh_token(&transaction.record);
    loop {
        if let Some(newest) = account.snapshot().filter(|newest| serves(newest, &seen.record, reason)) {
            log::debug!("the login was renewed by another process or request");
            return Ok(newest);
        }
        let spending = token?;
        transaction.begin_spending(&spending).await;
        let said = match send(spend, &transaction.record).await {
            Ok(issued) => return transaction.renewed_widely(spend, issued).await,
            Err(Spent::Dead { said }) => said,
            Err(Spent::Refused { said }) if transaction.refused(&spending).await => said,
            Err(Spent::Refused { said }) => return Err(account.later(said, None)),
            Err(Spent::ClientUnknown { said }) => return Err(transaction.client_unknown(&spending, said).await),
            Err(Spent::Temporary { said, retry_after }) => return Err(account.later(said, retry_after)),
            Err(Spent::Unknown { said }) => return Err(account.later(said, None)),
        };
        // A process of another version may not ask for the lock: then there is another token now.
        transaction.record = account.read_again()?.map(|newest| newest.record.as_ref().clone()).unwrap_or_default();
        token = refresh_token(&transaction.record);
        if token.as_ref().is_ok_and(|token| *token == spending) {
            return Err(transaction.dead(&spending, said).await);
        }
    }
}

/// Sends the token, and sends it again while nothing is known of it.
async fn send<F, Fut>(spend: &F, record: &Record) -> Result<Issued, Spent>
where
    F: Fn(Record) -> Fut,
    Fut: Future<Output = Result<Issued, Spent>>,
{
    let mut patience = PATIENCE;
    for pause in AGAIN {
        let asked = match spend(record.clone()).await {
            Err(Spent::Unknown { said }) => {
                log::info!("a refresh was not answered ({said}); the same token is tried again");
                None
            }
            Err(Spent::Temporary { said, retry_after }) if retry_after.is_none_or(|asked| asked <= patience) => {
                log::info!("a refresh failed ({said}); it is tried again");
                retry_after
            }
            decided => return decided,
        };
        let asked = asked.unwrap_or_default();
        patience -= asked;
        tokio::time::sleep(pause.max(asked)).await;
    }
    spend(record.clone()).await
}

/// The refresh token that may be spent.
fn refresh_token(record: &Record) -> Result<Secret, RefreshError> {
    if record.logged_out {
        return Err(RefreshError::LoginNeeded("it was logged out".to_owned()));
    }
    let token = record.tokens.as_ref().and_then(|tokens| tokens.refresh_token.clone());
    let token = token.ok_or_else(|| RefreshError::LoginNeeded("there is no refresh token".to_owned()))?;
    if record.dead_refresh.as_deref() == Some(&fingerprint(&token)) {
        return Err(RefreshError::LoginNeeded("its refresh token is not accepted any more".to_owned()));
    }
    Ok(token)
}

impl Account {
    fn later(&self, said: String, asked: Option<Duration>) -> RefreshError {
        let rest = (REST * (1 << self.flights().failures)).min(LONGEST_REST);
        let asked = asked.unwrap_or_default().min(LONGEST_ASKED_REST);
        RefreshError::Temporary { said, retry_after: rest.max(asked) }
    }
}

impl Transaction {
    /// On disk before anything is sent, so that whoever comes after a crash knows.
    async fn begin_spending(&mut self, token: &Secret) {
        let fingerprint = fingerprint(token);
        if self.record.refresh_started.as_ref().is_some_and(|(earlier, _)| *earlier == fingerprint) {
            log::info!("an earlier refresh was cut off; the same token is tried again");
        }
        let started = Record { refresh_started: Some((fingerprint, now())), ..self.record.clone() };
        if let Err(error) = self.note(started).await {
            log::warn!("{error}; {}", error.hint());
        }
    }

    /// Keeps what came; where it is for less than what was granted, because no scope was named, names it. That is
    /// another refresh: what the first has brought is kept before.
    async fn renewed_widely<F, Fut>(&mut self, spend: &F, issued: Issued) -> Result<Snapshot, RefreshError>
    where
        F: Fn(Record) -> Fut,
        Fut: Future<Output = Result<Issued, Spent>>,
    {
        let before = self.record.tokens.as_ref().filter(|tokens| !tokens.refresh_with_scope);
        let granted = before.and_then(|tokens| tokens.scope.clone());
        let is_narrow = |granted: &String| issued.tokens.scope.as_deref().is_some_and(|now| !covers(now, granted));
        let Some(granted) = granted.filter(is_narrow) else { return self.renewed(issued).await };
        let mut narrow = issued;
        narrow.tokens.refresh_with_scope = true;
        let kept = self.renewed(narrow).await?;
        let (Ok(token), Some(tokens)) = (refresh_token(&self.record), self.record.tokens.clone()) else {
            return Ok(kept);
        };
        self.begin_spending(&token).await;
        let wide = Record { tokens: Some(Tokens { scope: Some(granted), ..tokens }), ..self.record.clone() };
        match send(spend, &wide).await {
            Ok(issued) => self.renewed(issued).await,
            Err(_) => Ok(kept),
        }
    }

    async fn renewed(&mut self, issued: Issued) -> Result<Snapshot, RefreshError> {
        let on_disk = self.account.read_again()?.is_some_and(|newest| newest.record.logged_out);
        if on_disk {
            return Err(RefreshError::LoginNeeded("it was logged out".to_owned()));
        }
        let old = self.record.tokens.take();
        let Issued { tokens, .. } = issued.clone();
        let tokens = Tokens {
            refresh_token: tokens.refresh_token.or_else(|| old.as_ref()?.refresh_token.clone()),
            id_token: tokens.id_token.or_else(|| old.as_ref()?.id_token.clone()),
            scope: tokens.scope.or_else(|| old.as_ref()?.scope.clone()),
            ..tokens
        };
        let mut record = Record { dead_refresh: None, refused_refresh: None, ..self.record.clone() };
        Issued { tokens, ..issued }.write_to(&mut record);
        Ok(self.keep(record).await)
    }

    /// Counts a refusal that may be over soon. True when it has been so too often, and for too long.
    async fn refused(&mut self, token: &Secret) -> bool {
        let fingerprint = fingerprint(token);
        let before = self.record.refused_refresh.clone().filter(|before| before.fingerprint == fingerprint);
        let mut refused = before.unwrap_or(RefusedRefresh { fingerprint, since: now(), times: 0 });
        refused.times += 1;
        let for_good = refused.times >= MOST_REFUSALS && now().saturating_sub(refused.since) >= REFUSED_FOR;
        let record = Record { refused_refresh: Some(refused), ..self.record.clone() };
        if let Err(error) = self.note(record).await {
            log::warn!("{error}; {}", error.hint());
        }
        for_good
    }

    /// The access token stays: it may be good for a while yet.
    async fn dead(&mut self, token: &Secret, said: String) -> RefreshError {
        let dead_refresh = Some(fingerprint(token));
        let record = Record { dead_refresh, refresh_started: None, ..self.record.clone() };
        self.keep(record).await;
        RefreshError::LoginNeeded(said)
    }

    async fn client_unknown(&mut self, token: &Secret, said: String) -> RefreshError {
        let dead_client = self.record.client.as_ref().map(|client| client.client_id.clone());
        self.record.dead_client = dead_client;
        self.dead(token, said.clone()).await;
        RefreshError::ClientUnknown(said)
    }
}

#[cfg(test)]
mod tests;
