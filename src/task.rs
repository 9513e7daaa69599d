//! How is asynchronous work started: the program's, and each of its tasks?
//!
//! Tasks are boxed: otherwise the compiler makes the code around a task again for each type of future, some kilobytes
//! for each of dozens.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::error::Error;

/// How long the end of the program waits for the runtime's other threads.
const THREADS_END: Duration = Duration::from_millis(50);

/// Runs the program's work to its end, on a new runtime.
pub(crate) fn run<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    // One thread: with several, a request on the loopback takes twice the time and four times the CPU.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::System(format!("the runtime does not start: {error}")))?;
    let result = runtime.block_on(async {
        crate::system::survive_file_limit();
        work.await
    });
    // A thread that ends while the process ends can crash it on Windows. A thread that waits for a DNS answer cannot be
    // stopped; the program does not wait for it longer than this.
    runtime.shutdown_timeout(THREADS_END);
    result
}

/// Starts a task on the current runtime.
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let boxed: BoxFuture<'static, T> = Box::pin(work);
    tokio::spawn(boxed)
}

/// Starts a task that belongs to a set, and is aborted with it.
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
    spawn_blocking(work).await.ok()
}

/// Starts work that can block on a thread of the runtime's, which the end of the program waits for.
pub(crate) fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}
