use super::*;

fn world(system: System) -> (tempfile::TempDir, World) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let world = World {
        system,
        records: home.join(".mcp-ferry/installs"),
        home,
        variables: [].into(),
        project: None,
        program: "/usr/local/bin/mcp-ferry".into(),
        temporary: "/tmp".into(),
    };
    (folder, world)
}

/// The files of a client, below the home directory, with this variable.
fn files(system: System, client: &str, variable: Option<(&str, &str)>) -> Vec<String> {
    let (_folder, mut world) = world(system);
    world.variables.extend(variable.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let files = Client::named(client).unwrap().files(&world, "linear");
    let name = |file: &PathBuf| file.strip_prefix(&world.home).unwrap_or(file).to_string_lossy().replace('\\', "/");
    files.iter().map(name).collect()
}

#[test]
fn a_server_that_is_gone_need_not_be_started() {
    for (client, next) in [
        ("cursor", None),
        ("vscode", None),
        ("codex", Some("start Codex anew")),
        ("continue", Some("reload the window of the editor")),
        ("windsurf", Some("refresh the servers in Windsurf's MCP panel")),
    ] {
        assert_eq!(Client::named(client).unwrap().restart_without_server(), next, "{client}");
    }
}

#[test]
fn each_client_keeps_its_file_in_its_place() {
    use System::{Linux, Mac, Windows};
    for (client, system, variable, file) in [
        ("claude-desktop", Mac, None, "Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude-desktop", Linux, None, ".config/Claude/claude_desktop_config.json"),
        ("claude-desktop", Windows, None, "AppData/Roaming/Claude/claude_desktop_config.json"),
        ("claude-desktop", Windows, Some(("APPDATA", "/d")), "/d/Claude/claude_desktop_config.json"),
        ("claude-desktop", Windows, Some(("AppData", "/d")), "/d/Claude/claude_desktop_config.json"),
        ("claude-code", Mac, None, ".claude.json"),
        ("claude-code", Linux, Some(("CLAUDE_CONFIG_DIR", "/c")), "/c/.claude.json"),
        ("cursor", Windows, None, ".cursor/mcp.json"),
        ("vscode", Mac, None, "Library/Application Support/Code/User/mcp.json"),
        ("vscode", Linux, Some(("XDG_CONFIG_HOME", "/x")), "/x/Code/User/mcp.json"),
        ("vscode", Windows, None, "AppData/Roaming/Code/User/mcp.json"),
        ("vscode-insiders", Linux, None, ".config/Code - Insiders/User/mcp.json"),
        ("windsurf", Linux, None, ".codeium/windsurf/mcp_config.json"),
        ("cline", Mac, None, ".cline/data/settings/cline_mcp_settings.json"),
        ("cline", Mac, Some(("CLINE_MCP_SETTINGS_PATH", "/m.json")), "/m.json"),
        ("cline", Mac, Some(("CLINE_DATA_DIR", "/d")), "/d/settings/cline_mcp_settings.json"),
        ("cline", Mac, Some(("CLINE_DIR", "~/c")), "c/data/settings/cline_mcp_settings.json"),
        ("zed", Mac, Some(("XDG_CONFIG_HOME", "/x")), ".config/zed/settings.json"),
        ("zed", Linux, Some(("XDG_CONFIG_HOME", "/x")), "/x/zed/settings.json"),
        ("zed", Linux, Some(("FLATPAK_XDG_CONFIG_HOME", "/f")), "/f/zed/settings.json"),
        ("zed", Windows, None, "AppData/Roaming/Zed/settings.json"),
        ("codex", Linux, None, ".codex/config.toml"),
        ("codex", Linux, Some(("CODEX_HOME", "/c")), "/c/config.toml"),
        ("gemini", Linux, None, ".gemini/settings.json"),
        ("qwen", Linux, None, ".qwen/settings.json"),
        ("opencode", Linux, None, ".config/opencode/opencode.jsonc"),
        ("opencode", Windows, None, ".config/opencode/opencode.jsonc"),
        ("copilot", Linux, Some(("XDG_CONFIG_HOME", "/x")), ".copilot/mcp-config.json"),
        ("copilot", Linux, Some(("COPILOT_HOME", "/c")), "/c/mcp-config.json"),
        ("continue", Linux, None, ".continue/mcpServers/ferry-linear.json"),
        ("lm-studio", Mac, None, ".lmstudio/mcp.json"),
        ("kiro", Mac, None, ".kiro/settings/mcp.json"),
        ("warp", Mac, None, ".warp/.mcp.json"),
        ("goose", Mac, None, ".config/goose/config.yaml"),
        ("goose", Windows, None, "AppData/Roaming/Block/goose/config/config.yaml"),
        ("goose", Linux, Some(("GOOSE_PATH_ROOT", "/g")), "/g/config/config.yaml"),
    ] {
        assert_eq!(files(system, client, variable), [file], "{client} {system:?} {variable:?}");
    }
}

#[test]
fn every_container_of_claude_desktop_and_every_profile_of_vs_code_is_found() {
    let (_folder, world) = world(System::Windows);
    let claude = Client::named("claude-desktop").unwrap();
    assert!(!claude.is_found(&world));
    for folder in [
        "AppData/Local/Packages/Claude_abc/LocalCache/Roaming/Claude",
        "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude",
        "AppData/Local/Packages/Other_abc/LocalCache/Roaming/Claude",
        "AppData/Roaming/Claude",
        "AppData/Roaming/Code/User/profiles/one",
        "AppData/Roaming/Code/User/profiles/two",
    ] {
        std::fs::create_dir_all(world.home.join(folder)).unwrap();
    }
    let files = claude.files(&world, "linear");
    assert!(claude.is_found(&world));
    assert_eq!(files.len(), 3, "{files:?}");
    std::fs::write(world.home.join("AppData/Roaming/Code/User/profiles/two/mcp.json"), "{}").unwrap();
    assert_eq!(Client::named("vscode").unwrap().files(&world, "linear").len(), 2);
}

#[test]
fn an_existing_file_is_chosen_before_a_new_one() {
    let (_folder, world) = world(System::Linux);
    let folder = world.home.join(".config/opencode");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("opencode.json"), "{}").unwrap();
    assert_eq!(Client::named("opencode").unwrap().files(&world, "x"), [folder.join("opencode.json")]);
}

