//! A protected MCP server and the authorization server that it trusts, on two origins. A test changes the rules to play
//! attacks and faults.
//!
//! The authorization server shows no form: it logs in whoever opens its page and redirects back. It rotates refresh
//! tokens, treats the second use of one as theft and then revokes every token of the same login, as strict servers do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use super::oddities::Oddities;
use super::records::Records;
use super::web::{form, parameter, query, with_parameters};
use super::{Events, Exchange, REVISION, Upstream, initialize_result, result};

type Edit = dyn Fn(&mut Value) + Send + Sync;
type Callback = dyn Fn(&mut Vec<(String, String)>) + Send + Sync;

/// What happens to a request to the token endpoint.
pub(crate) enum Fault {
    /// The request is carried out and the response is lost.
    LostResponse,
    /// The connection ends before anything happens.
    Cut,
    /// The response has this status and body, and nothing else happens.
    Answer(&'static str, &'static str),
    /// A 307 redirects the request to this address.
    Redirect(String),
    /// The response takes this long.
    Slow(Duration),
    /// The test answers the request itself, see `Upstream::take`.
    Held,
}

/// The era of the MCP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// How the two servers behave. By default they do everything right.
pub(crate) struct Rules {
    /// The era of the MCP server.
    pub(crate) era: Era,
    /// `expires_in` of an access token, and how long the server really accepts the token.
    pub(crate) lifetime: (Option<u64>, Duration),
    /// Whether a login returns a refresh token.
    pub(crate) refreshable: bool,
    /// How long a refresh token may be used a second time.
    pub(crate) grace: Duration,
    /// Changes the protected resource's metadata.
    pub(crate) resource_metadata: Box<Edit>,
    /// Changes the authorization server's metadata.
    pub(crate) metadata: Box<Edit>,
    /// Changes the response of the token endpoint.
    pub(crate) token_response: Box<Edit>,
    /// Changes the parameters of the callback.
    pub(crate) callback: Box<Callback>,
    /// The scope that a JSON-RPC method requires in addition to a login.
    pub(crate) required_scope: fn(&str) -> Option<&'static str>,
    /// Which requests the MCP server takes without a login.
    pub(crate) is_public: fn(&Exchange) -> bool,
    /// Which requests the MCP server refuses whatever the token.
    pub(crate) is_forbidden: fn(&Exchange) -> bool,
    /// Which requests the MCP server answers with this status alone, before it looks for a token.
    pub(crate) status: fn(&Exchange) -> Option<&'static str>,
    /// The status of a refusal for want of a token.
    pub(crate) refusal: &'static str,
    /// Which requests, with a token, the test answers itself, see `Upstream::take`.
    pub(crate) is_held: fn(&Exchange) -> bool,
    /// The MCP server gives sessions no id.
    pub(crate) is_stateless: bool,
    /// What is added to the challenge of a 401.
    pub(crate) challenge: String,
    /// The body of a 401 never ends.
    pub(crate) endless_401_bodies: bool,
    /// Statuses and bodies of the next registrations, which fail.
    pub(crate) registration_faults: VecDeque<(&'static str, &'static str)>,
    /// What happens to the next requests to the token endpoint.
    pub(crate) token_faults: VecDeque<Fault>,
    /// What is merely odd about the authorization server.
    pub(crate) odd: Oddities,
}

impl Rules {
    /// The user denies the login.
    pub(crate) fn user_denies() -> Self {
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
            token_response: Box::new(|_| {}),
            callback: Box::new(|_| {}),
            required_scope: |_| None,
            is_public: |_| false,
            is_forbidden: |_| false,
            status: |_| None,
            refusal: "401 Unauthorized",
            is_held: |_| false,
            is_stateless: false,
            challenge: String::new(),
            endless_401_bodies: false,
            registration_faults: VecDeque::new(),
            token_faults: VecDeque::new(),
            odd: Oddities::default(),
        }
    }
}

/// The two servers.
pub(crate) struct OauthServers {
    pub(crate) resource: Upstream,
    pub(crate) issuer: Upstream,
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) rules: Mutex<Rules>,
    pub(super) records: Mutex<Records>,
    addresses: Mutex<(String, String)>,
    endless: Mutex<Vec<Events>>,
}

