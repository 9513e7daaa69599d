//! What did the user mean for credentials and logins?

use std::time::Duration;

use http::Uri;

use super::credentials;
use super::login::{login, parsed};
use super::login_arguments::login_arguments;
use super::text::given;
use crate::auth::{CallbackSettings, Options};
use crate::cli;
use crate::error::Error;
use crate::net::Network;
use crate::{log, system};

/// The shortest time for a person to log in. Other bridges limit something else with `--auth-timeout`, and their users
/// have shorter values for it.
const SHORTEST_LOGIN: Duration = Duration::from_secs(180);

/// The options of credentials and logins. `url` and `port` are what was typed as the server and the callback's port.
pub(super) fn options(
    url: &str,
    port: Option<u16>,
    server: Uri,
    network: Network,
    options: &cli::Options,
) -> Result<Options, Error> {
    let typed = &options.login;
    let mut headers = credentials::headers(&options.credentials)?;
    Ok(Options {
        server,
        credential: credentials::bearer_token(&options.credentials, &mut headers)?,
        headers,
        mode: typed.auth,
        begins_logins: !system::is_looked_at(),
        changes_logins: !system::is_looked_at(),
        login: login(typed)?,
        callback: callback(typed, port, options.connection.allow_http)?,
        timeout: Duration::from_secs_f64(typed.auth_timeout).max(SHORTEST_LOGIN),
        kept_in: typed.token_store,
        unlocks_keychain: false,
        profile: given(typed.profile.as_ref()).map(str::to_owned),
        typed_url: url.to_owned(),
        typed_headers: options.credentials.header.clone(),
        login_arguments: login_arguments(url, port, typed),
        network,
        home: system::home(),
    })
}

fn callback(typed: &cli::Login, port: Option<u16>, allow_http: bool) -> Result<CallbackSettings, Error> {
    let mut callback = CallbackSettings {
        bind: typed.callback_bind,
        port: typed.callback_port.or(port).filter(|&port| port > 0),
        ..CallbackSettings::default()
    };
    if let Some(host) = parsed(typed.host.as_ref(), "--host", CallbackSettings::parse_host)? {
        callback.host = host;
    }
    if let Some(path) = given(typed.callback_path.as_ref()) {
        match CallbackSettings::parse_path(path) {
            Ok(path) => callback.path = path,
            Err(why) => log::warn!("--callback-path is ignored: {why}"),
        }
    }
    callback.success_url = parsed(typed.auth_success_url.as_ref(), "--auth-success-url", |url| {
        CallbackSettings::parse_success_url(url, allow_http)
    })?;
    Ok(callback)
}
