//! The subscriptions of a legacy client: all that it is interested in, on one stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use super::{Opened, may_pass, next, open};
use crate::error::Failure;
use crate::log;
use crate::message::Kind;
use crate::task;
use crate::translate::to_modern::{Heard, Interest, heard};
use crate::upstream::answer::EventStream;
use crate::upstream::backoff::Backoff;
use crate::upstream::modern::Answered;
use crate::upstream::modern::session::Session;
use crate::upstream::{Context, sign_in};

/// How long whoever subscribes waits for the server to listen.
const READY: Duration = Duration::from_secs(5);

/// All that a legacy client wants to hear of unasked, on one stream.
pub(in crate::upstream::modern) struct Subscription {
    /// Counted, so that whoever changes it knows what has come of that.
    wanted: watch::Sender<(u64, Interest)>,
    /// The last that was tried, and the resources in it that the server does not listen for, with what it says of each.
    heard: watch::Sender<(u64, BTreeMap<String, Failure>)>,
    listener: Mutex<Option<AbortHandle>>,
}

impl Subscription {
    pub(in crate::upstream::modern) fn new(interest: Interest) -> Self {
        let (wanted, heard) = (watch::Sender::new((0, interest)), watch::Sender::new((0, BTreeMap::new())));
        Self { wanted, heard, listener: Mutex::default() }
    }

    /// Begins to listen, if there is anything to listen for.
    pub(in crate::upstream::modern) fn begin(&self, session: &Arc<Session>) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.is_none() {
            *listener = Some(task::spawn(listen(Arc::clone(session))).abort_handle());
        }
    }

    /// Whether resources may be subscribed to.
    pub(in crate::upstream::modern) fn takes_resources(&self) -> bool {
        self.wanted.borrow().1.takes_resources
    }

    /// Listens for changes of this resource too; ready when the server does, or has had its time. What it refuses is
    /// forgotten: the rest is still wanted.
    pub(in crate::upstream::modern) async fn subscribe(&self, uri: String) -> Result<(), Failure> {
        let generation = self.change(|interest| interest.subscribe(uri.clone()));
        let refused = self.tried(generation, &uri).await;
        if let Some(refused) = refused {
            self.change(|interest| interest.unsubscribe(&uri));
            return Err(refused);
        }
        Ok(())
    }

    /// Listens for them no more; ready when the server has been told, or has had its time.
    pub(in crate::upstream::modern) async fn unsubscribe(&self, uri: &str) {
        let generation = self.change(|interest| interest.unsubscribe(uri));
        self.tried(generation, uri).await;
    }

    fn change(&self, change: impl FnOnce(&mut Interest) -> bool) -> u64 {
        let mut generation = 0;
        self.wanted.send_if_modified(|(count, interest)| {
            let changed = change(interest);
            *count += u64::from(changed);
            generation = *count;
            changed
        });
        generation
    }

    /// Waits until the server has been asked for what is wanted since then. Why it does not listen for this resource, if
    /// it has said so in time.
    async fn tried(&self, generation: u64, uri: &str) -> Option<Failure> {
        let mut heard = self.heard.subscribe();
        let tried = tokio::time::timeout(READY, heard.wait_for(|(tried, _)| *tried >= generation)).await;
        tried.ok()?.ok()?.1.get(uri).cloned()
    }

    pub(in crate::upstream::modern) fn end(&self) {
        if let Some(listener) = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take() {
            listener.abort();
        }
    }
}

