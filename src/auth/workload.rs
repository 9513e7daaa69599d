//! How does a program log in with what its platform says it is? The platform's own JWT is the grant (RFC 7523 section
//! 2.1).

use super::token::{Issued, TokenEndpoint, TokenError};
use crate::log::Secret;

/// `grant_type` of an assertion.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Exchanges an assertion. A refusal is final: no other assertion, no other grant.
pub async fn tokens(
    endpoint: TokenEndpoint<'_>,
    assertion: &Secret,
    scope: Option<&str>,
) -> Result<Issued, TokenError> {
    let mut form = vec![("grant_type", GRANT_TYPE), ("assertion", assertion.expose())];
    form.extend(scope.map(|scope| ("scope", scope)));
    let mut issued = endpoint.issue(&form).await?;
    issued.tokens.scope = issued.tokens.scope.take().or_else(|| scope.map(str::to_owned));
    Ok(issued)
}
