//! What did the user mean for credentials and logins?

use std::time::Duration;

use http::Uri;

use super::credentials;
use super::login::{invalid, login, parsed};
use super::sources::Sources;
use super::text::given;
use crate::auth::{CallbackSettings, Options};
use crate::cli;
use crate::error::Error;
use crate::log;
use crate::net::Network;

/// The shortest time for a person to log in. Other bridges limit something else with `--auth-timeout`, and their users
/// have shorter values for it.
const SHORTEST_LOGIN: Duration = Duration::from_secs(180);

/// What the credentials are for.
pub(super) struct Target<'a> {
    /// The server's address as it was typed.
    pub(super) url: &'a str,
    pub(super) server: Uri,
    /// The callback's port, if it was typed behind the address.
    pub(super) port: Option<u16>,
    pub(super) network: Network,
}

/// The options of credentials and logins.
pub(super) fn options(target: Target<'_>, options: &cli::Options, sources: &Sources) -> Result<Options, Error> {
    let typed = &options.login;
    let mut headers = credentials::headers(&options.credentials, sources);
    Ok(Options {
        server: target.server,
        credential: credentials::bearer_token(&options.credentials, sources, &mut headers)?,
        headers,
        mode: typed.auth,
        login: login(typed, sources)?,
        callback: callback(typed, target.port, options.connection.allow_http)?,
        timeout: Duration::from_secs_f64(typed.auth_timeout).max(SHORTEST_LOGIN),
        kept_in: typed.token_store.check().map_err(invalid("--token-store"))?,
        profile: given(typed.profile.as_ref()).map(str::to_owned),
        typed_url: target.url.to_owned(),
        typed_headers: options.credentials.header.clone(),
        network: target.network,
        home: sources.home.clone(),
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
