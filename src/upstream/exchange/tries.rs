//! What has been tried for one request, and may it be sent once more?

use std::time::{Duration, Instant};

use http::{Response, StatusCode};

use super::backoff::Backoff;
use super::outage::Outage;
use crate::auth::Remedy;
use crate::net::{HttpError, retry_after};
use crate::upstream::Failure;

/// How often a request is sent again because a server returned `Retry-After`.
const MOST_RETRIES: u32 = 3;

/// The longest `Retry-After` that is waited for; a longer one is the client's business.
const LONGEST_RETRY: Duration = Duration::from_secs(15);

/// How long a request waits for a file descriptor, at least: other requests must end first.
const DESCRIPTOR_PATIENCE: Duration = Duration::from_secs(60);

/// The pause after an attempt that found no free file descriptor: as soon as another request may have ended.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(20);

/// The longest pause between two attempts to connect: a client waits.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// Redirects followed for one request.
const MOST_REDIRECTS: u32 = 5;

/// What has been tried for one request.
pub(super) struct Tries<'a> {
    outage: &'a Outage,
    begun: Instant,
    patience: Duration,
    /// The patience that was left when the last attempt began.
    left: Duration,
    backoff: Backoff,
    retries: u32,
    /// How often a refusal was looked into.
    pub(super) remedies: u32,
    /// The request has a token that was refreshed because of a refusal.
    pub(super) is_refreshed: bool,
    redirects: u32,
    /// The request was sent once more after it was lost.
    is_repeated: bool,
}

impl<'a> Tries<'a> {
    pub(super) fn new(outage: &'a Outage, patience: Duration) -> Self {
        Self {
            outage,
            begun: Instant::now(),
            patience,
            left: patience,
            backoff: Backoff::new(Duration::from_millis(100)),
            retries: 0,
            remedies: 0,
            is_refreshed: false,
            redirects: 0,
            is_repeated: false,
        }
    }

    pub(super) fn begin(&mut self) {
        self.left = self.patience.saturating_sub(self.begun.elapsed());
    }

    /// The server, `host`, has redirected the request.
    pub(super) fn redirected(&mut self, host: &str) -> Result<(), Failure> {
        if self.redirects == MOST_REDIRECTS {
            let why = format!("it redirects more than {MOST_REDIRECTS} times");
            return Err(Failure::Unreachable(HttpError::Redirect { host: host.to_owned(), why }));
        }
        self.redirects += 1;
        Ok(())
    }

    /// Whether a request that was lost is sent once more, if it is safe to repeat.
    pub(super) fn repeats(&mut self, is_repeatable: impl FnOnce() -> bool) -> bool {
        let repeats = !self.is_repeated && is_repeatable();
        self.is_repeated |= repeats;
        repeats
    }

    /// Whether this remedy is a reason to send the request again.
    pub(super) fn tries_again(&mut self, remedy: &Remedy) -> bool {
        self.remedies += 1;
        self.is_refreshed |= matches!(remedy, Remedy::RefreshedToken);
        remedy.is_token()
    }

    /// There is no response. Waits until the next attempt, if another one is allowed.
    pub(super) async fn wait_after(&mut self, error: HttpError) -> Result<(), Failure> {
        let delay = match error {
            HttpError::Connect { exhausted: true, .. }
                if self.begun.elapsed() < self.patience.max(DESCRIPTOR_PATIENCE) =>
            {
                DESCRIPTOR_WAIT
            }
            HttpError::Connect { permanent: false, exhausted: false, .. } if !self.patience.is_zero() => {
                let failure = Failure::Unreachable(error);
                let left = self.outage.waits_until().saturating_duration_since(Instant::now());
                let delay = self.backoff.next_within(LONGEST_DELAY);
                if delay > left {
                    self.outage.end_wait();
                    return Err(failure);
                }
                if delay > self.left {
                    return Err(failure);
                }
                self.outage.note_failed_attempt(&failure);
                delay
            }
            HttpError::Unprocessed { .. } => {
                let delay = self.backoff.next_within(LONGEST_DELAY);
                if delay > self.left {
                    return Err(Failure::Unreachable(error));
                }
                delay
            }
            HttpError::Broken { .. } => return Err(Failure::Broken(error.to_string())),
            error => return Err(Failure::Unreachable(error)),
        };
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// How long to wait before the request is sent again, if the server asks for that.
    pub(super) fn retry_after<T>(&mut self, response: &Response<T>) -> Option<Duration> {
        let asks = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if !asks || self.retries == MOST_RETRIES {
            return None;
        }
        let delay = retry_after(response.headers()).filter(|delay| *delay <= self.left.min(LONGEST_RETRY))?;
        self.retries += 1;
        Some(delay)
    }
}
