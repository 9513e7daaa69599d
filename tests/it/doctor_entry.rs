//! The command `doctor --entry`: an entry is started as its client starts it.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::*;

const CURSOR: &str = ".cursor/mcp.json";
const CLAUDE: &str = ".config/Claude/claude_desktop_config.json";

fn entry(command: &str, args: &[&str]) -> Value {
    json!({ "command": command, "args": args })
}

fn write(home: &PlantedHome, path: &str, entries: &Value) {
    home.write(path, &json!({ "mcpServers": entries }).to_string());
}

/// A shell script that answers as an MCP server.
const SERVER: &str = r#"
while read -r line; do
  case "$line" in
    *'"initialize"'*) echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"mine","version":"7"}}}' ;;
    *'"tools/list"'*) echo '{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"a"},{"name":"b"}]}}' ;;
  esac
done"#;

#[test]
fn an_entry_that_works_is_told_with_its_tools() {
    let home = PlantedHome::new();
    write(&home, CURSOR, &json!({ "mine": entry("sh", &["-c", &format!("echo 'started {{planted}}' >&2{SERVER}")]) }));
    let (status, report) = home.doctor(|| home.launch(), &["--entry", "mine"]);
    assert_eq!(status, Some(0), "{report:#}");
    assert_eq!(step_named(&report, "start")["fact"], "mine 7, protocol 2025-11-25");
    assert_eq!(step_named(&report, "tools")["fact"], "2");
    assert_eq!(step_named(&report, "end")["fact"], "exit status 0");
}

#[test]
fn each_way_not_to_work_has_its_code() {
    let refusal =
        r#"read line; echo '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no licence {planted}"}}'"#;
    for (code, command, args, words) in [
        (
            "entry.ended",
            "sh",
            vec!["-c", "echo first >&2; echo out of memory >&2; exit 3"],
            "(exit status 3); its last line: out of memory",
        ),
        ("entry.output", "sh", vec!["-c", "echo Welcome!"], "Welcome!"),
        ("entry.refused", "sh", vec!["-c", refusal], "no licence"),
        ("entry.silent", "cat", vec!["/dev/zero"], "does not answer in time"),
        ("entry.silent", "sh", vec!["-c", "trap '' TERM; while :; do read line; done"], "does not answer in time"),
        ("entry.start", "{home}/no-interpreter", vec![], "cannot be started"),
        ("client.binary-gone", "/gone", vec![], "not there"),
    ] {
        let home = PlantedHome::new();
        home.write_program("no-interpreter", "#!/gone/interpreter\n");
        let mut mine = entry(command, &args);
        mine["env"] = json!({ "API_TOKEN": "{planted}" });
        write(&home, CURSOR, &json!({ "mine": mine }));
        let (status, report) = home.doctor(|| home.launch(), &["--entry", "mine", "--request-timeout", "0.5"]);
        assert_eq!((status, &report["cause"]["code"]), (Some(1), &code.into()), "{report:#}");
        assert!(report["cause"]["sentence"].as_str().unwrap().contains(words), "{report:#}");
    }
}

#[test]
fn an_entry_that_is_nowhere_or_in_several_files_is_told() {
    let home = PlantedHome::new();
    write(&home, CURSOR, &json!({ "twice": entry("sh", &["-c", SERVER]), "\u{1b}[2J": entry("sh", &[]) }));
    write(&home, CLAUDE, &json!({ "twice": entry("sh", &["-c", SERVER]) }));
    let cause = |arguments: &[&str]| home.doctor(|| home.launch(), arguments).1["cause"]["code"].clone();
    assert_eq!(cause(&["--entry", "twise"]), "entry.unknown");
    assert_eq!(cause(&["--entry", "twice"]), "entry.ambiguous");
    assert_eq!(cause(&["--entry", "twice", "--client", "cursor"]), Value::Null);
}

#[test]
fn an_entry_gets_the_environment_and_the_folder_that_its_client_gives() {
    let told = "echo \"got $HTTPS_PROXY $GIVEN $PWD\" >&2";
    let mut mine = entry("sh", &["-c", &format!("{told}{SERVER}")]);
    mine["env"] = json!({ "GIVEN": "by-the-entry" });
    mine["cwd"] = json!("{home}/work");
    for (path, as_client, proxy) in [
        (CURSOR, None, "http://p.example:1"),
        (CLAUDE, None, ""),
        (CURSOR, Some("codex"), ""),
        (CLAUDE, Some("claude-code"), "http://p.example:1"),
    ] {
        let home = PlantedHome::new();
        home.write("work/file", "");
        write(&home, path, &json!({ "mine": mine }));
        let launch = || home.launch().env("HTTPS_PROXY", "http://p.example:1");
        let arguments: Vec<&str> =
            ["--entry", "mine"].into_iter().chain(as_client.map(|_| "--as")).chain(as_client).collect();
        let (_, report) = home.doctor(launch, &arguments);
        let folder = home.path().canonicalize().unwrap().join("work");
        let wanted = format!("got {proxy} by-the-entry {}", folder.display()).replace("  ", " ");
        assert_eq!(step_named(&report, "stderr")["fact"], wanted, "{path} {as_client:?}");
    }
}

