//! The program that starts the bridge: it writes lines to its stdin, waits for lines on its stdout, and keeps the accounts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{DEADLINE, REVISION, Upstream, initialize, initialized, peek, request};

/// How the bridge is to be started.
pub(crate) struct Launch {
    arguments: Vec<OsString>,
    environment: BTreeMap<String, OsString>,
    secrets: Vec<String>,
}

impl Launch {
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn args<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Another directory for what is kept between two runs.
    pub(crate) fn home(mut self, home: &Path) -> Self {
        self.environment
            .insert("MCP_FERRY_HOME".to_owned(), home.into());
        self
    }

    /// Seconds until a first message is answered without the upstream's word.
    pub(crate) fn startup_wait(self, seconds: &str) -> Self {
        self.args(["--startup-wait", seconds])
    }

    /// Something that may be said to the upstream and to nobody else.
    pub(crate) fn secret(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self
    }

    pub(crate) fn start(mut self) -> Bridge {
        let home = TempDir::new().unwrap();
        self.environment
            .entry("MCP_FERRY_HOME".to_owned())
            .or_insert_with(|| home.path().join("ferry").into());
        // A loaded machine must not turn an upstream's real answer into a made-up one where that is not the question.
        self.environment
            .entry("MCP_FERRY_STARTUP_WAIT".to_owned())
            .or_insert_with(|| "15".into());
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-ferry"));
        command
            .args(&self.arguments)
            .env_clear()
            .env("HOME", home.path())
            .env("USERPROFILE", home.path());
        for name in ["PATH", "SystemRoot", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Bridge::new(command.spawn().unwrap(), self.secrets, home)
    }
}

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
    /// Ids of the requests that were sent, and how often each must be answered.
    due: BTreeMap<String, usize>,
    /// Ids of requests that were cancelled: at most one answer, which the cancellation may have crossed.
    cancelled: Vec<String>,
    secrets: Vec<String>,
    asked_to_end: Option<Instant>,
    settled: bool,
    _home: TempDir,
}

impl Bridge {
    /// A bridge to this URL, still to be started.
    pub(crate) fn to(url: &str) -> Launch {
        Launch {
            arguments: vec![url.into()],
            environment: BTreeMap::new(),
            secrets: Vec::new(),
        }
    }

    /// A bridge with no arguments at all.
    pub(crate) fn bare() -> Launch {
        Launch {
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            secrets: Vec::new(),
        }
    }

    /// A bridge to this upstream's `/mcp` that has shaken hands.
    pub(crate) fn connected(upstream: &Upstream) -> Self {
        let mut bridge = Self::to(&upstream.url("/mcp")).start();
        bridge.shake_hands();
        bridge
    }

