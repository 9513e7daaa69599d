//! What does the next attempt do differently, after the server refused something about the last one?

use super::error::LoginError;
use crate::auth::authorization::{PendingAuthorization, Retry};
use crate::auth::record::Origin;
use crate::auth::scope::ScopeAttempt;

/// What the next attempt does differently.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Adjustments {
    /// How much of the scope is asked for.
    pub(super) attempt: ScopeAttempt,
    /// The client ID metadata document is refused.
    pub(super) not_by_document: bool,
    /// The registration is not valid any more.
    pub(super) register_anew: bool,
    /// The registration was not valid any more once before.
    has_registered_anew: bool,
    /// The other spelling of the resource is sent.
    pub(super) other_resource: bool,
    /// No resource is sent.
    pub(super) no_resource: bool,
}

impl Adjustments {
    /// Changes what was refused. False if another attempt would be refused in the same way.
    pub(super) fn adjust(&mut self, error: &LoginError, pending: &PendingAuthorization) -> bool {
        self.register_anew = false;
        let retry = match error {
            LoginError::Redirect(error) => error.retry(),
            LoginError::Token(error) if error.client_is_unknown() && !self.has_registered_anew => {
                self.has_registered_anew = true;
                self.register_anew = true;
                return true;
            }
            _ => None,
        };
        match retry {
            Some(Retry::Scope(attempt)) => self.attempt = attempt,
            Some(Retry::OtherResource) => self.other_resource = true,
            Some(Retry::NoResource) => self.no_resource = true,
            Some(Retry::Register) if pending.client.origin == Origin::MetadataDocument => self.not_by_document = true,
            Some(Retry::Register) => self.register_anew = true,
            None => return false,
        }
        true
    }
}
