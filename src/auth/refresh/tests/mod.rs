#![allow(clippy::unwrap_used)]

mod processes;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use crate::auth::expiry::now;
use crate::auth::record::Client;
use crate::auth::store::{Identity, KeptIn, Key, KeyParts, Store};
use crate::auth::token::AuthMethod;
use crate::log::Secret;

fn key() -> Key {
    Key::new(&KeyParts { url: "https://h/mcp", identity: Identity::Dynamic, profile: None, extra: &[] })
}

fn account(home: &Path) -> Account {
    Account::new(Store::new(home, KeptIn::File), key())
}

fn tokens(serial: u64, lifetime: Option<u64>) -> Tokens {
    Tokens {
        access_token: Secret::new(format!("access-{serial}")),
        token_type: "Bearer".to_owned(),
        refresh_token: Some(Secret::new(format!("refresh-{serial}"))),
        id_token: None,
        scope: Some("all".to_owned()),
        obtained_at: now(),
        lifetime,
        refresh_with_scope: false,
    }
}

fn issued(tokens: Tokens) -> Issued {
    Issued { tokens, auth_method: AuthMethod::None, resource: None }
}

async fn logged_in(home: &Path, lifetime: Option<u64>) -> (Refresher, Snapshot) {
    let account = account(home);
    let client = Some(Client { client_id: "c".to_owned(), ..Client::default() });
    let record = Record { tokens: Some(tokens(1, lifetime)), client, ..Record::default() };
    let saved = account.transact(|mut transaction| async move { transaction.save(record).await }).await;
    (Refresher::new(account), saved.unwrap().unwrap())
}

fn access(snapshot: &Snapshot) -> &str {
    snapshot.record.tokens.as_ref().unwrap().access_token.expose()
}

/// Gives the next tokens for each refresh token, and counts.
fn issuer(count: &Arc<AtomicUsize>) -> impl Fn(Record) -> std::future::Ready<Result<Issued, RefreshFailure>> + use<> {
    let count = count.clone();
    move |record| {
        count.fetch_add(1, Ordering::Relaxed);
        let spent = record.tokens.unwrap().refresh_token.unwrap();
        let serial: u64 = spent.expose().strip_prefix("refresh-").unwrap().parse().unwrap();
        std::future::ready(Ok(issued(Tokens { scope: None, ..tokens(serial + 1, Some(3600)) })))
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_who_ask() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), Some(3600)).await;
    let sibling = Refresher::new(self::account(home.path()));
    let count = Arc::default();
    let (one, two, three) = tokio::join!(
        refresher.refresh(&seen, Reason::Refused, issuer(&count)),
        refresher.refresh(&seen, Reason::Refused, issuer(&count)),
        sibling.refresh(&seen, Reason::Refused, issuer(&count)),
    );
    for renewed in [one, two, three] {
        let renewed = renewed.unwrap();
        assert_eq!(access(&renewed), "access-2");
        assert_eq!(renewed.record.generation, 2);
        assert_eq!(renewed.record.refresh_started, None);
        assert_eq!(
            renewed.record.tokens.as_ref().unwrap().scope.as_deref(),
            Some("all"),
            "an absent scope is the old one"
        );
    }
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert_eq!(access(&sibling.account.snapshot().await.unwrap()), "access-2", "it is on disk");
}

#[tokio::test]
async fn a_token_that_is_not_due_any_more_is_adopted() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), Some(0)).await;
    assert_eq!(seen.freshness(), Freshness::Expired);
    let count = Arc::default();
    refresher.refresh(&seen, Reason::Due, issuer(&count)).await.unwrap();
    let again = Refresher::new(self::account(home.path())).refresh(&seen, Reason::Due, issuer(&count)).await.unwrap();
    assert_eq!((access(&again), count.load(Ordering::Relaxed)), ("access-2", 1), "no network for what is there");
}

#[tokio::test]
async fn a_caller_who_goes_away_stops_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let (sent, sending) = tokio::sync::oneshot::channel();
    let (answer, answered) = tokio::sync::oneshot::channel::<()>();
    let channels = std::sync::Mutex::new(Some((sent, answered)));
    let spend = move |_| {
        let (sent, answered) = channels.lock().unwrap().take().unwrap();
        async move {
            sent.send(()).unwrap();
            answered.await.unwrap();
            Ok(issued(tokens(2, None)))
        }
    };
    let caller = tokio::spawn({
        let refresher = refresher.clone();
        async move { refresher.refresh(&seen, Reason::Refused, spend).await }
    });
    sending.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    let started = self::account(home.path()).snapshot().await.unwrap();
    assert!(started.record.refresh_started.is_some(), "what is about to be spent is on disk before it is");
    answer.send(()).unwrap();
    refresher.account.settle(Duration::from_secs(10)).await;
    assert_eq!(
        access(&self::account(home.path()).snapshot().await.unwrap()),
        "access-2",
        "a rotated token is never lost"
    );
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_token() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let spend = move |record: Record| {
        assert_eq!(record.tokens.unwrap().refresh_token.unwrap().expose(), "refresh-1");
        let lost = counted.fetch_add(1, Ordering::Relaxed) == 0;
        std::future::ready(if lost {
            Err(RefreshFailure::Unknown { reason: "reset".to_owned() })
        } else {
            Ok(issued(tokens(2, None)))
        })
    };
    let renewed = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap();
    assert_eq!((access(&renewed), count.load(Ordering::Relaxed)), ("access-2", 2));
}

