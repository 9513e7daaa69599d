//! Secrets planted wherever a user or a server can put one: no output at any log level contains one, however a run
//! ends.
//!
//! Each way to give the secrets is a row of [`WAYS`], and each kind of run is a [`Scene`]. A new command adds its row.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use tempfile::TempDir;

use crate::support::*;

/// A text that every planted secret contains and nothing else.
const MARK: &str = "PLANTED";

const PATH: &str = "path-PLANTED-0a1b2c3d";
const QUERY: &str = "query-PLANTED%2F0a1b2c3d";
const HEADER: &str = "header-PLANTED-0a1b2c3d";
const FILE_HEADER: &str = "file-header-PLANTED-0a1b2c3d";
const BEARER: &str = "bearer-PLANTED-0a1b2c3d";
const COOKIE: &str = "cookie-PLANTED-0a1b2c3d";
const PROXY_USER: &str = "proxy-user-PLANTED-0a1b2c3d";
const PROXY_PASSWORD: &str = "proxy-password-PLANTED-0a1b2c3d";
const CLIENT_KEY: &str = "key-PLANTED-0a1b2c3d";
const SESSION_ID: &str = "session-PLANTED-0a1b2c3d";

/// How the bridge gets its bearer token.
const WAYS: [&str; 3] = ["--bearer-token-env", "--bearer-token-file", "--token-command"];

