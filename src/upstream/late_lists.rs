//! What does a client get that requests a list, while the server is late? The list as an earlier run saw it, once for
//! each list; and the notification that the list has changed, if it has. The client's next request waits for the server.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Failure;
use super::exchange::Outcome;
use super::exchange::backoff::Backoff;
use super::session::Session;
use super::transport::{List, Page};
use crate::auth::AuthMode;
use crate::log;
use crate::message::{Id, Kind, Message};
use crate::task;
use crate::tools::ListPages;

/// A server whose list has more pages than this may never end it.
const MOST_PAGES: usize = 100;

/// Requests for lists whose responses are looked for on streams, at most: some never come.
const MOST_SENT: usize = 64;

/// How long the response to a request of the bridge's own may take on a stream.
const PAGE: Duration = Duration::from_secs(60);

/// How long a list may take of a server that is late already.
const ALREADY_LATE: Duration = Duration::from_millis(50);

/// Carries a request to the server, by whichever route it takes.
pub(super) type Carry = Arc<dyn Fn(Message) -> BoxFuture<'static, Result<Outcome, Failure>> + Send + Sync>;

/// A list as an earlier run saw it, for a request.
#[derive(Clone)]
pub(super) struct KnownList {
    list: &'static List,
    request: Message,
    items: Vec<Value>,
    /// The client learns of changes on its subscriptions.
    is_modern: bool,
}

impl KnownList {
    /// The result that has all of it.
    pub(super) fn result(&self) -> Value {
        json!({ self.list.member: self.items })
    }
}

/// Gives lists of earlier runs.
pub(super) struct LateLists {
    session: Arc<Session>,
    /// The methods of the lists that the client has requested. Its requests add to it.
    requested: Mutex<HashSet<&'static str>>,
    /// The client's requests for lists whose response may come on a stream. They add themselves; whoever gets the
    /// response removes them.
    sent: Mutex<HashMap<Id, (&'static List, Message)>>,
}

impl LateLists {
    pub(super) fn new(session: Arc<Session>) -> Arc<Self> {
        Arc::new(Self { session, requested: Mutex::default(), sent: Mutex::default() })
    }

    /// The list to give in the place of the server, if the server is late with its response to this request.
    pub(super) fn known(&self, list: &'static List, request: &Message, is_modern: bool) -> Option<KnownList> {
        let cursor = request.params().and_then(|params| params.get("cursor").map(|cursor| cursor != "null"));
        if !self.requested.lock().insert(list.method) || cursor == Some(true) {
            return None;
        }
        let auth = &self.session.link.sender.auth;
        // The user wants to be asked first.
        if auth.wants_login() && matches!(auth.mode(), AuthMode::Wait | AuthMode::Error) {
            return None;
        }
        let items = self.session.era.memory.recall(|record| record.list(list.method).cloned())?;
        // Without tools a client does without the server, and some clients never ask again.
        let is_useful = list.capability != "tools" || !items.is_empty();
        is_useful.then(|| KnownList { list, request: request.clone(), items, is_modern })
    }

    /// Notes a request whose response may come on a stream.
    pub(super) fn note_sent(&self, list: &'static List, request: &Message) {
        if let Kind::Request { id, .. } = request.kind() {
            let sent = &mut *self.sent.lock();
            if sent.len() < MOST_SENT {
                sent.insert(id.clone(), (list, request.clone()));
            }
        }
    }

    /// The request with the id of this message, if it was noted. It is no longer.
    pub(super) fn take_sent(&self, message: &Message) -> Option<(&'static List, Message)> {
        match message.kind() {
            Kind::Request { id, .. } | Kind::Response { id, .. } => self.sent.lock().remove(id),
            _ => None,
        }
    }

