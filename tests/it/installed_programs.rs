//! Which version runs, how it was installed and what updates it, as `status` and `doctor` say.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::*;

/// Where no package manager is known, the place of the releases is said.
const ELSEWHERE: &str = if env!("CARGO_PKG_REPOSITORY").is_empty() {
    "the newer archive, or build again"
} else {
    concat!(env!("CARGO_PKG_REPOSITORY"), "/releases, or build again")
};

/// Where a package manager has put the program below a home directory, its name, what updates it.
const PLACES: &[(&str, &str, &str)] = &[
    (".cargo/bin/mcp-ferry", "cargo", "cargo install mcp-ferry"),
    (".npm/_npx/1f/node_modules/m/mcp-ferry", "npx", "npx -y mcp-ferry@latest"),
    (".nvm/versions/node/v22.1.0/lib/node_modules/m/mcp-ferry", "npm", "npm install -g mcp-ferry@latest"),
    (".local/share/uv/tools/mcp-ferry/bin/mcp-ferry", "uv", "uv tool upgrade mcp-ferry"),
    (".linuxbrew/Cellar/mcp-ferry/0.1.0/bin/mcp-ferry", "Homebrew", "brew upgrade mcp-ferry"),
    ("AppData/Local/Microsoft/WinGet/Packages/F.F/mcp-ferry", "WinGet", "winget upgrade mcp-ferry"),
    ("scoop/apps/mcp-ferry/0.1.0/mcp-ferry", "Scoop", "scoop update mcp-ferry"),
    (".mcp-ferry/bin/mcp-ferry", "an extension (.mcpb)", "install the newer extension in its client"),
    ("bin/mcp-ferry", "an archive or own build", ELSEWHERE),
];

/// Puts the program at a path below a home directory.
fn put(home: &Path, path: &str) -> PathBuf {
    let path = home.join(if cfg!(windows) { format!("{path}.exe") } else { path.to_owned() });
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let program = env!("CARGO_BIN_EXE_mcp-ferry");
    std::fs::hard_link(program, &path).or_else(|_| std::fs::copy(program, &path).map(drop)).unwrap();
    path
}

fn run(program: &Path, home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("HOME", home).env("USERPROFILE", home);
    command.envs(std::env::var_os("SystemRoot").map(|value| ("SystemRoot", value)));
    command.stdin(std::process::Stdio::null()).output().unwrap()
}

/// The fact of the step of this name.
fn fact(report: &Value, name: &str) -> String {
    let sections = report["sections"].as_array().unwrap().iter();
    let mut steps = sections.flat_map(|section| section["steps"].as_array().unwrap());
    steps.find(|step| step["name"] == name).unwrap()["fact"].as_str().unwrap().to_owned()
}

#[test]
fn status_and_doctor_say_how_the_program_was_installed_and_what_updates_it() {
    for (path, by, update) in PLACES {
        let home = tempfile::tempdir().unwrap();
        let program = put(home.path(), path);
        let plain = stdout_text(&run(&program, home.path(), &["status"]));
        for line in [
            format!("mcp-ferry {}", env!("CARGO_PKG_VERSION")),
            format!("  installed  {by}"),
            format!("  to update  {update}"),
        ] {
            assert!(plain.lines().any(|other| other == line), "{path}: {line:?} is missing from {plain}");
        }
        let json = json_output(&run(&program, home.path(), &["status", "--json"]));
        let report = json_output(&run(&program, home.path(), &["doctor", "--json"]));
        for shown in [&json, &report] {
            assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"), "{path}");
            assert_eq!(
                (&shown["installation"]["by"], &shown["installation"]["update"]),
                (&(*by).into(), &(*update).into())
            );
        }
        check_schema(&report);
        assert!(fact(&report, "program").starts_with(concat!("mcp-ferry ", env!("CARGO_PKG_VERSION"))), "{path}");
        assert_eq!(fact(&report, "installed"), format!("{by}; update: {update}"), "{path}");
    }
}

/// Package managers keep the file in a folder of their own, and a shell finds a link to it.
#[cfg(unix)]
#[test]
fn links_to_the_program_are_followed() {
    let home = tempfile::tempdir().unwrap();
    let program = put(home.path(), ".linuxbrew/Cellar/mcp-ferry/0.1.0/bin/mcp-ferry");
    std::fs::create_dir(home.path().join("bin")).unwrap();
    let link = home.path().join("bin/mcp-ferry");
    std::os::unix::fs::symlink(program, &link).unwrap();
    let json = json_output(&run(&link, home.path(), &["status", "--json"]));
    assert_eq!(json["installation"]["by"], "Homebrew");
}

/// The question about one server is answered alone for a person; JSON has one shape.
#[test]
fn status_of_one_server_is_about_that_server() {
    let machine = Machine::without_user();
    let plain = machine.run(["status", "https://nowhere.example/mcp"], "");
    assert!(!stdout_text(&plain).contains("to update"), "{plain:?}");
    let json = json_output(&machine.run(["status", "https://nowhere.example/mcp", "--json"], ""));
    assert_eq!((&json["version"], &json["logins"]), (&env!("CARGO_PKG_VERSION").into(), &Value::Array(Vec::new())));
}
