//! The examples of the help and of the documents: does each command do what it is shown for?

use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::bundle_command::X86_64;
use crate::oauth_commands::{callback_url, link};
use crate::support::*;

/// The address of the server in the examples.
const ADDRESS: &str = "https://mcp.example.com/mcp";

/// What stands for something of the reader's, and what the test has for it.
const PLACES: &[(&str, &str)] = &[
    (" URL", " https://mcp.example.com/mcp"),
    ("--entry NAME", "--entry example"),
    ("uninstall NAME", "uninstall example"),
    ("help COMMAND", "help login"),
    (" --program FILE", ""),
];

/// Examples that end with another status than 0 where nobody is at a terminal, and what they say then.
const OTHERWISE: &[(&str, i32, &str)] = &[
    ("install https://mcp.example.com/mcp", 2, "no client is named"),
    ("login https://mcp.example.com/mcp --complete 'address of the last page'", 1, "error"),
];

/// The documents with commands in them.
const DOCUMENTS: [&str; 9] = [
    "README.md",
    "dist/docs/clients.md",
    "dist/docs/doctor.md",
    "dist/docs/errors.md",
    "dist/docs/login.md",
    "dist/docs/mcp-remote.md",
    "dist/docs/options.md",
    "dist/docs/terminal.md",
    "dist/mcpb/README.md",
];

const COMMANDS: [&str; 9] = ["install", "uninstall", "bundle", "login", "logout", "status", "doctor", "tools", "call"];

/// The command lines of the help and of the documents, without the program's name.
fn examples() -> Vec<String> {
    let mut examples = Vec::new();
    for command in COMMANDS {
        let help = stdout_text(&Bridge::bare().args(["help", command]).run(""));
        let before = examples.len();
        let lines = help.lines().filter_map(|line| line.strip_prefix("  mcp-ferry "));
        // What follows some blanks explains a command.
        examples.extend(lines.map(|line| line.split("   ").next().unwrap().trim_end().to_owned()));
        assert!(examples.len() > before, "the help of {command} has examples");
    }
    for file in DOCUMENTS {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        for (index, part) in text.split("```").enumerate() {
            let is_block = index % 2 == 1;
            let codes: Vec<_> =
                if is_block { part.lines().collect() } else { part.split('`').skip(1).step_by(2).collect() };
            let commands =
                codes.into_iter().filter_map(|code| code.trim_start_matches("$ ").strip_prefix("mcp-ferry "));
            // The name of a command alone is a mention of it.
            let is_whole =
                |words: &&str| words.split(' ').count() > 1 && COMMANDS.contains(&words.split(' ').next().unwrap());
            examples.extend(commands.filter(is_whole).map(str::to_owned));
        }
    }
    let mut examples: Vec<_> = examples.into_iter().map(|example| filled_in(&example)).collect();
    examples.sort();
    examples.dedup();
    examples
}

/// An example with something for each place.
fn filled_in(example: &str) -> String {
    let fill = |text: String, (place, value): &(&str, &str)| text.replace(&format!("{place} "), &format!("{value} "));
    PLACES.iter().fold(format!("{example} "), fill).trim_end().to_owned()
}

/// A server without a login that has what the examples name.
fn public_server() -> Upstream {
    let search = json!({ "name": "search", "inputSchema": { "type": "object", "properties":
        { "query": { "type": "string" }, "limit": { "type": "integer" } } } });
    let store = json!({ "name": "store", "inputSchema": { "type": "object", "properties":
        { "tags": { "type": "array" }, "text": { "type": "string" } } } });
    let tools = json!({ "tools": [search, store] }).to_string();
    Upstream::start(move |exchange| match exchange.kind() {
        "tools/list" => exchange.result(&tools),
        "tools/call" => exchange.result(r#"{"content":[{"type":"text","text":"found"}]}"#),
        "resources/list" => exchange.result(r#"{"resources":[]}"#),
        "resources/read" => exchange.result(r#"{"contents":[{"uri":"docs://readme","text":"found"}]}"#),
        "prompts/list" => {
            exchange.result(r#"{"prompts":[{"name":"review","arguments":[{"name":"language","required":true}]}]}"#);
        }
        "prompts/get" => {
            exchange.result(r#"{"messages":[{"role":"user","content":{"type":"text","text":"found"}}]}"#);
        }
        _ => exchange.respond_normally(),
    })
}

/// Types an example on the machine of somebody who has two clients, with an entry of the server in one of them.
fn type_it(machine: &Machine, example: &str, url: &str) -> Output {
    let home = machine.home();
    for folder in [".cursor", ".config/Claude", ".codex"] {
        std::fs::create_dir_all(home.join(folder)).unwrap();
    }
    std::fs::write(home.join("notes.txt"), "notes").unwrap();
    std::fs::write(home.join("program"), X86_64).unwrap();
    let launch = || {
        let launch = machine.launch().env("EXAMPLE_TOKEN", "example-token").env("XDG_CONFIG_HOME", "");
        let launch = launch.env("APPDATA", home.join(".config").to_str().unwrap());
        // Where bundles go, and the program in them.
        let [made, program] = ["made", "program"].map(|name| home.join(name));
        launch.env("MCP_FERRY_OUTPUT", made.to_str().unwrap()).env("MCP_FERRY_PROGRAM", program.to_str().unwrap())
    };
    if example.starts_with("uninstall") || example.contains("--entry") {
        let installed = launch().args(["install", url, "--name", "example", "--client", "cursor", "--yes"]).run("");
        assert_eq!(installed.status.code(), Some(0), "{installed:?}");
    }
    let notes = format!("text=@{}", home.join("notes.txt").display());
    let words = shell_words(&example.replace(ADDRESS, url)).into_iter();
    let words = words.map(|word| if word == "text=@notes.txt" { notes.clone() } else { word });
    let launch = words.fold(launch(), |launch, word| launch.arg(&word));
    if example.contains("--no-browser") {
        let mut login = launch.start_interactive();
        let address = login.wait_for_line("/authorize?");
        login.type_line(&callback_url(&link(&address)));
        let exit = login.wait_for_exit();
        return Output { status: exit.status, stdout: Vec::new(), stderr: exit.text.into_bytes() };
    }
    launch.run("{\"query\":\"boats\"}")
}

/// The words of a command line, as a shell reads them.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            letter => words.last_mut().unwrap().push(letter),
        }
    }
    words
}

#[test]
fn each_command_of_the_help_and_the_documents_works() {
    let examples = examples();
    assert!(examples.len() > 30, "only {} examples were found", examples.len());
    let public = public_server();
    let mut wrong = Vec::new();
    for example in &examples {
        // A login that was never begun is completed without a request.
        let reaches_login = ["login", "logout", "status"].iter().any(|command| example.starts_with(command))
            && example.contains(ADDRESS)
            && !example.contains("--complete");
        let servers = reaches_login.then(OauthServers::well_behaved);
        let url = servers.as_ref().map_or_else(|| public.url("/mcp"), OauthServers::url);
        let machine = Machine::with_user();
        if example.starts_with("logout https") || example.starts_with("status https") {
            let login = machine.launch().args(["login", &url]).run("");
            assert_eq!(login.status.code(), Some(0), "{login:?}");
        }
        let output = type_it(&machine, example, &url);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let (status, text) =
            OTHERWISE.iter().find(|(known, ..)| known == example).map_or((0, ""), |(_, status, text)| (*status, *text));
        let is_right = output.status.code() == Some(status) && stderr.contains(text) && !stderr.contains("is ignored");
        if !is_right {
            wrong.push(format!("mcp-ferry {example}: {:?}, not {status}: {stderr}", output.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
