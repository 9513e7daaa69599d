//! Which variables does an entry need, and what are their values? They are the place for secrets: each comes from the
//! environment, from stdin, or from a person who is asked.

use super::super::{prompt, terminal};
use crate::cli::InstallCommand;
use crate::config::{names_a_variable, variable, variable_name};
use crate::error::Error;
use crate::install::Request;
use crate::log::{self, Secret};
use crate::typed::needed;

/// The options whose value is the name of a variable.
const NAMING: [&str; 3] = ["--bearer-token-env", "--client-secret-env", "--idp-client-secret-env"];

/// What stands for a value that nobody was asked for: a preview does not show values.
const UNKNOWN: &str = "(not given)";

/// The variables that the address and the options need, with their values.
pub(super) fn values(request: &Request, typed: &InstallCommand) -> Result<Vec<(String, Secret)>, Error> {
    let names = names(request)?;
    super::check(typed, &request.url, &names)?;
    let mut values = Vec::new();
    for name in names {
        let value = match variable(&name) {
            Some(value) => {
                if !typed.options.logging.silent {
                    prompt::say(&format!("note: the value of {name} is that of the environment\n"));
                }
                Some(value)
            }
            None if typed.changes.dry_run => Some(UNKNOWN.to_owned()),
            None if typed.secrets_stdin => {
                prompt::line().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
            }
            None if terminal::is_interactive() => prompt::hidden(&format!("{name} (what you type is not shown): "))
                .map_err(|error| {
                    Error::System(format!("a value cannot be asked for, give it with --secrets-stdin: {error}"))
                })?,
            None => None,
        };
        let value = value.ok_or_else(|| missing(&name, typed.secrets_stdin))?;
        values.push((name, Secret::new(value)));
    }
    Ok(values)
}

fn missing(name: &str, was_read: bool) -> Error {
    let cause = if was_read { format!("stdin has no value of {name}") } else { format!("{name} has no value") };
    Error::Arguments {
        cause,
        hint: format!("set the variable {name}, or write its value to stdin with --secrets-stdin"),
    }
}

/// The names, each once, in the order in which the address and the options need them.
fn names(request: &Request) -> Result<Vec<String>, Error> {
    let mut names = needed(&request.url);
    let mut option = "";
    for word in &request.options {
        match option {
            "--token-command" => {}
            option if NAMING.contains(&option) => {
                let name = variable_name(word);
                if !names_a_variable(name) {
                    log::hide(word);
                    let cause = format!("{option} needs the name of an environment variable, not the secret itself");
                    return Err(Error::Arguments {
                        cause,
                        hint: format!("write {option} NAME; you are asked for its value"),
                    });
                }
                names.push(name.to_owned());
            }
            _ => names.extend(needed(word)),
        }
        option = word;
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(url: &str, options: &[&str]) -> Result<Vec<String>, Error> {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        names(&Request { url: url.to_owned(), options, ..Request::default() })
    }

    #[test]
    fn the_variables_of_address_and_options_are_found_in_order() {
        let options = [
            "--header",
            "A: ${KEY} ${TEAM:-none}",
            "--bearer-token-env",
            "${env:TOKEN}",
            "--token-command",
            "say ${SHELL_ONLY}",
            "--proxy=http://u:${PASSWORD}@h",
            "--header",
            "B: $KEY",
        ];
        assert_eq!(names_of("https://h/${SLOT}/mcp", &options).unwrap(), ["SLOT", "KEY", "TOKEN", "PASSWORD"]);
    }

    #[test]
    fn a_token_in_the_place_of_a_name_is_refused_and_not_shown() {
        let error = names_of("https://h", &["--bearer-token-env", "sk-org-0123456789abcdef"]).unwrap_err();
        assert!(!format!("{error} {}", error.hint()).contains("0123456789"), "{error}");
    }
}
