//! The measurements: a file for each question.

mod cable;
mod cable_large;
mod calls;
mod instructions;
mod large;
mod memory;
mod start;

use std::path::Path;
use std::time::Duration;

use crate::cable::Cables;
use crate::report::Report;
use crate::subject::{Live, Subject};

/// What is measured with a server on this machine.
pub const NEAR: [&str; 8] = ["start", "calls", "flight", "events", "large", "memory", "fleet", "instructions"];

/// What is measured with a server that is far away.
pub const FAR: [&str; 2] = ["cable", "cable-large"];

/// One run of the benchmark over all subjects.
pub struct Run<'a> {
    pub subjects: &'a [Subject],
    /// The folder for the subjects' files.
    pub home: &'a Path,
    pub quick: bool,
    pub report: Report,
}

impl Run<'_> {
    /// Measures one of [`NEAR`].
    pub fn measure(&mut self, name: &str) {
        match name {
            "start" => self.start(),
            "calls" => self.calls(),
            "flight" => self.in_flight(),
            "events" => self.events(),
            "large" => self.large(),
            "memory" => self.memory(),
            "fleet" => self.fleet(),
            _ => self.instructions(),
        }
    }

    /// Measures one of [`FAR`].
    pub fn measure_far(&mut self, name: &str, cables: &Cables) {
        match name {
            "cable" => self.cable(cables),
            _ => self.cable_large(),
        }
    }

    fn rounds(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    fn open(&mut self, subject: usize, what: &str) -> Option<Live> {
        let opened = self.subjects[subject].open(self.home);
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
