//! When does a login begin by itself? When a request needs it, or when a client whose first message needed it still
//! runs after a while. Programs often start the bridge only to look, and end it again; requests that the bridge makes
//! by itself open no tab. Where a login would not help, none begins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;

use super::default_endpoints;
use super::log_in::log_in;
use super::prompt::LoginOptions;
use crate::auth::login_context::LoginContext;
use crate::auth::metadata::Metadata;
use crate::auth::record::Issuer;
use crate::auth::settings::AuthMode;
use crate::auth::web_url::is_loopback;
use crate::log;
use crate::task;

/// A client that still runs this long after its first message is one that somebody uses.
const IN_USE: Duration = Duration::from_secs(2);

/// How long a refused request may look for an authorization server: the client's first message waits for it.
const LOOK: Duration = Duration::from_millis(1500);

/// Whether a login is of no use, because no authorization server issues tokens for this server: it wants a key that the
/// user has to give. `wants_other_scheme`: it asks for `Basic` or another scheme, and not for `Bearer`.
pub(in crate::auth) async fn is_login_useless(context: &Arc<LoginContext>, wants_other_scheme: bool) -> bool {
    tokio::time::timeout(LOOK, has_no_authorization_server(context, wants_other_scheme)).await.unwrap_or_default()
}

async fn has_no_authorization_server(context: &Arc<LoginContext>, wants_other_scheme: bool) -> bool {
    match context.discover().await {
        Ok(discovered) => {
            let is_guessed = !discovered.issuer.metadata.contains_key("issuer");
            is_guessed && (wants_other_scheme || !default_endpoints::are_believed(context, &discovered).await)
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

/// Notes that a login is needed, and starts the one task that sees to it, unless it runs already. With `step_up` only
/// some requests need the login, and with this scope. True if no login was needed before.
pub(in crate::auth) fn begin_in_background(context: &Arc<LoginContext>, step_up: Option<&str>) -> bool {
    let is_new = context.login_status.require(step_up);
    if is_new {
        task::spawn(log_in_when_needed(Arc::clone(context)));
    }
    is_new
}

/// Runs until there is a login, made by this process or another one.
async fn log_in_when_needed(context: Arc<LoginContext>) {
    let mut paused: Option<(Instant, String)> = None;
    loop {
        let seen = context.requirement.lock().seen;
        let in_use = async {
            context.login_status.first_message.notified().await;
            tokio::time::sleep(IN_USE).await;
            if has_new_authorization_host(&context).await {
                context.login_status.used.notified().await;
            }
        };
        tokio::select! {
            () = context.login_status.requested.notified() => {}
            () = in_use, if context.options.mode == AuthMode::Auto => {}
            () = logged_in_elsewhere(&context, seen) => break,
        }
        if let Some((_, why)) = paused.as_ref().filter(|(until, _)| Instant::now() < *until) {
            context.login_status.fail(why.clone());
            continue;
        }
        let opens = context.options.mode != AuthMode::Error;
        match log_in(&context, LoginOptions { opens, ..LoginOptions::default() }).await {
            Ok(_) => break,
            Err(error) => {
                let why = format!("{error}; {}", error.hint());
                log::warn!("{why}");
                paused = error.pause().map(|pause| (Instant::now() + pause, why.clone()));
                context.login_status.fail(why);
            }
        }
    }
    context.requirement.lock().note_step_up();
    let held = context.account.snapshot().await;
    context.login_status.set_login_number(held.map_or(0, |held| held.record.login_number()));
    context.login_status.succeed();
}

/// Whether the person would be sent to a host that is neither the MCP server's own nor that of an earlier login. Then
/// `initialize` alone opens no tab: whoever has a client started must not thereby send its user anywhere.
async fn has_new_authorization_host(context: &LoginContext) -> bool {
    // The login reports why there is no authorization server.
    let Ok(discovered) = context.discover().await else { return false };
    let record = context.account.record().await;
    let earlier = record.issuer.as_ref().filter(|_| record.logins > 0).and_then(login_host);
    let own = host_of(context.server.as_str());
    login_host(&discovered.issuer).is_some_and(|host| Some(&host) != own.as_ref() && Some(&host) != earlier.as_ref())
}

/// The host that a person is sent to.
fn login_host(issuer: &Issuer) -> Option<String> {
    let metadata = Metadata::of(issuer);
    let page = metadata.text("authorization_endpoint").or(metadata.text("device_authorization_endpoint"));
    host_of(page.unwrap_or(&issuer.issuer))
}

/// Names and addresses of this machine are one host.
fn host_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(if is_loopback(&url) { "localhost".to_owned() } else { host.to_owned() })
}

/// Waits until another process has made a login that is enough.
async fn logged_in_elsewhere(context: &LoginContext, mut seen: u64) {
    loop {
        context.account.changed(seen).await;
        if context.sufficient_login().await.is_some() {
            return;
        }
        seen = context.account.generation().await;
    }
}
