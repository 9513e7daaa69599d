//! How does an entry get into a client's configuration file, and out of it again, without touching anything else?
//!
//! `clients` says where which client has its servers, `world` where that is on this machine. `plan` reads a file and asks
//! `edit`, which is pure, for the text with the entry; `notices` looks at the neighbours. `apply` writes: a copy and a
//! `record` first, then the file, by the room [`files`](crate::files); `history` says what comes back. `uninstall` finds what is
//! meant, `undo` takes an entry out again, and `chain` has the records of the others know. `mcp_remote` reads
//! the commands of mcp-remote, `program` chooses the path of this program, and a [`Report`] tells of it all. `scan` reads
//! what is there, for others; `package` says which package a program is from.

mod apply;
mod chain;
mod client_lock;
mod clients;
mod diff;
mod edit;
mod hidden;
mod history;
mod mcp_remote;
mod notices;
mod package;
mod plan;
mod program;
mod record;
mod report;
mod request;
mod scan;
mod secrets;
#[cfg(test)]
mod tests;
mod undo;
mod uninstall;
mod world;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use clients::Server;
use plan::{Plan, Planned, Wanted};
use record::Records;

pub(crate) use clients::base_name;
pub use clients::{CLIENTS, Client, Sure};
pub use edit::{Place, Refusal};
pub use notices::{extensions, is_same_url};
pub use package::{Package, this_program};
pub(crate) use program::short_lived_folder;
pub use report::{Outcome, Report, Step};
pub use request::{InstallError, Removal, Request, name_of};
pub use scan::{Entry, Scanned, scan};
pub(crate) use secrets::secret_in;
pub use uninstall::uninstall;
pub use world::{System, World};

/// How often a file is read again that changes while it is edited.
const TRIES: usize = 3;

/// A client on this machine.
#[derive(Debug)]
pub struct Listed {
    /// The client.
    pub client: &'static Client,
    /// Whether it seems to be installed.
    pub is_found: bool,
    /// Its files, and whether they exist.
    pub files: Vec<(PathBuf, bool)>,
    /// The entries that we have written: name and address.
    pub entries: Vec<(String, String)>,
}

/// The clients and their files. Nothing of theirs is read: on macOS, reading asks the person first.
pub fn list(world: &World) -> Vec<Listed> {
    let records = Records::preview(&world.records).all();
    let listed = |client: &'static Client| {
        let files = client.shown_files(world).into_iter().map(|path| (path.exists(), path));
        let entries = records.iter().filter(|record| record.client == client.name);
        Listed {
            client,
            is_found: client.is_found(world),
            files: files.map(|(exists, path)| (path, exists)).collect(),
            entries: entries.map(|record| (record.name.clone(), record.url.clone())).collect(),
        }
    };
    CLIENTS.iter().map(listed).collect()
}

/// Writes an entry into the files of clients.
pub fn install(world: &World, request: &Request) -> Result<Report, InstallError> {
    let name = request.name()?;
    let chosen = request::clients(&request.clients)?;
    let records = open(world, request.is_preview)?;
    let program = program::program(world);
    let hidden = secrets::hide(request);
    let words: Vec<String> = [request.url.clone()].into_iter().chain(hidden.options).collect();
    let env: Vec<(&str, &str)> = hidden.env.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    let notices = program.notice.iter().cloned().chain(hidden.notices).collect();
    let mut report = Report { notices, is_preview: request.is_preview, ..Report::default() };
    for client in chosen {
        let args = secrets::respelled(client, &words, &env);
        let entry = client.shape.entry(&name, &program.path, &args, &env);
        let wanted = Wanted { name: &name, url: &request.url, entry, takes_over: false };
        let files = client.files(world, &name);
        if !client.is_written || files.is_empty() {
            report.steps.push(by_hand(client, files.into_iter().next(), &wanted));
            continue;
        }
        let changed = secrets::changed_by(world, client, &env);
        for path in files {
            if let Some(Err(refusal)) = &changed {
                report.steps.push(step(client, &path, &name, Outcome::Refused(refusal.clone())));
                continue;
            }
            let mut step = put(&records, client, &path, &wanted, request.is_preview);
            step.notices.extend(notices::extensions(client, &path, &request.url));
            step.notices.extend(changed.iter().flatten().cloned());
            // A link ends in the history of a browser, where no secret may be.
            if matches!(step.outcome, Outcome::Refused(_)) && env.is_empty() {
                step.link = link(client, &name, &program.path, &args);
            }
            report.steps.push(step);
        }
    }
    Ok(report)
}

