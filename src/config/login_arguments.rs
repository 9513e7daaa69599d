//! With which arguments does a person make the same login in a terminal? Another value of one of these options would be
//! another login, or one whose redirect the authorization server does not accept.

use std::path::PathBuf;

use super::text::{each_given, given, given_path};
use crate::auth::KeptIn;
use crate::{cli, log};

/// The arguments, as a shell takes them. No secret is among them.
pub(super) fn login_arguments(url: &str, port: Option<u16>, typed: &cli::Login) -> String {
    let mut words = vec!["login".to_owned(), url.to_owned()];
    words.extend(port.map(|port| port.to_string()));
    let mut add = |option: &str, value: Option<&str>| {
        words.extend(value.into_iter().flat_map(|value| [option.to_owned(), value.to_owned()]));
    };
    let path = |typed: &Option<PathBuf>| given_path(typed.as_ref()).map(|path| path.display().to_string());
    // A document that was typed itself may hold a secret; the name of a file does not.
    let file = |typed: &Option<String>| given(typed.as_ref()).filter(|typed| typed.starts_with('@')).map(str::to_owned);
    let number = |typed: Option<u16>| typed.map(|port| port.to_string());
    add("--profile", given(typed.profile.as_ref()));
    add("--client-id", given(typed.client_id.as_ref()));
    add("--client-secret-env", given(typed.client_secret_env.as_ref()));
    add("--client-secret-file", path(&typed.client_secret_file).as_deref());
    add("--static-oauth-client-info", file(&typed.static_oauth_client_info).as_deref());
    add("--static-oauth-client-metadata", file(&typed.static_oauth_client_metadata).as_deref());
    add("--client-metadata-url", given(typed.client_metadata_url.as_ref()));
    add("--scope", given(typed.scope.as_ref()));
    add("--resource", typed.resource.as_deref());
    for param in each_given(&typed.authorize_param) {
        add("--authorize-param", Some(param));
    }
    add("--issuer", given(typed.issuer.as_ref()));
    add("--metadata-url", given(typed.metadata_url.as_ref()));
    add("--host", given(typed.host.as_ref()));
    add("--callback-port", number(typed.callback_port).as_deref());
    add("--callback-path", given(typed.callback_path.as_ref()));
    add("--token-store", (typed.token_store == KeptIn::Keychain).then_some("keychain"));
    words.extend(typed.disable_resource_parameter.then(|| "--disable-resource-parameter".to_owned()));
    words.extend(typed.device_code.then(|| "--device".to_owned()));
    log::redact(&words.iter().map(|word| log::shell_word(word)).collect::<Vec<_>>().join(" "))
}
