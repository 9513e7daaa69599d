//! What is logged: on stderr, in a log file, in a trace file.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::*;

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A run with one call that the server answers with a stream.
fn run(launch: Launch) -> Exit {
    let mut bridge = launch.start();
    bridge.initialize();
    assert!(bridge.request("1", "tools/call", r#"{"name":"t"}"#).contains("result"));
    bridge.finish()
}

fn server() -> Upstream {
    Upstream::start(|call| match call.kind() {
        "tools/call" => {
            let id = call.id();
            let events = call.sse();
            events.event_with_id("e-1", &result(&id, r#"{"n":1.0}"#));
            events.end();
        }
        _ => call.respond_normally(),
    })
}

#[test]
fn a_log_file_repeats_stderr_with_time_and_process_id() {
    let (upstream, home) = (server(), TempDir::new().unwrap());
    let path = home.path().join("a/deep/log");
    for runs in 1..3 {
        let launch = Bridge::to(&upstream.url("/mcp")).args(["--log-level", "info", "--log-file"]);
        let ended = run(launch.arg(path.to_str().unwrap()));
        let on_stderr: Vec<_> = ended.stderr.lines().map(|line| line.strip_prefix("mcp-ferry: ").unwrap()).collect();
        assert!(on_stderr.iter().any(|line| line.starts_with("info: session opened")), "{on_stderr:?}");
        let log = read(&path);
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines.len(), runs * on_stderr.len(), "a second run appends to the file: {log}");
        for (line, on_stderr) in lines[(runs - 1) * on_stderr.len()..].iter().zip(on_stderr) {
            let (time, rest) = line.split_once(' ').unwrap();
            assert!(time.len() == 24 && time.contains('T') && time.ends_with('Z'), "RFC 3339 in UTC: {line}");
            let (process, text) = rest.split_once("] ").unwrap();
            assert!(process.trim_start_matches('[').parse::<u32>().is_ok(), "the process id: {line}");
            assert_eq!(text, on_stderr);
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "only the owner may read the log");
    }
}

#[test]
fn a_log_file_is_rotated_at_ten_megabytes() {
    let (upstream, home) = (server(), TempDir::new().unwrap());
    let path = home.path().join("log");
    std::fs::write(&path, vec![b'x'; 10_000_001]).unwrap();
    run(Bridge::to(&upstream.url("/mcp")).args(["--log-level", "info", "--log-file", path.to_str().unwrap()]));
    assert!(read(&path).starts_with('2'), "the log only holds this run");
    assert_eq!(std::fs::metadata(home.path().join("log.1")).unwrap().len(), 10_000_001, "the previous log is kept");
}

#[test]
fn a_log_or_trace_file_that_cannot_be_opened_is_a_warning() {
    let (upstream, home) = (server(), TempDir::new().unwrap());
    let path = home.path().to_str().unwrap().to_owned();
    for option in ["--log-file", "--trace-file"] {
        let ended = run(Bridge::to(&upstream.url("/mcp")).args([option, &path]));
        assert!(ended.stderr.starts_with("mcp-ferry: warn: cannot write to "), "{option}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{option}: {}", ended.stderr);
    }
}

#[test]
fn silent_applies_to_stderr_and_not_to_the_log_file() {
    let (upstream, home) = (Upstream::start(|call| call.plain("403 Forbidden", "no")), TempDir::new().unwrap());
    let path = home.path().join("log");
    let mut bridge = Bridge::to(&upstream.url("/mcp")).args(["--silent", "--log-file", path.to_str().unwrap()]).start();
    bridge.send(&initialize("1", REVISION));
    assert_error_mentions(&bridge.response("1"), &["403"]);
    assert_eq!(bridge.finish().stderr, "");
    assert!(read(&path).contains("] warn: "), "{}", read(&path));
}

#[test]
fn the_error_that_ends_the_program_is_in_the_log_file() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("log");
    let mut bridge = Bridge::to("ftp://127.0.0.1/").args(["--log-file", path.to_str().unwrap()]).start();
    assert_eq!(bridge.wait_for_exit().code, Some(2));
    assert!(read(&path).contains("] error: the URL's scheme is ftp"), "{}", read(&path));
}

#[test]
fn a_trace_holds_every_message_and_every_header() {
    let (upstream, home) = (server(), TempDir::new().unwrap());
    let path = home.path().join("trace");
    run(Bridge::to(&upstream.url("/mcp")).args(["--header", "X-Key: k-123", "--trace-file", path.to_str().unwrap()]));
    let trace = read(&path);
    let records: Vec<Value> = trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records[0]["what"], "start");
    assert_eq!(records[0]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(records[0]["arguments"], serde_json::json!(["--header", "--trace-file"]), "only the names of options");
    let call = request("1", "tools/call", r#"{"name":"t"}"#);
    let all = |what: &str| records.iter().filter(|it| it["what"] == what).collect::<Vec<_>>();
    assert_eq!(all("from client").iter().filter(|it| it["text"] == call.as_str()).count(), 1, "{trace}");
    let answer = result("1", r#"{"n":1.0}"#);
    assert_eq!(all("to client").iter().filter(|it| it["text"] == answer.as_str()).count(), 1, "{trace}");
    let sent = *all("request").iter().find(|it| it["text"] == call.as_str()).expect("the POST");
    assert_eq!((&sent["method"], &sent["url"]), (&"POST".into(), &upstream.url("/mcp").into()));
    let header = |record: &Value, name: &str| {
        let headers = record["headers"].as_array().unwrap();
        headers.iter().find(|it| it[0].as_str().unwrap().eq_ignore_ascii_case(name)).map(|it| it[1].clone())
    };
    assert_eq!(header(sent, "content-type"), Some("application/json".into()));
    assert_eq!(header(sent, "x-key"), Some("***".into()), "a header of the user is hidden");
    assert_eq!(header(sent, "mcp-session-id"), Some("***".into()), "the session id is hidden");
    let of_it = |what: &str| *all(what).iter().find(|it| it["exchange"] == sent["exchange"]).expect(what);
    assert_eq!(of_it("response")["status"], 200);
    assert_eq!(header(of_it("response"), "cache-control"), Some("no-cache".into()));
    assert_eq!((&of_it("event")["text"], &of_it("event")["event"]), (&answer.into(), &"message".into()));
    assert!(all("body").iter().any(|it| it["text"].as_str().unwrap().contains("serverInfo")), "{trace}");
    assert!(records.iter().all(|it| it["time"].is_string() && it["pid"].is_number()));
}

#[test]
fn a_trace_holds_a_failed_request() {
    let (upstream, home) = (Upstream::start(Exchange::cut), TempDir::new().unwrap());
    let path = home.path().join("trace");
    let mut bridge =
        Bridge::to(&upstream.url("/mcp")).startup_wait("0.1").args(["--trace-file", path.to_str().unwrap()]).start();
    bridge.request("1", "initialize", r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{}}"#);
    bridge.finish();
    assert!(read(&path).contains(r#""what":"failed""#), "{}", read(&path));
}
