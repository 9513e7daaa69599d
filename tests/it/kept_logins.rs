//! What becomes of a login that cannot be kept, or that another process holds.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::*;

/// The file of the only login.
fn record(machine: &Machine) -> PathBuf {
    let logins = std::fs::read_dir(machine.home().join("ferry/logins")).unwrap().map(|entry| entry.unwrap().path());
    let is_record =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "json") && path.file_stem().unwrap().len() == 32;
    logins.into_iter().find(is_record).expect("a login")
}

/// The disk has no room: a write to any file fails.
#[cfg(target_os = "linux")]
fn set_disk_full(process: u32, is_full: bool) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    let limit = Rlimit { current: if is_full { Some(0) } else { None }, maximum: None };
    prlimit(process, Resource::Fsize, limit).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_refresh_token_is_not_spent_where_its_successor_cannot_be_kept() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    servers.records().invalidate_access_tokens();
    set_disk_full(bridge.process_id(), true);
    let answer = bridge.request("2", "tools/call", r#"{"name":"look","arguments":{}}"#);
    assert!(answer.contains("cannot be kept"), "{answer}");
    assert_eq!(servers.records().refreshes, 0, "the refresh token is good for later");
    set_disk_full(bridge.process_id(), false);
    call_succeeds(&mut bridge, "3");
    assert_eq!(servers.records().refreshes, 1);
    bridge.finish();
}

#[cfg(target_os = "linux")]
#[test]
fn the_exit_status_shows_that_a_login_could_not_be_kept() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    let mut bridge = machine.logged_in(&servers);
    servers.records().invalidate_access_tokens();
    set_disk_full(bridge.process_id(), true);
    bridge.request("2", "tools/call", r#"{"name":"look","arguments":{}}"#);
    bridge.close_stdin();
    let ended = bridge.wait_for_exit();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot be kept"), "{}", ended.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_code_is_not_spent_where_its_tokens_cannot_be_kept() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::without_user());
    let mut login = machine.launch().args(["login", &servers.url(), "--no-browser"]).start_interactive();
    let printed = login.wait_for_line("/authorize?");
    let url = printed.split_whitespace().find(|word| word.contains("/authorize?")).unwrap().to_owned();
    set_disk_full(login.process_id(), true);
    login.type_line(get(&url, &[]).unwrap().header("location").unwrap());
    login.wait_for_line("cannot be kept");
    assert!(servers.records().token_requests.is_empty(), "the code is not used");
    set_disk_full(login.process_id(), false);
    login.type_line(get(&url, &[]).unwrap().header("location").unwrap());
    assert_eq!(login.wait_for_exit().status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_logout_needs_no_room_on_the_disk() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let path = record(&machine);
    let home = machine.home().join("ferry");
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 0; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_mcp-ferry"), "logout", &servers.url()])
        .env_clear()
        .env("MCP_FERRY_HOME", home)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let left = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(!left.contains("secret"), "{left}");
}

/// Holds the lock of the only login, as another process that refreshes it does.
fn hold_lock(machine: &Machine) -> std::fs::File {
    let file = std::fs::File::open(record(machine).with_extension("lock")).unwrap();
    file.lock().unwrap();
    file
}

#[test]
fn waiting_for_another_process_is_named_and_ends_with_the_program() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let _held = hold_lock(&machine);
    servers.records().invalidate_access_tokens();
    let mut bridge = machine.bridge(&servers).startup_wait("0.2").start();
    bridge.initialize();
    bridge.send(&request("1", "tools/call", r#"{"name":"look","arguments":{}}"#));
    bridge.wait_for_log("waiting for another mcp-ferry process");
    let ended_at = Instant::now();
    #[cfg(unix)]
    bridge.signal(rustix::process::Signal::TERM);
    #[cfg(windows)]
    bridge.close_stdin();
    let ended = bridge.wait_for_exit();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let limit = if cfg!(windows) { 4 } else { 2 };
    assert!(ended_at.elapsed() < Duration::from_secs(limit), "it took {:?}", ended_at.elapsed());
    assert_eq!(servers.records().refreshes, 0);
}

#[test]
fn a_login_that_waits_for_another_process_says_so() {
    let (servers, machine) = (OauthServers::well_behaved(), Machine::with_user());
    machine.logged_in(&servers).finish();
    let held = std::fs::File::create(record(&machine).with_extension("login.lock")).unwrap();
    held.lock().unwrap();
    let mut login = machine.launch().args(["login", &servers.url(), "--force", "--no-browser"]).start_interactive();
    login.wait_for_line("another mcp-ferry process is logging in");
    drop(held);
    let printed = login.wait_for_line("/authorize?");
    let url = printed.split_whitespace().find(|word| word.contains("/authorize?")).unwrap();
    login.type_line(get(url, &[]).unwrap().header("location").unwrap());
    assert_eq!(login.wait_for_exit().status.code(), Some(0));
}
