//! Who owns a request in flight? The loop here, alone.
//!
//! Each request runs in a task of its own and its answer is written by the loop, so that there is one place where
//! "exactly one answer" holds: a request is [`pending`] from the moment it is read until its one answer goes out.
//! Cancelling drops the task; dropping a task drops its HTTP exchange.

mod answers;
mod pending;
mod tasks;
mod tool_guard;
mod tool_list;

use std::collections::{HashSet, VecDeque};
use std::future::{Future, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, Sleep};

use crate::log;
use crate::message::{self, Kind, Message, cancelled_id, code};
use crate::stdio::{Connection, Line, Outgoing};
use crate::task;
use crate::tools::{Changes, Filter, Rules};
use crate::upstream::{Event, Failure, ToClient, Upstream};
use answers::Answers;
use pending::{Pending, Ticket};
use tasks::Tasks;
use tool_guard::ToolGuard;

/// How long requests may take after the end of input. Clients kill a program that takes two seconds.
const DRAIN: Duration = Duration::from_millis(1500);

/// How long a client may take to read the last answers.
const FLUSH: Duration = Duration::from_millis(500);

/// What the user wants of requests.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The time that a request may take.
    pub limit: Option<Duration>,
    /// Which tools may be listed and called.
    pub tools: Option<Rules>,
}

/// Carries messages between a client and the upstream that `connect` makes, until the client ends or `shutdown`
/// resolves. Then ends in good order.
pub async fn run(
    connection: Connection,
    connect: impl FnOnce(ToClient) -> Upstream,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> bool {
    let Connection { incoming, outgoing, written } = connection;
    let (sender, events) = mpsc::unbounded_channel();
    let mut bridge = Bridge::new(outgoing.clone(), connect, options, sender);
    let written = written.shared();
    // One task waits for every reason to end, so that the loop polls one future instead of one for each signal.
    let client_gone = written.clone();
    let end = task::spawn(async move {
        tokio::select! {
            () = shutdown => {}
            _ = client_gone => {}
        }
    });
    let flushing = task::spawn(outgoing.flush_when_due());
    let carrying = task::spawn(async move {
        bridge.carry(incoming, events, end).await;
        bridge.end().await
    });
    // A task of its own: each time that the future which the runtime itself runs is woken, the runtime looks at its
    // sockets first.
    let is_kept = carrying.await.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()));
    // Resolves at once if the client is gone. A client that does not read gets no more time than this.
    drop(tokio::time::timeout(FLUSH, written).await);
    flushing.abort();
    is_kept
}

struct Bridge {
    upstream: Upstream,
    tasks: Tasks,
    answers: Answers,
    guard: Option<ToolGuard>,
    limit: Option<Duration>,
    /// When each request has taken too long, in the order of the requests. Some of them are answered already.
    deadlines: VecDeque<(Instant, Ticket)>,
}

impl Bridge {
    fn new(
        outgoing: Outgoing,
        connect: impl FnOnce(ToClient) -> Upstream,
        options: Options,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        let changes = options.tools.is_some().then(Changes::default);
        let filter = options.tools.zip(changes.clone()).map(|(rules, changes)| Filter::new(rules, changes));
        let guard = filter.map(|filter| ToolGuard::new(filter, events.clone()));
        let upstream = connect(ToClient::new(outgoing.clone(), events, changes));
        Self {
            tasks: Tasks::new(upstream.clone(), outgoing.clone(), guard.clone()),
            answers: Answers {
                upstream: upstream.clone(),
                pending: Pending::default(),
                outgoing,
                guard: guard.clone(),
            },
            upstream,
            guard,
            limit: options.limit,
            deadlines: VecDeque::new(),
        }
    }

