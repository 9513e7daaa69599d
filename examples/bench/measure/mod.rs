//! The measurements: a file for each question.

mod calls;
mod large;
mod memory;
mod start;

use std::time::Duration;

use crate::report::Report;
use crate::subject::{Live, Place, Subject};

pub const NAMES: [&str; 7] = ["start", "calls", "flight", "events", "large", "memory", "fleet"];

/// One run of the benchmark over all subjects.
pub struct Run<'a> {
    pub subjects: &'a [Subject],
    pub place: &'a Place,
    pub quick: bool,
    pub report: Report,
}

impl Run<'_> {
    pub fn measure(&mut self, name: &str) {
        match name {
            "start" => self.start(),
            "calls" => self.calls(),
            "flight" => self.in_flight(),
            "events" => self.events(),
            "large" => self.large(),
            "memory" => self.memory(),
            _ => self.fleet(),
        }
    }

    fn rounds(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    fn open(&mut self, subject: usize, what: &str) -> Option<Live> {
        let opened = self.subjects[subject].open(self.place);
        opened.map_err(|why| self.report.fail(subject, what, &why)).ok().map(|(live, _)| live)
    }

    /// Opens every subject once.
    fn open_all(&mut self, what: &str) -> Vec<Option<Live>> {
        (0..self.subjects.len()).map(|subject| self.open(subject, what)).collect()
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
