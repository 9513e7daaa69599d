#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::*;
use crate::auth::record::Record;
use crate::auth::store::{Identity, KeptIn, Key, KeyParts, Store};

fn account(home: &Path) -> Account {
    let parts = KeyParts { url: "https://h/mcp", identity: Identity::Dynamic, profile: None, extra: &[] };
    Account::new(Store::new(home, KeptIn::File), Key::new(&parts))
}

fn pending() -> Pending {
    Pending {
        url: "https://as/authorize?state=st".to_owned(),
        state: "st".to_owned(),
        verifier: Secret::new("verifier-marked-secret"),
        port: 4000,
        redirect_uri: "http://localhost:4000/oauth/callback".to_owned(),
        start: "nonce".to_owned(),
        begun_at: now(),
        opened_at: None,
        payload: json!({"issuer": "https://as"}),
        redirect: None,
    }
}

async fn own(account: &Account) -> Ownership {
    match account.own_or_wait(0).await.unwrap() {
        Turn::Owner(ownership) => ownership,
        Turn::Changed => panic!("nothing has changed"),
    }
}

#[tokio::test]
async fn one_owns_the_login_and_the_others_hear_of_its_end() {
    let home = tempfile::tempdir().unwrap();
    let (owner, waiter) = (account(home.path()), account(home.path()));
    let ownership = own(&owner).await;
    ownership.begin(&pending()).unwrap();
    assert_eq!(waiter.pending().as_ref(), Some(&pending()), "whoever waits can say where to sign in");
    let save = async {
        owner
            .transact(|mut transaction| async move { transaction.save(Record::default()).await })
            .await
            .unwrap()
            .unwrap();
    };
    let (turn, ()) = tokio::join!(waiter.own_or_wait(0), save);
    assert!(matches!(turn, Ok(Turn::Changed)));
    ownership.done();
    assert_eq!(waiter.pending(), None);
    assert!(matches!(waiter.own_or_wait(0).await, Ok(Turn::Changed)), "who comes late logs in no more");
}

#[tokio::test]
async fn a_login_too_old_to_finish_is_none() {
    let home = tempfile::tempdir().unwrap();
    let account = account(home.path());
    let ownership = own(&account).await;
    ownership.begin(&Pending { begun_at: now() - PENDING_HOLDS, ..pending() }).unwrap();
    assert_eq!(account.pending(), None);
}

#[tokio::test]
async fn tabs_are_counted_across_processes() {
    let home = tempfile::tempdir().unwrap();
    let ownership = own(&account(home.path())).await;
    ownership.begin(&pending()).unwrap();
    assert!(ownership.claim_tab().is_ok());
    assert!(account(home.path()).pending().unwrap().opened_at.is_some());
    ownership.done();
    let left = own(&account(home.path())).await.claim_tab().unwrap_err();
    assert!(left > Duration::from_secs(100), "the next process waits its two minutes: {left:?}");
}

#[test]
fn a_tab_in_two_minutes_and_three_in_an_hour() {
    assert_eq!(pause(&[], 10_000), 0);
    assert_eq!(pause(&[10_000], 10_000), TAB_PAUSE);
    assert_eq!(pause(&[9_000, 9_880], 10_000), 0);
    assert_eq!(pause(&[9_000, 9_400, 9_800], 10_000), HOUR - 1000);
    assert_eq!(pause(&[5_000, 9_400, 9_800], 10_000), 0);
    assert_eq!(pause(&[99_999], 10_000), 0, "a clock that was set back locks nobody out");
}

const HOME: &str = "MCP_FERRY_TEST_OWNERSHIP_HOME";

/// Does nothing unless it was started by the test below.
#[tokio::test]
async fn in_another_process() {
    let Some(home) = std::env::var_os(HOME).map(std::path::PathBuf::from) else { return };
    let ownership = own(&account(&home)).await;
    ownership.begin(&pending()).unwrap();
    ownership.claim_tab().unwrap();
    writeln!(std::io::stdout(), "owner").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_owner_s_login_is_taken_over_without_a_new_tab() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "auth::ownership::tests::in_another_process", "--nocapture", "--test-threads=1"]);
    let mut owner = command.env(HOME, home.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("owner")));
    let heir = account(home.path());
    let kill = async {
        owner.kill().unwrap();
        owner.wait().unwrap();
    };
    let (turn, ()) = tokio::join!(heir.own_or_wait(0), kill);
    let Ok(Turn::Owner(ownership)) = turn else { panic!("the kernel takes the lock from the dead") };
    let taken = heir.pending().expect("the login under way is on disk");
    assert_eq!((taken.state.as_str(), taken.port, &taken.payload), ("st", 4000, &json!({"issuer": "https://as"})));
    assert!(taken.opened_at.is_some() && ownership.claim_tab().is_err(), "its tab is still open");
}
