//! Do the configuration entries of `examples` and `dist/mcpb` work when their host starts them?
//!
//! A host replaces its own `${…}` placeholders, passes few variables besides `HOME`, `PATH` and `USER`,
//! and expects a response to `initialize`. `tests/interop` does the same with the packed bundle and the
//! bundle format's official tool.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

const URL_IN_EXAMPLES: &str = "https://mcp.example.com/mcp";
const PATIENCE: Duration = Duration::from_secs(30);

/// The command that a host starts after it has replaced its placeholders.
struct Entry {
    command: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Entry {
    fn from_json(entry: &Value, substitute: impl Fn(&str) -> String) -> Self {
        let text = |value: &Value| substitute(value.as_str().expect("a string"));
        Self {
            command: text(&entry["command"]),
            args: entry["args"].as_array().unwrap().iter().map(text).collect(),
            env: entry["env"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), text(v))).collect(),
        }
    }

    /// Starts the command, sends `initialize`, and checks the response and the token that the server received.
    fn answers_initialize(&self, token: &str, requests: &Receiver<Request>) {
        assert!(self.args.iter().all(|arg| !arg.contains(token)), "the token is in argv: {:?}", self.args);
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-ferry"));
        command.args(&self.args).env_clear().envs(&self.env).env("MCP_FERRY_HOME", home.path());
        // Windows needs SystemRoot for sockets; hosts there pass it.
        for name in ["HOME", "PATH", "USER", "SystemRoot", "USERPROFILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let mut ferry = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = ferry.stdin.take().unwrap();
        let mut stdout = BufReader::new(ferry.stdout.take().unwrap());

        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "a-host", "version": "1"},
        }});
        writeln!(stdin, "{hello}").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).expect("one line of JSON");
        assert_eq!(answer["id"], 0);
        assert_eq!(answer["result"]["serverInfo"]["name"], "entries", "{answer}");

        let request = requests.recv_timeout(PATIENCE).expect("the server received a request");
        assert_eq!(request.method, "initialize");
        assert_eq!(request.authorization.as_deref(), Some(format!("Bearer {token}").as_str()));

        drop(stdin);
        assert!(ferry.wait().unwrap().success());
    }
}

/// The parts of a received POST that a test checks.
struct Request {
    method: String,
    authorization: Option<String>,
}

/// A server that answers `initialize`; returns its URL and the received requests.
fn server() -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || serve(stream.unwrap(), &sender));
        }
    });
    (url, requests)
}

fn serve(mut stream: TcpStream, sender: &Sender<Request>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let header = |wanted: &str| {
            let fields = head.iter().filter_map(|line| line.split_once(':'));
            fields
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim().to_owned())
                .next()
        };
        let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();

        let (status, answer) = if head[0].starts_with("POST ") {
            let message: Value = serde_json::from_slice(&body).unwrap();
            let method = message["method"].as_str().unwrap_or_default().to_owned();
            let _ = sender.send(Request { method, authorization: header("authorization") });
            let result = json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {},
                "serverInfo": {"name": "entries", "version": "1"},
            });
            ("200 OK", json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string())
        } else {
            ("405 Method Not Allowed", String::new())
        };
        let length = answer.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        if stream.write_all((head + &answer).as_bytes()).is_err() {
            return;
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Whether this is an absolute path of mcp-ferry on that system.
fn is_absolute_path_of_mcp_ferry(command: &str, system: &str) -> bool {
    match system {
        "windows" => command.get(1..3) == Some(":\\") && command.ends_with("\\mcp-ferry.exe"),
        _ => command.starts_with('/') && command.ends_with("/mcp-ferry"),
    }
}

fn entries_of(host: &str) {
    for system in ["macos", "windows", "linux"] {
        let config: Value = serde_json::from_str(&read(&format!("examples/{host}/{system}.json"))).unwrap();
        let (url, requests) = server();
        let servers = config["mcpServers"].as_object().unwrap();
        assert!(!servers.is_empty());
        for entry in servers.values() {
            let token = "secret-of-the-test";
            let entry = Entry::from_json(entry, |text| {
                text.replace("REPLACE-WITH-YOUR-TOKEN", token).replace(URL_IN_EXAMPLES, &url)
            });
            assert!(is_absolute_path_of_mcp_ferry(&entry.command, system), "{}", entry.command);
            assert!(entry.args.contains(&url), "{host}/{system} names {URL_IN_EXAMPLES}");
            entry.answers_initialize(token, &requests);
        }
    }
}

#[test]
fn the_entries_for_claude_desktop_work() {
    entries_of("claude-desktop");
}

#[test]
fn the_entries_for_cursor_work() {
    entries_of("cursor");
}

/// The bundle's manifest as `dist/mcpb/pack` fills it in for a server with an account in its path.
fn manifest() -> Value {
    let filled = [
        ("@NAME@", "acme-mcp"),
        ("@DISPLAY_NAME@", "Acme"),
        ("@VERSION@", "1.2.3"),
        ("@DESCRIPTION@", "Acme's tools"),
        ("@AUTHOR@", "Acme"),
        ("@MAIN@", "mcp-ferry-linux"),
        ("@URL@", "${user_config.server}/${user_config.account}/mcp"),
    ];
    let template = read("dist/mcpb/manifest.template.json");
    let text = filled.iter().fold(template, |text, (word, value)| text.replace(word, value));
    assert!(!text.contains('@'), "the template has an unknown placeholder");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_command_of_the_bundle_works() {
    let manifest = manifest();
    let (url, requests) = server();
    let token = "sk-org-0123456789";
    let answers = [
        ("${__dirname}", "/opt/bundle"),
        ("${user_config.server}", url.trim_end_matches("/mcp")),
        ("${user_config.account}", "acme"),
        ("${user_config.token}", token),
    ];
    let config = &manifest["server"]["mcp_config"];
    let substitute = |text: &str| answers.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
    let entry = Entry::from_json(config, substitute);
    assert_eq!(entry.command, "/opt/bundle/server/mcp-ferry-linux");
    entry.answers_initialize(token, &requests);
}

#[test]
fn the_bundle_keeps_the_token_secret() {
    let manifest = manifest();
    assert_eq!(manifest["user_config"]["token"]["sensitive"], true);
    let args = manifest["server"]["mcp_config"]["args"].to_string();
    assert!(!args.contains("user_config"), "settings belong in the environment, not in argv: {args}");
}

/// One host is stricter than the format: it only accepts the keys of format 0.2.
#[test]
fn the_bundle_has_no_keys_that_a_strict_host_rejects() {
    let manifest = manifest();
    let keys: Vec<_> = manifest.as_object().unwrap().keys().map(String::as_str).collect();
    for unknown in ["icons", "localization", "_meta"] {
        assert!(!keys.contains(&unknown), "{unknown}");
    }
}
