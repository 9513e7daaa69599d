//! How are the steps of the way written down? In order; what follows a failure is skipped.

use std::time::{Duration, Instant};

use crate::doctor::{Cause, Code, Mark, Step};

/// All steps of the way to a server that serves us, in order.
const NAMES: [&str; 11] =
    ["route", "name", "tcp", "tls", "http", "login", "mcp", "tools", "resources", "prompts", "stream"];

/// How long the whole way may take.
pub(super) const LIMIT: Duration = Duration::from_secs(12);

/// The end of the way: a step has failed, and is written down.
#[derive(Debug)]
pub(super) struct Failed;

/// The steps so far.
#[derive(Debug)]
pub(super) struct Steps {
    done: Vec<Step>,
    begun: Instant,
    step_begun: Instant,
}

impl Steps {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { done: Vec::new(), begun: now, step_begun: now }
    }

    /// Begins to measure the next step.
    pub(super) fn begin(&mut self) {
        self.step_begun = Instant::now();
    }

    /// Since when the step is measured.
    pub(super) fn elapsed(&self) -> Duration {
        self.step_begun.elapsed()
    }

    /// How long the rest of the way may take.
    pub(super) fn time_left(&self) -> Duration {
        LIMIT.saturating_sub(self.begun.elapsed())
    }

    pub(super) fn ok(&mut self, name: &str, fact: impl Into<String>) {
        let step = Step::new(name, Mark::Ok, fact).took(self.elapsed());
        self.done.push(step);
    }

    /// A fact that took no time.
    pub(super) fn note(&mut self, name: &str, fact: impl Into<String>) {
        self.done.push(Step::new(name, Mark::Ok, fact));
    }

    pub(super) fn warn(&mut self, name: &str, fact: impl Into<String>, cause: Cause) {
        let step = Step::new(name, Mark::Warning, fact).took(self.elapsed()).because(cause);
        self.done.push(step);
    }

    pub(super) fn skip(&mut self, name: &str, why: &str) {
        self.done.push(Step::new(name, Mark::Skipped, why));
    }

    pub(super) fn fail(&mut self, name: &str, fact: impl Into<String>, cause: Cause) -> Failed {
        let step = Step::new(name, Mark::Failed, fact).took(self.elapsed()).because(cause);
        self.done.push(step);
        Failed
    }

    /// The end of the way because a step takes too long.
    pub(super) fn too_slow(&mut self, name: &str, host: &str) -> Failed {
        let seconds = self.elapsed().as_secs();
        let sentence = format!("{host} takes the request and has not answered within {seconds} seconds");
        let fix = "try again in a minute; if it stays, tell the server's operator";
        self.fail(name, format!("no answer within {seconds} s"), Cause::new(Code::Silent, sentence, fix))
    }

    /// The end of the way because all steps together take too long.
    pub(super) fn out_of_time(&mut self, host: &str) -> Failed {
        let name = NAMES.get(self.reached()).copied().unwrap_or("stream");
        let sentence = format!("{host} is too slow: the way to its tools takes more than {} seconds", LIMIT.as_secs());
        let fix = "try again in a minute; if it stays, tell the server's operator";
        self.fail(name, "out of time", Cause::new(Code::Silent, sentence, fix))
    }

    /// How many of the steps that have a name here are behind us.
    fn reached(&self) -> usize {
        // A login may be wanted only by a list.
        let last = self.done.iter().filter_map(|step| NAMES.iter().position(|name| *name == step.name)).max();
        last.map_or(0, |last| last + 1)
    }

    /// All steps; those that were not reached are skipped.
    pub(super) fn finish(mut self, why: &str) -> Vec<Step> {
        for name in NAMES.iter().skip(self.reached()) {
            self.skip(name, why);
        }
        self.done
    }
}