    fn new(mut child: Child, secrets: Vec<String>, home: TempDir) -> Self {
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
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8(std::mem::take(&mut line)).expect("stdout is UTF-8");
                let mut heard = listener.heard.lock().unwrap();
                heard.lines.push(text);
                heard.taken.push(false);
                listener.changed.notify_all();
            }
            listener.heard.lock().unwrap().stdout_ended = true;
            listener.changed.notify_all();
        });
        let listener = Arc::clone(&ears);
        std::thread::spawn(move || {
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
            due: BTreeMap::new(),
            cancelled: Vec::new(),
            secrets,
            asked_to_end: None,
            settled: false,
            _home: home,
        }
    }

    /// Bytes as they are; what must be answered is the test's own business.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        // A bridge that has gone is noticed by whoever waits for its answer.
        drop(
            self.stdin
                .as_ref()
                .expect("an open stdin")
                .send(bytes.to_vec()),
        );
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
        *self.due.entry(id.to_owned()).or_default() += 1;
    }

    /// Cancels a request: from now on it need not be answered.
    pub(crate) fn cancel(&mut self, id: &str) {
        self.cancelled.push(id.to_owned());
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
        assert!(
            answer.contains(r#""result""#),
            "initialize should succeed: {answer}"
        );
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
        let id = format!(r#""still works {}""#, self.due.len());
        let answer = self.ask(&id, "tools/list", "{}");
        assert!(
            answer.contains(r#""result""#),
            "the next request should simply work: {answer}"
        );
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
        self.line_where(method, |line| {
            peek(line.as_bytes()).method.as_deref() == Some(method)
        })
    }

    /// Waits for a line that is so; each line is given once.
    #[track_caller]
    pub(crate) fn line_where(&mut self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let mut looked_at = 0;
        self.wait(what, |heard| {
            let found = (looked_at..heard.lines.len())
                .find(|&place| !heard.taken[place] && is_so(&heard.lines[place]));
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

    #[track_caller]
    pub(crate) fn stderr_until(&mut self, word: &str) -> String {
        self.wait(&format!("{word:?} on stderr"), |heard| {
            heard.stderr.contains(word).then(|| heard.stderr.clone())
        })
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
                let ended = if heard.stdout_ended {
                    "; it has ended"
                } else {
                    ""
                };
                drop(heard);
                panic!("the client waited in vain for {what}{ended}");
            }
            heard = self.ears.changed.wait_timeout(heard, left).unwrap().0;
        }
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
        self.asked_to_end.get_or_insert_with(Instant::now);
    }

    #[cfg(unix)]
    pub(crate) fn signal(&mut self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .unwrap();
        rustix::process::kill_process(id, signal).unwrap();
        self.asked_to_end.get_or_insert_with(Instant::now);
    }

    /// Ends stdin, waits for an orderly end, and settles the accounts.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ended {
        self.close_stdin();
        let ended = self.ended();
        assert_eq!(
            ended.code,
            Some(0),
            "the end of stdin is an orderly end; stderr: {}",
            ended.stderr
        );
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
            (heard.stdout_ended && heard.stderr_ended)
                .then(|| (heard.lines.clone(), heard.stderr.clone()))
        });
        self.settle(&lines, &stderr);
        Ended {
            code: status.code(),
            lines,
            stderr,
            took,
        }
    }

    #[track_caller]
    fn settle(&self, lines: &[String], stderr: &str) {
        for secret in &self.secrets {
            assert!(
                !stderr.contains(secret),
                "{secret:?} is a secret and stands on stderr: {stderr}"
            );
            let told = lines.iter().find(|line| line.contains(secret));
            assert!(
                told.is_none(),
                "{secret:?} is a secret and stands on stdout: {told:?}"
            );
        }
        let mut answered = BTreeMap::<String, usize>::new();
        for message in messages(lines) {
            let said = peek(message.as_bytes());
            assert!(
                said.is_object,
                "stdout holds nothing but JSON-RPC messages: {message:?}"
            );
            if let Some(id) = said.id.filter(|_| said.is_answer) {
                *answered.entry(id).or_default() += 1;
            }
        }
        for (id, due) in &self.due {
            let count = answered.get(id).copied().unwrap_or_default();
            if self.cancelled.contains(id) {
                assert!(
                    count <= *due,
                    "request {id} was cancelled and answered {count} times"
                );
            } else {
                assert_eq!(
                    count, *due,
                    "answers to request {id}: every request is answered exactly once; {lines:#?}"
                );
            }
        }
        let stray = answered
            .keys()
            .find(|id| *id != "null" && !self.due.contains_key(*id));
        assert!(
            stray.is_none(),
            "an answer to {stray:?}, which nobody asked: {lines:#?}"
        );
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if !self.settled && !std::thread::panicking() {
            self.close_stdin();
            let ended = self.ended();
            assert_eq!(
                ended.code,
                Some(0),
                "the end of stdin is an orderly end; stderr: {}",
                ended.stderr
            );
        }
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let heard = self
                .ears
                .heard
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let lines: Vec<_> = heard
                .lines
                .iter()
                .map(|line| line.chars().take(400).collect::<String>())
                .collect();
            eprintln!(
                "the bridge's stdout: {lines:#?}\nits stderr: {}",
                heard.stderr
            );
        }
    }
}

/// What stood on stdout, line by line or, where the client asked for it, by length.
fn messages(lines: &[String]) -> Vec<String> {
    if !lines
        .first()
        .is_some_and(|line| line.starts_with("Content-"))
    {
        let unended = lines.iter().find(|line| !line.ends_with('\n'));
        assert!(
            unended.is_none(),
            "every message on stdout ends its line: {unended:?}"
        );
        return lines.to_vec();
    }
    let (all, mut messages) = (lines.concat(), Vec::new());
    let mut rest = all.as_str();
    while !rest.is_empty() {
        let (head, body) = rest
            .split_once("\r\n\r\n")
            .expect("a head before each message");
        let length = head
            .split_once("Content-Length:")
            .expect("a length")
            .1
            .trim()
            .parse()
            .expect("a number");
        let (message, next) = body.split_at(length);
        messages.push(message.to_owned());
        rest = next;
    }
    messages
}
