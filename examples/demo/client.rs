//! A minimal stdio client: it starts the bridge, sends requests, and answers the server's requests.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::BRIDGE;
use super::show::Show;

/// How long an answer may take: longer than the bridge itself waits.
const ANSWER: Duration = Duration::from_secs(60);

/// Why the demo failed.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

pub struct Client<'a> {
    show: &'a Show,
    bridge: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    next_id: u64,
}

impl<'a> Client<'a> {
    /// Starts this program again as the bridge, with these arguments.
    pub fn start(show: &'a Show, args: &[OsString], home: Option<&Path>) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(BRIDGE).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(home) = home {
            command.env("MCP_FERRY_HOME", home);
        }
        let mut bridge = command.spawn()?;
        let stdin = bridge.stdin.take();
        let stdout = bridge.stdout.take().ok_or_else(|| Failure("the bridge has no stdout".to_owned()))?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { show, bridge, stdin, lines, next_id: 1 })
    }

    /// Sends a request, shows every message up to its answer, and returns the result.
    pub fn request(&mut self, method: &str, params: &Value) -> Result<Value, Failure> {
        let id = self.next_id;
        self.next_id += 1;
        let sent = Instant::now();
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        loop {
            let message = self.receive(sent)?;
            if message["id"] == id && message.get("method").is_none() {
                self.show.received(&message, Some(sent.elapsed()));
                return match message.get("error") {
                    Some(error) => {
                        Err(Failure(format!("{method}: {}", error["message"].as_str().unwrap_or("an error"))))
                    }
                    None => Ok(message["result"].clone()),
                };
            }
            self.show.received(&message, None);
            self.reply_to(&message)?;
        }
    }

    pub fn notify(&mut self, method: &str) -> Result<(), Failure> {
        self.send(&json!({"jsonrpc": "2.0", "method": method}))
    }

    /// Closes the bridge's stdin, as a client does at its end, and waits until the bridge has ended.
    pub fn end(mut self) -> Result<(), Failure> {
        self.show.step("The client closes stdin; the bridge ends the session and itself");
        let closed = Instant::now();
        self.stdin = None;
        let late: VecDeque<String> = self.lines.iter().collect();
        let status = self.bridge.wait()?;
        self.show.note(&format!("{status} after {:.1} ms", closed.elapsed().as_secs_f64() * 1e3));
        match late.iter().find(|line| serde_json::from_str::<Value>(line).is_err()) {
            Some(line) => Err(Failure(format!("this is not a message: {line}"))),
            None if status.success() => Ok(()),
            None => Err(Failure(format!("the bridge ended with {status}"))),
        }
    }

    /// Answers a request that the server sends during a call: gives a name, and declines everything else.
    fn reply_to(&mut self, message: &Value) -> Result<(), Failure> {
        let (Some(method), Some(id)) = (message["method"].as_str(), message.get("id")) else { return Ok(()) };
        let reply = match method {
            "ping" => json!({"jsonrpc": "2.0", "id": id, "result": {}}),
            "elicitation/create" if message["params"]["requestedSchema"]["properties"]["name"].is_object() => {
                json!({"jsonrpc": "2.0", "id": id, "result": {"action": "accept", "content": {"name": "Ada"}}})
            }
            "elicitation/create" => json!({"jsonrpc": "2.0", "id": id, "result": {"action": "decline"}}),
            _ => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "the demo does not do this"}}),
        };
        self.send(&reply)
    }

    fn send(&mut self, message: &Value) -> Result<(), Failure> {
        self.show.sent(message);
        let stdin = self.stdin.as_mut().ok_or_else(|| Failure("the bridge has no stdin".to_owned()))?;
        let written = stdin.write_all(format!("{message}\n").as_bytes());
        written.map_err(|error| Failure(format!("the bridge accepts no more input: {error}")))
    }

    fn receive(&mut self, sent: Instant) -> Result<Value, Failure> {
        let line = self.lines.recv_timeout(ANSWER.saturating_sub(sent.elapsed()));
        let line = line.map_err(|_| match self.bridge.try_wait() {
            Ok(Some(status)) => Failure(format!("the bridge ended with {status} before it answered")),
            _ => Failure(format!("no answer in {} s", ANSWER.as_secs())),
        })?;
        serde_json::from_str(&line).map_err(|_| Failure(format!("this is not a message: {line}")))
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.stdin = None;
        if matches!(self.bridge.try_wait(), Ok(None)) {
            let _ = self.bridge.kill();
            let _ = self.bridge.wait();
        }
    }
}
