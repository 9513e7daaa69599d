//! Which headers does every request of a legacy session have?

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::net;
use crate::upstream::exchange::{get_headers, post_headers};

pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(crate) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Where the requests of one session go, and their headers.
pub(super) struct SessionHeaders {
    /// Counts the sessions that took each other's place.
    pub(super) generation: u64,
    /// Where redirects have led.
    pub(super) uri: Uri,
    /// The headers of its POSTs and of its GETs: session id and revision among them.
    pub(super) post: HeaderMap,
    pub(super) get: HeaderMap,
}

impl SessionHeaders {
    pub(super) fn new(generation: u64, uri: Uri, session: &[(HeaderName, HeaderValue)]) -> Self {
        let with = |mut headers: HeaderMap| {
            headers.extend(session.iter().cloned());
            // Made here, once, or it would be made for each request.
            headers.extend(net::host_header(&uri).map(|host| (HOST, host)));
            headers
        };
        let (post, get) = (with(post_headers()), with(get_headers()));
        Self { generation, uri, post, get }
    }

    /// Whether the server has given the session an id.
    pub(super) fn has_session(&self) -> bool {
        self.post.contains_key(SESSION_ID)
    }
}
