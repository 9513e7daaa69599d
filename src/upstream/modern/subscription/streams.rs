//! Which stream serves what a legacy client wants, and what of it does the server refuse?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::keep::{Kept, Said};
use crate::message::{self, code};
use crate::translate::to_modern::NotificationFilter;
use crate::upstream::Failure;
use crate::upstream::modern::session::Session;

/// How long whoever subscribes waits for the server to listen.
const READY: Duration = Duration::from_secs(5);

/// How long a stream that is replaced goes on.
const LINGER: Duration = Duration::from_millis(10);

/// A server that refuses, and takes its time for each, is asked for no more than this.
const MOST_SORTED: u32 = 3;

/// Resources that the server does not listen for, with what it says of each.
pub(super) type Refused = BTreeMap<String, Failure>;

/// One stream for all that is wanted. The one that replaces it comes first, however long that takes; if the server
/// refuses that, the old one goes on.
pub(super) struct Streams {
    session: Arc<Session>,
    current: Option<(NotificationFilter, Kept)>,
    coming: Option<Coming>,
    /// By the last that were tried.
    pub(super) refused: Refused,
}

/// A stream on which the server does not listen yet.
struct Coming {
    filter: NotificationFilter,
    stream: Kept,
    said: oneshot::Receiver<Said>,
    /// How often it was sorted out, without an end, what of it is refused.
    sorted: u32,
}

impl Streams {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self { session, current: None, coming: None, refused: BTreeMap::new() }
    }

    /// Has the server listen for that; ready when it does, refuses it, or has had its time.
    pub(super) async fn listen_for(&mut self, filter: NotificationFilter) {
        let held = self.current.as_ref().map(|(held, _)| held);
        if self.coming.as_ref().map(|coming| &coming.filter).or(held) == Some(&filter) {
            return;
        }
        if held == Some(&filter) || filter.is_empty() {
            self.coming = None;
            self.current.take_if(|_| filter.is_empty());
            return;
        }
        self.refused.clear();
        if let Err(failure) = self.attempt(filter.clone()).await {
            self.sort_out(filter, 0, &failure).await;
        }
    }

    /// What the server says in the end of the stream that is coming; never, if there is none.
    pub(super) async fn late(&mut self) -> Said {
        match &mut self.coming {
            Some(coming) => (&mut coming.said).await.unwrap_or_else(|_| Ok(Vec::new())),
            None => std::future::pending().await,
        }
    }

    /// Takes that.
    pub(super) async fn take_late(&mut self, said: Said) {
        let Some(coming) = &self.coming else { return };
        let (filter, sorted) = (coming.filter.clone(), coming.sorted);
        self.refused.clear();
        if let Err(failure) = self.take(said).await {
            self.sort_out(filter, sorted, &failure).await;
        }
    }

    /// Opens a stream for that beside the one there is, and waits for the server for a while.
    async fn attempt(&mut self, filter: NotificationFilter) -> Result<(), Failure> {
        self.begin(filter, 0);
        match tokio::time::timeout(READY, self.late()).await {
            Ok(said) => self.take(said).await,
            Err(_) => Ok(()),
        }
    }

    fn begin(&mut self, filter: NotificationFilter, sorted: u32) {
        let (stream, said) = Kept::begin(&self.session, filter.clone());
        self.coming = Some(Coming { filter, stream, said, sorted });
    }

    /// What the server has said on the old stream until then is read to the end, and nobody is told before that one is
    /// closed: what is changed in answer comes on the new one alone.
    async fn take(&mut self, said: Said) -> Result<(), Failure> {
        let Some(Coming { mut filter, stream, .. }) = self.coming.take() else { return Ok(()) };
        for uri in said? {
            filter.unsubscribe(&uri);
            let failure = left_out(&uri);
            self.refused.insert(uri, failure);
        }
        if let Some((_, replaced)) = self.current.replace((filter, stream)) {
            tokio::time::sleep(LINGER).await;
            drop(replaced);
        }
        Ok(())
    }

    /// Resources that were subscribed to in the same moment, and refused together, are tried one by one: the refusal of
    /// one shall not cost the others. When the server takes its time for one, nobody waits for the rest.
    async fn sort_out(&mut self, mut filter: NotificationFilter, sorted: u32, failure: &Failure) {
        let added = filter.resources_beyond(self.current.as_ref().map(|(held, _)| held));
        if added.len() == 1 || sorted == MOST_SORTED {
            self.refused.extend(added.into_iter().map(|uri| (uri, failure.clone())));
            return;
        }
        for uri in &added {
            filter.unsubscribe(uri);
        }
        let mut added = added.into_iter();
        while let Some(uri) = added.next() {
            filter.subscribe(uri.clone());
            if let Err(failure) = self.attempt(filter.clone()).await {
                self.refused.insert(uri, failure);
            } else if self.coming.is_some() && added.len() > 0 {
                for uri in added {
                    filter.subscribe(uri);
                }
                return self.begin(filter, sorted + 1);
            }
            for uri in self.refused.keys() {
                filter.unsubscribe(uri);
            }
        }
    }
}

/// What the client is told of a resource that the server has not named among those that it listens for.
fn left_out(uri: &str) -> Failure {
    let why = format!("the server does not tell of changes to {uri}: it listens, but not for that");
    Failure::Rpc(message::error("null", code::INVALID_PARAMS, &why, None))
}
