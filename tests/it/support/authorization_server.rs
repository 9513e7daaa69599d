//! A protected MCP server and the authorization server it trusts, on two origins, with what attackers and accidents do
//! to them as rules that a test changes.
//!
//! The authorization server asks nobody: who opens its page is logged in and sent back. It rotates refresh tokens,
//! takes the second use of one for theft and revokes all that came of the same login, as the strictest do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ledger::{Grant, Ledger};
use super::web::{credentials, form, parameter, pkce_challenge, query, with_parameters};
use super::{Events, Exchange, Upstream, result};

type Edit = dyn Fn(&mut Value) + Send + Sync;
type Callback = dyn Fn(&mut Vec<(String, String)>) + Send + Sync;

/// What a request to the token endpoint meets.
pub(crate) enum Fault {
    /// The answer is on its way and lost: the request has been carried out.
    LostAnswer,
    /// The connection ends before anything was done.
    Cut,
    /// This status and body, and nothing was done.
    Answer(&'static str, &'static str),
    /// Sent elsewhere, by a 307 that repeats the request.
    Redirect(String),
    /// It takes this long.
    Slow(Duration),
    /// The exchange is left to the test, see `Upstream::take`.
    Held,
}

/// What the MCP server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// How the two servers behave. As it comes, well.
pub(crate) struct Rules {
    /// Of the MCP server.
    pub(crate) era: Era,
    /// `expires_in` of an access token, and for how long it really works.
    pub(crate) lifetime: (Option<u64>, Duration),
    /// Whether a login brings a refresh token.
    pub(crate) refreshable: bool,
    /// For how long the second use of a refresh token is forgiven.
    pub(crate) grace: Duration,
    /// Changes the protected resource's metadata.
    pub(crate) resource_metadata: Box<Edit>,
    /// Changes the authorization server's metadata.
    pub(crate) metadata: Box<Edit>,
    /// Changes the answer of the token endpoint.
    pub(crate) token_answer: Box<Edit>,
    /// Changes the parameters that the browser brings back.
    pub(crate) callback: Box<Callback>,
    /// The scope that a JSON-RPC method needs beyond being logged in.
    pub(crate) needs: fn(&str) -> Option<&'static str>,
    /// What is added to the challenge of a 401.
    pub(crate) challenge: String,
    /// The body of a 401 comes to no end.
    pub(crate) unending_refusals: bool,
    /// Statuses of the next registrations that fail, with their bodies.
    pub(crate) registration_faults: VecDeque<(&'static str, &'static str)>,
    /// What the next requests to the token endpoint meet.
    pub(crate) token_faults: VecDeque<Fault>,
}

impl Rules {
    /// The person says no.
    pub(crate) fn denying() -> Self {
        let callback = Box::new(|back: &mut Vec<(String, String)>| {
            back.retain(|(name, _)| name != "code");
            back.push(("error".to_owned(), "access_denied".to_owned()));
        });
        Self { callback, ..Self::default() }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            era: Era::Legacy,
            lifetime: (Some(3600), Duration::from_secs(3600)),
            refreshable: true,
            grace: Duration::ZERO,
            resource_metadata: Box::new(|_| {}),
            metadata: Box::new(|_| {}),
            token_answer: Box::new(|_| {}),
            callback: Box::new(|_| {}),
            needs: |_| None,
            challenge: String::new(),
            unending_refusals: false,
            registration_faults: VecDeque::new(),
            token_faults: VecDeque::new(),
        }
    }
}

/// The two servers.
pub(crate) struct Realm {
    pub(crate) resource: Upstream,
    pub(crate) issuer: Upstream,
    shared: Arc<Shared>,
}

struct Shared {
    rules: Mutex<Rules>,
    ledger: Mutex<Ledger>,
    addresses: Mutex<(String, String)>,
    unended: Mutex<Vec<Events>>,
}

impl Realm {
    pub(crate) fn start(rules: Rules) -> Self {
        let shared = Arc::new(Shared {
            rules: Mutex::new(rules),
            ledger: Mutex::default(),
            addresses: Mutex::default(),
            unended: Mutex::default(),
        });
        let (of_issuer, of_resource) = (Arc::clone(&shared), Arc::clone(&shared));
        let issuer = Upstream::start(move |exchange| of_issuer.authorize(exchange)).may_stay_unasked();
        let resource = Upstream::start(move |exchange| of_resource.protect(exchange));
        *shared.addresses.lock().unwrap() = (issuer.url(""), resource.url(""));
        Self { resource, issuer, shared }
    }

    /// Both as they come, the MCP server of this era.
    pub(crate) fn of(era: Era) -> Self {
        Self::start(Rules { era, ..Rules::default() })
    }

    /// Both as they come.
    pub(crate) fn usual() -> Self {
        Self::start(Rules::default())
    }

