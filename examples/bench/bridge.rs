//! One running bridge: writes lines to its stdin, reads lines from its stdout, and kills it if it does not end.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::messages;
use crate::process::Tree;

/// How long a bridge may run after the end of its input.
pub const END: Duration = Duration::from_secs(3);

/// How a bridge is started.
pub struct Launch {
    pub command: Vec<String>,
    /// Variables that it gets beside the ones of this process.
    pub environment: Vec<(&'static str, PathBuf)>,
}

pub struct Bridge {
    child: Arc<Mutex<Child>>,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    deadline: Sender<Duration>,
    id: u32,
}

impl Bridge {
    /// Starts the command and writes the first message.
    pub fn start(launch: &Launch, home: &Path) -> Result<Self, String> {
        let command = &launch.command;
        let mut start = Command::new(&command[0]);
        start.args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        start.env("MCP_FERRY_HOME", home).env("MCP_REMOTE_CONFIG_DIR", home);
        start.envs(launch.environment.iter().map(|(name, value)| (name, value)));
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut start, 0);
        let mut child = start.spawn().map_err(|error| format!("cannot start {}: {error}", command[0]))?;
        let (stdin, stdout, id) = (child.stdin.take(), child.stdout.take(), child.id());
        let child = Arc::new(Mutex::new(child));
        let deadline = watch(Arc::clone(&child), id);
        let stdout = BufReader::with_capacity(256 * 1024, stdout.ok_or("no stdout")?);
        let mut bridge = Self { child, stdin, stdout, deadline, id };
        bridge.send(messages::INITIALIZE.as_bytes())?;
        Ok(bridge)
    }

    pub fn await_initialized(&mut self) -> Result<(), String> {
        let line = self.answer()?;
        if !messages::is_initialized(&line) {
            return Err(format!("wrong answer to initialize: {}", excerpt(&line)));
        }
        Ok(())
    }

    pub fn send_initialized(&mut self) -> Result<(), String> {
        self.send(messages::INITIALIZED.as_bytes())
    }

    /// The bridge is killed after this time, unless this is called again before.
    pub fn allow(&self, time: Duration) {
        let _ = self.deadline.send(time);
    }

    pub fn send(&mut self, message: &[u8]) -> Result<(), String> {
        let stdin = self.stdin.as_mut().ok_or("stdin is closed")?;
        let written = if message.len() < 64 * 1024 {
            stdin.write_all(&[message, b"\n"].concat())
        } else {
            stdin.write_all(message).and_then(|()| stdin.write_all(b"\n"))
        };
        written.map_err(|error| format!("writing to it: {error}"))
    }

    pub fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        self.stdout.read_until(b'\n', &mut line).map_err(|error| format!("reading from it: {error}"))?;
        if line.pop() != Some(b'\n') {
            return Err("it ended, or was killed because it was silent for too long".to_owned());
        }
        Ok(line)
    }

    pub fn answer(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let line = self.line()?;
            if messages::is_answer(&line) {
                return Ok(line);
            }
        }
    }

    /// Writes these messages at the same time, and returns the next answers, so many as requests are among them.
    pub fn at_once(&mut self, messages: &[Bytes], answers: usize) -> Result<Vec<Vec<u8>>, String> {
        self.send(&messages.join(&b'\n'))?;
        (0..answers).map(|_| self.answer()).collect()
    }

    /// Sends this many echo calls, with `width` of them in flight at any time. Each id must be answered once.
    pub fn in_flight(&mut self, first: u64, calls: u64, width: u64) -> Result<(), String> {
        let mut answered = vec![false; usize::try_from(calls).map_err(|error| error.to_string())?];
        let mut sent = 0;
        let mut missing = calls;
        let mut wanted = width.min(calls);
        let mut out = Vec::new();
        while missing > 0 {
            out.clear();
            for _ in 0..wanted.min(calls - sent) {
                out.extend_from_slice(messages::echo(first + sent, messages::Form::Json).as_bytes());
                out.push(b'\n');
                sent += 1;
            }
            self.stdin.as_mut().ok_or("stdin is closed")?.write_all(&out).map_err(|error| error.to_string())?;
            wanted = 0;
            // Reads every line that has arrived before it sends more.
            while wanted == 0 || memchr::memchr(b'\n', self.stdout.buffer()).is_some() {
                let line = self.line()?;
                if !messages::is_answer(&line) {
                    continue;
                }
                let slot = messages::echoed(&line)
                    .and_then(|id| usize::try_from(id.checked_sub(first)?).ok())
                    .and_then(|index| answered.get_mut(index));
                match slot {
                    Some(slot) if !*slot => *slot = true,
                    _ => return Err(format!("wrong answer, or a second one: {}", excerpt(&line))),
                }
                wanted += 1;
                missing -= 1;
                if missing == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    pub fn tree(&self) -> Option<Tree> {
        Tree::of(self.id)
    }

    /// Closes stdin, and returns how long the process still ran; `None` if it had to be killed after this time.
    pub fn end(mut self, limit: Duration) -> Option<Duration> {
        self.allow(limit);
        let from = Instant::now();
        self.stdin = None;
        let _ = self.stdout.read_to_end(&mut Vec::new());
        let gone = |child: &Mutex<Child>| !matches!(child.lock().map(|mut child| child.try_wait()), Ok(Ok(None)));
        while !gone(&self.child) {
            thread::sleep(Duration::from_micros(50));
        }
        let took = from.elapsed();
        (took < limit).then_some(took)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        kill(&self.child, self.id);
    }
}

/// Kills the process after the deadline, so that its stdout ends: a read has no time limit of its own.
fn watch(child: Arc<Mutex<Child>>, id: u32) -> Sender<Duration> {
    let (sender, deadlines) = channel();
    thread::spawn(move || {
        let mut time = Duration::from_secs(60);
        loop {
            match deadlines.recv_timeout(time) {
                Ok(next) => time = next,
                Err(RecvTimeoutError::Timeout) => return kill(&child, id),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    sender
}

fn kill(child: &Mutex<Child>, id: u32) {
    let Ok(mut child) = child.lock() else { return };
    // As long as the leader of a process group is not reaped, no other group gets its number.
    if matches!(child.try_wait(), Ok(None)) {
        #[cfg(unix)]
        if let Some(group) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    #[cfg(not(unix))]
    let _ = id;
}

pub fn excerpt(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned()
}
