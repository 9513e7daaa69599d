//! Which files follow from the definitions of the command line? A completion for each shell, and a page of the manual
//! for the program and for each command.

use std::io;

use clap::Command;
use clap_complete::{Generator, Shell};
use clap_mangen::Man;

const NAME: &str = "mcp-ferry";

/// The longest line in the source of a page.
const WIDTH: usize = 78;

/// The files, each with its path in an archive. `date` stands on the pages of the manual: year, month, day.
pub(crate) fn documents(tree: &Command, date: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut documents = Vec::new();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut tree.clone(), NAME, &mut text);
        if shell == Shell::Bash {
            // The generator takes the dash in our name for the one before a subcommand, in one of two places.
            text = String::from_utf8_lossy(&text).replace("mcp__subcmd__ferry", "mcp__ferry").into_bytes();
        }
        documents.push((format!("completions/{}", shell.file_name(NAME)), text));
    }
    // The page of the program tells what `help` does.
    let mut tree = tree.clone().disable_help_subcommand(true);
    tree.build();
    documents.push(page(tree.clone(), date)?);
    for command in tree.get_subcommands() {
        let version = tree.get_version().unwrap_or_default().to_owned();
        documents.push(page(command.clone().version(version), date)?);
    }
    Ok(documents)
}

fn page(command: Command, date: &str) -> io::Result<(String, Vec<u8>)> {
    let name = command.get_display_name().unwrap_or(NAME).to_owned();
    // Otherwise the page leaves out the help of options that the short help does not have.
    let command = command.mut_args(|option| option.hide_short_help(false));
    let source = format!("{NAME} {}", command.get_version().unwrap_or_default());
    let man = Man::new(command).title(name.to_uppercase()).date(date).source(source).manual("User Commands");
    let mut text = Vec::new();
    man.render(&mut text)?;
    Ok((format!("man/{name}.1"), tidy(&String::from_utf8_lossy(&text)).into_bytes()))
}

/// The page as checkers of manuals want it: short lines, no needless breaks, and a section for each part of the text
/// below the options, whose lines stay as they are.
fn tidy(page: &str) -> String {
    let mut tidied = String::new();
    let (mut is_verbatim, mut after_blank) = (false, false);
    let mut lines = page.lines().map(str::trim_end).peekable();
    while let Some(line) = lines.next() {
        let is_heading = is_verbatim && line.ends_with(':') && !line.starts_with(' ');
        match line {
            ".SH EXTRA" => is_verbatim = true,
            ".br" if after_blank || lines.peek().is_some_and(|next| next.is_empty()) => {}
            "" if lines.peek().is_none_or(|next| next.starts_with(".SH")) => {}
            _ if is_heading => {
                tidied.extend([".SH ", &line.trim_end_matches(':').to_uppercase(), "\n.nf\n"]);
            }
            _ if is_verbatim && line.starts_with(".SH") => {
                is_verbatim = false;
                tidied.extend([".fi\n", line, "\n"]);
            }
            "" if is_verbatim && lines.peek().is_some_and(|next| next.ends_with(':') && !next.starts_with(' ')) => {
                tidied += ".fi\n";
            }
            _ if is_verbatim || line.starts_with('.') => tidied.extend([line, "\n"]),
            _ => wrap(line, &mut tidied),
        }
        after_blank = line.is_empty();
    }
    tidied
}

/// Breaks a line of text. What begins with a dot or a quote would be a command.
fn wrap(line: &str, tidied: &mut String) {
    let mut length = 0;
    for word in line.split(' ') {
        let begins =
            length == 0 || (length + word.len() >= WIDTH && !word.starts_with(['.', '\'']) && !word.is_empty());
        if begins && length > 0 {
            tidied.push('\n');
            length = 0;
        } else if length > 0 {
            tidied.push(' ');
        }
        tidied.push_str(word);
        length += word.len() + 1;
    }
    tidied.push('\n');
}
