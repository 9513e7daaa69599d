//! Has mcp-remote a login with this server that we can take over?

use std::sync::Arc;

use crate::auth::import;
use crate::auth::login_context::LoginContext;
use crate::auth::record::Record;
use crate::auth::settings::{Options, ResourceChoice};
use crate::log;
use crate::task;

/// Takes over the login of mcp-remote. True if there is a login now.
pub(super) async fn take_over(context: &LoginContext) -> bool {
    if context.options.login.client_id.is_some() {
        return false;
    }
    let options = Arc::clone(&context.options);
    let Some(mut record) = task::blocking(move || find(&options)).await.flatten() else { return false };
    let Ok(discovered) = context.discover().await else { return false };
    // Tokens go only to the issuer that issued them (RFC 9700 section 4.4).
    if record.issuer.as_ref().is_some_and(|known| known.issuer != discovered.issuer.issuer) {
        return false;
    }
    record.server = context.address();
    record.issuer = Some(discovered.issuer);
    let saved = context.account.transact(async move |mut transaction| {
        if transaction.record.generation == 0 {
            transaction.keep(record).await;
        }
    });
    log::info!("a login of mcp-remote's is taken over");
    saved.await.is_ok()
}

/// The login that mcp-remote keeps for this server.
fn find(options: &Options) -> Option<Record> {
    let pairs = options.typed_headers.iter().filter_map(|header| header.split_once(':'));
    let headers: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.trim_start().to_owned())).collect();
    let login = &options.login;
    let typed = import::McpRemoteOptions {
        url: &options.typed_url,
        resource: if let ResourceChoice::Given(resource) = &login.resource { Some(resource) } else { None },
        authorize_params: &login.authorize_params,
        headers: &headers,
        client_metadata_url: login.client_metadata_url.as_deref(),
        token_endpoint: login.token_endpoint.as_deref(),
    };
    import::find(&import::cache_dir()?, &typed)
}
