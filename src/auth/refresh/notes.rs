//! What does a refresh write down? What it is about to do, what it got, and which tokens are of no use any more.

use super::error::RefreshError;
use crate::auth::account::{Snapshot, Transaction};
use crate::auth::expiry::now;
use crate::auth::record::{Record, RefusedRefresh, Tokens, fingerprint};
use crate::auth::token::Issued;
use crate::log::{self, Secret};

/// A refusal that is not known to be final is taken to be final after this many refusals, over this many seconds at
/// least.
const MOST_REFUSALS: u32 = 3;
const REFUSED_FOR: u64 = 60;

/// The refresh token that may be sent.
pub(super) fn usable_refresh_token(record: &Record) -> Result<Secret, RefreshError> {
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
pub(super) async fn note_start(transaction: &mut Transaction, token: &Secret) {
    let fingerprint = fingerprint(token);
    if transaction.record.refresh_started.as_ref().is_some_and(|(earlier, _)| *earlier == fingerprint) {
        log::info!("an earlier refresh was cut off; the same token is tried again");
    }
    note(transaction, Record { refresh_started: Some((fingerprint, now())), ..transaction.record.clone() }).await;
}

/// Keeps new tokens, with what they do not repeat of the old ones.
pub(super) async fn keep(transaction: &mut Transaction, issued: Issued) -> Result<Snapshot, RefreshError> {
    let before = transaction.record.clone();
    transaction.read_again().await?;
    if transaction.record.logged_out {
        return Err(logged_out());
    }
    let old = before.tokens.as_ref();
    let Issued { tokens, .. } = issued.clone();
    let tokens = Tokens {
        refresh_token: tokens.refresh_token.or_else(|| old?.refresh_token.clone()),
        id_token: tokens.id_token.or_else(|| old?.id_token.clone()),
        scope: tokens.scope.or_else(|| old?.scope.clone()),
        ..tokens
    };
    let mut record = Record { dead_refresh: None, refused_refresh: None, ..before };
    Issued { tokens, ..issued }.write_to(&mut record);
    Ok(transaction.keep(record).await)
}

/// Counts a refusal that may be temporary. True once the token has been refused too often, and for too long.
pub(super) async fn note_refusal(transaction: &mut Transaction, token: &Secret) -> bool {
    let fingerprint = fingerprint(token);
    let before = transaction.record.refused_refresh.clone().filter(|before| before.fingerprint == fingerprint);
    let mut refused = before.unwrap_or(RefusedRefresh { fingerprint, since: now(), times: 0 });
    refused.times += 1;
    let is_final = refused.times >= MOST_REFUSALS && now().saturating_sub(refused.since) >= REFUSED_FOR;
    note(transaction, Record { refused_refresh: Some(refused), ..transaction.record.clone() }).await;
    is_final
}

/// Keeps that this refresh token is dead. The access token stays: it may be good for a while yet.
pub(super) async fn keep_dead_token(transaction: &mut Transaction, token: &Secret) {
    let dead_refresh = Some(fingerprint(token));
    let record = Record { dead_refresh, refresh_started: None, ..transaction.record.clone() };
    transaction.keep(record).await;
}

/// Keeps that the authorization server does not know our registration, and that the login is over with it.
pub(super) async fn keep_unknown_client(transaction: &mut Transaction, token: &Secret) {
    transaction.record.dead_client = transaction.record.client.as_ref().map(|client| client.client_id.clone());
    keep_dead_token(transaction, token).await;
}

async fn note(transaction: &mut Transaction, record: Record) {
    if let Err(error) = transaction.note(record).await {
        log::warn!("{error}; {}", error.hint());
    }
}
