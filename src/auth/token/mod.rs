//! How are tokens requested, refreshed and revoked at an authorization server?

mod client_auth;
mod error;
mod response;

use http::Method;
use serde_json::{Map, Value};
use url::Url;

use super::authorization::AuthorizationRequest;
use super::dpop::{Dpop, PROOF};
use super::fetch::{Fetch, Reply};
use super::jwt::claims;
use super::metadata::{Metadata, Vendor, text};
use super::record::{Client, Issuer, Record, Tokens};
use super::settings::Login;
use crate::log::{self, Secret};

pub(super) use client_auth::AuthMethod;
pub(super) use error::TokenError;
pub(super) use response::seconds;
use response::{error_response, read, response_object};

/// `grant_type` of a device code (RFC 8628).
pub(super) const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How long a pushed request may be used if its response, against the RFC, does not say so, in seconds.
const PUSHED_LIFETIME: u64 = 60;

/// The token endpoint of an authorization server, and the client that uses it.
#[derive(Clone, Copy)]
pub(super) struct TokenEndpoint<'a> {
    pub fetch: &'a Fetch,
    pub issuer: &'a Issuer,
    pub client: &'a Client,
    pub login: &'a Login,
    /// The key that tokens are to be bound to.
    pub dpop: Option<&'a Dpop>,
}

/// Tokens, and what the requests for them showed about the server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Issued {
    /// Must be stored before they are used.
    pub tokens: Tokens,
    pub auth_method: AuthMethod,
    pub resource: Option<String>,
}

