//! Has mcp-remote logged in here already?
//!
//! Its cache below `~/.mcp-auth` is read, so that changing over needs no new login, and never written. Whoever has a
//! record of their own, even one that says "logged out", has no need of this: a refresh token that two programs share
//! is soon dead.

mod md5;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::record::{Client, Issuer, Origin, Record, Tokens};
use crate::log::{self, Secret};
use md5::md5_hex;

/// For this long a refresh of mcp-remote's own is believed to be under way.
const LEASE: Duration = Duration::from_secs(30);

/// What mcp-remote makes the names of its files from: all of it as it was typed there, before variables are filled in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Typed<'a> {
    /// The server's address.
    pub url: &'a str,
    /// `--resource`.
    pub resource: Option<&'a str>,
    /// `--authorize-param`s.
    pub authorize_params: &'a [(String, String)],
    /// `--header`s.
    pub headers: &'a [(String, String)],
    /// `--client-metadata-url`.
    pub client_metadata_url: Option<&'a str>,
    /// `--token-endpoint`.
    pub token_endpoint: Option<&'a str>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Import {
    /// A login, to be kept as ours. Its issuer, if it is known at all, has no metadata: that is to be discovered before
    /// a refresh.
    Found(Box<Record>),
    /// mcp-remote is spending its refresh token right now: look again after this, or log in.
    Busy(Duration),
    /// Nothing that can be used.
    Nothing,
}

/// Where mcp-remote keeps its cache.
pub fn cache() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("MCP_REMOTE_CONFIG_DIR").filter(|given| !given.is_empty()) {
        return Some(given.into());
    }
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".mcp-auth"))
}

/// Looks for the login that fits best: the newest directory that has one, and there the exact one before one that was
/// made without the headers or with another slash at the end of the address.
pub fn find(cache: &Path, typed: &Typed) -> Import {
    let names = names(typed);
    let folders = folders(cache);
    let places = folders.iter().flat_map(|folder| names.iter().map(move |name| (folder, name)));
    for (folder, name) in places {
        let Some(record) = read(folder, name) else { continue };
        return match lease(&folder.join(format!("{name}_refresh_in_progress.json"))) {
            Some(left) => Import::Busy(left),
            None => {
                log::info!("a login of mcp-remote's is taken over from {}", folder.display());
                Import::Found(Box::new(record))
            }
        };
    }
    Import::Nothing
}

/// The one directory of all versions since 0.3.2, then those of the versions before, newest first.
fn folders(cache: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name.strip_prefix("mcp-remote-")?;
        let numbers: Vec<u64> = match version {
            "v1" => vec![u64::MAX],
            _ => version.split(['.', '-']).map(|part| part.parse().unwrap_or_default()).collect(),
        };
        Some((numbers, entry.path()))
    });
    let mut folders: Vec<(Vec<u64>, PathBuf)> = Vec::new();
    for folder in found {
        folders.insert(folders.partition_point(|(version, _)| *version >= folder.0), folder);
    }
    folders.into_iter().map(|(_, folder)| folder).collect()
}

/// The hashes that may begin the names of the files, the exact one first.
fn names(typed: &Typed) -> Vec<String> {
    let other_slash = match typed.url.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{}/", typed.url),
    };
    let mut names = Vec::new();
    for url in [typed.url, &other_slash] {
        let without_headers = Typed { url, headers: &[], ..*typed };
        let alone = Typed { url, ..Typed::default() };
        names.extend([Typed { url, ..*typed }, without_headers, alone].iter().map(name));
    }
    let mut seen = Vec::new();
    names.retain(|name| {
        !seen.contains(name) && {
            seen.push(name.clone());
            true
        }
    });
    names
}

fn name(typed: &Typed) -> String {
    let mut parts = vec![typed.url.to_owned()];
    parts.extend(typed.resource.map(str::trim).filter(|resource| !resource.is_empty()).map(str::to_owned));
    parts.extend(object(typed.authorize_params));
    parts.extend(object(typed.headers));
    parts.extend(typed.client_metadata_url.into_iter().chain(typed.token_endpoint).map(str::to_owned));
    md5_hex(&parts.join("|"))
}

