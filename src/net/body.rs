//! A body as a whole.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// How much is reserved for a body before any of it has come.
const FIRST_RESERVE: usize = 256 * 1024;

/// How much of an error's body is read in search of its reason, and for how long nobody waits for more.
const REASON_SIZE: usize = 1024 * 1024;
const REASON_WAIT: Duration = Duration::from_secs(5);

/// Why there is no whole body.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    /// Longer than the limit.
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
    /// The connection broke within it.
    #[error("{0}")]
    Broken(String),
}

/// Reads a body to its end, into memory of its own size. `idle`: how long nothing may come before it counts as broken.
pub async fn read(
    headers: &HeaderMap,
    body: Incoming,
    limit: usize,
    idle: Option<Duration>,
) -> Result<Vec<u8>, BodyError> {
    let promised =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    let promised: usize = promised.unwrap_or(0);
    if promised > limit {
        return Err(BodyError::TooLong(limit));
    }
    // A promise is not memory yet: the rest is reserved when the body has begun to come.
    let mut bytes = Vec::with_capacity(promised.min(FIRST_RESERVE));
    append(&mut bytes, body, limit, promised, idle).await?;
    Ok(bytes)
}

async fn append(
    bytes: &mut Vec<u8>,
    mut body: Incoming,
    limit: usize,
    promised: usize,
    idle: Option<Duration>,
) -> Result<(), BodyError> {
    loop {
        let frame = match idle {
            Some(idle) => tokio::time::timeout(idle, body.frame())
                .await
                .map_err(|_| BodyError::Broken(format!("nothing came for {} seconds", idle.as_secs_f64())))?,
            None => body.frame().await,
        };
        let Some(frame) = frame else { return Ok(()) };
        let frame = frame.map_err(|error| BodyError::Broken(super::error::chain(&error)))?;
        let Ok(data): Result<Bytes, _> = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(BodyError::TooLong(limit));
        }
        if promised > bytes.capacity() {
            bytes.try_reserve_exact(promised - bytes.len()).map_err(|_| BodyError::TooLong(limit))?;
        }
        bytes.extend_from_slice(&data);
    }
}

/// As much of an error's body as it takes to say why: never fails, never waits long.
pub async fn snippet(body: Incoming) -> Vec<u8> {
    let mut bytes = Vec::new();
    tokio::time::timeout(REASON_WAIT, append(&mut bytes, body, REASON_SIZE, 0, None)).await.ok();
    bytes
}
