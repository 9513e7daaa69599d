//! What has doctor found? Steps with a mark, a fact and a time, as text for people and as JSON for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::Code;
use crate::error::Exit;
use crate::install::this_program;
use crate::log;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// All is well.
    Ok,
    /// It works, but something about it will trouble somebody.
    Warning,
    /// It does not work.
    Failed,
    /// Not tried, because of a step before.
    Skipped,
}

/// Why a step failed, or what it warns of.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The code, for scripts and for the documentation.
    pub code: Code,
    /// One sentence for a person.
    pub sentence: String,
    /// What mends it, most often a command to paste.
    pub fix: Option<String>,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// What was looked at, in a word.
    pub name: String,
    /// How it ended.
    pub mark: Mark,
    /// What was found, on one line.
    pub fact: String,
    /// How long it took, if that says something.
    pub time: Option<Duration>,
    /// What is wrong. Every failed step has one.
    pub cause: Option<Cause>,
}

/// Steps that belong together.
#[derive(Debug, Clone)]
pub struct Section {
    /// What they are about.
    pub title: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// All that was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The server, if there is one: scheme, host and path, without what may be secret.
    pub url: Option<String>,
    /// The sections, in order.
    pub sections: Vec<Section>,
}

impl Report {
    /// The first step that failed: the cause of everything after it.
    pub fn cause(&self) -> Option<&Cause> {
        self.count(Mark::Failed).next().and_then(|step| step.cause.as_ref())
    }

    /// The status this process ends with. Warnings are failures when the user says so.
    pub fn exit(&self, is_strict: bool) -> Exit {
        match self.cause() {
            Some(cause) if cause.code.wants_login() => Exit::LoginNeeded,
            Some(_) => Exit::Failure,
            None if is_strict && self.count(Mark::Warning).next().is_some() => Exit::Failure,
            None => Exit::Orderly,
        }
    }

    /// The same as JSON, as `schema.json` in this folder describes it.
    pub fn json(&self, is_strict: bool) -> Value {
        let step = |step: &Step| {
            json!({
                "name": step.name,
                "mark": step.mark.as_str(),
                "fact": log::redact(&step.fact),
                "milliseconds": step.time.map(|time| (time.as_secs_f64() * 10_000.0).round() / 10.0),
                "cause": step.cause.as_ref().map(cause),
            })
        };
        let section = |section: &Section| json!({ "title": section.title, "steps": section.steps.iter().map(step).collect::<Vec<_>>() });
        json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "installation": this_program().map(|(_, package)| package.json()),
            "url": self.url.as_ref().map(|url| log::redact(url)),
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
            "cause": self.cause().map(cause),
            "failures": self.count(Mark::Failed).count(),
            "warnings": self.count(Mark::Warning).count(),
            "exit": self.exit(is_strict) as u8,
        })
    }

    pub(super) fn count(&self, mark: Mark) -> impl Iterator<Item = &Step> {
        let steps = self.sections.iter().flat_map(|section| &section.steps);
        steps.filter(move |step| step.mark == mark)
    }
}

impl Cause {
    /// A cause with a sentence and what mends it.
    pub fn new(code: Code, sentence: impl Into<String>, fix: impl Into<String>) -> Self {
        let fix = Some(fix.into()).filter(|fix| !fix.is_empty());
        Self { code, sentence: sentence.into(), fix }
    }
}

impl Step {
    /// A step without a time.
    pub fn new(name: &str, mark: Mark, fact: impl Into<String>) -> Self {
        Self { name: name.to_owned(), mark, fact: fact.into(), time: None, cause: None }
    }

    /// The same with the time that it took.
    #[must_use]
    pub fn took(self, time: Duration) -> Self {
        Self { time: Some(time), ..self }
    }

    /// The same with what is wrong.
    #[must_use]
    pub fn because(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }
}

impl Mark {
    /// The mark that is this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Ok, Self::Warning, Self::Failed, Self::Skipped].into_iter().find(|mark| mark.as_str() == word)
    }

    /// The mark as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warn",
            Self::Failed => "FAIL",
            Self::Skipped => "skip",
        }
    }
}

fn cause(cause: &Cause) -> Value {
    json!({
        "code": cause.code.as_str(),
        "sentence": log::redact(&cause.sentence),
        "fix": cause.fix.as_ref().map(|fix| log::redact(fix)),
    })
}