#[test]
fn an_entry_of_ours_begins_no_login_and_writes_nothing() {
    let servers = OauthServers::start(Rules::default());
    let through_a_shell = format!("exec {{ferry}} {}", servers.url());
    for mine in [entry("{ferry}", &[&servers.url()]), entry("sh", &["-c", &through_a_shell])] {
        let home = PlantedHome::new();
        write(&home, CURSOR, &json!({ "mine": mine }));
        let (_, report) = home.doctor(|| home.launch().env("BROWSER", "/gone"), &["--entry", "mine"]);
        assert_eq!(step_named(&report, "start")["cause"]["code"], "auth.login-needed", "{report:#}");
        assert!(!home.path().join(".mcp-ferry").exists());
        assert!(servers.records().registrations.is_empty(), "no login begins");
    }
}

#[test]
fn mcp_remote_is_not_started() {
    let home = PlantedHome::new();
    home.write_program("bin/npx", "#!/bin/sh\ntouch {home}/was-started\n");
    write(&home, CURSOR, &json!({ "mine": entry("npx", &["-y", "mcp-remote", "http://127.0.0.1:9/mcp"]) }));
    let (_, report) = home.doctor(|| home.launch(), &["--entry", "mine"]);
    assert_eq!(step_named(&report, "start")["mark"], "skip");
    assert_eq!(steps_with(&report, "client.mcp-remote").len(), 1);
    assert_eq!(std::fs::metadata(home.path().join("bin/npx")).unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn what_a_client_does_not_pass_on_is_told_where_it_matters() {
    let server = Https::start(&["localhost"]);
    let (url, authority) = (format!("https://localhost:{}/mcp", server.port), server.authority.file());
    for (client, code) in [("inspector", "client.env-stripped"), ("codex", "")] {
        let home = PlantedHome::new();
        let launch = || home.launch().env("NODE_EXTRA_CA_CERTS", path(&authority));
        let (_, report) = home.doctor(launch, &[&url, "--as", client]);
        let found = report["cause"]["code"].as_str().unwrap_or_default();
        assert_eq!(found, code, "{client}: {report:#}");
    }
}

#[test]
fn a_login_that_is_kept_is_used_and_left_as_it_is() {
    let servers = OauthServers::start(Rules::default());
    let machine = Machine::with_user();
    let login = machine.launch().args(["login", &servers.url()]).run("");
    assert_eq!(login.status.code(), Some(0), "{login:?}");
    let file = machine.home().join(CURSOR);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mine = entry(env!("CARGO_BIN_EXE_mcp-ferry"), &[&servers.url()]);
    std::fs::write(file, json!({ "mcpServers": { "mine": mine } }).to_string()).unwrap();
    let asked = || {
        let records = servers.records();
        (records.token_requests.len(), records.registrations.len())
    };
    let (before, secrets) = (asked(), servers.records().secrets.clone());
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let found = diagnose_at(machine.home(), &secrets, || machine.launch().args(["doctor", "--entry", "mine"]));
    let start = step_named(&found.json, "start");
    assert_eq!((found.exit, &start["mark"]), (0, &"ok".into()), "{}", found.text);
    assert_eq!(asked(), before, "no token and no registration is asked for: {}", found.text);
    assert_eq!(machine.browser.tabs().len(), 1, "no browser is opened but for the login");
}

#[test]
fn a_login_that_has_expired_and_is_renewed_is_no_fault() {
    let servers = OauthServers::well_behaved();
    for (is_renewable, exit, mark, code) in [(true, 0, "skip", Value::Null), (false, 4, "FAIL", "auth.expired".into())]
    {
        let machine = Machine::with_user();
        let login = machine.launch().args(["login", &servers.url()]).run("");
        assert_eq!(login.status.code(), Some(0), "{login:?}");
        let kept = std::fs::read_dir(machine.home().join("ferry/logins")).unwrap().flatten().find_map(|file| {
            let text: Value = serde_json::from_str(&std::fs::read_to_string(file.path()).ok()?).ok()?;
            text["record"]["tokens"].is_object().then(|| (file.path(), text))
        });
        let (path, mut kept) = kept.expect("a login");
        let tokens = &mut kept["record"]["tokens"];
        tokens["obtained_at"] = json!(1_000_000_000);
        if !is_renewable {
            tokens["refresh_token"] = Value::Null;
        }
        write_private(path, &kept.to_string());
        let file = machine.home().join(CURSOR);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mine = entry(env!("CARGO_BIN_EXE_mcp-ferry"), &[&servers.url()]);
        std::fs::write(file, json!({ "mcpServers": { "mine": mine } }).to_string()).unwrap();
        let before = servers.records().token_requests.len();
        let found = diagnose_at(machine.home(), &[], || machine.launch().args(["doctor", "--entry", "mine"]));
        let start = step_named(&found.json, "start");
        assert_eq!((found.exit, &start["mark"]), (exit, &mark.into()), "{}", found.text);
        assert_eq!(start["cause"]["code"], code, "{}", found.text);
        if is_renewable {
            assert!(start["fact"].as_str().unwrap().contains("the next start renews it"), "{}", found.text);
        }
        assert_eq!(servers.records().token_requests.len(), before, "the token endpoint is asked for nothing");
    }
}
