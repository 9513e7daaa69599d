//! Which programs start MCP servers, where are their files, and what does an entry look like there? `table` has a row for
//! each, `shape` the kinds of entries, `places` what a client itself fills in.

mod places;
mod shape;
mod table;

use std::path::{Path, PathBuf};

use super::edit::{Format, Value, entries};
use super::world::{System, World, each_existing};

pub(crate) use places::Places;
pub(crate) use shape::base_name;
pub(super) use shape::{Server, Shape, VARIABLES, address};
pub use table::CLIENTS;

/// A program that starts MCP servers.
#[derive(Debug)]
pub struct Client {
    /// Its name for `--client`.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What to do after a change, so that it takes effect.
    pub restart: &'static str,
    /// Whether it reads a file that has changed by itself.
    pub reads_again: bool,
    /// What to do after an entry has gone, where that is something else: a server that is not there any more need not be
    /// started.
    pub(super) restart_without: Option<&'static str>,
    /// How sure we are of this row.
    pub sure: Sure,
    /// When the row was last checked, and against what.
    pub checked: &'static str,
    /// Whether we write its file. If not, a person gets a snippet.
    pub is_written: bool,
    /// The address that has the program itself add an entry; `{name}` and `{config}` are filled in.
    pub(super) link: Option<&'static str>,
    /// Its user's files.
    pub(super) places: &'static [Place],
    /// Its files in the folder of a project, which it reads besides.
    pub(super) project_files: &'static [&'static str],
    /// The key under which its user's file has more servers for each project, by the project's folder.
    pub(super) projects: Option<&'static str>,
    /// The keys that lead to its servers. The second is used where the file has it already.
    pub(super) sections: &'static [&'static [&'static str]],
    /// Whether it creates a folder beside its file, whose name ends in `.lock`, while it writes the file.
    pub(super) has_lock: bool,
    /// The folder beside its file with its extensions, which may bring servers.
    pub(super) extensions: Option<&'static str>,
    /// What an entry looks like.
    pub(super) shape: Shape,
    /// The variables that it fills in itself, in arguments and in the values of variables.
    pub(super) fills_in: Places,
    /// What its file looks like.
    pub(super) format: Format,
}

/// How a fact is known, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    /// The program was run, and showed the server.
    Tried,
    /// From the program's source.
    Source,
    /// From the vendor's documentation.
    Documented,
    /// From other people's reports and programs.
    Reported,
}

/// Where a file may be, on which system.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) on: &'static [System],
    pub(super) rule: Rule,
}

/// Which of the files that templates name are meant.
#[derive(Debug)]
pub(super) enum Rule {
    /// The first whose variables are set.
    First(&'static [&'static str]),
    /// The first that exists, or else the first.
    Existing(&'static [&'static str]),
    /// Each whose folder exists.
    EachFolder(&'static str),
    /// Each that exists.
    EachFile(&'static str),
    /// This one, where the places before have none.
    Otherwise(&'static str),
}

impl Client {
    /// The client with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CLIENTS.iter().find(|client| client.name == name)
    }

    /// Whether it fills in this place of an entry, such as `${NAME}`, with its own environment.
    pub(crate) fn fills_in(&self, place: &str) -> bool {
        self.fills_in.first_in(place).is_some()
    }

    /// What to do after an entry has gone.
    pub(super) fn restart_without_server(&self) -> Option<&'static str> {
        Some(self.restart_without.unwrap_or(self.restart)).filter(|what| !what.is_empty())
    }

    /// The files to which an entry of this name goes.
    pub fn files(&self, world: &World, name: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = Vec::new();
        for place in self.places.iter().filter(|place| place.on.contains(&world.system)) {
            let path = |template: &str| world.path(&template.replace("{entry}", name));
            match place.rule {
                Rule::First(templates) => files.extend(templates.iter().find_map(|template| path(template))),
                Rule::Existing(templates) => {
                    let paths: Vec<_> = templates.iter().filter_map(|template| path(template)).collect();
                    let chosen = paths.iter().find(|path| path.exists()).or_else(|| paths.first());
                    files.extend(chosen.cloned());
                }
                Rule::EachFolder(template) => {
                    let pattern = path(template);
                    let folders = pattern.as_deref().and_then(Path::parent).map(each_existing).unwrap_or_default();
                    let name = pattern.as_deref().and_then(Path::file_name).unwrap_or_default();
                    files.extend(folders.into_iter().map(|folder| folder.join(name)));
                }
                Rule::EachFile(template) => {
                    files.extend(path(template).map(|pattern| each_existing(&pattern)).unwrap_or_default());
                }
                Rule::Otherwise(template) if files.is_empty() => files.extend(path(template)),
                Rule::Otherwise(_) => {}
            }
        }
        files
    }

    /// Its files as a person sees them. Where each entry has a file of its own, those that are there, or their folder.
    pub fn shown_files(&self, world: &World) -> Vec<PathBuf> {
        if !self.is_own_file() {
            return self.files(world, "NAME");
        }
        let patterns = self.files(world, "*");
        let files: Vec<_> = patterns.iter().flat_map(|pattern| each_existing(pattern)).collect();
        let folders = || patterns.iter().filter_map(|pattern| pattern.parent()).map(Path::to_owned).collect();
        if files.is_empty() { folders() } else { files }
    }

    /// The key of its servers.
    pub(crate) fn key(&self) -> String {
        self.sections.first().map(|section| section.join(".")).unwrap_or_default()
    }

    /// Whether the program seems to be there: one of its files exists, or a folder for it. Nothing is read.
    pub fn is_found(&self, world: &World) -> bool {
        self.files(world, "any").iter().any(|file| {
            let folder = file.parent().filter(|folder| *folder != world.home);
            // Continue keeps a folder for our file in its own.
            let own = if self.is_own_file() { folder.and_then(Path::parent) } else { folder };
            file.exists() || own.is_some_and(Path::exists)
        })
    }

    /// Whether each entry has a file of its own.
    pub(super) fn is_own_file(&self) -> bool {
        self.shape == Shape::OwnFile
    }

    /// The keys that lead to the servers in this file.
    pub(super) fn section(&self, bytes: &[u8]) -> &'static [&'static str] {
        let first = self.sections.first().copied().unwrap_or_default();
        let has = |section: &[&str]| {
            let Some((last, above)) = section.split_last() else { return false };
            let found = entries(bytes, self.format, above).unwrap_or_default();
            // A server may have the name of the section.
            found
                .iter()
                .any(|(name, value)| name == last && matches!(value, Value::Table(_)) && value.get("type").is_none())
        };
        self.sections.iter().skip(1).copied().find(|section| has(section)).unwrap_or(first)
    }
}

#[cfg(test)]
mod tests;
