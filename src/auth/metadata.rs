//! What does an authorization server say of itself? A view of its RFC 8414 or OIDC metadata.

use serde_json::{Map, Value};
use url::Url;

use super::record::Issuer;

/// A metadata document, seen through the members we use. A member of the wrong type counts as missing.
#[derive(Debug, Clone, Copy)]
pub struct Metadata<'a>(&'a Map<String, Value>);

/// A member that is a text and says something: of metadata, and of every other document that we are sent.
pub(super) fn text<'a>(document: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    document.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A document with these members, for who has to be described without having a document.
pub(super) fn document(members: &[(&str, Value)]) -> Map<String, Value> {
    let mut document = Map::new();
    document.extend(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    document
}

impl<'a> Metadata<'a> {
    /// Of a document as it came.
    pub fn new(document: &'a Map<String, Value>) -> Self {
        Self(document)
    }

    /// Of an authorization server that is known.
    pub fn of(issuer: &'a Issuer) -> Self {
        Self(&issuer.metadata)
    }

    fn text(self, name: &str) -> Option<&'a str> {
        text(self.0, name)
    }

    fn list(self, name: &str) -> Option<Vec<&'a str>> {
        Some(self.0.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    fn flag(self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The issuer identifier, in its own spelling.
    pub fn issuer(self) -> Option<&'a str> {
        self.text("issuer")
    }

    /// Where people log in.
    pub fn authorization_endpoint(self) -> Option<&'a str> {
        self.text("authorization_endpoint")
    }

    /// Where tokens come from.
    pub fn token_endpoint(self) -> Option<&'a str> {
        self.text("token_endpoint")
    }

    /// RFC 7591.
    pub fn registration_endpoint(self) -> Option<&'a str> {
        self.text("registration_endpoint")
    }

    /// RFC 7009.
    pub fn revocation_endpoint(self) -> Option<&'a str> {
        self.text("revocation_endpoint")
    }

    /// RFC 8628.
    pub fn device_authorization_endpoint(self) -> Option<&'a str> {
        self.text("device_authorization_endpoint")
    }

    /// All scopes it knows; not those of any one resource.
    pub fn scopes_supported(self) -> Vec<&'a str> {
        self.list("scopes_supported").unwrap_or_default()
    }

    /// PKCE methods; `None` where nothing is said of PKCE.
    pub fn code_challenge_methods(self) -> Option<Vec<&'a str>> {
        self.list("code_challenge_methods_supported")
    }

    /// How clients may authenticate at the token endpoint; `None` where nothing is said.
    pub fn token_endpoint_auth_methods(self) -> Option<Vec<&'a str>> {
        self.list("token_endpoint_auth_methods_supported")
    }

    /// Whether a client id may be the URL of a metadata document.
    pub fn takes_client_metadata_documents(self) -> bool {
        self.flag("client_id_metadata_document_supported")
    }

    /// Whether redirects carry `iss` (RFC 9207).
    pub fn sends_iss(self) -> bool {
        self.flag("authorization_response_iss_parameter_supported")
    }

    /// Whether it binds tokens to keys of the one kind we have (RFC 9449 section 5.1).
    pub fn takes_dpop(self) -> bool {
        self.list("dpop_signing_alg_values_supported").is_some_and(|algorithms| algorithms.contains(&"ES256"))
    }

    /// Whether `offline_access` is a scope of it.
    pub fn knows_offline_access(self) -> bool {
        self.scopes_supported().contains(&OFFLINE_ACCESS)
    }
}

/// The scope that asks for a refresh token (OIDC Core section 11).
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// Authorization servers whose own rules stand against those of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Entra: no `resource` parameter (AADSTS901002), always a scope.
    Microsoft,
    /// A refresh token only for `access_type=offline`; `offline_access` is no scope.
    Google,
    /// One that keeps to the specification, as far as is known.
    Other,
}

impl Vendor {
    /// Told by the host people log in at, or that gives tokens: never by what a document says of itself.
    pub fn of(issuer: &Issuer) -> Self {
        let metadata = Metadata::of(issuer);
        let endpoint = metadata.authorization_endpoint().or(metadata.token_endpoint());
        let url = endpoint.and_then(|endpoint| Url::parse(endpoint).ok());
        match url.as_ref().and_then(Url::host_str) {
            Some("login.microsoftonline.com" | "login.microsoftonline.us" | "login.partner.microsoftonline.cn") => {
                Self::Microsoft
            }
            Some("accounts.google.com") => Self::Google,
            _ => Self::Other,
        }
    }
}
