//! How does a program obtain tokens without a person? With the client's own credentials, with an ID token for a
//! company's identity provider, or with a workload's JWT.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::account::Snapshot;
use crate::auth::binding::check_audience;
use crate::auth::dpop::Dpop;
use crate::auth::error::AuthError;
use crate::auth::expiry::Freshness;
use crate::auth::login_context::{BindingError, LoginContext};
use crate::auth::metadata;
use crate::auth::record::{Client, Issuer, Origin, Record};
use crate::auth::registration::RegistrationRequest;
use crate::auth::scope::ScopeAttempt;
use crate::auth::settings::{Enterprise, Grant, Login};
use crate::auth::token::{Issued, TokenEndpoint, TokenError};
use crate::log::{self, Secret};

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
    if let Grant::Workload(token) = &context.options.login.grant {
        // First of all: where the token may not go, the credentials are not bound either.
        let checked = check_assertion(&token.token().await?, &discovered.issuer, &context.options.login);
        checked.map_err(|error| refused(&error, error.hint()))?;
    }
    context.bind_credentials(&discovered.issuer).await.map_err(|error| match error {
        BindingError::OtherIssuer(error) => refused(&error, &error.hint()),
        BindingError::Store(error) => refused(&error, error.hint()),
    })?;
    let request = RegistrationRequest { redirect_uris: &[], scopes: &[], skip_metadata_document: false };
    let client = context.register(&discovered.issuer, request).await;
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
        Grant::Workload(token) => exchange_jwt(endpoint, &token.token().await?, scope).await,
        Grant::Enterprise(provider) => {
            let issuer = endpoint.issuer;
            let resource = issuer.resource.as_deref().or(issuer.other_resource.as_deref());
            let resource = resource.unwrap_or(context.server.as_str());
            let subject_token = provider.subject_token.token().await?;
            exchange_id_token(endpoint, provider, &subject_token, resource, scope).await
        }
        _ => as_client(endpoint, scope).await,
    })
}

/// Requests tokens in the client's own name (RFC 6749 section 4.4, and its MCP extension).
pub(super) async fn as_client(endpoint: TokenEndpoint<'_>, scope: Option<&str>) -> Result<Issued, TokenError> {
    let mut issued = endpoint.request_with_scope(&[("grant_type", "client_credentials")], scope).await?;
    // RFC 6749 section 4.4.3: the server should send no refresh token. It would be one more secret without a use.
    issued.tokens.refresh_token = None;
    Ok(issued)
}

/// Exchanges a JWT of another issuer for tokens (RFC 7523 section 2.1): an ID-JAG, or what a platform issues to a
/// workload. An error is final: no other assertion and no other grant is tried.
pub(super) async fn exchange_jwt(
    endpoint: TokenEndpoint<'_>,
    assertion: &Secret,
    scope: Option<&str>,
) -> Result<Issued, TokenError> {
    check_assertion(assertion, endpoint.issuer, endpoint.login)?;
    let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.expose())];
    endpoint.request_with_scope(&form, scope).await
}

/// Whether this JWT is meant for this authorization server.
fn check_assertion(assertion: &Secret, issuer: &Issuer, login: &Login) -> Result<(), TokenError> {
    let elsewhere = |audience| TokenError::OtherAudience { audience, issuer: issuer.issuer.clone() };
    check_audience(assertion.expose(), issuer, login).map_err(elsewhere)
}

/// The company's identity provider exchanges the person's ID token for an Identity Assertion JWT Authorization Grant
/// (ID-JAG, RFC 8693), and the MCP server's authorization server, `endpoint`, exchanges that for tokens. `resource`:
/// the MCP server's resource identifier (RFC 9728).
pub(super) async fn exchange_id_token(
    endpoint: TokenEndpoint<'_>,
    provider: &Enterprise,
    id_token: &Secret,
    resource: &str,
    scope: Option<&str>,
) -> Result<Issued, TokenError> {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id-jag"),
        ("audience", &endpoint.issuer.issuer),
        ("resource", resource),
        ("subject_token", id_token.expose()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
    ];
    // The provider has its own client and secret; neither side gets credentials for the other.
    let metadata = metadata::document(&[("token_endpoint", provider.token_endpoint.as_str().into())]);
    let issuer = Issuer { issuer: provider.token_endpoint.clone(), metadata, ..Issuer::default() };
    let client = Client {
        client_id: provider.client_id.clone(),
        client_secret: provider.client_secret.clone(),
        origin: Origin::Given,
        ..Client::default()
    };
    let exchange = TokenEndpoint { issuer: &issuer, client: &client, login: &Login::default(), dpop: None, ..endpoint };
    let assertion = exchange.request_with_scope(&form, scope).await?.tokens.access_token;
    exchange_jwt(endpoint, &assertion, scope).await
}
