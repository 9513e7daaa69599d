//! How does a program obtain tokens without a person? With the client's own credentials, with an ID token for a company's
//! identity provider, or with a workload's JWT.

use std::sync::Arc;
use std::time::Duration;

use super::{client_credentials, id_jag, jwt_bearer};
use crate::auth::account::Snapshot;
use crate::auth::dpop::Dpop;
use crate::auth::error::AuthError;
use crate::auth::expiry::Freshness;
use crate::auth::login_context::LoginContext;
use crate::auth::record::Record;
use crate::auth::registration::{self, RegistrationRequest};
use crate::auth::scope::ScopeAttempt;
use crate::auth::settings::Grant;
use crate::auth::token::{Issued, TokenEndpoint, TokenError};
use crate::log;

/// The waits before a request that failed is sent again.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// The longest `Retry-After` that a request of the client waits for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Obtains and stores tokens, unless another request or process has done so. `seen`: the generation of the record
/// whose tokens are of no use.
pub(in crate::auth) async fn obtain_tokens(context: &Arc<LoginContext>, seen: u64) -> Result<Snapshot, AuthError> {
    let refused = |error: &dyn std::fmt::Display, hint: &str| AuthError::NoLogin(format!("{error}; hint: {hint}"));
    let discovered = context.discover().await.map_err(|error| {
        if error.is_temporary() { AuthError::Temporary(error.to_string()) } else { refused(&error, &error.hint()) }
    })?;
    let login = &context.options.login;
    let request = RegistrationRequest { redirect_uris: &[], scope: None, skip_metadata_document: false };
    let client = registration::register(context.fetch().await, &discovered.issuer, login, request).await;
    let client = client.map_err(|error| refused(&error, &error.hint()))?;
    let account = context.account.clone();
    let context = Arc::clone(context);
    let obtained = account.transact(async move |mut transaction| {
        let newest = context.account.snapshot().await.filter(|held| held.record.generation != seen);
        if let Some(newest) = newest.filter(|held| held.freshness() == Freshness::Good) {
            return Ok(newest);
        }
        let mut record = transaction.record.clone();
        if discovered.dpop && record.dpop_key.is_none() {
            record.dpop_key = Dpop::generate().ok();
        }
        let login = &context.options.login;
        let previous = record.requested_of(&discovered.issuer);
        let scope = discovered.scopes.select(login, &discovered.issuer, previous, ScopeAttempt::WithoutOffline);
        let dpop = context.dpop(&record).map_err(|error| AuthError::NoLogin(error.to_string()))?;
        let endpoint = TokenEndpoint {
            fetch: context.fetch().await,
            issuer: &discovered.issuer,
            client: &client,
            login,
            dpop: dpop.as_deref().filter(|_| discovered.dpop),
        };
        let issued = request_tokens(&context, endpoint, scope.as_deref()).await?;
        let record: Record = context.login_record(record, &discovered.issuer, &client, scope.as_deref(), issued);
        Ok(transaction.keep(record).await)
    });
    obtained.await.map_err(|error| AuthError::NoLogin(error.to_string()))?
}

/// Requests tokens, and tries again after an error that may be over soon: requests of the client wait for the tokens,
/// and these grants can be used more than once.
async fn request_tokens(
    context: &LoginContext,
    endpoint: TokenEndpoint<'_>,
    scope: Option<&str>,
) -> Result<Issued, AuthError> {
    let mut pauses = RETRY_PAUSES.into_iter();
    loop {
        let error = match request_tokens_once(context, endpoint, scope).await? {
            Ok(issued) => return Ok(issued),
            Err(error) => error,
        };
        let may_succeed_later = error.is_temporary() || error.has_unknown_outcome();
        if !may_succeed_later {
            return Err(AuthError::NoLogin(format!("{error}; hint: {}", error.hint())));
        }
        let retry_after = error.retry_after().unwrap_or_default();
        match pauses.next().filter(|_| retry_after <= LONGEST_RETRY_AFTER) {
            Some(pause) => {
                log::info!("{error}; trying again");
                tokio::time::sleep(pause.max(retry_after)).await;
            }
            None => return Err(AuthError::Temporary(error.to_string())),
        }
    }
}

async fn request_tokens_once(
    context: &LoginContext,
    endpoint: TokenEndpoint<'_>,
    scope: Option<&str>,
) -> Result<Result<Issued, TokenError>, AuthError> {
    Ok(match &context.options.login.grant {
        Grant::Workload(token) => jwt_bearer::request_tokens(endpoint, &token.token().await?, scope).await,
        Grant::Enterprise(provider) => {
            let issuer = endpoint.issuer;
            let resource = issuer.resource.as_deref().or(issuer.other_resource.as_deref());
            let resource = resource.unwrap_or(context.server.as_str());
            let subject_token = provider.subject_token.token().await?;
            id_jag::request_tokens(endpoint, provider, &subject_token, resource, scope).await
        }
        _ => client_credentials::request_tokens(endpoint, scope).await,
    })
}
