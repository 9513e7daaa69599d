//! A modern client before a legacy upstream, as a state machine.
//!
//! What the client asks, what the server answers and says, and how late it is go in; [`Action`]s come out. The modern
//! era has no sessions, so those that the server wants are opened here, one for each set of capabilities that the
//! client declares. It has no requests from the server either: one that comes while a request of the client's waits
//! becomes that request's answer, "input required", and the exchange with the server is held until the client comes
//! back with what was asked for ("Multi Round-Trip Requests"). Nothing here does I/O or looks at a clock.

mod asked;
mod back;
mod capabilities;
mod during;
mod exchange;
mod level;
mod listen;
mod questions;
mod resources;
mod session;
mod told;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::message::Members;
use crate::message::{self, Id, Kind, Message};
use crate::translate::code;
use asked::Asked;
use exchange::Exchange;
use listen::Listen;
use session::Session;

pub use asked::{is_complete, is_modern};

/// How long the client may take to come back with what was asked for. People fill in forms.
const HELD: Duration = Duration::from_secs(30 * 60);

/// How long after a question another one may come that is asked together with it.
const GATHER: Duration = Duration::from_millis(25);

/// How long a session besides the one in use may stay unused.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// How long a client waits because of a request of our own that the server does not answer.
const OWN_REQUEST: Duration = Duration::from_secs(10);

/// What is to be done. A session is named by a number of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a session with this `initialize`; then say `initialized`.
    Open {
        /// A new one, or one that was closed because its server would rather speak another revision.
        session: u64,
        /// The handshake's request.
        initialize: Message,
        /// The handshake's notification.
        initialized: Message,
    },
    /// Nothing more is said in this session, or was.
    Close {
        /// Which.
        session: u64,
    },
    /// Carry a request. Exactly one [`answered`](ToLegacy::answered) is owed for it, unless it is cancelled.
    Request {
        /// In which session.
        session: u64,
        /// With an id that no other in flight there has.
        message: Message,
    },
    /// Carry a notification, or an answer of our own to a request of the server's.
    Notify {
        /// In which session.
        session: u64,
        /// The message.
        message: Message,
    },
    /// Carry the client's answer to a request of the server's. If that is [`refused`](ToLegacy::refused), the machine
    /// is to hear of it.
    Reply {
        /// In which session.
        session: u64,
        /// A number for the request of the client's that waits.
        exchange: u64,
        /// The message.
        message: Message,
    },
    /// Tell the server that nobody waits for this request any more, then drop its exchange.
    Cancel {
        /// In which session.
        session: u64,
        /// The request's id there.
        id: Id,
        /// `notifications/cancelled`.
        message: Message,
    },
    /// The one answer to a request of the client's.
    Answer(Message),
    /// A notification for the client.
    Tell(Message),
    /// Something for the log.
    Warn(String),
}

/// Makes text that nobody can guess.
pub type Secrets = Box<dyn FnMut() -> String + Send>;

/// The machine.
pub struct ToLegacy {
    sessions: BTreeMap<u64, Session>,
    exchanges: BTreeMap<u64, Exchange>,
    listens: BTreeMap<u64, Listen>,
    /// What the client's requests in flight have become, and those that were answered with questions.
    asked: HashMap<Id, Place>,
    /// The requests in flight with the server.
    awaited: HashMap<(u64, Id), Awaited>,
    /// The progress tokens that the server knows, and the exchange of each.
    tokens: HashMap<(u64, Id), u64>,
    /// Due times, of which some have lost their point meanwhile.
    timers: BTreeSet<(Instant, Timer)>,
    /// A subscription that the client knows to stand, while it is taken.
    acknowledged: Option<Id>,
    secrets: Secrets,
    last: u64,
    actions: Vec<Action>,
}

/// What a request of the client's has become.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// `server/discover`, which waits for this session.
    Discover(u64),
    Exchange(u64),
    Listen(u64),
}

/// Whose answer is awaited from the server.
#[derive(Debug)]
enum Awaited {
    Exchange(u64),
    /// `logging/setLevel`.
    Level,
    /// `resources/subscribe` or `resources/unsubscribe`, and of what.
    Resource(String),
}

/// Where the server said something.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// On the stream of a request of the client's.
    Exchange(u64),
    /// On the stream of a request of our own, or of one that is over.
    OwnRequest,
    /// On the stream that all share.
    Shared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Ask the client what has gathered in this exchange.
    Ask(u64),
    /// Give up an exchange that is held.
    Held(u64),
    /// Acknowledge a subscription with what is agreed.
    Listen(u64),
    /// Wait no longer for the log level to be set in this session.
    Level(u64),
    /// Close a session that is not used.
    Idle(u64),
}

