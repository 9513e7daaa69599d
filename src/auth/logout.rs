//! How is a login ended? A login under way is cancelled; the authorization server revokes the tokens (RFC 7009); the
//! record says that it was ended, so that a refresh in another process does not bring the tokens back.

use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::login_context::LoginContext;
use super::login_lock::LoginLock;
use super::record::Record;
use super::settings::Login;
use super::store::StoreError;
use super::token::TokenEndpoint;
use crate::log;

/// How long the process that logs in may take to notice that its login was cancelled.
const NOTICED: Duration = Duration::from_secs(3);

/// Ends a login, and one that is under way. True if the authorization server has revoked its tokens. If it does not, or
/// cannot be reached, the login is ended all the same.
pub(crate) async fn log_out(context: &Arc<LoginContext>, account: &Account) -> Result<bool, StoreError> {
    let login_lock = LoginLock::new(account.clone());
    let _no_login_begins = login_lock.cancel_pending(NOTICED).await;
    login_lock.forget_tabs().await;
    if account.read().await?.is_none() {
        return Ok(false);
    }
    let context = Arc::clone(context);
    let is_its_own = account.key() == context.account.key();
    let ended = account.transact(async move |mut transaction| {
        let record = transaction.record.clone();
        let revoked = revoke(&context, &record, is_its_own).await;
        let ended = Record {
            tokens: None,
            bound_issuer: None,
            logged_out: true,
            requested_scope: None,
            dpop_key: None,
            ..record
        };
        transaction.save(ended).await.map(|_| revoked)
    });
    ended.await?
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