    /// The loop. It runs until `end`, or until the client has ended and its requests have had their time.
    async fn carry(
        &mut self,
        mut incoming: mpsc::Receiver<Line>,
        mut events: mpsc::UnboundedReceiver<Event>,
        mut end: JoinHandle<()>,
    ) {
        // Set when the client has ended.
        let mut give_up = None;
        loop {
            if give_up.is_some() && self.tasks.running.is_empty() && self.answers.pending.len() == 0 {
                return;
            }
            tokio::select! {
                // Events first: those that a task sends come before its end.
                biased;
                _ = &mut end => return,
                Some(event) = events.recv() => self.answers.event(event),
                Some(end) = self.tasks.running.join_next_with_id() => self.answers.task_end(end),
                line = incoming.recv(), if give_up.is_none() => match line {
                    Some(line) => self.receive(line),
                    None => {
                        give_up = Some(Instant::now() + DRAIN);
                        self.tasks.notifications = None;
                        self.upstream.end_of_input();
                    }
                },
                Some(()) = at(give_up) => return,
                // A person who logs in takes longer than the client's end allows.
                () = self.upstream.until_waiting(self.answers.pending.len()), if give_up.is_some() && self.only_requests() => {
                    return;
                }
                Some(()) = at(self.deadlines.front().map(|(at, _)| *at)) => self.time_out(),
                // Last: every task that is ready now has written its line.
                () = ready(()), if self.answers.outgoing.is_gathering() => self.answers.outgoing.flush(),
            }
        }
    }

    /// Whether every task carries a request. A request has one task, or shares it with others of its batch.
    fn only_requests(&self) -> bool {
        self.answers.pending.len() > 0 && self.tasks.running.len() <= self.answers.pending.len()
    }

    fn receive(&mut self, line: Line) {
        match line {
            Line::Text(text) => match Message::parse(text) {
                Ok(message) => self.route(message),
                Err(error) => self.answers.refuse("null", code::PARSE_ERROR, &error.to_string()),
            },
            Line::TooLong { answer_id: Some(raw_id), .. } => {
                log::warn!("the client's answer {raw_id} is longer than --max-message-size allows");
                let why = "the client's answer is longer than the bridge allows";
                self.tasks.notify(message::error(&raw_id, code::INTERNAL_ERROR, why, None));
            }
            Line::TooLong { request_id, .. } => {
                let failure = Failure::TooLarge("the message is longer than --max-message-size allows".to_owned());
                log::warn!("{failure}");
                let answer = failure.answer(request_id.as_deref().unwrap_or("null"));
                self.answers.outgoing.send_now(answer.into_text());
            }
        }
    }

    fn route(&mut self, message: Message) {
        let message = match &self.guard {
            Some(guard) if message.requests().is_empty() => match guard.filter_notification(message) {
                Some(message) => message,
                None => return,
            },
            _ => message,
        };
        let method = message.method().unwrap_or("an answer or a batch");
        log::debug!("from the client: {method} {}", message.raw_id().unwrap_or_default());
        match message.kind() {
            Kind::Request { .. } => self.request(message),
            Kind::Notification { method } => match &**method {
                "notifications/cancelled" => self.cancel(message),
                "notifications/initialized" => self.upstream.initialized(message),
                _ => self.tasks.notify_in_order(message),
            },
            Kind::Response { .. } => self.tasks.notify(message),
            Kind::Batch(elements) if elements.is_empty() => {
                self.answers.refuse("null", code::INVALID_REQUEST, "the batch is empty");
            }
            // Each request is answered all the same. A cancellation is for a request that is in flight here.
            Kind::Batch(elements) if self.upstream.takes_batches_apart() || elements.iter().any(is_cancellation) => {
                for element in elements.clone() {
                    self.route(element);
                }
            }
            Kind::Batch(elements) => {
                let is_invalid = |element: &&Message| matches!(element.kind(), Kind::Invalid(_));
                for element in elements.iter().filter(is_invalid) {
                    let why = "an element of the batch is not a JSON-RPC message";
                    self.answers.refuse(element.raw_id().unwrap_or("null"), code::INVALID_REQUEST, why);
                }
                if !message.requests().is_empty() {
                    self.request(message);
                } else if !elements.iter().all(|element| is_invalid(&element)) {
                    self.tasks.notify(message);
                }
            }
            Kind::Invalid(_) => {
                let raw_id = message.raw_id().unwrap_or("null");
                self.answers.refuse(raw_id, code::INVALID_REQUEST, "this is not a JSON-RPC message");
            }
        }
    }

