//! Is there a login of mcp-remote for this server?
//!
//! mcp-remote's cache in `~/.mcp-auth` is read, so that a change to mcp-ferry needs no new login; it is never written.
//! It is not read if there is a record of our own, even a logged-out one: if two programs use one refresh token, it
//! soon becomes invalid.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::metadata::{list, text};
use super::record::{Client, Issuer, Origin, Record, Tokens};
use crate::log::{self, Secret};
use crate::typed::{expand_path, read_text};

/// How long mcp-remote may take to refresh its tokens.
const LEASE: Duration = Duration::from_secs(30);

/// The options of mcp-remote that determine the names of its files, as they were typed, with variables not yet
/// replaced.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct McpRemoteOptions<'a> {
    pub url: &'a str,
    pub resource: Option<&'a str>,
    pub authorize_params: &'a [(String, String)],
    pub headers: &'a [(String, String)],
    pub client_metadata_url: Option<&'a str>,
    pub token_endpoint: Option<&'a str>,
}

pub(super) fn cache_dir() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("MCP_REMOTE_CONFIG_DIR").filter(|given| !given.is_empty()) {
        return expand_path(Path::new(&given)).ok();
    }
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".mcp-auth"))
}

/// The login that fits best: from the newest directory that has one, and there one for exactly these options before one
/// without the headers or with another slash at the end of the URL. Its issuer, if there is one, has no metadata yet.
/// `None` while mcp-remote uses the refresh token itself.
pub(super) fn find(cache: &Path, options: &McpRemoteOptions) -> Option<Record> {
    let names = names(options);
    let folders = folders(cache);
    let places = folders.iter().flat_map(|folder| names.iter().map(move |name| (folder, name)));
    for (folder, name) in places {
        let Some(record) = read(folder, name) else { continue };
        if is_refreshing(&folder.join(format!("{name}_refresh_in_progress.json"))) {
            return None;
        }
        log::info!("a login of mcp-remote was found in {}", folder.display());
        return Some(record);
    }
    None
}

/// The directory of all versions since 0.3.2, then those of older versions, newest first. A directory of a later format
/// is not read.
fn folders(cache: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name.strip_prefix("mcp-remote-")?;
        let numbers: Vec<u64> = match version {
            "v1" => vec![u64::MAX],
            later if later.starts_with('v') => {
                log::info!(
                    "logins of mcp-remote in {} are in a format of its own that is not known",
                    entry.path().display()
                );
                return None;
            }
            _ => version.split(['.', '-']).map(|part| part.parse().unwrap_or_default()).collect(),
        };
        Some((numbers, entry.path()))
    });
    let mut folders: Vec<_> = found.collect();
    folders.sort_by(|(one, _), (other, _)| other.cmp(one));
    folders.into_iter().map(|(_, folder)| folder).collect()
}

/// The hashes that may begin the names of the files, the one of exactly these options first.
fn names(options: &McpRemoteOptions) -> Vec<String> {
    let other_slash = match options.url.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{}/", options.url),
    };
    let variants = |url| {
        let exact = McpRemoteOptions { url, ..*options };
        let without_headers = McpRemoteOptions { headers: &[], ..exact };
        [exact, without_headers, McpRemoteOptions { url, ..McpRemoteOptions::default() }]
    };
    [options.url, &other_slash].into_iter().flat_map(variants).map(|options| name(&options)).collect()
}

fn name(options: &McpRemoteOptions) -> String {
    let mut parts = vec![options.url.to_owned()];
    parts.extend(options.resource.map(str::trim).filter(|resource| !resource.is_empty()).map(str::to_owned));
    parts.extend(object(options.authorize_params));
    parts.extend(object(options.headers));
    parts.extend(options.client_metadata_url.into_iter().chain(options.token_endpoint).map(str::to_owned));
    format!("{:x}", md5::compute(parts.join("|")))
}

/// The text of `JSON.stringify` for an object with sorted names.
fn object(pairs: &[(String, String)]) -> Option<String> {
    let sorted: Map<_, _> = pairs.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    (!sorted.is_empty()).then(|| Value::Object(sorted).to_string())
}

/// Reads `<hash>_tokens.json` and `<hash>_client_info.json` of any version.
fn read(folder: &Path, name: &str) -> Option<Record> {
    let path = folder.join(format!("{name}_tokens.json"));
    let cached = json(&path)?;
    let access_token = text(&cached, "access_token")?;
    super::headers::authorization("Bearer", &Secret::new(access_token))?;
    let written = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).unwrap_or(UNIX_EPOCH);
    let client = json(&folder.join(format!("{name}_client_info.json")));
    let issuer = text(&cached, "issuer").or_else(|| text(client.as_ref()?, "issuer"));
    Some(Record {
        requested_scope: text(&cached, "requested_scope").map(str::to_owned),
        issuer: issuer.map(|issuer| Issuer { issuer: issuer.to_owned(), ..Issuer::default() }),
        client: client.as_ref().and_then(client_of),
        tokens: Some(tokens_of(&cached, access_token, written)),
        ..Record::default()
    })
}

fn json(path: &Path) -> Option<Map<String, Value>> {
    serde_json::from_str(&read_text(path).ok()?).ok()
}

/// A member that is a valid number of seconds, or with 1000 `per_second` of milliseconds.
fn duration(from: &Map<String, Value>, name: &str, per_second: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(from.get(name)?.as_f64()? / per_second).ok()
}

fn tokens_of(cached: &Map<String, Value>, access_token: &str, written: SystemTime) -> Tokens {
    let written = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Old versions stored no time; they wrote the file when they received the tokens.
    let (obtained, lifetime) = match (duration(cached, "expires_at", 1000.0), duration(cached, "expires_in", 1.0)) {
        (Some(end), Some(lifetime)) => (end.saturating_sub(lifetime), Some(lifetime)),
        (Some(end), None) => (written.min(end), Some(end.saturating_sub(written))),
        (None, lifetime) => (written, lifetime),
    };
    Tokens {
        access_token: Secret::new(access_token),
        token_type: text(cached, "token_type").unwrap_or("Bearer").to_owned(),
        refresh_token: text(cached, "refresh_token").map(Secret::new),
        id_token: text(cached, "id_token").map(Secret::new),
        scope: text(cached, "scope").map(str::to_owned),
        obtained_at: obtained.as_secs(),
        lifetime: lifetime.map(|lifetime| lifetime.as_secs()),
        refresh_with_scope: false,
    }
}

fn client_of(cached: &Map<String, Value>) -> Option<Client> {
    Some(Client {
        client_id: text(cached, "client_id")?.to_owned(),
        client_secret: text(cached, "client_secret").map(Secret::new),
        token_endpoint_auth_method: text(cached, "token_endpoint_auth_method").map(str::to_owned),
        origin: Origin::Dynamic,
        redirect_uris: list(cached, "redirect_uris"),
        client_secret_expires_at: duration(cached, "client_secret_expires_at", 1.0).map(|at| at.as_secs()),
        scope: text(cached, "scope").map(str::to_owned),
        ..Client::default()
    })
}

/// Whether mcp-remote is refreshing these tokens now.
fn is_refreshing(path: &Path) -> bool {
    let started = json(path).and_then(|lease| UNIX_EPOCH.checked_add(duration(&lease, "at", 1000.0)?));
    started.and_then(|started| started.elapsed().ok()).is_some_and(|elapsed| elapsed < LEASE)
}

#[cfg(test)]
mod tests;