/// Makes entries that start mcp-remote ours, with the same meaning. [`uninstall()`] undoes it.
pub fn replace_mcp_remote(world: &World, clients: &[String], is_preview: bool) -> Result<Report, InstallError> {
    let chosen = if clients.is_empty() { found(world) } else { request::clients(clients)? };
    let records = open(world, is_preview)?;
    let program = program::program(world);
    let mut report = Report { notices: program.notice.into_iter().collect(), is_preview, ..Report::default() };
    for client in chosen {
        if !client.is_written {
            report.notices.push(format!("mcp-ferry does not write the file of {}", client.title));
        }
        for path in client.files(world, "*").into_iter().flat_map(|path| world::each_existing(&path)) {
            let entries = match plan::look(client, &path) {
                Ok(entries) => entries,
                Err(refusal) => {
                    report.steps.push(step(client, &path, "mcp-remote", Outcome::Refused(refusal)));
                    continue;
                }
            };
            let servers = entries.iter().map(|(name, entry)| (name, Server::read(entry)));
            for (name, server) in servers.filter(|(_, server)| mcp_remote::is_mentioned(server)) {
                let Some(args) = mcp_remote::arguments(&server) else {
                    let reason = "it starts mcp-remote in a way that only a person can translate";
                    report.steps.push(step(client, &path, name, Outcome::Refused(Refusal::new(reason))));
                    continue;
                };
                let env: Vec<_> = server.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let args = secrets::respelled(client, &args, &env);
                let entry = client.shape.other_command(&server, &program.path, &args);
                let wanted = Wanted { name, url: &args[0], entry, takes_over: true };
                report.steps.push(if client.is_written {
                    put(&records, client, &path, &wanted, is_preview)
                } else {
                    by_hand(client, Some(path.clone()), &wanted)
                });
            }
        }
    }
    Ok(report)
}

/// The clients that seem to be installed, and whose files we write.
pub fn found(world: &World) -> Vec<&'static Client> {
    CLIENTS.iter().filter(|client| client.is_written && client.is_found(world)).collect()
}

fn open(world: &World, is_preview: bool) -> Result<Records, InstallError> {
    if is_preview { Ok(Records::preview(&world.records)) } else { Ok(Records::lock(&world.records)?) }
}

/// Writes one entry into one file, or says what would change.
fn put(records: &Records, client: &'static Client, path: &Path, wanted: &Wanted<'_>, is_preview: bool) -> Step {
    for _ in 0..TRIES {
        let (plan, mut notices) = plan::plan(records, client, path, wanted);
        let (outcome, diff, backup) = match plan {
            Plan::Nothing => (Outcome::Unchanged, String::new(), None),
            Plan::Refused(refusal) => (Outcome::Refused(refusal), String::new(), None),
            Plan::Change(planned) if is_preview => (planned.outcome, planned.diff, None),
            Plan::Change(mut planned) => match apply::apply(records, &mut planned) {
                Ok(backup) => {
                    let Planned { outcome, diff, .. } = *planned;
                    (outcome, diff, backup)
                }
                Err(crate::files::ReplaceError::Changed) => continue,
                Err(error) => {
                    let reason = Refusal::new(format!("the file cannot be written: {error}"));
                    let kept = planned.record.backup.filter(|backup| backup.exists());
                    (Outcome::Refused(reason), String::new(), kept)
                }
            },
        };
        let by_hand = matches!(&outcome, Outcome::Refused(refusal) if refusal.snippet.is_some());
        notices.extend(by_hand.then(|| about_snippet(wanted)).flatten());
        return Step { diff, notices, backup, ..step(client, path, wanted.name, outcome) };
    }
    step(client, path, wanted.name, Outcome::Refused(undo::changing()))
}

/// What a person must know who adds an entry by hand: secrets are not shown.
fn about_snippet(wanted: &Wanted<'_>) -> Option<String> {
    let names: Vec<_> = Server::read(&wanted.entry).env.into_iter().map(|(name, _)| name).collect();
    (!names.is_empty()).then(|| format!("replace *** by the value of {}, which is not shown here", names.join(", ")))
}

fn step(client: &'static Client, path: &Path, name: &str, outcome: Outcome) -> Step {
    let restart = match outcome {
        Outcome::Inserted | Outcome::Replaced | Outcome::Snippet(_) => Some(client.restart),
        Outcome::Restored | Outcome::Removed => client.restart_without_server(),
        _ => None,
    };
    Step {
        client: client.name,
        title: client.title,
        path: Some(path.to_owned()),
        name: crate::log::foreign_name(name),
        outcome,
        diff: String::new(),
        notices: Vec::new(),
        backup: None,
        link: None,
        restart: restart.filter(|restart| !restart.is_empty()),
    }
}

/// What a person can add to the file of a client that we do not write.
fn by_hand(client: &'static Client, path: Option<PathBuf>, wanted: &Wanted<'_>) -> Step {
    let outcome = Outcome::Snippet(plan::snippet(client, b"", wanted));
    let notices = about_snippet(wanted).into_iter().collect();
    Step { path, notices, ..step(client, Path::new(""), wanted.name, outcome) }
}

/// The address that has a client itself add an entry.
fn link(client: &Client, name: &str, program: &str, args: &[String]) -> Option<String> {
    let config = serde_json::json!({ "command": program, "args": args }).to_string();
    Some(client.link?.replace("{name}", name).replace("{config}", &BASE64_STANDARD.encode(config)))
}
