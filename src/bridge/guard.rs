//! May this message go to the server, as the rules for tools have it? Asks the server what they need to know.
//!
//! What the rules say is in [`crate::tools`]; here is what it takes to apply them: the list that the bridge asks for
//! itself when `--read-only` meets a tool that no list has shown, and the refusals.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::log;
use crate::message::{Id, Kind, Message};
use crate::tools::{Asked, Filter, OwnList, Verdict};
use crate::upstream::Failure;
use crate::upstream::{Event, Outcome, Upstream};

/// A server that has more pages than this has no end.
const MOST_PAGES: usize = 1000;

/// How long the bridge's own list may take in all.
const LIST: Duration = Duration::from_secs(60);

/// How often a list is begun anew because the tools changed meanwhile.
const MOST_ATTEMPTS: usize = 3;

/// Stands between the client and the server's tools. Cheap to clone.
#[derive(Clone)]
pub(super) struct Guard(Arc<Inner>);

struct Inner {
    filter: Mutex<Filter>,
    events: mpsc::UnboundedSender<Event>,
    /// Held by whoever asks for the list; the others wait, and find it there or learn why it could not be had.
    learning: tokio::sync::Mutex<Option<(Instant, String)>>,
    own: OwnRequests,
}

impl Guard {
    pub(super) fn new(filter: Filter, events: mpsc::UnboundedSender<Event>) -> Self {
        Self(Arc::new(Inner {
            filter: Mutex::new(filter),
            events,
            learning: tokio::sync::Mutex::default(),
            own: OwnRequests::new(),
        }))
    }

    fn filter(&self) -> MutexGuard<'_, Filter> {
        self.0.filter.lock()
    }

    /// A new session: its tools are others.
    pub(super) fn begin(&self) {
        self.filter().forget();
    }

    /// The requests in a message whose answers list tools.
    pub(super) fn lists(&self, message: &Message) -> Vec<(Id, Asked)> {
        let filter = self.filter();
        let list = |one: &Message| match one.kind() {
            Kind::Request { id, .. } => Some((id.clone(), filter.asks(one)?)),
            _ => None,
        };
        match message.kind() {
            Kind::Batch(elements) => elements.iter().filter_map(list).collect(),
            _ => list(message).into_iter().collect(),
        }
    }

    /// The answer to a list without what is hidden; `None` if nothing of it is.
    pub(super) fn answer(&self, asked: Asked, answer: &Message) -> Option<Bytes> {
        self.filter().answer(asked, answer).map(|shown| shown.text().clone())
    }

    /// What of a message that wants no answer may go to the server.
    pub(super) fn notice(&self, message: Message) -> Option<Message> {
        let sifted = self.sift(message, "this call wants no answer, and its tool is not known to only read");
        for (_, why) in sifted.refused {
            log::warn!("{why}");
        }
        sifted.passed
    }

    /// Carries a request, or what may pass of a batch.
    pub(super) async fn request(&self, upstream: &Upstream, message: Message) -> Result<Outcome, Failure> {
        // The rules are about the server's tools. Ours is never sent to it.
        if let Some(outcome) = upstream.own_tool(&message).await {
            return Ok(outcome);
        }
        self.filter().except(upstream.own_tool_name());
        let mut why_unknown = "the server lists no such tool".to_owned();
        if let Some(call) = self.unknown(&message)
            && let Err(why) = Box::pin(self.learn(upstream, &call)).await
        {
            why_unknown = why;
        }
        let is_batch = matches!(message.kind(), Kind::Batch(_));
        let Sifted { passed, refused } = self.sift(message, &why_unknown);
        for (id, why) in refused {
            match id {
                Some(id) if is_batch => drop(self.0.events.send(Event::Undeliverable(id, Failure::Hidden(why)))),
                Some(_) => return Err(Failure::Hidden(why)),
                None => log::warn!("{why}"),
            }
        }
        match passed {
            Some(rest) if is_batch && rest.requests().is_empty() => {
                upstream.notify(&rest).await.map(|()| Outcome::Done)
            }
            Some(rest) => upstream.request(&rest).await,
            None => Ok(Outcome::Done),
        }
    }

    /// Divides a message. `why_unknown`: why a tool that no list has shown is still not known.
    fn sift(&self, message: Message, why_unknown: &str) -> Sifted {
        let filter = self.filter();
        let against = |one: &Message| match filter.judge(one) {
            Verdict::Pass => None,
            Verdict::Refuse(why) => Some(why),
            Verdict::NeedList => Some(filter.refuse_unknown(one, why_unknown)),
        };
        let Kind::Batch(elements) = message.kind() else {
            return match against(&message) {
                None => Sifted { passed: Some(message), refused: Vec::new() },
                Some(why) => Sifted { passed: None, refused: vec![(id(&message), why)] },
            };
        };
        let mut refused = Vec::new();
        let mut passed = Vec::new();
        for element in elements {
            match against(element) {
                Some(why) => refused.push((id(element), why)),
                // What is no message is refused already, and some server might find a call in it.
                None if matches!(element.kind(), Kind::Invalid(_)) => {}
                None => passed.push(&element.text()[..]),
            }
        }
        let rest = match passed.len() {
            0 => None,
            all if all == elements.len() => Some(message),
            _ => Message::parse([b"[", &passed.join(&b',')[..], b"]"].concat()).ok(),
        };
        Sifted { passed: rest, refused }
    }

    /// The first call in a message whose tool no list has shown.
    fn unknown(&self, message: &Message) -> Option<Message> {
        let filter = self.filter();
        let is_unknown = |one: &&Message| filter.judge(one) == Verdict::NeedList;
        match message.kind() {
            Kind::Batch(elements) => elements.iter().find(is_unknown).cloned(),
            _ => Some(message).filter(is_unknown).cloned(),
        }
    }

    /// Asks the server which tools it has, for this call. However many calls wait for it, one asks.
    async fn learn(&self, upstream: &Upstream, call: &Message) -> Result<(), String> {
        let begun = Instant::now();
        let mut attempted = self.0.learning.lock().await;
        if self.unknown(call).is_none() {
            return Ok(());
        }
        if let Some((_, why)) = attempted.as_ref().filter(|(at, _)| *at >= begun) {
            return Err(why.clone());
        }
        let learned = tokio::time::timeout(LIST, self.list(upstream, call))
            .await
            .unwrap_or_else(|_| Err(format!("the list of tools has not come within {} seconds", LIST.as_secs())));
        *attempted = learned.as_ref().err().map(|why| (Instant::now(), why.clone()));
        learned
    }

    async fn list(&self, upstream: &Upstream, call: &Message) -> Result<(), String> {
        for _ in 0..MOST_ATTEMPTS {
            let mut list = self.filter().own_list();
            let mut cursor = None;
            for page in 0.. {
                if page == MOST_PAGES {
                    return Err(format!("the server's list of tools has more than {MOST_PAGES} pages"));
                }
                let answer = self.0.own.ask(upstream, call, cursor.as_deref()).await;
                let answer = answer.map_err(|failure| format!("the server's tools cannot be listed: {failure}"))?;
                cursor = list.page(&answer);
                if cursor.is_none() {
                    break;
                }
            }
            if self.filter().learn_all(list) {
                return Ok(());
            }
        }
        Err("the server's tools change faster than they can be listed".to_owned())
    }

    /// An answer to a request of the bridge's own, which is not the client's business.
    pub(super) fn is_own(&self, answer: &Message) -> bool {
        self.0.own.answered(answer)
    }

    /// There will be no answer to this request, which may be the bridge's own.
    pub(super) fn give_up(&self, id: &Id) {
        self.0.own.waiting().remove(id);
    }

    /// A stream is lost: of the bridge's own requests, none will be answered.
    pub(super) fn lost(&self) {
        self.0.own.waiting().clear();
    }
}

