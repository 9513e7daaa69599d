//! Is there a metadata document at this URL?

use std::time::Duration;

use http::HeaderName;
use serde_json::{Map, Value};
use url::Url;

use crate::auth::fetch::{Fetch, FetchError};
use crate::log;

const PAUSE: Duration = Duration::from_millis(250);

/// The response to a request for metadata.
pub(super) enum Document {
    /// A JSON object, and the URL that it came from after redirects.
    Found(Map<String, Value>, Url),
    /// Anything else; the text describes it.
    Missing(String),
    /// The server failed or did not answer; the text describes it.
    Failed(String),
}

/// Requests one document. After a server error, requests it once more.
pub(super) async fn fetch_document(
    fetch: &Fetch,
    url: &str,
    headers: &[(HeaderName, String)],
) -> Result<Document, FetchError> {
    let mut reply = fetch.get(url, headers).await;
    let may_succeed = match &reply {
        Ok(reply) => reply.status.is_server_error() && reply.bot_protection().is_none(),
        Err(error) => matches!(error, FetchError::NoResponse(_)),
    };
    if may_succeed {
        tokio::time::sleep(PAUSE).await;
        reply = fetch.get(url, headers).await;
    }
    let reply = match reply {
        Ok(reply) => reply,
        Err(FetchError::Unreachable(cause) | FetchError::NoResponse(cause)) => return Ok(Document::Failed(cause)),
        Err(error) => return Err(error),
    };
    let status = reply.status;
    if let Some(blocked) = reply.bot_protection() {
        return Ok(Document::Missing(blocked));
    }
    let described = format!("{} answers {} with status {status}", reply.host(), log::foreign(reply.url.path()));
    if status.is_server_error() || status.as_u16() == 429 {
        return Ok(Document::Failed(described));
    }
    match reply.json() {
        Some(document) if status.is_success() => Ok(Document::Found(document, reply.url)),
        _ => Ok(Document::Missing(format!("{described} and no metadata"))),
    }
}
