//! How are tokens come by, renewed and given back?

mod client;
mod error;
mod response;

use http::{HeaderName, Method};

use super::authorization::{Code, Pending};
use super::dpop::{Dpop, PROOF};
use super::fetch::{Fetch, Reply};
use super::metadata::{Metadata, Vendor};
use super::record::{Client, Issuer, Record, Tokens};
use super::settings::Login;
use crate::log::{self, Secret};

pub use client::AuthMethod;
pub use error::{Refused, TokenError};
pub(super) use response::{refusal, seconds};

/// A token endpoint, and who we are to it.
#[derive(Clone, Copy)]
pub struct TokenEndpoint<'a> {
    /// Our HTTP client.
    pub fetch: &'a Fetch,
    /// Whose it is.
    pub issuer: &'a Issuer,
    /// Who we are to it.
    pub client: &'a Client,
    /// What the user said.
    pub login: &'a Login,
    /// The key that tokens are to be tied to.
    pub dpop: Option<&'a Dpop>,
}

/// Tokens, and what was learnt on the way to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Issued {
    /// Ready to be stored: before they are used.
    pub tokens: Tokens,
    /// How the authorization server let us authenticate.
    pub auth_method: AuthMethod,
    /// Which resource it took.
    pub resource: Option<String>,
}

impl Issued {
    /// Puts all of it into the record. Its generation is the store's to count.
    pub fn write_to(self, record: &mut Record) {
        record.tokens = Some(self.tokens);
        record.refresh_started = None;
        if let Some(client) = &mut record.client {
            client.token_endpoint_auth_method = Some(self.auth_method.name().to_owned());
        }
        if let Some(issuer) = &mut record.issuer {
            issuer.resource = self.resource;
        }
    }
}