/// A message divided by the rules.
struct Sifted {
    passed: Option<Message>,
    /// What must not go to the server: the id of each request, and why.
    refused: Vec<(Option<Id>, String)>,
}

fn id(message: &Message) -> Option<Id> {
    match message.kind() {
        Kind::Request { id, .. } => Some(id.clone()),
        _ => None,
    }
}

/// The bridge's own requests that wait for their answer.
struct OwnRequests {
    /// No client can have thought of it.
    prefix: String,
    serial: AtomicU64,
    waiting: Mutex<HashMap<Id, oneshot::Sender<Message>>>,
}

impl OwnRequests {
    fn new() -> Self {
        // The standard library's hasher is seeded at random.
        let random = RandomState::new().build_hasher().finish();
        Self { prefix: format!("mcp-ferry-{random:016x}"), serial: AtomicU64::new(0), waiting: Mutex::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Id, oneshot::Sender<Message>>> {
        self.waiting.lock()
    }

    /// Asks for one page of the tools. The answer is a result.
    async fn ask(&self, upstream: &Upstream, call: &Message, cursor: Option<&str>) -> Result<Message, Failure> {
        let raw_id = format!("\"{}-{}\"", self.prefix, self.serial.fetch_add(1, Ordering::Relaxed));
        let request = Message::parse(OwnList::request(&raw_id, call, cursor))
            .map_err(|error| Failure::Unusable(error.to_string()))?;
        // Before it is sent: the answer may overtake the word that it comes on another stream.
        let (sender, answer) = oneshot::channel();
        let id = Id::from_json(&raw_id);
        self.waiting().insert(id.clone(), sender);
        let _forget = Forget { own: self, id };
        let answer = match upstream.request(&request).await? {
            Outcome::Answer(answer) => answer,
            Outcome::Elsewhere(_) | Outcome::Batch(_) | Outcome::Done => answer
                .await
                .map_err(|_| Failure::Broken("the stream broke before the list of tools came".to_owned()))?,
        };
        match answer.kind() {
            Kind::Response { is_error: false, .. } => Ok(answer),
            _ => Err(Failure::Rpc(answer)),
        }
    }

    fn answered(&self, answer: &Message) -> bool {
        let Kind::Response { id, .. } = answer.kind() else { return false };
        let Some(waiter) = self.waiting().remove(id) else { return false };
        waiter.send(answer.clone()).ok();
        true
    }
}

/// Whoever asked may be told to stop at any await; then nobody waits.
struct Forget<'a> {
    own: &'a OwnRequests,
    id: Id,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.own.waiting().remove(&self.id);
    }
}
