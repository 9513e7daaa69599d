//! May a request be sent again, and when?

use std::time::{Duration, Instant};

use http::{Response, StatusCode};

use super::backoff::Backoff;
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

/// The longest pause between two attempts to connect.
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// Redirects followed for one request.
const MOST_REDIRECTS: u32 = 5;

/// What has been tried for one request.
pub(super) struct Tries {
    begun: Instant,
    patience: Duration,
    /// The patience that was left when the last attempt began.
    left: Duration,
    backoff: Backoff,
    retries: u32,
    /// How often the request was sent with another credential.
    pub(super) renewals: u32,
    redirects: u32,
}

impl Tries {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            begun: Instant::now(),
            patience,
            left: patience,
            backoff: Backoff::new(Duration::from_millis(100)),
            retries: 0,
            renewals: 0,
            redirects: 0,
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

    /// There is no response. Waits until the next attempt, if another one is allowed.
    pub(super) async fn wait_after(&mut self, error: HttpError) -> Result<(), Failure> {
        let delay = match error {
            HttpError::Connect { exhausted: true, .. }
                if self.begun.elapsed() < self.patience.max(DESCRIPTOR_PATIENCE) =>
            {
                DESCRIPTOR_WAIT
            }
            HttpError::Connect { permanent: false, .. } => {
                let delay = self.backoff.next().min(LONGEST_DELAY);
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
