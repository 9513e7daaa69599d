//! Faults of other systems than that of the tests.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::doctor::Code;
use crate::install::System;

const CLASSIC: &str = "AppData/Roaming/Claude/claude_desktop_config.json";
const PACKAGE: &str =
    "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json";

fn world(system: System, home: &Path) -> World {
    World {
        system,
        home: home.into(),
        variables: [("PATH".to_owned(), home.join("bin").to_string_lossy().into_owned())].into(),
        project: None,
        records: home.join(".mcp-ferry/installs"),
        program: home.join("bin/mcp-ferry"),
        temporary: "/nowhere".into(),
    }
}

fn write(home: &Path, path: &str, text: &str) {
    let path = home.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The codes that a file of a client on this system has.
fn codes(system: System, files: &[(&str, &str)]) -> Vec<Code> {
    let home = tempfile::tempdir().unwrap();
    for program in ["bin/npx", "bin/mcp-ferry", "bin/mcp-ferry.exe", "bin/a server.cmd"] {
        write(home.path(), program, "");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(home.path().join(program), mode).unwrap();
        }
    }
    for (path, text) in files {
        write(home.path(), path, &text.replace("{home}", &home.path().to_string_lossy().replace('\\', "/")));
    }
    let sections = look(&world(system, home.path()), Some("https://h.example/mcp"));
    let steps = sections.iter().flat_map(|section| &section.steps);
    steps.filter_map(|step| step.cause.as_ref()).map(|cause| cause.code).collect()
}

#[test]
fn faults_of_windows_have_their_codes() {
    let entry = |command: &str, args: &str| {
        format!(r#"{{"mcpServers": {{"a": {{"command": "{command}", "args": [{args}"https://h.example/mcp"]}}}}}}"#)
    };
    let ours = entry("mcp-ferry", "");
    let empty = r#"{"mcpServers": {}}"#;
    for (files, code) in [
        (vec![(CLASSIC, entry("npx", r#""server", "#))], Code::NpxWindows),
        (vec![(CLASSIC, entry("{home}/bin/a server.cmd", ""))], Code::SpacePath),
        (vec![(CLASSIC, ours.clone()), (PACKAGE, empty.to_owned())], Code::Msix),
    ] {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        assert!(codes(System::Windows, &files).contains(&code), "{code:?}");
        assert!(!codes(System::Linux, &files).contains(&code), "{code:?} is of Windows alone");
    }
    assert_eq!(codes(System::Windows, &[(CLASSIC, &ours)]), [], "there is no package");
    assert_eq!(codes(System::Windows, &[(PACKAGE, &ours), (CLASSIC, &ours)]), [], "it stands in both");
}

#[test]
fn only_what_is_about_the_server_is_told() {
    let about = r#"{"mcpServers": {"a": {"command": "{home}/gone", "args": ["https://h.example/mcp"]}}}"#;
    let other = r#"{"mcpServers": {"a": {"command": "{home}/gone", "args": ["https://other.example/mcp"]}}}"#;
    assert_eq!(codes(System::Linux, &[(".cursor/mcp.json", about)]), [Code::BinaryGone]);
    assert_eq!(codes(System::Linux, &[(".cursor/mcp.json", other)]), []);
    let wrong = other.replace("mcpServers", "servers");
    assert_eq!(codes(System::Linux, &[(".cursor/mcp.json", &wrong)]), []);
    let wrong = about.replace("mcpServers", "servers");
    assert_eq!(codes(System::Linux, &[(".cursor/mcp.json", &wrong)]), [Code::WrongKey]);
}
