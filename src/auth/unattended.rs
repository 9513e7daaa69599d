//! How does a program log in where no person is needed? With the client's own secret or key, with what the company's
//! identity provider says of a person, or with what the platform says of a workload.

use std::sync::Arc;
use std::time::Duration;

use super::account::Snapshot;
use super::dpop::Dpop;
use super::error::AuthError;
use super::expiry::Freshness;
use super::login_context::LoginContext;
use super::record::Record;
use super::registration::{self, Wanted};
use super::scope::Attempt;
use super::settings::Grant;
use super::token::{Issued, TokenEndpoint, TokenError};
use super::{client_credentials, enterprise, workload};
use crate::log;

/// When an authorization server in trouble is asked again.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// The longest `Retry-After` that is waited for at once.
const PATIENCE: Duration = Duration::from_secs(5);

impl LoginContext {
    /// Has tokens issued, unless another request or process was faster. `seen`: the generation that is of no use.
    pub(super) async fn obtain(self: &Arc<Self>, seen: u64) -> Result<Snapshot, AuthError> {
        let refused = |error: &dyn std::fmt::Display, hint: &str| AuthError::NoLogin(format!("{error}; hint: {hint}"));
        let discovered = self.discover().await.map_err(|error| {
            if error.is_temporary() { AuthError::Temporary(error.to_string()) } else { refused(&error, &error.hint()) }
        })?;
        let login = &self.options.login;
        let wanted = Wanted { redirect_uris: &[], scope: None, not_by_document: false };
        let client = registration::register(self.fetch().await, &discovered.issuer, login, wanted).await;
        let client = client.map_err(|error| refused(&error, &error.hint()))?;
        let inner = Arc::clone(self);
        let obtained = self.account.transact(async move |mut transaction| {
            let newest = inner.account.snapshot().await.filter(|held| held.record.generation != seen);
            if let Some(newest) = newest.filter(|held| held.freshness() == Freshness::Good) {
                return Ok(newest);
            }
            let mut record = transaction.record.clone();
            if discovered.dpop && record.dpop_key.is_none() {
                record.dpop_key = Dpop::generate().ok();
            }
            let previous = record.requested_of(&discovered.issuer);
            let scope =
                discovered.scopes.select(&inner.options.login, &discovered.issuer, previous, Attempt::WithoutOffline);
            let dpop = inner.dpop(&record).map_err(|error| AuthError::NoLogin(error.to_string()))?;
            let endpoint = TokenEndpoint {
                fetch: inner.fetch().await,
                issuer: &discovered.issuer,
                client: &client,
                login: &inner.options.login,
                dpop: dpop.as_deref().filter(|_| discovered.dpop),
            };
            let issued = inner.ask(endpoint, scope.as_deref()).await?;
            let record: Record = inner.login_record(record, &discovered.issuer, &client, scope.as_deref(), issued);
            Ok(transaction.keep(record).await)
        });
        obtained.await.map_err(|error| AuthError::NoLogin(error.to_string()))?
    }

    /// Asks again where trouble may be over in a moment: requests wait for the token, and nothing is spent by asking.
    async fn ask(&self, endpoint: TokenEndpoint<'_>, scope: Option<&str>) -> Result<Issued, AuthError> {
        for pause in AGAIN {
            let error = match self.ask_once(endpoint, scope).await? {
                Ok(issued) => return Ok(issued),
                Err(error) => error,
            };
            let asked = error.retry_after().unwrap_or_default();
            if !is_trouble(&error) || asked > PATIENCE {
                return Err(told(&error));
            }
            log::info!("{error}; it is asked again");
            tokio::time::sleep(pause.max(asked)).await;
        }
        self.ask_once(endpoint, scope).await?.map_err(|error| told(&error))
    }

    async fn ask_once(
        &self,
        endpoint: TokenEndpoint<'_>,
        scope: Option<&str>,
    ) -> Result<Result<Issued, TokenError>, AuthError> {
        Ok(match self.options.login.grant.clone() {
            Grant::Workload(token) => workload::tokens(endpoint, &token.token().await?, scope).await,
            Grant::Enterprise(provider) => {
                let server = self.server.to_string();
                let issuer = endpoint.issuer;
                let resource = issuer.resource.as_ref().or(issuer.other_resource.as_ref()).unwrap_or(&server);
                let subject = provider.subject_token.token().await?;
                enterprise::tokens(endpoint, &provider, &subject, resource, scope).await
            }
            _ => client_credentials::tokens(endpoint, scope).await,
        })
    }
}

fn is_trouble(error: &TokenError) -> bool {
    error.is_temporary() || error.is_unknown()
}

/// Temporary trouble may be over with the next request; a refusal is final, and no other grant is tried.
fn told(error: &TokenError) -> AuthError {
    if is_trouble(error) {
        AuthError::Temporary(error.to_string())
    } else {
        AuthError::NoLogin(format!("{error}; hint: {}", error.hint()))
    }
}
