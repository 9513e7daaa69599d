//! How does something that is wrong in a client's file become a step?

use std::path::Path;

use crate::doctor::{Cause, Code, Mark, Step};
use crate::install::{Scanned, World};
use crate::log;

/// Something that is wrong.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) mark: Mark,
    pub(super) code: Code,
    /// What is wrong, as a sentence without its subject.
    pub(super) problem: String,
    pub(super) fix: Option<String>,
}

impl Finding {
    /// What cannot work.
    pub(super) fn failure(code: Code, problem: impl Into<String>) -> Self {
        Self { mark: Mark::Failed, code, problem: problem.into(), fix: None }
    }

    /// What may work.
    pub(super) fn warning(code: Code, problem: impl Into<String>) -> Self {
        Self { mark: Mark::Warning, ..Self::failure(code, problem) }
    }

    /// With what mends it.
    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// The step of this name. `short` and `long` are the subject of the sentence, on a line and in a text.
    pub(super) fn step(self, name: &str, short: &str, long: &str) -> Step {
        let sentence = format!("{long} {}", self.problem);
        Step {
            name: name.to_owned(),
            mark: self.mark,
            fact: format!("{short} {}", self.problem),
            time: None,
            cause: Some(Cause { code: self.code, sentence, fix: self.fix }),
        }
    }
}

/// A step with nothing wrong in it.
pub(super) fn fine(name: &str, fact: impl Into<String>) -> Step {
    Step { name: name.to_owned(), mark: Mark::Ok, fact: fact.into(), time: None, cause: None }
}

/// A step that is not tried.
pub(super) fn skipped(name: &str, why: impl Into<String>) -> Step {
    Step { mark: Mark::Skipped, ..fine(name, why) }
}

/// A path for a sentence.
pub(super) fn shown(world: &World, path: &Path) -> String {
    let text = match path.strip_prefix(&world.home) {
        Ok(rest) if !world.home.as_os_str().is_empty() => Path::new("~").join(rest),
        _ => path.to_owned(),
    };
    log::foreign(&text.display().to_string())
}

/// What tells an entry for one project from those for all, behind its name.
pub(super) fn of_project(world: &World, file: &Scanned) -> String {
    let folder = file.project.as_ref().map(|folder| format!(" (project {})", shown(world, folder)));
    folder.unwrap_or_default()
}

/// How an entry that starts mcp-remote comes to start this program, which takes its arguments as they are.
pub(super) fn replace_mcp_remote(file: &Scanned) -> String {
    match &file.project {
        None => format!("mcp-ferry install --replace-mcp-remote --client {}", file.client.name),
        Some(_) => {
            let path = log::foreign(&file.path.display().to_string());
            format!("in {path}: \"command\": \"mcp-ferry\", and only what stands behind mcp-remote in \"args\"")
        }
    }
}

/// A path for a command.
pub(super) fn quoted(path: &Path) -> String {
    log::shell_word(&path.display().to_string())
}

/// The address of a server for a sentence: no path, which may hold a secret.
pub(super) fn origin(address: &str) -> String {
    match url::Url::parse(address.trim()) {
        Ok(url) if url.origin().is_tuple() => log::foreign_name(&url.origin().ascii_serialization()),
        Ok(url) => log::foreign_name(&format!("{}://{}", url.scheme(), url.host_str().unwrap_or("…"))),
        Err(_) => "an address that cannot be read".to_owned(),
    }
}
