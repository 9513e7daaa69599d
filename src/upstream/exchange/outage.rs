//! Since when can the server not be reached, and how long do requests still wait for it? Patience belongs to the outage:
//! when the first request that met it has waited long enough, the others fail at once, until the server is there again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;

use crate::log;
use crate::upstream::{Failure, Options};

/// How long a request that comes when the others have given up waits for an attempt of its own.
pub(crate) const LAST_ATTEMPT: Duration = Duration::from_secs(1);

/// How many different lines of one outage are warnings. A server may put the time into its error page.
const MOST_LINES: usize = 8;

/// How long a list waits for a server that was not there a moment ago. Some clients request it several times.
const MOMENT: Duration = Duration::from_millis(50);

/// The outage of one server. Each attempt that fails and each response change it, in whatever session; each request
/// that waits for the server reads it.
pub(crate) struct Outage {
    host: String,
    patience: Duration,
    start_patience: Duration,
    absent_wait: Duration,
    /// Whether there is anything in `state` that a response ends. Responses read it, so that they need no lock.
    is_noted: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the client's first message was sent.
    first_sent: Option<Instant>,
    /// The server has been there, in this process.
    was_there: bool,
    /// Why the server could not be reached the last time, in this outage.
    reason: Option<Failure>,
    wait: Option<Wait>,
    /// The lines of this outage that the log has.
    logged: Vec<String>,
}

/// How long requests wait in an outage.
struct Wait {
    until: Instant,
    patience: Duration,
    /// A request has waited until then.
    is_over: bool,
}

impl Outage {
    pub(super) fn new(host: &str, options: &Options) -> Self {
        Self {
            host: host.to_owned(),
            patience: options.patience,
            start_patience: options.start_patience,
            absent_wait: options.absent_wait,
            is_noted: AtomicBool::new(true),
            state: Mutex::default(),
        }
    }

    /// Scheme and host of the server: what may be shown.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The first message of the client is sent.
    pub(super) fn note_first_sent(&self) {
        self.state.lock().first_sent.get_or_insert_with(Instant::now);
    }

    /// Until when a request waits. The first one that asks in an outage decides for all; where that one was given up
    /// before, because the client cancelled it, the next one does.
    pub(crate) fn waits_until(&self) -> Instant {
        let now = Instant::now();
        self.is_noted.store(true, Ordering::Relaxed);
        let state = &mut *self.state.lock();
        if let Some(wait) = state.wait.as_ref().filter(|wait| wait.is_over || wait.until > now) {
            return wait.until;
        }
        let patience = if state.was_there { self.patience } else { self.start_patience };
        let first = state.first_sent.filter(|_| !state.was_there && state.wait.is_none());
        let begun = first.unwrap_or(now);
        let until = begun.checked_add(patience).unwrap_or_else(|| now + Duration::from_secs(24 * 3600));
        state.wait = Some(Wait { until, patience, is_over: until <= now });
        until
    }

    /// Carries a request for a list, which a client needs before it begins its work: a server that cannot be reached at
    /// the start is waited for by other requests longer.
    pub(crate) async fn carry_list<T>(&self, carrying: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        if self.state.lock().was_there {
            return carrying.await;
        }
        tokio::select! {
            biased;
            carried = carrying => carried,
            reason = self.absent() => Err(reason),
        }
    }

    /// Ready with the reason when it is clear that the server is not there at the start; never, if it is there.
    pub(crate) async fn absent(&self) -> Failure {
        let (first_sent, is_known) = {
            let state = self.state.lock();
            // When no request waits any more, each has an attempt made that shows whether the server is there.
            (state.first_sent, state.was_there || state.wait.as_ref().is_some_and(|wait| wait.is_over))
        };
        let until = first_sent.unwrap_or_else(Instant::now).checked_add(self.absent_wait);
        if let (false, Some(until)) = (is_known, until) {
            tokio::time::sleep_until(until.max(Instant::now() + MOMENT).into()).await;
            if let Some(reason) = self.reason() {
                return reason;
            }
        }
        // It can be reached, and takes its time.
        std::future::pending().await
    }

