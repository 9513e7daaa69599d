//! What goes into the translator's machine, and what is done of what comes out?

use std::collections::HashMap;
use std::future::poll_fn;

use futures_util::future::OptionFuture;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::sessions::{Done, Next, Sessions, TaskEnd};
use crate::log;
use crate::message::{Id, Kind, Message};
use crate::stdio::{Outgoing, Reserved};
use crate::translate::to_legacy::{Action, ToLegacy};
use crate::upstream::Failure;
use crate::upstream::exchange::{Event, Outcome, SessionEvent};

/// What the client wants.
pub(super) enum Command {
    /// The response to this request. The number tells it from a later one of the same id.
    Request(Message, u64, oneshot::Sender<Message>),
    /// The same for a subscription that is acknowledged.
    Listen(Message, u64, oneshot::Sender<Message>),
    /// A notification.
    Notify(Message),
    /// No response any more.
    Abandon(Id, u64),
    /// The client has nothing more to send.
    EndOfInput,
    /// The end of all sessions, and to know when.
    Close(oneshot::Sender<()>),
}

/// Owns the machine. One task runs it.
pub(super) struct Driver {
    machine: ToLegacy,
    sessions: Sessions,
    outgoing: Outgoing,
    /// The client's requests that wait for their response.
    waiting: HashMap<Id, (u64, oneshot::Sender<Message>)>,
}

