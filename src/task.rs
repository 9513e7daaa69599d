//! How is a task started? Boxed: a runtime's machinery around a task is compiled anew for each type of future, some
//! kilobytes each time, and there are dozens of them.

use std::future::Future;

use futures_util::future::BoxFuture;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

/// Starts a task of the runtime that this is called in.
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let boxed: BoxFuture<'static, T> = Box::pin(work);
    tokio::spawn(boxed)
}

/// Starts a task that belongs to a set, and ends with it.
pub(crate) fn spawn_in<T: Send + 'static>(
    set: &mut JoinSet<T>,
    work: impl Future<Output = T> + Send + 'static,
) -> AbortHandle {
    let boxed: BoxFuture<'static, T> = Box::pin(work);
    set.spawn(boxed)
}