impl Issued {
    /// Puts all of it into the record. The store counts the generation.
    pub(super) fn write_to(self, record: &mut Record) {
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
    /// Exchanges an authorization code (RFC 6749 section 4.1.3). Issuer and client are those of the authorization
    /// request.
    pub(super) async fn exchange(&self, request: &AuthorizationRequest, code: &Secret) -> Result<Issued, TokenError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &request.redirect_uri),
            ("code_verifier", request.verifier.expose()),
        ];
        self.request_tokens(&form, request.scope.as_deref()).await
    }

    /// Refreshes the tokens (RFC 6749 section 6). What the response leaves out stays as it was.
    pub(super) async fn refresh(&self, old: &Tokens) -> Result<Issued, TokenError> {
        let refresh_token = old.refresh_token.as_ref().ok_or(TokenError::NoRefreshToken)?;
        // Without a scope, Entra issues other scopes (AADSTS90009); other servers may refuse a request with a scope.
        let with_scope = old.refresh_with_scope || Vendor::of(self.issuer) == Vendor::Microsoft;
        let scope = old.scope.as_deref();
        match self.refresh_once(refresh_token, scope.filter(|_| with_scope), old).await {
            Err(TokenError::ErrorResponse(error)) if !with_scope && scope.is_some() && error.is_about_scope() => {
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
        let mut issued = self.request_tokens(&form, old.scope.as_deref()).await?;
        let tokens = &mut issued.tokens;
        tokens.refresh_token = tokens.refresh_token.take().or_else(|| Some(token.clone()));
        tokens.id_token = tokens.id_token.take().or_else(|| old.id_token.clone());
        tokens.refresh_with_scope = old.refresh_with_scope;
        Ok(issued)
    }

    /// Pushes an authorization request (RFC 9126). Returns the `request_uri` that stands for it in the browser, and how
    /// many seconds it may be used.
    pub(super) async fn push(
        &self,
        endpoint: &str,
        parameters: &[(String, String)],
    ) -> Result<(String, u64), TokenError> {
        // The authentication names the client.
        let form = parameters.iter().filter(|(name, _)| name != "client_id");
        let form: Vec<_> = form.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let response = self.post_to(endpoint, &form).await?;
        let request_uri = text(&response, "request_uri").map(str::to_owned);
        let missing = || TokenError::Malformed("the response to a pushed request has no request_uri".to_owned());
        let lifetime = response.get("expires_in").and_then(seconds).unwrap_or(PUSHED_LIFETIME);
        Ok((request_uri.ok_or_else(missing)?, lifetime))
    }

    /// Revokes a token (RFC 7009). False: the authorization server has no revocation endpoint.
    pub(super) async fn revoke(&self, token: &Secret, kind: &str) -> Result<bool, TokenError> {
        let Some(endpoint) = Metadata::of(self.issuer).text("revocation_endpoint") else { return Ok(false) };
        let form = [("token", token.expose()), ("token_type_hint", kind)];
        let method = *self.auth_methods().first().unwrap_or(&AuthMethod::None);
        let reply = self.post(endpoint, &form, method).await?;
        if reply.status.is_success() { Ok(true) } else { Err(error_response(&reply)) }
    }

    /// Requests tokens with a grant and its scope, if there is one.
    pub(super) async fn request_with_scope(
        &self,
        grant: &[(&str, &str)],
        scope: Option<&str>,
    ) -> Result<Issued, TokenError> {
        let mut form = grant.to_vec();
        form.extend(scope.map(|scope| ("scope", scope)));
        self.request_tokens(&form, scope).await
    }

    /// Requests tokens with a grant. After an error, three things are changed, each once: the authentication, the
    /// resource, and the nonce of a `DPoP` proof. A server checks all three before it uses the grant up. `scope`: the
    /// scope of the tokens if the response names none (RFC 6749 section 5.1).
    pub(super) async fn request_tokens(
        &self,
        grant: &[(&str, &str)],
        scope: Option<&str>,
    ) -> Result<Issued, TokenError> {
        let endpoint = Metadata::of(self.issuer).text("token_endpoint").ok_or(TokenError::NoEndpoint)?;
        let mut methods = self.auth_methods().into_iter();
        let mut method = methods.next().unwrap_or(AuthMethod::None);
        let mut resource = self.issuer.resource.clone();
        let mut other_resource = self.issuer.other_resource.clone();
        loop {
            let mut form = grant.to_vec();
            form.extend(resource.as_deref().map(|resource| ("resource", resource)));
            let reply = self.post(endpoint, &form, method).await?;
            let error = match read(&reply) {
                Ok(mut tokens) => {
                    tokens.scope = tokens.scope.or_else(|| scope.map(str::to_owned));
                    return Ok(Issued { tokens, auth_method: method, resource });
                }
                Err(TokenError::ErrorResponse(error)) => error,
                Err(error) => return Err(error),
            };
            if error.error == "invalid_client"
                && let Some(next) = methods.next()
            {
                log::debug!("{} does not accept {}; trying {}", reply.host(), method.name(), next.name());
                method = next;
            } else if resource.is_some() && error.rejects_resource() {
                resource = None;
            } else if error.error == "invalid_target"
                && resource.is_some()
                && let Some(next) = other_resource.take()
            {
                resource = Some(next);
            } else {
                return Err(TokenError::ErrorResponse(error));
            }
        }
    }

    /// Sends a form to another endpoint of the same authorization server, with the same authentication.
    pub(super) async fn post_to(
        &self,
        endpoint: &str,
        form: &[(&str, &str)],
    ) -> Result<Map<String, Value>, TokenError> {
        let mut first = None;
        for method in self.auth_methods() {
            let reply = self.post(endpoint, form, method).await?;
            if let (true, Some(response)) = (reply.status.is_success(), response_object(&reply))
                && !response.contains_key("error")
            {
                return Ok(response);
            }
            let error = error_response(&reply);
            if !matches!(&error, TokenError::ErrorResponse(error) if error.error == "invalid_client") {
                return Err(error);
            }
            first.get_or_insert(error);
        }
        Err(first.unwrap_or(TokenError::NoEndpoint))
    }

    fn auth_methods(&self) -> Vec<AuthMethod> {
        AuthMethod::candidates(self.issuer, self.client, self.login)
    }

    /// One request with client authentication; two if the server asks for a nonce in the `DPoP` proof (RFC 9449 section
    /// 8).
    async fn post(&self, endpoint: &str, form: &[(&str, &str)], method: AuthMethod) -> Result<Reply, TokenError> {
        let reply = self.post_once(endpoint, form, method).await?;
        let Some(dpop) = self.dpop else { return Ok(reply) };
        let is_new = dpop.store_nonce(&reply.url, &reply.headers);
        let is_wanted =
            matches!(read(&reply), Err(TokenError::ErrorResponse(error)) if error.error == "use_dpop_nonce");
        if !(is_new && is_wanted) {
            return Ok(reply);
        }
        let reply = self.post_once(endpoint, form, method).await?;
        dpop.store_nonce(&reply.url, &reply.headers);
        Ok(reply)
    }

    async fn post_once(&self, endpoint: &str, form: &[(&str, &str)], method: AuthMethod) -> Result<Reply, TokenError> {
        let (authentication, headers) = method.authenticate(self.issuer, self.client, self.login)?;
        let mut form = form.to_vec();
        form.extend(authentication.iter().map(|(name, value)| (*name, value.as_str())));
        let headers_for = |url: &Url| {
            let mut headers = headers.clone();
            if let Some(dpop) = self.dpop {
                headers.push((PROOF, dpop.proof(&Method::POST, url, None)?));
            }
            Ok::<_, TokenError>(headers)
        };
        self.fetch.post_form(endpoint, &form, headers_for).await
    }
}

/// Describes the likely mistake if the MCP server refuses every fresh token: the token is for another audience.
pub(super) fn explain_refused_token(issuer: &Issuer, tokens: &Tokens) -> String {
    let token = tokens.access_token.expose();
    let audience = claims(token).and_then(|claims| claims.get("aud").map(ToString::to_string));
    let audience = match (&audience, &issuer.resource) {
        (Some(audience), _) => format!("the token is for the audience {}", log::foreign_name(audience)),
        (None, Some(resource)) => format!("the token was requested for the resource {:?}", log::foreign_name(resource)),
        (None, None) => "the token was requested without a resource".to_owned(),
    };
    // An encrypted token: without an audience, the authorization server issues the token for its own use.
    let hint = if token.split('.').count() == 5 { "; --authorize-param audience=… may be missing" } else { "" };
    format!("the server refuses every token that {} issues for it: {audience}{hint}", log::foreign_name(&issuer.issuer))
}

#[cfg(test)]
mod odd_response_tests;
#[cfg(test)]
mod tests;
