//! Has mcp-remote a login with this server that we can take over?

use std::sync::Arc;

use crate::auth::account::Snapshot;
use crate::auth::expiry::Freshness;
use crate::auth::import;
use crate::auth::login_context::LoginContext;
use crate::auth::metadata::is_same_issuer;
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
    record.server = context.address();
    // Tokens go only to the issuer that issued them (RFC 9700 section 4.4).
    match record.issuer.as_ref().map(|known| known.issuer.clone()) {
        Some(known) => {
            let Ok(discovered) = context.discover().await else { return false };
            if !is_same_issuer(&known, &discovered.issuer.issuer) {
                return false;
            }
            record.issuer = Some(discovered.issuer);
        }
        // Then only the MCP server gets the access token. Without issuer and client the refresh token and the client
        // secret are of no use.
        None => {
            record.client = None;
            let Some(tokens) = &mut record.tokens else { return false };
            tokens.refresh_token = None;
            if Snapshot::new(record.clone()).freshness() == Freshness::Expired {
                return false;
            }
        }
    }
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
