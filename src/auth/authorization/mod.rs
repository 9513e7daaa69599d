//! How does a person log in with a browser (RFC 6749 section 4.1)? The authorization request that opens in the browser,
//! and the authorization response that the browser brings back to the redirect URI.

mod client_check;
mod request;
mod response;

pub(super) use client_check::knows_client;
pub(super) use request::{AuthorizationError, AuthorizationRequest};
pub(super) use response::{AuthorizationResponseError, Retry, code};

#[cfg(test)]
mod tests;
