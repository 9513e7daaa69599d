//! Which programs do otherwise than the protocol has clients do? Each was seen to do so in the version that is named.

use std::time::Duration;

use crate::message::{Initialize, Message};

/// A program that reads the list of tools once, whatever `notifications/tools/list_changed` says.
#[derive(Debug)]
pub(crate) struct ClientProgram {
    /// Its name in `clientInfo`, or the beginning of it.
    name: &'static str,
    /// What its user does to have it read the list again.
    reload: &'static str,
    /// How long it waits for its first list of tools, with something to spare.
    pub(crate) first_list: Duration,
}

const PROGRAMS: [ClientProgram; 4] = [
    // 0.171.0: half a second, unless its entry has `required`, which it does not tell.
    ClientProgram {
        name: "codex-mcp-client",
        reload: "Codex reads new tools at the start of a conversation: type /new",
        first_list: Duration::ZERO,
    },
    // 3.0.65: 60 seconds.
    ClientProgram {
        name: "@cline/core",
        reload: "Cline reads new tools when it starts: end it and start it again",
        first_list: Duration::from_secs(50),
    },
    // 0.24.4: 30 seconds with the handshake. The name ends with that of the entry.
    ClientProgram {
        name: "qwen-cli-mcp-client",
        reload: "Qwen Code reads new tools when it starts: end it and start it again",
        first_list: Duration::from_secs(25),
    },
    // 1.5.47: 60 seconds.
    ClientProgram {
        name: "continue-cli-client",
        reload: "Continue reads new tools when it starts: end it and start it again",
        first_list: Duration::from_secs(50),
    },
];

/// Programs that show why a server is not there only where `initialize` fails, and that do without it if their first list
/// fails: opencode 1.18.33, Continue 1.5.47.
const NEED_A_FAILED_START: [&str; 2] = ["opencode", "continue-cli-client"];

/// Whether the program that has sent this `initialize` is served better by an error than by a promise, where the server is
/// not there and nothing is known of it.
pub(crate) fn needs_a_failed_start(initialize: &Message) -> bool {
    name(initialize).is_some_and(|name| NEED_A_FAILED_START.contains(&name.as_str()))
}

fn name(initialize: &Message) -> Option<String> {
    let params = Initialize::params(initialize)?;
    params.client_info["name"].as_str().map(str::to_owned)
}

impl ClientProgram {
    /// The program that has sent this `initialize`, if it is one of them.
    pub(crate) fn of(initialize: &Message) -> Option<&'static Self> {
        let name = name(initialize)?;
        PROGRAMS.iter().find(|program| name.starts_with(program.name))
    }

    /// What its user does after a login to have the server's tools, as a sentence.
    pub(crate) fn next_step(&self) -> String {
        format!("{}.", self.reload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message;

    #[test]
    fn a_program_is_known_by_its_name_or_the_beginning_of_it() {
        let known = |name: &str| {
            let params = serde_json::json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": name } });
            ClientProgram::of(&message::request("1", "initialize", &params)).map(|program| program.name)
        };
        assert_eq!(known("qwen-cli-mcp-client-docs"), Some("qwen-cli-mcp-client"));
        assert_eq!(known("codex-mcp-client"), Some("codex-mcp-client"));
        assert_eq!(known("claude-code"), None, "it reads the list again");
    }
}
