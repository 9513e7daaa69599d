//! A terminal for a command: its stdin, stdout and stderr are one, as a person's are.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{ExitStatus, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use super::Launch;

/// What a person saw, and how the command ended.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: ExitStatus,
    /// All that was written to the terminal, in its order. Line ends are single characters.
    pub(crate) text: String,
}

impl Launch {
    /// Runs a command to its end on a terminal on which these lines are typed. A terminal is capable unless the test says
    /// otherwise.
    pub(crate) fn run_on_terminal(mut self, typed: &str) -> Shown {
        let home = TempDir::new().unwrap();
        let mut terminal = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let side = || Stdio::from(File::options().read(true).write(true).open(path).unwrap());
        self.environment.entry("TERM".to_owned()).or_insert_with(|| "xterm".into());
        let mut command = self.command(&home);
        let mut child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        // The sides of the terminal that this process holds.
        drop(command);
        // What ends the input.
        terminal.write_all(format!("{typed}\u{4}").as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let mut part = vec![0; 65536];
        // The end is an error on Linux: nobody has the other side any more.
        while let Ok(read @ 1..) = terminal.read(&mut part) {
            bytes.extend_from_slice(&part[..read]);
        }
        Shown { status: child.wait().unwrap(), text: String::from_utf8_lossy(&bytes).replace("\r\n", "\n") }
    }
}
