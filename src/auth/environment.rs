//! Which variables of our environment does a program that we start not need? Those with our secrets.

use std::ffi::OsStr;

use crate::log;

/// What we start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child<'a> {
    /// A program that opens a browser: it needs no secret at all.
    Browser,
    /// `--token-command`: it may need secrets of its own, and those that its arguments name.
    TokenCommand(&'a [String]),
}

/// Words in the names of variables with secrets.
const SECRET_WORDS: [&str; 10] =
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIAL", "BEARER"];

/// Variables that programs need, whatever their value is. `XDG_`: the desktop passes a token for a new window's focus.
const NEEDED: [&str; 11] =
    ["MCP_FERRY_HOME", "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TMPDIR", "BROWSER", "DISPLAY"];
const NEEDED_PREFIXES: [&str; 4] = ["XDG_", "LC_", "DBUS_", "WAYLAND_"];

/// Removes from the environment of a program the variables that it does not need.
pub(super) fn withhold_secrets(command: &mut tokio::process::Command, child: Child) {
    for (name, value) in std::env::vars_os() {
        if is_withheld(&name.to_string_lossy(), &value, child) {
            command.env_remove(name);
        }
    }
}

fn is_withheld(name: &str, value: &OsStr, child: Child) -> bool {
    let upper = name.to_ascii_uppercase();
    if NEEDED.contains(&upper.as_str()) || NEEDED_PREFIXES.iter().any(|prefix| upper.starts_with(prefix)) {
        return false;
    }
    // Our options, which may be headers with a token.
    let is_ours = upper.starts_with("MCP_FERRY_") || log::is_part_of_secret(&value.to_string_lossy());
    match child {
        Child::Browser => is_ours || SECRET_WORDS.iter().any(|word| upper.contains(word)),
        Child::TokenCommand(argv) => is_ours && !argv.iter().any(|argument| argument.contains(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_the_variables_that_it_needs() {
        log::hide("of-the-user-in-a-variable");
        let script = ["sh", "-c", "curl -u $WANTED"].map(str::to_owned);
        let command = Child::TokenCommand(&script);
        for (name, value, is_for_browser, is_for_command) in [
            ("PATH", "/usr/bin", true, true),
            ("DISPLAY", "of-the-user-in-a-variable", true, true),
            ("XDG_ACTIVATION_TOKEN", "x", true, true),
            ("EDITOR", "vi", true, true),
            ("GITHUB_TOKEN", "ghp", false, true),
            ("aws_secret_access_key", "x", false, true),
            ("MCP_FERRY_HEADER", "A: b", false, false),
            ("ANY", "of-the-user-in-a-variable", false, false),
            ("ANY", "the-user-in-a", false, false),
            ("WANTED", "of-the-user-in-a-variable", false, true),
        ] {
            let gets = [Child::Browser, command].map(|child| !is_withheld(name, OsStr::new(value), child));
            assert_eq!(gets, [is_for_browser, is_for_command], "{name}={value}");
        }
    }
}
