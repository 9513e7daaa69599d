//! Secrets planted wherever a user or a server can put one: none is told in any output, at any level, however a run
//! ends.
//!
//! A way to run the bridge is a row of [`WAYS`]; what has an ending of its own is a [`Scene`]. A command that comes
//! later adds its row.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use tempfile::TempDir;

use crate::support::*;

/// Part of every planted secret and of nothing else.
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

/// What the server, or whatever is in its place, does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scene {
    Orderly,
    Status(&'static str),
    /// The same once a session is open.
    StatusOfCall(&'static str),
    RpcError,
    BrokenStream,
    Redirect,
    ForeignRedirect,
    HttpSse,
    Unreachable,
    NoTls,
    /// A proxy that wants other credentials, or is not there.
    Proxy,
    ProxyUnreachable,
    /// A key that is none.
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

/// All that a server knows and might quote.
fn quotation(call: &Exchange) -> String {
    let headers: Vec<_> = call.request.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let read = QUERY.replace("%2F", "/");
    format!("{} {read} {}", call.path(), headers.join(" "))
}

/// The same as the inside of a JSON string, its slashes escaped as some write them.
fn quoted(call: &Exchange) -> String {
    let string = serde_json::json!(quotation(call)).to_string().replace('/', r"\/");
    string[1..string.len() - 1].to_owned()
}

fn serve(scene: Scene, call: Exchange) {
    let is_call = call.kind() == "tools/call";
    match (scene, call.kind()) {
        (Scene::Status(status), _) | (Scene::StatusOfCall(status), "tools/call") => {
            let said = quotation(&call);
            let status = format!("{status} {BEARER}");
            let headers = [("WWW-Authenticate", r#"Bearer realm="r", error="x""#), ("Content-Type", "text/plain")];
            call.respond(&status, &headers, &said);
        }
        (Scene::Proxy, _) => {
            let said = quotation(&call);
            let challenge = [("Proxy-Authenticate", r#"Basic realm="r""#)];
            call.respond("407 Proxy Authentication Required", &challenge, &said);
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
            let said = quoted(&call);
            let answer = error(&call.id(), -32000, &said);
            call.respond("400 Bad Request", &[("Content-Type", "application/json")], &answer);
        }
        (Scene::BrokenStream, _) if is_call => {
            let said = quotation(&call);
            let events = call.sse();
            events.chunk(&format!("data: no JSON, {said}\n\n")).chunk(&format!("data: {{{said}\n\n"));
            events.cut();
        }
        _ => call.usual(),
    }
}

/// An HTTP+SSE server that names its session in its endpoint.
fn http_sse() -> Upstream {
    let voice = HttpSse::new("/messages?sessionId=session-PLANTED-0a1b2c3d");
    Upstream::start(move |call| match call.kind() {
        "tools/call" => {
            let said = quotation(&call);
            call.plain("500 Internal Server Error", &said);
        }
        _ => voice.serve(call),
    })
}

/// What a run left behind: what it said and where.
struct Told {
    places: Vec<(String, String)>,
}

impl Told {
    fn assert_nothing(&self, case: &str) {
        for (place, text) in &self.places {
            // Spelled apart, so that a quotation of half a secret is found too.
            let found = text.find(MARK).map(|at| text[at.saturating_sub(60)..].chars().take(160).collect::<String>());
            assert!(found.is_none(), "{case}: a secret stands in {place}: …{}…", found.unwrap_or_default());
        }
    }
}

/// Every file below, its name and its text.
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

/// The arguments that give each secret by way of a file, a variable or a command.
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

/// One run with everything planted.
fn run(scene: Scene, way: &str, level: &[&str]) -> Told {
    let upstream = match scene {
        Scene::HttpSse => http_sse(),
        _ => Upstream::start(move |call| serve(scene, call)).may_stay_unasked(),
    };
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let base = match scene {
        Scene::Unreachable => format!("http://{nobody}/mcp"),
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
        Scene::ProxyUnreachable => launch.env("MCP_FERRY_PROXY", &proxy(&nobody.to_string())),
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
        bridge.ended()
    } else {
        bridge.ask("1", "initialize", r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{}}"#);
        // A string that only looks like one is nobody's business but the client's.
        bridge.send(&initialized());
        bridge.ask("2", "tools/call", r#"{"name":"t"}"#);
        #[cfg(target_os = "linux")]
        for file in ["cmdline", "comm"] {
            let shown = std::fs::read(format!("/proc/{}/{file}", bridge.process_id())).unwrap();
            places.push((file.to_owned(), String::from_utf8_lossy(&shown).into_owned()));
        }
        bridge.finish()
    };
    places.push(("stderr".to_owned(), ended.stderr));
    // The server's own words to the client pass untouched: only errors of our own making are looked at.
    let own = ended.lines.iter().filter(|line| !(scene == Scene::RpcError && line.contains("-32000")));
    places.push(("stdout".to_owned(), own.cloned().collect()));
    files(home.path(), &mut places);
    files(logs.path(), &mut places);
    let traced = places.iter().any(|(place, text)| place == "trace" && text.contains(r#""what":"start""#));
    assert!(traced, "{scene:?}: the trace was written at all");
    Told { places }
}

#[test]
fn no_secret_is_told_at_any_level_however_a_run_ends() {
    for (nth, scene) in SCENES.into_iter().enumerate() {
        let way = WAYS[nth % WAYS.len()];
        run(scene, way, &["--log-level", "debug"]).assert_nothing(&format!("{scene:?}, {way}"));
    }
}

#[test]
fn no_secret_is_told_whichever_way_it_was_given_and_however_little_is_said() {
    for way in WAYS {
        for level in [&["--log-level", "error"][..], &["--log-level", "warn"], &["--debug"], &["--silent"]] {
            for scene in [Scene::Status("401 Unauthorized"), Scene::BrokenStream] {
                run(scene, way, level).assert_nothing(&format!("{scene:?}, {way}, {level:?}"));
            }
        }
    }
}
