//! How is a login ended? A login under way is cancelled; the authorization server revokes the tokens (RFC 7009); the
//! record says that it was ended, so that a refresh in another process does not bring the tokens back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::import;
use super::login_context::LoginContext;
use super::login_lock::LoginLock;
use super::record::Record;
use super::settings::Login;
use super::store::StoreError;
use super::token::TokenEndpoint;
use crate::log;

/// How long the process that logs in may take to notice that its login was cancelled.
const NOTICED: Duration = Duration::from_secs(3);

/// What a logout has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LoggedOut {
    /// There was no login.
    Nothing,
    /// A login that was under way.
    Pending,
    /// A login to this server; the authorization server has revoked its tokens, or it has not.
    Login { server: String, revoked: bool },
    /// There was no login, but the user's credentials belonged to this issuer.
    Credentials { issuer: String },
    /// A login that could not be read, so that its tokens could not be revoked. Its file is removed.
    Unreadable(PathBuf),
}

/// Ends a login, and one that is under way. If the authorization server does not revoke the tokens, or cannot be
/// reached, the login is ended all the same; and if the record cannot be written, it is removed. `removes_newer`: so is
/// the record of a newer version of this program.
pub(crate) async fn log_out(
    context: &Arc<LoginContext>,
    account: &Account,
    removes_newer: bool,
) -> Result<LoggedOut, StoreError> {
    let login_lock = LoginLock::new(account.clone());
    let was_pending = login_lock.pending().await.is_some();
    let _no_login_begins = login_lock.cancel_pending(NOTICED).await?;
    login_lock.forget_tabs().await;
    let path = account.store().path(account.key());
    match account.read_again().await {
        Ok(Some(held)) if held.has_tokens() => end(context, account).await,
        Ok(Some(_)) if was_pending => end(context, account).await.map(|_| LoggedOut::Pending),
        Ok(Some(held)) if held.record.bound_issuer.is_some() => {
            let issuer = held.record.bound_issuer.clone().unwrap_or_default();
            end(context, account).await.map(|_| LoggedOut::Credentials { issuer })
        }
        Ok(None) if path.symlink_metadata().is_ok() => remove(account).await.map(|()| LoggedOut::Unreadable(path)),
        Ok(_) if was_pending => Ok(LoggedOut::Pending),
        Ok(_) => Ok(LoggedOut::Nothing),
        Err(error @ StoreError::Newer(_)) if !removes_newer => Err(error),
        Err(error) => {
            log::info!("{error}");
            remove(account).await.map(|()| LoggedOut::Unreadable(path))
        }
    }
}

/// Removes a record that cannot be read. Where mcp-remote has logins, an empty record stays: without one the next start
/// would take over mcp-remote's login.
async fn remove(account: &Account) -> Result<(), StoreError> {
    account.remove().await?;
    if import::cache_dir().is_some_and(|cache| cache.exists()) {
        let ended = account.transact(async |mut transaction| {
            let record = Record { logged_out: true, ..transaction.record.clone() };
            transaction.save(record).await
        });
        if let Ok(Err(error)) | Err(error) = ended.await {
            log::info!("{error}");
        }
    }
    Ok(())
}

/// Ends the login of a record that can be read.
async fn end(context: &Arc<LoginContext>, account: &Account) -> Result<LoggedOut, StoreError> {
    let context = Arc::clone(context);
    let is_its_own = account.key() == context.account.key();
    let ended = account.transact(async move |mut transaction| {
        let record = transaction.record.clone();
        let (server, revoked) = (record.server.clone(), revoke(&context, &record, is_its_own).await);
        let ended = Record {
            tokens: None,
            bound_issuer: None,
            logged_out: true,
            requested_scope: None,
            dpop_key: None,
            ..record
        };
        (transaction.save(ended).await.err(), LoggedOut::Login { server, revoked })
    });
    match ended.await? {
        (None, ended) => Ok(ended),
        // On a full disk there is room for nothing, but what is there can be removed.
        (Some(error), ended) => {
            log::info!("{error}");
            account.remove().await.map(|()| ended)
        }
    }
}

/// Has the tokens revoked. The user's options are those of the context's own login, not of another one's.
async fn revoke(context: &LoginContext, record: &Record, is_its_own: bool) -> bool {
    let (Some(issuer), Some(client), Some(tokens)) = (&record.issuer, &record.client, &record.tokens) else {
        return false;
    };
    let no_options = Login::default();
    let login = if is_its_own { &context.options.login } else { &no_options };
    let endpoint = TokenEndpoint { fetch: context.fetch().await, issuer, client, login, dpop: None };
    let refresh = tokens.refresh_token.as_ref().map(|token| (token, "refresh_token"));
    let mut revoked = false;
    for (token, kind) in refresh.into_iter().chain([(&tokens.access_token, "access_token")]) {
        match endpoint.revoke(token, kind).await {
            Ok(done) => revoked |= done,
            Err(error) => log::info!("the {kind} could not be revoked: {error}"),
        }
    }
    revoked
}
