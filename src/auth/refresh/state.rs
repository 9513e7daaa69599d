//! Which refresh is running in this process, and how did the last ones end?

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, Shared};

use super::error::RefreshError;
use crate::auth::account::Snapshot;

/// After a failure there is no refresh for this long, then for twice as long, up to the limit.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The longest `Retry-After` that is obeyed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// A refresh that several requests wait for.
pub(super) type SharedRefresh = Shared<BoxFuture<'static, Result<Snapshot, RefreshError>>>;

/// The refreshes of this process.
#[derive(Default)]
pub(super) struct RefreshState {
    /// The refresh that was begun last, and the generation of the record that it began from.
    current: Option<(u64, SharedRefresh)>,
    /// No refresh before then, and why.
    pause: Option<(Instant, String)>,
    /// Temporary failures in a row.
    failures: u32,
}

impl RefreshState {
    /// The running refresh of a record of this generation.
    pub(super) fn running(&self, generation: u64) -> Option<SharedRefresh> {
        let (begun_from, refresh) = self.current.as_ref()?;
        (*begun_from >= generation && refresh.peek().is_none()).then(|| refresh.clone())
    }

    /// Notes that a refresh of a record of this generation begins.
    pub(super) fn begin(&mut self, generation: u64, refresh: SharedRefresh) {
        self.current = Some((generation, refresh));
    }

    /// How long there must be no refresh yet, and why.
    pub(super) fn pause_left(&self) -> Option<(Duration, String)> {
        let (until, reason) = self.pause.as_ref()?;
        Some((until.checked_duration_since(Instant::now())?, reason.clone()))
    }

    /// The error for a failure that may be over later: it names the pause that follows.
    pub(super) fn temporary(&self, reason: String, retry_after: Option<Duration>) -> RefreshError {
        let pause = (SHORTEST_PAUSE * (1 << self.failures)).min(LONGEST_PAUSE);
        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        RefreshError::Temporary { reason, retry_after: pause.max(asked) }
    }

    /// Notes how a refresh ended.
    pub(super) fn end(&mut self, result: &Result<Snapshot, RefreshError>) {
        self.pause = None;
        match result {
            Err(RefreshError::Temporary { reason, retry_after }) => {
                self.failures = (self.failures + 1).min(10);
                self.pause = Some((Instant::now() + *retry_after, reason.clone()));
            }
            _ => self.failures = 0,
        }
    }
}

impl fmt::Debug for RefreshState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshState").field("failures", &self.failures).finish_non_exhaustive()
    }
}
