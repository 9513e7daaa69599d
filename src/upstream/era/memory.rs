//! What is known of a server from earlier runs? Its last `initialize` and `server/discover` results, its lists, and what
//! it speaks.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use crate::files::{self, Newer};
use crate::log;
use crate::translate::to_modern::results;

/// The format of the files.
const FORMAT: u64 = 1;

/// After this the era and the transport are found out anew.
const FINDINGS_HOLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// After this a record is written again though nothing in it has changed, so that the findings stay fresh.
const WRITTEN_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// What a server said is not worth a file that is longer, in bytes: its lists are left out first, that of tools last.
const LONGEST_FILE: usize = 1024 * 1024;

/// The method of the list that is kept the longest.
const TOOLS: &str = "tools/list";

/// A file that no program has used for this long is removed.
const UNUSED: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long the end of the process waits for what is being written.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// One server's record, as this login and profile see the server. It is read once, at the start; changes are written by
/// threads of their own. Clones are the same.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Inner>);

struct Inner {
    /// `None` where there is no home directory.
    path: Option<PathBuf>,
    /// Whether the file was there: if it is there no more, a logout has removed it. Reading and writing it set this; a
    /// removal clears it.
    is_on_disk: Arc<AtomicBool>,
    /// Whoever finds something out changes it; openings and lists read it.
    record: Mutex<Record>,
    /// The pages of each list that is being requested, by its method, and their length; `None` if they are too long to
    /// keep.
    pages: Mutex<HashMap<&'static str, Option<Pages>>>,
    /// Changes on their way to the file. The end waits for them.
    writes: Mutex<JoinSet<()>>,
    /// Held by the thread that changes the file: each change is read, made and written.
    file: Arc<Mutex<()>>,
}

/// The items of the pages of a list, and their length.
type Pages = (Vec<Value>, usize);

/// What a server was like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// The result of `initialize`.
    pub(crate) initialize: Option<Map<String, Value>>,
    /// The result of `server/discover`.
    pub(crate) discover: Option<Map<String, Value>>,
    /// The result of `tools/list`, all pages, for times when a login is missing or the server is late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tools: Option<Vec<Value>>,
    /// The same of the other lists, by their method.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    lists: BTreeMap<String, Vec<Value>>,
    /// It spoke HTTP+SSE.
    pub(crate) http_sse: bool,
    /// It speaks a modern revision, or does not; `None` if it was never sent `server/discover`.
    pub(crate) modern: Option<bool>,
    /// Its legacy clients are served through the translator: it has no legacy side, or one that can do less.
    pub(crate) translated: bool,
    /// Seconds since 1970.
    saved: u64,
    /// [`FORMAT`], in files.
    format: u64,
}

impl Record {
    fn is_younger_than(&self, age: Duration) -> bool {
        now().saturating_sub(self.saved) < age.as_secs()
    }

    /// Makes a change, after dropping findings that are too old.
    fn change(&mut self, change: &impl Fn(&mut Self)) {
        if !self.is_younger_than(FINDINGS_HOLD) {
            let Self { initialize, discover, tools, lists, .. } = std::mem::take(self);
            *self = Self { initialize, discover, tools, lists, ..Self::default() };
        }
        change(self);
        if !fits(self, LONGEST_FILE) {
            self.lists.clear();
        }
        if !fits(self, LONGEST_FILE) {
            self.tools = None;
        }
        if !fits(self, LONGEST_FILE) {
            (self.initialize, self.discover) = (None, None);
        }
    }

    /// Whether there is a result of the server for the client's first message.
    pub(crate) fn is_known(&self) -> bool {
        self.initialize.is_some() || self.discover.is_some()
    }

    /// The items of the list that is requested by this method.
    pub(crate) fn list(&self, method: &str) -> Option<&Vec<Value>> {
        if method == TOOLS { self.tools.as_ref() } else { self.lists.get(method) }
    }

    fn set_list(&mut self, method: &str, items: Vec<Value>) {
        if method == TOOLS {
            self.tools = Some(items);
        } else {
            self.lists.insert(method.to_owned(), items);
        }
    }

