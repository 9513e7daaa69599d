//! What does a program answer that is started as a client would?

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::{log, message, task};

/// How long a program may take for an answer, if the user does not say.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// How long it may take to end, once its stdin is closed, and once it is told to.
const END: Duration = Duration::from_secs(2);

/// How much of stdout is read, and how much of stderr is kept.
const MOST_STDOUT: usize = 32 * 1024 * 1024;
const MOST_STDERR: usize = 8 * 1024;

/// How many lines of stderr are shown.
const LINES: usize = 3;

/// What to start.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// All that the program gets. The values may be secrets.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) folder: Option<PathBuf>,
    /// How long it may take for an answer.
    pub(super) limit: Duration,
}

/// What came.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The server's name, version and protocol, and when they came.
    pub(super) server: Option<(String, Duration)>,
    /// How many tools it has, or why it does not say.
    pub(super) tools: Option<Result<usize, String>>,
    /// What came in the place of the server.
    pub(super) problem: Option<Problem>,
    /// The first line on stdout that is no message.
    pub(super) noise: Option<String>,
    /// The last lines on stderr.
    pub(super) stderr: Vec<String>,
    /// How it ended.
    pub(super) end: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Problem {
    /// The system does not start it.
    NotStarted(String),
    /// It ended by itself.
    Ended,
    /// Nothing came in time.
    Silent,
    /// It answered with this error.
    Refused(String),
}

/// Starts a program, speaks `initialize` and `tools/list` with it, and ends it.
pub(super) async fn start(start: &Start) -> Answers {
    let mut answers = Answers::default();
    let mut command = Command::new(&start.program);
    command.args(&start.arguments).env_clear().envs(&start.environment).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(folder) = &start.folder {
        command.current_dir(folder);
    }
    // Programs that it starts are ended with it.
    #[cfg(unix)]
    command.process_group(0);
    let began = Instant::now();
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Answers { problem: Some(Problem::NotStarted(error.to_string())), ..answers },
    };
    let kept: Arc<Mutex<VecDeque<u8>>> = Arc::default();
    let reader = child.stderr.take().map(|stderr| task::spawn(keep_end(stderr, Arc::clone(&kept))));
    if let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) {
        let mut conversation =
            Conversation { stdin, stdout, buffer: Vec::new(), read: 0, limit: start.limit, noise: None };
        converse(&mut conversation, began, &mut answers).await;
        answers.noise = conversation.noise;
    }
    answers.end = end(child).await;
    if let Some(reader) = reader {
        // What it started may hold stderr open.
        timeout(Duration::from_millis(200), reader).await.ok();
    }
    let text: Vec<u8> = kept.lock().iter().copied().collect();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().filter(|line| !line.trim().is_empty()).map(log::foreign);
    let mut lines: Vec<_> = lines.collect();
    lines.dedup();
    answers.stderr = lines.split_off(lines.len().saturating_sub(LINES));
    answers
}

async fn converse(conversation: &mut Conversation, began: Instant, answers: &mut Answers) {
    let info = json!({ "name": "mcp-ferry", "version": env!("CARGO_PKG_VERSION") });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let result = match conversation.request(1, "initialize", &params.to_string()).await {
        Ok(result) => result,
        Err(problem) => {
            answers.problem = Some(problem);
            return;
        }
    };
    let text = |value: &Value| log::foreign_name(value.as_str().unwrap_or_default());
    let server = &result["serverInfo"];
    let name = format!(
        "{} {}, protocol {}",
        text(&server["name"]),
        text(&server["version"]),
        text(&result["protocolVersion"])
    );
    answers.server = Some((name, began.elapsed()));
    conversation.send(message::notification_without_params("notifications/initialized").as_str()).await;
    if result["capabilities"].get("tools").is_none() {
        answers.tools = Some(Ok(0));
        return;
    }
    let listed = conversation.request(2, "tools/list", "{}").await;
    answers.tools = Some(match listed {
        Ok(result) => Ok(result["tools"].as_array().map_or(0, Vec::len)),
        Err(Problem::Refused(why)) => Err(why),
        Err(Problem::Silent) => Err("no answer in time".to_owned()),
        Err(_) => Err("the program ended".to_owned()),
    });
}

