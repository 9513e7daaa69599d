//! What does a client of the modern era see while nobody has logged in? It shakes no hands, so that any of its requests
//! may be its first words; and it hears of a login on the stream of its own `subscriptions/listen`.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::auth::AuthMode;
use crate::message::Members;
use crate::message::{self, Id, Kind, Message};
use crate::translate::to_modern::NotificationFilter;
use crate::translate::{CACHEABLE, MODERN_REVISIONS, meta, to_legacy};
use crate::upstream::Failure;
use crate::upstream::{Context, Outcome, Upstream, first};

/// What a modern client has been told in the server's stead.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Told {
    /// Its first words needed a login.
    greeted: AtomicBool,
    /// When its user was asked to log in.
    asked_at: Mutex<Option<Instant>>,
    /// Its subscriptions that are acknowledged, though the server has not heard of them yet.
    listens: Mutex<HashSet<Id>>,
}

impl Told {
    pub(super) fn asked_at(&self) -> Option<Instant> {
        *self.asked_at.lock()
    }

    pub(super) fn set_asked_at(&self, at: Instant) {
        *self.asked_at.lock() = Some(at);
    }

    fn listens(&self) -> MutexGuard<'_, HashSet<Id>> {
        self.listens.lock()
    }

    /// Whether the client need not be told again that its subscription stands.
    pub(in crate::upstream) fn has_acknowledged(&self, listen: &Message) -> bool {
        matches!(listen.kind(), Kind::Request { id, .. } if self.listens().contains(id))
    }
}

/// Whether this client is of the era in which each request stands alone.
pub(super) fn is_modern(request: &Message) -> bool {
    request.method() == Some("server/discover") || to_legacy::is_modern(request)
}

/// A client's first words that need a login are what `initialize` is of a legacy one: they do as the user's `--auth`
/// says. `Some`: they are answered by that.
pub(in crate::upstream) async fn greet(upstream: &Upstream, request: &Message) -> Option<Result<Outcome, Failure>> {
    let context = &upstream.0;
    if to_legacy::is_modern(request) && request.method() != Some("server/discover") {
        context.era.client_goes_on();
    }
    if !is_modern(request) || context.people.modern.greeted.swap(true, Ordering::Relaxed) {
        return None;
    }
    let login_status = context.sender.auth().login_status();
    match context.sender.auth().mode() {
        AuthMode::Wait => {
            login_status.request_login();
            super::logged_in(context).await;
            Some(upstream.carry(request).await)
        }
        AuthMode::Error => {
            login_status.request_login();
            drop(login_status.prompt(context.options.startup_wait).await);
            Some(Err(super::needed(context).await))
        }
        AuthMode::Auto | AuthMode::Off => {
            login_status.note_first_message();
            None
        }
    }
}

/// The result of `server/discover` in the server's stead: the last real one, what is known of it from a legacy client,
/// or a promise.
pub(super) fn greeting(context: &Context) -> Value {
    let kept = context.memory.recall().unwrap_or_default();
    let mut result = kept.discover.or_else(|| kept.initialize.map(of_legacy)).unwrap_or_default();
    let host = context.sender.host();
    result.entry("capabilities").or_insert_with(first::every_list);
    let own = result.entry("_meta").or_insert_with(|| json!({}));
    if let Some(own) = own.as_object_mut() {
        own.entry(meta::SERVER_INFO).or_insert_with(|| json!({ "name": host, "version": "unknown" }));
    }
    result.entry("supportedVersions").or_insert_with(|| json!(MODERN_REVISIONS));
    let mut result = Value::Object(result);
    context.promise(&mut result);
    result
}

/// What a server said to `initialize`, as the result of `server/discover`.
fn of_legacy(mut initialize: Map<String, Value>) -> Map<String, Value> {
    initialize.remove("protocolVersion");
    if let Some(info) = initialize.remove("serverInfo") {
        initialize.insert("_meta".to_owned(), json!({ meta::SERVER_INFO: info }));
    }
    if let Some(capabilities) = initialize.get_mut("capabilities").and_then(Value::as_object_mut) {
        // Those of 2025-11-25 are others than the modern era's.
        capabilities.remove("tasks");
    }
    initialize
}

/// A result of our own as a modern client knows it.
pub(super) fn with_meta(context: &Context, request: &Message, result: &mut Value) {
    if result["resultType"].is_null() {
        result["resultType"] = "complete".into();
    }
    if request.method().is_some_and(|method| CACHEABLE.contains(&method)) {
        result["ttlMs"] = 0.into();
        result["cacheScope"] = "private".into();
    }
    if result["_meta"][meta::SERVER_INFO].is_null() {
        result["_meta"][meta::SERVER_INFO] = greeting(context)["_meta"][meta::SERVER_INFO].clone();
    }
}

/// Listens in the server's stead until somebody has logged in, tells the client what may have changed by that, and has
/// the server listen.
pub(in crate::upstream) async fn listen(upstream: &Upstream, request: &Message) -> Result<Outcome, Failure> {
    let context = &upstream.0;
    let raw_id = request.raw_id().unwrap_or("null");
    let params = Members::of(request.as_str()).and_then(|members| members.object("params"));
    let Some(wanted) = params.and_then(|params| params.get("notifications")) else {
        let why = "the subscription does not say of which notifications";
        return Ok(Outcome::Answer(message::error(raw_id, message::code::INVALID_PARAMS, why, None)));
    };
    let filter = NotificationFilter::acknowledged(Some(wanted)).within(&greeting(context)["capabilities"]);
    let _listening = Listening::new(&context.people.modern, Id::from_json(raw_id));
    context.client.outgoing.send_now(filter.acknowledgement(raw_id).into_text());
    let mut ended = context.modern.ended.subscribe();
    loop {
        tokio::select! {
            () = super::logged_in(context) => {}
            _ = ended.wait_for(|ended| *ended) => {
                let own = format!(r#"{{"resultType":"complete","_meta":{{"{}":{raw_id}}}}}"#, meta::SUBSCRIPTION_ID);
                return Ok(Outcome::Answer(message::result(raw_id, &own)));
            }
        }
        context.client.tools_changed();
        for changed in filter.missed(Some(raw_id)) {
            context.client.deliver(changed).await;
        }
        match upstream.carry(request).await {
            Err(Failure::SignIn { .. }) => {}
            carried => return carried,
        }
    }
}

/// A subscription that is acknowledged, until it is over.
struct Listening<'a>(&'a Told, Id);

impl<'a> Listening<'a> {
    fn new(told: &'a Told, id: Id) -> Self {
        told.listens().insert(id.clone());
        Self(told, id)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.listens().remove(&self.1);
    }
}
