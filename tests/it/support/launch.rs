//! Starts the bridge with given arguments, only the given environment, and its own home directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::protocol::trusted_authority;
use super::{Bridge, InteractiveCommand, REVISION, initialize};

/// How to start the bridge.
#[derive(Default)]
pub(crate) struct Launch {
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    pub(super) environment: BTreeMap<String, OsString>,
    pub(super) secrets: Vec<String>,
    pub(super) close_stdout_after: Option<usize>,
    pub(super) framed: bool,
    pub(super) leave_stderr_unread: bool,
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

    /// Starts it in this directory.
    #[cfg(target_os = "linux")]
    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Sets the directory for files that are kept between runs.
    pub(crate) fn home(mut self, home: &Path) -> Self {
        self.environment.insert("MCP_FERRY_HOME".to_owned(), home.into());
        self
    }

    /// Sets the seconds after which the first message is answered without the upstream.
    pub(crate) fn startup_wait(self, seconds: &str) -> Self {
        self.args(["--startup-wait", seconds])
    }

    /// Declares a text that only the upstream may receive.
    pub(crate) fn secret(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self
    }

    /// The client closes the bridge's stdout after this many lines.
    pub(crate) fn close_stdout_after(mut self, lines: usize) -> Self {
        self.close_stdout_after = Some(lines);
        self
    }

    /// The client reads messages by their length, not by lines.
    pub(crate) fn framed(mut self) -> Self {
        self.framed = true;
        self
    }

    /// The client keeps the bridge's stderr open and never reads it.
    pub(crate) fn leave_stderr_unread(mut self) -> Self {
        self.leave_stderr_unread = true;
        self
    }

    pub(crate) fn start(mut self) -> Bridge {
        let home = TempDir::new().unwrap();
        let mut command = self.command(&home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Bridge::new(command.spawn().unwrap(), self, home)
    }

    /// Runs a command other than the bridge to its end, with this on its stdin.
    pub(crate) fn run(mut self, stdin: &str) -> Output {
        let home = TempDir::new().unwrap();
        let mut command = self.command(&home);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that does not read stdin may have ended by now.
        drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
        child.wait_with_output().unwrap()
    }

    /// Starts a command that reads further lines from the test.
    pub(crate) fn start_interactive(mut self) -> InteractiveCommand {
        let home = TempDir::new().unwrap();
        let mut command = self.command(&home);
        InteractiveCommand::new(
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
        )
    }

    pub(super) fn command(&mut self, home: &TempDir) -> Command {
        self.environment.entry("MCP_FERRY_HOME".to_owned()).or_insert_with(|| home.path().join("ferry").into());
        // On a loaded machine the bridge must not answer with its placeholder unless a test is about that.
        self.environment.entry("MCP_FERRY_STARTUP_WAIT".to_owned()).or_insert_with(|| "15".into());
        if let Some(authority) = trusted_authority() {
            let file = home.path().join("ca-of-the-tests.pem");
            std::fs::write(&file, authority).unwrap();
            self.environment.entry("NODE_EXTRA_CA_CERTS".to_owned()).or_insert_with(|| file.into());
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-ferry"));
        command.args(&self.arguments).env_clear().env("HOME", home.path()).env("USERPROFILE", home.path());
        for name in ["PATH", "SystemRoot", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(&self.environment);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

/// Starts the bridge, sends `initialize` and returns the response.
pub(crate) fn initialize_response(launch: Launch) -> String {
    let mut bridge = launch.start();
    bridge.send(&initialize("1", REVISION));
    let answer = bridge.response("1");
    bridge.finish();
    answer
}
