//! Of which resources does the server tell? Of each that some subscription wants.

use super::session::Session;
use super::{Awaited, ToLegacy};
use crate::message::quoted;

/// How it stands with a resource that the server was asked about. There is one request in flight about each at most:
/// of two the server might carry out the first one last.
#[derive(Debug)]
pub(super) enum Resource {
    /// This request asks to be told of its updates.
    Asked(Box<str>),
    /// The server tells of them.
    Told,
    /// However this request goes, the server does not tell of them.
    Left(Box<str>),
}

impl Session {
    /// The server has opened the session anew.
    pub(super) fn forget_resources(&mut self) {
        self.resources.retain(|_, resource| match resource {
            Resource::Asked(raw_id) => {
                *resource = Resource::Left(std::mem::take(raw_id));
                true
            }
            Resource::Told => false,
            Resource::Left(_) => true,
        });
    }
}

impl ToLegacy {
    /// Asks the server for what is wanted of this resource by now, unless it has yet to answer.
    pub(super) fn bring_about(&mut self, number: u64, uri: &str) {
        let Some(session) = self.sessions.get(&number) else { return };
        let is_wanted = self.listens.values().any(|listen| listen.session == number && listen.wants(uri));
        let (method, next): (_, fn(Box<str>) -> Resource) = match (session.resources.get(uri), is_wanted) {
            (None, true) => ("resources/subscribe", Resource::Asked),
            (Some(Resource::Told), false) => ("resources/unsubscribe", Resource::Left),
            _ => return,
        };
        let params = format!(r#"{{"uri":{}}}"#, quoted(uri));
        let raw_id = self.own_request(number, method, &params, Awaited::Resource(uri.to_owned()));
        if let Some(session) = self.sessions.get_mut(&number) {
            session.resources.insert(uri.to_owned(), next(raw_id));
        }
    }

    /// The server has answered.
    pub(super) fn resource_answered(&mut self, number: u64, uri: &str, refused: bool) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if let Some(Resource::Asked(_)) = session.resources.remove(uri) {
            if refused {
                self.warn(format!("the server will not tell of {uri}"));
                return self.agreed(number, uri, false);
            }
            session.resources.insert(uri.to_owned(), Resource::Told);
            self.agreed(number, uri, true);
        }
        self.bring_about(number, uri);
    }

    /// Waits no longer for the server to end what was wanted before.
    pub(super) fn leave_at_once(&mut self, number: u64, uri: &str) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        if let Some(Resource::Left(raw_id)) = session.resources.get_mut(uri) {
            let raw_id = std::mem::take(raw_id);
            session.resources.remove(uri);
            self.withdraw(number, &raw_id);
            self.bring_about(number, uri);
        }
    }
}
