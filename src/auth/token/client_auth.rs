//! How does a client authenticate at the token endpoint (RFC 6749 section 2.3, RFC 7523)?

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use http::header::AUTHORIZATION;
use url::form_urlencoded;

use super::error::TokenError;
use crate::auth::metadata::Metadata;
use crate::auth::record::{Client, Issuer, Origin};
use crate::auth::settings::Login;
use crate::log::hide;

/// The values of `token_endpoint_auth_method` (RFC 7591) that we support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum AuthMethod {
    /// A public client sends only its ID.
    None,
    /// The secret is in the form.
    ClientSecretPost,
    /// The secret is in the `Authorization` header.
    ClientSecretBasic,
    /// The same without the form encoding of RFC 6749 section 2.3.1, as many servers expect it. The name is ours.
    UnencodedBasic,
    /// A signed assertion is in the form.
    PrivateKeyJwt,
}

/// What a request needs so that the client is authenticated: parameters of its form, and headers.
type Authentication = (Vec<(&'static str, String)>, Vec<(HeaderName, String)>);

impl AuthMethod {
    /// The methods that we register, the best first.
    const REGISTERED: [Self; 3] = [Self::None, Self::ClientSecretPost, Self::ClientSecretBasic];

    pub(in crate::auth) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::UnencodedBasic => "client_secret_basic_unencoded",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method to register with: a public client, if the server allows that. Also the method of a registration
    /// response that names none.
    pub(in crate::auth) fn to_register(issuer: &Issuer) -> Option<Self> {
        Self::first_supported(issuer, &Self::REGISTERED)
    }

    fn first_supported(issuer: &Issuer, order: &[Self]) -> Option<Self> {
        let supported = Metadata::of(issuer).array("token_endpoint_auth_methods_supported")?;
        order.iter().copied().find(|method| supported.contains(&method.name()))
    }

    /// The methods to try, the likeliest first. The others are for servers that refuse the method which they advertise.
    pub(super) fn candidates(issuer: &Issuer, client: &Client, login: &Login) -> Vec<Self> {
        if login.client_key.is_some() && client.origin == Origin::Given {
            return vec![Self::PrivateKeyJwt];
        }
        if client.client_secret.is_none() {
            return vec![Self::None];
        }
        let with_secret = [Self::ClientSecretPost, Self::ClientSecretBasic];
        let registered = client.token_endpoint_auth_method.as_deref();
        let first = Self::REGISTERED
            .into_iter()
            .chain([Self::UnencodedBasic])
            .find(|method| registered == Some(method.name()))
            .or_else(|| Self::first_supported(issuer, &with_secret))
            .unwrap_or(Self::ClientSecretBasic);
        let mut methods = vec![first];
        // The last one is another request only if the encoding changes something.
        let secret = client.client_secret.as_ref().map_or("", |secret| secret.expose());
        let has_other_form = form_encoded(&client.client_id) != client.client_id || form_encoded(secret) != secret;
        let others = with_secret.into_iter().chain(has_other_form.then_some(Self::UnencodedBasic));
        methods.extend(others.filter(|method| *method != first));
        methods
    }

    pub(super) fn authenticate(
        self,
        issuer: &Issuer,
        client: &Client,
        login: &Login,
    ) -> Result<Authentication, TokenError> {
        let id = &client.client_id;
        let secret = client.client_secret.as_ref().map_or("", |secret| secret.expose());
        let mut form = vec![("client_id", id.clone())];
        let mut headers = Vec::new();
        match self {
            Self::None => {}
            Self::ClientSecretPost => form.push(("client_secret", secret.to_owned())),
            Self::ClientSecretBasic | Self::UnencodedBasic => {
                // RFC 6749 section 2.3.1: both are form-encoded first. A request has only one authentication, so the
                // form has no client_id.
                let pair = match self {
                    Self::UnencodedBasic => STANDARD.encode(format!("{id}:{secret}")),
                    _ => STANDARD.encode(format!("{}:{}", form_encoded(id), form_encoded(secret))),
                };
                // As secret as the client secret, but another text.
                hide(&pair);
                form.clear();
                headers.push((AUTHORIZATION, format!("Basic {pair}")));
            }
            Self::PrivateKeyJwt => {
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                form.push(("client_assertion_type", kind.to_owned()));
                let assertion = login.client_key.as_ref().map(|signer| signer.client_assertion(id, &issuer.issuer));
                form.extend(assertion.transpose()?.map(|assertion| ("client_assertion", assertion)));
            }
        }
        Ok((form, headers))
    }
}

fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
