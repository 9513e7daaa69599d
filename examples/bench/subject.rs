//! What is measured? Direct HTTP, the floor, mcp-ferry, and the other bridges that the command line names.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::bridge::{Bridge, excerpt};
use crate::direct::Direct;
use crate::messages;
use crate::process::Tree;

pub struct Subject {
    pub name: String,
    pub way: Way,
    /// If one of ours fails, the benchmark fails; the failure of another bridge is a result.
    pub ours: bool,
}

pub enum Way {
    Direct,
    Command(Vec<String>),
}

/// A subject whose `initialize` is answered.
pub enum Live {
    Direct(Direct),
    Bridge(Bridge),
}

/// The server's URL, and a folder for the subjects' files.
pub struct Place {
    pub url: String,
    pub home: PathBuf,
}

impl Subject {
    pub fn bridge(name: &str, command: &[String], place: &Place, ours: bool) -> Self {
        let command = command.iter().map(|word| word.replace("{url}", &place.url)).collect();
        Self { name: name.to_owned(), way: Way::Command(command), ours }
    }

    /// Starts it, and returns how long it took to answer `initialize`.
    pub fn open(&self, place: &Place) -> Result<(Live, Duration), String> {
        let from = Instant::now();
        match &self.way {
            Way::Direct => Ok((Live::Direct(Direct::start(&place.url)?), from.elapsed())),
            Way::Command(command) => {
                let mut bridge = Bridge::start(command, &place.home)?;
                bridge.await_initialized()?;
                let took = from.elapsed();
                bridge.send_initialized()?;
                Ok((Live::Bridge(bridge), took))
            }
        }
    }
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

    pub fn tree(&self) -> Option<Tree> {
        match self {
            Self::Direct(_) => None,
            Self::Bridge(bridge) => bridge.tree(),
        }
    }
}

/// The process of the load server. It is killed when this is dropped.
pub struct Server(Child);

impl Server {
    /// The server and its URL.
    pub fn start() -> Result<(Self, String), String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = Command::new(program)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the load server: {error}"))?;
        let mut port = String::new();
        if let Some(stdout) = child.stdout.take() {
            std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut port).map_err(|e| e.to_string())?;
        }
        Ok((Self(child), format!("http://127.0.0.1:{}/mcp", port.trim())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The paths of mcp-ferry and the floor. They are executables of their own: this one, started again, would be larger and
/// start more slowly.
pub fn built(build: bool) -> Result<(PathBuf, PathBuf), String> {
    let examples = std::env::current_exe().map_err(|error| error.to_string())?;
    let examples = examples.parent().unwrap_or(Path::new("."));
    let profile = examples.parent().unwrap_or(Path::new("."));
    if build {
        // In two builds, so that the binary does not get features of libraries that only the examples need.
        for what in [["--bin", "mcp-ferry"], ["--example", "floor"]] {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let status = Command::new(cargo)
                .args(["build", "--release", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
                .args(what)
                .arg("--target-dir")
                .arg(profile.parent().unwrap_or(profile))
                .status();
            if !status.is_ok_and(|status| status.success()) {
                return Err(format!("cargo could not build {}", what[1]));
            }
        }
    }
    let name = |stem: &str| format!("{stem}{}", std::env::consts::EXE_SUFFIX);
    let (ferry, floor) = (profile.join(name("mcp-ferry")), examples.join(name("floor")));
    Ok((ferry, floor))
}
