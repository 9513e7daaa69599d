//! Which connections are open before a request needs them? Those of HTTP/1.1 only: of HTTP/2 one is enough.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::error::BoxError;
use super::origin::origin;
use super::stream::Stream;
use crate::task;

/// How long an idle connection is kept. Node's and uvicorn's servers close idle connections after five seconds, and a
/// request that is sent at that moment is lost.
pub(super) const IDLE: Duration = Duration::from_secs(4);

/// A connection, or why there is none, as soon as that is known.
pub(super) type Pending = oneshot::Receiver<Result<MaybeHttpsStream<Stream>, BoxError>>;

/// Connections that no request has been sent on. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Spares(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Each has a number of its own; by scheme, host and port. Added when opening begins, removed by the request that takes
    /// one, or when it has been idle for too long.
    pending: HashMap<String, Vec<(u64, Pending)>>,
    number: u64,
}

impl Spares {
    /// Keeps a connection that is open.
    pub(super) fn add(&self, uri: &Uri, connection: MaybeHttpsStream<Stream>) {
        self.add_pending(uri, std::future::ready(Ok(connection)));
    }

    /// Opens a connection, and keeps it for as long as an idle one may be kept.
    pub(super) fn add_pending(
        &self,
        uri: &Uri,
        opening: impl Future<Output = Result<MaybeHttpsStream<Stream>, BoxError>> + Send + 'static,
    ) {
        let (sender, receiver) = oneshot::channel();
        let (key, mut inner) = (key(uri), self.0.lock());
        inner.number += 1;
        let number = inner.number;
        inner.pending.entry(key.clone()).or_default().push((number, receiver));
        drop(inner);
        let spares = self.clone();
        drop(task::spawn(async move {
            let opened = opening.await;
            let is_open = opened.is_ok();
            sender.send(opened).ok();
            // Another attempt may go better.
            if is_open {
                tokio::time::sleep(IDLE).await;
            }
            if let Some(pending) = spares.0.lock().pending.get_mut(&key) {
                pending.retain(|(other, _)| *other != number);
            }
        }));
    }

    /// How many connections to this server there are, open or being opened.
    pub(super) fn len(&self, uri: &Uri) -> usize {
        self.0.lock().pending.get(&key(uri)).map_or(0, Vec::len)
    }

    /// The connection that was begun first.
    pub(super) fn take(&self, uri: &Uri) -> Option<Pending> {
        let mut inner = self.0.lock();
        let pending = inner.pending.get_mut(&key(uri))?;
        (!pending.is_empty()).then(|| pending.remove(0).1)
    }
}

fn key(uri: &Uri) -> String {
    origin(uri).to_ascii_lowercase()
}
