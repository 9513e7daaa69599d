//! How does a person log in with a browser (RFC 6749 section 4.1)? The authorization request that opens in the browser,
//! and the authorization response that the browser brings back to the redirect URI.

pub(super) mod endpoint;
mod request;
mod response;

pub(super) use request::{AuthorizationError, AuthorizationRequest, knows_client};
pub(super) use response::{AuthorizationResponseError, Retry, code, retry};

#[cfg(test)]
mod tests;
