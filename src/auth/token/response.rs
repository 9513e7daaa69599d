//! Which tokens or which error does a response of the token endpoint hold (RFC 6749 section 5)? Servers write both in
//! several forms.

use http::HeaderValue;
use serde_json::{Map, Value};

use super::error::{ErrorResponse, TokenError};
use crate::auth::expiry::now;
use crate::auth::fetch::Reply;
use crate::auth::jwt::claims;
use crate::auth::metadata::text;
use crate::auth::record::Tokens;
use crate::log::{Secret, foreign};

/// A longer token is refused: no server accepts a header of that size.
const LONGEST_TOKEN: usize = 64 * 1024;

pub(super) fn read(reply: &Reply) -> Result<Tokens, TokenError> {
    if !reply.status.is_success() {
        return Err(error_response(reply));
    }
    let malformed =
        |what| TokenError::Malformed(format!("the response of the token endpoint of {} {what}", reply.host()));
    let response = response_object(reply).ok_or_else(|| malformed("is neither a JSON object nor a form"))?;
    // Slack has a member of its own for a person's token.
    let nested =
        response.get("authed_user").and_then(Value::as_object).filter(|user| user.contains_key("access_token"));
    let from = nested.unwrap_or(&response);
    match text(from, "access_token") {
        Some(token) if text(&response, "error").is_none() => {
            // No request could be sent with a stored token like these.
            if token.len() > LONGEST_TOKEN {
                let why = format!("{} issued a token of {} bytes, too many for a header", reply.host(), token.len());
                return Err(TokenError::Malformed(why));
            }
            if HeaderValue::from_str(token).is_err() {
                let why = format!("{} issued a token with characters that a header cannot hold", reply.host());
                return Err(TokenError::Malformed(why));
            }
            Ok(tokens(from, token))
        }
        // Slack and GitHub send errors with status 200.
        _ if text(&response, "error").is_some() => Err(error_response(reply)),
        _ => Err(malformed("has no access token")),
    }
}

/// The members of a response: a JSON object, or a form, as GitHub sends it. Servers send both under any content type.
pub(super) fn response_object(reply: &Reply) -> Option<Map<String, Value>> {
    reply.json().or_else(|| form(reply.text()))
}

/// A form with a member that a response has, which other text has not.
fn form(body: &[u8]) -> Option<Map<String, Value>> {
    let body = body.trim_ascii();
    if body.is_empty() || body.iter().any(|byte| byte.is_ascii_whitespace() || b"<>{}".contains(byte)) {
        return None;
    }
    let pairs = url::form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned().into()));
    let form: Map<String, Value> = pairs.collect();
    ["access_token", "error", "request_uri", "device_code"].iter().any(|name| form.contains_key(*name)).then_some(form)
}

fn tokens(from: &Map<String, Value>, access_token: &str) -> Tokens {
    let lifetime = from.get("expires_in").and_then(seconds).filter(|lifetime| *lifetime > 0);
    let dpop = text(from, "token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("dpop"));
    Tokens {
        lifetime: lifetime.or_else(|| own_lifetime(access_token)),
        access_token: Secret::new(access_token),
        // Servers send `bearer`, `user` or nothing for bearer tokens.
        token_type: if dpop { "DPoP" } else { "Bearer" }.to_owned(),
        refresh_token: text(from, "refresh_token").map(Secret::new),
        id_token: text(from, "id_token").map(Secret::new),
        scope: from.get("scope").and_then(scope),
        obtained_at: now(),
        refresh_with_scope: false,
    }
}

/// A string of words, separated by spaces or, at Slack, by commas; or a list.
fn scope(value: &Value) -> Option<String> {
    let words: Vec<&str> = match value {
        Value::String(text) => text.split(|c: char| c == ',' || c.is_ascii_whitespace()).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// A number of seconds, as a number or as its digits.
pub(in crate::auth) fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim().parse().ok().or_else(|| whole_seconds(text.trim().parse().ok()?)),
        value => value.as_u64().or_else(|| whole_seconds(value.as_f64()?)),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole_seconds(seconds: f64) -> Option<u64> {
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds as u64)
}

/// The lifetime of a token that is a JWT. Its times are not compared with this machine's clock.
fn own_lifetime(token: &str) -> Option<u64> {
    let claims = claims(token)?;
    let at = |name: &str| claims.get(name).and_then(seconds);
    at("exp")?.checked_sub(at("iat")?).filter(|lifetime| *lifetime > 0)
}

pub(super) fn error_response(reply: &Reply) -> TokenError {
    let status = reply.status;
    let temporary = |what: &str| TokenError::Temporary {
        cause: format!("the authorization server at {} {what} (status {})", reply.host(), status.as_u16()),
        retry_after: reply.retry_after(),
    };
    if let Some(cause) = reply.bot_protection() {
        return TokenError::Temporary { cause, retry_after: reply.retry_after() };
    }
    if status.is_server_error() {
        return temporary("failed");
    }
    if status.as_u16() == 429 {
        return temporary("received too many requests");
    }
    if let Some(redirect) = reply.refused_redirect() {
        return TokenError::Malformed(format!("the authorization server at {}: {redirect}", reply.host()));
    }
    let (error, description) = error_and_description(reply);
    if matches!(error.as_str(), "temporarily_unavailable" | "server_error") {
        return temporary(&format!("answered {error}"));
    }
    TokenError::ErrorResponse(ErrorResponse { host: reply.host(), status: status.as_u16(), error, description })
}

/// Reads `{"error":"…"}`, also in a list; `{"error":{"code":"…","message":"…"}}`; `{"errors":[…]}`; a message without
/// an error; a form. Any other body gives neither.
fn error_and_description(reply: &Reply) -> (String, Option<String>) {
    let value: Value =
        serde_json::from_slice(reply.text()).ok().or_else(|| form(reply.text()).map(Value::Object)).unwrap_or_default();
    let object = match &value {
        Value::Array(list) => list.first().unwrap_or(&Value::Null),
        value => value.get("errors").and_then(|errors| errors.get(0)).unwrap_or(value),
    };
    if let Value::String(text) = object {
        return (String::new(), Some(foreign(text)));
    }
    let inner = object.get("error").filter(|error| error.is_object()).unwrap_or(object);
    let first = |names: &[&str]| names.iter().find_map(|name| inner.get(name).and_then(Value::as_str)).map(foreign);
    (first(&["error", "code", "type"]).unwrap_or_default(), first(&["error_description", "message", "detail", "msg"]))
}
