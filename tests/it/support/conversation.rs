//! A command that asks a person something: what it has said so far, and what it is told.

use std::io::{Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};

use super::DEADLINE;

#[derive(Default)]
struct Heard {
    text: Mutex<String>,
    changed: Condvar,
}

pub(crate) struct Conversation {
    child: Child,
    heard: Arc<Heard>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    /// On stdout and stderr together; read by whoever sees the test fail.
    #[allow(dead_code)]
    pub(crate) text: String,
}

impl Conversation {
    pub(super) fn new(mut child: Child) -> Self {
        let heard = Arc::new(Heard::default());
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for mut pipe in pipes {
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = pipe.read(&mut bytes) {
                    *heard.text.lock().unwrap() += &String::from_utf8_lossy(&bytes[..read]);
                    heard.changed.notify_all();
                }
            });
        }
        Self { child, heard }
    }

    /// Waits until a line with this text has been said.
    #[track_caller]
    pub(crate) fn until(&self, text: &str) -> String {
        let is_said = |all: &str| all.find(text).is_some_and(|place| all[place..].contains('\n'));
        let all = self.heard.text.lock().unwrap();
        let (all, waited) = self.heard.changed.wait_timeout_while(all, DEADLINE, |all| !is_said(all)).unwrap();
        assert!(!waited.timed_out(), "{text:?} was never said: {}", *all);
        all.clone()
    }

    /// One line on its stdin.
    pub(crate) fn say(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(crate) fn end(mut self) -> Said {
        let status = self.child.wait().unwrap();
        let text = self.heard.text.lock().unwrap().clone();
        Said { status, text }
    }
}
