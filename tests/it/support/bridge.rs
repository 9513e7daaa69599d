//! The program that starts the bridge: it writes lines to its stdin, waits for lines on its stdout, and keeps the
//! accounts.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::accounts::Accounts;
use super::launch::Launch;
use super::{DEADLINE, REVISION, Upstream, initialize, initialized, peek, request};

/// What the reading threads have heard so far.
#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    /// How many of the lines the test has looked at, by place.
    taken: Vec<bool>,
    stderr: String,
    stdout_ended: bool,
    stderr_ended: bool,
}

#[derive(Default)]
struct Ears {
    heard: Mutex<Heard>,
    changed: Condvar,
    /// Whoever holds it keeps the next line unread.
    may_read: Mutex<()>,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) lines: Vec<String>,
    pub(crate) stderr: String,
    /// From the end of stdin, or the signal, to the end of the process.
    pub(crate) took: Duration,
}

/// A running bridge.
pub(crate) struct Bridge {
    child: Child,
    stdin: Option<mpsc::Sender<Vec<u8>>>,
    ears: Arc<Ears>,
    accounts: Accounts,
    asked_to_end: Option<Instant>,
    settled: bool,
    _home: TempDir,
}

impl Bridge {
    /// A bridge to this URL, still to be started.
    pub(crate) fn to(url: &str) -> Launch {
        Self::bare().arg(url)
    }

    /// A bridge with no arguments at all.
    pub(crate) fn bare() -> Launch {
        Launch::default()
    }

    /// A bridge to this upstream's `/mcp` that has shaken hands.
    pub(crate) fn connected(upstream: &Upstream) -> Self {
        let mut bridge = Self::to(&upstream.url("/mcp")).start();
        bridge.shake_hands();
        bridge
    }

