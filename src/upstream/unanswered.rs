//! Is it the server that is silent, or does it wait for us? While it has a question of its own unanswered, on whatever
//! stream that came, a person may be filling in a form, and nobody can expect a word.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::message::{Id, Kind, Message};
use crate::translate::members::Members;
use crate::translate::text;

/// For how long a question excuses silence. Some clients never answer.
const EXCUSED: Duration = Duration::from_secs(30 * 60);

/// How many questions are kept in mind, the latest.
const MOST: usize = 1024;

/// The questions of a server's, in all its sessions, that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Unanswered(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// In the order they came.
    open: VecDeque<(Instant, Id)>,
    /// When the last was answered.
    answered: Option<Instant>,
}

impl Unanswered {
    /// The server says something that answers nothing.
    pub(super) fn said(&self, message: &Message) {
        match message.kind() {
            Kind::Request { id, .. } => self.with(|state| {
                if state.open.len() == MOST {
                    state.open.pop_front();
                }
                state.open.push_back((Instant::now(), id.clone()));
            }),
            Kind::Notification { method } if &**method == "notifications/cancelled" => {
                let params = Members::of(text(message)).and_then(|members| members.object("params"));
                if let Some(raw_id) = params.and_then(|params| params.get("requestId")) {
                    self.settle(&Id::from_json(raw_id));
                }
            }
            _ => {}
        }
    }

    /// This is on its way to the server, and may answer it.
    pub(super) fn told(&self, message: &Message) {
        match message.kind() {
            Kind::Response { id, .. } => self.settle(id),
            Kind::Batch(elements) => elements.iter().for_each(|element| self.told(element)),
            _ => {}
        }
    }

    /// Since when the server's silence is its own: now at the earliest, while it waits for an answer.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        let now = Instant::now();
        self.with(|state| {
            state.open.retain(|(at, _)| *at + EXCUSED > now);
            if state.open.is_empty() { state.answered } else { Some(now) }
        })
    }

    fn settle(&self, id: &Id) {
        self.with(|state| {
            // Sessions of one server may use the same ids: one answer is for one of them.
            if let Some(place) = state.open.iter().position(|(_, open)| open == id) {
                state.open.remove(place);
                state.answered = Some(Instant::now());
            }
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
