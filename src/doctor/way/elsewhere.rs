//! Is the server somewhere near, if not at this path? Asked with GETs alone, which change nothing.

use std::time::Duration;

use http::Uri;

use super::context::Way;
use super::talk::{Response, Talk};
use crate::doctor::{Cause, Code};
use crate::log;

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(2);

/// The paths that servers of MCP have most often.
const USUAL: [&str; 3] = ["/mcp", "/sse", "/"];

/// The cause where there is no server at this path, with the path where there seems to be one.
pub(super) async fn not_found(way: &Way<'_>, talk: &mut Talk<'_>, response: &Response) -> Cause {
    let status = response.status.as_u16();
    let path = if way.url.contains('$') { "the path".to_owned() } else { log::redact(way.server().path()) };
    let said = super::status::said(response);
    let lower = said.to_ascii_lowercase();
    if ["account", "tenant", "workspace", "organization", "project"].iter().any(|word| lower.contains(word)) {
        let sentence = format!("{} does not know the account in the path {path} ({status}){said}", way.host);
        return Cause::new(Code::NotFound, sentence, "correct the account's name in the URL");
    }
    let sentence = format!("there is no MCP server at {path} of {} ({status}){said}", way.host);
    let found = look(way, talk).await;
    let fix = match found {
        Some(found) => format!("mcp-ferry doctor {}", log::shell_word(&way.shown(&found))),
        None => "correct the path of the URL; often it is /mcp or /sse".to_owned(),
    };
    Cause::new(Code::NotFound, sentence, fix)
}

async fn look(way: &Way<'_>, talk: &mut Talk<'_>) -> Option<Uri> {
    let server = way.server();
    let own = server.path().trim_end_matches('/');
    let below = format!("{own}/mcp");
    let paths = [below.as_str()].into_iter().chain(USUAL).filter(|path| path.trim_end_matches('/') != own);
    let mut seen = Vec::new();
    for path in paths {
        if seen.contains(&path) {
            continue;
        }
        seen.push(path);
        let mut parts = server.clone().into_parts();
        parts.path_and_query = path.parse().ok();
        let Ok(uri) = Uri::from_parts(parts) else { continue };
        let looked = tokio::time::timeout(LOOK, talk.get(&uri)).await;
        if let Ok(Ok((response, stream))) = looked
            && (stream.is_some() || seems_mcp(&response))
        {
            return Some(uri);
        }
    }
    None
}

/// Whether a server of MCP answers so to a GET that asks for a stream: it has none, wants a session first, or a login.
fn seems_mcp(response: &Response) -> bool {
    match response.status.as_u16() {
        401 => response.headers.contains_key("www-authenticate"),
        405 => response.header("allow").to_ascii_uppercase().contains("POST"),
        400 | 406 => {
            let body = String::from_utf8_lossy(response.bytes()).to_ascii_lowercase();
            body.contains("jsonrpc") || body.contains("session")
        }
        _ => false,
    }
}
