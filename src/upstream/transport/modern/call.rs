//! How is one request of a legacy client carried to a modern server? By a [`Call`], the translator's machine for it,
//! which is run here. Dropped, the request is cancelled, and whoever still has a part in it is notified.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::server::{Answered, ModernServer};
use crate::message::{Kind, Message, Waiting};
use crate::translate::to_modern::{Call, Client, ClientContext, Next, Step};
use crate::upstream::Failure;

/// How long the server may take to read that a task is cancelled.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// What every call of one client needs.
pub(super) struct Caller {
    pub(super) server: Arc<ModernServer>,
    /// What the translator knows of the client. A request may change it; every request reads it.
    pub(super) client: Mutex<Client>,
    /// The last requests of calls that were cancelled. A dropped call adds to it, the end waits for it.
    last_requests: Mutex<JoinSet<()>>,
}

impl Caller {
    pub(super) fn new(server: Arc<ModernServer>, client: Client) -> Self {
        Self { server, client: Mutex::new(client), last_requests: Mutex::default() }
    }

    fn in_context<T>(&self, act: impl FnOnce(ClientContext<'_>) -> T) -> T {
        act(ClientContext { client: &self.client.lock(), ids: &self.server.link.own_requests })
    }

    /// A request of the bridge's own in the client's name.
    pub(super) fn own_request(&self, method: &str, params: &str) -> Message {
        self.client.lock().request(&self.server.link.own_requests.next_id(), method, params)
    }

    /// Carries a request through all that the server makes of it.
    pub(super) async fn call(&self, request: &Message) -> Result<Message, Failure> {
        RunningCall::start(self, request).until_answered().await
    }

    /// Waits until the last requests are sent, for a moment.
    pub(super) async fn close(&self) {
        // Tasks that were told to end are dropped only when they are polled.
        tokio::task::yield_now().await;
        let mut last_requests = std::mem::take(&mut *self.last_requests.lock());
        drop(tokio::time::timeout(LAST_REQUEST, async { while last_requests.join_next().await.is_some() {} }).await);
    }

    /// Sends a last request, for a call that is dropped and cannot wait.
    fn send_last(&self, message: Message) {
        let server = Arc::clone(&self.server);
        let mut last_requests = self.last_requests.lock();
        while last_requests.try_join_next().is_some() {}
        // At the very end there is no runtime left that could run it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let sending = async move {
            drop(tokio::time::timeout(LAST_REQUEST, server.request_own(&message)).await);
        };
        last_requests.spawn_on(sending, &runtime);
    }
}

struct RunningCall<'a> {
    caller: &'a Caller,
    machine: Call,
    first: Option<Step>,
    /// The requests that were sent to the client, until it answers them.
    sent: FuturesUnordered<Waiting<'a>>,
}

impl<'a> RunningCall<'a> {
    fn start(caller: &'a Caller, request: &Message) -> Self {
        let (machine, first) = caller.in_context(|context| Call::start(context, request));
        Self { caller, machine, first: Some(first), sent: FuturesUnordered::new() }
    }

    async fn until_answered(mut self) -> Result<Message, Failure> {
        let mut step = self.first.take();
        while let Some(Step { to_client, next }) = step {
            Box::pin(self.deliver(to_client)).await;
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
        let Self { caller, machine, .. } = self;
        match caller.server.request(&message, &mut |message| machine.is_for_client(message)).await {
            Ok(Answered { answer, .. }) => Ok(caller.in_context(|context| machine.server_response(context, &answer))),
            Err(failure) if failure.is_temporary() => {
                caller.in_context(|context| machine.server_unreachable(context)).ok_or(failure)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn wait(&mut self, until: Option<Duration>) -> Step {
        let Self { caller, machine, sent, .. } = self;
        let due = async {
            match until {
                Some(until) => tokio::time::sleep(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(Some(answer)) = sent.next() => caller.in_context(|context| machine.client_response(context, &answer)),
            () = due => caller.in_context(|context| machine.timeout(context)),
        }
    }

    /// Delivers messages to the client. A response may come before this is through.
    async fn deliver(&mut self, messages: Vec<Message>) {
        let link = &self.caller.server.link;
        for message in messages {
            if let Kind::Request { id, .. } = message.kind() {
                self.sent.push(link.own_requests.wait(id.clone()));
            }
            link.client.deliver(message).await;
        }
    }
}

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        let Self { caller, machine, sent, .. } = self;
        sent.clear();
        let (to_client, to_server) = caller.in_context(|context| machine.close(context));
        for message in to_client {
            caller.server.link.client.deliver_own(message);
        }
        if let Some(message) = to_server {
            caller.send_last(message);
        }
    }
}