    /// Gives a request, or a batch, its task.
    fn request(&mut self, message: Message) {
        let method = message.method().unwrap_or_default();
        if method == "server/discover" && !self.upstream.takes_discover() {
            // The client falls back to `initialize`, and then its messages need no translation.
            let why = "server/discover is not supported; use initialize";
            return self.answers.refuse(message.raw_id().unwrap_or("null"), code::METHOD_NOT_FOUND, why);
        }
        let ids = message.requests();
        // A batch may hold many thousands of requests, so their ids are not compared in pairs.
        let is_repeated = ids.len() > 1 && ids.iter().map(|(id, _)| id).collect::<HashSet<_>>().len() < ids.len();
        if is_repeated || ids.iter().any(|(id, _)| self.answers.pending.contains(id)) {
            for (_, raw_id) in ids {
                self.answers.refuse(&raw_id, code::INVALID_REQUEST, "a request with this id is still in flight");
            }
            return;
        }
        let lists = self.guard.as_ref().map(|guard| guard.list_requests(&message)).unwrap_or_default();
        let ticket = self.answers.pending.ticket();
        let is_handshake = self.upstream.begins_session(&message);
        // `initialize` has its own limit and must not be cancelled; a subscription has no end.
        if let Some(limit) = self.limit.filter(|_| !is_handshake && method != "subscriptions/listen") {
            self.deadlines.push_back((Instant::now() + limit, ticket));
        }
        let task = if is_handshake {
            self.guard.iter().for_each(ToolGuard::new_session);
            self.tasks.initialize(ticket, message)
        } else {
            self.tasks.request(ticket, message)
        };
        self.answers.pending.insert(ticket, ids, lists, &task);
    }

    /// Takes the client's cancellation. It goes no further for a request that is answered already or was never sent.
    fn cancel(&mut self, message: Message) {
        let Some(id) = cancelled_id(&message) else { return self.tasks.notify_in_order(message) };
        if let Some(request) = self.answers.pending.take(&id) {
            self.cancel_with_server(request.task, message);
        } else if self.upstream.is_translated() {
            // The request may have been answered with input requests while the cancellation was on its way.
            self.tasks.cancel(message, None);
        } else {
            log::debug!("request {id} is not in flight; its cancellation is dropped");
        }
    }

    /// The oldest request has taken too long: it is answered, and cancelled with the server.
    fn time_out(&mut self) {
        let (Some((_, ticket)), Some(limit)) = (self.deadlines.pop_front(), self.limit) else { return };
        for (task, cancelled) in self.answers.time_out(ticket, limit) {
            self.cancel_with_server(task, cancelled);
        }
    }

    /// Sends a cancellation with the id that the server knows, if the request may have been sent. Drops the request's
    /// task, unless other requests of its batch still need it.
    fn cancel_with_server(&mut self, task: AbortHandle, cancelled: Message) {
        if self.answers.pending.has_task(&task) {
            self.tasks.cancel(cancelled, None);
        } else if self.upstream.is_open() {
            self.tasks.cancel(cancelled, Some(task));
        } else {
            task.abort();
        }
    }

    /// Answers every request that is left, and closes the session.
    async fn end(mut self) -> bool {
        // A user who sends requests from a shell, and closes stdin right after them, wants to read the reason.
        let failure = self.upstream.trouble().unwrap_or(Failure::Ending);
        let unanswered = self.answers.pending.take_where(|_| true);
        self.answers.fail(unanswered, &failure);
        self.tasks.running.abort_all();
        self.answers.outgoing.flush();
        let is_kept = self.upstream.close().await;
        self.answers.outgoing.finish();
        is_kept
    }
}

fn is_cancellation(message: &Message) -> bool {
    message.method() == Some("notifications/cancelled")
}

/// Resolves at this instant; at once, with `None`, without one.
fn at(instant: Option<Instant>) -> OptionFuture<Sleep> {
    instant.map(tokio::time::sleep_until).into()
}

#[cfg(test)]
mod tests;
