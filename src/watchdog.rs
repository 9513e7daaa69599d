//! What ends the process when its runtime does not? A thread of its own, some seconds after the end of stdin or a
//! signal.
//!
//! The runtime has one thread. If that thread is stuck, whatever the reason, no task notices that the client has ended,
//! and the program would stay behind for ever, with its login and its session.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::error::Exit;
use crate::{log, system};

/// When the process is ended.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// How long nothing is looked at after the end of stdin or a signal: nearly every run has ended by then.
    grace: Duration,
    /// How long the runtime may take to run an empty task. On a busy machine a second is not long.
    stuck: Duration,
    /// How long an end in good order may take: requests, a refresh of the login, the end of the session, the last lines
    /// of the log.
    orderly: Duration,
}

const LIMITS: Limits =
    Limits { grace: Duration::from_secs(3), stuck: Duration::from_secs(3), orderly: Duration::from_secs(20) };

/// How long the last line of the log may take.
const LAST_LINE: Duration = Duration::from_secs(1);

/// Watches the current runtime. `input_ended`: the end of stdin.
pub(crate) fn start(input_ended: oneshot::Receiver<()>) {
    let watched = Handle::current();
    let thread = std::thread::Builder::new().name("watchdog".to_owned());
    let started = thread.spawn(move || {
        // A runtime of its own, because the other one cannot be relied on. It waits for the same signals.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Ok(shutdown) = system::shutdown() else { return };
            let end = async {
                tokio::select! {
                    () = shutdown => {}
                    Ok(()) = input_ended => {}
                }
            };
            until_stuck(end, &watched, LIMITS).await;
            end_process();
        });
    });
    if let Err(error) = started {
        log::warn!("no thread could be started to watch over the end of the program: {error}");
    }
}

/// Resolves some time after `end`: as soon as the runtime is stuck, or when it has had time enough.
async fn until_stuck(end: impl Future<Output = ()>, watched: &Handle, limits: Limits) {
    end.await;
    let latest = Instant::now() + limits.orderly;
    sleep(limits.grace).await;
    while Instant::now() < latest {
        // An empty task of a runtime that has ended fails at once; then the process is about to end.
        if timeout(limits.stuck, watched.spawn(async {})).await.is_err() {
            return;
        }
        sleep(limits.stuck).await;
    }
}

fn end_process() {
    let (written, is_written) = std::sync::mpsc::channel();
    // The thread that is stuck may hold what a line of the log needs.
    std::thread::spawn(move || {
        log::warn!("the program did not end by itself, and is ended now: a bug");
        log::flush();
        written.send(()).ok();
    });
    is_written.recv_timeout(LAST_LINE).ok();
    #[allow(clippy::exit, reason = "the thread that would return from `main` is stuck")]
    std::process::exit(Exit::Orderly as i32);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::mpsc;

    use super::*;

    const QUICK: Limits = Limits {
        grace: Duration::from_millis(20),
        stuck: Duration::from_millis(200),
        orderly: Duration::from_secs(100),
    };

    /// Runs `work` on a runtime of its own, and `watch` on another.
    fn watch<T>(work: impl FnOnce() + Send + 'static, watch: impl AsyncFnOnce(Handle) -> T) -> T {
        let (handle, watched) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            handle.send(runtime.handle().clone()).unwrap();
            runtime.block_on(async { work() });
            runtime.block_on(pending::<()>());
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(watch(watched.recv().unwrap()))
    }

    #[test]
    fn a_stuck_runtime_is_noticed_after_the_end_and_not_before() {
        let (_keep, never) = mpsc::channel::<()>();
        watch(
            move || assert!(never.recv().is_err()),
            async |watched| {
                let not_yet = timeout(QUICK.stuck * 3, until_stuck(pending(), &watched, QUICK)).await;
                assert!(not_yet.is_err(), "before the end a slow runtime is left alone");
                timeout(Duration::from_secs(20), until_stuck(ready(()), &watched, QUICK)).await.unwrap();
            },
        );
    }

    #[test]
    fn an_end_in_good_order_is_waited_for_but_not_for_ever() {
        watch(
            || {},
            async |watched| {
                let watching = until_stuck(ready(()), &watched, QUICK);
                assert!(timeout(QUICK.stuck * 5, watching).await.is_err(), "the runtime still works");
                let limits = Limits { orderly: QUICK.stuck, ..QUICK };
                timeout(Duration::from_secs(20), until_stuck(ready(()), &watched, limits)).await.unwrap();
            },
        );
    }
}
