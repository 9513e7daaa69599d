//! What a modern server says unasked: the streams of `subscriptions/listen`, opened again whenever they break
//! ("Subscriptions").
//!
//! Such a stream has nothing to resume it by. What happened while there was none is made up for: whoever listens is
//! told that all it listens for may have changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use super::exchange::{self, Answered};
use super::session::Session;
use crate::error::Failure;
use crate::log;
use crate::message::{Kind, Message};
use crate::task;
use crate::translate::to_modern::{Heard, Interest, heard, tagged};
use crate::upstream::answer::{self, Body, EventStream};
use crate::upstream::backoff::Backoff;
use crate::upstream::{Context, sign_in};

/// How long whoever subscribes waits for the server to listen.
const READY: Duration = Duration::from_secs(5);

/// What a `subscriptions/listen` was answered with.
enum Opened {
    Stream(EventStream),
    Answer(Answered),
}

async fn open(context: &Context, request: &Message) -> Result<Opened, Failure> {
    let sender = &context.sender;
    let sent = exchange::send(context, request, &context.modern.headers(request)).await?;
    let status = sent.response.status();
    if !status.is_success() {
        let answer = Box::pin(answer::refusal(sender, sent.response, false)).await?;
        return Ok(Opened::Answer(Answered { status, answer }));
    }
    match answer::body(sender, sent.response).await? {
        Body::Events(events) => Ok(Opened::Stream(events)),
        Body::Message(answer) => Ok(Opened::Answer(Answered { status, answer })),
        Body::Nothing(status) => Err(answer::nothing(sender.host(), status)),
    }
}

/// The next message; `None` at the end, whichever end it is. However long it takes: such a stream is silent for days.
async fn next(events: &mut EventStream) -> Option<Message> {
    loop {
        match events.next().await? {
            Ok(event) if event.data.is_empty() => {}
            Ok(event) => match Message::parse(event.data) {
                Ok(message) => return Some(message),
                Err(error) => log::warn!("the server sent an event that is {error}; it is dropped"),
            },
            Err(error) => {
                log::debug!("the stream of subscriptions broke: {error}");
                return None;
            }
        }
    }
}

/// Carries a modern client's own `subscriptions/listen` until the server ends it in order. Breaks are mended out of the
/// client's sight: to it the bridge is the server, and that is still there.
pub(in crate::upstream) async fn pass(context: &Context, request: &Message) -> Result<Answered, Failure> {
    let mut ended = context.modern.ended.subscribe();
    tokio::select! {
        passed = mended(context, request) => passed,
        _ = ended.wait_for(|ended| *ended) => Err(Failure::Ending),
    }
}

async fn mended(context: &Context, request: &Message) -> Result<Answered, Failure> {
    let raw_id = request.raw_id().unwrap_or("null");
    let mut attempt = request.clone();
    let mut passing = Passing {
        context,
        raw_id,
        known: None,
        is_acknowledged: context.people.modern.has_acknowledged(request),
        backoff: Backoff::new(Duration::from_secs(1)),
    };
    loop {
        match open(context, &attempt).await {
            Ok(Opened::Stream(mut events)) => {
                let tag = (attempt.raw_id() != Some(raw_id)).then_some(raw_id);
                if let Some(answer) = passing.hear(&mut events, tag).await {
                    return Ok(Answered { status: StatusCode::OK, answer: answer.with_id(raw_id) });
                }
                if passing.known.is_none() {
                    let host = context.sender.host();
                    return Err(Failure::Broken(format!("the stream from {host} broke before it listened")));
                }
            }
            Ok(Opened::Answer(Answered { status, answer })) if passing.known.is_none() || !may_pass(status) => {
                return Ok(Answered { status, answer: answer.with_id(raw_id) });
            }
            Ok(Opened::Answer(_)) => {}
            Err(failure) if passing.known.is_some() && failure.is_temporary() => {}
            // The client need not hear of that from its stream.
            Err(Failure::SignIn { .. }) if passing.known.is_some() => sign_in::logged_in(context).await,
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(passing.backoff.next()).await;
        attempt = request.with_id(&context.modern.ids.next());
    }
}

/// A client's own subscription, over one stream after another.
struct Passing<'a> {
    context: &'a Context,
    /// The client's id for it, as spelled.
    raw_id: &'a str,
    /// What the server tells, since it has said so.
    known: Option<Interest>,
    /// The client has been told.
    is_acknowledged: bool,
    backoff: Backoff,
}

