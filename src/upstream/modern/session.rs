//! A legacy client before this modern server: the translator at work.
//!
//! Each request of the client's is a [`Call`] in the task that carries it, so that dropping the task ends all of it:
//! the exchange with the server, and the questions that the client was asked.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::exchange::{self, Answered};
use super::subscription::Subscription;
use crate::log;
use crate::message::{self, Id, Kind, Message, cancelled_id, code};
use crate::translate::to_modern::{Call, Client, ClientContext, LocalAnswer, Next, NotificationFilter, Step};
use crate::upstream::Failure;
use crate::upstream::{Context, Outcome};

/// How long the server may take to hear that a task is not wanted any more.
const FAREWELL: Duration = Duration::from_secs(1);

/// The revision that had batches, whose answers come as one.
const WITH_BATCHES: &str = "2025-03-26";

/// What a legacy client takes for a session.
pub(in crate::upstream) struct Session {
    context: Arc<Context>,
    client: Mutex<Client>,
    /// The result of `server/discover`, JSON text.
    discovered: Box<str>,
    /// The requests of batches, which are given up one by one: by dropping these.
    batched: Mutex<HashMap<Id, oneshot::Sender<()>>>,
    subscription: Subscription,
    /// Last words to the server.
    farewells: Mutex<JoinSet<()>>,
}

impl Session {
    pub(super) fn new(context: &Arc<Context>, client: Client, discovered: &str) -> Arc<Self> {
        Arc::new(Self {
            context: Arc::clone(context),
            client: Mutex::new(client),
            discovered: discovered.into(),
            batched: Mutex::default(),
            subscription: Subscription::new(NotificationFilter::of(discovered)),
            farewells: Mutex::default(),
        })
    }

    /// The result of `server/discover`, JSON text.
    pub(in crate::upstream) fn discovered(&self) -> &str {
        &self.discovered
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock()
    }

    fn batched(&self) -> MutexGuard<'_, HashMap<Id, oneshot::Sender<()>>> {
        self.batched.lock()
    }

    fn in_context<T>(&self, speak: impl FnOnce(ClientContext<'_>) -> T) -> T {
        speak(ClientContext { client: &self.client(), ids: &self.context.modern.ids })
    }

    /// A request of the bridge's own in the client's name.
    pub(super) fn request_of_ours(&self, method: &str, params: &str) -> Message {
        self.client().request(&self.context.modern.ids.next(), method, params)
    }

    /// Carries a request, or each of a batch, through all that the server makes of it.
    pub(in crate::upstream) async fn request(self: &Arc<Self>, message: &Message) -> Result<Outcome, Failure> {
        match message.kind() {
            Kind::Batch(elements) => Ok(Box::pin(self.batch(elements)).await),
            _ => self.one(message).await.map(Outcome::Answer),
        }
    }

    async fn batch(self: &Arc<Self>, elements: &[Message]) -> Outcome {
        let joined = self.client().revision() == WITH_BATCHES;
        self.batched().retain(|_, keep| !keep.is_closed());
        let answers = elements.iter().map(|element| async move {
            let Kind::Request { .. } = element.kind() else {
                if let Err(failure) = self.notify(element).await {
                    log::warn!("{} did not arrive: {failure}", element.method().unwrap_or_default());
                }
                return None;
            };
            let raw_id = element.raw_id().unwrap_or("null");
            let given_up = self.given_up(Id::from_json(raw_id));
            let answer = tokio::select! {
                answer = self.one(element) => answer,
                _ = given_up => return None,
            };
            let answer = answer.unwrap_or_else(|failure| failure.answer(raw_id));
            if joined {
                return Some(answer);
            }
            self.context.client.deliver(answer).await;
            None
        });
        let answers: Vec<_> = join_all(answers).await.into_iter().flatten().collect();
        if joined { Outcome::Batch(answers) } else { Outcome::Done }
    }

    /// Ready when the client has cancelled this request of a batch.
    fn given_up(&self, id: Id) -> oneshot::Receiver<()> {
        let (keep, given_up) = oneshot::channel();
        self.batched().insert(id, keep);
        given_up
    }

    async fn one(self: &Arc<Self>, message: &Message) -> Result<Message, Failure> {
        let kept = self.client().answers_locally(message);
        match kept {
            Some(kept) => Ok(self.keep(message, kept).await),
            None => Drive::begin(self, message).until_answered().await,
        }
    }

    async fn keep(self: &Arc<Self>, message: &Message, kept: LocalAnswer) -> Message {
        match kept {
            LocalAnswer::Answer(answer) => return answer,
            _ if !self.subscription.takes_resources() => {
                let raw_id = message.raw_id().unwrap_or("null");
                let why = "the server has no subscriptions to resources";
                return message::error(raw_id, code::METHOD_NOT_FOUND, why, None);
            }
            LocalAnswer::Subscribe(uri) => {
                self.listen();
                if let Err(refused) = self.subscription.subscribe(uri).await {
                    return refused.answer(message.raw_id().unwrap_or("null"));
                }
            }
            LocalAnswer::Unsubscribe(uri) => self.subscription.unsubscribe(&uri).await,
        }
        message::result(message.raw_id().unwrap_or("null"), "{}")
    }

    /// Takes a notification, or the client's answer to a question.
    pub(in crate::upstream) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        match message.kind() {
            Kind::Response { id, .. } => {
                if !self.context.modern.takes_answer(message) {
                    log::debug!("the client answers {id}, which nobody asked");
                }
                Ok(())
            }
            Kind::Batch(elements) => {
                for element in elements {
                    Box::pin(self.notify(element)).await?;
                }
                Ok(())
            }
            Kind::Notification { method } if !Client::is_local_notification(method) => {
                let dressed = self.client().with_meta(message, None, &[]);
                exchange::notify(&self.context, &dressed).await
            }
            _ => {
                if let Some(id) = cancelled_id(message) {
                    self.batched().remove(&id);
                }
                Ok(())
            }
        }
    }

    /// Begins to listen for what the server says unasked.
    pub(in crate::upstream) fn listen(self: &Arc<Self>) {
        self.subscription.begin(self);
    }

    /// Stops listening, and waits until the last words are said.
    pub(in crate::upstream) async fn close(&self) {
        self.subscription.end();
        // Tasks that were told to end have their say only when they are polled.
        tokio::task::yield_now().await;
        let mut farewells = std::mem::take(&mut *self.farewells.lock());
        drop(tokio::time::timeout(FAREWELL, async { while farewells.join_next().await.is_some() {} }).await);
    }

    /// Says a last word to the server, for whoever has no time to wait.
    fn farewell(&self, message: Message) {
        let context = Arc::clone(&self.context);
        let mut farewells = self.farewells.lock();
        while farewells.try_join_next().is_some() {}
        // At the very end there is nothing left that could run it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let said = async move {
            let mut nothing = |_: &Message| false;
            let said = exchange::carry(&context, &message, &mut nothing);
            drop(tokio::time::timeout(FAREWELL, said).await);
        };
        farewells.spawn_on(said, &runtime);
    }
}

