//! What is kept of a login, and what would another one need? For whoever looks for what is wrong: nothing is registered,
//! refreshed, opened or written.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Uri};

use super::browser::Desktop;
use super::callback::Listener;
use super::challenge::Challenge;
use super::discovery::{Discovered, DiscoveryError};
use super::error::AuthError;
use super::expiry::Freshness;
use super::login_context::LoginContext;
use super::metadata::Metadata;
use super::oauth::OAuth;
use super::record::Record;
use super::registration::{self, RegistrationRequest};
use super::{Authorizer, Source};
use crate::log::foreign_name;

/// The state of what a request is authorized with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// A header or a token that the user gave.
    Given,
    /// No credential, and no login.
    Nothing,
    /// The user has logged out.
    SignedOut,
    /// A token that has not expired.
    Good,
    /// It has expired, and the next program that uses it renews it.
    Renewable,
    /// It has expired, and there is nothing to renew it with.
    Expired,
    /// The authorization server does not renew it any more.
    RefreshDead,
    /// The authorization server does not know our registration any more.
    ClientGone,
    /// The record of the login cannot be read: the reason, and what to do.
    Unreadable(String, String),
}

/// A login as it is kept, without its secrets.
#[derive(Debug, Clone)]
pub(crate) struct HeldLogin {
    pub(crate) held: Held,
    /// `Bearer … (38 characters)`.
    pub(crate) shown: String,
    /// Seconds since 1970.
    pub(crate) expires_at: Option<u64>,
    pub(crate) is_renewable: bool,
    /// Another process is logging in.
    pub(crate) is_pending: bool,
}

/// How a client id is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Registration {
    /// The user gave one.
    Given,
    /// By the document at an address of the user's.
    Document,
    /// The authorization server registers programs.
    Dynamic,
    /// It does not, and there is none.
    Closed,
}

/// What a login would need.
#[derive(Debug, Clone)]
pub(crate) struct Survey {
    pub(crate) issuer: String,
    pub(crate) resource: Option<String>,
    /// False: the default addresses of 2025-03-26.
    pub(crate) has_metadata: bool,
    pub(crate) has_pkce: bool,
    pub(crate) registration: Registration,
    pub(crate) takes_documents: bool,
    /// What a person has to register.
    pub(crate) redirect_uri: String,
    /// Why the browser cannot come back, and what to do.
    pub(crate) callback: Option<(String, &'static str)>,
    /// Why no browser is opened.
    pub(crate) no_browser: Option<String>,
}

/// Why no authorization server is found that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetadataProblem {
    /// Logins are switched off.
    Off,
    /// There are no metadata.
    Missing,
    /// The server of the metadata fails or is silent.
    Failed,
    /// They are for another resource.
    Resource,
    /// They name another issuer.
    Issuer,
    /// The user's credentials belong to another issuer.
    Bound,
    /// An address in them must not be used.
    Address,
}

/// The same with its sentence.
#[derive(Debug, Clone)]
pub(crate) struct MetadataError {
    pub(crate) problem: MetadataProblem,
    pub(crate) cause: String,
    pub(crate) hint: String,
}

impl From<DiscoveryError> for MetadataError {
    fn from(error: DiscoveryError) -> Self {
        let problem = match &error {
            DiscoveryError::OtherResource { .. } => MetadataProblem::Resource,
            DiscoveryError::OtherIssuer { .. } => MetadataProblem::Issuer,
            DiscoveryError::OtherThanBound { .. } => MetadataProblem::Bound,
            DiscoveryError::NoMetadata { .. } => MetadataProblem::Missing,
            DiscoveryError::Temporary(_) => MetadataProblem::Failed,
            DiscoveryError::Fetch(_) => MetadataProblem::Address,
        };
        Self { problem, cause: error.to_string(), hint: error.hint() }
    }
}

impl Authorizer {
    /// Adds the user's headers and the credential to the headers of a request, without renewing it.
    pub(crate) async fn authorize_as_it_is(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
    ) -> Result<HeldLogin, AuthError> {
        let mut login = match &self.source {
            Source::Login(oauth) => {
                self.options.headers.write_to(headers);
                oauth.as_it_is(method, uri, headers).await?
            }
            Source::Headers | Source::Static(_) => {
                self.authorize(method, uri, headers).await?;
                HeldLogin::of(if self.is_given() { Held::Given } else { Held::Nothing })
            }
        };
        login.shown = shown(headers);
        Ok(login)
    }

    /// What a login would need, with this challenge of the server's.
    pub(crate) async fn survey(&self, challenge: Option<&Challenge>) -> Result<Survey, MetadataError> {
        let Source::Login(oauth) = &self.source else {
            return Err(MetadataError {
                problem: MetadataProblem::Off,
                cause: "logins are switched off, or a header stands in their place".to_owned(),
                hint: String::new(),
            });
        };
        let context = &oauth.context;
        let discovered = context.look_for_issuer(challenge).await?;
        if !has_metadata(&discovered) && !answers_at_default_endpoints(context, &discovered).await {
            let issuer = foreign_name(&discovered.issuer.issuer);
            let error = DiscoveryError::NoMetadata { issuer, detail: String::new() };
            return Err(error.into());
        }
        let page = Metadata::of(&discovered.issuer).text("authorization_endpoint");
        if let Some(page) = page {
            let checked = context.fetch().await.check_for_browser(page).await;
            checked.map_err(DiscoveryError::Fetch)?;
        }
        Ok(look_at(context, &discovered))
    }
}

