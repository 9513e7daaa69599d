//! The client that starts the bridge: it writes lines to the bridge's stdin, waits for lines on its stdout, and checks
//! at the end that every request was answered exactly once.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::expectations::Expectations;
use super::launch::Launch;
use super::{DEADLINE, REVISION, Upstream, initialize, initialized, peek, request};

/// What the reading threads have read so far.
#[derive(Default)]
struct Output {
    lines: Vec<String>,
    /// For each line, whether a test has already received it.
    taken: Vec<bool>,
    stderr: String,
    stdout_ended: bool,
    stderr_ended: bool,
}

#[derive(Default)]
struct SharedOutput {
    output: Mutex<Output>,
    changed: Condvar,
    /// While a test holds this lock, the next line stays unread.
    may_read: Mutex<()>,
}

/// How the bridge ended.
pub(crate) struct Exit {
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
    shared: Arc<SharedOutput>,
    expectations: Expectations,
    end_requested: Option<Instant>,
    is_checked: bool,
    _home: TempDir,
}

impl Bridge {
    /// A bridge to this URL, not started yet.
    pub(crate) fn to(url: &str) -> Launch {
        Self::bare().arg(url)
    }

    /// A bridge with no arguments at all.
    pub(crate) fn bare() -> Launch {
        Launch::default()
    }

    /// A bridge to this upstream's `/mcp` with an open session.
    pub(crate) fn connected(upstream: &Upstream) -> Self {
        let mut bridge = Self::to(&upstream.url("/mcp")).start();
        bridge.initialize();
        bridge
    }

