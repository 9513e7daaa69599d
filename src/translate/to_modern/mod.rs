//! A legacy client before a modern server: what each says, in the other's words. State machines without I/O.
//!
//! [`Client`] is what the client said of itself once, to be said again with every request. [`greeting`] turns
//! `server/discover` into `initialize`. A [`Call`] is one request of the client's until its one answer, through all the
//! rounds that the server makes of it. [`NotificationFilter`] is what the client wants to hear of unasked. [`settle`](results)
//! makes a modern answer a legacy one.

mod call;
mod client;
pub(crate) mod greeting;
mod notification_filter;
mod questions;
pub(crate) mod results;
mod task;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use call::{Call, Next, Step};
pub(crate) use client::{Client, LocalAnswer};
pub(crate) use notification_filter::{Heard, NotificationFilter, heard, tagged, tagged_result};

/// Ids of the bridge's own requests, to either side. No peer can have thought of one.
#[derive(Debug)]
pub(crate) struct Ids {
    prefix: String,
    next: AtomicU64,
}

impl Default for Ids {
    fn default() -> Self {
        // The standard library's hasher is seeded at random.
        let random = RandomState::new().build_hasher().finish();
        Self { prefix: format!("mcp-ferry-{random:016x}"), next: AtomicU64::new(1) }
    }
}

impl Ids {
    /// One more, as JSON text.
    pub(crate) fn next(&self) -> String {
        format!("\"{}-{}\"", self.prefix, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// What it takes to speak for a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientContext<'a> {
    pub(crate) client: &'a Client,
    pub(crate) ids: &'a Ids,
}