/// The behavior of the server, or of the program in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scene {
    Orderly,
    Status(&'static str),
    /// The same behavior after the session is open.
    StatusOfCall(&'static str),
    RpcError,
    BrokenStream,
    Redirect,
    ForeignRedirect,
    HttpSse,
    Unreachable,
    NoTls,
    /// A proxy that requires other credentials, or is unreachable.
    Proxy,
    ProxyUnreachable,
    /// A file that is not a key.
    BadKey,
    BadArguments,
}

const SCENES: [Scene; 18] = [
    Scene::Orderly,
    Scene::Status("400 Bad Request"),
    Scene::Status("401 Unauthorized"),
    Scene::Status("403 Forbidden"),
    Scene::Status("500 Internal Server Error"),
    Scene::StatusOfCall("404 Not Found"),
    Scene::StatusOfCall("502 Bad Gateway"),
    Scene::RpcError,
    Scene::BrokenStream,
    Scene::Redirect,
    Scene::ForeignRedirect,
    Scene::HttpSse,
    Scene::Unreachable,
    Scene::NoTls,
    Scene::Proxy,
    Scene::ProxyUnreachable,
    Scene::BadKey,
    Scene::BadArguments,
];

/// Everything that a server receives and may quote.
fn quotation(call: &Exchange) -> String {
    let headers: Vec<_> = call.request.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let read = QUERY.replace("%2F", "/");
    format!("{} {read} {}", call.path(), headers.join(" "))
}

/// The quotation as the inside of a JSON string, with escaped slashes as some servers write them.
fn quoted(call: &Exchange) -> String {
    let string = serde_json::json!(quotation(call)).to_string().replace('/', r"\/");
    string[1..string.len() - 1].to_owned()
}

fn serve(scene: Scene, call: Exchange) {
    let is_call = call.kind() == "tools/call";
    match (scene, call.kind()) {
        (Scene::Status(status), _) | (Scene::StatusOfCall(status), "tools/call") => {
            let quoted_text = quotation(&call);
            let status = format!("{status} {BEARER}");
            let headers = [("WWW-Authenticate", r#"Bearer realm="r", error="x""#), ("Content-Type", "text/plain")];
            call.respond(&status, &headers, &quoted_text);
        }
        (Scene::Proxy, _) => {
            let quoted_text = quotation(&call);
            let challenge = [("Proxy-Authenticate", r#"Basic realm="r""#)];
            call.respond("407 Proxy Authentication Required", &challenge, &quoted_text);
        }
        (Scene::Redirect, _) if call.path().starts_with("/mcp") => {
            let there = format!("/moved/{PATH}?key={QUERY}");
            call.respond("307 Temporary Redirect", &[("Location", &there)], "");
        }
        (Scene::ForeignRedirect, _) => {
            let there = format!("https://elsewhere.example/{PATH}?key={QUERY}");
            call.respond("302 Found", &[("Location", &there)], "");
        }
        (_, "initialize") => {
            let answer = result(&call.id(), &initialize_result(REVISION));
            let headers = [("Content-Type", "application/json"), ("Mcp-Session-Id", SESSION_ID)];
            let cookie = format!("lb={COOKIE}; Path=/");
            let headers = [&headers[..], &[("Set-Cookie", cookie.as_str())]].concat();
            call.respond("200 OK", &headers, &answer);
        }
        (Scene::RpcError, _) if is_call => {
            let quoted_text = quoted(&call);
            let answer = error(&call.id(), -32000, &quoted_text);
            call.json_with_status("400 Bad Request", &answer);
        }
        (Scene::BrokenStream, _) if is_call => {
            let quoted_text = quotation(&call);
            let events = call.sse();
            events.chunk(&format!("data: no JSON, {quoted_text}\n\n")).chunk(&format!("data: {{{quoted_text}\n\n"));
            events.cut();
        }
        _ => call.respond_normally(),
    }
}

/// An HTTP+SSE server that names its session in its endpoint.
fn http_sse() -> Upstream {
    let sse_server = HttpSse::new("/messages?sessionId=session-PLANTED-0a1b2c3d");
    Upstream::start(move |call| match call.kind() {
        "tools/call" => {
            let quoted_text = quotation(&call);
            call.plain("500 Internal Server Error", &quoted_text);
        }
        _ => sse_server.serve(call),
    })
}

/// The output of a run: each text and its place.
struct RunOutput {
    places: Vec<(String, String)>,
}

impl RunOutput {
    fn assert_nothing(&self, case: &str) {
        for (place, text) in &self.places {
            // A part of the secret is enough, so that a truncated quotation is found too.
            let found = text.find(MARK).map(|at| text[at.saturating_sub(60)..].chars().take(160).collect::<String>());
            assert!(found.is_none(), "{case}: {place} contains a secret: …{}…", found.unwrap_or_default());
        }
    }
}

/// Adds the name and text of every file below the directory.
fn files(directory: &Path, places: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        places.push((format!("the name of {name}"), name.clone()));
        if path.is_dir() {
            files(&path, places);
        } else {
            places.push((name, String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned()));
        }
    }
}

/// Adds the arguments that give each secret by a file, a variable or a command.
fn plant(launch: Launch, way: &str, secrets: &Path) -> Launch {
    let (headers, token) = (secrets.join("headers"), secrets.join("token"));
    std::fs::write(&headers, format!("X-File: {FILE_HEADER}\n")).unwrap();
    std::fs::write(&token, BEARER).unwrap();
    let launch = launch.env("MY_KEY", HEADER).env("MY_PATH", PATH).env("MY_QUERY", QUERY).args([
        "--header",
        "X-Key: ${MY_KEY}",
        "--header-file",
        headers.to_str().unwrap(),
    ]);
    match way {
        "--bearer-token-env" => launch.args([way, "MY_TOKEN"]).env("MY_TOKEN", BEARER),
        "--bearer-token-file" => launch.args([way, token.to_str().unwrap()]),
        _ => launch.args([way, &format!("cat {}", token.display())]),
    }
}

/// Runs the program with all secrets planted.
fn run(scene: Scene, way: &str, level: &[&str]) -> RunOutput {
    let upstream = match scene {
        Scene::HttpSse => http_sse(),
        _ => Upstream::start(move |call| serve(scene, call)).may_receive_no_request(),
    };
    let closed_port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let base = match scene {
        Scene::Unreachable => format!("http://{closed_port}/mcp"),
        Scene::NoTls => upstream.url("/mcp").replace("http://", "https://"),
        Scene::Proxy | Scene::ProxyUnreachable => "https://host.invalid/mcp".to_owned(),
        Scene::BadArguments => "ftp://127.0.0.1/mcp".to_owned(),
        _ => upstream.url("/mcp"),
    };
    let (secrets, home, logs) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let (log, trace) = (logs.path().join("log"), logs.path().join("trace"));
    let launch = plant(Bridge::to(&format!("{base}/${{MY_PATH}}?key=${{MY_QUERY}}")), way, secrets.path());
    let proxy = |host: &str| format!("http://{PROXY_USER}:{PROXY_PASSWORD}@{host}");
    let launch = match scene {
        Scene::Proxy => launch.env("HTTPS_PROXY", &proxy(&upstream.host())),
        Scene::ProxyUnreachable => launch.env("MCP_FERRY_PROXY", &proxy(&closed_port.to_string())),
        Scene::BadKey => {
            let key = secrets.path().join("key");
            std::fs::write(&key, format!("-----BEGIN PRIVATE KEY-----\n{CLIENT_KEY}\n")).unwrap();
            launch.args(["--client-key", key.to_str().unwrap(), "--client-cert", key.to_str().unwrap()])
        }
        _ => launch,
    };
    let launch = launch.home(home.path()).args(["--patience", "0.5", "--connect-timeout", "5"]);
    let launch = launch.args(["--log-file", log.to_str().unwrap(), "--trace-file", trace.to_str().unwrap()]);
    let launch = level.iter().fold(launch, |launch, argument| launch.arg(argument)).startup_wait("1");
    let mut bridge = launch.start();
    let mut places = Vec::new();
    let ended = if matches!(scene, Scene::BadArguments | Scene::BadKey) {
        bridge.close_stdin();
        bridge.wait_for_exit()
    } else {
        bridge.request("1", "initialize", r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{}}"#);
        // Text of the client that only resembles a secret is not hidden.
        bridge.send(&initialized());
        bridge.request("2", "tools/call", r#"{"name":"t"}"#);
        #[cfg(target_os = "linux")]
        for file in ["cmdline", "comm"] {
            let shown = std::fs::read(format!("/proc/{}/{file}", bridge.process_id())).unwrap();
            places.push((file.to_owned(), String::from_utf8_lossy(&shown).into_owned()));
        }
        bridge.finish()
    };
    places.push(("stderr".to_owned(), ended.stderr));
    // Messages of the server pass unchanged, so only the bridge's own errors are checked.
    let own = ended.lines.iter().filter(|line| !(scene == Scene::RpcError && line.contains("-32000")));
    places.push(("stdout".to_owned(), own.cloned().collect()));
    files(home.path(), &mut places);
    files(logs.path(), &mut places);
    let traced = places.iter().any(|(place, text)| place == "trace" && text.contains(r#""what":"start""#));
    assert!(traced, "{scene:?}: the trace was written");
    RunOutput { places }
}

#[test]
fn no_secret_is_printed_in_any_scene() {
    for (nth, scene) in SCENES.into_iter().enumerate() {
        let way = WAYS[nth % WAYS.len()];
        run(scene, way, &["--log-level", "debug"]).assert_nothing(&format!("{scene:?}, {way}"));
    }
}

#[test]
fn no_secret_is_printed_at_any_log_level() {
    for way in WAYS {
        for level in [&["--log-level", "error"][..], &["--log-level", "warn"], &["--debug"], &["--silent"]] {
            for scene in [Scene::Status("401 Unauthorized"), Scene::BrokenStream] {
                run(scene, way, level).assert_nothing(&format!("{scene:?}, {way}, {level:?}"));
            }
        }
    }
}
