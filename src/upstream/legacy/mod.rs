//! Streamable HTTP as of 2025-03-26, 2025-06-18 and 2025-11-25 ("Transports"): session id, GET stream, resumption,
//! re-initialise, DELETE.

mod exchange;
mod listen;
mod owed;

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::answer::{self, Body};
use super::lasting::Asked;
use super::send::{self, Sent};
use super::{Context, Event, NotOpened, Opened, SECRET_ID, Wire};
use crate::log;
use crate::message::{Id, Initialize, Kind, Message, cancelled_id};
use crate::task;
use crate::upstream::Failure;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// How long the farewell to a server may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a request that the server may have questions about waits for the stream on which many ask them: whoever has
/// no such stream yet is not asked, and waits for the answer.
const STREAM: Duration = Duration::from_secs(1);

/// A session with a server, renewed when the server has forgotten it.
pub(super) struct Session {
    context: Arc<Context>,
    /// Watched by the listener, which moves on to each new generation.
    terms: watch::Sender<Arc<Terms>>,
    /// Held by whoever renews; the others wait, and find it done or learn why it could not be.
    renewing: Arc<tokio::sync::Mutex<Option<(Instant, Failure)>>>,
    listener: Mutex<Listener>,
    /// Whether there is a stream on which the server can ask.
    hearing: watch::Sender<Hearing>,
    /// The requests that wait for that.
    unsent: Mutex<HashSet<Id>>,
}

/// How it stands with the GET stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hearing {
    /// There is none.
    Nothing,
    /// The server has been asked for it, since then.
    Asked(Instant),
    Stream,
}

/// Who reads the GET stream.
#[derive(Default)]
enum Listener {
    #[default]
    NotYet,
    Running(AbortHandle),
    /// None any more: after the DELETE there is nothing to GET.
    Closed,
}

/// What every request of one session says.
struct Terms {
    /// Counts renewals.
    generation: u64,
    /// Where redirects have led.
    uri: Uri,
    /// The headers of its POSTs and of its GETs: id and revision among them.
    post: HeaderMap,
    get: HeaderMap,
}

impl Terms {
    fn new(generation: u64, uri: Uri, session: &[(HeaderName, HeaderValue)]) -> Self {
        let with = |mut headers: HeaderMap| {
            headers.extend(session.iter().cloned());
            // Made here, once, or it would be made for each request.
            headers.extend(crate::net::host_header(&uri).map(|host| (HOST, host)));
            headers
        };
        let (post, get) = (with(send::post_headers()), with(send::get_headers()));
        Self { generation, uri, post, get }
    }

    fn has_session(&self) -> bool {
        self.post.contains_key(SESSION_ID)
    }
}

/// Opens a session with the client's `initialize`.
pub(super) async fn open(context: &Arc<Context>, initialize: &Message) -> Result<Opened, NotOpened> {
    let greeted = greet(context, initialize, 0, Duration::ZERO).await;
    let (terms, answer) = greeted.inspect_err(|refused| context.era.refused(refused))?;
    let wire = Wire::Legacy(Arc::new(Session::new(context, terms)));
    Ok(Opened { wire, answer })
}

