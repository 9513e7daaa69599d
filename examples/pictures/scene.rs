//! What is typed in each picture? The commands run in a home folder of their own, which has the files of two clients.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::PROGRAM;

/// The command that stands for the demo.
const DEMO: &str = "demo";

/// How the home folder is called in the pictures.
const HOME: &str = "/home/ann";

/// Commands in one terminal.
pub struct Scene {
    /// The name of the file.
    pub name: &'static str,
    /// The title of the window.
    pub title: &'static str,
    /// The command lines; `demo` alone is the demo. `URL` stands for the server's address.
    commands: &'static [&'static [&'static str]],
}

/// All pictures.
pub const SCENES: &[Scene] = &[
    Scene { name: "demo", title: "One client, one server, and mcp-ferry between them", commands: &[&[DEMO]] },
    Scene {
        name: "install",
        title: "A server for every program",
        commands: &[
            &["install", "URL", "--name", "demo", "--client", "claude-desktop", "--client", "cursor", "--yes"],
            &["tools", "URL"],
            &["call", "URL", "add", "a=2", "b=40"],
        ],
    },
    Scene { name: "doctor", title: "Why does it not work?", commands: &[&["doctor", "URL"], &["doctor", "URL-old"]] },
];

impl Scene {
    /// Runs the commands and returns what the terminal shows.
    pub fn play(&self, url: &str) -> Result<String, Box<dyn Error>> {
        let home = tempfile::tempdir()?;
        furnish(home.path())?;
        let mut shown = String::new();
        for command in self.commands {
            let args: Vec<String> = command.iter().map(|word| word.replace("URL", url)).collect();
            let output = run(home.path(), &args)?;
            let typed = match *command {
                [DEMO] => format!("cargo run --example {DEMO}"),
                _ => format!("{PROGRAM} {}", args.join(" ")),
            };
            writeln!(shown, "\u{1b}[32m$\u{1b}[0m \u{1b}[1m{typed}\u{1b}[0m\n{output}")?;
        }
        let program = std::env::current_exe()?.display().to_string();
        let shown = shown.replace(&program, "/usr/local/bin/mcp-ferry");
        Ok(shown.replace(&home.path().display().to_string(), HOME))
    }
}

/// What two clients leave in a home folder.
fn furnish(home: &Path) -> std::io::Result<()> {
    let desktop = home.join(".config/Claude");
    std::fs::create_dir_all(&desktop)?;
    std::fs::write(
        desktop.join("claude_desktop_config.json"),
        "{\n  \"globalShortcut\": \"\",\n  \"mcpServers\": {}\n}\n",
    )?;
    std::fs::create_dir_all(home.join(".cursor"))?;
    std::fs::write(home.join(".cursor/mcp.json"), "{\n  // servers for all projects\n  \"mcpServers\": {}\n}\n")
}

/// Runs this program as mcp-ferry, and returns what it prints on both streams, in this order.
fn run(home: &Path, args: &[String]) -> Result<String, Box<dyn Error>> {
    let mut command = if args == [DEMO] {
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--example", DEMO]);
        command.envs(std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO")));
        command
    } else {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(PROGRAM).args(args).env_clear();
        command
    };
    let output = command
        .env("HOME", home)
        .env("USERPROFILE", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("CLICOLOR_FORCE", "1")
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}
