//! How did the user mean to log in?

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::{home, read_file, text};
use crate::auth::{self, CallbackSettings, Credential, Headers, Signer};
use crate::auth::{Enterprise, Grant, Login, ResourceChoice};
use crate::cli;
use crate::error::Error;
use crate::log::{self, Secret};
use crate::net::Network;

/// The shortest time for a person to log in, whatever was typed: other bridges bound other things with the same option.
const SHORTEST_LOGIN: Duration = Duration::from_secs(180);

/// What was read before the options of the login are.
pub(super) struct Parts<'a> {
    pub(super) server: Uri,
    pub(super) headers: Headers,
    pub(super) credential: Option<Credential>,
    pub(super) network: Network,
    /// The server's address as it was typed.
    pub(super) url: &'a str,
    /// The callback's port, where it was typed behind the address.
    pub(super) port: Option<u16>,
}

/// From the options.
pub(super) fn read(parts: Parts<'_>, options: &cli::Options) -> Result<auth::Options, Error> {
    let typed = &options.login;
    let Parts { server, headers, credential, network, url, port } = parts;
    Ok(auth::Options {
        server,
        headers,
        credential,
        mode: typed.auth,
        login: login(typed)?,
        callback: callback(typed, port, options.connection.allow_http)?,
        timeout: Duration::from_secs_f64(typed.auth_timeout).max(SHORTEST_LOGIN),
        kept_in: typed.token_store.check().map_err(about("--token-store"))?,
        profile: given(typed.profile.as_ref()),
        typed_url: url.to_owned(),
        typed_headers: options.credentials.header.clone(),
        network,
        home: home(),
    })
}

/// What the authorization server hears of it.
fn login(typed: &cli::Login) -> Result<Login, Error> {
    let mut login = Login { client_name: given(typed.client_name.as_ref()), ..Login::default() };
    login.scope = given(typed.scope.as_ref());
    client(typed, &mut login)?;
    login.resource = match typed.resource.as_ref() {
        _ if typed.disable_resource_parameter => ResourceChoice::Off,
        Some(resource) if !resource.contains("${user_config.") => {
            ResourceChoice::parse(resource.trim()).map_err(about("--resource"))?
        }
        _ => ResourceChoice::Discovered,
    };
    for param in typed.authorize_param.iter().filter(|param| !text::is_unset(param)) {
        login.authorize_params.push(Login::parse_authorize_param(param).map_err(about("--authorize-param"))?);
    }
    login.issuer = parsed(typed.issuer.as_ref(), "--issuer", Login::parse_issuer)?;
    login.token_endpoint = parsed(typed.token_endpoint.as_ref(), "--token-endpoint", Login::parse_issuer)?;
    login.assume_pkce = typed.assume_pkce;
    login.use_id_token = typed.use_id_token;
    login.grant = grant(typed)?;
    login.dpop = typed.dpop;
    login.check().map_err(Error::Usage)?;
    Ok(login)
}

/// Who we are to it: what a document says, and what the options say before that.
fn client(typed: &cli::Login, login: &mut Login) -> Result<(), Error> {
    if let Some(json) = document(typed.static_oauth_client_info.as_ref())? {
        login
            .set_client_info(&json)
            .map_err(in_document("--static-oauth-client-info", typed.static_oauth_client_info.as_ref()))?;
    }
    if let Some(json) = document(typed.static_oauth_client_metadata.as_ref())? {
        let place = in_document("--static-oauth-client-metadata", typed.static_oauth_client_metadata.as_ref());
        login.set_client_metadata(&json).map_err(place)?;
    }
    login.client_id = given(typed.client_id.as_ref()).or(login.client_id.take());
    login.client_secret = secret(typed)?.or(login.client_secret.take());
    if let Some(path) = given(typed.private_key.as_ref()) {
        let signer = Signer::from_pem(&read_file(&path)?, given(typed.private_key_id.as_ref()));
        login.client_key = Some(signer.map_err(|error| Error::Usage(format!("--private-key {path}: {error}")))?);
    }
    login.client_metadata_url =
        parsed(typed.client_metadata_url.as_ref(), "--client-metadata-url", Login::parse_client_metadata_url)?;
    Ok(())
}

