//! What must be done next, when, and which requests are in flight because of it?

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::message::{self, Id, Kind, Message, code};

/// How long a client waits for the server's response to a request of the bridge's own.
pub(super) const OWN_REQUEST: Duration = Duration::from_secs(10);

/// What the caller must do. Each session has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Open a session with this `initialize`, then send `initialized`. It is a new session, or one that was closed
    /// because its server prefers another revision.
    Open {
        session: u64,
        initialize: Message,
        initialized: Message,
    },
    /// Close a session. Nothing more is sent in it.
    Close {
        session: u64,
    },
    /// Send a request whose id no other request in flight has in this session. It needs exactly one
    /// [`server_response`](super::ToLegacy::server_response), unless it is cancelled.
    Request {
        session: u64,
        message: Message,
    },
    /// Send a notification, or the bridge's own response to a request from the server.
    Notify {
        session: u64,
        message: Message,
    },
    /// Send the client's response to a request from the server. If it cannot be delivered, call
    /// [`reply_undeliverable`](super::ToLegacy::reply_undeliverable) with the number of the exchange.
    Reply {
        session: u64,
        exchange: u64,
        message: Message,
    },
    /// Send this `notifications/cancelled`: the response to the request is not needed any more. Then drop the request.
    Cancel {
        session: u64,
        id: Id,
        message: Message,
    },
    /// Send the client the one response to its request.
    Answer(Message),
    Deliver(Message),
    Warn(String),
}

/// What a request from the client has become. Each has a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientRequest {
    Discover(u64),
    Exchange(u64),
    Subscription(u64),
}

/// What a request to the server is for.
#[derive(Debug)]
pub(super) enum ServerRequest {
    Exchange(u64),
    LogLevel,
    /// `resources/subscribe` or `resources/unsubscribe` for this URI.
    Resource(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The client is sent the input requests of this exchange.
    InputRequests(u64),
    /// This exchange has waited too long for the client's input responses.
    Held(u64),
    /// This subscription is acknowledged with what the server has agreed to.
    Acknowledge(u64),
    LogLevel(u64),
    Idle(u64),
}

/// The actions to come, the timers, and the requests in flight on both sides.
pub(super) struct Outbox {
    /// The time of the event that is handled.
    pub(super) now: Instant,
    pub(super) actions: Vec<Action>,
    /// Some have become pointless since they were set; those do nothing when they are due.
    pub(super) timers: BTreeSet<(Instant, Timer)>,
    /// The client's requests in flight, and those that were answered with input requests.
    pub(super) client_requests: HashMap<Id, ClientRequest>,
    /// The requests in flight at the server, by session and id.
    pub(super) server_requests: HashMap<(u64, Id), ServerRequest>,
    last_number: u64,
}

impl Outbox {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            now,
            actions: Vec::new(),
            timers: BTreeSet::new(),
            client_requests: HashMap::new(),
            server_requests: HashMap::new(),
            last_number: 0,
        }
    }

    pub(super) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn warn(&mut self, text: String) {
        self.push(Action::Warn(text));
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn set_timer(&mut self, at: Instant, timer: Timer) {
        self.timers.insert((at, timer));
    }

    pub(super) fn take_due(&mut self) -> Option<Timer> {
        let (at, timer) = self.timers.first().copied().filter(|(at, _)| *at <= self.now)?;
        self.timers.remove(&(at, timer));
        Some(timer)
    }

    /// Whether this request still waits: the client may have cancelled it, and may have used its id again.
    pub(super) fn is_open(&self, raw_id: &str, request: ClientRequest) -> bool {
        self.client_requests.get(&Id::from_json(raw_id)) == Some(&request)
    }

    /// Sends the client the response to its request.
    pub(super) fn answer(&mut self, response: Message) {
        if let Kind::Response { id, .. } = response.kind() {
            self.client_requests.remove(id);
        }
        self.push(Action::Answer(response));
    }

    pub(super) fn invalid_params(&mut self, raw_id: &str, why: &str) {
        self.answer(message::error(raw_id, code::INVALID_PARAMS, why, None));
    }

    pub(super) fn request(&mut self, session: u64, raw_id: &str, message: Message, purpose: ServerRequest) {
        self.server_requests.insert((session, Id::from_json(raw_id)), purpose);
        self.push(Action::Request { session, message });
    }

    /// Sends the server a request of the bridge's own. Returns its id.
    pub(super) fn own_request(&mut self, session: u64, method: &str, params: &str, purpose: ServerRequest) -> Box<str> {
        let raw_id = format!("\"mcp-ferry {}\"", self.next_number());
        self.request(session, &raw_id, message::request(&raw_id, method, params), purpose);
        raw_id.into()
    }

    /// Cancels a request to the server with this notification.
    pub(super) fn cancel(&mut self, session: u64, raw_id: &str, message: Message) {
        let id = Id::from_json(raw_id);
        self.server_requests.remove(&(session, id.clone()));
        self.push(Action::Cancel { session, id, message });
    }

    /// Cancels a request of the bridge's own that the server has not answered in time.
    pub(super) fn cancel_own(&mut self, session: u64, raw_id: &str) {
        self.cancel(session, raw_id, message::cancelled(raw_id, "there is no answer"));
    }

    /// Answers a request from the server with an error.
    pub(super) fn reject(&mut self, session: u64, raw_id: &str, code: i64, why: &str) {
        self.push(Action::Notify { session, message: message::error(raw_id, code, why, None) });
    }

    /// Closes a session with all requests in it.
    pub(super) fn close(&mut self, session: u64) {
        self.server_requests.retain(|(of, _), _| *of != session);
        self.push(Action::Close { session });
    }
}