impl OauthServers {
    pub(crate) fn start(rules: Rules) -> Self {
        let shared = Arc::new(Shared {
            rules: Mutex::new(rules),
            records: Mutex::default(),
            addresses: Mutex::default(),
            endless: Mutex::default(),
        });
        let (issuer_state, resource_state) = (Arc::clone(&shared), Arc::clone(&shared));
        let issuer = Upstream::start(move |exchange| issuer_state.authorize(exchange)).may_receive_no_request();
        let resource = Upstream::start(move |exchange| resource_state.protect(exchange));
        *shared.addresses.lock().unwrap() = (issuer.url(""), resource.url(""));
        Self { resource, issuer, shared }
    }

    /// Both servers with the default rules and an MCP server of this era.
    pub(crate) fn of_era(era: Era) -> Self {
        Self::start(Rules { era, ..Rules::default() })
    }

    /// Both servers with the default rules.
    pub(crate) fn well_behaved() -> Self {
        Self::start(Rules::default())
    }

    /// The MCP endpoint.
    pub(crate) fn url(&self) -> String {
        self.resource.url("/mcp")
    }

    /// The name of the bridge's own tool for this server.
    pub(crate) fn login_tool(&self) -> String {
        let authority = self.resource.url("").replacen("http://", "", 1);
        format!("sign_in_to_{}", authority.replace(['.', ':'], "_"))
    }

    /// The arguments of `tools/call` for the bridge's own tool.
    pub(crate) fn login_call(&self) -> String {
        format!(r#"{{"name":"{}","arguments":{{}}}}"#, self.login_tool())
    }

    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.shared.rules.lock().unwrap()
    }