/// POSTs `initialize` outside any session and reads the terms from its answer.
async fn greet(
    context: &Arc<Context>,
    initialize: &Message,
    generation: u64,
    patience: Duration,
) -> Result<(Terms, Message), NotOpened> {
    let sender = &context.sender;
    let body = initialize.text().clone();
    let Sent { response, moved } =
        sender.send(Method::POST, sender.uri(), &send::post_headers(), body, patience).await?;
    let status = response.status();
    if !status.is_success() {
        let error = answer::refusal(sender, response, false).await?;
        return Err(NotOpened::Error(status, error.with_id(initialize.raw_id().unwrap_or("null"))));
    }
    let session_id = response.headers().get(SESSION_ID).cloned();
    session_id.iter().filter_map(|id| id.to_str().ok()).filter(|id| id.len() >= SECRET_ID).for_each(log::hide);
    let body = answer::body(sender, response).await?;
    let uri = moved.unwrap_or_else(|| sender.uri().clone());
    if let (Body::Events(_), Some(id)) = (&body, &session_id) {
        let terms = Terms::new(generation, uri.clone(), &[(SESSION_ID, id.clone())]);
        context.gate.begun(Arc::new(Session::new(context, terms)));
    }
    let answer = exchange::only_answer(context, body, initialize).await?;
    if let Kind::Response { is_error: true, .. } = answer.kind() {
        return Err(NotOpened::Error(status, answer));
    }
    let mut session = Vec::new();
    session.extend(session_id.map(|id| (SESSION_ID, id)));
    let revision = Initialize::result(&answer).and_then(|result| result.protocol_version);
    let revision = revision.or_else(|| Initialize::params(initialize)?.protocol_version);
    session.extend(
        revision.and_then(|revision| HeaderValue::try_from(revision).ok()).map(|value| (PROTOCOL_VERSION, value)),
    );
    let terms = Terms::new(generation, uri, &session);
    log::info!(
        "session opened with {} ({})",
        sender.host(),
        if terms.has_session() { "stateful" } else { "stateless" }
    );
    Ok((terms, answer))
}

impl Session {
    fn new(context: &Arc<Context>, terms: Terms) -> Self {
        Self {
            context: Arc::clone(context),
            terms: watch::Sender::new(Arc::new(terms)),
            renewing: Arc::default(),
            listener: Mutex::default(),
            hearing: watch::Sender::new(Hearing::Nothing),
            unsent: Mutex::default(),
        }
    }

    /// For a client that never initializes: every message stands alone.
    pub(super) fn bare(context: &Arc<Context>) -> Arc<Self> {
        let terms = Terms::new(0, context.sender.uri().clone(), &[]);
        Arc::new(Self::new(context, terms))
    }

    /// Whether the server has given it an id.
    pub(super) fn is_stateful(&self) -> bool {
        self.terms().has_session()
    }

    fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.borrow())
    }

    /// Posts a notification, or the client's answer to a request of the server.
    pub(super) async fn notify(self: &Arc<Self>, message: &Message) -> Result<(), Failure> {
        if self.cancels_unsent(message) {
            return Ok(());
        }
        let terms = self.terms();
        match self.post_notice(&terms, message).await {
            Err(Failure::SessionLost { .. }) => {
                self.renew(terms.generation).await?;
                self.post_notice(&self.terms(), message).await
            }
            settled => settled,
        }
    }

    /// Begins to listen, unless it does already or is over.
    pub(super) fn listen(self: &Arc<Self>) {
        let mut listener = self.listener.lock();
        if matches!(*listener, Listener::NotYet) {
            self.hearing.send_replace(Hearing::Asked(Instant::now()));
            *listener = Listener::Running(task::spawn(listen::listen(Arc::clone(self))).abort_handle());
        }
    }

    /// Waits for the server's answer to the GET, if this is a request that it may have questions about.
    async fn heard(&self, request: &Message) {
        let (Kind::Request { id, method }, Hearing::Asked(since)) = (request.kind(), *self.hearing.borrow()) else {
            return;
        };
        if !matches!(&**method, "tools/call" | "prompts/get" | "resources/read") {
            return;
        }
        let _unsent = Unsent::new(self, id);
        let mut changes = self.hearing.subscribe();
        let heard = changes.wait_for(|hearing| !matches!(hearing, Hearing::Asked(_)));
        let is_late = tokio::time::timeout_at((since + STREAM).into(), heard).await.is_err();
        if is_late {
            // Nor does any other wait for it.
            self.hearing.send_if_modified(|hearing| {
                let is_asked = matches!(hearing, Hearing::Asked(_));
                if is_asked {
                    *hearing = Hearing::Nothing;
                }
                is_asked
            });
        }
    }

    fn unsent(&self) -> MutexGuard<'_, HashSet<Id>> {
        self.unsent.lock()
    }

    /// Whether this cancels a request that the server has not been sent, and will not.
    fn cancels_unsent(&self, message: &Message) -> bool {
        cancelled_id(message).is_some_and(|id| self.unsent().contains(&id))
    }

    async fn post_notice(&self, terms: &Terms, message: &Message) -> Result<(), Failure> {
        let sender = &self.context.sender;
        let body = message.text().clone();
        let Sent { response, .. } =
            sender.send(Method::POST, &terms.uri, &terms.post, body, self.context.options.patience).await?;
        if !response.status().is_success() {
            return Err(Failure::Rpc(answer::refusal(sender, response, terms.has_session()).await?));
        }
        // The specification says 202 and no body; what comes all the same is the client's.
        match answer::body(sender, response).await {
            Ok(Body::Message(message)) => self.context.client.deliver(message).await,
            Ok(Body::Events(events)) => drop(task::spawn(exchange::drain(Arc::clone(&self.context), events))),
            Ok(Body::Nothing(_)) | Err(_) => {}
        }
        Ok(())
    }

    /// Opens a new session in place of the one of this generation, with the client's own words, and tells the client
    /// that its lists may have changed. However many find the session lost at once, one renews it.
    async fn renew(self: &Arc<Self>, lost: u64) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut attempted = Arc::clone(&self.renewing).lock_owned().await;
        if self.terms().generation != lost {
            return Ok(());
        }
        if let Some((_, failure)) = attempted.as_ref().filter(|(at, _)| *at >= begun) {
            return Err(failure.clone());
        }
        // A task of its own: a request that is cancelled must not leave a session half renewed.
        let session = Arc::clone(self);
        let renewing = task::spawn(async move {
            let renewed = session.open_anew(lost).await;
            *attempted = renewed.as_ref().err().map(|failure| (Instant::now(), failure.clone()));
            renewed
        });
        renewing.await.unwrap_or(Err(Failure::Panicked))
    }

    async fn open_anew(&self, lost: u64) -> Result<(), Failure> {
        let (Some(initialize), initialized) = self.context.gate.greeting() else {
            return Err(Failure::Broken("the session is lost, and there is no initialize to repeat".to_owned()));
        };
        log::info!("{} has lost the session; opening a new one", self.context.sender.host());
        let greeted = greet(&self.context, &initialize, lost + 1, self.context.options.patience).await;
        let greeted = greeted.inspect_err(|refused| self.context.era.refused(refused));
        let (terms, answer) = greeted.map_err(|not| match not {
            NotOpened::Failure(failure) => failure,
            NotOpened::Error(_, error) => Failure::Rpc(error),
        })?;
        if let Some(result) = Initialize::result(&answer) {
            self.context.learned(result.capabilities);
        }
        if let Some(initialized) = initialized {
            self.post_notice(&terms, &initialized).await?;
        }
        let Context { lasting, modern, .. } = &*self.context;
        let terms = Arc::new(terms);
        let ask = |request: Message| -> Asked<'_> {
            let terms = Arc::clone(&terms);
            Box::pin(async move { self.exchange(&terms, &request).await })
        };
        lasting.ask_again(&modern.ids, &ask).await;
        self.terms.send_replace(terms);
        // The listener moves on to the new session at once, if it is not waiting for something else.
        self.hearing.send_if_modified(|hearing| {
            let moves_on = *hearing == Hearing::Stream;
            if moves_on {
                *hearing = Hearing::Asked(Instant::now());
            }
            moves_on
        });
        self.context.client.tell_translator(|| Event::Renewed);
        self.context.tell_changed();
        Ok(())
    }

    /// Stops listening and deletes the session.
    pub(super) async fn close(&self) {
        let listener = std::mem::replace(&mut *self.listener.lock(), Listener::Closed);
        if let Listener::Running(listener) = listener {
            listener.abort();
        }
        let terms = self.terms();
        if terms.has_session() {
            let farewell =
                self.context.sender.send(Method::DELETE, &terms.uri, &terms.get, bytes::Bytes::new(), Duration::ZERO);
            // A server may refuse to (405) or be gone; either way it is over.
            drop(tokio::time::timeout(FAREWELL, farewell).await);
        }
    }
}

/// A request that waits, for as long as it does.
struct Unsent<'a>(&'a Session, Id);

impl<'a> Unsent<'a> {
    fn new(session: &'a Session, id: &Id) -> Self {
        session.unsent().insert(id.clone());
        Self(session, id.clone())
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.0.unsent().remove(&self.1);
    }
}
