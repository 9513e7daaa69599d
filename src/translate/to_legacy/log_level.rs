//! Which log messages does the server of a session send? A session has one level, so it is the lowest that any request
//! in flight wants.

use std::time::Instant;

use super::outbox::{OWN_REQUEST, Outbox, ServerRequest, Timer};
use crate::translate::protocol::LOG_LEVELS;

/// A level of log messages; a higher one is more severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(usize);

impl Level {
    pub(super) fn named(name: &str) -> Option<Self> {
        LOG_LEVELS.iter().position(|level| *level == name).map(Self)
    }
}

#[derive(Debug, Default)]
pub(super) struct LogLevel {
    /// The last level that the server has answered.
    current: Option<Level>,
    /// The `logging/setLevel` in flight. There is only one, because a server may carry out two in the wrong order.
    pending: Option<SetLevel>,
    /// The exchanges that are sent when the server sends the log messages that they want.
    pub(super) waiting: Vec<u64>,
}

#[derive(Debug)]
struct SetLevel {
    raw_id: Box<str>,
    /// `None` if the session was opened again since.
    level: Option<Level>,
    until: Instant,
}

impl LogLevel {
    /// Whether the server sends messages of this level, whatever becomes of the request in flight.
    fn includes(&self, level: Level) -> bool {
        let includes = |lowest: Option<Level>| lowest.is_some_and(|lowest| lowest <= level);
        includes(self.current) && self.pending.as_ref().is_none_or(|pending| includes(pending.level))
    }

    /// The session is open. A server may have ignored what it was sent before.
    pub(super) fn session_opened(&mut self) {
        self.current = None;
    }

    /// The session was lost and opened again.
    pub(super) fn session_reopened(&mut self) {
        self.current = None;
        if let Some(pending) = &mut self.pending {
            pending.level = None;
        }
    }

    /// Asks the server for this level, unless it has that level or has yet to answer an earlier request.
    pub(super) fn request(&mut self, session: u64, wanted: Option<Level>, out: &mut Outbox) {
        let Some(level) = wanted.filter(|wanted| self.pending.is_none() && self.current != Some(*wanted)) else {
            return;
        };
        let params = format!(r#"{{"level":"{}"}}"#, LOG_LEVELS[level.0]);
        let raw_id = out.own_request(session, "logging/setLevel", &params, ServerRequest::LogLevel);
        let until = out.now + OWN_REQUEST;
        out.set_timer(until, Timer::LogLevel(session));
        self.pending = Some(SetLevel { raw_id, level: Some(level), until });
    }

    /// The exchanges that need not wait any more. `wanted`: the level that an exchange wants.
    pub(super) fn take_ready(&mut self, wanted: impl Fn(u64) -> Option<Level>) -> Vec<u64> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (ready, waiting) = waiting.partition(|exchange| wanted(*exchange).is_none_or(|level| self.includes(level)));
        self.waiting = waiting;
        ready
    }

    /// The server has answered, perhaps with an error. It is not asked for the same level again and again.
    pub(super) fn answered(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.current = pending.level;
        }
    }

    /// Gives up the request if it is overdue. Returns the exchanges that waited: they matter more than the log.
    pub(super) fn expire(&mut self, session: u64, out: &mut Outbox) -> Option<Vec<u64>> {
        let pending = self.pending.take_if(|pending| pending.until <= out.now)?;
        self.current = pending.level;
        out.cancel_own(session, &pending.raw_id);
        out.warn("the server does not answer logging/setLevel".to_owned());
        Some(std::mem::take(&mut self.waiting))
    }
}
