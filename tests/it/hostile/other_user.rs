//! Another user of the same machine: files, folders, ports, process lists.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use crate::support::*;

/// The record of the only login.
fn record(machine: &Machine) -> PathBuf {
    let logins = std::fs::read_dir(machine.home().join("ferry/logins")).unwrap().map(|entry| entry.unwrap().path());
    let is_record = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "json") && path.file_stem().is_some_and(|name| name.len() == 32)
    };
    logins.into_iter().find(is_record).expect("a login")
}

fn err(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A bridge with a call that waits for a login.
fn waiting_call(machine: &Machine, servers: &OauthServers) -> Bridge {
    let mut bridge = machine.bridge(servers).start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", r#"{"name":"look","arguments":{}}"#));
    bridge
}

#[test]
fn the_arguments_of_the_browser_tell_nothing_of_the_login() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let login = servers.records().logins[0].clone();
    for tab in machine.browser.tabs() {
        assert!(tab.contains("/start/"), "{tab}");
        for name in ["state", "code_challenge", "client_id"] {
            assert!(!tab.contains(&parameter(&login, name).unwrap()), "{name} is in {tab}");
        }
    }
}

#[test]
fn the_short_address_works_once_and_its_login_comes_back_with_its_cookie() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut bridge = waiting_call(&machine, &servers);
    let short = machine.browser.tab(1);
    let mut tab = Tab::default();
    let url = tab.start(&short);
    let state = parameter(&query(&url), "state").unwrap();
    for thief in [get(&short, &[]), tab.get(&short)] {
        let page = thief.expect("a page");
        assert!(page.status >= 400 && page.header("location").is_none(), "it works once: {}", page.head);
        assert!(!page.body.contains(&state));
    }
    let back = get(&url, &[]).unwrap().header("location").unwrap().to_owned();
    for cookie in ["", "mcp-ferry=1", &format!("mcp-ferry-1={state}")] {
        let page = get(&back, &[("Cookie", cookie)]).expect("a page");
        assert!((400..500).contains(&page.status), "another browser is refused: {}", page.head);
    }
    assert!(servers.records().token_requests.is_empty());
    assert_eq!(tab.get(&back).expect("a page").status, 200, "the login goes on in its own browser");
    assert!(bridge.response("1").contains("looked"));
    bridge.finish();
}

#[test]
fn the_printed_addresses_need_no_cookie_even_if_a_tab_was_opened() {
    for (is_opened, printed) in [(false, "/start/"), (true, "/start/"), (false, "/authorize?")] {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
        let has_browser = printed == "/start/";
        let launch = machine.launch().args(["login", &servers.url()]);
        let launch = if has_browser { launch } else { launch.arg("--no-browser") };
        let login = launch.start_interactive();
        let line = login.wait_for_line(printed);
        let url = line.split_whitespace().find(|word| word.contains(printed)).unwrap();
        if is_opened {
            Tab::default().start(&machine.browser.tab(1));
        }
        assert_eq!(follow(url).expect("a page").status, 200, "a person may use another browser");
        assert_eq!(login.wait_for_exit().status.code(), Some(0));
    }
}

/// The ports of the redirect URIs of the last registration.
fn ports(servers: &OauthServers) -> Vec<u16> {
    let records = servers.records();
    let uris = records.registrations.last().unwrap()["redirect_uris"].as_array().unwrap().clone();
    let port = |uri: &serde_json::Value| uri.as_str()?.split(':').nth(2)?.split('/').next()?.parse().ok();
    uris.iter().filter_map(port).collect()
}

