//! What is remembered of a server from run to run: its last answer to `initialize`, and which transport it spoke.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// After this the transport is found out anew.
const VERDICT_HOLDS: Duration = Duration::from_secs(7 * 24 * 3600);

/// After this a result is kept again though it is the same, so that the verdict stays fresh.
const KEPT_ANEW: Duration = Duration::from_secs(24 * 3600);

/// One server's file. Its name is a hash, because the address may hold a secret.
#[derive(Clone)]
pub(super) struct Memory {
    path: Option<PathBuf>,
}

/// What a server was like.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The result of `initialize`.
    pub(super) initialize: Map<String, Value>,
    /// It spoke HTTP+SSE.
    #[serde(default)]
    pub(super) http_sse: bool,
    /// Seconds since 1970.
    saved: u64,
}

impl Memory {
    pub(super) fn new(home: Option<&Path>, uri: &Uri) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, uri.to_string().as_bytes());
        let name = digest.as_ref()[..16].iter().fold(0u128, |name, &byte| name << 8 | u128::from(byte));
        Self { path: home.map(|home| home.join("servers").join(format!("{name:032x}.json"))) }
    }

    /// What was kept, however old; nothing if there is none that can be read.
    pub(super) fn recall(&self) -> Option<Kept> {
        serde_json::from_slice(&std::fs::read(self.path.as_ref()?).ok()?).ok()
    }

    /// Whether the server spoke HTTP+SSE not long ago.
    pub(super) fn speaks_http_sse(&self) -> bool {
        self.recall().is_some_and(|kept| kept.http_sse && now().saturating_sub(kept.saved) < VERDICT_HOLDS.as_secs())
    }

    /// Keeps a result, unless it is what was kept a short while ago: programs start us all the time. Failing to is no reason to bother anybody: it costs a synthetic answer some day.
    pub(super) fn keep(&self, result: &RawValue, http_sse: bool) {
        let Ok(initialize) = serde_json::from_str(result.get()) else { return };
        let known = self.recall().is_some_and(|kept| {
            kept.initialize == initialize
                && kept.http_sse == http_sse
                && now().saturating_sub(kept.saved) < KEPT_ANEW.as_secs()
        });
        if known {
            return;
        }
        if let Err(error) = self.write(&Kept { initialize, http_sse, saved: now() }) {
            tracing::debug!("the server's answer could not be kept: {error}");
        }
    }

    /// Written whole or not at all: several bridges start at once.
    fn write(&self, kept: &Kept) -> std::io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let Some(folder) = path.parent() else { return Ok(()) };
        create_private(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, kept)?;
        file.persist(path)?;
        Ok(())
    }
}

#[cfg(unix)]
fn create_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A folder in the user's profile is the user's alone already.
#[cfg(windows)]
fn create_private(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
