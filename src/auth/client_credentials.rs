//! How does a program log in as itself? RFC 6749 section 4.4, and the MCP extension for it: with a secret or a signed
//! assertion.

use super::token::{Issued, TokenEndpoint, TokenError};

/// Asks for a token in the client's own name. There is no refresh token: the next one is had the same way.
pub async fn tokens(endpoint: TokenEndpoint<'_>, scope: Option<&str>) -> Result<Issued, TokenError> {
    let mut form = vec![("grant_type", "client_credentials")];
    form.extend(scope.map(|scope| ("scope", scope)));
    let mut issued = endpoint.issue(&form).await?;
    issued.tokens.scope = issued.tokens.scope.take().or_else(|| scope.map(str::to_owned));
    // RFC 6749 section 4.4.3: if one came all the same, it is not needed, and a secret less to keep.
    issued.tokens.refresh_token = None;
    Ok(issued)
}
