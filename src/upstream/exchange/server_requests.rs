//! Which requests of the server has the client not answered yet? While there is one, on whatever stream it came, a
//! person may be filling in a form, and the server cannot be expected to send anything.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::message::{Id, Kind, Message, cancelled_id};

/// For how long a request of the server excuses its silence. Some clients never answer.
const EXCUSED: Duration = Duration::from_secs(30 * 60);

/// How many requests are kept, the latest.
const MOST: usize = 1024;

/// A request with a longer id is not kept, in bytes.
const LONGEST_ID: usize = 1024;

/// The requests of one server, in all its sessions, that have no response yet. Every session adds to it and every
/// message of the client may end one; whoever waits for the server reads it.
#[derive(Debug, Default)]
pub(crate) struct ServerRequests(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// In the order they came.
    open: VecDeque<Open>,
    /// When the last one ended.
    ended: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    id: Id,
    /// The request of the client on whose stream it came.
    during: Option<Id>,
}

impl ServerRequests {
    /// Notes what the server sends on the stream of this request, or on a stream that all requests share.
    pub(super) fn note_sent(&self, during: Option<&Id>, message: &Message) {
        if let Kind::Request { id, .. } = message.kind() {
            if id.len() > LONGEST_ID {
                return;
            }
            let state = &mut *self.0.lock();
            if state.open.len() == MOST {
                state.open.pop_front();
            }
            state.open.push_back(Open { since: Instant::now(), id: id.clone(), during: during.cloned() });
        } else {
            self.end_cancelled(message, |open, id| open.id == *id);
        }
    }

    /// Notes what the client sends: it may answer a request of the server, or cancel the request that one belongs to.
    pub(crate) fn note_received(&self, message: &Message) {
        match message.kind() {
            // Sessions of one server may use the same ids: one response is for one of them.
            Kind::Response { id, .. } => {
                let state = &mut *self.0.lock();
                if let Some(place) = state.open.iter().position(|open| open.id == *id) {
                    state.open.remove(place);
                    state.ended = Some(Instant::now());
                }
            }
            Kind::Batch(elements) => elements.iter().for_each(|element| self.note_received(element)),
            _ => self.end_cancelled(message, |open, id| open.during.as_ref() == Some(id)),
        }
    }

    /// Since when the server has had nothing to wait for; now, while it waits for the client.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let now = Instant::now();
        let state = &mut *self.0.lock();
        state.open.retain(|open| open.since + EXCUSED > now);
        if state.open.is_empty() { state.ended } else { Some(now) }
    }

    /// Ends the requests that a cancellation, if this is one, makes useless.
    fn end_cancelled(&self, message: &Message, ends: impl Fn(&Open, &Id) -> bool) {
        let Some(id) = cancelled_id(message) else { return };
        let state = &mut *self.0.lock();
        let before = state.open.len();
        state.open.retain(|open| !ends(open, &id));
        if state.open.len() < before {
            state.ended = Some(Instant::now());
        }
    }
}
