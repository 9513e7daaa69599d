//! Both ends of the bridge, played by the tests.

use std::time::Duration;

mod accounts;
mod bridge;
mod exchange;
mod http_sse;
mod launch;
mod rpc;
mod upstream;

pub(crate) use bridge::{Bridge, Ended};
pub(crate) use exchange::{Events, Exchange};
pub(crate) use http_sse::{HTTP_SSE_REVISION, HttpSse};
pub(crate) use launch::Launch;
pub(crate) use rpc::*;
pub(crate) use upstream::{Request, Upstream};

/// How long anything that must happen may take. Generous, because it only ever passes when a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