#[test]
fn names_are_unique_and_each_row_says_what_to_do_next() {
    let names: std::collections::BTreeSet<_> = CLIENTS.iter().map(|client| client.name).collect();
    assert_eq!(names.len(), CLIENTS.len());
    for client in CLIENTS {
        assert!(client.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", client.name);
        assert_eq!(client.is_written, !client.restart.is_empty(), "{}", client.name);
        assert_eq!(client.reads_again, client.restart.starts_with("nothing: "), "{}", client.name);
        assert!(client.checked.starts_with("20") && !client.title.is_empty() && !client.sections.is_empty());
    }
}

#[test]
fn an_entry_says_what_it_starts_whatever_its_shape() {
    let args = ["https://h/mcp".to_owned(), "--http1".to_owned()];
    for client in CLIENTS {
        let entry = client.shape.entry("linear", "/bin/mcp-ferry", &args, &[("K", "v")]);
        let server = Server::read(&entry);
        assert_eq!(server.command, ["/bin/mcp-ferry", "https://h/mcp", "--http1"], "{}", client.name);
        assert_eq!(server.env, [("K".to_owned(), "v".to_owned())], "{}", client.name);
        assert!(server.is_ours());
    }
}

#[test]
fn a_number_among_the_arguments_is_an_argument() {
    let args = [Value::text("mcp-remote"), Value::Other("9696".to_owned()), Value::Other("null".to_owned())];
    let entry = Value::Table(vec![
        ("command".to_owned(), Value::text("npx")),
        ("args".to_owned(), Value::List(args.to_vec())),
        ("env".to_owned(), Value::Table(vec![("PORT".to_owned(), Value::Other("3334".to_owned()))])),
    ]);
    let server = Server::read(&entry);
    assert_eq!(server.command, ["npx", "mcp-remote", "9696"]);
    assert_eq!(server.env, [("PORT".to_owned(), "3334".to_owned())]);
}
