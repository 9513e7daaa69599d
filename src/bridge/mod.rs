//! Who owns a request in flight? The loop here, alone.
//!
//! Each request runs in a task of its own and its answer is written by the loop, so that there is one place where
//! "exactly one answer" holds: a request is in the [`Pending`] table from the moment it is read until its one answer
//! goes out, and what is not in the table is not answered. Cancelling drops the task; dropping a task drops its HTTP
//! exchange.

mod answers;
mod cancellation;
mod guard;
mod incoming;
mod notifications;
mod pending;

use std::collections::VecDeque;
use std::future::{Future, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, Sleep};

use crate::message::Message;
use crate::stdio::{Connection, Line, Outgoing, Reserved};
use crate::task;
use crate::tools::{Changes, Filter, Rules};
use crate::upstream::Failure;
use crate::upstream::{Event, Outcome, ToClient, Upstream};
use guard::Guard;
use pending::{Pending, Ticket};

/// How long requests in flight are waited for once the client has nothing more to say. Clients end a server that takes
/// two seconds.
const DRAIN: Duration = Duration::from_millis(1500);

/// How long a client may take to read the last answers.
const FLUSH: Duration = Duration::from_millis(500);

/// What did the user say about requests?
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The time that one may take.
    pub limit: Option<Duration>,
    /// Which tools may be listed and called.
    pub tools: Option<Rules>,
}

/// Carries messages between a client and the upstream that `connect` makes, until the client ends or `shutdown`
/// resolves; then ends in good order.
pub async fn run(
    connection: Connection,
    connect: impl FnOnce(ToClient) -> Upstream,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let Connection { incoming, outgoing, written } = connection;
    let (sender, events) = mpsc::unbounded_channel();
    let mut bridge = Bridge::new(outgoing, connect, options, sender);
    let written = written.shared();
    // One task watches for the end, so that the loop has one thing to look at, not one for every signal.
    let gone = written.clone();
    let end = task::spawn(async move {
        tokio::select! {
            () = shutdown => {}
            _ = gone => {}
        }
    });
    let flushing = task::spawn(bridge.outgoing.clone().flush_when_due());
    let carrying = task::spawn(async move {
        bridge.carry(incoming, events, end).await;
        bridge.end().await;
    });
    // A task of its own: each time that what the runtime itself runs is woken, the runtime looks at its sockets first.
    if let Err(panicked) = carrying.await {
        std::panic::resume_unwind(panicked.into_panic());
    }
    // A client that is gone has "written" settled, and one that does not read gets no more time than this.
    drop(tokio::time::timeout(FLUSH, written).await);
    flushing.abort();
}

/// At this instant, if there is one.
fn at(instant: Option<Instant>) -> OptionFuture<Sleep> {
    instant.map(tokio::time::sleep_until).into()
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
    fn new(
        outgoing: Outgoing,
        connect: impl FnOnce(ToClient) -> Upstream,
        options: Options,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        let changes = options.tools.is_some().then(Changes::default);
        let filter = options.tools.zip(changes.clone()).map(|(rules, changes)| Filter::new(rules, changes));
        Self {
            guard: filter.map(|filter| Guard::new(filter, events.clone())),
            upstream: connect(ToClient::new(outgoing.clone(), events, changes)),
            outgoing,
            pending: Pending::default(),
            tasks: JoinSet::new(),
            notices: None,
            limit: options.limit,
            deadlines: VecDeque::new(),
        }
    }

    /// The loop: until the client has ended and nothing is owed any more, or for as long as that may take, or until
    /// `end`.
    async fn carry(
        &mut self,
        mut incoming: mpsc::Receiver<Line>,
        mut events: mpsc::UnboundedReceiver<Event>,
        mut end: JoinHandle<()>,
    ) {
        let mut ended = None;
        loop {
            // No answer is left to wait for, nothing of the client's on its way.
            if ended.is_some() && self.tasks.is_empty() && self.pending.is_empty() {
                return;
            }
            tokio::select! {
                // Events first: a task's own come before its end is noticed.
                biased;
                _ = &mut end => return,
                Some(event) = events.recv() => self.event(event),
                Some(done) = self.tasks.join_next_with_id() => self.done(done),
                line = incoming.recv(), if ended.is_none() => match line {
                    Some(line) => self.line(line),
                    None => {
                        ended = Some(Instant::now() + DRAIN);
                        // Its task ends when it has posted what it has.
                        self.notices = None;
                        self.upstream.end_of_input();
                    }
                },
                Some(()) = at(ended) => return,
                // A person takes longer than a client that has ended would wait.
                () = self.upstream.until_waiting(self.pending.len()), if ended.is_some() && self.only_requests() => return,
                Some(()) = at(self.deadlines.front().map(|(at, _)| *at)) => self.expire(),
                // Last: what is ready now has had its say.
                () = ready(()), if self.outgoing.is_gathering() => self.outgoing.flush(),
            }
        }
    }

    /// Whether nothing but requests is on its way: each has one task, or shares one with others of its batch.
    fn only_requests(&self) -> bool {
        !self.pending.is_empty() && self.tasks.len() <= self.pending.len()
    }

    /// Answers what is unanswered and takes leave of the server.
    async fn end(mut self) {
        // Whoever asks on the command line, with the end of input right behind, wants to know why.
        let failure = self.upstream.trouble().unwrap_or(Failure::Ending);
        for raw_id in self.pending.drain() {
            self.outgoing.send_now(failure.answer(&raw_id).into_text());
        }
        self.tasks.abort_all();
        self.outgoing.flush();
        self.upstream.close().await;
        self.outgoing.finish();
    }
}

#[cfg(test)]
mod tests;
