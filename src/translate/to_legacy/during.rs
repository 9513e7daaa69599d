//! What does a client hear of its request while it waits?

use super::asked::Level;
use super::exchange::Exchange;
use super::session::with_token;
use super::{Action, Origin, ToLegacy};
use crate::message::Members;
use crate::message::{Id, Message};

impl ToLegacy {
    /// Progress goes to whoever waits, under the token of the request that waits now.
    pub(super) fn progressed(&mut self, session: u64, message: &Message) {
        let params = Members::of(message.as_str()).and_then(|members| members.object("params"));
        let Some(token) = params.and_then(|params| params.get("progressToken")).map(Id::from_json) else { return };
        let Some(exchange) = self.tokens.get(&(session, token)).and_then(|number| self.exchanges.get(number)) else {
            return;
        };
        let token = exchange.client.as_ref().and_then(|client| client.token.as_deref());
        if let Some(message) = token.and_then(|token| with_token(message, token)) {
            self.actions.push(Action::Tell(message));
        }
    }

    /// Log messages go to requests that want some, and no other. Many servers send all on the stream that all share.
    pub(super) fn logged(&mut self, session: u64, origin: Origin, message: &Message) {
        let params = Members::of(message.as_str()).and_then(|members| members.object("params"));
        let Some(level) = params.and_then(|params| params.string("level")).as_deref().and_then(Level::named) else {
            return;
        };
        let wants =
            |exchange: &Exchange| exchange.client.is_some() && exchange.level.is_some_and(|least| level >= least);
        let wanted = match origin {
            Origin::Exchange(exchange) => self.exchanges.get(&exchange).is_some_and(wants),
            Origin::OwnRequest => false,
            Origin::Shared => self.exchanges.values().any(|exchange| exchange.session == session && wants(exchange)),
        };
        if wanted {
            self.actions.push(Action::Tell(message.clone()));
        }
    }
}
