//! Several runs of `install` at once, and one that is killed: is anything lost?

use std::fs;
use std::time::Instant;

use crate::install_command::{CURSOR, Home, code};
use crate::support::*;

const CLINE: &str = ".cline/data/settings/cline_mcp_settings.json";
const BEFORE: &str = "{\n  \"mcpServers\": {\n    \"a\": {}\n  }\n}\n";

#[test]
fn runs_at_once_lose_no_entry() {
    let home = Home::with(&[(CURSOR, BEFORE)]);
    let names: Vec<String> = (0..4).map(|at| format!("s{at}")).collect();
    let start = |words: &[&str]| home.launch(words).start_interactive();
    let runs: Vec<_> = names
        .iter()
        .map(|name| start(&["install", &format!("https://{name}.example/mcp"), "--client", "cursor", "--name", name]))
        .collect();
    for run in runs {
        let exit = run.wait_for_exit();
        assert_eq!(exit.status.code(), Some(0), "{}", exit.text);
    }
    for name in &names {
        assert_eq!(home.entry(name)["args"][0], format!("https://{name}.example/mcp"), "{}", home.text(CURSOR));
    }
    let runs: Vec<_> = names.iter().map(|name| start(&["uninstall", name])).collect();
    for run in runs {
        let exit = run.wait_for_exit();
        assert_eq!(exit.status.code(), Some(0), "{}", exit.text);
    }
    assert_eq!((home.text(CURSOR).as_str(), home.kept().len()), (BEFORE, 0));
}

/// The client's own lock stops the program when it has its copy and its record, and not yet changed the file.
#[test]
fn a_run_that_is_killed_before_it_writes_leaves_the_file_as_it_was() {
    let home = Home::with(&[(CLINE, BEFORE)]);
    let lock = home.path(&format!("{CLINE}.lock"));
    let install = ["install", "https://h.example/mcp", "--client", "cline", "--name", "test"];
    for _ in 0..2 {
        fs::create_dir(&lock).unwrap();
        let run = home.launch(&install).start_interactive();
        let end = Instant::now() + DEADLINE;
        while home.kept().len() < 2 {
            assert!(Instant::now() < end, "neither a record nor a copy was made");
            std::thread::yield_now();
        }
        run.kill();
        fs::remove_dir(&lock).unwrap();
        assert_eq!(home.text(CLINE), BEFORE);
    }
    let output = home.run(&install);
    assert!(code(&output) == 0 && home.text(CLINE).contains("h.example"), "{output:?}");
    let output = home.run(&["uninstall", "test"]);
    assert_eq!((code(&output), home.text(CLINE).as_str()), (0, BEFORE), "{output:?}");
}