/// As `JSON.stringify` writes an object with its names in order.
fn object(pairs: &[(String, String)]) -> Option<String> {
    let sorted: std::collections::BTreeMap<_, _> = pairs.iter().map(|(name, value)| (name, value)).collect();
    (!sorted.is_empty()).then(|| serde_json::to_string(&sorted).ok()).flatten()
}

/// `<hash>_tokens.json`, of any version.
#[derive(Deserialize)]
struct TheirTokens {
    access_token: String,
    token_type: Option<String>,
    refresh_token: Option<String>,
    id_token: Option<String>,
    scope: Option<String>,
    requested_scope: Option<String>,
    issuer: Option<String>,
    expires_in: Option<f64>,
    /// Milliseconds since 1970.
    expires_at: Option<f64>,
}

/// `<hash>_client_info.json`: the answer to a registration.
#[derive(Deserialize)]
struct TheirClient {
    client_id: String,
    client_secret: Option<String>,
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    client_secret_expires_at: Option<f64>,
    scope: Option<String>,
    issuer: Option<String>,
}

fn read(folder: &Path, name: &str) -> Option<Record> {
    let path = folder.join(format!("{name}_tokens.json"));
    let theirs: TheirTokens = json(&path)?;
    let can_be_sent = |token: &str| super::authorization("Bearer", &Secret::new(token.to_owned())).is_some();
    if theirs.access_token.is_empty() || !can_be_sent(&theirs.access_token) {
        return None;
    }
    let client: Option<TheirClient> = json(&folder.join(format!("{name}_client_info.json")));
    let issuer = theirs.issuer.clone().or_else(|| client.as_ref()?.issuer.clone());
    Some(Record {
        requested_scope: theirs.requested_scope.clone(),
        issuer: issuer.map(|issuer| Issuer { issuer, ..Issuer::default() }),
        client: client.map(client_of),
        tokens: Some(tokens_of(theirs, modified(&path))),
        ..Record::default()
    })
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn modified(path: &Path) -> SystemTime {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(UNIX_EPOCH)
}

fn tokens_of(theirs: TheirTokens, written: SystemTime) -> Tokens {
    let written = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    let lifetime = theirs.expires_in.and_then(seconds);
    // Old versions noted no time: their file was written when the tokens came.
    let (obtained, lifetime) = match (theirs.expires_at.and_then(|at| seconds(at / 1000.0)), lifetime) {
        (Some(end), Some(lifetime)) => (end.saturating_sub(lifetime), Some(lifetime)),
        (Some(end), None) => (written.min(end), Some(end.saturating_sub(written))),
        (None, lifetime) => (written, lifetime),
    };
    Tokens {
        access_token: Secret::new(theirs.access_token),
        token_type: theirs.token_type.unwrap_or_else(|| "Bearer".to_owned()),
        refresh_token: theirs.refresh_token.filter(|token| !token.is_empty()).map(Secret::new),
        id_token: theirs.id_token.map(Secret::new),
        scope: theirs.scope,
        obtained_at: obtained.as_secs(),
        lifetime: lifetime.map(|lifetime| lifetime.as_secs()),
        refresh_with_scope: false,
    }
}

/// A number of another program's, if it can be one of seconds.
fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

fn client_of(theirs: TheirClient) -> Client {
    Client {
        client_id: theirs.client_id,
        client_secret: theirs.client_secret.map(Secret::new),
        token_endpoint_auth_method: theirs.token_endpoint_auth_method,
        origin: Origin::Dynamic,
        redirect_uris: theirs.redirect_uris,
        client_secret_expires_at: theirs.client_secret_expires_at.and_then(seconds).map(|at| at.as_secs()),
        scope: theirs.scope,
    }
}

/// How long a refresh of theirs that is under way may yet take.
fn lease(path: &Path) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Lease {
        /// Milliseconds since 1970.
        at: f64,
    }
    let lease: Lease = json(path)?;
    let began = UNIX_EPOCH + seconds(lease.at / 1000.0)?;
    LEASE.checked_sub(began.elapsed().ok()?).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests;
