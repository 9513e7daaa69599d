//! Which entries do the files of this machine's clients have? Nothing is written.

use std::fmt;
use std::path::{Path, PathBuf};

use super::clients::{CLIENTS, Client, Server, address};
use super::edit::{self, Refusal, Value};
use super::hidden::hide_in_entries;
use super::world::{World, each_existing};
use super::{mcp_remote, plan};

/// A file of a client, as it is read.
#[derive(Debug)]
pub struct Scanned {
    /// The client.
    pub client: &'static Client,
    /// The file.
    pub path: PathBuf,
    /// The folder of the project that the entries are for; `None` if they are for all of the user's work.
    pub project: Option<PathBuf>,
    /// Its entries, or why they cannot be read.
    pub entries: Result<Vec<Entry>, Refusal>,
    /// Keys under which other clients have their servers, and under which this file has some: this client ignores them.
    pub ignored: Vec<&'static str>,
}

/// An entry of a client's file. What is a secret in it by its name or its looks is redacted from now on.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it starts: the program and its arguments. Empty for a server that is reached directly.
    pub command: Vec<String>,
    /// The variables that it sets. Their values may be secrets.
    pub env: Vec<(String, String)>,
    /// The variables of the client's environment that the program gets besides those that it always gets.
    pub passed: Vec<String>,
    /// The headers that the client sends to a server that is reached directly.
    pub headers: Vec<(String, String)>,
    /// The folder that the program is started in.
    pub folder: Option<String>,
    /// The address of a server that is reached directly.
    pub url: Option<String>,
    /// Whether the user has switched it off.
    pub is_off: bool,
    /// Whether it starts mcp-ferry.
    pub is_ours: bool,
    /// Whether it names mcp-remote, in whatever way.
    pub names_mcp_remote: bool,
    /// The arguments of mcp-remote, if it starts that.
    pub mcp_remote: Option<Vec<String>>,
}

/// Without values, of which some are secrets.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Entry {
    /// What an entry says, whatever its client.
    fn read(name: &str, value: &Value) -> Self {
        let server = Server::read(value);
        let headers: Vec<_> = ["headers", "http_headers"]
            .iter()
            .filter_map(|key| value.get(key))
            .flat_map(Value::members)
            .filter_map(|(name, value)| Some((name.clone(), value.as_text()?.to_owned())))
            .collect();
        let passed = value.get("env_vars").and_then(|list| match list {
            Value::List(items) => Some(items),
            _ => None,
        });
        let is = |key: &str, wanted: bool| value.get(key) == Some(&Value::Bool(wanted));
        let text = |key: &str| value.get(key).and_then(Value::as_text).map(str::to_owned);
        Self {
            name: name.to_owned(),
            is_ours: server.is_ours(),
            names_mcp_remote: mcp_remote::is_mentioned(&server),
            mcp_remote: mcp_remote::arguments(&server),
            env: server.env,
            passed: passed.into_iter().flatten().filter_map(Value::as_text).map(str::to_owned).collect(),
            headers,
            folder: text("cwd"),
            url: server.url,
            is_off: is("disabled", true) || is("enabled", false),
            command: server.command,
        }
    }

    /// The same for a command line that runs.
    pub fn of_command(words: Vec<String>) -> Self {
        Self::read("", &Value::Table(vec![("command".to_owned(), Value::texts(words))]))
    }

    /// The arguments of mcp-ferry or of mcp-remote, if it starts one of them.
    pub fn arguments(&self) -> Option<&[String]> {
        if self.is_ours { self.command.get(1..) } else { self.mcp_remote.as_deref() }
    }

    /// The address of the server that it reaches, as it is written.
    pub fn address(&self) -> Option<&str> {
        let is_web = |word: &&String| word.starts_with("https://") || word.starts_with("http://");
        let word = match self.arguments() {
            Some(arguments) => address(arguments),
            None => self.command.iter().skip(1).find(is_web).map(String::as_str),
        };
        self.url.as_deref().or(word)
    }
}

/// Reads the files of all clients that are there: those of the user and those of the project.
pub fn scan(world: &World) -> Vec<Scanned> {
    let mut scanned: Vec<Scanned> = Vec::new();
    for client in CLIENTS {
        let first = scanned.len();
        for path in client.files(world, "*").into_iter().flat_map(|path| each_existing(&path)) {
            let projects = of_projects(client, &path);
            scanned.push(of_file(client, path, None));
            scanned.extend(projects);
        }
        let Some(project) = &world.project else { continue };
        for path in client.project_files.iter().map(|file| project.join(file)).filter(|path| path.exists()) {
            // In the home directory it is that of the user.
            let real = path.canonicalize().ok();
            if !scanned[first..].iter().any(|other| other.path.canonicalize().ok() == real) {
                scanned.push(of_file(client, path, Some(project)));
            }
        }
    }
    scanned
}

fn of_file(client: &'static Client, path: PathBuf, project: Option<&Path>) -> Scanned {
    let read = plan::look(client, &path);
    let entries = read.map(|entries| read_all(&entries, project));
    let ignored = if entries.is_ok() { ignored(client, &path) } else { Vec::new() };
    Scanned { client, path, project: project.map(Path::to_owned), entries, ignored }
}

/// What a user's file has for single projects.
fn of_projects(client: &'static Client, path: &Path) -> Vec<Scanned> {
    let (Some(key), Ok(file)) = (client.projects, plan::read_only(path)) else { return Vec::new() };
    let projects = edit::entries(file.bytes().unwrap_or_default(), client.format, &[key]).unwrap_or_default();
    let of_project = |(folder, project): &(String, Value)| {
        let servers = client.sections.first()?.iter().try_fold(project, |value, key| value.get(key))?.members();
        let project = PathBuf::from(folder);
        let entries = Ok(read_all(servers, Some(&project)));
        let scanned = Scanned { client, path: path.to_owned(), project: Some(project), entries, ignored: Vec::new() };
        (!servers.is_empty()).then_some(scanned)
    };
    projects.iter().filter_map(of_project).collect()
}

/// Reads entries, whose secrets are redacted from now on. Those of a project are started in its folder.
fn read_all(entries: &[(String, Value)], project: Option<&Path>) -> Vec<Entry> {
    hide_in_entries(entries);
    let read = |(name, value): &(String, Value)| {
        let entry = Entry::read(name, value);
        let folder = project.map(|project| match &entry.folder {
            Some(folder) => project.join(folder),
            None => project.to_owned(),
        });
        let folder = folder.map(|folder| folder.to_string_lossy().into_owned()).or(entry.folder);
        Entry { folder, ..entry }
    };
    entries.iter().map(read).collect()
}

/// Sections that other clients have, and that servers stand in.
fn ignored(client: &Client, path: &Path) -> Vec<&'static str> {
    let Ok(file) = plan::read_only(path) else { return Vec::new() };
    let bytes = file.bytes().unwrap_or_default();
    let mut found = Vec::new();
    for section in CLIENTS.iter().flat_map(|client| client.sections) {
        let &[key] = *section else { continue };
        let is_own = client.sections.iter().any(|own| own.first() == Some(&key));
        if is_own || found.contains(&key) {
            continue;
        }
        let entries = edit::entries(bytes, client.format, section).unwrap_or_default();
        let is_server = |(_, entry): &(String, Value)| {
            let server = Server::read(entry);
            !server.command.is_empty() || server.url.is_some()
        };
        if entries.iter().any(is_server) {
            hide_in_entries(&entries);
            found.push(key);
        }
    }
    found
}
