//! What the tests' authorization server has received and issued.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::web::parameter;

/// Names and values in the order of arrival.
pub(crate) type Parameters = Vec<(String, String)>;

/// One login of a user; every token belongs to one.
#[derive(Debug, Clone)]
pub(super) struct Login {
    number: usize,
    request: Parameters,
}

impl Login {
    /// A parameter of the authorization request.
    pub(super) fn parameter(&self, name: &str) -> String {
        parameter(&self.request, name).unwrap_or_default()
    }
}

/// How the tokens of one response behave.
pub(super) struct Grant {
    pub(super) lifetime: Duration,
    pub(super) refreshable: bool,
    pub(super) since: Instant,
}

#[derive(Debug)]
struct Token {
    login: Login,
    ends: Instant,
}

#[derive(Debug, Default)]
/// Everything that the authorization server has received and issued.
pub(crate) struct Records {
    /// The response to each registration.
    pub(crate) registrations: Vec<Value>,
    /// Authorization requests that led to a code.
    pub(crate) logins: Vec<Parameters>,
    /// Requests to the token endpoint.
    pub(crate) token_requests: Vec<Parameters>,
    /// Requests to the revocation endpoint.
    pub(crate) revocations: Vec<Parameters>,
    /// How often a refresh token was exchanged for new tokens.
    pub(crate) refreshes: usize,
    /// How often a refresh token was used again too late.
    pub(crate) reuses: usize,
    /// Every secret ever issued.
    pub(crate) secrets: Vec<String>,
    /// Pushed authorization requests (RFC 9126); one that has been used is empty.
    pub(crate) pushed: Vec<Parameters>,
    codes: HashMap<String, Login>,
    devices: HashMap<String, (Login, usize)>,
    access: HashMap<String, Token>,
    refresh: HashMap<String, (Login, Option<Instant>)>,
}

impl Records {
    pub(super) fn knows_client(&self, id: &str, redirect_uri: &str) -> bool {
        if id.starts_with("given-") || id.starts_with("https://") {
            return true;
        }
        let client = self.registrations.iter().find(|client| client["client_id"] == id);
        let uris = client.and_then(|client| client["redirect_uris"].as_array());
        uris.is_some_and(|uris| uris.iter().any(|uri| uri == redirect_uri))
    }

    /// Whether this authorization request asks for more scope than its client was registered with.
    pub(super) fn is_beyond_registration(&self, request: &Parameters) -> bool {
        let given = |name: &str| parameter(request, name).unwrap_or_default();
        let client = self.registrations.iter().find(|client| client["client_id"] == given("client_id"));
        let registered = client.and_then(|client| client["scope"].as_str()).unwrap_or_default();
        given("scope").split_ascii_whitespace().any(|asked| !registered.split(' ').any(|have| have == asked))
    }

    /// Keeps a pushed authorization request and names it.
    pub(super) fn push(&mut self, request: Parameters) -> String {
        self.pushed.push(request);
        format!("urn:ietf:params:oauth:request_uri:{}", self.pushed.len())
    }

