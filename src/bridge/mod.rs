//! Who owns a request in flight? The loop here, alone.
//!
//! Each request runs in a task of its own and its answer is written by the loop, so that there is one place where "exactly one
//! answer" holds: a request is in the [`Pending`] table from the moment it is read until its one answer goes out, and what is
//! not in the table is not answered. Cancelling drops the task; dropping a task drops its HTTP exchange.

mod guard;
mod pending;

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use crate::error::Failure;
use crate::message::{self, Id, Kind, Message, code};
use crate::stdio::{Connection, Line, Outgoing, Reserved};
use crate::tools::{Changes, Filter, Rules};
use crate::upstream::{Event, Outcome, ToClient, Upstream};
use guard::Guard;
use pending::{Pending, Request, Ticket};

/// How long requests in flight are waited for once the client has nothing more to say. Clients end a server that takes two
/// seconds.
const DRAIN: Duration = Duration::from_millis(1500);

/// How long a server may take to hear of a cancellation before its exchange is dropped all the same.
const CANCEL: Duration = Duration::from_secs(5);

/// How long a notification may keep those that follow it waiting.
const NOTICE: Duration = Duration::from_secs(30);

/// How long a client may take to read the last answers.
const FLUSH: Duration = Duration::from_millis(500);

/// What the user lays down for requests.
#[derive(Debug, Default)]
pub struct Terms {
    /// The time that one may take.
    pub limit: Option<Duration>,
    /// Which tools may be listed and called.
    pub tools: Option<Rules>,
}

