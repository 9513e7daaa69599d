//! What is measured? A direct client, the floor, mcp-ferry, and the other bridges that the command line names.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::bridge::{Bridge, Launch, excerpt};
use crate::direct::{Direct, Secure};
use crate::messages;
use crate::process::Tree;

pub struct Subject {
    pub name: String,
    pub way: Way,
    /// If one of ours fails, the benchmark fails; the failure of another bridge is a result.
    pub ours: bool,
}

pub enum Way {
    Direct { url: String, secure: Option<Secure> },
    Bridge(Launch),
}

/// A subject whose `initialize` is answered.
pub enum Live {
    Direct(Direct),
    Bridge(Bridge),
}

impl Subject {
    pub fn direct(name: &str, url: &str, secure: Option<Secure>) -> Self {
        Self { name: name.to_owned(), way: Way::Direct { url: url.to_owned(), secure }, ours: true }
    }

    /// A build of this project, which takes the URL and these options.
    pub fn ours(name: &str, program: &Path, url: &str, options: &[&str]) -> Self {
        let mut command = vec![program.display().to_string(), url.to_owned()];
        command.extend(options.iter().map(|option| (*option).to_owned()));
        Self { name: name.to_owned(), way: Way::Bridge(Launch { command, environment: Vec::new() }), ours: true }
    }

    /// Another bridge, as the command line names it, which gets these variables.
    pub fn other(line: &str, url: &str, environment: &[(&'static str, PathBuf)]) -> Self {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let name = name_of(&words);
        if !line.contains("{url}") {
            words.push("{url}");
        }
        let command = words.into_iter().map(|word| word.replace("{url}", url)).collect();
        Self { name, way: Way::Bridge(Launch { command, environment: environment.to_vec() }), ours: false }
    }

    /// Starts it, and returns how long it took to answer `initialize`. The handshake lacks its notification.
    pub fn open_half(&self, home: &Path) -> Result<(Live, Duration), String> {
        let from = Instant::now();
        let live = match &self.way {
            Way::Direct { url, secure } => Live::Direct(Direct::start(url, secure.as_ref())?),
            Way::Bridge(launch) => {
                let mut bridge = Bridge::start(launch, home)?;
                bridge.await_initialized()?;
                Live::Bridge(bridge)
            }
        };
        Ok((live, from.elapsed()))
    }

    /// Starts it, and returns how long it took to answer `initialize`.
    pub fn open(&self, home: &Path) -> Result<(Live, Duration), String> {
        let (mut live, took) = self.open_half(home)?;
        if let Live::Bridge(bridge) = &mut live {
            bridge.send_initialized()?;
        }
        Ok((live, took))
    }
}

/// The first word that is not a launcher or a path to one.
fn name_of(words: &[&str]) -> String {
    let stem = |word: &&str| Path::new(word).file_name().map(|name| name.to_string_lossy().into_owned());
    let telling = words.iter().find(|word| {
        !word.starts_with('-')
            && !matches!(stem(word).as_deref(), Some("npx" | "uvx" | "node" | "python3" | "bun" | "env"))
    });
    telling.and_then(stem).unwrap_or_else(|| "other".to_owned())
}

impl Live {
    /// Sends a request and returns its answer. The caller has built the bytes already, so that this is not measured.
    pub fn call(&mut self, request: Bytes) -> Result<Vec<u8>, String> {
        match self {
            Self::Direct(direct) => {
                let mut answer = Vec::new();
                direct.exchange(request, |line| line.clone_into(&mut answer))?;
                Ok(answer)
            }
            Self::Bridge(bridge) => {
                bridge.send(&request)?;
                bridge.answer()
            }
        }
    }

    /// Sends these messages at the same time, and returns the answers, so many as requests are among them.
    pub fn at_once(&mut self, messages: Vec<Bytes>, answers: usize) -> Result<Vec<Vec<u8>>, String> {
        match self {
            Self::Direct(direct) => direct.at_once(messages),
            Self::Bridge(bridge) => bridge.at_once(&messages, answers),
        }
    }

    pub fn in_flight(&mut self, first: u64, calls: u64, width: u64) -> Result<(), String> {
        match self {
            Self::Direct(direct) => direct.in_flight(first, calls, width),
            Self::Bridge(bridge) => bridge.in_flight(first, calls, width),
        }
    }

    /// Requests a series of notifications, and reads it up to the answer that ends it.
    pub fn series(&mut self, id: u64, count: usize) -> Result<(), String> {
        let mut next = 0;
        let mut wrong = None;
        let mut done = false;
        let mut each = |line: &[u8]| {
            if next < count && messages::event_number(line) == Some(next) {
                next += 1;
            } else if next == count && messages::is_text(line, id, "done") {
                done = true;
            } else if wrong.is_none() {
                wrong = Some(format!("event {next} expected: {}", excerpt(line)));
                done = true;
            }
            done
        };
        let request = messages::events(id, count);
        match self {
            Self::Direct(direct) => direct.exchange(request.into(), |line| _ = each(line))?,
            Self::Bridge(bridge) => {
                bridge.send(request.as_bytes())?;
                while !each(&bridge.line()?) {}
            }
        }
        match wrong {
            Some(wrong) => Err(wrong),
            None if done => Ok(()),
            None => Err("the series has no answer at its end".to_owned()),
        }
    }

    pub fn allow(&self, time: Duration) {
        if let Self::Bridge(bridge) = self {
            bridge.allow(time);
        }
    }

    /// Ends a bridge as a client does: with the end of its input.
    pub fn end(self, limit: Duration) {
        if let Self::Bridge(bridge) = self {
            bridge.end(limit);
        }
    }

    pub fn tree(&self) -> Option<Tree> {
        match self {
            Self::Direct(_) => None,
            Self::Bridge(bridge) => bridge.tree(),
        }
    }
}