impl Driver {
    pub(super) fn new(sessions: Sessions, outgoing: Outgoing) -> Self {
        Self { machine: ToLegacy::new(Box::new(secret), now()), sessions, outgoing, waiting: HashMap::new() }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let due = self.machine.deadline().map(Instant::from_std);
            let due = OptionFuture::from(due.map(tokio::time::sleep_until));
            let sessions = &mut self.sessions;
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Close(closed)) => {
                        self.sessions.close().await;
                        closed.send(()).ok();
                        return;
                    }
                    Some(command) => self.command(command),
                    None => return,
                },
                next = poll_fn(|context| sessions.poll_next(context)) => match next {
                    Next::Event(session, event) => self.session_event(session, event),
                    Next::TaskEnd(end) => self.task_ended(end),
                },
                Some(()) = due => self.machine.time_passed(now()),
            }
            self.perform(None);
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Request(message, number, answer) => {
                let Kind::Request { id, .. } = message.kind() else { return };
                self.waiting.insert(id.clone(), (number, answer));
                self.machine.client_request(&message, false, now());
            }
            Command::Listen(message, number, answer) => {
                let Kind::Request { id, .. } = message.kind() else { return };
                self.waiting.insert(id.clone(), (number, answer));
                self.machine.client_request(&message, true, now());
            }
            Command::Notify(message) if message.method() == Some("notifications/cancelled") => {
                self.machine.client_cancelled(&message);
            }
            Command::Notify(message) => self.machine.client_notification(&message),
            Command::Abandon(id, number) => {
                if self.waiting.get(&id).is_some_and(|(waiting, _)| *waiting == number) {
                    self.waiting.remove(&id);
                    self.machine.request_dropped(&id, None);
                }
            }
            Command::EndOfInput | Command::Close(_) => self.machine.end_of_input(),
        }
    }

    fn session_event(&mut self, session: u64, event: SessionEvent) {
        match event {
            SessionEvent::Message { message, during, room } => {
                self.machine.server_message(session, during.as_ref(), &message, now());
                self.perform(room);
            }
            SessionEvent::Response(Event::Answer(answer, _)) => match self.sessions.take_answered(session, &answer) {
                Some(request) => self.machine.server_response(session, &answer.with_id(&request.raw_id), now()),
                None => log::debug!("an answer to no request that waits is dropped"),
            },
            SessionEvent::Response(Event::Undeliverable(id, failure)) => self.fail(session, &id, &failure),
            SessionEvent::Response(Event::StreamLost(stream, failure)) => {
                for id in self.sessions.lose_stream(session, stream, failure.clone()) {
                    self.fail(session, &id, &failure);
                }
            }
            SessionEvent::Opened(answer) => self.machine.session_opened(session, &answer, now()),
            SessionEvent::Reopened => self.machine.session_reopened(session, now()),
        }
    }

    fn task_ended(&mut self, end: TaskEnd) {
        let (session, id, outcome) = match end {
            Ok((_, Done::Nothing)) => return,
            Ok((_, Done::Opened(session, outcome))) => return self.opened(session, outcome),
            Ok((_, Done::ReplyFailed(exchange, failure))) => return self.reply_failed(exchange, &failure),
            Ok((task, Done::Request(session, id, outcome))) => {
                if !self.sessions.is_current(session, &id, task) {
                    return;
                }
                (session, id, outcome)
            }
            Err(error) => {
                let Some((session, id)) = self.sessions.of_task(error.id()) else { return };
                (session, id, Err(Failure::Panicked))
            }
        };
        match outcome {
            Ok(Outcome::Answer(answer)) => {
                self.sessions.take(session, &id);
                self.machine.server_response(session, &answer, now());
            }
            Ok(Outcome::Elsewhere(stream)) => {
                if let Some((id, failure)) = self.sessions.set_stream(session, id, stream) {
                    self.fail(session, &id, &failure);
                }
            }
            Ok(Outcome::Done | Outcome::Batch(_)) => {
                self.fail(session, &id, &Failure::Broken("there is no answer".to_owned()));
            }
            Err(failure) => self.fail(session, &id, &failure),
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
            // Perhaps one in the place of the server's; that comes as an event.
            _ => self.machine.session_opened_provisionally(session, &answer, now()),
        }
    }

    /// A reply has not arrived. One that may have arrived all the same is waited for.
    fn reply_failed(&mut self, exchange: u64, failure: &Failure) {
        log::warn!("the client's answer did not arrive: {failure}");
        if !matches!(failure, Failure::Broken(_)) {
            self.machine.reply_undeliverable(exchange, &failure.answer("null"), now());
        }
    }

    /// A request has no response of the server's own.
    fn fail(&mut self, session: u64, id: &Id, failure: &Failure) {
        let Some(request) = self.sessions.take(session, id) else { return };
        self.sessions.log_failure(session, failure);
        self.machine.server_response(session, &failure.answer(&request.raw_id), now());
    }

    /// Performs the machine's actions. `room`: in the queue to the client, for what came of a message of the server.
    fn perform(&mut self, mut room: Option<Reserved>) {
        for action in self.machine.actions() {
            match action {
                Action::Open { session, initialize, initialized } => {
                    self.sessions.open(session, initialize, initialized);
                }
                Action::Close { session } => self.sessions.leave(session),
                Action::Request { session, message } => self.sessions.request(session, message),
                Action::Notify { session, message } => self.sessions.notify(session, message),
                Action::Reply { session, exchange, message } => self.sessions.reply(session, exchange, message),
                Action::Cancel { session, id, message } => self.sessions.cancel(session, id, message),
                Action::Answer(answer) => {
                    let Kind::Response { id, .. } = answer.kind() else { continue };
                    if let Some((_, waiter)) = self.waiting.remove(id) {
                        waiter.send(answer).ok();
                    }
                }
                Action::Deliver(message) => match room.take() {
                    Some(room) => self.outgoing.commit(room.with_text(message.into_text())),
                    None => self.outgoing.send_now(message.into_text()),
                },
                Action::Warn(what) => log::warn!("{}", log::foreign(&what)),
            }
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Text that no client can guess.
fn secret() -> String {
    let mut bytes = [0; 16];
    // It fails only where the system has no randomness at all, and then no connection can be encrypted either.
    if SystemRandom::new().fill(&mut bytes).is_err() {
        log::error!("the system gives no random numbers");
    }
    format!("mcp-ferry-{:032x}", u128::from_be_bytes(bytes))
}
