//! Has mcp-remote logged in here already?
//!
//! Its cache below `~/.mcp-auth` is read, so that changing over needs no new login, and never written. Whoever has a
//! record of their own, even one that says "logged out", has no need of this: a refresh token that two programs share
//! is soon dead.

mod md5;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::metadata::text;
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
    let mut sorted = Map::new();
    sorted.extend(pairs.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    (!sorted.is_empty()).then(|| Value::Object(sorted).to_string())
}

/// From `<hash>_tokens.json` and `<hash>_client_info.json`, of any version.
fn read(folder: &Path, name: &str) -> Option<Record> {
    let path = folder.join(format!("{name}_tokens.json"));
    let theirs = json(&path)?;
    let access_token = text(&theirs, "access_token")?;
    super::headers::authorization("Bearer", &Secret::new(access_token))?;
    let client = json(&folder.join(format!("{name}_client_info.json")));
    let issuer = text(&theirs, "issuer").or_else(|| text(client.as_ref()?, "issuer"));
    Some(Record {
        requested_scope: text(&theirs, "requested_scope").map(str::to_owned),
        issuer: issuer.map(|issuer| Issuer { issuer: issuer.to_owned(), ..Issuer::default() }),
        client: client.as_ref().and_then(client_of),
        tokens: Some(tokens_of(&theirs, access_token, modified(&path))),
        ..Record::default()
    })
}

fn json(path: &Path) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&std::fs::read(path).ok()?).ok()? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// A number of another program's, if it can be one of seconds.
fn seconds(from: &Map<String, Value>, name: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(from.get(name)?.as_f64()?).ok()
}

/// The same of milliseconds.
fn milliseconds(from: &Map<String, Value>, name: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(from.get(name)?.as_f64()? / 1000.0).ok()
}

fn modified(path: &Path) -> SystemTime {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(UNIX_EPOCH)
}

fn tokens_of(theirs: &Map<String, Value>, access_token: &str, written: SystemTime) -> Tokens {
    let written = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Old versions noted no time: their file was written when the tokens came.
    let (obtained, lifetime) = match (milliseconds(theirs, "expires_at"), seconds(theirs, "expires_in")) {
        (Some(end), Some(lifetime)) => (end.saturating_sub(lifetime), Some(lifetime)),
        (Some(end), None) => (written.min(end), Some(end.saturating_sub(written))),
        (None, lifetime) => (written, lifetime),
    };
    Tokens {
        access_token: Secret::new(access_token),
        token_type: text(theirs, "token_type").unwrap_or("Bearer").to_owned(),
        refresh_token: text(theirs, "refresh_token").map(Secret::new),
        id_token: text(theirs, "id_token").map(Secret::new),
        scope: text(theirs, "scope").map(str::to_owned),
        obtained_at: obtained.as_secs(),
        lifetime: lifetime.map(|lifetime| lifetime.as_secs()),
        refresh_with_scope: false,
    }
}

/// The answer to a registration.
fn client_of(theirs: &Map<String, Value>) -> Option<Client> {
    let uris = theirs.get("redirect_uris").and_then(Value::as_array);
    Some(Client {
        client_id: text(theirs, "client_id")?.to_owned(),
        client_secret: text(theirs, "client_secret").map(Secret::new),
        token_endpoint_auth_method: text(theirs, "token_endpoint_auth_method").map(str::to_owned),
        origin: Origin::Dynamic,
        redirect_uris: uris.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        client_secret_expires_at: seconds(theirs, "client_secret_expires_at").map(|at| at.as_secs()),
        scope: text(theirs, "scope").map(str::to_owned),
    })
}

/// How long a refresh of theirs that is under way may yet take.
fn lease(path: &Path) -> Option<Duration> {
    let began = UNIX_EPOCH.checked_add(milliseconds(&json(path)?, "at")?)?;
    LEASE.checked_sub(began.elapsed().ok()?).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests;
