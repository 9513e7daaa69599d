#![allow(clippy::unwrap_used)]

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
        tab: PendingTab::None,
        has_callback: true,
        opened: 0,
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
    let written = pending();
    guard.save_pending(written.clone()).await.unwrap();
    assert_eq!(waiter.pending().await, Some(written), "whoever waits can say where to sign in");
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
    guard.save_pending(PendingLogin { begun_at: now() - PENDING_LIFETIME.as_secs(), ..pending() }).await.unwrap();
    assert_eq!(login.pending().await, None);
}

#[tokio::test]
async fn a_file_of_an_earlier_version_is_read() {
    let home = tempfile::tempdir().unwrap();
    let login = login_lock(home.path());
    let written = pending();
    let mut old = serde_json::to_value(&written).unwrap();
    old["verifier"] = "v".into();
    old["redirect_uri"] = "http://localhost:4000/oauth/callback".into();
    old["opened_at"] = 1.into();
    login.account.store().write_beside(login.account.key(), PENDING, &old, PENDING_LIFETIME).unwrap();
    assert_eq!(login.pending().await, Some(written));
}

#[tokio::test]
async fn tabs_are_counted_across_processes() {
    let home = tempfile::tempdir().unwrap();
    let guard = own(&login_lock(home.path())).await;
    guard.save_pending(pending()).await.unwrap();
    assert!(guard.login.claim_tab(TabReason::Needed).await.is_ok());
    guard.release().await;
    let left = login_lock(home.path()).claim_tab(TabReason::Needed).await.unwrap_err();
    assert!(left > Duration::from_secs(100), "the next process waits its two minutes: {left:?}");
}

/// The folder in which a process of the next test counts.
const COUNTS_IN: &str = "MCP_FERRY_TEST_COUNTS_IN";

/// Each process counts so often.
const COUNTS: usize = 12;

/// The test starts itself: as several processes, which count at the same time.
#[tokio::test]
async fn processes_that_change_the_ration_at_once_lose_no_change() {
    if let Some(home) = std::env::var_os(COUNTS_IN) {
        let login = login_lock(Path::new(&home));
        for _ in 0..COUNTS {
            login.count_registration().await;
        }
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let name = "auth::login_lock::tests::processes_that_change_the_ration_at_once_lose_no_change";
    let start = |_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact"]).env(COUNTS_IN, home.path()).stdout(Stdio::null()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..4).map(start).collect();
    let expected = processes.len() * COUNTS;
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let login = login_lock(home.path());
    let counted = login.account.on_disk(|store, key| ration(store, key).registrations()).await.unwrap();
    assert_eq!(counted, expected, "every registration of every process counts");
}

#[tokio::test]
async fn no_change_brings_a_login_back_that_was_removed() {
    let home = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let (login, other) = (login_lock(home.path()), login_lock(home.path()));
        let guard = own(&login).await;
        guard.save_pending(pending()).await.unwrap();
        let (.., removed) =
            tokio::join!(other.save_opened("st", 1), other.save_opened("st", 2), other.remove_pending());
        removed.unwrap();
        assert_eq!(other.pending().await, None, "a logout is not undone by a tab that is being opened");
        drop(guard);
    }
}
