//! Which headers carry an access token, and the proof that the token is ours?

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Uri};
use url::Url;

use crate::auth::dpop;
use crate::auth::error::AuthError;
use crate::auth::headers::authorization;
use crate::auth::login_context::LoginContext;
use crate::auth::record::{Record, Tokens};

/// Puts the record's token into the headers of a request.
pub(super) fn add(
    context: &LoginContext,
    record: &Record,
    tokens: &Tokens,
    method: &Method,
    uri: &Uri,
    headers: &mut HeaderMap,
) -> Result<(), AuthError> {
    let unusable = || AuthError::NoToken("the authorization server".to_owned());
    let id_token = tokens.id_token.as_ref().filter(|_| context.options.login.use_id_token);
    let token = id_token.unwrap_or(&tokens.access_token);
    let mut scheme = "Bearer";
    // An ID token is not bound to a key.
    if id_token.is_none()
        && tokens.token_type.eq_ignore_ascii_case("DPoP")
        && let Some(dpop) = context.dpop(record).map_err(|error| AuthError::NoLogin(error.to_string()))?
    {
        scheme = "DPoP";
        let url = Url::parse(&uri.to_string()).map_err(|_| unusable())?;
        let proof = dpop.proof(method, &url, Some(token)).map_err(|error| AuthError::NoLogin(error.to_string()))?;
        let mut proof = HeaderValue::try_from(proof).map_err(|_| unusable())?;
        proof.set_sensitive(true);
        headers.insert(dpop::PROOF, proof);
    }
    headers.insert(AUTHORIZATION, authorization(scheme, token).ok_or_else(unusable)?);
    Ok(())
}
