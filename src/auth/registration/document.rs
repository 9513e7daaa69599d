//! Which client ID metadata document describes us (draft-ietf-oauth-client-id-metadata-document)? One that the user
//! names, or that of the release.

use url::Url;

use super::RegistrationRequest;
use crate::auth::metadata::Metadata;
use crate::auth::record::Issuer;
use crate::auth::settings::{Grant, Login};

/// Where the document of this release is published; `None` in builds that are no release. Authorization servers fetch
/// it: an address where it is not would make logins fail, so that only who publishes it can say it, when building.
const RELEASE: Option<&str> = option_env!("MCP_FERRY_CLIENT_METADATA_URL");

/// The hosts, the path and the ports of the redirect URIs in `dist/client-metadata.json`. It has each host without a
/// port too: then every port is allowed (RFC 8252 section 7.3), but some authorization servers compare it.
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];
const PATH: &str = "/oauth/callback";
pub(in crate::auth) const PORTS: [u16; 3] = [33418, 33419, 33420];

/// The document of this release, if there is one.
pub fn release_document() -> Option<String> {
    RELEASE.filter(|url| !url.is_empty()).map(str::to_owned)
}

/// The document to use at this authorization server, if it takes one. That of the release is not for a login for which
/// the user wants other metadata than it has.
pub(in crate::auth) fn document<'a>(
    issuer: &Issuer,
    login: &'a Login,
    request: RegistrationRequest<'_>,
) -> Option<&'a str> {
    let is_supported = Metadata::of(issuer).flag("client_id_metadata_document_supported");
    let of_release = login.release_document.as_deref().filter(|_| {
        matches!(login.grant, Grant::AuthorizationCode)
            && login.client_name.is_none()
            && login.client_metadata.is_empty()
            && request.redirect_uris.iter().all(|uri| is_listed(uri))
    });
    let document = login.client_metadata_url.as_deref().or(of_release);
    document.filter(|_| login.client_id.is_none() && is_supported && !request.skip_metadata_document)
}

/// Whether the document has this redirect URI.
fn is_listed(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|uri| uri.host_str().is_some_and(|host| HOSTS.contains(&host)) && uri.path() == PATH)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::auth::callback::CallbackSettings;

    fn published() -> Value {
        serde_json::from_str(include_str!("../../../dist/client-metadata.json")).unwrap()
    }

    #[test]
    fn the_document_lists_each_redirect_uri_that_we_use_and_no_other() {
        let listed: BTreeSet<String> = serde_json::from_value(published()["redirect_uris"].clone()).unwrap();
        let mut used = BTreeSet::new();
        for host in HOSTS {
            let callback = CallbackSettings { host: host.to_owned(), ..CallbackSettings::default() };
            assert_eq!(callback.path, PATH);
            used.extend(PORTS.map(|port| callback.redirect_uri(port)));
            used.insert(format!("http://{host}{PATH}"));
        }
        assert_eq!(listed, used);
        assert!(HOSTS.contains(&CallbackSettings::default().host.as_str()));
        assert!(used.iter().all(|uri| is_listed(uri)));
        for other in
            ["http://[::1]:33418/oauth/callback", "http://h.example/oauth/callback", "http://localhost:1/cb", ""]
        {
            assert!(!is_listed(other), "{other}");
        }
    }

    #[test]
    fn the_document_describes_a_public_client_of_this_machine() {
        let document = published();
        for (name, value) in [
            ("client_name", json!("mcp-ferry")),
            ("token_endpoint_auth_method", json!("none")),
            ("application_type", json!("native")),
            ("grant_types", json!(["authorization_code", "refresh_token"])),
            ("response_types", json!(["code"])),
            ("client_id", json!("@BASE@/client-metadata.json")),
        ] {
            assert_eq!(document[name], value, "{name}");
        }
        let addresses = ["client_uri", "logo_uri"].map(|name| document[name].as_str().unwrap().to_owned());
        assert!(addresses.iter().all(|address| address.starts_with("@BASE@/")), "{addresses:?}");
        let names = document.as_object().unwrap().keys();
        assert!(names.into_iter().all(|name| !name.contains("secret") && name != "software_version"));
    }

    #[test]
    fn the_document_of_the_release_is_used_where_it_fits_the_login() {
        let metadata = json!({ "client_id_metadata_document_supported": true });
        let issuer = Issuer { metadata: metadata.as_object().unwrap().clone(), ..Issuer::default() };
        let login = || Login { release_document: Some("https://r.example/c.json".to_owned()), ..Login::default() };
        let used = |login: &Login, uri: &str, skip_metadata_document| {
            let redirect_uris = [uri.to_owned()];
            let request = RegistrationRequest { redirect_uris: &redirect_uris, scopes: &[], skip_metadata_document };
            document(&issuer, login, request).map(str::to_owned)
        };
        let uri = "http://localhost:33419/oauth/callback";
        assert_eq!(used(&login(), uri, false).as_deref(), Some("https://r.example/c.json"));
        assert_eq!(used(&Login::default(), uri, false), None, "a build that is no release has none");
        assert_eq!(used(&login(), uri, true), None);
        assert_eq!(used(&login(), "http://localhost:33419/other", false), None);
        let own = Login { client_metadata_url: Some("https://u.example/c.json".to_owned()), ..login() };
        assert_eq!(used(&own, "http://localhost/other", false).as_deref(), Some("https://u.example/c.json"));
        let mut metadata = login();
        metadata.set_client_metadata(r#"{"client_uri":"https://u.example"}"#).unwrap();
        for login in [
            Login { client_name: Some("Mine".to_owned()), ..login() },
            Login { client_id: Some("given".to_owned()), ..login() },
            Login { grant: Grant::Device, ..login() },
            metadata,
        ] {
            assert_eq!(used(&login, uri, false), None, "{login:?}");
        }
    }
}
