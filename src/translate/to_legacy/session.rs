//! Which session does a request belong in? One that was opened with its client's very capabilities: what a server may
//! ask of a client was settled then.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use serde_json::Value;

use super::asked::Asked;
use super::level::Logging;
use super::listen::Listen;
use super::resources::Resource;
use super::told::{self, Server};
use super::{Action, IDLE, Place, Timer, ToLegacy};
use crate::message::{self, Id, Message};
use crate::message::{Change, Members, quoted};
use crate::translate::LATEST_LEGACY;

/// How many there may be at a time.
const MOST_SESSIONS: usize = 8;

/// A session with the server.
#[derive(Debug)]
pub(super) struct Session {
    /// The client's, with which it was opened.
    pub(super) capabilities: Value,
    /// The handshake's request, in the latest legacy revision.
    initialize: Option<Message>,
    /// What waits for the server's answer to `initialize`; nothing does afterwards.
    waiting: Option<Vec<Waiting>>,
    pub(super) server: Server,
    pub(super) logging: Logging,
    pub(super) resources: HashMap<String, Resource>,
    pub(super) used: Instant,
}

#[derive(Debug)]
enum Waiting {
    Discover(Box<str>),
    Exchange(u64),
    Listen(u64),
}

impl ToLegacy {
    /// The session for this request, opened if there is none. `None` if there are too many in use.
    pub(super) fn session_for(&mut self, asked: &Asked, now: Instant) -> Option<u64> {
        // Compared as values: order and white space say nothing.
        let capabilities: Value = serde_json::from_str(&asked.capabilities).unwrap_or_default();
        let fits = self.sessions.iter_mut().find(|(_, session)| session.capabilities == capabilities);
        if let Some((number, session)) = fits {
            session.used = now;
            return Some(*number);
        }
        if self.sessions.len() >= MOST_SESSIONS {
            let unused = self.sessions.iter().filter(|(number, _)| !self.is_busy(**number));
            let oldest = unused.min_by_key(|(_, session)| session.used).map(|(number, _)| *number);
            let Some(oldest) = oldest else { return self.makeshift_for(asked, &capabilities, now) };
            self.close(oldest);
        }
        let number = self.next();
        self.sessions.insert(number, Session::new(capabilities, now));
        // One alone is never idle.
        if self.sessions.len() > 1 {
            let timers = self.sessions.iter().map(|(number, session)| (session.used + IDLE, Timer::Idle(*number)));
            self.timers.extend(timers);
        }
        self.open(number, asked);
        Some(number)
    }

    /// A session in which the server asks nothing that this client cannot answer, though it may ask less than it could.
    fn makeshift_for(&mut self, asked: &Asked, capabilities: &Value, now: Instant) -> Option<u64> {
        // Only what has a subject may be answered with a question.
        let serves = |session: &Session| asked.subject.is_none() || is_part_of(&session.capabilities, capabilities);
        let fits = self.sessions.iter_mut().filter(|(_, session)| serves(session));
        let (number, session) = fits.max_by_key(|(_, session)| session.used)?;
        session.used = now;
        Some(*number)
    }