impl Passing<'_> {
    /// Passes on what the server says, under this id where it knows another, until its answer; `None` where the stream
    /// breaks first.
    async fn hear(&mut self, events: &mut EventStream, tag: Option<&str>) -> Option<Message> {
        while let Some(message) = next(events).await {
            match (message.kind(), heard(&message)) {
                (Kind::Response { .. }, _) => return Some(tagged_answer(&message, tag)),
                (_, Heard::Acknowledged(filter)) => {
                    let filter = Interest::acknowledged(filter.as_deref());
                    self.acknowledged(filter, message).await;
                }
                (Kind::Notification { .. }, _) => {
                    self.backoff.reset();
                    let message = tag.and_then(|tag| tagged(&message, Some(tag))).unwrap_or(message);
                    self.context.client.deliver(message).await;
                }
                _ => log::warn!("the server sent on a stream what has no place there; it is dropped"),
            }
        }
        None
    }

    /// The server has said once, or once more, what it will tell.
    async fn acknowledged(&mut self, filter: Interest, message: Message) {
        let Self { context, raw_id, known, is_acknowledged, .. } = self;
        match known.replace(filter) {
            None => {
                context.found(true, None);
                if !std::mem::replace(is_acknowledged, true) {
                    context.client.deliver(message).await;
                }
            }
            Some(known) => {
                for missed in known.missed(Some(raw_id)) {
                    context.client.deliver(missed).await;
                }
            }
        }
    }
}

/// The server's last word names the subscription too.
fn tagged_answer(message: &Message, tag: Option<&str>) -> Message {
    tag.and_then(|tag| crate::translate::to_modern::tagged_result(message, tag)).unwrap_or_else(|| message.clone())
}

fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429)
}

/// All that a legacy client wants to hear of unasked, on one stream.
pub(super) struct Subscription {
    /// Counted, so that whoever changes it knows what has come of that.
    wanted: watch::Sender<(u64, Interest)>,
    /// The last that was tried, and the resources in it that the server does not listen for, with what it says of each.
    heard: watch::Sender<(u64, BTreeMap<String, Failure>)>,
    listener: Mutex<Option<AbortHandle>>,
}

impl Subscription {
    pub(super) fn new(interest: Interest) -> Self {
        let (wanted, heard) = (watch::Sender::new((0, interest)), watch::Sender::new((0, BTreeMap::new())));
        Self { wanted, heard, listener: Mutex::default() }
    }

    /// Begins to listen, if there is anything to listen for.
    pub(super) fn begin(&self, session: &Arc<Session>) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.is_none() {
            *listener = Some(task::spawn(listen(Arc::clone(session))).abort_handle());
        }
    }

    /// Whether resources may be subscribed to.
    pub(super) fn takes_resources(&self) -> bool {
        self.wanted.borrow().1.takes_resources
    }

    /// Listens for changes of this resource too; ready when the server does, or has had its time. What it refuses is
    /// forgotten: the rest is still wanted.
    pub(super) async fn subscribe(&self, uri: String) -> Result<(), Failure> {
        let generation = self.change(|interest| interest.subscribe(uri.clone()));
        let refused = self.tried(generation, &uri).await;
        if let Some(refused) = refused {
            self.change(|interest| interest.unsubscribe(&uri));
            return Err(refused);
        }
        Ok(())
    }

    /// Listens for them no more; ready when the server has been told, or has had its time.
    pub(super) async fn unsubscribe(&self, uri: &str) {
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

    pub(super) fn end(&self) {
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
