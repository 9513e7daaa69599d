//! How does a person log in with a browser that is somewhere else? RFC 8628.

use std::time::Duration;

use serde_json::Value;

use super::authorization::{AuthorizationError, safe_to_open};
use super::metadata::Metadata;
use super::token::{Issued, TokenEndpoint, TokenError, refusal, seconds};
use crate::log::{Secret, redact};

/// `grant_type` of a device code.
pub(in crate::auth) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Between two questions, where the authorization server does not say, and what `slow_down` adds to it.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long a code is good for where the authorization server, against the RFC, does not say.
const LIFETIME: Duration = Duration::from_secs(600);

/// What a person needs, and what we ask with until they are done.
#[derive(Debug, Clone)]
pub struct DeviceLogin {
    /// To be typed in.
    pub user_code: String,
    /// Where to.
    pub verification_uri: String,
    /// The same with the code in it, if there is one.
    pub verification_uri_complete: Option<String>,
    /// How long all of it is good for.
    pub lifetime: Duration,
    /// How long to wait before each question.
    pub interval: Duration,
    device_code: Secret,
    scope: Option<String>,
}

/// What a question was answered with.
#[derive(Debug)]
pub enum Poll {
    /// Wait for [`DeviceLogin::interval`] and ask again.
    Wait,
    /// Done.
    Issued(Box<Issued>),
}

/// A login on another device that does not begin.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeviceError {
    /// No `device_authorization_endpoint`.
    #[error("the authorization server {0} has no login for devices")]
    NotOffered(String),
    /// It refuses.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The page is at an address that nobody is sent to.
    #[error(transparent)]
    Address(#[from] AuthorizationError),
}

impl DeviceError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotOffered(_) => "log in without --device-code; --no-browser lets you bring back the address by hand",
            Self::Token(error) => error.hint(),
            Self::Address(error) => error.hint(),
        }
    }
}

/// Begins a login (RFC 8628 section 3.1).
pub async fn begin(endpoint: TokenEndpoint<'_>, scope: Option<&str>) -> Result<DeviceLogin, DeviceError> {
    let metadata = Metadata::of(endpoint.issuer);
    let address = metadata.device_authorization_endpoint();
    let address = address.ok_or_else(|| DeviceError::NotOffered(endpoint.issuer.issuer.clone()))?;
    let mut form = Vec::new();
    form.extend(scope.map(|scope| ("scope", scope)));
    form.extend(endpoint.issuer.resource.as_deref().map(|resource| ("resource", resource)));
    let answer = endpoint.ask(address, &form).await?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let missing = |name: &str| TokenError::Malformed(format!("the authorization server began a login without {name}"));
    // `verification_url` is what Google calls it.
    let page = text("verification_uri").or(text("verification_url")).ok_or_else(|| missing("verification_uri"))?;
    safe_to_open(page)?;
    let complete = text("verification_uri_complete").filter(|page| safe_to_open(page).is_ok());
    let time = |name: &str| answer.get(name).and_then(seconds).map(Duration::from_secs);
    Ok(DeviceLogin {
        user_code: redact(text("user_code").ok_or_else(|| missing("user_code"))?),
        verification_uri: page.to_owned(),
        verification_uri_complete: complete.map(str::to_owned),
        lifetime: time("expires_in").unwrap_or(LIFETIME),
        interval: time("interval").unwrap_or(INTERVAL),
        device_code: Secret::new(text("device_code").ok_or_else(|| missing("device_code"))?),
        scope: scope.map(str::to_owned),
    })
}

impl DeviceLogin {
    /// Asks whether the person is done (RFC 8628 section 3.4). `access_denied` and `expired_token` are refusals like
    /// others.
    pub async fn poll(&mut self, endpoint: TokenEndpoint<'_>) -> Result<Poll, TokenError> {
        let form = [("grant_type", GRANT_TYPE), ("device_code", self.device_code.expose())];
        match endpoint.issue(&form).await {
            Ok(mut issued) => {
                issued.tokens.scope = issued.tokens.scope.take().or_else(|| self.scope.clone());
                Ok(Poll::Issued(Box::new(issued)))
            }
            Err(TokenError::Refused(refused)) if refused.error == "authorization_pending" => Ok(Poll::Wait),
            Err(TokenError::Refused(refused)) if refused.error == "slow_down" => {
                self.interval += INTERVAL;
                Ok(Poll::Wait)
            }
            // Section 3.5: a lost answer is no reason to give up, but one to ask less often.
            Err(TokenError::Unknown(_) | TokenError::Temporary { .. }) => {
                self.interval = self.interval.saturating_mul(2).min(Duration::from_secs(60));
                Ok(Poll::Wait)
            }
            Err(error) => Err(error),
        }
    }
}

impl TokenEndpoint<'_> {
    /// Asks another endpoint of the same authorization server, authenticated in the same way.
    async fn ask(&self, address: &str, form: &[(&str, &str)]) -> Result<serde_json::Map<String, Value>, TokenError> {
        let mut last = None;
        for method in self.methods() {
            let reply = self.post(address, form, method).await?;
            if let (true, Some(answer)) = (reply.status.is_success(), reply.json())
                && !answer.contains_key("error")
            {
                return Ok(answer);
            }
            let error = refusal(&reply);
            if !matches!(&error, TokenError::Refused(refused) if refused.error == "invalid_client") {
                return Err(error);
            }
            last.get_or_insert(error);
        }
        Err(last.unwrap_or(TokenError::NoEndpoint))
    }
}
