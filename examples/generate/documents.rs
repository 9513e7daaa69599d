//! Which files follow from the definitions of the command line? A completion for each shell, and a page of the manual
//! for the program and for each command.

use std::io;

use clap::Command;
use clap_complete::{Generator, Shell};
use clap_mangen::Man;

const NAME: &str = "mcp-ferry";

/// The files, each with its path in an archive.
pub(crate) fn documents(tree: &Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut documents = Vec::new();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut tree.clone(), NAME, &mut text);
        documents.push((format!("completions/{}", shell.file_name(NAME)), text));
    }
    // The page of the program tells what `help` does.
    let mut tree = tree.clone().disable_help_subcommand(true);
    tree.build();
    documents.push(page(tree.clone())?);
    for command in tree.get_subcommands() {
        documents.push(page(command.clone().version(tree.get_version().unwrap_or_default().to_owned()))?);
    }
    Ok(documents)
}

fn page(command: Command) -> io::Result<(String, Vec<u8>)> {
    let name = command.get_display_name().unwrap_or(NAME).to_owned();
    let mut text = Vec::new();
    Man::new(command).manual("User Commands").render(&mut text)?;
    Ok((format!("man/{name}.1"), text))
}
