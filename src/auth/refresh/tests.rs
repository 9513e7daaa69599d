#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use crate::auth::record::Client;
use crate::auth::store::{KeptIn, Key, Store};
use crate::auth::tests::access_token;
use crate::auth::token::AuthMethod;

fn key() -> Key {
    Key::new("https://h/mcp", ("dynamic", ""), None, &[])
}

fn store(home: &Path) -> Store {
    Store::new(home, KeptIn::File)
}

fn tokens(serial: u64, lifetime: Option<u64>) -> Tokens {
    Tokens {
        refresh_token: Some(Secret::new(format!("refresh-{serial}"))),
        scope: Some("all".to_owned()),
        obtained_at: now(),
        lifetime,
        ..access_token(&format!("access-{serial}"))
    }
}

fn issued(tokens: Tokens) -> Issued {
    Issued { tokens, auth_method: AuthMethod::None, resource: None }
}

/// The refresher and the record of another process.
fn process(home: &Path) -> Refresher {
    Refresher::new(Account::new(store(home), key()))
}

async fn access(refresher: &Refresher) -> String {
    access_of(&refresher.account.snapshot().await.unwrap())
}

fn access_of(snapshot: &Snapshot) -> String {
    snapshot.record.tokens.as_ref().unwrap().access_token.expose().to_owned()
}

/// A login, and how often its refresh tokens were sent.
struct Login {
    home: tempfile::TempDir,
    refresher: Refresher,
    seen: Snapshot,
    sent: Arc<AtomicUsize>,
}

impl Login {
    async fn new(lifetime: Option<u64>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let refresher = process(home.path());
        let client = Some(Client { client_id: "c".to_owned(), ..Client::default() });
        let record = Record { tokens: Some(tokens(1, lifetime)), client, ..Record::default() };
        let saved = refresher.account.transact(|mut transaction| async move { transaction.save(record).await }).await;
        Self { home, refresher, seen: saved.unwrap().unwrap(), sent: Arc::default() }
    }

    /// Refreshes in a process. `answer` gets the record, and how many records were sent before.
    async fn refresh_in(
        &self,
        process: &Refresher,
        reason: Reason,
        answer: impl Fn(Record, usize) -> Result<Issued, RefreshFailure> + Send + Sync + 'static,
    ) -> Result<Snapshot, RefreshError> {
        let count = self.sent.clone();
        let send = move |record| std::future::ready(answer(record, count.fetch_add(1, Ordering::Relaxed)));
        process.refresh(&self.seen, reason, send).await
    }

