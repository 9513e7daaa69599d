//! How is a refresh token used exactly once?
//!
//! Most servers take a refresh token once, and a second use may revoke the whole login. So a refresh
//! ([`Refresher::run`]) keeps this order: take the lock; read the record again; see whether a refresh is still needed;
//! reserve room for the new tokens; note on disk that the token is about to be sent; send the token; keep the new tokens; only then use them and release
//! the lock.

mod state;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::account::{Account, Snapshot, Transaction};
use super::expiry::{Freshness, now};
use super::record::{Record, RefusedRefresh, Tokens, fingerprint};
use super::scope::covers;
use super::store::StoreError;
use super::token::Issued;
use crate::log::{self, Secret};
use state::{RefreshState, SharedRefresh};

pub(super) use state::{RefreshError, RefreshFailure};

/// When a token is sent again whose fate is not known: servers accept the same token twice for a short while, so that a
/// lost answer does not end the login.
const SEND_AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// How long requests wait for pauses in all, of a `Retry-After` or after a failure, before they fail.
const PATIENCE: Duration = Duration::from_secs(5);

/// A refusal that is not known to be final is taken to be final after this many refusals, over this many seconds at
/// least.
const MOST_REFUSALS: u32 = 3;
const REFUSED_FOR: u64 = 60;

/// Sends the refresh token of a record.
type SendToken = dyn Fn(Record) -> BoxFuture<'static, Result<Issued, RefreshFailure>> + Send + Sync;

/// Why a refresh is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The access token expires soon, or has expired.
    Due,
    /// The MCP server refused the access token, whatever the clock says.
    Refused,
}

/// Refreshes one login. Clones refresh the same login.
#[derive(Clone)]
pub(super) struct Refresher {
    account: Account,
    /// Requests read it to share a refresh; whoever begins or ends a refresh changes it.
    state: Arc<Mutex<RefreshState>>,
}

impl Refresher {
    pub(super) fn new(account: Account) -> Self {
        Self { account, state: Arc::default() }
    }

    /// Renews the access token of a record, or finds that another request or process has renewed it. `send` sends the
    /// record's refresh token and returns the new tokens; it may be called again with the same token where the token's
    /// fate is not known.
    ///
    /// Requests that call this at the same time share one refresh. A caller that is cancelled stops nothing.
    pub(super) async fn refresh<Fut>(
        &self,
        seen: &Snapshot,
        reason: Reason,
        send: impl Fn(Record) -> Fut + Send + Sync + 'static,
    ) -> Result<Snapshot, RefreshError>
    where
        Fut: Future<Output = Result<Issued, RefreshFailure>> + Send + 'static,
    {
        let send: Arc<SendToken> = Arc::new(move |record| send(record).boxed());
        match self.shared(seen, reason, &send).await.await {
            // A refresh that began because the token was due may have found it good; this request knows that it is not.
            Ok(shared) if !has_other_token(&shared.record, &seen.record, reason) => {}
            Err(RefreshError::Unexplained { .. }) if reason == Reason::Refused => {}
            decided => return decided,
        }
        self.shared(seen, reason, &send).await.await
    }

    /// The running refresh, or one that begins now.
    async fn shared(&self, seen: &Snapshot, reason: Reason, send: &Arc<SendToken>) -> SharedRefresh {
        let newest = self.account.snapshot().await;
        let mut state = self.state.lock();
        if let Some(running) = state.running(seen.record.generation) {
            return running;
        }
        if let Some(newest) = newest.filter(|newest| is_as_good_as_refreshed(newest, seen, reason)) {
            return std::future::ready(Ok(newest)).boxed().shared();
        }
        let pause = match state.pause_left(reason) {
            Some((left, error)) if left > PATIENCE => return std::future::ready(Err(error)).boxed().shared(),
            pause => pause.map_or(Duration::ZERO, |(left, _)| left),
        };
        let (refresher, begun_from, send) = (self.clone(), seen.clone(), Arc::clone(send));
        let refresh = async move {
            // The end of the process does not wait for this pause.
            tokio::time::sleep(pause).await;
            let account = refresher.account.clone();
            let work = account.run_to_end(async move {
                let result = refresher.run(&begun_from, reason, send.as_ref()).await;
                refresher.state.lock().end(&result);
                result
            });
            work.await.unwrap_or(Err(StoreError::CutOff.into()))
        };
        let refresh = refresh.boxed().shared();
        state.current = Some((seen.record.generation, refresh.clone()));
        refresh
    }

