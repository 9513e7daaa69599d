//! How is a JWT of another issuer exchanged for tokens (RFC 7523 section 2.1)? A platform issues such a JWT to a
//! workload.

use crate::auth::token::{Issued, TokenEndpoint, TokenError};
use crate::log::Secret;

const JWT_BEARER_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Exchanges an assertion. An error is final: no other assertion and no other grant is tried.
pub(super) async fn request_tokens(
    endpoint: TokenEndpoint<'_>,
    assertion: &Secret,
    scope: Option<&str>,
) -> Result<Issued, TokenError> {
    let form = [("grant_type", JWT_BEARER_GRANT), ("assertion", assertion.expose())];
    endpoint.request_with_scope(&form, scope).await
}
