//! Which log messages does the server send? It knows one level for all, so the most talkative that anybody wants.

use std::time::Instant;

use super::asked::Level;
use super::{Awaited, OWN_REQUEST, Timer, ToLegacy};

/// What the server of a session knows of it.
#[derive(Debug, Default)]
pub(super) struct Logging {
    /// The level that it was told last, if it has answered.
    told: Option<Level>,
    /// The `logging/setLevel` in flight. Of two at a time the server might carry out the first one last.
    telling: Option<Telling>,
    /// The exchanges that are sent when it tells enough for them.
    waiting: Vec<u64>,
}

#[derive(Debug)]
struct Telling {
    raw_id: Box<str>,
    /// None if the server has forgotten it since.
    level: Option<Level>,
    until: Instant,
}

impl Logging {
    /// Whether it sends messages of this level, however what is in flight goes.
    fn tells(&self, level: Level) -> bool {
        let enough = |told: Option<Level>| told.is_some_and(|told| told <= level);
        enough(self.told) && self.telling.as_ref().is_none_or(|telling| enough(telling.level))
    }

    /// The server has greeted: before that it was told nothing, though it may have been tried.
    pub(super) fn greeted(&mut self) {
        self.told = None;
    }

    /// The server has opened the session anew.
    pub(super) fn forget(&mut self) {
        self.told = None;
        if let Some(telling) = &mut self.telling {
            telling.level = None;
        }
    }
}

impl ToLegacy {
    /// Sends this exchange when the server sends the log messages that it wants.
    pub(super) fn begin(&mut self, number: u64, now: Instant) {
        let Some(exchange) = self.exchanges.get(&number) else { return };
        let Some(session) = self.sessions.get_mut(&exchange.session) else { return };
        if exchange.level.is_none() || !session.server.can("logging", None) {
            return self.send(number);
        }
        session.logging.waiting.push(number);
        self.set_level(exchange.session, now);
    }

    /// Tells the server which level is wanted by now, and sends what has waited for one that it knows.
    pub(super) fn set_level(&mut self, number: u64, now: Instant) {
        let exchanges = self.exchanges.values().filter(|exchange| exchange.session == number);
        let wanted = exchanges.filter_map(|exchange| exchange.level).min();
        let Some(session) = self.sessions.get(&number).filter(|session| session.server.can("logging", None)) else {
            return;
        };
        let is_idle = session.logging.telling.is_none();
        if let Some(level) = wanted.filter(|wanted| is_idle && session.logging.told != Some(*wanted)) {
            let params = format!(r#"{{"level":"{}"}}"#, level.name());
            let raw_id = self.own_request(number, "logging/setLevel", &params, Awaited::Level);
            let until = now + OWN_REQUEST;
            self.timers.insert((until, Timer::Level(number)));
            if let Some(session) = self.sessions.get_mut(&number) {
                session.logging.telling = Some(Telling { raw_id, level: Some(level), until });
            }
        }
        let Some(logging) = self.sessions.get_mut(&number).map(|session| &mut session.logging) else { return };
        let level = |exchange: &u64| self.exchanges.get(exchange).and_then(|exchange| exchange.level);
        let waiting = std::mem::take(&mut logging.waiting).into_iter();
        let (ready, waiting): (Vec<_>, _) =
            waiting.partition(|exchange| level(exchange).is_none_or(|level| logging.tells(level)));
        logging.waiting = waiting;
        for exchange in ready {
            self.send(exchange);
        }
    }

    /// The server has answered. One that refuses a level is not told it again and again.
    pub(super) fn leveled(&mut self, session: u64, refused: bool, now: Instant) {
        if refused {
            self.warn("the server does not take the log level".to_owned());
        }
        let Some(logging) = self.sessions.get_mut(&session).map(|session| &mut session.logging) else { return };
        if let Some(telling) = logging.telling.take() {
            logging.told = telling.level;
        }
        self.set_level(session, now);
    }

    /// What the client wants done is worth more than what it wants to hear meanwhile.
    pub(super) fn give_up_level(&mut self, session: u64, now: Instant) {
        let Some(logging) = self.sessions.get_mut(&session).map(|session| &mut session.logging) else { return };
        let Some(telling) = logging.telling.take_if(|telling| telling.until <= now) else { return };
        logging.told = telling.level;
        let waiting = std::mem::take(&mut logging.waiting);
        self.withdraw(session, &telling.raw_id);
        self.warn("the server does not say whether it takes the log level".to_owned());
        for exchange in waiting {
            self.send(exchange);
        }
        self.set_level(session, now);
    }
}
