//! Which sessions has the translator's machine opened, and which requests are in flight in them?

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::message::{Id, Kind, Message};
use crate::task;
use crate::upstream::Failure;
use crate::upstream::exchange::{Outcome, SessionEvent, ToClient};
use crate::upstream::login::LoginSession;

/// How long a server may take to read a cancellation before the exchange is dropped all the same.
pub(crate) const CANCEL: std::time::Duration = std::time::Duration::from_secs(5);

/// Makes a further session with the server, whose messages go this way.
pub(crate) type Connect = Box<dyn Fn(ToClient) -> LoginSession + Send>;

/// The session that was opened last. The task of the translator sets it; `Upstream` asks it why it is not open yet.
pub(super) type Newest = Arc<Mutex<Option<LoginSession>>>;

/// Runs what the machine wants done in its sessions.
pub(super) struct Sessions {
    connect: Connect,
    client: ToClient,
    newest: Newest,
    open: HashMap<u64, Open>,
    in_flight: HashMap<(u64, Id), InFlight>,
    tasks: JoinSet<Done>,
}

struct Open {
    session: LoginSession,
    events: mpsc::UnboundedReceiver<SessionEvent>,
    /// The last stream that was lost, and why.
    lost: Option<(u64, Failure)>,
}

/// A request that the server has not answered.
pub(super) struct InFlight {
    pub(super) raw_id: Box<str>,
    task: AbortHandle,
    /// The stream on which its response comes, where that is not the task's own.
    stream: Option<u64>,
}

/// How a task ended.
pub(super) enum Done {
    Opened(u64, Result<Outcome, Failure>),
    Request(u64, Id, Result<Outcome, Failure>),
    /// The server did not take the client's response to a request of its own, which belongs to this exchange.
    ReplyFailed(u64, Failure),
    Nothing,
}

/// How a task ended, or that it has panicked.
pub(super) type TaskEnd = Result<(tokio::task::Id, Done), tokio::task::JoinError>;

/// What comes next from the sessions.
pub(super) enum Next {
    Event(u64, SessionEvent),
    TaskEnd(TaskEnd),
}

impl Sessions {
    pub(super) fn new(connect: Connect, client: ToClient, newest: Newest) -> Self {
        Self { connect, client, newest, open: HashMap::new(), in_flight: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Events before ends of tasks: a task's own events come before its end is noticed.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        for (number, open) in &mut self.open {
            if let Poll::Ready(Some(event)) = open.events.poll_recv(context) {
                return Poll::Ready(Next::Event(*number, event));
            }
        }
        match self.tasks.poll_join_next_with_id(context) {
            Poll::Ready(Some(end)) => Poll::Ready(Next::TaskEnd(end)),
            _ => Poll::Pending,
        }
    }

    pub(super) fn open(&mut self, number: u64, initialize: Message, initialized: Message) {
        let (sender, events) = mpsc::unbounded_channel();
        let session = (self.connect)(self.client.through_translator(sender));
        let answer = session.session().initialize(initialize);
        // It goes out when the server has answered, and before any request.
        session.session().initialized(initialized);
        task::spawn_in(&mut self.tasks, async move { Done::Opened(number, answer.await) });
        *self.newest.lock() = Some(session.clone());
        self.open.insert(number, Open { session, events, lost: None });
    }

    /// Logs why a request in this session failed.
    pub(super) fn log_failure(&self, number: u64, failure: &Failure) {
        if let Some(session) = self.get(number) {
            session.session().log_failure(failure);
        }
    }

    fn get(&self, number: u64) -> Option<LoginSession> {
        self.open.get(&number).map(|open| open.session.clone())
    }

    pub(super) fn request(&mut self, number: u64, message: Message) {
        let (Some(session), Kind::Request { id, .. }) = (self.get(number), message.kind()) else { return };
        let (id, raw_id) = (id.clone(), message.raw_id().unwrap_or("null").into());
        let key = (number, id.clone());
        let task = task::spawn_in(&mut self.tasks, async move {
            let outcome = session.request(&message).await;
            Done::Request(number, id, outcome)
        });
        self.in_flight.insert(key, InFlight { raw_id, task, stream: None });
    }

