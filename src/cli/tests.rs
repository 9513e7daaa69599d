//! Do the help texts, the completions and the manual say what can be typed?

#![allow(clippy::unwrap_used)]

use std::ffi::OsString;

use super::arguments::Arguments;
use super::parse::LENIENT;
use super::*;

#[path = "../../examples/generate/documents.rs"]
mod documents;

/// The first screen has room for these lines.
const SCREEN: usize = 30;

/// The program and each of its commands.
fn commands() -> Vec<clap::Command> {
    let mut tree = tree();
    tree.build();
    let commands: Vec<_> = tree.get_subcommands().filter(|command| command.get_name() != "help").cloned().collect();
    [tree].into_iter().chain(commands).collect()
}

/// The options that are not hidden, without those for help and the version.
fn options(command: &clap::Command) -> Vec<clap::Arg> {
    let is_own = |option: &&clap::Arg| {
        option.get_long().is_some_and(|name| !["help", "version"].contains(&name)) && !option.is_hide_set()
    };
    command.get_arguments().filter(is_own).cloned().collect()
}

#[test]
fn lenient_options_exist() {
    let command = tree();
    for lenient in LENIENT {
        assert!(command.get_opts().any(|option| lenient.strip_prefix("--") == option.get_long()), "{lenient}");
    }
}

#[test]
fn every_short_help_fits_on_a_screen() {
    for mut command in commands() {
        let help = command.render_help().to_string();
        let lines: Vec<_> = help.lines().collect();
        assert!(lines.len() <= SCREEN, "{} has {} lines of help:\n{help}", command.get_name(), lines.len());
        assert!(help.contains("Examples:"), "{} has examples:\n{help}", command.get_name());
    }
    let help = tree().render_help().to_string();
    for command in &commands()[1..] {
        let is_its_line = |line: &str| line.split_whitespace().next() == Some(command.get_name());
        assert_eq!(
            help.lines().filter(|line| is_its_line(line)).count(),
            1,
            "{} has one line:\n{help}",
            command.get_name()
        );
    }
}

#[test]
fn the_whole_help_has_every_option_and_its_variable() {
    let bridge: Vec<_> = options(&tree()).iter().map(|option| option.get_id().clone()).collect();
    for mut command in commands() {
        let help = command.render_long_help().to_string();
        for option in options(&command) {
            let name = format!("--{}", option.get_long().unwrap());
            assert!(help.contains(&name), "{name} is missing from the help of {}", command.get_name());
            if command.get_name() == "bundle" && !bridge.contains(option.get_id()) {
                assert!(option.get_env().is_none(), "{name} would make another extension for each person's variables");
                continue;
            }
            let variable = option.get_env().and_then(|variable| variable.to_str());
            let variable = variable.unwrap_or_else(|| panic!("{name} of {} has no variable", command.get_name()));
            assert!(help.contains(&format!("[env: {variable}]")), "{variable} is missing from {}", command.get_name());
        }
    }
}

#[test]
fn completions_and_manual_have_every_command_and_option() {
    let documents = documents::documents(&tree(), "2026-11-30").unwrap();
    let text = |name: &str| {
        let found = documents.iter().find(|(path, _)| path == name).unwrap_or_else(|| panic!("{name} is missing"));
        String::from_utf8(found.1.clone()).unwrap()
    };
    for command in commands() {
        let page = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        // A page writes each dash with a backslash before it.
        let manual = text(&format!("man/{page}.1")).replace('\\', "");
        let words = manual.split_whitespace().collect::<Vec<_>>().join(" ");
        for option in options(&command) {
            let name = format!("--{}", option.get_long().unwrap());
            assert!(manual.contains(&name), "{name} is missing from the manual of {page}");
            let help = option.get_help().unwrap().to_string().replace('\'', "*(Aq");
            assert!(words.contains(&help), "the help of {name} is missing from the manual of {page}");
        }
    }
    for command in &commands()[1..] {
        let case = format!("mcp__ferry__subcmd__{})", command.get_name());
        assert!(text("completions/mcp-ferry.bash").contains(&case), "bash never comes to {case}");
    }
    for (file, option) in [
        ("mcp-ferry.bash", "--NAME"),
        ("_mcp-ferry", "--NAME"),
        ("mcp-ferry.fish", "-l NAME"),
        ("_mcp-ferry.ps1", "'--NAME'"),
    ] {
        let completion = text(&format!("completions/{file}"));
        for command in commands() {
            assert!(completion.contains(command.get_name()), "{} is missing from {file}", command.get_name());
            for name in options(&command).iter().filter_map(|option| option.get_long()) {
                let needed = option.replace("NAME", name);
                assert!(completion.contains(&needed), "{needed} is missing from {file}");
            }
        }
    }
}

#[test]
fn every_example_can_be_typed() {
    let helps = commands()
        .iter_mut()
        .flat_map(|command| [command.render_help(), command.render_long_help()])
        .collect::<Vec<_>>();
    let mut examples: Vec<String> = helps.iter().flat_map(|help| examples_of_help(&help.to_string())).collect();
    examples.extend(examples_of_readme(include_str!("../../README.md")));
    assert!(examples.len() > 20, "few examples were found: {examples:#?}");
    for example in examples {
        if let Err(why) = type_it(&example) {
            panic!("`{example}` cannot be typed: {why}");
        }
    }
}

/// The command lines under "Examples:". What follows some blanks explains one.
fn examples_of_help(help: &str) -> Vec<String> {
    let commands = help.lines().filter_map(|line| line.strip_prefix("  mcp-ferry "));
    commands.map(|line| format!("mcp-ferry {}", line.split("   ").next().unwrap_or_default().trim_end())).collect()
}

/// The command lines in blocks of code, and between backquotes.
fn examples_of_readme(text: &str) -> Vec<String> {
    let mut examples = Vec::new();
    for (index, part) in text.split("```").enumerate() {
        if index % 2 == 1 {
            examples.extend(part.lines().map(|line| line.trim_start_matches("$ ")));
        } else {
            examples.extend(part.split('`').skip(1).step_by(2));
        }
    }
    // The name of a command alone is a mention of it.
    let is_command =
        |code: &&str| code.starts_with("mcp-ferry ") && !code.contains('\n') && code.split(' ').count() > 2;
    examples.into_iter().filter(is_command).map(str::to_owned).collect()
}

/// Reads an example as the program would read it, without the configuration file.
fn type_it(example: &str) -> Result<(), String> {
    let words = split(&example.replace("COMMAND", "login"));
    let mut tree = tree();
    let is_command = tree.find_subcommand(&words[1]).is_some() || words[1] == "help";
    let words: Vec<OsString> = if is_command {
        words
    } else {
        let mut warnings = Vec::new();
        let args = Arguments::sort(&tree, words.into_iter().skip(1).collect(), &mut warnings);
        if !warnings.is_empty() {
            return Err(warnings.join("; "));
        }
        args.all().map(ToOwned::to_owned).collect()
    };
    match tree.try_get_matches_from_mut(words) {
        Err(error) if error.use_stderr() => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// The words of a command line, as a shell reads them.
fn split(line: &str) -> Vec<OsString> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quote = !quote;
                word.get_or_insert_default();
            }
            ' ' if !quote => words.extend(word.take().map(OsString::from)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.map(OsString::from));
    words
}