    async fn refresh(
        &self,
        answer: impl Fn(Record, usize) -> Result<Issued, RefreshFailure> + Send + Sync + 'static,
    ) -> Result<Snapshot, RefreshError> {
        self.refresh_in(&self.refresher, Reason::Refused, answer).await
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The next tokens for each refresh token.
#[allow(clippy::unnecessary_wraps)]
fn next(record: Record, _: usize) -> Result<Issued, RefreshFailure> {
    let sent = record.tokens.unwrap().refresh_token.unwrap();
    let serial: u64 = sent.expose().strip_prefix("refresh-").unwrap().parse().unwrap();
    Ok(issued(Tokens { scope: None, ..tokens(serial + 1, Some(3600)) }))
}

fn dead(_: Record, _: usize) -> Result<Issued, RefreshFailure> {
    Err(RefreshFailure::Dead("invalid_grant".to_owned()))
}

/// A failure first, then tokens.
fn after(failure: impl Fn(String) -> RefreshFailure) -> impl Fn(Record, usize) -> Result<Issued, RefreshFailure> {
    move |record, before| {
        assert_eq!(record.tokens.unwrap().refresh_token.unwrap().expose(), "refresh-1");
        if before == 0 { Err(failure("a bad moment".to_owned())) } else { Ok(issued(tokens(2, None))) }
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_who_ask() {
    let login = Login::new(Some(3600)).await;
    let sibling = process(login.home.path());
    let (one, two, three) =
        tokio::join!(login.refresh(next), login.refresh(next), login.refresh_in(&sibling, Reason::Refused, next));
    for renewed in [one, two, three] {
        let renewed = renewed.unwrap();
        assert_eq!((access_of(&renewed).as_str(), renewed.record.generation), ("access-2", 2));
        assert_eq!(renewed.record.refresh_started, None);
        let scope = renewed.record.tokens.as_ref().unwrap().scope.as_deref();
        assert_eq!(scope, Some("all"), "an absent scope is the old one");
    }
    assert_eq!(login.sent(), 1);
    assert_eq!(access(&sibling).await, "access-2", "it is on disk");
}

#[tokio::test]
async fn a_token_that_is_not_due_any_more_is_adopted() {
    let login = Login::new(Some(0)).await;
    assert_eq!(login.seen.freshness(), Freshness::Expired);
    login.refresh_in(&login.refresher, Reason::Due, next).await.unwrap();
    let again = login.refresh_in(&process(login.home.path()), Reason::Due, next).await.unwrap();
    assert_eq!((access_of(&again).as_str(), login.sent()), ("access-2", 1), "no network for what is there");
}

#[tokio::test]
async fn a_caller_who_goes_away_stops_nothing() {
    let Login { home, refresher, seen, .. } = Login::new(None).await;
    let (begun, beginning) = tokio::sync::oneshot::channel();
    let (answer, answered) = tokio::sync::oneshot::channel::<()>();
    let channels = std::sync::Mutex::new(Some((begun, answered)));
    let send = move |_| {
        let (begun, answered) = channels.lock().unwrap().take().unwrap();
        async move {
            begun.send(()).unwrap();
            answered.await.unwrap();
            Ok(issued(tokens(2, None)))
        }
    };
    let caller = tokio::spawn({
        let refresher = refresher.clone();
        async move { refresher.refresh(&seen, Reason::Refused, send).await }
    });
    beginning.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    let started = process(home.path()).account.snapshot().await.unwrap().record.refresh_started.is_some();
    assert!(started, "what is about to be sent is on disk before it is");
    answer.send(()).unwrap();
    refresher.account.settle(Duration::from_secs(10)).await.ok();
    assert_eq!(access(&process(home.path())).await, "access-2", "a rotated token is never lost");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_token() {
    let login = Login::new(None).await;
    let renewed = login.refresh(after(RefreshFailure::Unknown)).await.unwrap();
    assert_eq!((access_of(&renewed).as_str(), login.sent()), ("access-2", 2));
}

#[tokio::test]
async fn a_dead_refresh_token_is_sent_once_and_the_rest_is_kept() {
    let login = Login::new(Some(3600)).await;
    for _ in 0..2 {
        let error = login.refresh(dead).await.unwrap_err();
        assert!(error.needs_login(), "{error}");
    }
    assert_eq!(login.sent(), 1, "a token known to be dead is not sent");
    let record = login.refresher.account.snapshot().await.unwrap().record;
    assert!(record.client.is_some(), "the registration is still good");
    assert_eq!(access(&login.refresher).await, "access-1", "nothing is deleted before a new login");
}

#[tokio::test]
async fn a_dead_token_that_somebody_replaced_meanwhile_is_no_end() {
    let login = Login::new(None).await;
    let store = store(login.home.path());
    let renewed = login.refresh(move |record, before| {
        // Another version of the program, which asks for no lock, is faster.
        let newer = Record { generation: 9, tokens: Some(tokens(7, Some(3600))), ..Record::default() };
        store.write(&key(), &newer).unwrap();
        dead(record, before)
    });
    let adopted = renewed.await.unwrap();
    assert_eq!((access_of(&adopted).as_str(), adopted.record.generation), ("access-7", 9));
}

#[tokio::test]
async fn a_client_that_is_unknown_is_noted_for_the_next_login() {
    let login = Login::new(None).await;
    let unknown = |_, _| Err(RefreshFailure::ClientUnknown("invalid_client".to_owned()));
    let error = login.refresh(unknown).await.unwrap_err();
    assert!(matches!(error, RefreshError::ClientUnknown(_)));
    assert_eq!(login.refresher.account.snapshot().await.unwrap().record.dead_client.as_deref(), Some("c"));
}

#[tokio::test]
async fn a_server_that_asks_for_a_pause_gets_it_and_the_login_stays() {
    let login = Login::new(None).await;
    for _ in 0..3 {
        let busy = |_, _| Err(RefreshFailure::Temporary("503".to_owned(), Some(Duration::from_secs(120))));
        let error = login.refresh(busy).await.unwrap_err();
        assert!(!error.needs_login(), "{error}");
        assert!(matches!(error, RefreshError::Temporary { retry_after, .. } if retry_after > Duration::from_secs(60)));
    }
    assert_eq!(login.sent(), 1, "nobody asks again before that");
    assert_eq!(access(&login.refresher).await, "access-1");
}

#[tokio::test]
async fn a_short_pause_is_waited_for() {
    let (login, begun) = (Login::new(None).await, Instant::now());
    let busy = |reason| RefreshFailure::Temporary(reason, Some(Duration::from_secs(1)));
    let renewed = login.refresh(after(busy)).await.unwrap();
    assert_eq!(access_of(&renewed), "access-2", "no request fails for it");
    assert!(begun.elapsed() >= Duration::from_secs(1), "it is as long as was asked for");
}

#[tokio::test]
async fn a_logout_is_final_for_a_refresh_in_flight() {
    let login = Login::new(None).await;
    let store = store(login.home.path());
    let renewed = login.refresh(move |_, _| {
        store.write(&key(), &Record { generation: 2, logged_out: true, ..Record::default() }).unwrap();
        Ok(issued(tokens(2, None)))
    });
    assert!(renewed.await.unwrap_err().needs_login());
    assert!(login.refresher.account.snapshot().await.unwrap().record.logged_out);
}

#[cfg(unix)]
#[tokio::test]
async fn tokens_that_cannot_be_kept_are_used_and_nobody_spends_the_old_ones() {
    use std::fs;

    use crate::auth::store::Lock;

    let login = Login::new(None).await;
    let [logins, aside] = ["logins", "aside"].map(|name| login.home.path().join(name));
    let lock = store(login.home.path()).beside(&key(), "lock");
    let (folder, moved) = (logins.clone(), aside.clone());
    let renewed = login.refresh(move |_, _| {
        // A folder that takes no new file, for root too: there is none.
        fs::rename(&folder, &moved).unwrap();
        fs::write(&folder, "in the way").unwrap();
        Ok(issued(tokens(2, None)))
    });
    let renewed = renewed.await.unwrap();
    let generation = login.seen.record.generation + 1;
    let held = (access_of(&renewed), renewed.record.generation);
    assert_eq!(held, ("access-2".to_owned(), generation), "dropped, they would be lost for all");
    assert_eq!(access(&login.refresher).await, "access-2");
    fs::remove_file(&logins).unwrap();
    fs::rename(&aside, &logins).unwrap();
    assert!(Lock::try_acquire(&lock).is_none(), "others wait until it is kept");
    assert_eq!(access(&login.refresher).await, "access-2", "the older file does not win");
    login.refresher.account.settle(Duration::from_secs(10)).await.unwrap();
    assert_eq!(access(&process(login.home.path())).await, "access-2");
    assert!(Lock::try_acquire(&lock).is_some());
}

#[tokio::test]
async fn a_narrower_token_is_kept_before_a_wider_one_is_asked_for() {
    let login = Login::new(None).await;
    let store = store(login.home.path());
    let renewed = login.refresh(move |record, _| {
        let sent = record.tokens.unwrap();
        let token = sent.refresh_token.unwrap();
        if token.expose() == "refresh-1" {
            return Ok(issued(Tokens { scope: Some("some".to_owned()), ..tokens(2, None) }));
        }
        assert_eq!((sent.scope.as_deref(), sent.refresh_with_scope), (Some("all"), true), "the scope is named");
        let on_disk = store.read(&key()).unwrap().unwrap().tokens.unwrap().refresh_token.unwrap();
        assert_eq!((token.expose(), on_disk.expose()), ("refresh-2", "refresh-2"), "it is on disk before");
        Ok(issued(Tokens { refresh_with_scope: true, ..tokens(3, None) }))
    });
    let renewed = renewed.await.unwrap();
    assert_eq!(access_of(&renewed), "access-3");
    assert!(renewed.record.tokens.as_ref().unwrap().refresh_with_scope, "the next one names it at once");
}

#[tokio::test]
async fn what_a_refresh_has_learnt_is_kept() {
    let auth_method = AuthMethod::ClientSecretPost;
    let renewed =
        Login::new(None).await.refresh(move |_, _| Ok(Issued { auth_method, ..issued(tokens(2, None)) })).await;
    let client = renewed.unwrap().record.client.clone().unwrap();
    let method = client.token_endpoint_auth_method.as_deref();
    assert_eq!(method, Some("client_secret_post"), "the next refresh need not find it out again");
}

#[tokio::test]
async fn a_refusal_in_other_words_is_final_when_it_goes_on() {
    let login = Login::new(None).await;
    let refuse = |_, _| Err(RefreshFailure::Refused("invalid_request".to_owned()));
    for _ in 0..2 {
        let error = login.refresh_in(&process(login.home.path()), Reason::Refused, refuse).await.unwrap_err();
        assert!(!error.needs_login(), "it may be over soon: {error}");
    }
    let long_ago = login.refresher.account.transact(|mut transaction| async move {
        let mut record = transaction.record.clone();
        record.refused_refresh.as_mut().unwrap().since -= 61;
        transaction.note(record).await
    });
    long_ago.await.unwrap().unwrap();
    let error = login.refresh(refuse).await.unwrap_err();
    assert!(error.needs_login(), "three times, for more than a minute: {error}");
}

#[tokio::test]
async fn a_refusal_without_a_reason_is_final_if_the_access_token_is_refused_too() {
    let login = Login::new(Some(0)).await;
    let refuse = |_, _| Err(RefreshFailure::Unexplained("status 400".to_owned()));
    let due = login.refresh_in(&login.refresher, Reason::Due, refuse).await.unwrap_err();
    assert!(matches!(due, RefreshError::Unexplained { .. }) && !due.needs_login(), "{due}");
    let refused = login.refresh_in(&login.refresher, Reason::Refused, refuse).await.unwrap_err();
    assert!(refused.needs_login(), "at once: {refused}");
    assert_eq!(login.sent(), 2, "each refresh is sent once");
}

#[tokio::test]
async fn who_comes_soon_after_a_failure_waits_and_is_served() {
    let login = Login::new(None).await;
    let refused = || after(RefreshFailure::Refused);
    assert!(login.refresh(refused()).await.is_err());
    let (one, two) = tokio::join!(login.refresh(refused()), login.refresh(refused()));
    assert_eq!((access_of(&one.unwrap()).as_str(), access_of(&two.unwrap()).as_str()), ("access-2", "access-2"));
    assert_eq!(login.sent(), 2, "and the authorization server hears of it once more");
}
