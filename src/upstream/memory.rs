//! What is remembered of a server from run to run: its last greeting in either era, and what it was found to speak.

use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::files;
use crate::log;

use crate::translate::to_modern::greeting;

/// After this the era and the transport are found out anew.
const VERDICT_HOLDS: Duration = Duration::from_secs(7 * 24 * 3600);

/// After this a result is kept again though it is the same, so that the verdict stays fresh.
const KEPT_ANEW: Duration = Duration::from_secs(24 * 3600);

/// A list of tools that is longer is not worth a file.
const MOST_TOOLS: usize = 5000;

/// One server's file. Its name is a hash, because the address may hold a secret.
#[derive(Clone)]
pub(super) struct Memory {
    path: Option<PathBuf>,
    /// Pages of a list of tools that is being fetched.
    pages: Arc<Mutex<Vec<Value>>>,
}

/// What a server was like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// The result of `initialize`.
    pub(super) initialize: Option<Map<String, Value>>,
    /// The result of `server/discover`.
    pub(super) discover: Option<Map<String, Value>>,
    /// The result of `tools/list`, all pages, for times when nobody is logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tools: Option<Vec<Value>>,
    /// It spoke HTTP+SSE.
    pub(super) http_sse: bool,
    /// It answers, or refuses, `server/discover`; nothing if it was never asked.
    pub(super) modern: Option<bool>,
    /// Its legacy clients are served as modern ones: it has no legacy side, or one that can do less.
    pub(super) translated: bool,
    /// Seconds since 1970.
    saved: u64,
}

impl Kept {
    fn is_younger_than(&self, age: Duration) -> bool {
        now().saturating_sub(self.saved) < age.as_secs()
    }

    /// The result of `initialize` for a client that asks for this revision, from whichever greeting there is. `name`:
    /// the server's, if it says none.
    pub(super) fn greeting(mut self, revision: &str, name: &str) -> Option<Value> {
        if !self.translated
            && let Some(initialize) = self.initialize.take()
        {
            return Some(Value::Object(initialize));
        }
        let discovered = serde_json::to_string(&self.discover.take()?).ok()?;
        serde_json::from_str(&greeting::initialize_result(&discovered, revision, name)?).ok()
    }
}

impl Memory {
    pub(super) fn new(home: Option<&Path>, uri: &Uri) -> Self {
        let name = files::hashed_name(&uri.to_string());
        let path = home.map(|home| home.join("servers").join(format!("{name}.json")));
        Self { path, pages: Arc::default() }
    }

    /// What was kept, however old; nothing if there is none that can be read.
    pub(super) fn recall(&self) -> Option<Kept> {
        serde_json::from_slice(&std::fs::read(self.path.as_ref()?).ok()?).ok()
    }

    /// What was found out not long ago.
    pub(super) fn verdict(&self) -> Kept {
        self.recall().filter(|kept| kept.is_younger_than(VERDICT_HOLDS)).unwrap_or_default()
    }

    /// Keeps what was found out, unless that is what was kept a short while ago: programs start us all the time.
    /// Failing to is no reason to bother anybody: it costs a synthetic answer some day.
    pub(super) fn learn(&self, change: impl FnOnce(&mut Kept)) {
        let known = self.recall();
        let mut kept = known.clone().unwrap_or_default();
        if !kept.is_younger_than(VERDICT_HOLDS) {
            let Kept { initialize, discover, tools, .. } = kept;
            kept = Kept { initialize, discover, tools, ..Kept::default() };
        }
        change(&mut kept);
        if known.is_some_and(|known| known == kept && known.is_younger_than(KEPT_ANEW)) {
            return;
        }
        kept.saved = now();
        if let Err(error) = self.write(&kept) {
            log::debug!("what the server is like could not be kept: {error}");
        }
    }

    /// Keeps a page of the server's tools, and with the last one all of them.
    pub(super) fn keep_tools(&self, page: Vec<Value>, is_first: bool, is_last: bool) {
        let mut pages = self.pages.lock();
        if is_first {
            pages.clear();
        }
        pages.extend(page);
        if is_last && pages.len() <= MOST_TOOLS {
            let tools = std::mem::take(&mut *pages);
            self.learn(|kept| kept.tools = Some(tools));
        }
    }

    /// Written whole or not at all: several bridges start at once.
    fn write(&self, kept: &Kept) -> std::io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        files::replace_cache(path, &serde_json::to_vec(kept)?)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
