//! A modern client before this legacy server: the translator at work.
//!
//! One task owns the [`ToLegacy`] machine and does what it says. Each session that it opens is an [`Upstream`] of its own, on the
//! same way to the server; what those hear comes back here as events instead of going to the client. A request of the client's waits
//! for the machine's one answer; dropped, it is given up there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use futures_util::future::join_all;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use super::{Event, Outcome, ToClient, Upstream};
use crate::error::Failure;
use crate::message::{Id, Kind, Message};
use crate::stdio::{Outgoing, Reserved};
use crate::translate::to_legacy::{Action, ToLegacy};

/// How long a server may take to hear of a cancellation before its exchange is dropped all the same.
const CANCEL: Duration = Duration::from_secs(5);

/// The way to the translator's task.
pub(super) struct Translated {
    asks: mpsc::UnboundedSender<Ask>,
    /// The session that was opened last, to ask why it is not open yet.
    newest: Newest,
}

type Newest = Arc<Mutex<Option<Upstream>>>;

/// What the client wants.
enum Ask {
    /// An answer to this request. The number tells it from a later one of the same id.
    Request(Message, u64, oneshot::Sender<Message>),
    /// Nothing: a notification.
    Notice(Message),
    /// No answer any more.
    Abandoned(Id, u64),
    /// It has nothing more to say.
    EndOfInput,
    /// An end in good manners, and to know when.
    Close(oneshot::Sender<()>),
}

impl Translated {
    /// Starts the task. `session` makes a further connection to the server, which tells all it hears to this `ToClient`.
    pub(super) fn start(client: ToClient, session: impl Fn(ToClient) -> Upstream + Send + 'static) -> Self {
        let (sender, asks) = mpsc::unbounded_channel();
        let newest = Newest::default();
        let driver = Driver {
            newest: Arc::clone(&newest),
            client,
            connect: Box::new(session),
            machine: ToLegacy::new(Box::new(secret)),
            waiting: HashMap::new(),
            sessions: HashMap::new(),
            in_flight: HashMap::new(),
            tasks: JoinSet::new(),
        };
        tokio::spawn(driver.run(asks));
        Self { asks: sender, newest }
    }

    /// Waits for the answer to a request. Dropped, it wants none any more.
    pub(super) async fn request(&self, message: &Message, number: u64) -> Result<Outcome, Failure> {
        let Kind::Request { id, .. } = message.kind() else { return Err(Failure::Panicked) };
        let (sender, answer) = oneshot::channel();
        self.asks.send(Ask::Request(message.clone(), number, sender)).map_err(|_| Failure::Panicked)?;
        let mut given_up = GivenUp(Some((self, id, number)));
        let answer = answer.await;
        given_up.0 = None;
        // It is never left unanswered, unless the task has died.
        answer.map(Outcome::Answer).map_err(|_| Failure::Panicked)
    }

    /// Takes a notification, cancellations among them.
    pub(super) fn notify(&self, message: &Message) {
        self.asks.send(Ask::Notice(message.clone())).ok();
    }

    /// The client has nothing more to say.
    pub(super) fn end_of_input(&self) {
        self.asks.send(Ask::EndOfInput).ok();
    }

    /// Why the client waits, if it is for a session that is not open yet.
    pub(super) fn trouble(&self) -> Option<Failure> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.trouble()
    }

    /// Ends all sessions: at most a second.
    pub(super) async fn close(&self) {
        let (sender, closed) = oneshot::channel();
        self.asks.send(Ask::Close(sender)).ok();
        closed.await.ok();
    }
}

/// Says that nobody waits any more, unless somebody was answered.
struct GivenUp<'a>(Option<(&'a Translated, &'a Id, u64)>);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some((translated, id, number)) = self.0 {
            translated.asks.send(Ask::Abandoned(id.clone(), number)).ok();
        }
    }
}

struct Driver {
    newest: Newest,
    client: ToClient,
    connect: Box<dyn Fn(ToClient) -> Upstream + Send>,
    machine: ToLegacy,
    /// The client's requests.
    waiting: HashMap<Id, (u64, oneshot::Sender<Message>)>,
    sessions: HashMap<u64, Session>,
    /// The requests with the server.
    in_flight: HashMap<(u64, Id), InFlight>,
    tasks: JoinSet<Done>,
}

struct Session {
    upstream: Upstream,
    events: mpsc::UnboundedReceiver<Event>,
    /// The last stream that was lost, and why.
    lost: Option<(u64, Failure)>,
}

struct InFlight {
    raw_id: Box<str>,
    task: AbortHandle,
    /// The stream its answer comes on, where that is not the task's own.
    elsewhere: Option<u64>,
}

/// How a task ended.
enum Done {
    Opened(u64, Result<Outcome, Failure>),
    Request(u64, Id, Result<Outcome, Failure>),
    Nothing,
}

