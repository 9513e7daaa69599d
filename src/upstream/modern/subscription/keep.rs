//! One stream for a legacy client, through any outage.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::{Opened, may_pass, next, open};
use crate::log;
use crate::message::code;
use crate::message::{Kind, Message, error_code};
use crate::task;
use crate::translate::to_modern::{NotificationFilter, SubscriptionEvent};
use crate::upstream::Failure;
use crate::upstream::answer::EventStream;
use crate::upstream::backoff::Backoff;
use crate::upstream::modern::Answered;
use crate::upstream::modern::session::Session;
use crate::upstream::sign_in;

/// What a server that was asked to listen has said: the resources that it leaves out, or why it does not listen at all.
pub(super) type Said = Result<Vec<String>, Failure>;

/// A stream that is closed when nobody keeps it.
pub(super) struct Kept(AbortHandle);

impl Kept {
    /// Begins to listen.
    pub(super) fn begin(session: &Arc<Session>, filter: NotificationFilter) -> (Self, oneshot::Receiver<Said>) {
        let (ready, said) = oneshot::channel();
        (Self(task::spawn(keep(Arc::clone(session), filter, ready)).abort_handle()), said)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens for as long as it is kept. `ready` is told when the server listens, or why it never will.
async fn keep(session: Arc<Session>, filter: NotificationFilter, ready: oneshot::Sender<Said>) {
    let context = session.context();
    let backoff = Backoff::new(Duration::from_secs(1));
    let mut listening = Listening { session: &session, filter, known: None, ready: Some(ready), backoff };
    loop {
        let request = session.request_of_ours("subscriptions/listen", &listening.filter.params());
        match open(context, &request).await {
            Ok(Opened::Stream(mut events)) => {
                let ended = listening.hear(&mut events).await;
                listening.lapse();
                if let Some(refusal) = ended.filter(|ended| listening.is_refused_by(StatusCode::OK, ended)) {
                    return listening.refused(Failure::Rpc(refusal));
                }
            }
            Ok(Opened::Answer(Answered { status, answer })) if listening.is_refused_by(status, &answer) => {
                return listening.refused(Failure::Rpc(answer));
            }
            Ok(Opened::Answer(Answered { status, .. })) => log::debug!("nothing is heard of changes for now: {status}"),
            Err(failure @ Failure::Status { status, .. }) if listening.is_refused_with(status) => {
                return listening.refused(failure);
            }
            Err(Failure::SignIn { .. }) => sign_in::logged_in(context).await,
            Err(failure) => log::debug!("nothing is heard of changes for now: {failure}"),
        }
        tokio::time::sleep(listening.backoff.next()).await;
    }
}

/// A subscription for a legacy client, over one stream after another.
struct Listening<'a> {
    session: &'a Session,
    filter: NotificationFilter,
    /// What the server tells on this stream, since it has said so.
    known: Option<NotificationFilter>,
    /// Until the server has listened once.
    ready: Option<oneshot::Sender<Said>>,
    backoff: Backoff,
}

impl Listening<'_> {
    /// Passes on what the server says until the stream ends: its answer, if it gave one.
    async fn hear(&mut self, events: &mut EventStream) -> Option<Message> {
        while let Some(message) = next(events).await {
            match SubscriptionEvent::of(&message) {
                SubscriptionEvent::Acknowledged(filter) => self.acknowledged(filter.as_deref()).await,
                SubscriptionEvent::Notification(news) => {
                    self.backoff.reset();
                    // Some do not say that they listen.
                    if self.known.is_none() {
                        self.acknowledged(None).await;
                    }
                    self.session.context().client.deliver(news).await;
                }
                SubscriptionEvent::Ended => return Some(message),
                SubscriptionEvent::Other => {}
            }
        }
        None
    }

    /// The server has said once, or once more, what it will tell.
    async fn acknowledged(&mut self, filter: Option<&str>) {
        let known = filter.map_or_else(|| self.filter.clone(), |filter| NotificationFilter::acknowledged(Some(filter)));
        let left_out = self.filter.resources_beyond(Some(&known));
        self.known = Some(known);
        self.session.subscription().make_up(self.session.context()).await;
        if self.ready.is_none() {
            // It may know them again the next time.
            for uri in left_out {
                log::warn!("the server does not tell of changes to {uri} any more");
            }
            return;
        }
        for uri in &left_out {
            self.filter.unsubscribe(uri);
        }
        self.tell(Ok(left_out));
    }

    /// From now on something may happen that nobody hears of.
    fn lapse(&mut self) {
        if let Some(known) = self.known.take() {
            self.session.subscription().lapse(known);
        }
    }

    /// Whether an answer is the server's last word. Once it has listened, only that it knows no such request is: all
    /// else may be said by whoever stands in for it while it is restarted.
    fn is_refused_by(&self, status: StatusCode, answer: &Message) -> bool {
        matches!(answer.kind(), Kind::Response { is_error: true, .. })
            && !may_pass(status)
            && (self.ready.is_some() || error_code(answer) == Some(code::METHOD_NOT_FOUND))
    }

    fn is_refused_with(&self, status: StatusCode) -> bool {
        self.ready.is_some() && status.is_client_error() && !may_pass(status)
    }

    fn refused(mut self, failure: Failure) {
        log::warn!("the server does not listen for changes: {}", failure.logged());
        self.tell(Err(failure));
    }

    fn tell(&mut self, said: Said) {
        if let Some(ready) = self.ready.take() {
            ready.send(said).ok();
        }
    }
}
