//! Starting the bridge: arguments, an environment with nothing else in it, a home of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{Bridge, Conversation, REVISION, initialize};

/// How the bridge is to be started.
#[derive(Default)]
pub(crate) struct Launch {
    arguments: Vec<OsString>,
    environment: BTreeMap<String, OsString>,
    pub(super) secrets: Vec<String>,
    pub(super) hang_up_after: Option<usize>,
    pub(super) framed: bool,
    pub(super) stderr_unread: bool,
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
        self.environment.insert("MCP_FERRY_HOME".to_owned(), home.into());
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

    /// The client closes the bridge's stdout after this many lines.
    pub(crate) fn hang_up_after(mut self, lines: usize) -> Self {
        self.hang_up_after = Some(lines);
        self
    }

    /// The client reads messages by their length, not by lines.
    pub(crate) fn framed(mut self) -> Self {
        self.framed = true;
        self
    }

    /// The client keeps the bridge's stderr open and never reads it.
    pub(crate) fn stderr_unread(mut self) -> Self {
        self.stderr_unread = true;
        self
    }

    pub(crate) fn start(mut self) -> Bridge {
        let home = TempDir::new().unwrap();
        let mut command = self.command(&home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Bridge::new(command.spawn().unwrap(), self, home)
    }

    /// A command that is no bridge: to its end, with this on its stdin.
    pub(crate) fn run(mut self, stdin: &str) -> Output {
        let home = TempDir::new().unwrap();
        let mut command = self.command(&home);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that does not ask may have ended by now.
        drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
        child.wait_with_output().unwrap()
    }

    /// A command that is talked to.
    pub(crate) fn converse(mut self) -> Conversation {
        let home = TempDir::new().unwrap();
        let mut command = self.command(&home);
        Conversation::new(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn command(&mut self, home: &TempDir) -> Command {
        self.environment.entry("MCP_FERRY_HOME".to_owned()).or_insert_with(|| home.path().join("ferry").into());
        // A loaded machine must not turn an upstream's real answer into a made-up one where that is not the question.
        self.environment.entry("MCP_FERRY_STARTUP_WAIT".to_owned()).or_insert_with(|| "15".into());
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-ferry"));
        command.args(&self.arguments).env_clear().env("HOME", home.path()).env("USERPROFILE", home.path());
        for name in ["PATH", "SystemRoot", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(&self.environment);
        command
    }
}

/// `initialize` over this launch, and its answer.
pub(crate) fn first_answer(launch: Launch) -> String {
    let mut bridge = launch.start();
    bridge.send(&initialize("1", REVISION));
    let answer = bridge.answer("1");
    bridge.finish();
    answer
}