impl Driver {
    async fn run(mut self, mut asks: mpsc::UnboundedReceiver<Ask>) {
        loop {
            let due = self.machine.deadline().map(Instant::from_std);
            let Self { sessions, tasks, .. } = &mut self;
            tokio::select! {
                // Events before tasks: a task's own come before its end is noticed.
                biased;
                ask = asks.recv() => match ask {
                    Some(Ask::Close(closed)) => {
                        self.close().await;
                        closed.send(()).ok();
                        return;
                    }
                    Some(ask) => self.ask(ask),
                    None => return,
                },
                (session, event) = std::future::poll_fn(|waker| poll_events(sessions, waker)) => self.event(session, event),
                Some(done) = tasks.join_next_with_id() => self.done(done),
                () = until(due) => self.machine.expire(now()),
            }
            self.act(None);
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Request(message, number, answer) => {
                let Kind::Request { id, .. } = message.kind() else { return };
                self.waiting.insert(id.clone(), (number, answer));
                self.machine.request(&message, now());
            }
            Ask::Notice(message) if message.method() == Some("notifications/cancelled") => {
                self.machine.cancelled(&message);
            }
            Ask::Notice(message) => self.machine.notified(&message),
            Ask::Abandoned(id, number) => {
                if self.waiting.get(&id).is_some_and(|(waiting, _)| *waiting == number) {
                    self.waiting.remove(&id);
                    self.machine.abandoned(&id);
                }
            }
            Ask::EndOfInput | Ask::Close(_) => self.machine.end(),
        }
    }

