//! The command `install`: what is in the files of clients afterwards, and what is printed?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::*;

const URL: &str = "https://mcp.linear.app/mcp";
pub(crate) const TOKEN: &str = "sk-org-0123456789abcdef";

/// A home directory with the files of some clients.
pub(crate) struct Home(TempDir);

impl Home {
    /// Files of clients, below the home directory.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let home = Self(TempDir::new().unwrap());
        for (path, text) in files {
            let path = home.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        home
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn launch(&self, arguments: &[&str]) -> Launch {
        let home = self.0.path().to_str().unwrap();
        let launch = Bridge::bare().home(&self.path(".mcp-ferry")).env("HOME", home).env("USERPROFILE", home);
        let launch = launch.env("APPDATA", self.path("AppData").to_str().unwrap());
        arguments.iter().fold(launch, |launch, argument| launch.arg(argument))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.launch(arguments).run("")
    }

    /// The files of ours that are left.
    pub(crate) fn kept(&self) -> Vec<PathBuf> {
        let names = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let folder = self.path(".mcp-ferry/installs");
        names(&folder)
            .chain(names(&folder.join("backups")))
            .filter(|path| path.is_file() && !path.ends_with("lock"))
            .collect()
    }

    /// The entry of Cursor with this name.
    pub(crate) fn entry(&self, name: &str) -> Value {
        serde_json::from_str::<Value>(&self.text(CURSOR)).unwrap()["mcpServers"][name].clone()
    }
}

pub(crate) const CURSOR: &str = ".cursor/mcp.json";
pub(crate) const CODEX: &str = ".codex/config.toml";
const BEFORE: &str =
    "{\r\n\t// mine\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {\"n\": 12345678901234567890}, // a\r\n\t}\r\n}";

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn an_entry_is_written_to_each_named_client_and_taken_out_again() {
    let zed = if cfg!(windows) { "AppData/Zed/settings.json" } else { ".config/zed/settings.json" };
    let toml = "# mine\nmodel = \"x\"\n";
    let json = BEFORE.replace("mcpServers", "context_servers");
    let home = Home::with(&[(zed, &json), (CODEX, toml)]);
    let output = home.run(&["install", URL, "--client", "zed,codex", "--client", "gemini", "--read-only"]);
    assert_eq!((code(&output), err(&output)), (0, String::new()), "{output:?}");
    let said = stdout_text(&output);
    for text in ["Zed: linear added", "Codex: linear added", "Gemini CLI: linear added", "next: start Codex anew"] {
        assert!(said.contains(text), "{text}: {said}");
    }
    let entry: Value = serde_json::from_str(&home.text(".gemini/settings.json")).unwrap();
    let entry = &entry["mcpServers"]["linear"];
    assert!(Path::new(entry["command"].as_str().unwrap()).is_absolute(), "{entry}");
    assert_eq!(entry["args"], serde_json::json!([URL, "--read-only"]));
    assert!(
        home.text(zed).starts_with(&json[..json.rfind(", // a").unwrap()]),
        "what was there stays: {}",
        home.text(zed)
    );
    let again = home.run(&["install", URL, "--client", "zed,codex,gemini", "--read-only"]);
    assert_eq!(stdout_text(&again).matches("is there already").count(), 3, "twice is once: {again:?}");
    let output = home.run(&["uninstall", "linear", "--json"]);
    let report = json_output(&output);
    assert_eq!((code(&output), &report["ok"]), (0, &Value::Bool(true)), "{report}");
    assert!(report["steps"].as_array().unwrap().iter().all(|step| step["outcome"] == "restored"), "{report}");
    assert_eq!((home.text(zed), home.text(CODEX)), (json, toml.to_owned()));
    assert!(!home.path(".gemini/settings.json").exists() && home.kept().is_empty(), "{:?}", home.kept());
}

#[test]
fn without_a_client_and_a_terminal_it_says_what_to_add() {
    let home = Home::with(&[(CURSOR, "{}"), (CODEX, "")]);
    let output = home.run(&["install", URL]);
    assert_eq!((code(&output), output.stdout.len()), (2, 0), "{output:?}");
    assert!(
        err(&output).contains("add --all, or --client NAME for some of those found here: cursor, codex"),
        "{output:?}"
    );
    assert_eq!((home.text(CURSOR), home.kept().len()), ("{}".to_owned(), 0), "nothing is written");
    let output = home.run(&["install", URL, "--all", "--json"]);
    let report = json_output(&output);
    let clients: Vec<_> =
        report["steps"].as_array().unwrap().iter().map(|step| step["client"].as_str().unwrap()).collect();
    assert_eq!((code(&output), clients), (0, vec!["cursor", "codex"]), "{report}");
    let output = Home::with(&[]).run(&["install", URL, "--all"]);
    assert!(code(&output) == 2 && err(&output).contains("no client was found"), "{output:?}");
}

#[test]
fn what_cannot_be_meant_is_an_error_of_usage() {
    let home = Home::with(&[(CURSOR, "{}")]);
    for (arguments, text) in [
        (&["install"][..], "URL"),
        (&["install", URL, "--client", "cursr"], "'cursor'"),
        (&["install", URL, "--client", "cursor", "--name", "a b"], "cannot be the name"),
        (&["install", "http://mcp.linear.app/mcp", "--client", "cursor"], "not encrypted"),
        (&["install", "http://h.example/mcp", "--client", "cursor", "--bearer-token-env", "UNSET"], "not encrypted"),
        (&["install", "https://user:pw@h.example/mcp", "--client", "cursor"], "a user name or a password"),
        (&["install", "linear", "--client", "cursor"], "the URL must begin with https://"),
        (&["install", "a.example", "--client", "cursor"], "the URL must begin with https://"),
        (&["install", URL, "--client", "cursor", "--header", "nonsense"], "not of the form 'Name: value'"),
        (&["install", URL, "--client", "cursor", "--header", TOKEN], "not of the form 'Name: value'"),
        (&["install", "linear", "--client", "cursor", "--name", "x"], "the URL must begin with https://"),
        (&["install", URL, "--client", "cursor", "--all"], "cannot be used with"),
        (&["install", URL, "--client", "cursor", "--jsno"], "'--json'"),
        (&["install", URL, "--client", "cursor", "--header-file", "missing"], "cannot read"),
        (&["install", URL, "--client", "cursor", "--bearer-token-env", TOKEN], "not the secret itself"),
        (&["install", URL, "--client", "cursor", "--bearer-token-env", "UNSET"], "UNSET has no value"),
        (
            &["install", URL, "--client", "cursor", "--bearer-token-env", "UNSET", "--secrets-stdin"],
            "stdin has no value",
        ),
        (&["uninstall"], "NAME|URL"),
    ] {
        let output = home.run(arguments);
        assert_eq!((code(&output), output.stdout.len()), (2, 0), "{arguments:?}: {output:?}");
        assert!(err(&output).contains(text) && !err(&output).contains(TOKEN), "{text}: {output:?}");
    }
    let output = home.run(&["uninstall", "linear"]);
    assert!(
        code(&output) == 1 && err(&output).contains("no entry of mcp-ferry has the name or URL linear"),
        "{output:?}"
    );
    assert_eq!((home.text(CURSOR), home.kept().len()), ("{}".to_owned(), 0), "nothing is written");
}

#[test]
fn a_dry_run_shows_the_change_and_makes_none() {
    let home = Home::with(&[(CURSOR, "{\n  \"x\": 1\n}\n")]);
    let dry = ["install", URL, "--client", "cursor", "--bearer-token-env", "LINEAR_TOKEN", "--dry-run"];
    let output = home.run(&dry);
    let said = stdout_text(&output);
    assert_eq!(code(&output), 0, "a value that is missing is not needed: {output:?}");
    for text in [
        "linear would be added",
        "@@ -1,3 +1,",
        "-  \"x\": 1\n",
        "+  \"x\": 1,\n",
        "+        \"LINEAR_TOKEN\": \"***\"\n",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert_eq!(home.text(CURSOR), "{\n  \"x\": 1\n}\n");
    assert!(!home.path(".mcp-ferry/installs").exists(), "nothing is written");
    let output = home.launch(&dry).env("LINEAR_TOKEN", TOKEN).arg("--json").run("");
    let report = json_output(&output);
    assert_eq!(report["dry_run"], true);
    assert!(
        report["steps"][0]["diff"].as_str().unwrap().contains("***") && !format!("{output:?}").contains(TOKEN),
        "{report}"
    );
}

#[test]
fn a_file_that_cannot_be_edited_stays_and_a_person_gets_what_to_add() {
    let broken = "{\n  \"mcpServers\": [\n}\n";
    let home = Home::with(&[(CURSOR, broken), (CODEX, "")]);
    let output = home.run(&["install", URL, "--client", "cursor,codex"]);
    let said = stdout_text(&output);
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(err(&output).contains("not every file could be changed"), "{output:?}");
    for text in ["Cursor: linear not changed", "line 3", "\"linear\": {", "cursor://anysphere", "Codex: linear added"] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert_eq!(home.text(CURSOR), broken);
    let output = home.run(&["install", URL, "--client", "jetbrains,kilo"]);
    let said = stdout_text(&output);
    assert!(code(&output) == 0 && said.matches("can be added by hand").count() == 2, "{output:?}");
    assert!(!home.path(".config/kilo").exists(), "what nobody has tried is not written");
}

#[test]
fn the_list_has_clients_files_and_entries() {
    let home = Home::with(&[(CURSOR, "not even JSON")]);
    home.run(&["install", &format!("{URL}?token={TOKEN}"), "--client", "codex"]);
    let output = home.run(&["install", "--list", "--json"]);
    let listed = json_output(&output);
    let of = |name: &str| listed.as_array().unwrap().iter().find(|client| client["client"] == name).unwrap().clone();
    assert_eq!((&of("cursor")["found"], &of("zed")["found"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(of("codex")["entries"][0]["name"], "linear");
    assert_eq!(of("cursor")["files"][0]["exists"], true);
    let shown = stdout_text(&home.run(&["install", "--list"]));
    assert!(
        shown.contains("cursor           Cursor: found") && shown.contains("linear -> https://mcp.linear.app/mcp"),
        "{shown}"
    );
    assert!(!shown.contains(TOKEN) && !listed.to_string().contains(TOKEN), "a URL may hold a secret");
    let shown = stdout_text(&home.run(&["install", "--list", "--client", "cursor,codex"]));
    let heads = shown.lines().filter(|line| !line.starts_with(' ')).count();
    assert!(heads == 2 && shown.contains("Cursor") && shown.contains("Codex"), "only those: {shown}");
}

#[test]
fn entries_of_mcp_remote_are_taken_over_and_given_back() {
    let before = r#"{"mcpServers": {"a": {"command": "npx", "args": ["-y", "mcp-remote", "https://h.example/mcp", "--debug"]}}}"#;
    let home = Home::with(&[(CURSOR, before), (CODEX, "")]);
    let output = home.run(&["install", URL, "--client", "cursor"]);
    assert_eq!(code(&output), 0, "{output:?}");
    home.run(&["uninstall", URL]);
    let output = home.run(&["install", "--replace-mcp-remote", "--client", "codex"]);
    assert_eq!((code(&output), stdout_text(&output).trim()), (0, "no entry starts mcp-remote"));
    let output = home.run(&["install", "--replace-mcp-remote", "--client", "junie"]);
    assert!(stdout_text(&output).contains("does not write the file of Junie"), "{output:?}");
    let output = home.run(&["install", "--replace-mcp-remote"]);
    assert!(code(&output) == 0 && stdout_text(&output).contains("Cursor: a changed"), "{output:?}");
    assert_eq!(home.entry("a")["args"], serde_json::json!(["https://h.example/mcp", "--debug"]));
    let output = home.run(&["uninstall", "https://h.example/mcp", "--client", "cursor", "--quiet"]);
    assert_eq!((code(&output), home.text(CURSOR).as_str()), (0, before), "{output:?}");
    assert_eq!(stdout_text(&output).lines().count(), 1, "--quiet prints the result alone: {output:?}");
}

#[cfg(unix)]
#[test]
fn a_linked_private_file_stays_linked_and_private() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let home = Home::with(&[("dotfiles/mcp.json", BEFORE), (".cursor/other", "")]);
    let (file, link) = (home.path("dotfiles/mcp.json"), home.path(CURSOR));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&file, &link).unwrap();
    let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    // Cursor reads no trailing commas.
    let plain = BEFORE.replace("}, // a", "}  // a");
    fs::write(&file, &plain).unwrap();
    let output = home.run(&["install", URL, "--client", "cursor"]);
    assert_eq!((code(&output), mode(), fs::read_link(&link).unwrap()), (0, 0o600, file.clone()), "{output:?}");
    assert!(fs::read_to_string(&file).unwrap().contains("linear"));
    let output = home.run(&["uninstall", "linear"]);
    assert_eq!((code(&output), mode(), fs::read_link(&link).unwrap()), (0, 0o600, file.clone()), "{output:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), plain);
}
