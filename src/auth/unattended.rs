//! How does a program log in where no person is needed? With the client's own secret or key, with what the company's
//! identity provider says of a person, or with what the platform says of a workload.

use std::sync::Arc;

use super::account::Snapshot;
use super::dpop::Dpop;
use super::expiry::Freshness;
use super::oauth::Inner;
use super::registration::{self, Wanted};
use super::scope::Attempt;
use super::settings::Grant;
use super::token::{Issued, TokenEndpoint, TokenError};
use super::{AuthError, Record, client_credentials, enterprise, workload};

impl Inner {
    /// Has tokens issued, unless another request or process was faster. `seen`: the generation that is of no use.
    pub(super) async fn obtain(self: &Arc<Self>, seen: u64) -> Result<Snapshot, AuthError> {
        let refused = |error: &dyn std::fmt::Display, hint: &str| AuthError::NoLogin(format!("{error}; hint: {hint}"));
        let discovered = self.discover().await.map_err(|error| {
            if error.is_temporary() { AuthError::OutOfOrder(error.to_string()) } else { refused(&error, &error.hint()) }
        })?;
        let login = &self.settings.login;
        let wanted = Wanted { redirect_uris: &[], scope: None, not_by_document: false };
        let client = registration::register(self.fetch().await, &discovered.issuer, login, wanted).await;
        let client = client.map_err(|error| refused(&error, &error.hint()))?;
        let inner = Arc::clone(self);
        let obtained = self.account.transact(async move |mut transaction| {
            let newest = inner.account.snapshot().filter(|held| held.record.generation != seen);
            if let Some(newest) = newest.filter(|held| held.freshness() == Freshness::Good) {
                return Ok(newest);
            }
            let mut record = transaction.record.clone();
            if discovered.dpop && record.dpop_key.is_none() {
                record.dpop_key = Dpop::generate().ok();
            }
            let previous = record.requested_of(&discovered.issuer);
            let scope =
                discovered.scopes.select(&inner.settings.login, &discovered.issuer, previous, Attempt::WithoutOffline);
            let dpop = inner.dpop(&record).map_err(|error| AuthError::NoLogin(error.to_string()))?;
            let endpoint = TokenEndpoint {
                fetch: inner.fetch().await,
                issuer: &discovered.issuer,
                client: &client,
                login: &inner.settings.login,
                dpop: dpop.as_deref().filter(|_| discovered.dpop),
            };
            let issued = inner.ask(endpoint, scope.as_deref()).await?;
            let record: Record = inner.logged_in(record, &discovered.issuer, &client, scope.as_deref(), issued);
            Ok(transaction.keep(record).await)
        });
        obtained.await.map_err(|error| AuthError::NoLogin(error.to_string()))?
    }

    async fn ask(&self, endpoint: TokenEndpoint<'_>, scope: Option<&str>) -> Result<Issued, AuthError> {
        let issued = match self.settings.login.grant.clone() {
            Grant::Workload(token) => workload::tokens(endpoint, &token.token().await?, scope).await,
            Grant::Enterprise(provider) => {
                let server = self.server.to_string();
                let issuer = endpoint.issuer;
                let resource = issuer.resource.as_ref().or(issuer.other_resource.as_ref()).unwrap_or(&server);
                let subject = provider.subject_token.token().await?;
                enterprise::tokens(endpoint, &provider, &subject, resource, scope).await
            }
            _ => client_credentials::tokens(endpoint, scope).await,
        };
        issued.map_err(|error| told(&error))
    }
}

/// Temporary trouble may be over with the next request; a refusal is final, and no other grant is tried.
fn told(error: &TokenError) -> AuthError {
    if error.is_temporary() || error.is_unknown() {
        AuthError::OutOfOrder(error.to_string())
    } else {
        AuthError::NoLogin(format!("{error}; hint: {}", error.hint()))
    }
}