    /// What the authorization server has issued and received so far.
    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.shared.records.lock().unwrap()
    }

    /// Sets what happens to the next requests to the token endpoint.
    pub(crate) fn queue_token_faults(&self, faults: impl IntoIterator<Item = Fault>) {
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

    /// The MCP server: its metadata, and for a valid token the responses of `Exchange::respond_normally`.
    fn protect(&self, exchange: Exchange) {
        let (issuer, resource) = (self.issuer(), self.resource());
        let without_metadata = self.rules.lock().unwrap().odd.without_metadata;
        if without_metadata && !exchange.path().starts_with("/mcp") {
            return self.authorize(exchange);
        }
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
        if let Some(status) = (self.rules.lock().unwrap().status)(&exchange) {
            return exchange.plain(status, "");
        }
        let bearer = exchange.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let scope = bearer.and_then(|token| self.records.lock().unwrap().scope_of(token));
        let rules = self.rules.lock().unwrap();
        let metadata = format!(r#"resource_metadata="{resource}/.well-known/oauth-protected-resource/mcp""#);
        let is_public = (rules.is_public)(&exchange);
        let scope = scope.or_else(|| is_public.then(String::new)).filter(|_| !(rules.is_forbidden)(&exchange));
        let Some(scope) = scope else {
            let error = if bearer.is_some() { r#"error="invalid_token", "# } else { "" };
            let mut challenge = format!("Bearer {error}{metadata}{}", rules.challenge);
            if without_metadata {
                "Bearer".clone_into(&mut challenge);
            }
            let (is_endless, status) = (rules.endless_401_bodies, rules.refusal);
            drop(rules);
            let headers = [("WWW-Authenticate", &challenge[..])];
            if is_endless {
                self.endless.lock().unwrap().push(exchange.start_response("401 Unauthorized", &headers));
                return;
            }
            return exchange.respond(status, &headers, "");
        };
        let needed =
            (rules.required_scope)(exchange.kind()).filter(|needed| !scope.split(' ').any(|have| have == *needed));
        let (era, is_stateless, is_held) = (rules.era, rules.is_stateless, (rules.is_held)(&exchange));
        drop(rules);
        if is_held {
            return exchange.hold();
        }
        if is_stateless && exchange.kind() == "initialize" {
            return exchange.result(&initialize_result(REVISION));
        }
        if let Some(needed) = needed.filter(|_| !is_public) {
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
            (_, Era::Modern) => exchange.respond_as_modern(),
            ("tools/list", _) => exchange.result(&format!("{{{tools}}}")),
            ("tools/call", _) => {
                let answer = result(&exchange.id(), r#"{"content":[{"type":"text","text":"looked"}]}"#);
                exchange.json(&answer);
            }
            _ => exchange.respond_normally(),
        }
    }

    fn authorize(&self, exchange: Exchange) {
        let path = exchange.path().split('?').next().unwrap_or_default().to_owned();
        let moved = self.rules.lock().unwrap().odd.moved.iter().find(|(from, ..)| *from == path).cloned();
        if let Some((_, status, location)) = moved {
            return exchange.respond(status, &[("Location", &location)], "");
        }
        if exchange.request.http_method == "OPTIONS" {
            return exchange.plain("404 Not Found", "");
        }
        match path.trim_end_matches('/') {
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
            "/par" => self.push(exchange),
            "/device" => {
                let answer = self.records.lock().unwrap().grant_device(form(&exchange.request.body), &self.issuer());
                exchange.json(&answer.to_string());
            }
            "/revoke" => {
                self.records.lock().unwrap().revocations.push(form(&exchange.request.body));
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
        let rules = self.rules.lock().unwrap();
        if rules.odd.pushed_only {
            metadata["pushed_authorization_request_endpoint"] = json!(format!("{issuer}/par"));
            metadata["require_pushed_authorization_requests"] = json!(true);
        }
        (rules.metadata)(&mut metadata);
        if rules.odd.without_metadata { Value::Null } else { metadata }
    }

    fn register(&self, exchange: Exchange) {
        if let Some((status, body)) = self.rules.lock().unwrap().registration_faults.pop_front() {
            return exchange.json_with_status(status, body);
        }
        let mut client: Value = serde_json::from_slice(&exchange.request.body).expect("a registration is JSON");
        if let Some(body) = (self.rules.lock().unwrap().odd.registration)(&mut client) {
            return exchange.json_with_status("400 Bad Request", body);
        }
        let mut records = self.records.lock().unwrap();
        client["client_id"] = json!(format!("client-{}", records.registrations.len() + 1));
        records.registrations.push(client.clone());
        drop(records);
        exchange.json_with_status("201 Created", &client.to_string());
    }

    /// The authorization endpoint: redirects the browser back with a code at once.
    fn log_in(&self, exchange: Exchange) {
        let mut parameters = query(exchange.path());
        let (pushed_only, without_metadata, reads_no_document) = {
            let odd = &self.rules.lock().unwrap().odd;
            (odd.pushed_only, odd.without_metadata, odd.reads_no_document)
        };
        let mut records = self.records.lock().unwrap();
        if pushed_only || parameter(&parameters, "request_uri").is_some() {
            parameters = records.use_pushed(&parameters);
        }
        let given = |name: &str| parameter(&parameters, name).unwrap_or_default();
        let is_unreadable = reads_no_document && given("client_id").starts_with("https://");
        if is_unreadable || !records.knows_client(&given("client_id"), &given("redirect_uri")) {
            drop(records);
            let error = r#"{"error":"invalid_client","error_description":"no such client"}"#;
            return exchange.json_with_status("400 Bad Request", error);
        }
        assert_eq!(given("response_type"), "code", "the only response type of OAuth 2.1");
        assert_eq!(given("code_challenge_method"), "S256", "PKCE is always used, with S256");
        let is_beyond_registration = records.is_beyond_registration(&parameters);
        let mut back = vec![("state".to_owned(), given("state"))];
        if !without_metadata {
            back.push(("iss".to_owned(), self.issuer()));
        }
        if self.rules.lock().unwrap().odd.registered_scope_only && is_beyond_registration {
            back.push(("error".to_owned(), "invalid_scope".to_owned()));
        } else {
            back.push(("code".to_owned(), records.grant_code(&parameters)));
        }
        drop(records);
        (self.rules.lock().unwrap().callback)(&mut back);
        let location = with_parameters(&given("redirect_uri"), &back);
        exchange.respond("302 Found", &[("Location", &location)], "");
    }
}