    /// `None` if there is no file, or one that is damaged.
    fn read(path: &Path) -> Result<Option<Self>, Newer> {
        let is_safe = path.parent().is_some_and(|folder| files::check_folder(folder).is_ok());
        let Some(bytes) = files::read(path, LONGEST_FILE).ok().filter(|_| is_safe) else { return Ok(None) };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(record) if record.format <= FORMAT => Ok(Some(record)),
            _ => files::check_format(&bytes, FORMAT).map(|()| None),
        }
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
    /// Reads the file of this name (`Authorizer::name`): what a server tells one login is not for another.
    pub(crate) fn load(home: Option<&Path>, name: &str) -> Self {
        let mut path = home.map(|home| folder(home).join(format!("{name}.json")));
        let record = match path.as_deref().map_or(Ok(None), Record::read) {
            Ok(record) => record,
            Err(newer) => {
                let file = path.take().unwrap_or_default();
                log::warn!(
                    "what is known of the server in {} {newer}, and is not used; {}",
                    file.display(),
                    files::UPDATE
                );
                None
            }
        };
        let memory = Self(Arc::new(Inner {
            path,
            is_on_disk: Arc::new(AtomicBool::new(record.is_some())),
            record: Mutex::new(record.unwrap_or_default()),
            pages: Mutex::default(),
            writes: Mutex::default(),
            file: Arc::default(),
        }));
        if let Some(folder) = home.map(folder) {
            memory.0.writes.lock().spawn_blocking(move || files::sweep(&folder, files::ABANDONED, UNUSED));
        }
        memory
    }

    /// Reads what is known, however old.
    pub(crate) fn recall<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        let mut record = self.0.record.lock();
        // Seldom enough for a system call, which the system answers from memory.
        let is_gone =
            |path: &PathBuf| path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if self.0.is_on_disk.load(Ordering::Relaxed) && self.0.path.as_ref().is_some_and(is_gone) {
            self.0.is_on_disk.store(false, Ordering::Relaxed);
            (record.initialize, record.discover, record.tools) = (None, None, None);
            record.lists.clear();
        }
        read(&record)
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
        let (file, is_on_disk) = (Arc::clone(&self.0.file), Arc::clone(&self.0.is_on_disk));
        let mut writes = self.0.writes.lock();
        while writes.try_join_next().is_some() {}
        writes.spawn_blocking(move || {
            let _file = file.lock();
            // Read again: other processes write to it too.
            let Ok(record) = Record::read(&path) else { return };
            let mut record = record.unwrap_or_default();
            record.change(&change);
            (record.saved, record.format) = (now(), FORMAT);
            let written = serde_json::to_vec(&record).map_err(std::io::Error::from);
            match written.and_then(|bytes| files::replace_cache(&path, &bytes)) {
                Ok(()) => is_on_disk.store(true, Ordering::Relaxed),
                Err(error) => log::debug!("what is known of the server could not be written: {error}"),
            }
        });
    }

    /// Keeps a page of the list that is requested by this method, and with the last page all of it.
    pub(crate) fn keep_page(&self, method: &'static str, page: Vec<Value>, is_first: bool, is_last: bool) {
        let mut kept = self.0.pages.lock();
        if is_first {
            kept.insert(method, Some((Vec::new(), 0)));
        }
        let Some(kept_list) = kept.get_mut(method) else { return };
        let room = kept_list.as_ref().map_or(0, |(_, length)| LONGEST_FILE.saturating_sub(*length));
        let (Some(added), Some((pages, length))) = (length(&page, room), kept_list.as_mut()) else {
            *kept_list = None;
            return;
        };
        pages.extend(page);
        *length += added;
        if is_last && let Some(Some((items, _))) = kept.remove(method) {
            self.keep_list(method, items);
        }
    }

    /// Keeps a whole list.
    pub(crate) fn keep_list(&self, method: &'static str, items: Vec<Value>) {
        self.learn(move |record| record.set_list(method, items.clone()));
    }

    /// Waits until the file is written, for a moment.
    pub(crate) async fn flush(&self) {
        let mut writes = std::mem::take(&mut *self.0.writes.lock());
        drop(tokio::time::timeout(LAST_WRITE, async { while writes.join_next().await.is_some() {} }).await);
    }
}

