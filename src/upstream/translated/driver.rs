//! What does the machine hear? What the client wants, what each session says, how requests end, and how late it is.

use std::collections::HashMap;
use std::task::{Context as Waker, Poll};

use futures_util::future::OptionFuture;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use super::{Ask, Newest};
use crate::log;
use crate::message::{Id, Kind, Message};
use crate::translate::to_legacy::ToLegacy;
use crate::upstream::Failure;
use crate::upstream::{Event, Outcome, ToClient, Upstream};

/// Makes a further connection to the server.
pub(super) type Connect = Box<dyn Fn(ToClient) -> Upstream + Send>;

/// Owns the machine.
pub(super) struct Driver {
    pub(super) newest: Newest,
    pub(super) client: ToClient,
    pub(super) connect: Connect,
    pub(super) machine: ToLegacy,
    /// The client's requests.
    pub(super) waiting: HashMap<Id, (u64, oneshot::Sender<Message>)>,
    pub(super) sessions: HashMap<u64, Session>,
    /// The requests with the server.
    pub(super) in_flight: HashMap<(u64, Id), InFlight>,
    pub(super) tasks: JoinSet<Done>,
}

/// A session that the machine has opened.
pub(super) struct Session {
    pub(super) upstream: Upstream,
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    /// The last stream that was lost, and why.
    pub(super) lost: Option<(u64, Failure)>,
}

/// A request with the server.
pub(super) struct InFlight {
    pub(super) raw_id: Box<str>,
    pub(super) task: AbortHandle,
    /// The stream its answer comes on, where that is not the task's own.
    pub(super) elsewhere: Option<u64>,
}

/// How a task ended.
pub(super) enum Done {
    Opened(u64, Result<Outcome, Failure>),
    Request(u64, Id, Result<Outcome, Failure>),
    /// The server has not taken the client's answer to a question of its own, which is of this exchange.
    Refused(u64, Failure),
    Nothing,
}

impl Driver {
    pub(super) fn new(newest: Newest, client: ToClient, connect: Connect) -> Self {
        Self {
            newest,
            client,
            connect,
            machine: ToLegacy::new(Box::new(secret), now()),
            waiting: HashMap::new(),
            sessions: HashMap::new(),
            in_flight: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    pub(super) async fn run(mut self, mut asks: mpsc::UnboundedReceiver<Ask>) {
        loop {
            let due = self.machine.deadline().map(Instant::from_std);
            let due = OptionFuture::from(due.map(tokio::time::sleep_until));
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
                Some(()) = due => self.machine.time_passed(now()),
            }
            self.act(None);
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Request(message, number, answer) => {
                let Kind::Request { id, .. } = message.kind() else { return };
                self.waiting.insert(id.clone(), (number, answer));
                self.machine.client_request(&message, now());
            }
            Ask::Listen(message, number, answer) => {
                let Kind::Request { id, .. } = message.kind() else { return };
                self.waiting.insert(id.clone(), (number, answer));
                self.machine.acknowledged_listen(&message, now());
            }
            Ask::Notice(message) if message.method() == Some("notifications/cancelled") => {
                self.machine.client_cancelled(&message);
            }
            Ask::Notice(message) => self.machine.client_notification(&message),
            Ask::Abandoned(id, number) => {
                if self.waiting.get(&id).is_some_and(|(waiting, _)| *waiting == number) {
                    self.waiting.remove(&id);
                    self.machine.request_dropped(&id);
                }
            }
            Ask::EndOfInput | Ask::Close(_) => self.machine.end_of_input(),
        }
    }

    fn event(&mut self, session: u64, event: Event) {
        match event {
            Event::Said { message, during, room } => {
                self.machine.server_message(session, during.as_ref(), &message, now());
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
                    _ => return log::debug!("an answer to {id}, which nobody waits for, is dropped"),
                };
                if let Some(request) = self.in_flight.remove(&key) {
                    self.machine.server_response(session, &answer.with_id(&request.raw_id), now());
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
            Event::Opened(answer) => self.machine.session_opened(session, &answer, now()),
            Event::Renewed => self.machine.session_reopened(session, now()),
        }
    }

    fn done(&mut self, done: Result<(tokio::task::Id, Done), JoinError>) {
        let (session, id, outcome) = match done {
            Ok((_, Done::Nothing)) => return,
            Ok((_, Done::Opened(session, outcome))) => return self.opened(session, outcome),
            Ok((_, Done::Refused(exchange, failure))) => return self.refused(exchange, &failure),
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
                self.machine.server_response(session, &answer, now());
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
            Err(failure) => failure.answer("null"),
        };
        match answer.kind() {
            Kind::Response { is_error: true, .. } => self.machine.session_refused(session, &answer),
            // Perhaps one in the server's stead; its own comes as an event.
            _ => self.machine.session_opened_provisionally(session, &answer, now()),
        }
    }

    /// A reply has not arrived. One that may have arrived all the same is waited for.
    fn refused(&mut self, exchange: u64, failure: &Failure) {
        log::warn!("the client's answer did not arrive: {failure}");
        if let Failure::Broken(_) = failure {
            return;
        }
        self.machine.reply_undeliverable(exchange, &failure.answer("null"), now());
    }

    /// A request has no answer of the server's own.
    fn fail(&mut self, session: u64, id: Id, failure: &Failure) {
        let Some(request) = self.in_flight.remove(&(session, id)) else { return };
        log::warn!("{failure}");
        self.machine.server_response(session, &failure.answer(&request.raw_id), now());
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

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Text that nobody can guess.
fn secret() -> String {
    let mut bytes = [0; 16];
    // It fails only where the system has no randomness at all, and then no connection can be encrypted either.
    let filled = SystemRandom::new().fill(&mut bytes);
    if filled.is_err() {
        log::error!("the system gives no random numbers");
    }
    format!("mcp-ferry-{:032x}", u128::from_be_bytes(bytes))
}