/// Takes a port, as soon as no other test uses it.
fn take(port: u16) -> TcpListener {
    let began = std::time::Instant::now();
    loop {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return listener,
            Err(error) => assert!(began.elapsed() < DEADLINE, "{port}: {error}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn squatted_ports_do_not_end_a_login() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let taken: Vec<_> = ports(&servers).into_iter().map(take).collect();
    machine.run(["logout", &servers.url()], "");
    machine.logged_in(&servers).finish();
    let used = parameter(servers.records().logins.last().unwrap(), "redirect_uri").unwrap();
    for listener in &taken {
        assert!(!used.contains(&format!(":{}/", listener.local_addr().unwrap().port())), "{used}");
    }
    assert_eq!(servers.records().registrations.len(), 2, "the new port is registered");
}

#[test]
fn a_login_that_a_person_completes_needs_no_port() {
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = squatter.local_addr().unwrap().port().to_string();
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let begun = machine.run(["login", &servers.url(), &port, "--no-wait"], "");
    assert_eq!(begun.status.code(), Some(0), "{begun:?}");
    let url = stdout_text(&begun).split_whitespace().next().unwrap().to_owned();
    let back = get(&url, &[]).unwrap().header("location").unwrap().to_owned();
    let done = machine.run(["login", &servers.url(), &port, "--complete", &back], "");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let mut login =
        machine.launch().args(["login", &servers.url(), &port, "--no-browser", "--force"]).start_interactive();
    let printed = login.wait_for_line("/authorize?");
    let url = printed.split_whitespace().find(|word| word.contains("/authorize?")).unwrap();
    login.type_line(get(url, &[]).unwrap().header("location").unwrap());
    assert_eq!(login.wait_for_exit().status.code(), Some(0));
}

#[test]
fn a_flood_of_connections_does_not_end_a_login() {
    for request in ["", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /oauth/callback?code=c&state=s HTTP/1.1\r\n"]
    {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
        let mut bridge = waiting_call(&machine, &servers);
        let tab = machine.browser.tab(1);
        let port: u16 = tab.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
        // Kept open, and their responses are not read.
        let mut flood = Vec::new();
        for _ in 0..400 {
            let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
            connection.write_all(request.as_bytes()).ok();
            flood.push(connection);
        }
        assert_eq!(follow(&tab).expect("a page").status, 200, "{request:?}");
        assert!(bridge.response("1").contains("looked"));
        bridge.finish();
    }
}

#[test]
fn the_record_of_a_newer_version_is_left_alone() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let newer = r#"{"format":2,"sealed":"of-a-newer-version"}"#;
    std::fs::write(record(&machine), newer).unwrap();
    let mut bridge = machine.bridge(&servers).start();
    bridge.initialize();
    let answer = bridge.request("1", "tools/call", r#"{"name":"look","arguments":{}}"#);
    assert!(answer.contains("newer version"), "{answer}");
    bridge.finish();
    let output = machine.run(["login", &servers.url()], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("newer version"), "{output:?}");
    assert_eq!(std::fs::read_to_string(record(&machine)).unwrap(), newer);
    assert_eq!(machine.browser.tabs().len(), 1, "nobody signs in in vain");
}

#[cfg(unix)]
mod files {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    /// Files and folders of the bridge.
    const OURS: [&str; 3] = ["", "logins", "RECORD"];

    fn place(machine: &Machine, name: &str) -> PathBuf {
        if name == "RECORD" { record(machine) } else { machine.home().join("ferry").join(name) }
    }

    /// Asserts that a login is not used while `path` is as `spoil` makes it, and is once the printed command has run.
    fn refused_until_mended(name: &str, spoil: impl Fn(&std::path::Path) -> bool, command: &str) {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        machine.logged_in(&servers).finish();
        let path = place(&machine, name);
        if !spoil(&path) {
            return;
        }
        let count = || {
            let records = servers.records();
            records.refreshes + records.logins.len()
        };
        let before = count();
        let output = machine.run(["login", &servers.url()], "");
        assert_eq!(output.status.code(), Some(1), "{}: {output:?}", path.display());
        let printed = err(&output);
        let mending = printed.split('`').find(|part| part.starts_with(command));
        let mending = mending.unwrap_or_else(|| panic!("{}: no command in {printed}", path.display())).to_owned();
        assert!(mending.contains(path.to_str().unwrap().trim_end_matches('/')), "{mending}");
        assert_eq!(count(), before, "nothing is sent");
        let mending = mending.replace("sudo ", "");
        assert!(std::process::Command::new("sh").args(["-c", &mending]).status().unwrap().success(), "{mending}");
        let output = machine.run(["login", &servers.url()], "");
        assert!(stdout_text(&output).contains("already signed in"), "{}: {output:?}", path.display());
    }

    #[test]
    fn what_others_may_change_is_refused_with_the_command_that_mends_it() {
        for name in OURS {
            refused_until_mended(
                name,
                |path| {
                    let mode = fs::metadata(path).unwrap().permissions().mode();
                    fs::set_permissions(path, Permissions::from_mode(mode | 0o002)).unwrap();
                    true
                },
                "chmod",
            );
        }
    }

    #[test]
    fn what_belongs_to_another_user_is_refused_with_the_command_that_mends_it() {
        for name in OURS {
            // Only root can give a file away; others have no such file in their own folder.
            refused_until_mended(name, |path| chown(path, Some(65_534), None).is_ok(), "sudo chown");
        }
    }

    #[test]
    fn a_configuration_that_others_may_change_is_refused() {
        let machine = Machine::without_user();
        fs::create_dir(machine.home().join("ferry")).unwrap();
        let file = machine.home().join("ferry/config.toml");
        fs::write(&file, "token-command = \"touch owned\"\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        let output = machine.run(["status"], "");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(err(&output).contains("chmod go-w"), "{output:?}");
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(machine.run(["status"], "").status.code(), Some(0), "others may read it");
    }

    #[test]
    fn a_file_with_a_secret_that_others_may_read_is_warned_of() {
        let upstream = Upstream::well_behaved();
        let machine = Machine::without_user();
        let token = machine.home().join("token");
        for (mode, is_warned) in [(0o644, true), (0o600, false)] {
            fs::write(&token, "of-the-user-0123456789").unwrap();
            fs::set_permissions(&token, Permissions::from_mode(mode)).unwrap();
            let launch = machine.launch().arg(&upstream.url("/mcp"));
            let mut bridge = launch.args(["--bearer-token-file", token.to_str().unwrap()]).start();
            bridge.initialize();
            let ended = bridge.finish();
            assert_eq!(ended.stderr.contains("chmod go-rwx"), is_warned, "{mode:o}: {}", ended.stderr);
        }
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_holds_nothing_up() {
        let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
        machine.logged_in(&servers).finish();
        let path = record(&machine);
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let memory = fs::read_dir(machine.home().join("ferry/servers")).unwrap().next().unwrap().unwrap().path();
        fs::remove_file(&memory).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&memory).status().unwrap().success());
        let mut bridge = machine.bridge(&servers).start();
        bridge.initialize();
        let answer = bridge.request("1", "tools/call", r#"{"name":"look","arguments":{}}"#);
        assert!(answer.contains("it is not a file"), "{answer}");
        bridge.finish();
    }
}

/// The memory and the environment of the program.
#[cfg(unix)]
mod memory {
    use std::process::{Command, Stdio};

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn no_debugger_and_no_core_dump_show_the_memory() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        use std::os::unix::process::CommandExt;
        let (upstream, machine) = (Upstream::holding(["initialize"]), Machine::without_user());
        // Another user may not be allowed to run the program from the folder it was built in.
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let program = folder.path().join("mcp-ferry");
        std::fs::copy(env!("CARGO_BIN_EXE_mcp-ferry"), &program).unwrap();
        let mut command = Command::new(program);
        command.arg(upstream.url("/mcp")).env_clear().env("MCP_FERRY_HOME", machine.home().join("ferry"));
        if rustix::process::geteuid().is_root() {
            // A process of root is root's whether it can be traced or not.
            command.uid(65_534).env("MCP_FERRY_HOME", "/nonexistent");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = loop {
            match command.spawn() {
                // A program that another test is starting just now still holds the copy open.
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                child => break child.unwrap(),
            }
        };
        let line = format!("{}\n", initialize("1", REVISION));
        child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        drop(upstream.take("initialize"));
        let owner = std::fs::metadata(format!("/proc/{}/environ", child.id())).unwrap().uid();
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(owner, 0, "only root may look into it");
        assert!(
            limits
                .lines()
                .any(|line| { line.starts_with("Max core file size") && line.split_whitespace().nth(4) == Some("0") }),
            "{limits}"
        );
    }

    #[test]
    fn programs_that_are_started_inherit_no_secret_that_they_do_not_need() {
        use std::os::unix::fs::PermissionsExt;
        let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
        let (program, seen) = (machine.home().join("opener"), machine.home().join("seen"));
        std::fs::write(&program, format!("#!/bin/sh\nenv > '{0}.new'; mv '{0}.new' '{0}'\n", seen.display())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let launch = machine.bridge(&servers).args(["--header", "X-Key: ${OF_THE_GATEWAY}"]);
        let launch = launch.args(["--client-id", "given-1", "--client-secret-env", "OF_THE_CLIENT"]);
        let secrets = ["gateway-secret-0123", "client-secret-0123", "foreign-secret-0123"];
        let launch = launch.env("OF_THE_GATEWAY", secrets[0]).env("OF_THE_CLIENT", secrets[1]);
        let launch = launch.env("GITHUB_TOKEN", secrets[2]).env("HARMLESS", "passed-on");
        let mut bridge = launch.env("BROWSER", program.to_str().unwrap()).start();
        bridge.initialize();
        bridge.send(&request("1", "tools/call", r#"{"name":"look","arguments":{}}"#));
        let began = std::time::Instant::now();
        while !seen.exists() && began.elapsed() < DEADLINE {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let seen = std::fs::read_to_string(&seen).unwrap();
        assert!(seen.contains("passed-on") && seen.contains("PATH="), "{seen}");
        for secret in secrets {
            assert!(!seen.contains(secret), "{secret} is in {seen}");
        }
        bridge.kill();
    }

    #[test]
    fn the_token_command_gets_its_own_secrets_and_none_of_the_bridge() {
        let (upstream, machine) = (Upstream::well_behaved(), Machine::without_user());
        let seen = machine.home().join("seen");
        let command = format!("sh -c 'env > {}; echo $WANTED'", seen.display());
        let launch = machine.launch().arg(&upstream.url("/mcp")).args(["--token-command", &command]);
        let launch = launch.args(["--header", "X-Key: ${OF_THE_GATEWAY}", "--header", "X-Other: ${WANTED}"]);
        let launch = launch.env("OF_THE_GATEWAY", "gateway-secret-0123").env("WANTED", "wanted-secret-0123");
        let mut bridge = launch.env("AWS_SECRET_ACCESS_KEY", "of-the-command").start();
        bridge.initialize();
        bridge.finish();
        let seen = std::fs::read_to_string(&seen).unwrap();
        assert!(seen.contains("wanted-secret-0123") && seen.contains("of-the-command"), "{seen}");
        assert!(!seen.contains("gateway-secret-0123"), "{seen}");
    }
}
