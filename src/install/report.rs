//! What was done, file by file, for a person or a program?

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::edit::Refusal;
use crate::log;

/// What happened, or would happen, to the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What concerns no single file.
    pub notices: Vec<String>,
    /// One for each file and entry.
    pub steps: Vec<Step>,
    /// Whether nothing was written.
    pub is_preview: bool,
}

/// What happened to one entry of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The client's name for `--client`.
    pub client: &'static str,
    /// The client's name for people.
    pub title: &'static str,
    /// The file; `None` for a client whose file we do not know.
    pub path: Option<PathBuf>,
    /// The name of the entry.
    pub name: String,
    /// What happened.
    pub outcome: Outcome,
    /// What changes in the file, as a unified diff; empty if nothing does.
    pub diff: String,
    /// What a person should know.
    pub notices: Vec<String>,
    /// The copy of the file before.
    pub backup: Option<PathBuf>,
    /// What to do so that the change takes effect.
    pub restart: Option<&'static str>,
    /// An address that has the client itself add the entry, where we have not.
    pub link: Option<String>,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Inserted,
    /// It took the place of one of the same name.
    Replaced,
    /// It was there as it should be.
    Unchanged,
    /// The file is what it was before the entry, to the byte.
    Restored,
    /// It is gone; the rest of the file stays as it has become since.
    Removed,
    /// It was not there any more.
    NotThere,
    /// We do not write this client's file: what a person can add.
    Snippet(String),
    /// The file stays as it is.
    Refused(Refusal),
}

impl Outcome {
    /// The word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Restored => "restored",
            Self::Removed => "removed",
            Self::NotThere => "not-there",
            Self::Snippet(_) => "snippet",
            Self::Refused(_) => "refused",
        }
    }

    fn sentence(&self, is_preview: bool) -> &'static str {
        match (self, is_preview) {
            (Self::Inserted, false) => "added",
            (Self::Inserted, true) => "would be added",
            (Self::Replaced, false) => "changed",
            (Self::Replaced, true) => "would be changed",
            (Self::Unchanged, _) => "is there already",
            (Self::Restored, false) => "removed; the file is what it was before, to the byte",
            (Self::Restored, true) => "would be removed; the file would be what it was before, to the byte",
            (Self::Removed, false) => "removed",
            (Self::Removed, true) => "would be removed",
            (Self::NotThere, _) => "is not there any more",
            (Self::Snippet(_), _) => "can be added by hand",
            (Self::Refused(_), _) => "not changed",
        }
    }
}

impl Report {
    /// Whether everything that was asked for is done: no file was left alone.
    pub fn is_complete(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.outcome, Outcome::Refused(_)))
    }

    /// Whether something changes at all.
    pub fn has_changes(&self) -> bool {
        let changes = |step: &Step| {
            matches!(step.outcome, Outcome::Inserted | Outcome::Replaced | Outcome::Restored | Outcome::Removed)
        };
        self.steps.iter().any(changes)
    }

    /// The report without what a person has read before, or does not want to read: notices, copies, what is next.
    #[must_use]
    pub fn brief(mut self) -> Self {
        self.notices.clear();
        for step in &mut self.steps {
            (step.notices, step.backup, step.restart) = (Vec::new(), None, None);
        }
        self
    }

    /// The report without notices: a preview has told them.
    #[must_use]
    pub fn without_notices(mut self) -> Self {
        self.notices.clear();
        self.steps.iter_mut().for_each(|step| step.notices.clear());
        self
    }

    /// The report for a person.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            let place = step.path.as_ref().map(|path| format!(" ({})", log::neutral(&path.display().to_string())));
            let what = step.outcome.sentence(self.is_preview);
            writeln!(text, "{}: {} {what}{}", step.title, step.name, place.unwrap_or_default()).ok();
            if let Outcome::Refused(refusal) = &step.outcome {
                let at = refusal.place.as_ref().map(|place| format!("line {}, column {}: ", place.line, place.column));
                writeln!(text, "  {}{}", at.unwrap_or_default(), refusal.reason).ok();
                if let Some(place) = refusal.place.as_ref().filter(|place| !place.text.is_empty()) {
                    writeln!(text, "    {}", place.text).ok();
                }
            }
            for line in step.by_hand().into_iter().flat_map(str::lines) {
                writeln!(text, "    {line}").ok();
            }
            if let Some(link) = &step.link {
                writeln!(text, "  or open {link}").ok();
            }
            for notice in &step.notices {
                writeln!(text, "  note: {notice}").ok();
            }
            if self.is_preview {
                text.push_str(&step.diff);
            } else {
                if let Some(backup) = &step.backup {
                    writeln!(text, "  backup: {}", log::neutral(&backup.display().to_string())).ok();
                }
                if let Some(restart) = step.restart {
                    writeln!(text, "  next: {restart}").ok();
                }
            }
        }
        for notice in &self.notices {
            writeln!(text, "note: {notice}").ok();
        }
        text
    }

    /// The report for a program.
    pub fn json(&self) -> Value {
        let steps = self.steps.iter().map(|step| {
            let refusal = match &step.outcome {
                Outcome::Refused(refusal) => Some(refusal),
                _ => None,
            };
            let place = refusal.and_then(|refusal| refusal.place.as_ref());
            json!({
                "client": step.client,
                "title": step.title,
                "path": step.path.as_ref().map(|path| path.display().to_string()),
                "name": step.name,
                "outcome": step.outcome.word(),
                "reason": refusal.map(|refusal| &refusal.reason),
                "line": place.map(|place| place.line),
                "column": place.map(|place| place.column),
                "text": place.map(|place| &place.text),
                "snippet": step.by_hand(),
                "link": step.link,
                "diff": step.diff,
                "notices": step.notices,
                "backup": step.backup.as_ref().map(|path| path.display().to_string()),
                "next": step.restart,
            })
        });
        json!({
            "ok": self.is_complete(),
            "dry_run": self.is_preview,
            "notices": self.notices,
            "steps": steps.collect::<Vec<_>>(),
        })
    }
}

impl Step {
    /// What a person can add.
    fn by_hand(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Snippet(text) => Some(text),
            Outcome::Refused(refusal) => refusal.snippet.as_deref(),
            _ => None,
        }
    }
}