    /// One refresh, from the lock to the new tokens.
    async fn run(&self, seen: &Snapshot, reason: Reason, send: &SendToken) -> Result<Snapshot, RefreshError> {
        let mut transaction = self.account.begin().await?;
        loop {
            let newest = self.account.snapshot().await;
            if let Some(newest) = newest.filter(|newest| is_as_good_as_refreshed(newest, seen, reason)) {
                log::debug!("the login was renewed by another process or request");
                return Ok(newest);
            }
            let token = usable_refresh_token(&transaction.record)?;
            transaction.reserve().await?;
            note_start(&mut transaction, &token).await;
            let failure = match send_repeatedly(send, &transaction.record).await {
                Ok(issued) => return keep_full_scope(&mut transaction, send, issued).await,
                Err(failure) => failure,
            };
            let why = match failure {
                RefreshFailure::Dead(reason) => reason,
                RefreshFailure::Refused(why) if note_refusal(&mut transaction, &token).await => why,
                RefreshFailure::Unexplained(why) if reason == Reason::Refused => why,
                RefreshFailure::Unexplained(why) => return Err(self.state.lock().unexplained(why)),
                RefreshFailure::Refused(reason) | RefreshFailure::Unknown(reason) => {
                    return Err(self.state.lock().temporary(reason, None));
                }
                RefreshFailure::Temporary(reason, retry_after) => {
                    return Err(self.state.lock().temporary(reason, retry_after));
                }
                RefreshFailure::ClientUnknown(reason) => {
                    let client = transaction.record.client.as_ref();
                    transaction.record.dead_client = client.map(|client| client.client_id.clone());
                    keep_dead_token(&mut transaction, &token).await;
                    return Err(RefreshError::ClientUnknown(reason));
                }
            };
            // A process of another version may refresh without the lock: then the record has another token now.
            transaction.read_again().await?;
            if usable_refresh_token(&transaction.record).is_ok_and(|newest| newest == token) {
                keep_dead_token(&mut transaction, &token).await;
                return Err(RefreshError::LoginNeeded(why));
            }
        }
    }
}

/// Whether the record has another access token than the one that was refused. A token that was merely due need not be
/// another one.
fn has_other_token(record: &Record, seen: &Record, reason: Reason) -> bool {
    let token = |record: &Record| record.tokens.as_ref().map(|tokens| tokens.access_token.clone());
    reason == Reason::Due || token(record) != token(seen)
}

fn is_as_good_as_refreshed(newest: &Snapshot, seen: &Snapshot, reason: Reason) -> bool {
    newest.freshness() == Freshness::Good && has_other_token(&newest.record, &seen.record, reason)
}

/// Sends the refresh token, and sends it again while its fate is not known or the server is in trouble.
async fn send_repeatedly(send: &SendToken, record: &Record) -> Result<Issued, RefreshFailure> {
    let mut patience = PATIENCE;
    for pause in SEND_AGAIN {
        let asked = match send(record.clone()).await {
            Err(RefreshFailure::Unknown(reason)) => {
                log::info!("a refresh was not answered ({reason}); the same token is tried again");
                None
            }
            Err(RefreshFailure::Temporary(reason, retry_after)) if retry_after.unwrap_or_default() <= patience => {
                log::info!("a refresh failed ({reason}); it is tried again");
                retry_after
            }
            decided => return decided,
        };
        let asked = asked.unwrap_or_default();
        patience -= asked;
        tokio::time::sleep(pause.max(asked)).await;
    }
    send(record.clone()).await
}

