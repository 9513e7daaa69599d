//! May a person be sent to this endpoint of an authorization server?

use url::Url;

use crate::auth::web_url::UnsafeUrl;

/// The parameters of authorization requests (RFC 6749, 7636, 8707, 9101, 9126, 9396, 9449, OIDC). Their values
/// are chosen by us or by the user. In an endpoint's own query they could ask for more, or for less safety.
const PROTOCOL_PARAMETERS: &[&str] = &[
    "acr_values",
    "authorization_details",
    "claims",
    "claims_locales",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "display",
    "dpop_jkt",
    "error",
    "grant_type",
    "id_token_hint",
    "iss",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "ui_locales",
];

/// Whether a name in an endpoint's query is that of a protocol parameter, as careless servers read names too.
fn is_protocol_parameter(name: &str) -> bool {
    let name = name.split('[').next().unwrap_or_default().trim().to_ascii_lowercase();
    PROTOCOL_PARAMETERS.contains(&name.as_str())
}

/// Refuses an endpoint whose own query sets protocol parameters.
pub(in crate::auth) fn check_endpoint(endpoint: &Url) -> Result<(), UnsafeUrl> {
    match endpoint.query_pairs().find(|(name, _)| is_protocol_parameter(name)) {
        Some((name, _)) => Err(UnsafeUrl::new(endpoint, &format!("its query sets {name:?}, which only we may set"))),
        None => Ok(()),
    }
}

/// A warning that names the host that gets the code of a login, unless that is the server that shows the page.
pub(in crate::auth) fn warning(page: &str, receiver: &str) -> Option<String> {
    let (page, receiver) = (Url::parse(page).ok()?, Url::parse(receiver).ok()?);
    if is_same_site(&page, &receiver) {
        return None;
    }
    let [page, receiver] = [page, receiver].map(|url| url.origin().ascii_serialization());
    Some(format!("{page} asks you to sign in, but {receiver} gets the login: go on only if you trust both"))
}

/// Whether two URLs are of one operator: the same origin, or one host is below the other. Two hosts below a third may
/// belong to different tenants of a hosting company.
fn is_same_site(one: &Url, other: &Url) -> bool {
    let below = |host: &str, parent: &str| host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
    match (one.domain(), other.domain()) {
        (Some(one_host), Some(other_host)) if one.scheme() == other.scheme() && one_host.contains('.') => {
            one_host == other_host || below(one_host, other_host) || below(other_host, one_host)
        }
        _ => one.origin() == other.origin(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_of_another_site_is_told() {
        for (page, receiver, is_told) in [
            ("https://as.example/a", "https://as.example/t", false),
            ("https://as.example/a", "https://as.example:8443/t", false),
            ("https://login.as.example/a", "https://as.example/t", false),
            ("https://as.example/a", "https://api.as.example/t", false),
            ("https://good.host.example/a", "https://evil.host.example/t", true),
            ("https://as.example/a", "https://evilas.example/t", true),
            ("https://as.example/a", "https://evil.example/t", true),
            ("http://127.0.0.1:1/a", "http://127.0.0.1:1/t", false),
            ("http://127.0.0.1:1/a", "http://127.0.0.1:2/t", true),
            ("http://localhost:1/a", "http://localhost:2/t", true),
            ("https://example/a", "https://as.example/t", true),
        ] {
            let told = warning(page, receiver);
            assert_eq!(told.is_some(), is_told, "{page} and {receiver}: {told:?}");
        }
        let told = warning("https://as.example/a?x", "https://evil.example/t").unwrap();
        assert!(told.contains("https://as.example") && told.contains("https://evil.example"), "{told}");
    }
}
