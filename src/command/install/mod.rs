//! How do other programs come to start the bridge, and how not any more (`mcp-ferry install`, `uninstall`)?
//!
//! The room [`mod@crate::install`] changes the files. Here a person is asked: `clients` which programs are meant,
//! `variables` what the entry needs besides; `list` prints what there is.

mod clients;
mod list;
mod variables;

use super::output::{say, say_json};
use super::{document, prompt, terminal};
use crate::cli::{Changes, InstallCommand, Options, UninstallCommand};
use crate::config::{self, Settings};
use crate::error::{Error, Exit};
use crate::install::{self, InstallError, Removal, Report, Request, World};
use crate::typed::needed;
use crate::{log, system, task};

/// Writes entries, or shows what there is.
pub(super) fn install(typed: &InstallCommand) -> Result<Exit, Error> {
    let world = world()?;
    let how = How::of(&typed.changes, &typed.options);
    if typed.list {
        list::print(&world, &typed.changes.client, typed.changes.json);
        return Ok(Exit::Orderly);
    }
    if typed.replace_mcp_remote {
        let replace = |is_preview| install::replace_mcp_remote(&world, &typed.changes.client, is_preview);
        return how.change(replace, "no entry starts mcp-remote");
    }
    let mut request = Request { options: typed.entry.clone(), ..request(typed)? };
    check_typed(typed, &request)?;
    let name = request.name()?;
    request.clients = clients::chosen(&world, typed, &name, &request.url)?;
    request.env = variables::values(&request, typed)?;
    how.change(|is_preview| install::install(&world, &Request { is_preview, ..request.clone() }), "")
}

/// Takes entries out again.
pub(super) fn uninstall(typed: &UninstallCommand) -> Result<Exit, Error> {
    let world = world()?;
    let how = How::of(&typed.changes, &typed.options);
    let removal = Removal { what: typed.url.clone(), clients: typed.changes.client.clone(), is_preview: true };
    if install::uninstall(&world, &removal)?.steps.is_empty() {
        return Err(Error::Install {
            cause: format!("no entry of mcp-ferry has the name or URL {}", shown_url(&typed.url)),
            hint: "`mcp-ferry install --list` shows what was added".to_owned(),
        });
    }
    how.change(|is_preview| install::uninstall(&world, &Removal { is_preview, ..removal.clone() }), "")
}

/// The address, and the name that was typed; both may be in a document.
fn request(typed: &InstallCommand) -> Result<Request, Error> {
    let url = typed.url.clone().unwrap_or_default();
    let request = Request { url, name: typed.name.clone(), ..Request::default() };
    if !document::may_be_document(&request.url) {
        return Ok(request);
    }
    let mut options = typed.options.clone();
    options.fill_in()?;
    let Some(document) = task::run(document::fetch(&request.url, &options))? else { return Ok(request) };
    let Some(url) = document.url()? else { return Ok(request) };
    let name = request.name.or_else(|| document.name());
    if !typed.options.logging.silent {
        prompt::say(&format!("note: the document names the server {}\n", log::foreign(&url)));
    }
    Ok(Request { url, name, ..request })
}

/// How files are changed.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools)]
struct How {
    is_preview: bool,
    /// Whether a person sees the changes first, and may say no.
    asks: bool,
    json: bool,
    quiet: bool,
}

impl How {
    fn of(typed: &Changes, options: &Options) -> Self {
        Self {
            is_preview: typed.dry_run,
            asks: !typed.yes && terminal::is_interactive(),
            json: typed.json,
            quiet: options.logging.silent,
        }
    }

    /// Changes files, and tells of it. `nothing` is what to say if there is nothing to do.
    fn change(self, act: impl Fn(bool) -> Result<Report, InstallError>, nothing: &str) -> Result<Exit, Error> {
        let mut is_told = false;
        if self.asks && !self.is_preview {
            let preview = act(true)?;
            is_told = preview.has_changes();
            if is_told {
                prompt::say(&preview.text());
                if !prompt::agrees("change this? [Y/n] ") {
                    return Err(not_done());
                }
            }
        }
        let report = act(self.is_preview)?;
        let is_complete = report.is_complete();
        if self.json {
            say_json(&report.json());
        } else if report.steps.is_empty() {
            say(nothing);
            let notices = if self.quiet { String::new() } else { report.text() };
            if !notices.is_empty() {
                say(notices.trim_end_matches('\n'));
            }
        } else {
            let report = match (self.quiet, is_told) {
                (true, _) => report.brief(),
                (false, true) => report.without_notices(),
                (false, false) => report,
            };
            say(report.text().trim_end_matches('\n'));
        }
        if is_complete {
            return Ok(Exit::Orderly);
        }
        Err(Error::Install {
            cause: "not every file could be changed".to_owned(),
            hint: "the report names the reasons; what is shown there can be added by hand".to_owned(),
        })
    }
}

/// The person has said no, or nothing.
fn not_done() -> Error {
    Error::Install { cause: "nothing was changed".to_owned(), hint: String::new() }
}

fn world() -> Result<World, Error> {
    let world = system::home().and_then(|home| World::of_this_machine(&home));
    world.ok_or_else(|| Error::System("there is no home directory, in which programs have their files".to_owned()))
}

/// A name or an address as it may be shown.
fn shown_url(typed: &str) -> String {
    if let Ok(url) = url::Url::parse(typed) {
        log::hide_url(&url, 8);
    }
    log::foreign_name(typed)
}

/// Checks what needs no variable: a mistake is told before anybody is asked for anything.
fn check_typed(typed: &InstallCommand, request: &Request) -> Result<(), Error> {
    if needed(&request.url).is_empty()
        && let Some(fault) = config::address_fault(&request.url, &typed.options)
    {
        return Err(Error::Usage(fault.why));
    }
    let mut headers = typed.entry.windows(2).filter(|words| words[0] == "--header").map(|words| &words[1]);
    let is_wrong = |header: &String| !config::is_header(header);
    let has_wrong = headers.any(is_wrong) || typed.entry.iter().any(|word| word.starts_with("--header=-"));
    if has_wrong {
        // The text may be a secret without its name.
        return Err(Error::Usage("a header of --header is not of the form 'Name: value'".to_owned()));
    }
    Ok(())
}

/// Checks the address and the options, as far as they do not depend on variables that only the entry has.
fn check(typed: &InstallCommand, url: &str, names: &[String]) -> Result<(), Error> {
    let is_set = |name: &String| config::variable(name).is_some();
    let fault = || config::address_fault(url, &typed.options);
    if let Some(fault) = needed(url).iter().all(is_set).then(fault).flatten() {
        return Err(Error::Usage(fault.why));
    }
    if names.iter().all(is_set) {
        let mut options = typed.options.clone();
        options.fill_in()?;
        Settings::new(url, None, &options)?;
    }
    Ok(())
}

/// What went wrong ends the program. (Here, because `error` knows no clients.)
impl From<InstallError> for Error {
    fn from(error: InstallError) -> Self {
        let (cause, hint) = (error.to_string(), error.hint());
        match error {
            InstallError::Records(_) => Self::Install { cause, hint },
            _ => Self::Arguments { cause, hint },
        }
    }
}