    fn open(&mut self, session: u64, asked: &Asked) {
        let us = concat!(r#"{"name":"mcp-ferry","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
        let client = asked.client_info.as_deref().filter(|info| Members::of(info).is_some()).unwrap_or(us);
        let initialize = format!(
            r#"{{"jsonrpc":"2.0","id":"mcp-ferry {session}","method":"initialize","params":{{"protocolVersion":"{LATEST_LEGACY}","capabilities":{},"clientInfo":{client}}}}}"#,
            asked.capabilities
        );
        let Ok(initialize) = Message::parse(initialize) else { return };
        if let Some(session) = self.sessions.get_mut(&session) {
            session.initialize = Some(initialize.clone());
        }
        self.greet(session, initialize);
    }

    fn greet(&mut self, session: u64, initialize: Message) {
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        if let Ok(initialized) = Message::parse(initialized) {
            self.actions.push(Action::Open { session, initialize, initialized });
        }
    }

    /// The server has answered `initialize`.
    pub fn opened(&mut self, session: u64, answer: &Message, now: Instant) {
        let Some(opened) = self.sessions.get_mut(&session) else { return };
        if let Some(server) = Server::of(answer) {
            opened.server = server;
        }
        opened.logging.greeted();
        self.let_through(session, now);
        self.set_level(session, now);
    }

    /// The server takes its time: this is to be believed of it meanwhile.
    pub fn late(&mut self, session: u64, answer: &Message, now: Instant) {
        if self.sessions.get(&session).is_some_and(|session| session.waiting.is_some()) {
            self.opened(session, answer, now);
        }
    }

    fn let_through(&mut self, session: u64, now: Instant) {
        let waiting = self.sessions.get_mut(&session).and_then(|session| session.waiting.take());
        for waiting in waiting.unwrap_or_default() {
            match waiting {
                Waiting::Discover(raw_id) => self.discovered(&raw_id, session),
                Waiting::Exchange(exchange) => self.begin(exchange, now),
                Waiting::Listen(listen) => self.subscribe(listen, now),
            }
        }
    }

    /// The server refuses the session: if it names a revision that it would rather speak, it is greeted in that, once;
    /// else this error is what all that waited get.
    pub fn not_opened(&mut self, session: u64, error: &Message) {
        let initialize = self.sessions.get_mut(&session).and_then(|session| session.initialize.take());
        if let Some(initialize) = initialize
            && let Some(revision) = told::preferred_revision(error)
            && let Some(initialize) = in_revision(&initialize, revision)
        {
            self.actions.push(Action::Close { session });
            return self.greet(session, initialize);
        }
        let Some(refused) = self.sessions.remove(&session) else { return };
        for waiting in refused.waiting.unwrap_or_default() {
            let raw_id = match waiting {
                Waiting::Discover(raw_id) => Some(raw_id),
                Waiting::Exchange(exchange) => {
                    self.exchanges.remove(&exchange).and_then(|exchange| Some(exchange.client?.raw_id))
                }
                Waiting::Listen(listen) => self.listens.remove(&listen).map(|listen| listen.raw_id),
            };
            // What was cancelled meanwhile is not among those that are asked for.
            if let Some(raw_id) = raw_id.filter(|raw_id| self.asked.contains_key(&Id::from_json(raw_id))) {
                self.answer(error.with_id(&raw_id));
            }
        }
        self.actions.push(Action::Close { session });
    }

    /// The server has forgotten the session, and was greeted anew: what it was told in it, it must be told again.
    pub fn renewed(&mut self, session: u64, now: Instant) {
        let Some(renewed) = self.sessions.get_mut(&session) else { return };
        renewed.logging.forget();
        renewed.forget_resources();
        self.set_level(session, now);
        let listens = self.listens.values().filter(|listen| listen.session == session);
        let wanted: BTreeSet<_> = listens.flat_map(Listen::wanted).cloned().collect();
        for uri in wanted {
            self.bring_about(session, &uri);
        }
    }

    /// `server/discover` is answered by what the server says to `initialize`.
    pub(super) fn discover(&mut self, asked: Asked, session: u64) {
        if self.is_open(session) {
            return self.answer_discover(&asked.raw_id, session);
        }
        self.asked.insert(asked.id, Place::Discover(session));
        self.wait(session, Waiting::Discover(asked.raw_id));
    }

    fn discovered(&mut self, raw_id: &str, session: u64) {
        if matches!(self.asked.get(&Id::from_json(raw_id)), Some(Place::Discover(for_session)) if *for_session == session)
        {
            self.answer_discover(raw_id, session);
        }
    }

    fn answer_discover(&mut self, raw_id: &str, session: u64) {
        let Some(session) = self.sessions.get(&session) else { return };
        let result = session.server.discovered();
        self.answer(message::result_text(raw_id, &result));
    }

    fn is_open(&self, session: u64) -> bool {
        self.sessions.get(&session).is_some_and(|session| session.waiting.is_none())
    }

    fn wait(&mut self, session: u64, waiting: Waiting) {
        if let Some(queue) = self.sessions.get_mut(&session).and_then(|session| session.waiting.as_mut()) {
            queue.push(waiting);
        }
    }

    /// Begins this exchange when the session is open.
    pub(super) fn begin_when_open(&mut self, session: u64, exchange: u64, now: Instant) {
        if self.is_open(session) {
            self.begin(exchange, now);
        } else {
            self.wait(session, Waiting::Exchange(exchange));
        }
    }

    /// Begins this subscription when the session is open.
    pub(super) fn subscribe_when_open(&mut self, session: u64, listen: u64, now: Instant) {
        if self.is_open(session) {
            self.subscribe(listen, now);
        } else {
            self.wait(session, Waiting::Listen(listen));
        }
    }

    fn is_busy(&self, session: u64) -> bool {
        self.exchanges.values().any(|exchange| exchange.session == session)
            || self.listens.values().any(|listen| listen.session == session)
            || !self.is_open(session)
    }

    /// Closes a session that others have taken the place of. The one that was used last stays, whatever the hour: its
    /// server may keep things in it.
    pub(super) fn close_if_idle(&mut self, session: u64, now: Instant) {
        let Some(used) = self.sessions.get(&session).map(|session| session.used) else { return };
        let has_successor = self.sessions.values().any(|other| other.used > used);
        if has_successor && now >= used + IDLE && !self.is_busy(session) {
            self.close(session);
        } else if self.sessions.len() > 1 {
            self.timers.insert((now.max(used) + IDLE, Timer::Idle(session)));
        }
    }

    fn close(&mut self, session: u64) {
        self.sessions.remove(&session);
        self.awaited.retain(|(of, _), _| *of != session);
        self.actions.push(Action::Close { session });
    }
}

impl Session {
    fn new(capabilities: Value, now: Instant) -> Self {
        Self {
            capabilities,
            initialize: None,
            waiting: Some(Vec::new()),
            server: Server::default(),
            logging: Logging::default(),
            resources: HashMap::new(),
            used: now,
        }
    }
}

/// Whether the whole has all members of the part, and they are as much.
fn is_part_of(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, part)| whole.get(name).is_some_and(|whole| is_part_of(part, whole)))
        }
        _ => part == whole,
    }
}

/// An `initialize` that asks for this revision.
fn in_revision(initialize: &Message, revision: &str) -> Option<Message> {
    let members = Members::of(initialize.as_str())?;
    let params = members.object("params")?.with(&[("protocolVersion", Change::Set(&quoted(revision)))]);
    Message::parse(members.with(&[("params", Change::Set(&params))])).ok()
}

/// `notifications/cancelled` for a request of ours, in the client's words if it has said some.
pub(super) fn cancellation(said: Option<&Message>, raw_id: &str, reason: &str) -> Option<Message> {
    match said {
        Some(said) => super::asked::legacy_notification(said, Some(raw_id)),
        None => Some(message::cancelled(raw_id, reason)),
    }
}

/// A copy of a notification that names another request of progress.
pub(super) fn with_token(message: &Message, token: &str) -> Option<Message> {
    told::notification(message, &[("progressToken", Change::Set(token))])
}
