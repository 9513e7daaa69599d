//! What did the user mean for the authorization server?

use std::path::{Path, PathBuf};

use super::text::{document, each_given, given, given_path, named_file, names_a_variable, variable, variable_name};
use crate::auth::{Credential, Enterprise, Grant, Login, ResourceChoice, Signer, release_document};
use crate::cli;
use crate::error::Error;
use crate::log::{self, Secret};
use crate::typed::{pem as unwrapped_pem, unquoted};

/// The settings of logins.
pub(super) fn login(typed: &cli::Login) -> Result<Login, Error> {
    let mut login = client(typed)?;
    login.resource = match typed.resource.as_ref() {
        _ if typed.disable_resource_parameter => ResourceChoice::Off,
        // An empty value is a choice too; only a placeholder counts as not given.
        Some(resource) if !resource.contains("${user_config.") => {
            ResourceChoice::parse(resource.trim()).map_err(invalid("--resource"))?
        }
        _ => ResourceChoice::Discovered,
    };
    for param in each_given(&typed.authorize_param) {
        login.authorize_params.push(Login::parse_authorize_param(param).map_err(invalid("--authorize-param"))?);
    }
    login.issuer = parsed(typed.issuer.as_ref(), "--issuer", Login::parse_issuer)?;
    login.metadata_url = parsed(typed.metadata_url.as_ref(), "--metadata-url", Login::parse_issuer)?;
    login.token_endpoint = parsed(typed.token_endpoint.as_ref(), "--token-endpoint", Login::parse_issuer)?;
    login.assume_pkce = typed.assume_pkce;
    login.use_id_token = typed.use_id_token;
    login.grant = grant(typed)?;
    login.dpop = typed.dpop;
    login.check().map_err(Error::Usage)?;
    Ok(login)
}

/// The client's name, registration and authentication. An option of its own takes the place of a document's member.
fn client(typed: &cli::Login) -> Result<Login, Error> {
    let text = |typed: &Option<String>| given(typed.as_ref()).map(str::to_owned);
    let mut login = Login { client_name: text(&typed.client_name), scope: text(&typed.scope), ..Login::default() };
    let (info, metadata) = (typed.static_oauth_client_info.as_ref(), typed.static_oauth_client_metadata.as_ref());
    if let Some(json) = document(info)? {
        login.set_client_info(&json).map_err(invalid_document("--static-oauth-client-info", info))?;
    }
    if let Some(json) = document(metadata)? {
        login.set_client_metadata(&json).map_err(invalid_document("--static-oauth-client-metadata", metadata))?;
    }
    login.client_id = text(&typed.client_id).or(login.client_id);
    let secret = match named_file(typed.client_secret_file.as_ref())? {
        Some(secret) => Some(Secret::new(unquoted(&secret))),
        None => secret_variable(typed.client_secret_env.as_ref(), "--client-secret-env")?,
    };
    login.client_secret = secret.or(login.client_secret);
    if let Some(pem) = named_file(typed.private_key.as_ref())? {
        let path = typed.private_key.as_deref().unwrap_or(Path::new("")).display();
        let signer = Signer::from_pem(&unwrapped_pem(&pem), text(&typed.private_key_id));
        login.client_key = Some(signer.map_err(|error| Error::Usage(format!("--private-key {path}: {error}")))?);
    }
    match given(typed.client_metadata_url.as_ref()) {
        None => login.release_document = release_document(),
        Some(off) if off.trim().eq_ignore_ascii_case("off") => {}
        Some(_) => {
            let document = typed.client_metadata_url.as_ref();
            login.client_metadata_url = parsed(document, "--client-metadata-url", Login::parse_client_metadata_url)?;
        }
    }
    Ok(login)
}

/// The secret in the variable that the option names.
fn secret_variable(name: Option<&String>, option: &str) -> Result<Option<Secret>, Error> {
    let Some(name) = given(name).map(variable_name) else { return Ok(None) };
    if !names_a_variable(name) {
        log::hide(name);
        return Err(Error::Usage(format!("{option} needs the name of an environment variable, not the secret itself")));
    }
    match variable(name) {
        Some(value) => Ok(Some(Secret::new(unquoted(&value)))),
        None => Err(Error::Usage(format!("the environment variable {name} of {option} is not set"))),
    }
}

fn grant(typed: &cli::Login) -> Result<Grant, Error> {
    let file =
        |path: &Option<PathBuf>| given_path(path.as_ref()).map(|path| Credential::File { path: path.to_owned() });
    if let Some(workload) = file(&typed.workload_token_file) {
        return Ok(Grant::Workload(workload));
    }
    let endpoint = parsed(typed.idp_token_endpoint.as_ref(), "--idp-token-endpoint", Login::parse_issuer)?;
    if let Some(token_endpoint) = endpoint {
        let needs = |option| Error::Usage(format!("--idp-token-endpoint needs {option}"));
        let client_id = given(typed.idp_client_id.as_ref()).ok_or_else(|| needs("--idp-client-id"))?;
        return Ok(Grant::Enterprise(Enterprise {
            token_endpoint,
            client_id: client_id.to_owned(),
            client_secret: secret_variable(typed.idp_client_secret_env.as_ref(), "--idp-client-secret-env")?,
            subject_token: file(&typed.idp_token_file).ok_or_else(|| needs("--idp-token-file"))?,
        }));
    }
    Ok(match (typed.client_credentials, typed.device_code) {
        (true, _) => Grant::ClientCredentials,
        (false, true) => Grant::Device,
        (false, false) => Grant::AuthorizationCode,
    })
}

/// The value of an option, if it is given, as `parse` reads it.
pub(super) fn parsed<T>(
    typed: Option<&String>,
    option: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Error> {
    given(typed).map(|typed| parse(typed.trim())).transpose().map_err(invalid(option))
}

/// The error of an option whose value is not valid.
pub(super) fn invalid(option: &'static str) -> impl Fn(String) -> Error {
    move |why| Error::Usage(format!("the value of {option} cannot be used: {why}"))
}

/// The same error for a document. It names the document's file, but does not quote its text, which may be a secret.
fn invalid_document(option: &'static str, typed: Option<&String>) -> impl Fn(String) -> Error {
    let path = typed.and_then(|typed| typed.trim().strip_prefix('@'));
    let file = path.map(|path| format!(" ({path})")).unwrap_or_default();
    move |why| Error::Usage(format!("the value of {option}{file} cannot be used: {why}"))
}
