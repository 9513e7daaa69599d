//! `Upstream`: the server, whatever it speaks and whatever state it is in. The bridge uses only this;
//! behind it are layers, from top to bottom:
//!
//! * [`route`] says which way a message takes: as it is, in the client's [`session`], or through the [`translator`].
//! * [`login`] answers or holds requests while a login is missing, [`late_lists`] answers those for lists while the
//!   server is late.
//! * [`session`] opens the client's session, and [`era`] finds out what the server speaks.
//! * [`transport`] carries messages by legacy Streamable HTTP, by HTTP+SSE or by modern Streamable HTTP, and
//!   [`exchange`] is one HTTP exchange of it.
//!
//! Each layer knows only those below it.

mod client_program;
mod era;
mod exchange;
mod failure;
mod late_lists;
mod login;
mod options;
mod route;
mod session;
mod translator;
mod transport;

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::auth::Authorizer;
use crate::log;
use crate::message::{Kind, Message};
use crate::net::Http;
use era::{Era, Memory, Suspicion};
use exchange::Sender;
use late_lists::{Carry, LateLists};
use login::LoginSession;
use route::{Route, Router};
use session::{Session, log_lost};
use translator::{CANCEL, Translator};
use transport::List;

pub(crate) use era::forget;
pub use exchange::{Event, Outcome, ToClient};
pub(crate) use exchange::{EventStream, events_of, get_headers, has_type, post_headers, summary};
pub use failure::Failure;
pub(crate) use failure::KEEPS_TRYING;
pub use options::{ClientProtocol, Options, Protocol, TransportStrategy};
pub(crate) use transport::http_sse::endpoint as http_sse_endpoint;
pub(crate) use transport::modern::{headers_of as modern_headers, is_discover_result};
pub(crate) use transport::session_headers::{PROTOCOL_VERSION, SESSION_ID};

/// Reads what is known of the server from earlier runs.
pub(crate) async fn recall(options: &Options, authorizer: &Authorizer) -> Memory {
    let (home, name) = (options.home.clone(), authorizer.name());
    let read = crate::task::blocking(move || Memory::load(home.as_deref(), &name)).await;
    read.unwrap_or_else(|| Memory::load(None, ""))
}

/// A server and our connection to it. Cheap to clone.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    login: LoginSession,
    late_lists: Arc<LateLists>,
    session: Arc<Session>,
    router: Router,
    /// Set by the first request that goes through it.
    translator: OnceLock<Translator>,
    sender: Arc<Sender>,
}

impl Upstream {
    /// Connects to nothing yet.
    pub(crate) fn new(options: Options, authorizer: Authorizer, http: Http, memory: Memory, client: ToClient) -> Self {
        let sender = Arc::new(Sender::new(authorizer, http, &options, &client));
        let session = Session::new(Arc::clone(&sender), memory, Arc::new(options), client, Arc::default());
        Self(Arc::new(Inner {
            login: LoginSession::new(Arc::clone(&session)),
            late_lists: LateLists::new(Arc::clone(&session)),
            router: Router::new(Arc::clone(&session.era)),
            session,
            translator: OnceLock::new(),
            sender,
        }))
    }

    /// Whether this `initialize` is to be given to [`initialize`](Self::initialize).
    pub fn begins_session(&self, message: &Message) -> bool {
        self.0.router.begins_session(message)
    }

    /// Begins to open a session with the client's `initialize`. The returned future gives the server's response if that
    /// comes within the startup wait, else one made from the last that is known.
    pub fn initialize(&self, message: Message) -> impl Future<Output = Result<Outcome, Failure>> + Send + use<> {
        self.0.router.decide(Route::Session);
        self.0.session.initialize(message)
    }

    /// Takes the client's `notifications/initialized`. Requests that come after it wait until the server has it.
    pub fn initialized(&self, message: Message) {
        if self.0.router.is_session() {
            return self.0.session.initialized(message);
        }
        // Without an initialize it opens nothing; it is carried like any notification.
        let upstream = self.clone();
        crate::task::spawn(async move { upstream.notify_logged(&message).await });
    }