impl ToLegacy {
    /// `secrets` makes what the client comes back with.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            sessions: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            listens: BTreeMap::new(),
            asked: HashMap::new(),
            awaited: HashMap::new(),
            tokens: HashMap::new(),
            timers: BTreeSet::new(),
            acknowledged: None,
            secrets,
            last: 0,
            actions: Vec::new(),
        }
    }

    /// What is to be done because of all that was said since this was last asked, in order.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// When [`expire`](Self::expire) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The client asks. No other request of this id is in flight.
    pub fn request(&mut self, message: &Message, now: Instant) {
        let asked = match Asked::read(message) {
            Ok(asked) => asked,
            Err(error) => return self.answer(error),
        };
        if let Some(state) = &asked.state {
            let state = state.clone();
            return self.come_back(message, asked, &state, now);
        }
        let Some(session) = self.session_for(&asked, now) else {
            let why = "too many sessions with different capabilities are in use at the same time; \
                hint: try again when some of their requests are answered";
            return self.answer(message::error(&asked.raw_id, message::code::INTERNAL_ERROR, why, None));
        };
        match &*asked.method {
            "server/discover" => self.discover(asked, session),
            "subscriptions/listen" => self.listen(message, asked, session, now),
            _ => self.exchange(message, asked, session, now),
        }
    }

    /// The client's `subscriptions/listen`, which somebody else has acknowledged.
    pub fn listen_on(&mut self, message: &Message, now: Instant) {
        let Kind::Request { id, .. } = message.kind() else { return };
        self.acknowledged = Some(id.clone());
        self.request(message, now);
        self.acknowledged = None;
    }

    /// The client wants no answer to a request any more: its `notifications/cancelled`.
    pub fn cancelled(&mut self, message: &Message) {
        let params = Members::of(message.as_str()).and_then(|members| members.object("params"));
        let Some(id) = params.and_then(|params| params.get("requestId")).map(Id::from_json) else { return };
        self.give_up(&id, Some(message));
    }

    /// Nobody waits for the answer to this request any more.
    pub fn abandoned(&mut self, id: &Id) {
        self.give_up(id, None);
    }

    fn give_up(&mut self, id: &Id, cancelled: Option<&Message>) {
        match self.asked.remove(id) {
            Some(Place::Exchange(exchange)) => self.cancel_exchange(exchange, cancelled),
            Some(Place::Listen(listen)) => self.unlisten(listen),
            Some(Place::Discover(_)) | None => {}
        }
    }

    /// The client says something that wants no answer, and is no cancellation.
    pub fn notified(&mut self, message: &Message) {
        match message.kind() {
            Kind::Notification { method } if &**method != "notifications/initialized" => {}
            Kind::Notification { .. } => return,
            _ => return self.warn("the client answered something that it was not asked".to_owned()),
        }
        let newest = self.sessions.iter().max_by_key(|(_, session)| session.used).map(|(session, _)| *session);
        match (newest, asked::legacy_notification(message, None)) {
            (Some(session), Some(message)) => self.actions.push(Action::Notify { session, message }),
            _ => self.warn(format!("there is no session to tell of {}", message.method().unwrap_or_default())),
        }
    }

    /// The server has answered a request, or there is an error in its stead.
    pub fn answered(&mut self, session: u64, answer: &Message, now: Instant) {
        let Kind::Response { id, is_error } = answer.kind() else { return };
        match self.awaited.remove(&(session, id.clone())) {
            Some(Awaited::Exchange(exchange)) => self.finish(exchange, answer, now),
            Some(Awaited::Level) => self.leveled(session, *is_error, now),
            Some(Awaited::Resource(uri)) => self.resource_answered(session, &uri, *is_error),
            None => {}
        }
    }

    /// The server says something that answers nothing, if it can be known during this request of ours.
    pub fn said(&mut self, session: u64, during: Option<&Id>, message: &Message, now: Instant) {
        let origin = match during.map(|id| self.awaited.get(&(session, id.clone()))) {
            None => Origin::Shared,
            Some(Some(Awaited::Exchange(exchange))) => Origin::Exchange(*exchange),
            Some(_) => Origin::OwnRequest,
        };
        match message.kind() {
            Kind::Request { .. } => self.questioned(session, origin, message, now),
            Kind::Notification { method } => match &**method {
                "notifications/progress" => self.progressed(session, message),
                "notifications/message" => self.logged(session, origin, message),
                "notifications/cancelled" => self.question_withdrawn(session, message),
                "notifications/tools/list_changed"
                | "notifications/prompts/list_changed"
                | "notifications/resources/list_changed"
                | "notifications/resources/updated" => self.changed(session, message),
                // The modern era learns of it by asking again.
                "notifications/elicitation/complete" => {}
                _ => self.actions.push(Action::Tell(message.clone())),
            },
            _ => {}
        }
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Instant) {
        while let Some((at, timer)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Ask(exchange) => self.ask(exchange, now),
                Timer::Held(exchange) => self.give_up_held(exchange, now),
                Timer::Listen(listen) => self.wait_no_longer(listen),
                Timer::Level(session) => self.give_up_level(session, now),
                Timer::Idle(session) => self.close_if_idle(session, now),
            }
        }
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Sends a request of our own; its id.
    fn own_request(&mut self, session: u64, method: &str, params: &str, awaited: Awaited) -> Box<str> {
        let raw_id = format!("\"mcp-ferry {}\"", self.next());
        self.awaited.insert((session, Id::from_json(&raw_id)), awaited);
        self.actions.push(Action::Request { session, message: message::request_text(&raw_id, method, params) });
        raw_id.into()
    }

    /// Gives up a request that the server does not answer in time.
    fn withdraw(&mut self, session: u64, raw_id: &str) {
        let id = Id::from_json(raw_id);
        self.awaited.remove(&(session, id.clone()));
        if let Some(message) = session::cancellation(None, raw_id, "there is no answer") {
            self.actions.push(Action::Cancel { session, id, message });
        }
    }

    /// Answers a request of the client's.
    fn answer(&mut self, answer: Message) {
        if let Kind::Response { id, .. } = answer.kind() {
            self.asked.remove(id);
        }
        self.actions.push(Action::Answer(answer));
    }

    /// Answers a request of the server's with an error.
    fn refuse(&mut self, session: u64, raw_id: &str, code: i64, why: &str) {
        self.actions.push(Action::Notify { session, message: message::error(raw_id, code, why, None) });
    }

    fn invalid(&mut self, raw_id: &str, why: &str) {
        self.answer(message::error(raw_id, code::INVALID_PARAMS, why, None));
    }

    fn warn(&mut self, what: String) {
        self.actions.push(Action::Warn(what));
    }
}

#[cfg(test)]
mod tests;