#[tokio::test]
async fn a_dead_refresh_token_is_sent_once_and_the_rest_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), Some(3600)).await;
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let counted = count.clone();
        let spend = move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err(RefreshFailure::Dead { reason: "invalid_grant".to_owned() }))
        };
        let error = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap_err();
        assert!(error.needs_login(), "{error}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 1, "a token known to be dead is not sent");
    let record = refresher.account.snapshot().await.unwrap().record;
    assert!(record.client.is_some(), "the registration is still good");
    assert_eq!(
        record.tokens.as_ref().unwrap().access_token.expose(),
        "access-1",
        "nothing is deleted before a new login"
    );
}

#[tokio::test]
async fn a_dead_token_that_somebody_replaced_meanwhile_is_no_end() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let (store, count) = (Store::new(home.path(), KeptIn::File), Arc::new(AtomicUsize::new(0)));
    let spend = move |_| {
        // Another version of the program, which asks for no lock, is faster.
        let record = Record { generation: 9, tokens: Some(tokens(7, Some(3600))), ..Record::default() };
        store.write(&key(), &record).unwrap();
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err(RefreshFailure::Dead { reason: "invalid_grant".to_owned() }))
    };
    let adopted = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap();
    assert_eq!((access(&adopted), adopted.record.generation), ("access-7", 9));
}

#[tokio::test]
async fn a_client_that_is_unknown_is_noted_for_the_next_login() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let spend = |_| std::future::ready(Err(RefreshFailure::ClientUnknown { reason: "invalid_client".to_owned() }));
    let error = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap_err();
    assert!(matches!(error, RefreshError::ClientUnknown(_)));
    assert_eq!(refresher.account.snapshot().await.unwrap().record.dead_client.as_deref(), Some("c"));
}

#[tokio::test]
async fn a_server_that_asks_for_a_pause_gets_it_and_the_login_stays() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let count = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        let counted = count.clone();
        let spend = move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err(RefreshFailure::Temporary {
                reason: "503".to_owned(),
                retry_after: Some(Duration::from_secs(120)),
            }))
        };
        let error = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap_err();
        assert!(!error.needs_login(), "{error}");
        assert!(matches!(error, RefreshError::Temporary { retry_after, .. } if retry_after > Duration::from_secs(60)));
    }
    assert_eq!(count.load(Ordering::Relaxed), 1, "nobody asks again before that");
    assert_eq!(access(&refresher.account.snapshot().await.unwrap()), "access-1");
}

#[tokio::test]
async fn a_short_pause_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let (count, begun) = (AtomicUsize::new(0), Instant::now());
    let spend = move |_| {
        let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
        let retry_after = Some(Duration::from_secs(1));
        let busy = Err(RefreshFailure::Temporary { reason: "429".to_owned(), retry_after });
        std::future::ready(if is_first { busy } else { Ok(issued(tokens(2, None))) })
    };
    let renewed = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap();
    assert_eq!(access(&renewed), "access-2", "no request fails for it");
    assert!(begun.elapsed() >= Duration::from_secs(1), "it is as long as was asked for");
}

#[tokio::test]
async fn a_logout_is_final_for_a_refresh_in_flight() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let store = Store::new(home.path(), KeptIn::File);
    let spend = move |_| {
        store.write(&key(), &Record { generation: 2, logged_out: true, ..Record::default() }).unwrap();
        std::future::ready(Ok(issued(tokens(2, None))))
    };
    let error = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap_err();
    assert!(error.needs_login());
    assert!(refresher.account.snapshot().await.unwrap().record.logged_out);
}