    fn event(&mut self, session: u64, event: Event) {
        match event {
            Event::Said { message, during, room } => {
                self.machine.said(session, during.as_ref(), &message, now());
                self.act(room);
            }
            Event::Answer(answer, _) => {
                let Kind::Response { id, is_error } = answer.kind() else { return };
                let fits =
                    |of: &u64, owed: &Id| *of == session && (owed.same_as_double(id) || (id.is_null() && *is_error));
                let mut inexact = self.in_flight.keys().filter(|(of, owed)| fits(of, owed));
                let key = match (inexact.next(), inexact.next()) {
                    _ if self.in_flight.contains_key(&(session, id.clone())) => (session, id.clone()),
                    (Some(only), None) => only.clone(),
                    _ => return tracing::debug!("an answer to {id}, which nobody waits for, is dropped"),
                };
                if let Some(request) = self.in_flight.remove(&key) {
                    self.machine.answered(session, &answer.with_id(&request.raw_id), now());
                }
            }
            Event::Undeliverable(id, failure) => self.fail(session, id, &failure),
            Event::StreamLost(number, failure) => {
                let on_it = |key: &(u64, Id), request: &InFlight| {
                    key.0 == session && request.elsewhere.is_some_and(|stream| stream <= number)
                };
                let lost = self.in_flight.iter().filter(|(key, request)| on_it(key, request));
                let lost: Vec<_> = lost.map(|((_, id), _)| id.clone()).collect();
                for id in lost {
                    self.fail(session, id, &failure);
                }
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.lost = Some((number, failure));
                }
            }
            Event::Opened(answer) => self.machine.opened(session, &answer, now()),
            Event::Renewed => self.machine.renewed(session),
        }
    }

    fn done(&mut self, done: Result<(tokio::task::Id, Done), JoinError>) {
        let (session, id, outcome) = match done {
            Ok((_, Done::Nothing)) => return,
            Ok((_, Done::Opened(session, outcome))) => return self.opened(session, outcome),
            Ok((task, Done::Request(session, id, outcome))) => {
                // A task that was cancelled, while another request has its id.
                let current =
                    self.in_flight.get(&(session, id.clone())).is_some_and(|request| request.task.id() == task);
                if !current {
                    return;
                }
                (session, id, outcome)
            }
            Err(error) => {
                let lost = self.in_flight.iter().find(|(_, request)| request.task.id() == error.id());
                let Some((session, id)) = lost.map(|(key, _)| key.clone()) else { return };
                (session, id, Err(Failure::Panicked))
            }
        };
        match outcome {
            Ok(Outcome::Answer(answer)) => {
                self.in_flight.remove(&(session, id));
                self.machine.answered(session, &answer, now());
            }
            Ok(Outcome::Elsewhere(stream)) => {
                let lost = self.sessions.get(&session).and_then(|session| session.lost.clone());
                if let Some((_, failure)) = lost.filter(|(lost, _)| *lost >= stream) {
                    self.fail(session, id, &failure);
                } else if let Some(request) = self.in_flight.get_mut(&(session, id)) {
                    request.elsewhere = Some(stream);
                }
            }
            Ok(Outcome::Done | Outcome::Batch(_)) => {
                self.fail(session, id, &Failure::Broken("there is no answer".to_owned()));
            }
            Err(failure) => self.fail(session, id, &failure),
        }
    }

    fn opened(&mut self, session: u64, outcome: Result<Outcome, Failure>) {
        let answer = match outcome {
            Ok(Outcome::Answer(answer)) => answer,
            Ok(_) => return,
            Err(failure) => {
                let Ok(error) = Message::parse(failure.answer("null")) else { return };
                error
            }
        };
        match answer.kind() {
            Kind::Response { is_error: true, .. } => self.machine.not_opened(session, &answer),
            // Perhaps one in the server's stead; its own comes as an event.
            _ => self.machine.late(session, &answer, now()),
        }
    }

    /// A request has no answer of the server's own.
    fn fail(&mut self, session: u64, id: Id, failure: &Failure) {
        let Some(request) = self.in_flight.remove(&(session, id)) else { return };
        tracing::warn!("{failure}");
        if let Ok(error) = Message::parse(failure.answer(&request.raw_id)) {
            self.machine.answered(session, &error, now());
        }
    }

    /// Does what the machine says. `room`: among what waits for the client, for what came of a message of the server's.
    fn act(&mut self, mut room: Option<Reserved>) {
        for action in self.machine.actions() {
            match action {
                Action::Open { session, initialize, initialized } => self.open(session, initialize, initialized),
                Action::Close { session } => self.leave(session),
                Action::Request { session, message } => self.send(session, message),
                Action::Notify { session, message } => {
                    self.spawn_notice(session, async move |upstream| tell(&upstream, &message).await);
                }
                Action::Cancel { session, id, message } => self.cancel(session, id, message),
                Action::Answer(answer) => {
                    let Kind::Response { id, .. } = answer.kind() else { continue };
                    if let Some((_, waiter)) = self.waiting.remove(id) {
                        waiter.send(answer).ok();
                    }
                }
                Action::Tell(message) => match room.take() {
                    Some(room) => self.outgoing().commit(room.with_text(message.text().clone())),
                    None => self.outgoing().send_now(message.text().clone()),
                },
                Action::Warn(what) => tracing::warn!("{what}"),
            }
        }
    }

    fn outgoing(&self) -> &Outgoing {
        &self.client.outgoing
    }

    fn open(&mut self, session: u64, initialize: Message, initialized: Message) {
        let (sender, events) = mpsc::unbounded_channel();
        let upstream = (self.connect)(self.client.to_translator(sender));
        let answer = upstream.initialize(initialize);
        // It goes out when the server has answered, and before any request.
        upstream.initialized(initialized);
        self.tasks.spawn(async move { Done::Opened(session, answer.await) });
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(upstream.clone());
        self.sessions.insert(session, Session { upstream, events, lost: None });
    }

    fn send(&mut self, session: u64, message: Message) {
        let Some(upstream) = self.sessions.get(&session).map(|session| session.upstream.clone()) else { return };
        let Kind::Request { id, .. } = message.kind() else { return };
        let (id, raw_id) = (id.clone(), message.raw_id().unwrap_or("null").into());
        let key = (session, id.clone());
        let task = self.tasks.spawn(Box::pin(async move {
            let outcome = upstream.request(&message).await;
            Done::Request(session, id, outcome)
        }));
        self.in_flight.insert(key, InFlight { raw_id, task, elsewhere: None });
    }

    fn cancel(&mut self, session: u64, id: Id, message: Message) {
        let Some(request) = self.in_flight.remove(&(session, id)) else { return };
        let is_open = self.sessions.get(&session).is_some_and(|session| session.upstream.is_open());
        if !is_open {
            // It has not been sent.
            return request.task.abort();
        }
        self.spawn_notice(session, async move |upstream| {
            tokio::time::timeout(CANCEL, tell(&upstream, &message)).await.ok();
            request.task.abort();
        });
    }

    fn spawn_notice<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        session: u64,
        tell: impl FnOnce(Upstream) -> F,
    ) {
        let Some(upstream) = self.sessions.get(&session).map(|session| session.upstream.clone()) else { return };
        let telling = tell(upstream);
        self.tasks.spawn(async move {
            telling.await;
            Done::Nothing
        });
    }

    fn leave(&mut self, session: u64) {
        for (_, request) in self.in_flight.extract_if(|(of, _), _| *of == session) {
            request.task.abort();
        }
        if let Some(left) = self.sessions.remove(&session) {
            self.tasks.spawn(async move {
                left.upstream.close().await;
                Done::Nothing
            });
        }
    }

    async fn close(&mut self) {
        self.tasks.abort_all();
        join_all(self.sessions.values().map(|session| session.upstream.close())).await;
    }
}

fn poll_events(sessions: &mut HashMap<u64, Session>, waker: &mut Waker<'_>) -> Poll<(u64, Event)> {
    for (number, session) in sessions {
        if let Poll::Ready(Some(event)) = session.events.poll_recv(waker) {
            return Poll::Ready((*number, event));
        }
    }
    Poll::Pending
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn tell(upstream: &Upstream, message: &Message) {
    if let Err(failure) = upstream.notify(message).await {
        tracing::warn!("{} did not arrive: {failure}", message.method().unwrap_or("the client's answer"));
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Text that nobody can guess.
fn secret() -> String {
    let mut bytes = [0; 16];
    // It fails only where the system has no randomness at all; then no state is handed out that fits twice either.
    let filled = SystemRandom::new().fill(&mut bytes);
    if filled.is_err() {
        tracing::error!("the system gives no random numbers");
    }
    format!("mcp-ferry-{:032x}", u128::from_be_bytes(bytes))
}
