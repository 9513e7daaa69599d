//! How does a client show who it is? RFC 6749 section 2.3, RFC 7523.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use http::header::AUTHORIZATION;
use url::form_urlencoded;

use super::{TokenEndpoint, TokenError};
use crate::auth::metadata::Metadata;
use crate::auth::record::Origin;
use crate::log::hide;

/// `token_endpoint_auth_method` of RFC 7591, as far as we can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A public client says only its id.
    None,
    /// The secret is in the form.
    ClientSecretPost,
    /// The secret is in a header.
    ClientSecretBasic,
    /// A signed assertion is in the form.
    PrivateKeyJwt,
}

impl AuthMethod {
    /// In the registry's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::None, Self::ClientSecretPost, Self::ClientSecretBasic, Self::PrivateKeyJwt]
            .into_iter()
            .find(|method| method.name() == name)
    }

    /// What to register with: a public client, if that is allowed.
    pub(in crate::auth) fn for_registration(supported: Option<&[&str]>) -> Self {
        Self::first_of(supported, &[Self::None, Self::ClientSecretPost, Self::ClientSecretBasic]).unwrap_or(Self::None)
    }

    /// What a registration that does not say it means. RFC 8414: nothing said is Basic.
    pub(in crate::auth) fn unless_told(supported: Option<&[&str]>, has_secret: bool) -> Self {
        if !has_secret {
            return Self::None;
        }
        let order = [Self::None, Self::ClientSecretPost, Self::ClientSecretBasic];
        Self::first_of(supported, &order).unwrap_or(Self::ClientSecretBasic)
    }

    fn first_of(supported: Option<&[&str]>, order: &[Self]) -> Option<Self> {
        let supported = supported?;
        order.iter().copied().find(|method| supported.contains(&method.name()))
    }
}

impl TokenEndpoint<'_> {
    /// The ways to authenticate, the likeliest first. The others are for servers that do not take what they say they
    /// take.
    pub(in crate::auth) fn methods(&self) -> Vec<AuthMethod> {
        let client = self.client;
        if self.login.client_key.is_some() && client.origin == Origin::Given {
            return vec![AuthMethod::PrivateKeyJwt];
        }
        if client.client_secret.is_none() {
            return vec![AuthMethod::None];
        }
        let metadata = Metadata::of(self.issuer).token_endpoint_auth_methods();
        let with_secret = [AuthMethod::ClientSecretPost, AuthMethod::ClientSecretBasic];
        let told = client.token_endpoint_auth_method.as_deref().and_then(AuthMethod::parse);
        let first = told
            .filter(|method| *method != AuthMethod::PrivateKeyJwt)
            .or_else(|| AuthMethod::first_of(metadata.as_deref(), &with_secret))
            .unwrap_or(AuthMethod::ClientSecretBasic);
        let mut methods = vec![first];
        methods.extend(with_secret.into_iter().filter(|method| *method != first));
        methods
    }

    /// What is added to the form and to the headers.
    #[allow(clippy::type_complexity)]
    pub(super) fn authentication(
        &self,
        method: AuthMethod,
    ) -> Result<(Vec<(&'static str, String)>, Vec<(HeaderName, String)>), TokenError> {
        let id = &self.client.client_id;
        let secret = self.client.client_secret.as_ref().map_or("", |secret| secret.expose());
        let mut form = vec![("client_id", id.clone())];
        Ok(match method {
            AuthMethod::None => (form, Vec::new()),
            AuthMethod::ClientSecretPost => {
                form.push(("client_secret", secret.to_owned()));
                (form, Vec::new())
            }
            AuthMethod::ClientSecretBasic => {
                // RFC 6749 section 2.3.1: both are form-encoded first. Only one way to authenticate in a request, so
                // not in the form.
                let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
                // As good as the secret itself, and not the same text.
                hide(&pair);
                (Vec::new(), vec![(AUTHORIZATION, format!("Basic {pair}"))])
            }
            AuthMethod::PrivateKeyJwt => {
                let signer = self.login.client_key.as_ref().ok_or(TokenError::NoKey)?;
                let assertion = signer.client_assertion(id, &self.issuer.issuer)?;
                form.push(("client_assertion_type", ASSERTION_TYPE.to_owned()));
                form.push(("client_assertion", assertion));
                (form, Vec::new())
            }
        })
    }
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
