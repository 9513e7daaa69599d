//! What do the tests of the login protocols share?

pub(super) mod server;

use super::record::Tokens;
use crate::log::Secret;

/// Tokens that are this access token alone.
pub(super) fn access_token(text: &str) -> Tokens {
    Tokens {
        access_token: Secret::new(text),
        token_type: "Bearer".to_owned(),
        refresh_token: None,
        id_token: None,
        scope: None,
        obtained_at: 1,
        lifetime: None,
        refresh_with_scope: false,
    }
}
