//! How does a person log in with a browser on another device (RFC 8628)?

use std::time::Duration;

use crate::auth::authorization::endpoint::check_endpoint;
use crate::auth::fetch::FetchError;
use crate::auth::metadata::{self, Metadata};
use crate::auth::token::{DEVICE_CODE_GRANT, Issued, TokenEndpoint, TokenError, seconds};
use crate::auth::web_url::check_url;
use crate::log::{Secret, foreign, foreign_name};

/// The polling interval if the server names none, and what `slow_down` adds to it.
const INTERVAL: Duration = Duration::from_secs(5);

/// No server is polled more often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// The lifetime of a code if the server, against the RFC, names none.
const LIFETIME: Duration = Duration::from_secs(600);

/// The longest address and code that a person is asked to type or to click.
const LONGEST_ADDRESS: usize = 2000;
const LONGEST_CODE: usize = 64;

/// The device authorization response: what the person needs, and what we poll with.
#[derive(Debug, Clone)]
pub(in crate::auth) struct DeviceAuthorization {
    pub user_code: String,
    pub verification_uri: String,
    /// The page's address with the code in it, if the server has one.
    pub verification_uri_complete: Option<String>,
    pub lifetime: Duration,
    pub interval: Duration,
    device_code: Secret,
    scope: Option<String>,
}

/// Sends the device authorization request (RFC 8628 section 3.1).
pub(in crate::auth) async fn authorize(
    endpoint: TokenEndpoint<'_>,
    scope: Option<&str>,
) -> Result<DeviceAuthorization, TokenError> {
    let metadata = Metadata::of(endpoint.issuer);
    let address = metadata.text("device_authorization_endpoint");
    let address = address.ok_or_else(|| TokenError::NoDeviceEndpoint(foreign_name(&endpoint.issuer.issuer)))?;
    check_endpoint(&endpoint.fetch.check_url(address)?).map_err(FetchError::from)?;
    let mut form = Vec::from_iter(scope.map(|scope| ("scope", scope)));
    form.extend(endpoint.issuer.resource.as_deref().map(|resource| ("resource", resource)));
    let response = endpoint.post_to(address, &form).await?;
    let text = |name: &str| metadata::text(&response, name);
    let missing = |name: &str| TokenError::Malformed(format!("the device authorization response has no {name}"));
    // Google's name for it is `verification_url`.
    let page = text("verification_uri").or(text("verification_url")).ok_or_else(|| missing("verification_uri"))?;
    // As a browser spells it: only the visible characters of ASCII.
    let page = String::from(check_url(page, false).map_err(FetchError::from)?);
    let complete = text("verification_uri_complete").and_then(|page| check_url(page, false).ok()).map(String::from);
    let complete = complete.filter(|page| page.len() <= LONGEST_ADDRESS);
    let user_code = foreign(text("user_code").ok_or_else(|| missing("user_code"))?);
    if page.len() > LONGEST_ADDRESS || user_code.chars().count() > LONGEST_CODE {
        return Err(TokenError::Malformed("the device authorization response is too long for a person".to_owned()));
    }
    let time = |name: &str| response.get(name).and_then(seconds).map(Duration::from_secs);
    Ok(DeviceAuthorization {
        user_code,
        verification_uri: page,
        verification_uri_complete: complete,
        lifetime: time("expires_in").unwrap_or(LIFETIME),
        interval: time("interval").unwrap_or(INTERVAL).max(SHORTEST_INTERVAL),
        device_code: Secret::new(text("device_code").ok_or_else(|| missing("device_code"))?),
        scope: scope.map(str::to_owned),
    })
}

impl DeviceAuthorization {
    /// Asks the server whether the person has logged in (RFC 8628 section 3.4). `None`: wait for the interval, then
    /// poll again. `access_denied` and `expired_token` are errors like others.
    pub(in crate::auth) async fn poll(&mut self, endpoint: TokenEndpoint<'_>) -> Result<Option<Issued>, TokenError> {
        let form = [("grant_type", DEVICE_CODE_GRANT), ("device_code", self.device_code.expose())];
        match endpoint.request_tokens(&form, self.scope.as_deref()).await {
            Err(TokenError::ErrorResponse(response)) if response.error == "authorization_pending" => {}
            Err(TokenError::ErrorResponse(response)) if response.error == "slow_down" => self.interval += INTERVAL,
            // Section 3.5: after a lost response, poll less often.
            Err(TokenError::NoResponse(_) | TokenError::Temporary { .. }) => {
                self.interval = self.interval.saturating_mul(2).min(Duration::from_secs(60));
            }
            result => return result.map(Some),
        }
        Ok(None)
    }
}
