#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::*;
use crate::auth::record::Record;
use crate::auth::store::KeptIn;

fn pending() -> PendingLogin {
    PendingLogin {
        url: "https://as/authorize?state=st".to_owned(),
        state: "st".to_owned(),
        port: 4000,
        start: "nonce".to_owned(),
        begun_at: now(),
        payload: json!({"issuer": "https://as"}),
        redirect: None,
    }
}

fn login_lock(home: &Path) -> LoginLock {
    let key = Key::new("https://h/mcp", ("dynamic", ""), None, &[]);
    LoginLock::new(Account::new(Store::new(home, KeptIn::File), key))
}

async fn own(login: &LoginLock) -> LoginGuard {
    match login.acquire(0).await.unwrap() {
        Turn::Acquired(guard) => guard,
        Turn::Changed => panic!("nothing has changed"),
    }
}

#[tokio::test]
async fn one_owns_the_login_and_the_others_hear_of_its_end() {
    let home = tempfile::tempdir().unwrap();
    let (owner, waiter) = (login_lock(home.path()), login_lock(home.path()));
    let guard = own(&owner).await;
    guard.save_pending(pending()).await.unwrap();
    assert_eq!(waiter.pending().await.as_ref(), Some(&pending()), "whoever waits can say where to sign in");
    let save = owner.account.transact(|mut transaction| async move { transaction.save(Record::default()).await });
    let (turn, saved) = tokio::join!(waiter.acquire(0), save);
    assert!(matches!((turn, saved), (Ok(Turn::Changed), Ok(Ok(_)))));
    guard.release().await;
    assert_eq!(waiter.pending().await, None);
    assert!(matches!(waiter.acquire(0).await, Ok(Turn::Changed)), "who comes late logs in no more");
}

#[tokio::test]
async fn a_login_too_old_to_finish_is_none() {
    let home = tempfile::tempdir().unwrap();
    let login = login_lock(home.path());
    let guard = own(&login).await;
    guard.save_pending(PendingLogin { begun_at: now() - PENDING_LIFETIME, ..pending() }).await.unwrap();
    assert_eq!(login.pending().await, None);
}

#[tokio::test]
async fn a_file_of_an_earlier_version_is_read() {
    let home = tempfile::tempdir().unwrap();
    let login = login_lock(home.path());
    let mut old = serde_json::to_value(pending()).unwrap();
    old["verifier"] = "v".into();
    old["redirect_uri"] = "http://localhost:4000/oauth/callback".into();
    old["opened_at"] = 1.into();
    login.account.store().write_beside(login.account.key(), PENDING, &old).unwrap();
    assert_eq!(login.pending().await, Some(pending()));
}

#[tokio::test]
async fn tabs_are_counted_across_processes() {
    let home = tempfile::tempdir().unwrap();
    let guard = own(&login_lock(home.path())).await;
    guard.save_pending(pending()).await.unwrap();
    assert!(guard.claim_tab(false).await.is_ok());
    guard.release().await;
    let left = own(&login_lock(home.path())).await.claim_tab(false).await.unwrap_err();
    assert!(left > Duration::from_secs(100), "the next process waits its two minutes: {left:?}");
}

#[test]
fn a_tab_in_two_minutes_and_three_in_an_hour() {
    let pause = |opened: &[u64], now| Tabs { opened: opened.to_vec() }.pause(now).map_or(0, |pause| pause.as_secs());
    assert_eq!(pause(&[], 10_000), 0);
    assert_eq!(pause(&[10_000], 10_000), TAB_PAUSE);
    assert_eq!(pause(&[9_000, 9_880], 10_000), 0);
    assert_eq!(pause(&[9_000, 9_400, 9_800], 10_000), HOUR - 1000);
    assert_eq!(pause(&[5_000, 9_400, 9_800], 10_000), 0);
    assert_eq!(pause(&[99_999], 10_000), 0, "a clock that was set back locks nobody out");
}

const HOME: &str = "MCP_FERRY_TEST_LOGIN_LOCK_HOME";

/// Does nothing unless it was started by the test below.
#[tokio::test]
async fn in_another_process() {
    let Some(home) = std::env::var_os(HOME).map(std::path::PathBuf::from) else { return };
    let guard = own(&login_lock(&home)).await;
    guard.save_pending(pending()).await.unwrap();
    guard.claim_tab(false).await.unwrap();
    writeln!(std::io::stdout(), "owner").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_owner_s_login_is_taken_over_without_a_new_tab() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "auth::login_lock::tests::in_another_process", "--nocapture", "--test-threads=1"]);
    let mut owner = command.env(HOME, home.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("owner")));
    let heir = login_lock(home.path());
    let kill = async {
        owner.kill().unwrap();
        owner.wait().unwrap();
    };
    let (turn, ()) = tokio::join!(heir.acquire(0), kill);
    let Ok(Turn::Acquired(guard)) = turn else { panic!("the kernel takes the lock from the dead") };
    let taken = heir.pending().await.expect("the login under way is on disk");
    assert_eq!((taken.state.as_str(), taken.port, &taken.payload), ("st", 4000, &json!({"issuer": "https://as"})));
    assert!(guard.claim_tab(false).await.is_err(), "its tab is still open");
}
