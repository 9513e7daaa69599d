//! Does a server without any metadata issue tokens itself, at the default endpoints of 2025-03-26? Many servers that only
//! want a key look like it. What decides is what the registration meets, or the login of a client that the user gave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::register;
use crate::auth::authorization::AuthorizationRequest;
use crate::auth::discovery::Discovered;
use crate::auth::login_context::LoginContext;
use crate::auth::record::{Client, Origin};
use crate::auth::registration::RegistrationError;
use crate::log;
use crate::task;

/// How long a server that was no authorization server is not asked again.
const ASK_AGAIN: Duration = Duration::from_secs(300);

/// Whether these default endpoints are those of an authorization server. A registration that succeeds is kept for the
/// login; it goes on if the caller does not wait for its end.
pub(super) async fn are_believed(context: &Arc<LoginContext>, discovered: &Discovered) -> bool {
    let record = context.account.record().await;
    let has_login = record.is_of(&discovered.issuer) && record.tokens.is_some();
    if has_login || record.registered_with(&discovered.issuer).is_some() {
        return true;
    }
    if context.no_default_endpoints.lock().is_some_and(|since| since.elapsed() < ASK_AGAIN) {
        return false;
    }
    let (context, discovered) = (Arc::clone(context), discovered.clone());
    let looked = task::spawn(async move {
        let found = match &context.options.login.client_id {
            Some(client_id) => has_login_page(&context, &discovered, client_id).await,
            None => registers(&context, &discovered).await,
        };
        if found == Some(false) {
            *context.no_default_endpoints.lock() = Some(Instant::now());
        }
        found
    });
    looked.await.ok().flatten().unwrap_or_default()
}

/// Whether the server registers us, or refuses that in the words of OAuth. `None`: it did neither, and may do so later.
async fn registers(context: &Arc<LoginContext>, discovered: &Discovered) -> Option<bool> {
    let account = context.account.clone();
    context.bind_credentials(&discovered.issuer).await.ok()?;
    let (context, discovered) = (Arc::clone(context), discovered.clone());
    // Under the lock of the login: several programs that start together register once.
    let registered = account.transact(async move |mut transaction| {
        if transaction.record.registered_with(&discovered.issuer).is_some() {
            return Ok(());
        }
        let client = register::request(&context, &discovered, None, true).await?;
        if let Err(error) = register::keep(context.address(), &mut transaction, &discovered.issuer, client).await {
            log::warn!("{error}; {}", error.hint());
        }
        Ok(())
    });
    match registered.await.ok()? {
        Ok(()) => Some(true),
        Err(error) => {
            log::info!("the default endpoints of 2025-03-26 were tried: {error}");
            match error {
                RegistrationError::Temporary { .. } | RegistrationError::Blocked(_) => None,
                error => Some(error.is_in_words_of_oauth()),
            }
        }
    }
}

/// Whether the default authorization endpoint answers this client's request with something else than an error that any
/// server has.
async fn has_login_page(context: &LoginContext, discovered: &Discovered, client_id: &str) -> Option<bool> {
    let callback = &context.options.callback;
    let port = callback.port.unwrap_or(context.account.key().ports()[0]);
    let client = Client { client_id: client_id.to_owned(), origin: Origin::Given, ..Client::default() };
    let request = AuthorizationRequest::new(discovered.issuer.clone(), client, callback.redirect_uri(port)).ok()?;
    let url = request.url(&context.options.login).ok()?;
    let reply = context.fetch().await.get_without_redirects(&url).await.ok()?;
    match reply.status.as_u16() {
        401 | 403 | 404 | 405 | 410 => Some(false),
        429 | 500.. => None,
        _ => Some(true),
    }
}