    /// The pushed request that this authorization request names, which can be used once.
    pub(super) fn use_pushed(&mut self, request: &Parameters) -> Parameters {
        let names: Vec<_> = request.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["client_id", "request_uri"], "a pushed request's URL has nothing else");
        let number = parameter(request, "request_uri").and_then(|uri| uri.rsplit(':').next()?.parse::<usize>().ok());
        let pushed = number.and_then(|number| self.pushed.get_mut(number - 1)).expect("a request that was pushed");
        let used = pushed.clone();
        pushed.clear();
        assert_eq!(parameter(&used, "client_id"), parameter(request, "client_id"));
        used
    }

    pub(super) fn grant_code(&mut self, request: &Parameters) -> String {
        self.logins.push(request.clone());
        let code = self.secret("code");
        let login = Login { number: self.logins.len(), request: request.clone() };
        self.codes.insert(code.clone(), login);
        code
    }

    pub(super) fn redeem_code(&mut self, code: &str) -> Option<Login> {
        self.codes.remove(code)
    }

    /// The client credentials grant.
    pub(super) fn grant_client_credentials(&mut self, request: &Parameters) -> Login {
        self.logins.push(request.clone());
        Login { number: self.logins.len(), request: request.clone() }
    }

    /// RFC 8628 section 3.2. The user has not typed the code yet.
    pub(super) fn grant_device(&mut self, request: Parameters, issuer: &str) -> Value {
        self.logins.push(request.clone());
        let code = self.secret("device");
        self.devices.insert(code.clone(), (Login { number: self.logins.len(), request }, 0));
        json!({
            "device_code": code,
            "user_code": "WDJB-MJHT",
            "verification_uri": format!("{issuer}/device/page"),
            "expires_in": 600,
            "interval": 1,
        })
    }

    /// The user types the code before the second poll.
    pub(super) fn redeem_device(&mut self, code: &str) -> Result<Login, &'static str> {
        let (login, polls) = self.devices.get_mut(code).ok_or("invalid_grant")?;
        *polls += 1;
        if *polls == 1 { Err("authorization_pending") } else { Ok(login.clone()) }
    }

    /// Uses up a refresh token; a second use after the grace period ends the whole login.
    pub(super) fn use_refresh_token(&mut self, token: &str, grace: Duration) -> Option<Login> {
        let (login, used_at) = self.refresh.get_mut(token)?;
        let login = login.clone();
        if used_at.is_some_and(|used_at| used_at.elapsed() >= grace) {
            self.reuses += 1;
            self.refresh.retain(|_, (other, _)| other.number != login.number);
            self.access.retain(|_, other| other.login.number != login.number);
            return None;
        }
        used_at.get_or_insert_with(Instant::now);
        self.refreshes += 1;
        Some(login)
    }

    pub(super) fn issue(&mut self, login: &Login, grant: &Grant) -> (String, Option<String>) {
        let access = self.secret("access");
        self.access.insert(access.clone(), Token { login: login.clone(), ends: grant.since + grant.lifetime });
        let refresh = grant.refreshable.then(|| self.secret("refresh"));
        if let Some(refresh) = &refresh {
            self.refresh.insert(refresh.clone(), (login.clone(), None));
        }
        (access, refresh)
    }

    /// The scope of this access token, if the token is valid.
    pub(super) fn scope_of(&self, token: &str) -> Option<String> {
        let token = self.access.get(token)?;
        (Instant::now() < token.ends).then(|| token.login.parameter("scope"))
    }

    /// Issues tokens to a client other than the bridge: client id, access token, refresh token.
    pub(crate) fn issue_to_another_client(&mut self, redirect_uri: &str) -> (String, String, String) {
        let id = format!("client-{}", self.registrations.len() + 1);
        self.registrations.push(json!({ "client_id": id, "redirect_uris": [redirect_uri] }));
        let request = vec![("client_id".to_owned(), id.clone()), ("redirect_uri".to_owned(), redirect_uri.to_owned())];
        let login = Login { number: usize::MAX, request };
        let hour = Duration::from_secs(3600);
        let (access, refresh) = self.issue(&login, &Grant { lifetime: hour, refreshable: true, since: Instant::now() });
        (id, access, refresh.unwrap_or_default())
    }

    /// Invalidates all access tokens issued so far, before they expire.
    pub(crate) fn invalidate_access_tokens(&mut self) {
        self.access.clear();
    }

    /// Loses all clients, codes and tokens.
    pub(crate) fn lose_database(&mut self) {
        self.registrations.clear();
        self.codes.clear();
        self.access.clear();
        self.refresh.clear();
    }

    fn secret(&mut self, kind: &str) -> String {
        let secret = format!("{kind}-secret-{}-{}", self.secrets.len() + 1, "x".repeat(24));
        self.secrets.push(secret.clone());
        secret
    }
}