    /// A request has waited long enough; no other does until the server is there. Returns how long requests wait.
    pub(crate) fn end_wait(&self) -> Duration {
        let state = &mut *self.state.lock();
        let Some(wait) = &mut state.wait else { return self.patience };
        wait.is_over = true;
        wait.until = wait.until.min(Instant::now());
        wait.patience
    }

    /// An attempt has failed so, and another one follows.
    pub(crate) fn note_failed_attempt(&self, failure: &Failure) {
        self.log(failure, "; trying again");
        self.state.lock().reason = Some(failure.clone());
    }

    /// Logs why a request failed: as a warning, unless it speaks of the outage and the log has that line already.
    pub(crate) fn log_failure(&self, failure: &Failure) {
        if failure.is_outage() {
            self.log(failure, "");
        } else {
            log::warn!("{}", failure.for_log());
        }
    }

    fn log(&self, failure: &Failure, what_follows: &str) {
        self.is_noted.store(true, Ordering::Relaxed);
        let line = failure.for_log();
        let state = &mut *self.state.lock();
        if state.logged.contains(&line) || state.logged.len() == MOST_LINES {
            log::debug!("{line}{what_follows}");
        } else {
            log::warn!("{line}{what_follows}");
            state.logged.push(line);
        }
    }

    /// Why the server cannot be reached, if an attempt has failed since it was last there.
    pub(crate) fn reason(&self) -> Option<Failure> {
        self.state.lock().reason.clone()
    }

    /// Says in a result, of `initialize` or of `server/discover`, why the server does not give it itself: to a model, and
    /// to a person who looks there.
    pub(crate) fn explain(&self, result: &mut Value) {
        let Some(reason) = self.reason() else { return };
        let known = result["instructions"].as_str().map(|known| format!("\n\n{known}")).unwrap_or_default();
        let instructions = format!(
            "The server {} is not available now: {}. mcp-ferry goes on trying: its tools come and work by themselves as \
             soon as the server is there, and calls fail until then. If the tools are needed, tell the person so.{known}",
            self.host,
            reason.for_client(),
        );
        result["instructions"] = instructions.into();
    }

    /// The server is there.
    pub(crate) fn end(&self) {
        if !self.is_noted.load(Ordering::Relaxed) {
            return;
        }
        self.is_noted.store(false, Ordering::Relaxed);
        let state = &mut *self.state.lock();
        if !state.logged.is_empty() {
            log::info!("{} is there again", self.host);
        }
        *state = State { first_sent: state.first_sent, was_there: true, ..State::default() };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::upstream::{ClientProtocol, Protocol, TransportStrategy};

    fn outage(start_patience: Duration) -> Outage {
        let options = Options {
            uri: "http://127.0.0.1:1/mcp".parse().unwrap(),
            transport: TransportStrategy::HttpFirst,
            protocol: Protocol::Auto,
            client_protocol: ClientProtocol::Auto,
            tasks: true,
            startup_wait: Duration::ZERO,
            patience: Duration::from_secs(20),
            start_patience,
            absent_wait: start_patience,
            headers_timeout: None,
            body_timeout: None,
            ping_interval: None,
            max_message: 1,
            home: None,
        };
        Outage::new("http://127.0.0.1:1", &options)
    }

    #[test]
    fn all_requests_of_an_outage_wait_until_the_same_time() {
        let outage = outage(Duration::from_secs(8));
        outage.note_first_sent();
        let begun = outage.state.lock().first_sent.unwrap();
        assert_eq!(
            outage.waits_until(),
            begun + Duration::from_secs(8),
            "at the start it counts from the first message"
        );
        outage.end();
        let until = outage.waits_until();
        assert!(until > Instant::now() + Duration::from_secs(19), "a server that was there may be restarted");
        assert_eq!(outage.waits_until(), until);
        outage.end();
        assert!(outage.waits_until() > until, "another outage");
    }

    #[test]
    fn a_wait_that_no_request_has_waited_through_is_no_verdict() {
        let outage = outage(Duration::from_secs(8));
        outage.end();
        outage.waits_until();
        let past = Instant::now();
        outage.state.lock().wait.as_mut().unwrap().until = past;
        assert!(outage.waits_until() > past, "the request that began it was cancelled");
        outage.state.lock().wait.as_mut().unwrap().until = past;
        outage.end_wait();
        assert_eq!(outage.waits_until(), past, "the next ones fail at once");
    }
}