    /// Carries a request, or a batch, to the server, and the messages that come before its response to the client.
    pub async fn request(&self, message: &Message) -> Result<Outcome, Failure> {
        let inner = &*self.0;
        let repeated = if inner.router.is_session() { None } else { inner.login.repeated(message).await };
        let repeated = match repeated {
            Some(Err(declined)) => return declined,
            repeated => repeated.and_then(Result::ok),
        };
        let message = repeated.as_ref().unwrap_or(message);
        if let Some(outcome) = inner.login.own_tool(message).await {
            return Ok(outcome);
        }
        let carried = match List::requested_by(message) {
            Some(list) => Box::pin(self.carry_list(list, message)).await,
            None => inner.carry(message).await,
        };
        let refused = match carried {
            Err(failure) if failure.wants_login() => failure,
            carried => return carried,
        };
        inner.router.note_going_on(message);
        let carry = |message: Message| -> futures_util::future::BoxFuture<'_, _> {
            Box::pin(async move { inner.carry(&message).await })
        };
        Box::pin(inner.login.refused(message, refused, &carry)).await
    }

    /// Carries a request of the bridge's own for a list, which must be the server's of now.
    pub async fn request_list(&self, message: &Message) -> Result<Outcome, Failure> {
        match self.0.carry(message).await {
            Err(failure) if failure.wants_login() => self.request(message).await,
            carried => carried,
        }
    }

    /// Carries the client's request for a list. A server that is late is not waited for where its list is known.
    async fn carry_list(&self, list: &'static List, message: &Message) -> Result<Outcome, Failure> {
        let inner = &self.0;
        let listing = inner.session.link.capabilities.listing(list);
        let is_modern = inner.router.of(message) == Route::Modern;
        let is_served = inner.router.is_session() || is_modern && inner.session.era.takes_modern() == Some(true);
        let known = is_served.then(|| inner.late_lists.known(list, message, is_modern)).flatten();
        let Some(known) = known else {
            inner.late_lists.note_sent(list, message);
            let carried = Box::pin(inner.sender.outage.carry_list(inner.carry(message))).await;
            if !matches!(carried, Ok(Outcome::Elsewhere(_))) {
                inner.late_lists.take_sent(message);
            }
            listing.end(carried.is_ok());
            return carried;
        };
        let owned = Arc::clone(inner);
        let carry: Carry = Arc::new(move |message| {
            let inner = Arc::clone(&owned);
            Box::pin(async move { inner.carry(&message).await })
        });
        let in_time = inner.late_lists.carry(&known, carry).await;
        let carried = in_time.unwrap_or_else(|| Ok(Outcome::Answer(inner.give(message, known.result()))));
        listing.end(carried.is_ok());
        carried
    }

    /// Carries a notification, or the client's response to a request of the server or of the bridge.
    pub async fn notify(&self, message: &Message) -> Result<(), Failure> {
        let Inner { session, router, translator, .. } = &*self.0;
        if session.link.own_requests.answer(message) {
            return Ok(());
        }
        if let Some(translator) = translator.get().filter(|_| router.is_translated()) {
            translator.notify(message);
            return Ok(());
        }
        if router.may_be_modern() && router.has_sent_modern() {
            // Closing the exchange is the cancellation, and a modern client sends no responses.
            return match message.kind() {
                Kind::Notification { method } if &**method != "notifications/cancelled" => {
                    session.era.server.notify(message).await
                }
                _ => Ok(()),
            };
        }
        session.notify(message).await
    }

    /// The same where a failure can only be logged.
    pub async fn notify_logged(&self, message: &Message) {
        if let Err(failure) = self.notify(message).await {
            log_lost(message, &failure);
        }
    }

    /// Carries a cancellation, for as long as the exchange that it cancels may be kept for that.
    pub async fn cancel(&self, cancelled: &Message) {
        tokio::time::timeout(CANCEL, self.notify_logged(cancelled)).await.ok();
    }

    /// Whether messages go through at once, so that what was sent before may have arrived.
    pub fn is_open(&self) -> bool {
        self.0.session.is_open()
    }

    /// Ready when this many requests wait for a person to log in, with nothing of theirs in flight.
    pub async fn until_waiting(&self, requests: usize) {
        self.0.login.until_waiting(requests).await;
    }

    /// Why no session is open yet, if none is and there is a reason.
    pub fn trouble(&self) -> Option<Failure> {
        self.0.session.trouble().or_else(|| self.0.translator.get()?.trouble())
    }

    /// Logs why a request failed: an outage is a warning once.
    pub fn log_failure(&self, failure: &Failure) {
        self.0.session.log_failure(failure);
    }

    /// Whether `server/discover` is answered, or may be: else the client does better to send `initialize`.
    pub fn takes_discover(&self) -> bool {
        let router = &self.0.router;
        self.client_is_modern() || router.is_translated() || router.may_be_modern()
    }

    /// Whether the client is of the modern era and the server is not.
    pub fn is_translated(&self) -> bool {
        self.0.router.is_translated()
    }

    /// Whether the client's batches are to be taken apart: the modern era has none.
    pub fn takes_batches_apart(&self) -> bool {
        self.is_translated() || (self.client_is_modern() && !self.0.router.is_session())
    }

    fn client_is_modern(&self) -> bool {
        self.0.session.era.options.client_protocol == ClientProtocol::Modern
    }

    /// The response to a call of the bridge's own tool, which is never sent to a server.
    pub async fn own_tool(&self, message: &Message) -> Option<Outcome> {
        self.0.login.own_tool(message).await
    }

    /// The name of the bridge's own tool, while there is one.
    pub fn own_tool_name(&self) -> Option<Arc<str>> {
        self.0.login.own_tool_name()
    }

    /// Takes what a response shows that came on a stream. True for the responses to requests of the bridge's own.
    pub fn note_answer(&self, answer: &Message) -> bool {
        let Inner { late_lists, login, session, .. } = &*self.0;
        if let Some((list, request)) = late_lists.take_sent(answer) {
            login.note_list(list, &request, &Outcome::Answer(answer.clone()));
        }
        session.link.own_requests.answer(answer)
    }

    /// The client has nothing more to send: its subscriptions end.
    pub fn end_of_input(&self) {
        self.0.translator.get().into_iter().for_each(Translator::end_of_input);
        self.0.session.era.server.input_ended.send_replace(true);
    }

    /// Ends the sessions: at most a second. False if something of the login could not be kept.
    pub async fn close(&self) -> bool {
        let Inner { session, translator, sender, .. } = &*self.0;
        if let Some(translator) = translator.get() {
            translator.close().await;
        }
        session.close().await;
        let is_kept = sender.auth.close().await;
        session.era.memory.flush().await;
        is_kept
    }
}