/// Keeps the new tokens. If they have less scope than the old ones, because the refresh named no scope, then refreshes
/// once more with the scope named. The tokens of the first refresh are kept before the second one is sent.
async fn keep_full_scope(
    transaction: &mut Transaction,
    send: &SendToken,
    issued: Issued,
) -> Result<Snapshot, RefreshError> {
    let before = transaction.record.tokens.as_ref().filter(|tokens| !tokens.refresh_with_scope);
    let granted = before.and_then(|tokens| tokens.scope.clone());
    let is_narrower = |granted: &String| issued.tokens.scope.as_deref().is_some_and(|now| !covers(now, granted));
    let Some(granted) = granted.filter(is_narrower) else { return keep(transaction, issued).await };
    let mut narrower = issued;
    narrower.tokens.refresh_with_scope = true;
    let kept = keep(transaction, narrower).await?;
    let (Ok(token), Some(tokens)) = (usable_refresh_token(&transaction.record), transaction.record.tokens.clone())
    else {
        return Ok(kept);
    };
    if transaction.reserve().await.is_err() {
        return Ok(kept);
    }
    note_start(transaction, &token).await;
    let full = Record { tokens: Some(Tokens { scope: Some(granted), ..tokens }), ..transaction.record.clone() };
    match send_repeatedly(send, &full).await {
        Ok(issued) => keep(transaction, issued).await,
        Err(_) => Ok(kept),
    }
}

/// The refresh token that may be sent.
fn usable_refresh_token(record: &Record) -> Result<Secret, RefreshError> {
    if record.logged_out {
        return Err(logged_out());
    }
    let token = record.tokens.as_ref().and_then(|tokens| tokens.refresh_token.clone());
    let token = token.ok_or_else(|| RefreshError::LoginNeeded("there is no refresh token".to_owned()))?;
    if record.dead_refresh.as_deref() == Some(&fingerprint(&token)) {
        return Err(RefreshError::LoginNeeded("its refresh token is not accepted any more".to_owned()));
    }
    Ok(token)
}

fn logged_out() -> RefreshError {
    RefreshError::LoginNeeded("it was logged out".to_owned())
}

/// Notes that this token is about to be sent: the next process knows it if this one is killed.
async fn note_start(transaction: &mut Transaction, token: &Secret) {
    let fingerprint = fingerprint(token);
    if transaction.record.refresh_started.as_ref().is_some_and(|(earlier, _)| *earlier == fingerprint) {
        log::info!("an earlier refresh was cut off; the same token is tried again");
    }
    note(transaction, Record { refresh_started: Some((fingerprint, now())), ..transaction.record.clone() }).await;
}

/// Counts a refusal that may be temporary. True once the token has been refused too often, and for too long.
async fn note_refusal(transaction: &mut Transaction, token: &Secret) -> bool {
    let fingerprint = fingerprint(token);
    let before = transaction.record.refused_refresh.clone().filter(|before| before.fingerprint == fingerprint);
    let mut refused = before.unwrap_or(RefusedRefresh { fingerprint, since: now(), times: 0 });
    refused.times += 1;
    let is_final = refused.times >= MOST_REFUSALS && now().saturating_sub(refused.since) >= REFUSED_FOR;
    note(transaction, Record { refused_refresh: Some(refused), ..transaction.record.clone() }).await;
    is_final
}

async fn note(transaction: &mut Transaction, record: Record) {
    if let Err(error) = transaction.note(record).await {
        log::warn!("{error}; {}", error.hint());
    }
}

/// Keeps that this refresh token is dead. The access token stays: it may be good for a while yet.
async fn keep_dead_token(transaction: &mut Transaction, token: &Secret) {
    let dead_refresh = Some(fingerprint(token));
    let record = Record { dead_refresh, refresh_started: None, ..transaction.record.clone() };
    transaction.keep(record).await;
}

/// Keeps new tokens, with what they do not repeat of the old ones.
async fn keep(transaction: &mut Transaction, issued: Issued) -> Result<Snapshot, RefreshError> {
    let before = transaction.record.clone();
    // If the file cannot be read just now, the tokens are kept all the same: the old ones are spent.
    if transaction.read_again().await.is_ok() && transaction.record.logged_out {
        return Err(logged_out());
    }
    let mut record = Record { dead_refresh: None, refused_refresh: None, ..before };
    let old = record.tokens.take();
    issued.write_to(&mut record);
    if let (Some(tokens), Some(old)) = (&mut record.tokens, old) {
        tokens.refresh_token = tokens.refresh_token.take().or(old.refresh_token);
        tokens.id_token = tokens.id_token.take().or(old.id_token);
        tokens.scope = tokens.scope.take().or(old.scope);
    }
    Ok(transaction.keep(record).await)
}
