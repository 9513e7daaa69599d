//! Would a login help against this refusal, or does the server want a key that the user has to give?

use crate::auth::discovery::Discovered;
use crate::auth::login_context::LoginContext;
use crate::auth::metadata::Metadata;
use crate::log;

/// Whether no authorization server issues tokens for this server, so that a login is of no use.
pub(super) async fn is_login_useless(context: &LoginContext) -> bool {
    match context.discover().await {
        Ok(discovered) => {
            let is_guessed = !discovered.issuer.metadata.contains_key("issuer");
            is_guessed && !is_authorization_server(context, &discovered).await
        }
        Err(error) => {
            // The login reports this error to those who want to log in.
            if error.is_temporary() {
                log::info!("{error}");
            } else {
                log::warn!("{error}");
            }
            false
        }
    }
}

/// Whether a server without any metadata issues tokens itself (2025-03-26). Many that only want a key challenge with
/// `Bearer` too.
async fn is_authorization_server(context: &LoginContext, discovered: &Discovered) -> bool {
    let is_challenged = context.requirement.lock().challenge.is_some();
    match Metadata::of(&discovered.issuer).token_endpoint().filter(|_| is_challenged) {
        Some(endpoint) => context.fetch().await.is_endpoint(endpoint).await,
        None => false,
    }
}