/// A stream that is closed when nobody keeps it.
struct Kept(AbortHandle);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Keeps one stream for all that is wanted, and replaces it when that changes: the new one first, so that nothing is
/// missed in between. If the server refuses the new one, the old one goes on.
async fn listen(session: Arc<Session>) {
    let subscription = session.subscription();
    let mut wanted = subscription.wanted.subscribe();
    let mut current: Option<(Interest, Kept)> = None;
    loop {
        let (generation, interest) = wanted.borrow_and_update().clone();
        let held = current.as_ref().map(|(held, _)| held);
        let mut refused = BTreeMap::new();
        if interest.is_empty() {
            current = None;
        } else if held != Some(&interest) {
            let added = interest.resources_beyond(held);
            match listening_for(&session, interest.clone()).await {
                Ok(listening) => current = Some(listening),
                Err(failure) if added.len() == 1 => refused.extend(added.into_iter().map(|uri| (uri, failure.clone()))),
                Err(_) => current = one_by_one(&session, interest, added, current, &mut refused).await,
            }
        }
        subscription.heard.send_replace((generation, refused));
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

/// Opens a stream for that; ready when the server listens, or has had its time.
async fn listening_for(session: &Arc<Session>, interest: Interest) -> Result<(Interest, Kept), Failure> {
    let (ready, is_ready) = oneshot::channel();
    let stream = Kept(task::spawn(keep(Arc::clone(session), interest.clone(), ready)).abort_handle());
    match tokio::time::timeout(READY, is_ready).await {
        Ok(Ok(Err(failure))) => Err(failure),
        _ => Ok((interest, stream)),
    }
}

/// Resources that were subscribed to in the same moment, and refused together: the refusal of one shall not cost the
/// others.
async fn one_by_one(
    session: &Arc<Session>,
    mut interest: Interest,
    added: Vec<String>,
    mut current: Option<(Interest, Kept)>,
    refused: &mut BTreeMap<String, Failure>,
) -> Option<(Interest, Kept)> {
    for uri in &added {
        interest.unsubscribe(uri);
    }
    for uri in added {
        interest.subscribe(uri.clone());
        match listening_for(session, interest.clone()).await {
            Ok(listening) => current = Some(listening),
            Err(failure) => {
                interest.unsubscribe(&uri);
                refused.insert(uri, failure);
            }
        }
    }
    current
}

/// Listens for as long as it is kept, through any outage. `ready` is told when the server listens, or why it never will.
async fn keep(session: Arc<Session>, interest: Interest, ready: oneshot::Sender<Result<(), Failure>>) {
    let context = session.context();
    let backoff = Backoff::new(Duration::from_secs(1));
    let mut listening = Listening { context, interest, known: None, ready: Some(ready), backoff };
    loop {
        let request = session.request_of_ours("subscriptions/listen", &listening.interest.params());
        let Some(request) = request else { return };
        match open(context, &request).await {
            Ok(Opened::Stream(mut events)) => listening.hear(&mut events).await,
            Ok(Opened::Answer(Answered { status, answer })) if !may_pass(status) => {
                if let Kind::Response { is_error: true, .. } = answer.kind() {
                    log::warn!("the server does not listen for changes: {}", answer.text().escape_ascii());
                    return listening.refused(Failure::Rpc(answer));
                }
            }
            Ok(Opened::Answer(_)) => {}
            Err(failure @ Failure::Status { status, .. }) if status.is_client_error() && !may_pass(status) => {
                log::warn!("the server does not listen for changes ({status})");
                return listening.refused(failure);
            }
            Err(Failure::SignIn { .. }) => sign_in::logged_in(context).await,
            Err(failure) => log::debug!("nothing is heard of changes for now: {failure}"),
        }
        tokio::time::sleep(listening.backoff.next()).await;
    }
}

/// A subscription for a legacy client, over one stream after another.
struct Listening<'a> {
    context: &'a Context,
    interest: Interest,
    /// What the server tells, since it has said so.
    known: Option<Interest>,
    ready: Option<oneshot::Sender<Result<(), Failure>>>,
    backoff: Backoff,
}

impl Listening<'_> {
    /// Passes on what the server says until the stream ends.
    async fn hear(&mut self, events: &mut EventStream) {
        while let Some(message) = next(events).await {
            match heard(&message) {
                Heard::Acknowledged(filter) => self.acknowledged(filter.as_deref()).await,
                Heard::News(message) => {
                    self.backoff.reset();
                    self.context.client.deliver(message).await;
                }
                Heard::Ended => return,
                Heard::Noise => {}
            }
        }
    }

    /// The server has said once, or once more, what it will tell.
    async fn acknowledged(&mut self, filter: Option<&str>) {
        let filter = filter.map_or_else(|| self.interest.clone(), |filter| Interest::acknowledged(Some(filter)));
        if let Some(known) = self.known.replace(filter) {
            for missed in known.missed(None) {
                self.context.client.deliver(missed).await;
            }
        }
        self.tell(Ok(()));
    }

    fn refused(mut self, failure: Failure) {
        self.tell(Err(failure));
    }

    fn tell(&mut self, listens: Result<(), Failure>) {
        if let Some(ready) = self.ready.take() {
            ready.send(listens).ok();
        }
    }
}
