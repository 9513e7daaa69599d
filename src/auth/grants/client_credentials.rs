//! How does a program obtain tokens as itself? With a client secret or a client assertion (RFC 6749 section 4.4, and
//! its MCP extension).

use crate::auth::token::{Issued, TokenEndpoint, TokenError};

/// Requests tokens in the client's own name.
pub(super) async fn request_tokens(endpoint: TokenEndpoint<'_>, scope: Option<&str>) -> Result<Issued, TokenError> {
    let mut issued = endpoint.request_with_scope(&[("grant_type", "client_credentials")], scope).await?;
    // RFC 6749 section 4.4.3: the server should send no refresh token. It would be one more secret without a use.
    issued.tokens.refresh_token = None;
    Ok(issued)
}