impl TokenEndpoint<'_> {
    /// Exchanges what a login came to (RFC 6749 section 4.1.3). Issuer and client are those of the `Pending`.
    pub async fn exchange(&self, pending: &Pending, code: &Code) -> Result<Issued, TokenError> {
        let mut issued = self
            .issue(&[
                ("grant_type", "authorization_code"),
                ("code", code.0.expose()),
                ("redirect_uri", &pending.redirect_uri),
                ("code_verifier", pending.verifier.expose()),
            ])
            .await?;
        // RFC 6749 section 5.1: not said is as asked.
        let scope = &mut issued.tokens.scope;
        *scope = scope.take().or_else(|| pending.scope.clone());
        Ok(issued)
    }

    /// Renews the tokens (RFC 6749 section 6). What the answer leaves out stays as it was.
    pub async fn refresh(&self, old: &Tokens) -> Result<Issued, TokenError> {
        let refresh_token = old.refresh_token.as_ref().ok_or(TokenError::NoRefreshToken)?;
        // Entra means other scopes when none is named (AADSTS90009); elsewhere naming them is what may be refused.
        let named = old.refresh_with_scope || Vendor::of(self.issuer) == Vendor::Microsoft;
        let scope = old.scope.as_deref();
        match self.refresh_once(refresh_token, scope.filter(|_| named), old).await {
            Err(TokenError::Refused(refused)) if !named && scope.is_some() && refused.is_about_scope() => {
                let mut issued = self.refresh_once(refresh_token, scope, old).await?;
                issued.tokens.refresh_with_scope = true;
                Ok(issued)
            }
            first => first,
        }
    }

    async fn refresh_once(&self, token: &Secret, scope: Option<&str>, old: &Tokens) -> Result<Issued, TokenError> {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        form.extend(scope.map(|scope| ("scope", scope)));
        let mut issued = self.issue(&form).await?;
        let tokens = &mut issued.tokens;
        tokens.refresh_token = tokens.refresh_token.take().or_else(|| Some(token.clone()));
        tokens.scope = tokens.scope.take().or_else(|| old.scope.clone());
        tokens.id_token = tokens.id_token.take().or_else(|| old.id_token.clone());
        tokens.refresh_with_scope = old.refresh_with_scope;
        Ok(issued)
    }

    /// Gives a token back (RFC 7009). False: the authorization server has no way to.
    pub async fn revoke(&self, token: &Secret, kind: &str) -> Result<bool, TokenError> {
        let Some(endpoint) = Metadata::of(self.issuer).revocation_endpoint() else { return Ok(false) };
        let form = [("token", token.expose()), ("token_type_hint", kind)];
        let method = *self.methods().first().unwrap_or(&AuthMethod::None);
        let reply = self.post(endpoint, &form, method).await?;
        if reply.status.is_success() { Ok(true) } else { Err(refusal(&reply)) }
    }

    /// Asks for tokens with this grant. Three things are put right on the way, each once: how we authenticate, which
    /// resource is named, and the nonce of a proof. None of them spends the grant: a server looks at them before it.
    pub(super) async fn issue(&self, grant: &[(&str, &str)]) -> Result<Issued, TokenError> {
        let endpoint = Metadata::of(self.issuer).token_endpoint().ok_or(TokenError::NoEndpoint)?;
        let mut methods = self.methods().into_iter();
        let mut method = methods.next().unwrap_or(AuthMethod::None);
        let mut resource = self.issuer.resource.clone();
        let mut other = self.issuer.other_resource.clone();
        loop {
            let mut form = grant.to_vec();
            form.extend(resource.as_deref().map(|resource| ("resource", resource)));
            let reply = self.post(endpoint, &form, method).await?;
            let refused = match response::read(&reply) {
                Ok(tokens) => return Ok(Issued { tokens, auth_method: method, resource }),
                Err(TokenError::Refused(refused)) => refused,
                Err(error) => return Err(error),
            };
            if refused.error == "invalid_client"
                && let Some(next) = methods.next()
            {
                log::debug!("{} does not take {}; trying {}", reply.host(), method.name(), next.name());
                method = next;
            } else if resource.is_some() && refused.rejects_resource() {
                resource = None;
            } else if refused.error == "invalid_target"
                && resource.is_some()
                && let Some(next) = other.take()
            {
                resource = Some(next);
            } else {
                return Err(TokenError::Refused(refused));
            }
        }
    }

    /// One request with our authentication; two where the first proof needs a nonce (RFC 9449 section 8).
    pub(super) async fn post(
        &self,
        endpoint: &str,
        form: &[(&str, &str)],
        method: AuthMethod,
    ) -> Result<Reply, TokenError> {
        let reply = self.post_once(endpoint, form, method).await?;
        let Some(dpop) = self.dpop else { return Ok(reply) };
        let learnt = dpop.learn(&reply.url, &reply.headers);
        let asked =
            matches!(response::read(&reply), Err(TokenError::Refused(refused)) if refused.error == "use_dpop_nonce");
        if !(learnt && asked) {
            return Ok(reply);
        }
        let reply = self.post_once(endpoint, form, method).await?;
        dpop.learn(&reply.url, &reply.headers);
        Ok(reply)
    }

    async fn post_once(&self, endpoint: &str, form: &[(&str, &str)], method: AuthMethod) -> Result<Reply, TokenError> {
        let (added, mut headers) = self.authentication(method)?;
        let mut form = form.to_vec();
        form.extend(added.iter().map(|(name, value)| (*name, value.as_str())));
        if let Some(dpop) = self.dpop {
            let url = self.fetch.permits(endpoint)?;
            headers.push((PROOF, dpop.proof(&Method::POST, &url, None)?));
        }
        let headers: Vec<(HeaderName, String)> = headers;
        Ok(self.fetch.post_form(endpoint, &form, &headers).await?)
    }
}

/// What to tell people when the resource refuses one fresh token after another: the token is meant for somebody else.
pub fn refused_again(issuer: &Issuer, tokens: &Tokens) -> String {
    let token = tokens.access_token.expose();
    let audience = super::jwt::claims(token).and_then(|claims| claims.get("aud").map(ToString::to_string));
    let audience = match (&audience, &issuer.resource) {
        (Some(audience), _) => format!("it is for the audience {audience}"),
        (None, Some(resource)) => format!("it was asked for with the resource {resource:?}"),
        (None, None) => "no resource was named when it was asked for".to_owned(),
    };
    // An encrypted token, which the authorization server made for its own use because it was told no audience.
    let hint =
        if token.split('.').count() == 5 { "; --authorize-param audience=… may be what is missing" } else { "" };
    format!("the server refuses every token that {} issues for it: {audience}{hint}", issuer.issuer)
}

#[cfg(test)]
#[path = "tests/token.rs"]
mod tests;