    /// Carries the request. `None`: the server is late, so that the client gets the known list; what the server returns
    /// is compared with it.
    pub(super) async fn carry(self: &Arc<Self>, known: &KnownList, carry: Carry) -> Option<Result<Outcome, Failure>> {
        let Session { link, era, .. } = &*self.session;
        let mut carrying = JoinSet::new();
        task::spawn_in(&mut carrying, carry(known.request.clone()));
        // A client that was given the result of `initialize` in the place of the server has waited already.
        let is_late = link.capabilities.has_promised() && !self.session.is_open() && !link.sender.auth.wants_login();
        let known_wait = era.options.wait_for_answer(true);
        let wait = if is_late { known_wait.min(ALREADY_LATE) } else { known_wait };
        if let Some(carried) = era.in_time(wait, carrying.join_next()).await {
            return Some(settled(carried));
        }
        let method = known.list.method;
        log::info!("{} has not answered {method} in time; giving the list of an earlier run", link.sender.host);
        let (this, known) = (Arc::clone(self), known.clone());
        task::spawn(async move { this.compare(known, carrying, carry).await });
        None
    }

    /// Compares what the client was given with the server's list, when that comes.
    async fn compare(&self, known: KnownList, mut carrying: JoinSet<Result<Outcome, Failure>>, carry: Carry) {
        let method = known.list.method;
        let mut carried = Some(settled(carrying.join_next().await));
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let items = loop {
            match self.all_pages(&known, carried.take(), &carry).await {
                Ok(items) => break items,
                // The client's next request gets what there is without a login.
                Err(failure) if failure.wants_login() => return self.notify_changed(&known),
                Err(failure) if failure.is_temporary() || failure.is_outage() => {
                    tokio::time::sleep(backoff.next()).await;
                    self.session.until_open().await;
                }
                Err(failure) => {
                    log::info!("{method} cannot be compared with that of an earlier run: {failure}");
                    return;
                }
            }
        };
        let is_same = items == known.items;
        let auth = &self.session.link.sender.auth;
        if auth.is_one_account() && !auth.wants_login() {
            self.session.era.memory.keep_list(method, items);
        }
        if !is_same {
            self.notify_changed(&known);
        }
    }

    /// The items on all pages. `first`: what came of the request for the first page, if that was sent already.
    async fn all_pages(
        &self,
        known: &KnownList,
        mut first: Option<Result<Outcome, Failure>>,
        carry: &Carry,
    ) -> Result<Vec<Value>, Failure> {
        let mut pages = ListPages::of(known.list.method, &known.request);
        let mut items = Vec::new();
        for _ in 0..MOST_PAGES {
            let answer = match first.take() {
                Some(Ok(Outcome::Answer(answer))) => answer,
                Some(Err(failure)) => return Err(failure),
                // What comes on a stream has the id of a request that is answered already.
                Some(Ok(_)) | None => self.request_own(&pages, carry).await?,
            };
            let Some(page) = Page::of(&answer, known.list) else { return Err(Failure::Rpc(answer)) };
            items.extend(page.items);
            if page.is_last || !pages.advance(&answer) {
                return Ok(items);
            }
        }
        Err(Failure::Unusable(format!("the list has more than {MOST_PAGES} pages")))
    }

    async fn request_own(&self, pages: &ListPages, carry: &Carry) -> Result<Message, Failure> {
        let own_requests = &self.session.link.own_requests;
        let raw_id = own_requests.next_id();
        // Waits before it sends: the answer may come first.
        let on_stream = own_requests.wait(Id::from_json(&raw_id));
        match carry(pages.request(&raw_id)).await? {
            Outcome::Answer(answer) => Ok(answer),
            _ => {
                let answer = tokio::time::timeout(PAGE, on_stream).await.ok().flatten();
                answer.ok_or_else(|| Failure::Broken("the list has not come on the stream".to_owned()))
            }
        }
    }

    fn notify_changed(&self, known: &KnownList) {
        let Session { link, era, .. } = &*self.session;
        log::debug!("{} differs from that of an earlier run", known.list.method);
        if known.is_modern { era.server.list_changed(known.list) } else { link.list_changed(known.list) }
    }
}

/// What came of a task, which may have panicked.
fn settled<E>(joined: Option<Result<Result<Outcome, Failure>, E>>) -> Result<Outcome, Failure> {
    match joined {
        Some(Ok(carried)) => carried,
        _ => Err(Failure::Panicked),
    }
}
