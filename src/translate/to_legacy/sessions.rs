//! In which session does a request belong? In one that was opened with the capabilities that the client declares: they
//! decide for the whole session what the server may request of the client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::log_level::LogLevel;
use super::outbox::{Action, ClientRequest, Outbox, Timer};
use super::requests::ModernRequest;
use super::resources::Resources;
use super::responses::{self, Server};
use crate::message::{self, Change, Members, Message, quoted};
use crate::translate::protocol::LATEST_LEGACY;

/// How long a session that is not the last one used may stay idle.
pub(super) const IDLE: Duration = Duration::from_secs(5 * 60);

/// The highest number of sessions at a time.
const MOST_SESSIONS: usize = 8;

/// The client's requests that wait for a session to open, with their ids.
pub(super) type Waiting = Vec<(Box<str>, ClientRequest)>;

#[derive(Default)]
pub(super) struct Sessions(BTreeMap<u64, Session>);

#[derive(Debug)]
pub(super) struct Session {
    pub(super) capabilities: Arc<Value>,
    /// The request of the handshake, until the server has asked for another revision.
    initialize: Option<Message>,
    /// What waits for the session to open; `None` once it is open.
    waiting: Option<Waiting>,
    pub(super) server: Server,
    pub(super) log_level: LogLevel,
    pub(super) resources: Resources,
    pub(super) last_used: Instant,
}

impl Sessions {
    pub(super) fn get(&self, number: u64) -> Option<&Session> {
        self.0.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Session> {
        self.0.get_mut(&number)
    }

    pub(super) fn newest(&self) -> Option<u64> {
        self.0.iter().max_by_key(|(_, session)| session.last_used).map(|(number, _)| *number)
    }

    /// The session for this request, which may be new. `None`: too many sessions have exchanges or subscriptions.
    pub(super) fn find_or_open(
        &mut self,
        request: &ModernRequest,
        is_busy: impl Fn(u64) -> bool,
        out: &mut Outbox,
    ) -> Option<u64> {
        // Compared as values, because the order of members and white space do not matter.
        let capabilities: Value = serde_json::from_str(&request.capabilities).unwrap_or_default();
        let fits = self.0.iter_mut().find(|(_, session)| *session.capabilities == capabilities);
        if let Some((number, session)) = fits {
            session.last_used = out.now;
            return Some(*number);
        }
        if self.0.len() >= MOST_SESSIONS {
            let unused = self.0.iter().filter(|(number, session)| session.waiting.is_none() && !is_busy(**number));
            let oldest = unused.min_by_key(|(_, session)| session.last_used).map(|(number, _)| *number);
            let Some(oldest) = oldest else { return self.substitute(request, &capabilities, out.now) };
            self.0.remove(&oldest);
            out.close(oldest);
        }
        let number = out.next_number();
        let own_info = concat!(r#"{"name":"mcp-ferry","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
        let info = request.client_info.as_deref().filter(|info| Members::of(info).is_some()).unwrap_or(own_info);
        let declared = &request.capabilities;
        let params =
            format!(r#"{{"protocolVersion":"{LATEST_LEGACY}","capabilities":{declared},"clientInfo":{info}}}"#);
        let initialize = message::request(&format!("\"mcp-ferry {number}\""), "initialize", &params);
        let session = Session {
            capabilities: Arc::new(capabilities),
            initialize: Some(initialize.clone()),
            waiting: Some(Vec::new()),
            server: Server::default(),
            log_level: LogLevel::default(),
            resources: Resources::default(),
            last_used: out.now,
        };
        self.0.insert(number, session);
        // A single session never counts as idle.
        if self.0.len() > 1 {
            for (number, session) in &self.0 {
                out.set_timer(session.last_used + IDLE, Timer::Idle(*number));
            }
        }
        push_open(number, initialize, out);
        Some(number)
    }

    /// A session in which the server requests nothing that this client cannot answer, though perhaps too little.
    fn substitute(&mut self, request: &ModernRequest, capabilities: &Value, now: Instant) -> Option<u64> {
        // Only a request with a subject can be answered with input requests.
        let serves = |session: &Session| request.subject.is_none() || is_part_of(&session.capabilities, capabilities);
        let fits = self.0.iter_mut().filter(|(_, session)| serves(session));
        let (number, session) = fits.max_by_key(|(_, session)| session.last_used)?;
        session.last_used = now;
        Some(*number)
    }

    pub(super) fn waiting(&mut self, number: u64) -> Option<&mut Waiting> {
        self.0.get_mut(&number)?.waiting.as_mut()
    }

    /// The server has answered `initialize`. Returns what has waited for that; `None`: there is no such session.
    pub(super) fn opened(&mut self, number: u64, response: &Message) -> Option<Waiting> {
        let session = self.0.get_mut(&number)?;
        if let Some(server) = Server::of(response) {
            session.server = server;
        }
        session.log_level.session_opened();
        Some(session.waiting.take().unwrap_or_default())
    }

    /// If the error names another revision, `initialize` is sent again with it. Else returns what has waited.
    pub(super) fn refused(&mut self, number: u64, error: &Message, out: &mut Outbox) -> Option<Waiting> {
        let initialize = self.0.get_mut(&number).and_then(|session| session.initialize.take());
        if let Some(initialize) = initialize
            && let Some(revision) = responses::preferred_revision(error)
            && let Some(initialize) = with_revision(&initialize, revision)
        {
            out.push(Action::Close { session: number });
            push_open(number, initialize, out);
            return None;
        }
        Some(self.0.remove(&number)?.waiting.unwrap_or_default())
    }

    /// Closes an idle session. The one that was used last stays open, because its server may keep state in it.
    pub(super) fn close_if_idle(&mut self, number: u64, is_busy: bool, out: &mut Outbox) {
        let Some(session) = self.get(number) else { return };
        let used = session.last_used;
        let is_last = self.0.values().all(|other| other.last_used <= used);
        if !is_last && out.now >= used + IDLE && !is_busy && session.waiting.is_none() {
            self.0.remove(&number);
            out.close(number);
        } else if self.0.len() > 1 {
            out.set_timer(out.now.max(used) + IDLE, Timer::Idle(number));
        }
    }
}

fn push_open(session: u64, initialize: Message, out: &mut Outbox) {
    let initialized = message::notification_without_params("notifications/initialized");
    out.push(Action::Open { session, initialize, initialized });
}

/// Whether the whole has all members of the part, with the same values.
fn is_part_of(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, part)| whole.get(name).is_some_and(|whole| is_part_of(part, whole)))
        }
        _ => part == whole,
    }
}

fn with_revision(initialize: &Message, revision: &str) -> Option<Message> {
    let members = initialize.members()?;
    let params = members.object("params")?;
    let revision = quoted(revision);
    let changes = [("protocolVersion", Change::Set(&revision))];
    Some(initialize.edited(&members, &[("params", Change::Within(&params, &changes))]))
}
