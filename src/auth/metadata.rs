//! What can an authorization server do? A view of its metadata (RFC 8414, OIDC Discovery).

use serde_json::{Map, Value};
use url::Url;

use super::record::Issuer;

/// The members of a metadata document that we use. A member of the wrong type counts as missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metadata<'a>(pub(super) &'a Map<String, Value>);

/// A text member of a JSON object, if it is not empty.
pub(super) fn text<'a>(document: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    document.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// The texts in an array member of a JSON object.
pub(super) fn list(document: &Map<String, Value>, name: &str) -> Vec<String> {
    Metadata(document).array(name).unwrap_or_default().into_iter().map(str::to_owned).collect()
}

/// Whether two issuer identifiers are equal but for one slash at the end. RFC 8414 section 3.3 does not allow this
/// difference, but servers have it (Google). Nothing else may differ: issuers that only look alike are different issuers.
pub(super) fn is_same_issuer(one: &str, other: &str) -> bool {
    one == other || one.strip_suffix('/') == Some(other) || other.strip_suffix('/') == Some(one)
}

/// Makes metadata for a server that has no metadata document.
pub(super) fn document(members: &[(&str, Value)]) -> Map<String, Value> {
    members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

impl<'a> Metadata<'a> {
    pub(super) fn of(issuer: &'a Issuer) -> Self {
        Self(&issuer.metadata)
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        text(self.0, name)
    }

    /// The texts of an array member; `None` if there is no such array.
    pub(super) fn array(self, name: &str) -> Option<Vec<&'a str>> {
        Some(self.0.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    pub(super) fn flag(self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn scopes_supported(self) -> Vec<&'a str> {
        self.array("scopes_supported").unwrap_or_default()
    }
}

/// The scope that asks for a refresh token (OIDC Core section 11).
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// Authorization servers whose rules differ from the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    /// Entra: refuses the `resource` parameter (AADSTS901002) and needs a scope.
    Microsoft,
    /// Sends a refresh token only for `access_type=offline`; refuses the scope `offline_access`.
    Google,
    /// Follows the specification, as far as we know.
    Other,
}

impl Vendor {
    /// Recognized by the host of an endpoint, not by a name in the metadata.
    pub(super) fn of(issuer: &Issuer) -> Self {
        let metadata = Metadata::of(issuer);
        let endpoint = metadata.text("authorization_endpoint").or(metadata.text("token_endpoint"));
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

/// Whether an error description has one of Entra's codes for "the parameter `resource` is not supported" and "does not
/// match the scope".
pub(super) fn rejects_resource(description: &str) -> bool {
    description.contains("AADSTS901002") || description.contains("AADSTS9010010")
}