    /// The MCP endpoint.
    pub(crate) fn url(&self) -> String {
        self.resource.url("/mcp")
    }

    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.shared.rules.lock().unwrap()
    }

    /// What the authorization server has done so far.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger.lock().unwrap()
    }

    /// The next requests to the token endpoint meet these.
    pub(crate) fn meets(&self, faults: impl IntoIterator<Item = Fault>) {
        self.rules().token_faults.extend(faults);
    }
}

impl Shared {
    fn issuer(&self) -> String {
        self.addresses.lock().unwrap().0.clone()
    }

    fn resource(&self) -> String {
        self.addresses.lock().unwrap().1.clone()
    }

    /// The MCP server: its metadata, and behind the token what `Exchange::usual` does.
    fn protect(&self, exchange: Exchange) {
        let (issuer, resource) = (self.issuer(), self.resource());
        if exchange.path().starts_with("/.well-known/oauth-protected-resource") {
            let mut metadata = json!({ "resource": format!("{resource}/mcp"), "authorization_servers": [issuer] });
            (self.rules.lock().unwrap().resource_metadata)(&mut metadata);
            return if metadata.is_null() {
                exchange.plain("404 Not Found", "");
            } else {
                exchange.json(&metadata.to_string());
            };
        }
        if !exchange.path().starts_with("/mcp") {
            return exchange.plain("404 Not Found", "");
        }
        let bearer = exchange.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let scope = bearer.and_then(|token| self.ledger.lock().unwrap().scope_of(token));
        let rules = self.rules.lock().unwrap();
        let metadata = format!(r#"resource_metadata="{resource}/.well-known/oauth-protected-resource/mcp""#);
        let Some(scope) = scope else {
            let error = if bearer.is_some() { r#"error="invalid_token", "# } else { "" };
            let challenge = format!("Bearer {error}{metadata}{}", rules.challenge);
            let is_unending = rules.unending_refusals;
            drop(rules);
            let headers = [("WWW-Authenticate", &challenge[..])];
            if is_unending {
                self.unended.lock().unwrap().push(exchange.begin("401 Unauthorized", &headers));
                return;
            }
            return exchange.respond("401 Unauthorized", &headers, "");
        };
        let needed = (rules.needs)(exchange.kind()).filter(|needed| !scope.split(' ').any(|have| have == *needed));
        let era = rules.era;
        drop(rules);
        if let Some(needed) = needed {
            let challenge = format!(r#"Bearer error="insufficient_scope", scope="{needed}", {metadata}"#);
            return exchange.respond("403 Forbidden", &[("WWW-Authenticate", &challenge)], "");
        }
        let is_bare = exchange.request.text().contains("io.modelcontextprotocol/protocolVersion")
            && exchange.header("mcp-session-id").is_none();
        if era == Era::Legacy && is_bare {
            return exchange.error("400 Bad Request", -32000, "Bad Request: Server not initialized");
        }
        let tools = r#""tools":[{"name":"look","inputSchema":{"type":"object"}}]"#;
        match (exchange.kind(), era) {
            ("tools/list", Era::Modern) => exchange.complete(tools),
            ("tools/call", Era::Modern) => exchange.complete(r#""content":[{"type":"text","text":"looked"}]"#),
            (_, Era::Modern) => exchange.modern(),
            ("tools/list", _) => exchange.result(&format!("{{{tools}}}")),
            ("tools/call", _) => {
                let answer = result(&exchange.id(), r#"{"content":[{"type":"text","text":"looked"}]}"#);
                exchange.json(&answer);
            }
            _ => exchange.usual(),
        }
    }

    fn authorize(&self, exchange: Exchange) {
        let path = exchange.path().split('?').next().unwrap_or_default().to_owned();
        match path.as_str() {
            "/.well-known/oauth-authorization-server" => {
                let metadata = self.metadata();
                if metadata.is_null() {
                    exchange.plain("404 Not Found", "");
                } else {
                    exchange.json(&metadata.to_string());
                }
            }
            "/register" => self.register(exchange),
            "/authorize" => self.log_in(exchange),
            "/token" => self.token(exchange),
            "/device" => {
                let answer = self.ledger.lock().unwrap().grant_device(form(&exchange.request.body), &self.issuer());
                exchange.json(&answer.to_string());
            }
            "/revoke" => {
                self.ledger.lock().unwrap().revocations.push(form(&exchange.request.body));
                exchange.respond("200 OK", &[], "");
            }
            _ => exchange.plain("404 Not Found", ""),
        }
    }

    fn metadata(&self) -> Value {
        let issuer = self.issuer();
        let mut metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "registration_endpoint": format!("{issuer}/register"),
            "revocation_endpoint": format!("{issuer}/revoke"),
            "device_authorization_endpoint": format!("{issuer}/device"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        (self.rules.lock().unwrap().metadata)(&mut metadata);
        metadata
    }

    fn register(&self, exchange: Exchange) {
        if let Some((status, body)) = self.rules.lock().unwrap().registration_faults.pop_front() {
            return exchange.respond(status, &[("Content-Type", "application/json")], body);
        }
        let mut client: Value = serde_json::from_slice(&exchange.request.body).expect("a registration is JSON");
        let mut ledger = self.ledger.lock().unwrap();
        client["client_id"] = json!(format!("client-{}", ledger.registrations.len() + 1));
        ledger.registrations.push(client.clone());
        drop(ledger);
        exchange.respond("201 Created", &[("Content-Type", "application/json")], &client.to_string());
    }

    /// The authorization endpoint: nothing is asked, the browser is sent back with a code.
    fn log_in(&self, exchange: Exchange) {
        let asked = query(exchange.path());
        let given = |name: &str| parameter(&asked, name).unwrap_or_default();
        let mut ledger = self.ledger.lock().unwrap();
        if !ledger.knows_client(&given("client_id"), &given("redirect_uri")) {
            drop(ledger);
            let error = r#"{"error":"invalid_client","error_description":"nobody of that name"}"#;
            return exchange.respond("400 Bad Request", &[("Content-Type", "application/json")], error);
        }
        assert_eq!(given("response_type"), "code", "the one response type there is");
        assert_eq!(given("code_challenge_method"), "S256", "PKCE always, and never plain");
        let code = ledger.grant_code(&asked);
        drop(ledger);
        let mut back =
            vec![("code".to_owned(), code), ("state".to_owned(), given("state")), ("iss".to_owned(), self.issuer())];
        (self.rules.lock().unwrap().callback)(&mut back);
        let place = with_parameters(&given("redirect_uri"), &back);
        exchange.respond("302 Found", &[("Location", &place)], "");
    }

    fn token(&self, exchange: Exchange) {
        let fault = self.rules.lock().unwrap().token_faults.pop_front();
        match fault {
            Some(Fault::Cut) => exchange.cut(),
            Some(Fault::Answer(status, body)) => {
                exchange.respond(status, &[("Content-Type", "application/json")], body);
            }
            Some(Fault::Redirect(place)) => {
                exchange.respond("307 Temporary Redirect", &[("Location", &place)], "");
            }
            Some(Fault::LostAnswer) => {
                drop(self.grant(&exchange));
                exchange.cut();
            }
            Some(Fault::Held) => {
                exchange.hold();
            }
            Some(Fault::Slow(time)) => {
                std::thread::sleep(time);
                self.answer_token(exchange);
            }
            None => self.answer_token(exchange),
        }
    }

    fn answer_token(&self, exchange: Exchange) {
        let (status, body) = match self.grant(&exchange) {
            Ok(mut answer) => {
                (self.rules.lock().unwrap().token_answer)(&mut answer);
                ("200 OK", answer)
            }
            Err(error) => ("400 Bad Request", json!({ "error": error })),
        };
        exchange.respond(status, &[("Content-Type", "application/json")], &body.to_string());
    }

    /// What a good authorization server makes of this request.
    fn grant(&self, exchange: &Exchange) -> Result<Value, &'static str> {
        let mut asked = form(&exchange.request.body);
        // RFC 6749 section 2.3.1: a client with a secret may say in the header who it is.
        if let Some(basic) = exchange.header("authorization").and_then(|value| value.strip_prefix("Basic ")) {
            let (id, secret) = credentials(basic);
            asked.extend([("client_id".to_owned(), id), ("client_secret".to_owned(), secret)]);
        }
        let given = |name: &str| parameter(&asked, name).unwrap_or_default();
        let mut ledger = self.ledger.lock().unwrap();
        ledger.token_requests.push(asked.clone());
        let rules = self.rules.lock().unwrap();
        let login = match given("grant_type").as_str() {
            "authorization_code" => {
                let login = ledger.redeem(&given("code")).ok_or("invalid_grant")?;
                let verified = pkce_challenge(&given("code_verifier")) == login.asked("code_challenge");
                let same = given("redirect_uri") == login.asked("redirect_uri")
                    && given("client_id") == login.asked("client_id");
                if !verified || !same {
                    return Err("invalid_grant");
                }
                login
            }
            "urn:ietf:params:oauth:grant-type:device_code" => ledger.redeem_device(&given("device_code"))?,
            "client_credentials" => ledger.trust(&asked),
            "refresh_token" => ledger.spend(&given("refresh_token"), rules.grace).ok_or("invalid_grant")?,
            _ => return Err("unsupported_grant_type"),
        };
        let grant = Grant { lifetime: rules.lifetime.1, refreshable: rules.refreshable, since: Instant::now() };
        let (access, refresh) = ledger.issue(&login, &grant);
        let mut answer = json!({ "access_token": access, "token_type": "Bearer", "scope": login.asked("scope") });
        if let Some(seconds) = rules.lifetime.0 {
            answer["expires_in"] = json!(seconds);
        }
        if let Some(refresh) = refresh {
            answer["refresh_token"] = json!(refresh);
        }
        Ok(answer)
    }
}