/// One call on its way. Dropped, it is over, and whoever still has a part in it is told.
struct Drive<'a> {
    session: &'a Arc<Session>,
    call: Call,
    first: Option<Step>,
    answers: mpsc::UnboundedReceiver<Message>,
    /// For whoever brings an answer of the client's.
    sender: mpsc::UnboundedSender<Message>,
    questions: Vec<Id>,
}

impl<'a> Drive<'a> {
    fn begin(session: &'a Arc<Session>, request: &Message) -> Self {
        let (call, first) = session.in_context(|context| Call::start(context, request));
        let (sender, answers) = mpsc::unbounded_channel();
        Self { session, call, first: Some(first), answers, sender, questions: Vec::new() }
    }

    async fn until_answered(mut self) -> Result<Message, Failure> {
        let mut step = self.first.take();
        while let Some(Step { to_client, next }) = step {
            Box::pin(self.tell(to_client)).await;
            step = Some(match next {
                Next::Answer(answer) => return Ok(answer),
                Next::Post(message, pause) => {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    self.post(message).await?
                }
                Next::Wait(until) => self.wait(until).await,
            });
        }
        Err(Failure::Panicked)
    }

    async fn post(&mut self, message: Message) -> Result<Step, Failure> {
        let Self { session, call, .. } = self;
        match exchange::carry(&session.context, &message, &mut |message| call.is_for_client(message)).await {
            Ok(Answered { answer, .. }) => Ok(session.in_context(|context| call.server_response(context, &answer))),
            Err(failure) if failure.is_temporary() => {
                session.in_context(|context| call.server_unreachable(context)).ok_or(failure)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn wait(&mut self, until: Option<Duration>) -> Step {
        let Self { session, call, answers, .. } = self;
        let due = async {
            match until {
                Some(until) => tokio::time::sleep(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(answer) = answers.recv() => session.in_context(|context| call.client_response(context, &answer)),
            () = due => session.in_context(|context| call.timeout(context)),
        }
    }

    /// Tells the client; an answer may come before this is through.
    async fn tell(&mut self, messages: Vec<Message>) {
        for message in messages {
            if let Kind::Request { id, .. } = message.kind() {
                self.session.context.modern.asked().insert(id.clone(), self.sender.clone());
                self.questions.push(id.clone());
            }
            self.session.context.client.deliver(message).await;
        }
    }
}

impl Drop for Drive<'_> {
    fn drop(&mut self) {
        let Self { session, call, questions, .. } = self;
        if !questions.is_empty() {
            let mut asked = session.context.modern.asked();
            for id in &*questions {
                asked.remove(id);
            }
        }
        let (client, server) = session.in_context(|context| call.close(context));
        for message in client {
            session.context.client.say_now(message);
        }
        if let Some(message) = server {
            session.farewell(message);
        }
    }
}
