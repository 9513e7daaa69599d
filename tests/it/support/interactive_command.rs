//! A command that reads answers from its stdin: its output so far, and the lines that a test types.

use std::io::{Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};

use super::DEADLINE;

#[derive(Default)]
struct Output {
    text: Mutex<String>,
    changed: Condvar,
}

/// A running command whose stdin stays open.
pub(crate) struct InteractiveCommand {
    child: Child,
    output: Arc<Output>,
}

/// How the command ended.
#[derive(Debug)]
pub(crate) struct CommandExit {
    pub(crate) status: ExitStatus,
    /// stdout and stderr together, for the message of a failed test.
    #[allow(dead_code)]
    pub(crate) text: String,
}

impl InteractiveCommand {
    pub(super) fn new(mut child: Child) -> Self {
        let output = Arc::new(Output::default());
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for mut pipe in pipes {
            let output = Arc::clone(&output);
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = pipe.read(&mut bytes) {
                    *output.text.lock().unwrap() += &String::from_utf8_lossy(&bytes[..read]);
                    output.changed.notify_all();
                }
            });
        }
        Self { child, output }
    }

    /// Waits until a line with this text has been printed.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        let is_printed = |all: &str| all.find(text).is_some_and(|place| all[place..].contains('\n'));
        let all = self.output.text.lock().unwrap();
        let (all, waited) = self.output.changed.wait_timeout_while(all, DEADLINE, |all| !is_printed(all)).unwrap();
        assert!(!waited.timed_out(), "{text:?} was never printed: {}", *all);
        all.clone()
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line to its stdin.
    pub(crate) fn type_line(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Kills it, without a chance to end anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn wait_for_exit(mut self) -> CommandExit {
        let status = self.child.wait().unwrap();
        let text = self.output.text.lock().unwrap().clone();
        CommandExit { status, text }
    }
}
