//! Which idle connections are there, and who waits for one?

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::connection::{Connection, State};
use super::keep_alive::Habits;
use crate::net::spares::IDLE;
use crate::system::since_boot;
use crate::{log, task};

/// So many idle connections to one origin may be kept as long as the server names; what a burst of calls has opened
/// besides is not.
const MOST_KEPT_LONG: usize = 8;

/// A server, as far as connections are concerned.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin(Option<Scheme>, Option<Authority>);

impl Origin {
    pub(super) fn of(uri: &Uri) -> Self {
        Self(uri.scheme().cloned(), uri.authority().cloned())
    }
}

/// The idle connections to all origins. Each request takes one from here, if there is one, and gives its connection back.
#[derive(Default)]
pub(super) struct IdleConnections(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    origins: HashMap<Origin, Connections>,
    /// When the task that closes connections looks at them next, on the clock since boot; `None` if there is no task.
    next_look: Option<Duration>,
}

/// The connections to one origin.
#[derive(Default)]
struct Connections {
    /// The one that was used last stands last.
    idle: Vec<Idle>,
    /// Requests that open a connection and would take one that becomes free before.
    waiting: VecDeque<oneshot::Sender<Connection>>,
    habits: Habits,
}

struct Idle {
    connection: Connection,
    /// The end of its use, on the clock since boot.
    until: Duration,
}

/// What a request gets.
pub(super) enum Taken {
    /// A connection that was idle for this time.
    Idle(Connection, Duration),
    /// There is none. Gets the next that becomes free.
    Nothing(oneshot::Receiver<Connection>),
}

impl IdleConnections {
    /// Takes the connection to this origin that was used last.
    pub(super) fn take(&self, origin: &Origin) -> Taken {
        let now = since_boot();
        let mut inner = self.0.lock();
        let connections = inner.origins.entry(origin.clone()).or_default();
        while let Some(Idle { connection, until }) = connections.idle.pop() {
            let since = connection.state.idle_since.lock().take();
            if now < until && connection.sender.is_ready() {
                return Taken::Idle(connection, now.saturating_sub(since.unwrap_or(now)));
            }
        }
        while connections.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            connections.waiting.pop_front();
        }
        let (sender, next) = oneshot::channel();
        connections.waiting.push_back(sender);
        Taken::Nothing(next)
    }

    /// Whether connections to this origin are used more than once.
    pub(super) fn keeps_connections(&self, origin: &Origin) -> bool {
        self.habits(origin).keeps_connections()
    }

    /// Whether this connection, which carries a request now, may carry another one.
    pub(super) fn may_keep(&self, origin: &Origin, connection: &Connection) -> bool {
        !self.habits(origin).limit(connection.named_limit).is_zero()
    }

    fn habits(&self, origin: &Origin) -> Habits {
        self.0.lock().origins.get(origin).map(|connections| connections.habits).unwrap_or_default()
    }

    /// Takes a connection that carries nothing: gives it to a request that waits, or keeps it for a while.
    pub(super) fn put(self: &Arc<Self>, origin: &Origin, mut connection: Connection) {
        let now = since_boot();
        let mut inner = self.0.lock();
        let Inner { origins, next_look } = &mut *inner;
        let connections = origins.entry(origin.clone()).or_default();
        // A connection that was never used is not used again.
        let limit = if connection.has_answered { connections.habits.limit(connection.named_limit) } else { IDLE };
        if limit.is_zero() || !connection.sender.is_ready() {
            return;
        }
        while let Some(request) = connections.waiting.pop_front() {
            match request.send(connection) {
                Ok(()) => return,
                Err(unwanted) => connection = unwanted,
            }
        }
        let limit = if connections.idle.len() < MOST_KEPT_LONG { limit } else { limit.min(IDLE) };
        let until = now + limit;
        // That a server closes one which was never used says nothing of what it does after an answer.
        *connection.state.idle_since.lock() = connection.has_answered.then_some(now);
        connections.idle.push(Idle { connection, until });
        if next_look.is_none_or(|next| until < next) {
            *next_look = Some(until);
            task::spawn(close_expired(Arc::downgrade(self), until));
        }
    }

    /// A connection to this origin has ended.
    pub(super) fn note_closed(&self, origin: &Origin, state: &State) {
        let Some(since) = state.idle_since.lock().take() else { return };
        let idle = since_boot().saturating_sub(since);
        self.change(origin, |habits| habits.note_closed(idle));
    }

    /// A request was lost on a connection that had been idle for this time, and was given the request at `sent_at`. The
    /// other idle connections are hardly better.
    pub(super) fn note_lost(&self, origin: &Origin, idle: Duration, sent_at: Duration) {
        let after = since_boot().saturating_sub(sent_at);
        self.change(origin, |habits| habits.note_lost(idle, after));
        if let Some(connections) = self.0.lock().origins.get_mut(origin) {
            connections.close_all();
        }
    }

    fn change(&self, origin: &Origin, note: impl FnOnce(&mut Habits) -> bool) {
        let mut inner = self.0.lock();
        let connections = inner.origins.entry(origin.clone()).or_default();
        if note(&mut connections.habits) && !connections.habits.keeps_connections() {
            connections.close_all();
            let host = origin.1.as_ref().map_or("", Authority::as_str);
            log::info!("{host} closes connections without saying so; from now on each of them carries one request");
        }
    }

    /// Closes what is no longer to be used. Returns when to look again.
    fn look(&self, planned: Duration) -> Option<Duration> {
        let now = since_boot();
        let mut inner = self.0.lock();
        if inner.next_look != Some(planned) {
            // Another task looks earlier.
            return None;
        }
        let is_over = |idle: &Idle| now >= idle.until || !idle.connection.sender.is_ready();
        for connections in inner.origins.values_mut() {
            for over in connections.idle.extract_if(.., |idle| is_over(idle)) {
                over.connection.state.idle_since.lock().take();
            }
        }
        inner.origins.retain(|_, connections| !connections.is_forgettable());
        let all = inner.origins.values().flat_map(|connections| &connections.idle);
        inner.next_look = all.map(|idle| idle.until).min();
        inner.next_look
    }
}

impl Connections {
    fn close_all(&mut self) {
        for Idle { connection, .. } in self.idle.drain(..) {
            connection.state.idle_since.lock().take();
        }
    }

    fn is_forgettable(&self) -> bool {
        self.idle.is_empty() && self.waiting.is_empty() && self.habits == Habits::default()
    }
}

/// Closes connections that are no longer to be used, from this time on, as long as there are any.
async fn close_expired(connections: Weak<IdleConnections>, mut next: Duration) {
    loop {
        tokio::time::sleep(next.saturating_sub(since_boot())).await;
        let Some(connections) = connections.upgrade() else { return };
        let Some(later) = connections.look(next) else { return };
        next = later;
    }
}