/// The program's stdin and stdout.
#[derive(Debug)]
struct Conversation {
    stdin: ChildStdin,
    stdout: ChildStdout,
    buffer: Vec<u8>,
    read: usize,
    limit: Duration,
    noise: Option<String>,
}

impl Conversation {
    async fn send(&mut self, text: &str) {
        // Where it does not read, its answer is missing.
        let line = format!("{text}\n");
        timeout(self.limit, self.stdin.write_all(line.as_bytes())).await.ok();
    }

    async fn request(&mut self, id: u32, method: &str, params: &str) -> Result<Value, Problem> {
        self.send(message::request(&id.to_string(), method, params).as_str()).await;
        let response = timeout(self.limit, self.response(id)).await.map_err(|_| Problem::Silent)??;
        match response.get("error") {
            Some(error) => {
                let text = error["message"].as_str().unwrap_or("an error without a message");
                Err(Problem::Refused(log::foreign(text)))
            }
            None => Ok(response["result"].clone()),
        }
    }

    async fn response(&mut self, id: u32) -> Result<Value, Problem> {
        loop {
            let line = self.line().await.ok_or(Problem::Ended)?;
            let Ok(message) = serde_json::from_slice::<Value>(&line) else {
                let text = log::foreign_bytes(&line);
                if !text.is_empty() {
                    self.noise.get_or_insert(text);
                }
                continue;
            };
            let has_method = message.get("method").is_some();
            if !has_method && message["id"] == id {
                return Ok(message);
            }
            if let Some(asked) = message.get("id").filter(|_| has_method) {
                let why = "this client does not support it";
                let answer = message::error(&asked.to_string(), message::code::METHOD_NOT_FOUND, why, None);
                self.send(answer.as_str()).await;
            }
        }
    }

    /// The next line of stdout.
    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            let before = self.buffer.len();
            if self.read > MOST_STDOUT || self.stdout.read_buf(&mut self.buffer).await.ok()? == 0 {
                return (before > 0).then(|| std::mem::take(&mut self.buffer));
            }
            self.read += self.buffer.len() - before;
        }
    }
}

/// Keeps the last bytes of a stream.
async fn keep_end(mut stream: impl AsyncRead + Unpin, kept: Arc<Mutex<VecDeque<u8>>>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        let mut kept = kept.lock();
        kept.extend(&bytes[..count]);
        let surplus = kept.len().saturating_sub(MOST_STDERR);
        kept.drain(..surplus);
    }
}

/// Ends a program whose stdin is closed, and says how it ended.
async fn end(mut child: Child) -> String {
    if let Ok(Ok(status)) = timeout(END, child.wait()).await {
        return told(status);
    }
    stop(&child);
    let status = timeout(END, child.wait()).await;
    kill(&mut child);
    match status {
        Ok(Ok(status)) => format!("{}, only when it was told to end", told(status)),
        _ => {
            timeout(END, child.wait()).await.ok();
            "it was killed, as it does not end".to_owned()
        }
    }
}

fn told(status: ExitStatus) -> String {
    status.to_string().replace(": ", " ")
}

#[cfg(unix)]
fn stop(child: &Child) {
    signal(child, rustix::process::Signal::TERM);
}

#[cfg(windows)]
fn stop(_: &Child) {}

#[cfg(unix)]
fn kill(child: &mut Child) {
    signal(child, rustix::process::Signal::KILL);
}

#[cfg(windows)]
fn kill(child: &mut Child) {
    child.start_kill().ok();
}

/// Sends a signal to the program and what it has started; nothing once it has ended.
#[cfg(unix)]
fn signal(child: &Child, signal: rustix::process::Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        rustix::process::kill_process_group(id, signal).ok();
    }
}