    pub(super) fn new(mut child: Child, launch: Launch, home: TempDir) -> Self {
        let ears = Arc::new(Ears::default());
        let (stdin, lines) = mpsc::channel::<Vec<u8>>();
        let mut pipe = child.stdin.take().unwrap();
        // A bridge that does not read must not stop the test from noticing it.
        std::thread::spawn(move || {
            for bytes in lines {
                if pipe.write_all(&bytes).and_then(|()| pipe.flush()).is_err() {
                    return;
                }
            }
        });
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let listener = Arc::clone(&ears);
        std::thread::spawn(move || {
            let mut reader = BufReader::with_capacity(1 << 20, stdout);
            let mut line = Vec::new();
            // Framed messages end without a newline.
            let end = if launch.framed { b'}' } else { b'\n' };
            while reader.read_until(end, &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8(std::mem::take(&mut line)).expect("stdout is UTF-8");
                let mut heard = listener.heard.lock().unwrap();
                heard.lines.push(text);
                heard.taken.push(false);
                listener.changed.notify_all();
                if Some(heard.lines.len()) == launch.hang_up_after {
                    break;
                }
                drop(heard);
                drop(listener.may_read.lock());
            }
            drop(reader);
            listener.heard.lock().unwrap().stdout_ended = true;
            listener.changed.notify_all();
        });
        let listener = Arc::clone(&ears);
        std::thread::spawn(move || {
            if launch.stderr_unread {
                // Its end must not hang on a reader either: what is in the pipe is looked at when all is over.
                let heard = listener.heard.lock().unwrap();
                drop(listener.changed.wait_while(heard, |heard| !heard.stdout_ended).unwrap());
            }
            let mut reader = BufReader::new(stderr);
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                listener.heard.lock().unwrap().stderr += &String::from_utf8_lossy(&bytes[..read]);
                listener.changed.notify_all();
            }
            listener.heard.lock().unwrap().stderr_ended = true;
            listener.changed.notify_all();
        });
        Self {
            child,
            stdin: Some(stdin),
            ears,
            accounts: Accounts { secrets: launch.secrets, ..Accounts::default() },
            asked_to_end: None,
            settled: false,
            _home: home,
        }
    }

    /// Bytes as they are; what must be answered is the test's own business.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        // A bridge that has gone is noticed by whoever waits for its answer.
        drop(self.stdin.as_ref().expect("an open stdin").send(bytes.to_vec()));
    }

    /// One line; if it is a request, its answer is due exactly once.
    pub(crate) fn send(&mut self, line: &str) {
        let said = peek(line.as_bytes());
        if let (Some(id), Some(_)) = (said.id, said.method) {
            self.owe(&id);
        }
        self.send_raw(format!("{line}\n").as_bytes());
    }

    /// From now on an answer to this id is due (once more).
    pub(crate) fn owe(&mut self, id: &str) {
        *self.accounts.due.entry(id.to_owned()).or_default() += 1;
    }

    /// Cancels a request: from now on it need not be answered.
    pub(crate) fn cancel(&mut self, id: &str) {
        self.accounts.cancelled.push(id.to_owned());
        let params = format!(r#"{{"requestId":{id},"reason":"changed my mind"}}"#);
        self.send(&super::notification("notifications/cancelled", &params));
    }

    /// `initialize`, its answer, `notifications/initialized`. Gives the answer.
    pub(crate) fn shake_hands(&mut self) -> String {
        self.shake_hands_in(REVISION)
    }

    pub(crate) fn shake_hands_in(&mut self, revision: &str) -> String {
        self.send(&initialize(r#""hello""#, revision));
        let answer = self.answer(r#""hello""#);
        assert!(answer.contains(r#""result""#), "initialize should succeed: {answer}");
        self.send(&initialized());
        answer
    }

    /// Sends a request and waits for its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, id: &str, method: &str, params: &str) -> String {
        self.send(&request(id, method, params));
        self.answer(id)
    }

    /// Shows that the way to the upstream and back is open, and that what was due before has been done.
    #[track_caller]
    pub(crate) fn still_works(&mut self) {
        let id = format!(r#""still works {}""#, self.accounts.due.len());
        let answer = self.ask(&id, "tools/list", "{}");
        assert!(answer.contains(r#""result""#), "the next request should simply work: {answer}");
    }

    /// Waits for the answer to this id, given in its own letters. Without the line's end.
    #[track_caller]
    pub(crate) fn answer(&mut self, id: &str) -> String {
        self.line_where(&format!("the answer to {id}"), |line| {
            let said = peek(line.as_bytes());
            said.is_answer && said.id.as_deref() == Some(id)
        })
    }

    /// Waits for a message (request or notification) of this method.
    #[track_caller]
    pub(crate) fn message(&mut self, method: &str) -> String {
        self.line_where(method, |line| peek(line.as_bytes()).method.as_deref() == Some(method))
    }

    /// Waits for a line that is so; each line is given once.
    #[track_caller]
    pub(crate) fn line_where(&mut self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let mut looked_at = 0;
        self.wait(what, |heard| {
            let found = (looked_at..heard.lines.len()).find(|&place| !heard.taken[place] && is_so(&heard.lines[place]));
            looked_at = heard.lines.len();
            let place = found?;
            heard.taken[place] = true;
            Some(heard.lines[place].trim_end_matches(['\n', '\r']).to_owned())
        })
    }

    /// Waits until stdout, whatever its framing, holds this text.
    #[track_caller]
    pub(crate) fn raw_output(&mut self, what: &str, text: &str) -> String {
        self.wait(what, |heard| {
            let all = heard.lines.concat();
            all.contains(text).then_some(all)
        })
    }

    /// Waits until stderr holds this text.
    #[track_caller]
    pub(crate) fn logged(&mut self, text: &str) {
        self.wait(text, |heard| heard.stderr.contains(text).then_some(()));
    }

    /// While this runs the client reads at most one more line.
    pub(crate) fn without_reading<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let ears = Arc::clone(&self.ears);
        let _unread = ears.may_read.lock().unwrap();
        act(self)
    }

    /// The lines so far, looked at or not.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.ears.heard.lock().unwrap().lines.clone()
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, mut find: impl FnMut(&mut Heard) -> Option<T>) -> T {
        let give_up = Instant::now() + DEADLINE;
        let mut heard = self.ears.heard.lock().unwrap();
        loop {
            if let Some(found) = find(&mut heard) {
                return found;
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() || (heard.stdout_ended && heard.stderr_ended) {
                let ended = if heard.stdout_ended { "; it has ended" } else { "" };
                drop(heard);
                panic!("the client waited in vain for {what}{ended}");
            }
            heard = self.ears.changed.wait_timeout(heard, left).unwrap().0;
        }
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a host does that has lost its patience: nothing is due any more.
    pub(crate) fn kill(&mut self) {
        self.settled = true;
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
        self.asked_to_end.get_or_insert_with(Instant::now);
    }

    #[cfg(unix)]
    pub(crate) fn signal(&mut self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
        self.asked_to_end.get_or_insert_with(Instant::now);
    }

    /// Ends stdin, waits for an orderly end, and settles the accounts.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ended {
        self.close_stdin();
        let ended = self.ended();
        assert_eq!(ended.code, Some(0), "the end of stdin is an orderly end; stderr: {}", ended.stderr);
        ended
    }

    /// Waits for the end, whatever brings it, and settles the accounts.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Ended {
        let started = self.asked_to_end.unwrap_or_else(Instant::now);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < DEADLINE, "the bridge should have ended");
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = started.elapsed();
        self.settled = true;
        let (lines, stderr) = self.wait("the end of stdout and stderr", |heard| {
            (heard.stdout_ended && heard.stderr_ended).then(|| (heard.lines.clone(), heard.stderr.clone()))
        });
        self.accounts.settle(&lines, &stderr);
        Ended { code: status.code(), lines, stderr, took }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if !self.settled && !std::thread::panicking() {
            self.close_stdin();
            let ended = self.ended();
            assert_eq!(ended.code, Some(0), "the end of stdin is an orderly end; stderr: {}", ended.stderr);
        }
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let heard = self.ears.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let lines: Vec<_> = heard.lines.iter().map(|line| line.chars().take(400).collect::<String>()).collect();
            eprintln!("the bridge's stdout: {lines:#?}\nits stderr: {}", heard.stderr);
        }
    }
}
