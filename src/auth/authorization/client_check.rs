//! Does the authorization server still know our client ID?

use crate::auth::fetch::{Fetch, FetchError, Reply};

/// Requests the authorization URL once, without cookies, and does not follow redirects. Only worth it for a
/// registration of an earlier run: the server knows a client that it registered a moment ago.
pub(in crate::auth) async fn knows_client(fetch: &Fetch, url: &str) -> Result<bool, FetchError> {
    Ok(!is_unknown_client(&fetch.get_without_redirects(url).await?))
}

/// Whether the page is an error that names an unknown client. Servers have no common form for this error.
fn is_unknown_client(reply: &Reply) -> bool {
    if !matches!(reply.status.as_u16(), 400 | 401 | 403 | 404 | 422) || reply.bot_protection().is_some() {
        return false;
    }
    let text = String::from_utf8_lossy(&reply.body).to_ascii_lowercase();
    let client = ["client_id", "client id", "client", "application"].iter().any(|word| text.contains(word));
    let unknown = [
        "invalid_client",
        "unauthorized_client",
        "unrecognized",
        "unknown",
        "not found",
        "not registered",
        "does not exist",
        "invalid client",
    ];
    client && unknown.iter().any(|word| text.contains(word))
}