    /// The same; the next request goes over a connection that was used before, unless the server keeps none.
    pub(crate) fn with_used_connection(upstream: &Upstream) -> Self {
        let mut bridge = Self::connected(upstream);
        upstream.wait_for("GET", 1);
        let mut last = None;
        for n in 0..20 {
            bridge.request(&format!(r#""use {n}""#), "ping", "{}");
            let connection = upstream.requests().last().map(|ping| ping.connection);
            if connection == last {
                break;
            }
            last = connection;
        }
        bridge
    }

    pub(super) fn new(mut child: Child, launch: Launch, home: TempDir) -> Self {
        let shared = Arc::new(SharedOutput::default());
        let (stdin, lines) = mpsc::channel::<Vec<u8>>();
        let mut pipe = child.stdin.take().unwrap();
        // A thread of its own: a bridge that does not read must not block the test.
        std::thread::spawn(move || {
            for bytes in lines {
                if pipe.write_all(&bytes).and_then(|()| pipe.flush()).is_err() {
                    return;
                }
            }
        });
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let reading = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut reader = BufReader::with_capacity(1 << 20, stdout);
            let mut line = Vec::new();
            // Messages with `Content-Length` framing end without a newline.
            let end = if launch.framed { b'}' } else { b'\n' };
            while reader.read_until(end, &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8(std::mem::take(&mut line)).expect("stdout is UTF-8");
                let mut output = reading.output.lock().unwrap();
                output.lines.push(text);
                output.taken.push(false);
                reading.changed.notify_all();
                if Some(output.lines.len()) == launch.close_stdout_after {
                    break;
                }
                drop(output);
                drop(reading.may_read.lock());
            }
            drop(reader);
            reading.output.lock().unwrap().stdout_ended = true;
            reading.changed.notify_all();
        });
        let reading = Arc::clone(&shared);
        std::thread::spawn(move || {
            if launch.leave_stderr_unread {
                // The bridge must end although nothing reads stderr, so the pipe is read only after the end of stdout.
                let output = reading.output.lock().unwrap();
                drop(reading.changed.wait_while(output, |output| !output.stdout_ended).unwrap());
            }
            let mut reader = BufReader::new(stderr);
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                reading.output.lock().unwrap().stderr += &String::from_utf8_lossy(&bytes[..read]);
                reading.changed.notify_all();
            }
            reading.output.lock().unwrap().stderr_ended = true;
            reading.changed.notify_all();
        });
        Self {
            child,
            stdin: Some(stdin),
            shared,
            expectations: Expectations { secrets: launch.secrets, ..Expectations::default() },
            end_requested: None,
            is_checked: false,
            _home: home,
        }
    }

    /// Writes bytes as they are. The test declares the responses that it expects.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        // A test that waits for a response notices when the bridge has ended.
        drop(self.stdin.as_ref().expect("an open stdin").send(bytes.to_vec()));
    }

    /// Writes one line. If it is a request, exactly one response is expected.
    pub(crate) fn send(&mut self, line: &str) {
        let seen = peek(line.as_bytes());
        if let (Some(id), Some(_)) = (seen.id, seen.method) {
            self.expect_response(&id);
        }
        self.send_raw(format!("{line}\n").as_bytes());
    }

    /// Expects one more response to this id.
    pub(crate) fn expect_response(&mut self, id: &str) {
        *self.expectations.responses.entry(id.to_owned()).or_default() += 1;
    }

    /// Cancels a request: from now on its response is optional.
    pub(crate) fn cancel(&mut self, id: &str) {
        self.expectations.cancelled.push(id.to_owned());
        let params = format!(r#"{{"requestId":{id},"reason":"changed my mind"}}"#);
        self.send(&super::notification("notifications/cancelled", &params));
    }

    /// Opens a session: `initialize`, its response, `notifications/initialized`. Returns the response.
    pub(crate) fn initialize(&mut self) -> String {
        self.initialize_with_revision(REVISION)
    }

    pub(crate) fn initialize_with_revision(&mut self, revision: &str) -> String {
        self.send(&initialize(r#""hello""#, revision));
        let answer = self.response(r#""hello""#);
        assert!(answer.contains(r#""result""#), "initialize should succeed: {answer}");
        self.send(&initialized());
        answer
    }

    /// Sends a request and waits for its response.
    #[track_caller]
    pub(crate) fn request(&mut self, id: &str, method: &str, params: &str) -> String {
        self.send(&request(id, method, params));
        self.response(id)
    }

    /// Asserts that a further request succeeds, so that everything before it has been processed.
    #[track_caller]
    pub(crate) fn still_works(&mut self) {
        let id = format!(r#""still works {}""#, self.expectations.responses.len());
        let answer = self.request(&id, "tools/list", "{}");
        assert!(answer.contains(r#""result""#), "the next request should succeed: {answer}");
    }

    /// Waits for the response to this id, which is given as raw JSON. Returns the line without its newline.
    #[track_caller]
    pub(crate) fn response(&mut self, id: &str) -> String {
        self.line_where(&format!("the response to {id}"), |line| {
            // Among thousands of lines only those that may match are parsed.
            line.contains(id) && {
                let seen = peek(line.as_bytes());
                seen.is_response && seen.id.as_deref() == Some(id)
            }
        })
    }

    /// Waits for a message (request or notification) of this method.
    #[track_caller]
    pub(crate) fn message(&mut self, method: &str) -> String {
        self.line_where(method, |line| peek(line.as_bytes()).method.as_deref() == Some(method))
    }

    /// Waits for a line that `matches` and that no earlier call has returned.
    #[track_caller]
    pub(crate) fn line_where(&mut self, what: &str, matches: impl Fn(&str) -> bool) -> String {
        let mut searched = 0;
        self.wait(what, |output| {
            let found =
                (searched..output.lines.len()).find(|&place| !output.taken[place] && matches(&output.lines[place]));
            searched = output.lines.len();
            let place = found?;
            output.taken[place] = true;
            Some(output.lines[place].trim_end_matches(['\n', '\r']).to_owned())
        })
    }

    /// Waits until stdout, with any framing, holds this text.
    #[track_caller]
    pub(crate) fn raw_output(&mut self, what: &str, text: &str) -> String {
        self.wait(what, |output| {
            let all = output.lines.concat();
            all.contains(text).then_some(all)
        })
    }

    /// Waits until stderr holds this text.
    #[track_caller]
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        self.wait(text, |output| output.stderr.contains(text).then_some(()));
    }

    /// Runs `act` while the client reads at most one more line.
    pub(crate) fn without_reading<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let shared = Arc::clone(&self.shared);
        let _unread = shared.may_read.lock().unwrap();
        act(self)
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.shared.output.lock().unwrap().lines.clone()
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, mut find: impl FnMut(&mut Output) -> Option<T>) -> T {
        let give_up = Instant::now() + DEADLINE;
        let mut output = self.shared.output.lock().unwrap();
        loop {
            if let Some(found) = find(&mut output) {
                return found;
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() || (output.stdout_ended && output.stderr_ended) {
                let ended = if output.stdout_ended { "; the bridge has ended" } else { "" };
                drop(output);
                panic!("the client did not receive {what}{ended}");
            }
            output = self.shared.changed.wait_timeout(output, left).unwrap().0;
        }
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that the process had at a time, in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.unwrap().trim().parse().unwrap()
    }

    /// Kills the process. No response is expected any more.
    pub(crate) fn kill(&mut self) {
        self.is_checked = true;
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
        self.end_requested.get_or_insert_with(Instant::now);
    }

    #[cfg(unix)]
    pub(crate) fn signal(&mut self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
        self.end_requested.get_or_insert_with(Instant::now);
    }

    /// Closes stdin, waits for exit status 0, and checks the expected responses.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Exit {
        self.close_stdin();
        let exit = self.wait_for_exit();
        assert_eq!(exit.code, Some(0), "the bridge exits with 0 at the end of stdin; stderr: {}", exit.stderr);
        exit
    }

    /// Waits for the process to end and checks the expected responses.
    #[track_caller]
    pub(crate) fn wait_for_exit(&mut self) -> Exit {
        let started = self.end_requested.unwrap_or_else(Instant::now);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < DEADLINE, "the bridge should have ended");
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = started.elapsed();
        self.is_checked = true;
        let (lines, stderr) = self.wait("the end of stdout and stderr", |output| {
            (output.stdout_ended && output.stderr_ended).then(|| (output.lines.clone(), output.stderr.clone()))
        });
        self.expectations.check(&lines, &stderr);
        Exit { code: status.code(), lines, stderr, took }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if !self.is_checked && !std::thread::panicking() {
            self.close_stdin();
            let exit = self.wait_for_exit();
            assert_eq!(exit.code, Some(0), "the bridge exits with 0 at the end of stdin; stderr: {}", exit.stderr);
        }
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let output = self.shared.output.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let lines: Vec<_> = output.lines.iter().map(|line| line.chars().take(400).collect::<String>()).collect();
            eprintln!("the bridge's stdout: {lines:#?}\nand its stderr: {}", output.stderr);
        }
    }
}
