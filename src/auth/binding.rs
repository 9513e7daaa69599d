//! To which authorization server may the user's own credentials go?
//!
//! The user's own credentials are what no authorization server issued to this program: a client id with its secret or
//! key, the token of a workload or of a company's identity provider, a software statement. They belong to one issuer: to
//! that of `--issuer`, or else to the first one that they are sent to. A record keeps which one that is, until a logout.
//! (What an authorization server issued to us is kept apart by [`Record::is_of`].)

use serde_json::Value;

use super::discovery::DiscoveryError;
use super::jwt::claims;
use super::metadata::{Metadata, is_same_issuer};
use super::record::{Issuer, Record};
use super::settings::{Grant, Login};

/// Whether the user gave credentials of their own.
fn has_own_credentials(login: &Login) -> bool {
    login.client_id.is_some()
        || matches!(login.grant, Grant::Enterprise(_) | Grant::Workload(_))
        || login.client_metadata.contains_key("software_statement")
}

/// The issuer that the user's own credentials belong to; `None` while that is open, or where the user gave none.
pub(super) fn bound_issuer<'a>(record: &'a Record, login: &Login) -> Option<&'a str> {
    record.bound_issuer.as_deref().filter(|_| has_own_credentials(login))
}

/// Whether the user's own credentials may go to this issuer. True if the record must say so before they are sent,
/// because they have never been sent anywhere.
pub(super) fn admit(record: &Record, login: &Login, issuer: &Issuer) -> Result<bool, DiscoveryError> {
    match bound_issuer(record, login) {
        Some(bound) if is_same_issuer(bound, &issuer.issuer) => Ok(false),
        Some(bound) => Err(DiscoveryError::bound(bound, &issuer.issuer)),
        None => Ok(has_own_credentials(login)),
    }
}

/// Whether a JWT that somebody else issued may be sent to this authorization server: only if its audience is the issuer
/// or the token endpoint (RFC 7523 section 3). The error is the audience. An audience that is no address says nothing
/// about where to send the token; then the user must have named the authorization server.
pub(super) fn check_audience(token: &str, issuer: &Issuer, login: &Login) -> Result<(), String> {
    let Some(audience) = claims(token).and_then(|mut claims| claims.remove("aud")) else { return Ok(()) };
    let audiences: Vec<_> = match &audience {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let endpoint = Metadata::of(issuer).text("token_endpoint").unwrap_or_default();
    let is_meant = |audience: &&str| is_same_issuer(audience, &issuer.issuer) || is_same_issuer(audience, endpoint);
    let is_address = |audience: &&str| audience.starts_with("https://") || audience.starts_with("http://");
    let is_named = login.issuer.is_some() || login.metadata_url.is_some() || login.token_endpoint.is_some();
    let is_elsewhere = audiences.is_empty() || audiences.iter().any(is_address) || !is_named;
    if !audiences.iter().any(is_meant) && is_elsewhere {
        return Err(audience.to_string().chars().take(200).collect());
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/binding.rs"]
mod tests;