    pub(super) fn notify(&mut self, number: u64, message: Message) {
        let Some(session) = self.get(number) else { return };
        task::spawn_in(&mut self.tasks, async move {
            session.session().notify_logged(&message).await;
            Done::Nothing
        });
    }

    /// Sends the client's response to a request of the server, which belongs to this exchange of the machine.
    pub(super) fn reply(&mut self, number: u64, exchange: u64, message: Message) {
        let Some(session) = self.get(number) else { return };
        task::spawn_in(&mut self.tasks, async move {
            match session.session().notify(&message).await {
                Ok(()) => Done::Nothing,
                Err(failure) => Done::ReplyFailed(exchange, failure),
            }
        });
    }

    pub(super) fn cancel(&mut self, number: u64, id: Id, message: Message) {
        let Some(request) = self.in_flight.remove(&(number, id)) else { return };
        let Some(session) = self.get(number).filter(|session| session.session().is_open()) else {
            // The request has not been sent.
            return request.task.abort();
        };
        task::spawn_in(&mut self.tasks, async move {
            tokio::time::timeout(CANCEL, session.session().notify_logged(&message)).await.ok();
            request.task.abort();
            Done::Nothing
        });
    }

    pub(super) fn leave(&mut self, number: u64) {
        for (_, request) in self.in_flight.extract_if(|(of, _), _| *of == number) {
            request.task.abort();
        }
        if let Some(Open { session, .. }) = self.open.remove(&number) {
            task::spawn_in(&mut self.tasks, async move {
                session.session().close().await;
                Done::Nothing
            });
        }
    }

    pub(super) async fn close(&mut self) {
        self.tasks.abort_all();
        join_all(self.open.values().map(|open| open.session.session().close())).await;
    }

    /// Takes the request of this id.
    pub(super) fn take(&mut self, number: u64, id: &Id) -> Option<InFlight> {
        self.in_flight.remove(&(number, id.clone()))
    }

    /// Takes the request that this response answers. A server that could not read the request's id, or read it as a
    /// double, is understood where a single request fits.
    pub(super) fn take_answered(&mut self, number: u64, answer: &Message) -> Option<InFlight> {
        let Kind::Response { id, is_error } = answer.kind() else { return None };
        if let Some(request) = self.take(number, id) {
            return Some(request);
        }
        let fits = |of: &u64, owed: &Id| *of == number && (owed.resembles(id) || (id.is_null() && *is_error));
        let mut fitting = self.in_flight.keys().filter(|(of, owed)| fits(of, owed));
        let (Some((_, only)), None) = (fitting.next(), fitting.next()) else { return None };
        let only = only.clone();
        self.take(number, &only)
    }

    /// Whether this task still carries this request: another may have the same id by now.
    pub(super) fn is_current(&self, number: u64, id: &Id, task: tokio::task::Id) -> bool {
        self.in_flight.get(&(number, id.clone())).is_some_and(|request| request.task.id() == task)
    }

    /// The request that this task carried.
    pub(super) fn of_task(&self, task: tokio::task::Id) -> Option<(u64, Id)> {
        let mut requests = self.in_flight.iter();
        requests.find(|(_, request)| request.task.id() == task).map(|(key, _)| key.clone())
    }

    /// The response to this request comes on a stream. Returns the reason if that is lost already.
    pub(super) fn set_stream(&mut self, number: u64, id: Id, stream: u64) -> Option<(Id, Failure)> {
        let lost = self.open.get(&number).and_then(|open| open.lost.clone());
        if let Some((_, failure)) = lost.filter(|(lost, _)| *lost >= stream) {
            return Some((id, failure));
        }
        if let Some(request) = self.in_flight.get_mut(&(number, id)) {
            request.stream = Some(stream);
        }
        None
    }

    /// Streams up to this one are lost. Returns the requests whose responses were to come on them.
    pub(super) fn lose_stream(&mut self, number: u64, stream: u64, failure: Failure) -> Vec<Id> {
        let is_on_it =
            |key: &(u64, Id), request: &InFlight| key.0 == number && request.stream.is_some_and(|on| on <= stream);
        let lost = self.in_flight.iter().filter(|(key, request)| is_on_it(key, request));
        let lost = lost.map(|((_, id), _)| id.clone()).collect();
        if let Some(open) = self.open.get_mut(&number) {
            open.lost = Some((stream, failure));
        }
        lost
    }
}