#[cfg(unix)]
#[tokio::test]
async fn tokens_that_cannot_be_kept_are_used_and_nobody_spends_the_old_ones() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let logins = home.path().join("logins");
    let aside = home.path().join("aside");
    let file = seen.record.generation;
    // A folder that takes no new file, for root too: there is none.
    let spend = move |_| {
        fs::rename(&logins, &aside).unwrap();
        fs::write(&logins, "in the way").unwrap();
        std::future::ready(Ok(issued(tokens(2, None))))
    };
    let renewed = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap();
    assert_eq!(
        (access(&renewed), renewed.record.generation),
        ("access-2", file + 1),
        "dropped, they would be lost for all"
    );
    assert_eq!(access(&refresher.account.snapshot().await.unwrap()), "access-2");
    fs::remove_file(home.path().join("logins")).unwrap();
    fs::rename(home.path().join("aside"), home.path().join("logins")).unwrap();
    let lock = home.path().join("logins").join(refresher.account.store().beside(&key(), "lock").file_name().unwrap());
    assert!(crate::auth::store::Lock::try_acquire(&lock).is_none(), "others wait until it is kept");
    assert_eq!(access(&refresher.account.snapshot().await.unwrap()), "access-2", "the older file does not win");
    refresher.account.settle(Duration::from_secs(10)).await;
    assert_eq!(access(&self::account(home.path()).snapshot().await.unwrap()), "access-2");
    assert!(crate::auth::store::Lock::try_acquire(&lock).is_some());
}

#[tokio::test]
async fn a_narrower_token_is_kept_before_a_wider_one_is_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let path = home.path().to_owned();
    let spend = move |record: Record| {
        let sent = record.tokens.unwrap();
        let token = sent.refresh_token.unwrap();
        std::future::ready(Ok(issued(if token.expose() == "refresh-1" {
            Tokens { scope: Some("some".to_owned()), ..tokens(2, None) }
        } else {
            assert_eq!((sent.scope.as_deref(), sent.refresh_with_scope), (Some("all"), true), "the scope is named");
            let on_disk = Store::new(&path, KeptIn::File).read(&key()).unwrap().unwrap();
            let kept = on_disk.tokens.as_ref().unwrap().refresh_token.as_ref().unwrap().expose().to_owned();
            assert_eq!((token.expose(), &*kept), ("refresh-2", "refresh-2"), "what is spent next is on disk before");
            Tokens { refresh_with_scope: true, ..tokens(3, None) }
        })))
    };
    let renewed = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap();
    assert_eq!(access(&renewed), "access-3");
    assert!(renewed.record.tokens.as_ref().unwrap().refresh_with_scope, "the next one names it at once");
}

#[tokio::test]
async fn what_a_refresh_has_learnt_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let spend = |_| {
        let auth_method = AuthMethod::ClientSecretPost;
        std::future::ready(Ok(Issued { auth_method, ..issued(tokens(2, None)) }))
    };
    let renewed = refresher.refresh(&seen, Reason::Refused, spend).await.unwrap();
    let method = renewed.record.client.as_ref().unwrap().token_endpoint_auth_method.as_deref();
    assert_eq!(method, Some("client_secret_post"), "the next refresh need not find it out again");
}

#[tokio::test]
async fn a_refusal_in_other_words_is_final_when_it_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let refuse = |_| std::future::ready(Err(RefreshFailure::Refused { reason: "invalid_request".to_owned() }));
    for _ in 0..2 {
        let process = Refresher::new(self::account(home.path()));
        let error = process.refresh(&seen, Reason::Refused, refuse).await.unwrap_err();
        assert!(!error.needs_login(), "it may be over soon: {error}");
    }
    let long_ago = refresher.account.transact(|mut transaction| async move {
        let mut record = transaction.record.clone();
        record.refused_refresh.as_mut().unwrap().since -= 61;
        transaction.note(record).await
    });
    long_ago.await.unwrap().unwrap();
    let error = refresher.refresh(&seen, Reason::Refused, refuse).await.unwrap_err();
    assert!(error.needs_login(), "three times, for more than a minute: {error}");
}

#[tokio::test]
async fn who_comes_soon_after_a_failure_waits_and_is_served() {
    let home = tempfile::tempdir().unwrap();
    let (refresher, seen) = logged_in(home.path(), None).await;
    let count = Arc::new(AtomicUsize::new(0));
    let spend = {
        let count = count.clone();
        move |_| {
            let refused = RefreshFailure::Refused { reason: "a bad moment".to_owned() };
            let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
            std::future::ready(if is_first { Err(refused) } else { Ok(issued(tokens(2, None))) })
        }
    };
    assert!(refresher.refresh(&seen, Reason::Refused, spend.clone()).await.is_err());
    let (one, two) = tokio::join!(
        refresher.refresh(&seen, Reason::Refused, spend.clone()),
        refresher.refresh(&seen, Reason::Refused, spend)
    );
    assert_eq!((access(&one.unwrap()), access(&two.unwrap())), ("access-2", "access-2"));
    assert_eq!(count.load(Ordering::Relaxed), 2, "and the authorization server hears of it once more");
}