fn given(value: Option<&String>) -> Option<String> {
    value.filter(|value| !text::is_unset(value)).cloned()
}

fn about(option: &'static str) -> impl Fn(String) -> Error {
    move |why| Error::Usage(format!("the value of {option} cannot be used: {why}"))
}

/// The same of a document, by its file's name if it has one: its text may be a secret.
fn in_document(option: &'static str, value: Option<&String>) -> impl Fn(String) -> Error {
    let file = value.and_then(|value| value.trim().strip_prefix('@')).map(|path| format!(" ({path})"));
    let file = file.unwrap_or_default();
    move |why| Error::Usage(format!("the value of {option}{file} cannot be used: {why}"))
}

fn parsed<T>(
    value: Option<&String>,
    option: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Error> {
    given(value).map(|value| parse(value.trim())).transpose().map_err(about(option))
}

/// JSON as it was typed, or the file that an `@` stands before; variables filled in.
fn document(value: Option<&String>) -> Result<Option<String>, Error> {
    let Some(value) = given(value) else { return Ok(None) };
    let json = match value.trim().strip_prefix('@') {
        Some(path) => read_file(path)?,
        None => value,
    };
    let expanded = text::expand(&json).map_err(|variable| {
        Error::Usage(format!("the client's JSON needs the environment variable {variable}, which is not set"))
    })?;
    Ok(Some(expanded))
}

fn secret(typed: &cli::Login) -> Result<Option<Secret>, Error> {
    if let Some(path) = given(typed.client_secret_file.as_ref()) {
        return Ok(Some(Secret::new(read_file(&path)?.trim())));
    }
    from_variable(typed.client_secret_env.as_ref(), "--client-secret-env")
}

fn from_variable(name: Option<&String>, option: &str) -> Result<Option<Secret>, Error> {
    let Some(name) = given(name) else { return Ok(None) };
    if !text::is_name(&name) || super::looks_like_a_token(&name) {
        log::hide(&name);
        return Err(Error::Usage(format!("{option} wants the name of an environment variable, not the secret itself")));
    }
    match std::env::var(&name).ok().filter(|value| !text::is_unset(value)) {
        Some(value) => Ok(Some(Secret::new(value.trim()))),
        None => Err(Error::Usage(format!("the environment variable {name} of {option} is not set"))),
    }
}

fn grant(typed: &cli::Login) -> Result<Grant, Error> {
    let file = |path: Option<&String>| given(path).map(|path| Credential::File { path: PathBuf::from(path) });
    if let Some(workload) = file(typed.workload_token_file.as_ref()) {
        return Ok(Grant::Workload(workload));
    }
    if let Some(token_endpoint) =
        parsed(typed.idp_token_endpoint.as_ref(), "--idp-token-endpoint", Login::parse_issuer)?
    {
        let needs = |option| Error::Usage(format!("--idp-token-endpoint needs {option}"));
        return Ok(Grant::Enterprise(Enterprise {
            token_endpoint,
            client_id: given(typed.idp_client_id.as_ref()).ok_or_else(|| needs("--idp-client-id"))?,
            client_secret: from_variable(typed.idp_client_secret_env.as_ref(), "--idp-client-secret-env")?,
            subject_token: file(typed.idp_token_file.as_ref()).ok_or_else(|| needs("--idp-token-file"))?,
        }));
    }
    Ok(match (typed.client_credentials, typed.device_code) {
        (true, _) => Grant::ClientCredentials,
        (false, true) => Grant::Device,
        (false, false) => Grant::AuthorizationCode,
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
        match CallbackSettings::parse_path(&path) {
            Ok(path) => callback.path = path,
            Err(why) => log::warn!("--callback-path is passed over: {why}"),
        }
    }
    callback.success_url = parsed(typed.auth_success_url.as_ref(), "--auth-success-url", |url| {
        CallbackSettings::parse_success_url(url, allow_http)
    })?;
    Ok(callback)
}