impl Inner {
    async fn carry(&self, message: &Message) -> Result<Outcome, Failure> {
        let outcome = match self.router.of(message) {
            Route::Session => self.session.request(message).await?,
            route => Box::pin(self.carry_modern(route, message)).await?,
        };
        if let Some(list) = List::requested_by(message) {
            if let Outcome::Answer(answer) = &outcome
                && list.capability == "tools"
            {
                self.sender.repeatable.note_tools(message, answer);
            }
            self.login.note_list(list, message, &outcome);
        }
        Ok(outcome)
    }

    /// The response with a list of an earlier run.
    fn give(&self, request: &Message, result: Value) -> Message {
        let answer = self.login.answer(request, result);
        if request.method() != Some("tools/list") {
            return answer;
        }
        // What decides about calls is learned from the server's own list of this run.
        self.session.link.client.tools_changed();
        let era = &self.session.era;
        if era.is_served_as_modern() { era.server.scan_tools(answer) } else { answer }
    }

    /// Carries a modern client's request: as it is, or through the translator where the server is found to be legacy.
    async fn carry_modern(&self, route: Route, message: &Message) -> Result<Outcome, Failure> {
        if route == Route::Modern
            && let Some(answer) = self.carry_as_it_is(message).await?
        {
            return Ok(Outcome::Answer(answer));
        }
        let translator = self.translator();
        // Where no session can be opened without a login, the client is told in words of its own era.
        if self.sender.auth.wants_login()
            && let Some(missing) = translator.trouble().filter(Failure::wants_login)
        {
            return Err(missing);
        }
        let outcome = translator.request(message, self.login.is_acknowledged(message)).await?;
        let era = &self.session.era;
        if let Outcome::Answer(answer) = &outcome
            && era::is_mistaken_for_legacy(era, message, answer).await
        {
            log::info!("{} is not legacy; no more is translated", self.sender.host);
            self.router.decide(Route::Modern);
            if let Some(answer) = self.carry_as_it_is(message).await? {
                return Ok(Outcome::Answer(answer));
            }
        }
        Ok(outcome)
    }

    /// `None`: the server is legacy, and has not carried the request out.
    async fn carry_as_it_is(&self, message: &Message) -> Result<Option<Message>, Failure> {
        let era = &self.session.era;
        self.router.note_modern(message);
        let answer = if message.method() == Some("server/discover") {
            era::discover(era, message, self.router.is_modern_client()).await?
        } else {
            era::carry(era, message, self.login.is_acknowledged(message)).await?
        };
        if answer.is_some() && era.is_proven_modern() && !self.router.is_session() {
            self.router.decide(Route::Modern);
        }
        Ok(answer)
    }

    /// Starts the translator with the first request that goes through it.
    fn translator(&self) -> &Translator {
        if !self.router.is_session() {
            self.router.decide(Route::Translator);
        }
        self.translator.get_or_init(|| {
            log::info!("the client is modern and {} is not; translating", self.sender.host);
            Translator::start(self.session.link.client.clone(), further_sessions(&self.sender, &self.session.era))
        })
    }
}

/// Makes further sessions with the same server.
fn further_sessions(sender: &Arc<Sender>, era: &Era) -> impl Fn(ToClient) -> LoginSession + Send + use<> {
    let (sender, memory) = (Arc::clone(sender), era.memory.clone());
    // The client of such a session is legacy, and needs no other translator.
    let options = Arc::new(Options { protocol: Protocol::Legacy, tasks: false, ..Options::clone(&era.options) });
    let suspicion: Arc<Suspicion> = Arc::clone(&era.suspicion);
    move |client| {
        let (sender, memory, options) = (Arc::clone(&sender), memory.clone(), Arc::clone(&options));
        LoginSession::new(Session::new(sender, memory, options, client, Arc::clone(&suspicion)))
    }
}
