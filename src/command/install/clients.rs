//! Which programs does the user mean? Those that were named, or that a person chooses from what was found.

use super::super::{prompt, terminal};
use super::{not_done, shown_url};
use crate::cli::InstallCommand;
use crate::error::Error;
use crate::install::{self, Client, World};
use crate::log;

/// The names of the clients that get an entry.
pub(super) fn chosen(world: &World, typed: &InstallCommand, name: &str, url: &str) -> Result<Vec<String>, Error> {
    if !typed.changes.client.is_empty() {
        return Ok(typed.changes.client.clone());
    }
    let found = install::found(world);
    if found.is_empty() {
        return Err(Error::Arguments {
            cause: "no client was found on this machine".to_owned(),
            hint: "name one with --client NAME; `mcp-ferry install --list` shows the names".to_owned(),
        });
    }
    if typed.all {
        return Ok(names(&found));
    }
    if !terminal::is_interactive() {
        return Err(not_named(world));
    }
    ask(world, &found, &format!("add {name} ({}) to which?", shown_url(url)))
}

/// The error where nobody can be asked.
fn not_named(world: &World) -> Error {
    let found = names(&install::found(world));
    let hint = match found.as_slice() {
        [] => "add --client NAME; `mcp-ferry install --list` shows the names".to_owned(),
        found => format!("add --all, or --client NAME for some of those found here: {}", found.join(", ")),
    };
    Error::Arguments { cause: "no client is named".to_owned(), hint }
}

fn names(clients: &[&Client]) -> Vec<String> {
    clients.iter().map(|client| client.name.to_owned()).collect()
}

fn ask(world: &World, found: &[&'static Client], question: &str) -> Result<Vec<String>, Error> {
    prompt::say("found on this machine:\n");
    for (nth, client) in (1..).zip(found) {
        let files = client.shown_files(world);
        let file = files.first().map(|file| format!("  {}", log::neutral(&file.display().to_string())));
        prompt::say(&format!("{nth:>4}  {:<16} {:<20}{}\n", client.name, client.title, file.unwrap_or_default()));
    }
    loop {
        prompt::say(&format!("{question} [numbers, names or all] "));
        let answer = prompt::line().map(|line| line.trim().to_ascii_lowercase()).unwrap_or_default();
        if answer.is_empty() {
            return Err(not_done());
        }
        match read(&answer, found) {
            Ok(chosen) => return Ok(chosen),
            Err(unknown) => prompt::say(&format!("{} is no client of the list\n", log::foreign_name(unknown))),
        }
    }
}

/// The clients that an answer names. The error is the word that names none.
fn read<'a>(answer: &'a str, found: &[&'static Client]) -> Result<Vec<String>, &'a str> {
    if answer == "all" {
        return Ok(names(found));
    }
    let words = answer.split([',', ' ']).filter(|word| !word.is_empty());
    let name = |word: &'a str| {
        let numbered = word.parse::<usize>().ok().and_then(|number| found.get(number.checked_sub(1)?).copied());
        numbered.or_else(|| Client::named(word)).map(|client| client.name.to_owned()).ok_or(word)
    };
    words.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_clients_by_number_or_name() {
        let found = ["cursor", "codex"].map(|name| Client::named(name).unwrap());
        for (answer, expected) in [
            ("2", Ok(vec!["codex"])),
            ("1,2", Ok(vec!["cursor", "codex"])),
            ("codex, 1", Ok(vec!["codex", "cursor"])),
            ("all", Ok(vec!["cursor", "codex"])),
            ("zed", Ok(vec!["zed"])),
            ("3", Err("3")),
            ("0", Err("0")),
            ("1 nothing", Err("nothing")),
        ] {
            let expected = expected.map(|names| names.iter().map(|&name| name.to_owned()).collect());
            assert_eq!(read(answer, &found), expected, "{answer}");
        }
    }
}