fn folder(home: &Path) -> PathBuf {
    home.join("servers")
}

/// Removes what is known of servers through the login of this name, or through any. An error names what is left.
pub(crate) fn forget(home: &Path, login: Option<&str>) -> Result<(), (PathBuf, io::Error)> {
    let folder = folder(home);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err((folder, error)),
    };
    let is_of_login = |name: &str| login.is_none_or(|login| name.starts_with(login));
    let mut left = Ok(());
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.file_name().is_some_and(|name| is_of_login(&name.to_string_lossy()))
            && let Err(error) = files::remove(&path)
        {
            left = Err((path, error));
        }
    }
    left
}

/// Whether a value as JSON is no longer than this.
fn fits(value: &impl Serialize, most: usize) -> bool {
    length(value, most).is_some()
}

/// The length of a value as JSON, unless it is longer than this.
fn length(value: &impl Serialize, most: usize) -> Option<usize> {
    struct Counter {
        left: usize,
    }
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter { left: most };
    serde_json::to_writer(&mut counter, value).ok().map(|()| most - counter.left)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A server's tools of this length in all.
    fn tools(length: usize) -> Vec<Value> {
        vec![json!({ "name": "long", "description": "x".repeat(length) })]
    }

    #[tokio::test]
    async fn what_is_kept_of_a_server_is_never_longer_than_a_megabyte() {
        let home = tempfile::tempdir().unwrap();
        let memory = Memory::load(Some(home.path()), "a");
        memory.learn(|record| record.modern = Some(true));
        memory.keep_page(TOOLS, tools(600_000), true, false);
        memory.keep_page(TOOLS, tools(600_000), false, true);
        assert_eq!(memory.recall(|record| record.tools.clone()), None, "the pages are too long together");
        memory.keep_page(TOOLS, tools(600_000), true, true);
        memory.learn(|record| record.initialize = tools(600_000)[0].as_object().cloned());
        memory.flush().await;
        let kept = memory.recall(Clone::clone);
        assert!(kept.tools.is_none() && kept.initialize.is_some(), "the list of tools is left out first");
        memory.learn(|record| record.discover = tools(2_000_000)[0].as_object().cloned());
        memory.flush().await;
        let path = home.path().join("servers/a.json");
        assert!(std::fs::metadata(&path).unwrap().len() <= 1024 * 1024);
        let again = Memory::load(Some(home.path()), "a");
        assert_eq!(again.findings().modern, Some(true), "what was found out needs little room, and is kept");
        std::fs::write(&path, vec![b' '; LONGEST_FILE + 1]).unwrap();
        assert_eq!(Memory::load(Some(home.path()), "a").findings(), Record::default(), "a longer file is not ours");
    }

    #[tokio::test]
    async fn what_a_logout_removes_is_not_told_again() {
        let home = tempfile::tempdir().unwrap();
        let [memory, other] = ["a", "b"].map(|name| Memory::load(Some(home.path()), name));
        memory.keep_page(TOOLS, tools(1), true, true);
        other.keep_page(TOOLS, tools(2), true, true);
        memory.flush().await;
        other.flush().await;
        assert!(memory.recall(|record| record.tools.is_some()));
        forget(home.path(), Some("a")).unwrap();
        assert!(
            memory.recall(|record| record.tools.is_none()),
            "a program that runs on tells nothing of the old login"
        );
        assert!(Memory::load(Some(home.path()), "a").recall(|record| record.tools.is_none()));
        assert_eq!(other.recall(|record| record.tools.clone()), Some(tools(2)), "another login keeps what it knows");
    }

    #[tokio::test]
    async fn abandoned_and_unused_files_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("servers");
        std::fs::create_dir(&folder).unwrap();
        let file = |name: &str, age: u64| {
            let path = folder.join(name);
            let file = std::fs::File::create(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            path
        };
        let [killed, unused] = [file(".unfinished-1", 3600), file("old.json", 100 * 24 * 3600)];
        let [young, used] = [file(".unfinished-2", 1), file("new.json", 24 * 3600)];
        Memory::load(Some(home.path()), "a").flush().await;
        assert!(!killed.exists() && !unused.exists() && young.exists() && used.exists());
    }
}
