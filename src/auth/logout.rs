//! How does a login end? The authorization server is told (RFC 7009), and what is kept says that it was ended, so that
//! no refresh that is under way elsewhere brings it back.

use std::time::Duration;

use super::account::Account;
use super::oauth::OAuth;
use super::record::Record;
use super::settings::Login;
use super::store::StoreError;
use super::token::TokenEndpoint;
use crate::log;

/// How long whoever logs in may take to notice that nobody wants it any more.
const NOTICED: Duration = Duration::from_secs(3);

/// Ends a login, and one that is under way. True if the authorization server has revoked its tokens; that it does not,
/// or is out of reach, keeps nobody logged in.
pub async fn log_out(oauth: &OAuth, account: &Account) -> Result<bool, StoreError> {
    let _nobody_logs_in = account.give_up_pending(NOTICED).await;
    if account.look()?.is_none() {
        return Ok(false);
    }
    let fetch = oauth.0.fetch().await.clone();
    let inner = std::sync::Arc::clone(&oauth.0);
    let is_its_own = account.key() == oauth.account().key();
    account
        .transact(async move |mut transaction| {
            let record = transaction.record.clone();
            let mut revoked = false;
            if let (Some(issuer), Some(client), Some(tokens)) = (&record.issuer, &record.client, &record.tokens) {
                let nothing_said = Login::default();
                let login = if is_its_own { &inner.options.login } else { &nothing_said };
                let endpoint = TokenEndpoint { fetch: &fetch, issuer, client, login, dpop: None };
                let refresh = tokens.refresh_token.as_ref().map(|token| (token, "refresh_token"));
                for (token, kind) in refresh.into_iter().chain([(&tokens.access_token, "access_token")]) {
                    match endpoint.revoke(token, kind).await {
                        Ok(done) => revoked |= done,
                        Err(error) => log::info!("the {kind} could not be revoked: {error}"),
                    }
                }
            }
            let ended = Record { tokens: None, logged_out: true, requested_scope: None, dpop_key: None, ..record };
            transaction.save(ended).await.map(|_| revoked)
        })
        .await?
}
