//! Is it the server that is silent, or does it wait for us? While it has a question of its own unanswered, on whatever
//! stream that came, a person may be filling in a form, and nobody can expect a word.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::message::{Id, Kind, Message, cancelled_id};

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
    open: VecDeque<Open>,
    /// When the last was answered.
    answered: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    id: Id,
    /// The request of the client's on whose stream it came.
    during: Option<Id>,
}

impl Unanswered {
    /// The server says something that answers nothing, on the stream of this request or on one that all share.
    pub(super) fn said(&self, during: Option<&Id>, message: &Message) {
        match message.kind() {
            Kind::Request { id, .. } => self.with(|state| {
                if state.open.len() == MOST {
                    state.open.pop_front();
                }
                state.open.push_back(Open { since: Instant::now(), id: id.clone(), during: during.cloned() });
            }),
            _ => self.withdrawn(message, |open, id| open.id == *id),
        }
    }

    /// This is on its way to the server, and may answer it; or what it belongs to is not wanted any more.
    pub(super) fn told(&self, message: &Message) {
        match message.kind() {
            // Sessions of one server may use the same ids: one answer is for one of them.
            Kind::Response { id, .. } => self.with(|state| {
                if let Some(place) = state.open.iter().position(|open| open.id == *id) {
                    state.open.remove(place);
                    state.answered = Some(Instant::now());
                }
            }),
            Kind::Batch(elements) => elements.iter().for_each(|element| self.told(element)),
            _ => self.withdrawn(message, |open, id| open.during.as_ref() == Some(id)),
        }
    }

    /// Since when the server's silence is its own: now at the earliest, while it waits for an answer.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        let now = Instant::now();
        self.with(|state| {
            state.open.retain(|open| open.since + EXCUSED > now);
            if state.open.is_empty() { state.answered } else { Some(now) }
        })
    }

    /// Ends what a cancellation, if this is one, leaves without a use.
    fn withdrawn(&self, message: &Message, ends: impl Fn(&Open, &Id) -> bool) {
        let Some(id) = cancelled_id(message) else { return };
        self.with(|state| {
            let before = state.open.len();
            state.open.retain(|open| !ends(open, &id));
            if state.open.len() < before {
                state.answered = Some(Instant::now());
            }
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock())
    }
}
