//! How long does a process take from its start to its first answer, and from the end of its input to its own end?

use super::{Run, millis};
use crate::bridge;
use crate::report::Metric;
use crate::subject::Live;

const FIRST: Metric = Metric::less("start → initialize answered, ms");
const END: Metric = Metric::less("end of stdin → process gone, ms");

impl Run<'_> {
    pub(super) fn start(&mut self) {
        for _ in 0..self.rounds(40, 10) {
            for subject in 0..self.subjects.len() {
                if self.report.failed(subject) {
                    continue;
                }
                match self.subjects[subject].open(self.home) {
                    Ok((live, took)) => {
                        self.report.add(FIRST, subject, millis(took));
                        let Live::Bridge(bridge) = live else { continue };
                        match bridge.end(bridge::END) {
                            Some(took) => self.report.add(END, subject, millis(took)),
                            None => self.report.fail(subject, "end", "still running 3 s after the end of its input"),
                        }
                    }
                    Err(why) => self.report.fail(subject, "start", &why),
                }
            }
        }
    }
}