impl HeldLogin {
    fn of(held: Held) -> Self {
        let shown = String::new();
        Self { held, shown, expires_at: None, is_renewable: false, is_pending: false }
    }
}

impl OAuth {
    async fn as_it_is(&self, method: &Method, uri: &Uri, headers: &mut HeaderMap) -> Result<HeldLogin, AuthError> {
        let account = &self.context.account;
        let held = match account.read().await {
            Ok(held) => held,
            Err(error) => {
                let held = Held::Unreadable(error.to_string(), error.hint().to_owned());
                return Ok(HeldLogin::of(held));
            }
        };
        let is_pending = self.context.login_lock.pending().await.is_some();
        let Some(held) = held else {
            return Ok(HeldLogin { is_pending, ..HeldLogin::of(Held::Nothing) });
        };
        let record = &held.record;
        let tokens = record.tokens.as_ref();
        let expires_at = tokens.and_then(|tokens| Some(tokens.obtained_at.saturating_add(tokens.lifetime?)));
        if held.freshness() != Freshness::Expired
            && let Some(tokens) = tokens
        {
            self.add_token(record, tokens, method, uri, headers)?;
        }
        Ok(HeldLogin {
            expires_at,
            is_renewable: record.is_renewable(),
            is_pending,
            ..HeldLogin::of(state(record, held.freshness()))
        })
    }
}

fn state(record: &Record, freshness: Freshness) -> Held {
    let client = record.client.as_ref().map(|client| &client.client_id);
    match &record.tokens {
        _ if record.logged_out => Held::SignedOut,
        _ if record.dead_client.is_some() && record.dead_client.as_ref() == client => Held::ClientGone,
        None => Held::Nothing,
        Some(_) if freshness != Freshness::Expired && !record.is_refused() => Held::Good,
        Some(_) if record.dead_refresh.is_some() => Held::RefreshDead,
        Some(_) if record.is_renewable() => Held::Renewable,
        Some(_) => Held::Expired,
    }
}

/// The credential without the secret.
fn shown(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    else {
        return String::new();
    };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.len() <= 16 => {
            format!("{} … ({} characters)", foreign_name(scheme), token.trim().chars().count())
        }
        _ => format!("… ({} characters)", value.chars().count()),
    }
}

/// Metadata that nobody sent have no issuer.
fn has_metadata(discovered: &Discovered) -> bool {
    Metadata::of(&discovered.issuer).text("issuer").is_some()
}

/// Whether there is a page at the default address of 2025-03-26.
async fn answers_at_default_endpoints(context: &LoginContext, discovered: &Discovered) -> bool {
    let Some(page) = Metadata::of(&discovered.issuer).text("authorization_endpoint") else { return false };
    let reply = context.fetch().await.get_without_redirects(page).await;
    reply.is_ok_and(|reply| !matches!(reply.status.as_u16(), 401 | 403..=405 | 410 | 429 | 500..))
}

fn look_at(context: &LoginContext, discovered: &Discovered) -> Survey {
    let (login, issuer) = (&context.options.login, &discovered.issuer);
    let metadata = Metadata::of(issuer);
    let (callback, ports) = (&context.options.callback, context.account.key().ports());
    let redirect_uri = callback.redirect_uri(callback.port.unwrap_or(ports[0]));
    let redirect_uris = std::slice::from_ref(&redirect_uri);
    let wanted = RegistrationRequest { redirect_uris, scopes: &[], skip_metadata_document: false };
    let takes_documents = metadata.flag("client_id_metadata_document_supported");
    let registration = match &login.client_id {
        Some(_) => Registration::Given,
        None if registration::is_dynamic(issuer, login, wanted) => Registration::Dynamic,
        None if registration::document(issuer, login, wanted).is_some() => Registration::Document,
        None => Registration::Closed,
    };
    let methods = metadata.array("code_challenge_methods_supported").unwrap_or_default();
    // The sockets are closed at once.
    let bound = Listener::bind(callback, &ports).map(drop);
    Survey {
        issuer: issuer.issuer.clone(),
        resource: issuer.resource.clone().or_else(|| issuer.other_resource.clone()),
        has_metadata: has_metadata(discovered),
        has_pkce: methods.contains(&"S256") || login.assume_pkce || !context.needs_a_person(),
        registration,
        takes_documents,
        redirect_uri,
        callback: bound.err().map(|error| (error.to_string(), error.hint())),
        no_browser: Desktop::detect().why_none(),
    }
}
