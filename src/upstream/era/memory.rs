//! What is known of a server from earlier runs? Its last `initialize` and `server/discover` results, its tools, and
//! what it speaks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Uri;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use crate::files;
use crate::log;
use crate::translate::to_modern::results;

/// After this the era and the transport are found out anew.
const FINDINGS_HOLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// After this a record is written again though nothing in it has changed, so that the findings stay fresh.
const WRITTEN_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// A list of tools that is longer is not worth a file.
const MOST_TOOLS: usize = 5000;

/// How long the end of the process waits for what is being written.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// One server's record. It is read once, at the start; changes are written by threads of their own. Clones are the
/// same.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Inner>);

struct Inner {
    /// The file's name is a hash, because the address may hold a secret. `None` where there is no home directory.
    path: Option<PathBuf>,
    /// Whoever finds something out changes it; openings and lists read it.
    record: Mutex<Record>,
    /// The pages of a list of tools that is being requested.
    pages: Mutex<Vec<Value>>,
    /// Changes on their way to the file. The end waits for them.
    writes: Mutex<JoinSet<()>>,
    /// Held by the thread that changes the file: each change is read, made and written.
    file: Arc<Mutex<()>>,
}

/// What a server was like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// The result of `initialize`.
    pub(crate) initialize: Option<Map<String, Value>>,
    /// The result of `server/discover`.
    pub(crate) discover: Option<Map<String, Value>>,
    /// The result of `tools/list`, all pages, for times when a login is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tools: Option<Vec<Value>>,
    /// It spoke HTTP+SSE.
    pub(crate) http_sse: bool,
    /// It speaks a modern revision, or does not; `None` if it was never sent `server/discover`.
    pub(crate) modern: Option<bool>,
    /// Its legacy clients are served through the translator: it has no legacy side, or one that can do less.
    pub(crate) translated: bool,
    /// Seconds since 1970.
    saved: u64,
}

impl Record {
    fn is_younger_than(&self, age: Duration) -> bool {
        now().saturating_sub(self.saved) < age.as_secs()
    }

    /// Makes a change, after dropping findings that are too old.
    fn change(&mut self, change: &impl Fn(&mut Self)) {
        if !self.is_younger_than(FINDINGS_HOLD) {
            let Self { initialize, discover, tools, .. } = std::mem::take(self);
            *self = Self { initialize, discover, tools, ..Self::default() };
        }
        change(self);
    }

    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// The result of `initialize` for a client that requests this revision, from whichever result there is. `name`: the
    /// server's, if it names none.
    pub(crate) fn initialize_result(&self, revision: &str, name: &str) -> Option<Value> {
        if let Some(initialize) = self.initialize.as_ref().filter(|_| !self.translated) {
            return Some(Value::Object(initialize.clone()));
        }
        let discovered = serde_json::to_string(self.discover.as_ref()?).ok()?;
        serde_json::from_str(&results::initialize_result(&discovered, revision, name)?).ok()
    }
}

impl Memory {
    /// Reads the server's file. Call it before the runtime has anything else to do.
    pub(crate) fn load(home: Option<&Path>, uri: &Uri) -> Self {
        let name = files::hashed_name(&uri.to_string());
        let path = home.map(|home| home.join("servers").join(format!("{name}.json")));
        let record = path.as_deref().and_then(Record::read).unwrap_or_default();
        Self(Arc::new(Inner {
            path,
            record: Mutex::new(record),
            pages: Mutex::default(),
            writes: Mutex::default(),
            file: Arc::default(),
        }))
    }

    /// Reads what is known, however old.
    pub(crate) fn recall<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        read(&self.0.record.lock())
    }

    /// What was found out not long ago.
    pub(crate) fn findings(&self) -> Record {
        let record = self.0.record.lock();
        let Record { http_sse, modern, translated, saved, .. } = *record;
        let findings = Record { http_sse, modern, translated, saved, ..Record::default() };
        if record.is_younger_than(FINDINGS_HOLD) { findings } else { Record::default() }
    }

    /// Changes the record, and the file unless nothing has changed since a short while ago: programs start the bridge
    /// all the time. A file that cannot be written costs a synthetic answer some day, and so only a line in the log.
    pub(crate) fn learn(&self, change: impl Fn(&mut Record) + Send + 'static) {
        let mut record = self.0.record.lock();
        let before = record.clone();
        record.change(&change);
        if *record == before && before.is_younger_than(WRITTEN_AGAIN) {
            return;
        }
        record.saved = now();
        let Some(path) = self.0.path.clone() else { return };
        let file = Arc::clone(&self.0.file);
        let mut writes = self.0.writes.lock();
        while writes.try_join_next().is_some() {}
        writes.spawn_blocking(move || {
            let _file = file.lock();
            // Read again: other processes write to it too.
            let mut record = Record::read(&path).unwrap_or_default();
            record.change(&change);
            record.saved = now();
            let written = serde_json::to_vec(&record).map_err(std::io::Error::from);
            if let Err(error) = written.and_then(|bytes| files::replace_cache(&path, &bytes)) {
                log::debug!("what is known of the server could not be written: {error}");
            }
        });
    }

    /// Keeps a page of the server's tools, and with the last page all of them.
    pub(crate) fn keep_tools(&self, page: Vec<Value>, is_first: bool, is_last: bool) {
        let mut pages = self.0.pages.lock();
        if is_first {
            pages.clear();
        }
        pages.extend(page);
        if is_last && pages.len() <= MOST_TOOLS {
            let tools = std::mem::take(&mut *pages);
            self.learn(move |record| record.tools = Some(tools.clone()));
        }
    }

    /// Waits until the file is written, for a moment.
    pub(crate) async fn flush(&self) {
        let mut writes = std::mem::take(&mut *self.0.writes.lock());
        drop(tokio::time::timeout(LAST_WRITE, async { while writes.join_next().await.is_some() {} }).await);
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
