//! How is a response body read as a whole?

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;

use super::encoding::ResponseBody;
use super::error::chain;
use super::held::{Held, bound};

/// The most memory that is reserved for a body before any of it has arrived.
const FIRST_RESERVE: usize = 256 * 1024;

/// How much of an error response is read to find its reason, and for how long.
const REASON_SIZE: usize = 1024 * 1024;
const REASON_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a body could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    /// Longer than the limit.
    #[error("the response is longer than {0} bytes")]
    TooLong(usize),
    /// The bodies and events that the process holds are together longer than this limit.
    #[error("all responses that have not reached the client are together longer than {0} bytes")]
    Full(usize),
    /// The connection broke before the end of the body.
    #[error("{0}")]
    Broken(String),
}

/// Reads a body to its end. `idle`: how long the server may send nothing before the connection counts as broken.
pub async fn read(
    headers: &HeaderMap,
    body: ResponseBody,
    limit: usize,
    idle: Option<Duration>,
) -> Result<Bytes, BodyError> {
    let content_length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    if content_length > limit {
        return Err(BodyError::TooLong(limit));
    }
    // A server may announce more than it sends: the rest is reserved when the body has begun to arrive.
    let mut bytes = Vec::with_capacity(content_length.min(FIRST_RESERVE));
    let mut held = Held::new(limit);
    append(&mut bytes, &mut held, body, limit, content_length, idle).await?;
    Ok(held.complete(bytes))
}

async fn append(
    bytes: &mut Vec<u8>,
    held: &mut Held,
    mut body: ResponseBody,
    limit: usize,
    content_length: usize,
    idle: Option<Duration>,
) -> Result<(), BodyError> {
    loop {
        let frame = match idle {
            Some(idle) => tokio::time::timeout(idle, body.frame()).await.map_err(|_| {
                BodyError::Broken(format!("the server sent nothing for {} seconds", idle.as_secs_f64()))
            })?,
            None => body.frame().await,
        };
        let Some(frame) = frame else { return Ok(()) };
        let frame = frame.map_err(|error| BodyError::Broken(chain(&*error)))?;
        let Ok(data): Result<Bytes, _> = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(BodyError::TooLong(limit));
        }
        held.grow(data.len()).map_err(|_| BodyError::Full(bound(limit)))?;
        if content_length > bytes.capacity() {
            bytes.try_reserve_exact(content_length - bytes.len()).map_err(|_| BodyError::TooLong(limit))?;
        }
        bytes.extend_from_slice(&data);
    }
}

/// The beginning of an error response, enough to find its reason. Never fails, never waits long.
pub async fn snippet(body: ResponseBody) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut held = Held::new(REASON_SIZE);
    tokio::time::timeout(REASON_TIMEOUT, append(&mut bytes, &mut held, body, REASON_SIZE, 0, None)).await.ok();
    bytes
}
