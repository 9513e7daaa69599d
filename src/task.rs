//! How is asynchronous work started: the program's, and each task of it?
//!
//! Tasks are boxed: a runtime's machinery around a task is compiled anew for each type of future, some kilobytes each
//! time, and there are dozens of them.

use futures_util::future::BoxFuture;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::error::Error;

/// Runs the program's work to its end, on a runtime of its own.
pub(crate) fn run<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    // One thread: a loopback request takes half the time and a quarter of the CPU that it does with several.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::System(format!("the runtime does not start: {error}")))?;
    let done = runtime.block_on(work);
    // A name that is being looked up, or a line of stdin, is waited for on a thread that cannot be stopped.
    runtime.shutdown_background();
    done
}

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

/// Runs work that waits for the disk or the system on another thread: on the runtime's only thread it would hold up
/// every message. `None` if the work panicked.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