/// Carries messages between a client and the upstream that `connect` makes, until the client ends or `shutdown` resolves; then ends in
/// good order.
pub async fn run(
    connection: Connection,
    connect: impl FnOnce(ToClient) -> Upstream,
    terms: Terms,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let Connection { mut incoming, outgoing, written } = connection;
    let (sender, mut events) = mpsc::unbounded_channel();
    let changes = terms.tools.is_some().then(Changes::default);
    let filter = terms.tools.zip(changes.clone()).map(|(rules, changes)| Filter::new(rules, changes));
    let guard = filter.map(|filter| Guard::new(filter, sender.clone()));
    let upstream = connect(ToClient::new(outgoing.clone(), sender, changes));
    let mut bridge = Bridge {
        upstream,
        outgoing,
        pending: Pending::default(),
        tasks: JoinSet::new(),
        notices: None,
        limit: terms.limit,
        guard,
        deadlines: VecDeque::new(),
    };
    let written = written.shared();
    // One task watches for the end, so that the loop has one thing to look at, not one for every signal.
    let gone = written.clone();
    let mut end = tokio::spawn(async move {
        tokio::select! {
            () = shutdown => {}
            _ = gone => {}
        }
    });
    let flushing = tokio::spawn(bridge.outgoing.clone().flush_when_due());
    let mut ended = None;
    loop {
        // No answer is left to wait for, nothing of the client's on its way.
        if ended.is_some() && bridge.tasks.is_empty() && bridge.pending.is_empty() {
            break;
        }
        tokio::select! {
            // Events first: a task's own come before its end is noticed.
            biased;
            _ = &mut end => break,
            Some(event) = events.recv() => bridge.event(event),
            Some(done) = bridge.tasks.join_next_with_id() => bridge.done(done),
            line = incoming.recv(), if ended.is_none() => match line {
                Some(line) => bridge.line(line),
                None => {
                    ended = Some(Instant::now() + DRAIN);
                    // Its task ends when it has posted what it has.
                    bridge.notices = None;
                    bridge.upstream.end_of_input();
                }
            },
            () = until(ended) => break,
            // A person takes longer than a client that has ended would wait.
            () = bridge.upstream.held(bridge.pending.len()), if ended.is_some() && bridge.only_requests() => break,
            () = until(bridge.deadlines.front().map(|(at, _)| *at)) => bridge.expire(),
        }
    }
    bridge.end().await;
    // A client that is gone has "written" settled, and one that does not read gets no more time than this.
    drop(tokio::time::timeout(FLUSH, written).await);
    flushing.abort();
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

struct Bridge {
    upstream: Upstream,
    outgoing: Outgoing,
    pending: Pending,
    tasks: JoinSet<Done>,
    /// The queue of the task that posts the client's notifications in their order; started with the first.
    notices: Option<mpsc::UnboundedSender<Message>>,
    limit: Option<Duration>,
    guard: Option<Guard>,
    /// In the order of the requests, answered ones among them.
    deadlines: VecDeque<(Instant, Ticket)>,
}

/// How a task ended.
enum Done {
    /// A request's or batch's. An answer comes with its room among what waits for the client.
    Request(Ticket, Result<(Outcome, Option<Reserved>), Failure>),
    /// A message that wants no answer.
    Notice,
}

impl Bridge {
    /// Whether nothing but requests is on its way: each has one task, or shares one with others of its batch.
    fn only_requests(&self) -> bool {
        !self.pending.is_empty() && self.tasks.len() <= self.pending.len()
    }

    fn line(&mut self, line: Line) {
        match line {
            Line::Text(text) => match Message::parse(text) {
                Ok(message) => self.message(message),
                Err(error) => self.refuse("null", code::PARSE_ERROR, &error.to_string()),
            },
            Line::TooLong { answer_id: Some(raw_id), .. } => {
                tracing::warn!("the client's answer {raw_id} is longer than --max-message-size allows");
                let why = "the client's answer is too long to be carried";
                if let Ok(error) = Message::parse(message::error(&raw_id, code::INTERNAL_ERROR, why, None)) {
                    self.post(error);
                }
            }
            Line::TooLong { request_id, .. } => {
                let failure = Failure::TooLarge("the message is longer than --max-message-size allows".to_owned());
                tracing::warn!("{failure}");
                self.outgoing.send_now(failure.answer(request_id.as_deref().unwrap_or("null")));
            }
        }
    }

    fn message(&mut self, message: Message) {
        let message = match &self.guard {
            Some(guard) if message.requests().is_empty() => match guard.notice(message) {
                Some(message) => message,
                None => return,
            },
            _ => message,
        };
        tracing::debug!(
            "the client says {} {}",
            message.method().unwrap_or("an answer or a batch"),
            message.raw_id().unwrap_or_default()
        );
        match message.kind() {
            Kind::Request { .. } => self.request(message),
            Kind::Notification { method } => match &**method {
                "notifications/cancelled" => self.cancel(message),
                "notifications/initialized" => self.upstream.initialized(message),
                _ => self.notice(message),
            },
            Kind::Response { .. } => self.post(message),
            Kind::Batch(elements) if elements.is_empty() => {
                self.refuse("null", code::INVALID_REQUEST, "the batch is empty");
            }
            // The modern era knows no batches; taken apart, each is answered all the same.
            Kind::Batch(elements) if self.upstream.is_translated() => {
                for element in elements.clone() {
                    self.message(element);
                }
            }
            Kind::Batch(elements) => {
                let (messages, others): (Vec<_>, Vec<_>) =
                    elements.iter().partition(|element| !matches!(element.kind(), Kind::Invalid(_)));
                for other in others {
                    let raw_id = other.raw_id().unwrap_or("null");
                    self.refuse(raw_id, code::INVALID_REQUEST, "an element of the batch is no JSON-RPC message");
                }
                if messages.iter().any(|message| matches!(message.kind(), Kind::Request { .. })) {
                    self.request(message);
                } else if !messages.is_empty() {
                    self.post(message);
                }
            }
            Kind::Invalid(_) => {
                self.refuse(message.raw_id().unwrap_or("null"), code::INVALID_REQUEST, "not a JSON-RPC message");
            }
        }
    }

    fn request(&mut self, message: Message) {
        let method = message.method().unwrap_or_default();
        if method == "server/discover" && !self.upstream.discovers() {
            // Of the era without a handshake. Whoever asks falls back to `initialize`, which then passes through untranslated.
            let raw_id = message.raw_id().unwrap_or("null");
            return self.refuse(raw_id, code::METHOD_NOT_FOUND, "server/discover is not supported; use initialize");
        }
        let ids = message.requests();
        // A batch may hold many thousands, so no request is compared with each other one.
        let twice = ids.len() > 1 && ids.iter().map(|(id, _)| id).collect::<HashSet<_>>().len() < ids.len();
        if twice || ids.iter().any(|(id, _)| self.pending.contains(id)) {
            for (_, raw_id) in ids {
                self.refuse(&raw_id, code::INVALID_REQUEST, "a request with this id is still in flight");
            }
            return;
        }
        let lists = self.guard.as_ref().map(|guard| guard.lists(&message)).unwrap_or_default();
        let ticket = self.pending.ticket();
        let upstream = self.upstream.clone();
        let outgoing = self.outgoing.clone();
        let first = method == "initialize";
        let unlimited = first || method == "subscriptions/listen";
        let task = if first {
            self.guard.iter().for_each(Guard::begin);
            let answer = upstream.initialize(message);
            self.tasks.spawn(async move { Done::Request(ticket, make_room(&outgoing, answer.await).await) })
        } else {
            // Boxed, because a task's future is copied several times while the task is made.
            let guard = self.guard.clone();
            self.tasks.spawn(Box::pin(async move {
                let outcome = match guard {
                    // Boxed, or its size would be everyone's.
                    Some(guard) => Box::pin(guard.request(&upstream, message)).await,
                    None => {
                        let outcome = upstream.request(&message).await;
                        // A large argument need not be held while its answer waits.
                        drop(message);
                        outcome
                    }
                };
                Done::Request(ticket, make_room(&outgoing, outcome).await)
            }))
        };
        // `initialize` has its own limit, and must not be cancelled; a subscription lasts.
        if let Some(limit) = self.limit.filter(|_| !unlimited) {
            self.deadlines.push_back((Instant::now() + limit, ticket));
        }
        self.pending.insert(ticket, ids, &task);
        for (id, asked) in lists {
            self.pending.lists_tools(&id, asked);
        }
    }

    /// Cancelling posts the notification, with the id that the server knows, and then drops the exchange. Nothing is posted for a request
    /// that is answered already, or that has not been sent.
    fn cancel(&mut self, message: Message) {
        #[derive(Deserialize)]
        struct Cancelled {
            params: Params,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Params {
            request_id: Box<RawValue>,
        }
        let Some(cancelled) = message.read::<Cancelled>() else { return self.notice(message) };
        let id = Id::from_json(cancelled.params.request_id.get());
        let Some(task) = self.pending.cancel(&id) else {
            tracing::debug!("request {id} is not in flight; its cancellation goes no further");
            return;
        };
        self.withdraw(task, message);
    }

    /// The oldest request in flight has had its time: it is answered, and cancelled with the server.
    fn expire(&mut self) {
        let (Some((_, ticket)), Some(limit)) = (self.deadlines.pop_front(), self.limit) else { return };
        for (raw_id, task) in self.pending.abandon(ticket) {
            let failure = Failure::TimedOut(limit);
            tracing::warn!("{failure}");
            self.outgoing.send_now(failure.answer(&raw_id));
            if let Ok(cancelled) = Message::parse(message::cancelled(&raw_id, "timed out")) {
                self.withdraw(task, cancelled);
            }
        }
    }

    /// Tells the server that nobody waits any more, if it has been asked, then drops the task, unless others of its batch need it.
    fn withdraw(&mut self, task: AbortHandle, message: Message) {
        let wanted = self.pending.is_wanted(&task);
        if !self.upstream.is_open() && !wanted {
            task.abort();
            return;
        }
        let upstream = self.upstream.clone();
        self.tasks.spawn(async move {
            tokio::time::timeout(CANCEL, notify(&upstream, &message)).await.ok();
            if !wanted {
                task.abort();
            }
            Done::Notice
        });
    }

    /// Notifications keep their order, so they are posted one after the other.
    fn notice(&mut self, message: Message) {
        let Err(mpsc::error::SendError(message)) = self.queue().send(message) else { return };
        // The task that posts them has died of a bug; this one starts another.
        self.notices = None;
        self.queue().send(message).ok();
    }

    fn queue(&mut self) -> &mpsc::UnboundedSender<Message> {
        let Self { upstream, tasks, notices, .. } = self;
        notices.get_or_insert_with(|| {
            let (sender, mut queue) = mpsc::unbounded_channel::<Message>();
            let upstream = upstream.clone();
            tasks.spawn(async move {
                while let Some(message) = queue.recv().await {
                    if tokio::time::timeout(NOTICE, notify(&upstream, &message)).await.is_err() {
                        tracing::warn!("the server does not take {}", message.method().unwrap_or_default());
                    }
                }
                Done::Notice
            });
            sender
        })
    }

    /// An answer to the server is urgent and stands alone.
    fn post(&mut self, message: Message) {
        let upstream = self.upstream.clone();
        self.tasks.spawn(async move {
            notify(&upstream, &message).await;
            Done::Notice
        });
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Answer(message, line) => {
                let Kind::Response { id, .. } = message.kind() else { return };
                if self.guard.as_ref().is_some_and(|guard| guard.is_own(&message)) {
                    return;
                }
                if let Some(request) = self.pending.answered(id) {
                    self.answer(&request, &message, line);
                } else if let Some(request) = self.pending.answered_inexactly(&message) {
                    let message = message.with_id(&request.raw_id);
                    self.answer(&request, &message, line.with_text(message.text().clone()));
                } else {
                    tracing::debug!("an answer to {id}, which nobody waits for, is dropped");
                }
            }
            Event::Undeliverable(id, failure) => {
                self.guard.iter().for_each(|guard| guard.give_up(&id));
                if let Some(raw_id) = self.pending.give_up(&id) {
                    self.outgoing.send_now(failure.answer(&raw_id));
                }
            }
            Event::StreamLost(number, failure) => {
                self.guard.iter().for_each(Guard::lost);
                for raw_id in self.pending.lost(number, failure.clone()) {
                    self.outgoing.send_now(failure.answer(&raw_id));
                }
            }
            // A translator's.
            Event::Said { .. } | Event::Opened(_) | Event::Renewed => {}
        }
    }

    /// Writes the one answer to a request.
    fn answer(&self, request: &Request, answer: &Message, line: Reserved) {
        let shown = request.asked.zip(self.guard.as_ref()).and_then(|(asked, guard)| guard.answer(asked, answer));
        self.outgoing.commit(match shown {
            Some(shown) => line.with_text(shown),
            None => line,
        });
    }

    /// One answer of several, if it is still waited for, as the client may see it.
    fn shown(&mut self, ticket: Ticket, answer: &Message) -> Option<Bytes> {
        let request = self.pending.answer(ticket, answer)?;
        let shown = request.asked.zip(self.guard.as_ref()).and_then(|(asked, guard)| guard.answer(asked, answer));
        Some(shown.unwrap_or_else(|| answer.text().clone()))
    }

    fn done(&mut self, done: Result<(tokio::task::Id, Done), JoinError>) {
        let (unanswered, failure) = match done {
            Ok((_, Done::Notice)) => return,
            Ok((_, Done::Request(ticket, outcome))) => match outcome {
                Ok((Outcome::Answer(answer), Some(line))) => {
                    if let Some(request) = self.pending.answer(ticket, &answer) {
                        return self.answer(&request, &answer, line);
                    }
                    // Cancelled, so that nothing is owed; or what came fits no request, which still has its one answer.
                    let misfit = "the server's answer does not belong to the request".to_owned();
                    (self.pending.finish(ticket), Failure::Unusable(misfit))
                }
                Ok((Outcome::Batch(answers), Some(line))) => {
                    let shown: Vec<_> = answers.iter().filter_map(|answer| self.shown(ticket, answer)).collect();
                    if !shown.is_empty() {
                        self.outgoing.commit(line.with_text([b"[", &shown.join(&b',')[..], b"]"].concat().into()));
                    }
                    let incomplete = "the batch's answers are not complete".to_owned();
                    (self.pending.finish(ticket), Failure::Broken(incomplete))
                }
                Ok((Outcome::Elsewhere(number), _)) => match self.pending.elsewhere(ticket, number) {
                    Some((unanswered, failure)) => (unanswered, failure),
                    None => return,
                },
                Ok(_) => {
                    (self.pending.finish(ticket), Failure::Broken("the batch's answers are not complete".to_owned()))
                }
                Err(failure) => (self.pending.finish(ticket), failure),
            },
            // Cancelled, or a bug: what it owed is found by its task.
            Err(error) => (self.pending.finish_task(error.id()), Failure::Panicked),
        };
        if !unanswered.is_empty() {
            tracing::warn!("{}", failure.logged());
        }
        for raw_id in unanswered {
            self.outgoing.send_now(failure.answer(&raw_id));
        }
    }

    fn refuse(&self, raw_id: &str, code: i64, why: &str) {
        self.outgoing.send_now(message::error(raw_id, code, why, None));
    }

    /// Answers what is unanswered and takes leave of the server.
    async fn end(mut self) {
        // Whoever asks on the command line, with the end of input right behind, wants to know why.
        let failure = self.upstream.trouble().unwrap_or(Failure::Ending);
        for raw_id in self.pending.drain() {
            self.outgoing.send_now(failure.answer(&raw_id));
        }
        self.tasks.abort_all();
        self.outgoing.flush();
        self.upstream.close().await;
        self.outgoing.finish();
    }
}

async fn make_room(
    outgoing: &Outgoing,
    outcome: Result<Outcome, Failure>,
) -> Result<(Outcome, Option<Reserved>), Failure> {
    let outcome = outcome?;
    let room = match &outcome {
        Outcome::Answer(answer) => Some(outgoing.reserve(answer.text().clone()).await),
        Outcome::Batch(answers) => {
            let all: Vec<_> = answers.iter().map(|answer| &answer.text()[..]).collect();
            Some(outgoing.reserve(all.concat().into()).await)
        }
        _ => None,
    };
    Ok((outcome, room))
}

async fn notify(upstream: &Upstream, message: &Message) {
    if let Err(failure) = upstream.notify(message).await {
        tracing::warn!("{} did not arrive: {failure}", message.method().unwrap_or("the client's answer"));
    }
}

#[cfg(test)]
mod tests;
