//! Both ends of the bridge, played by the tests.

use std::time::Duration;

mod bridge;
mod exchange;
mod http_sse;
mod rpc;
mod upstream;

pub(crate) use bridge::{Bridge, Ended, Launch};
pub(crate) use exchange::{Events, Exchange};
pub(crate) use http_sse::HttpSse;
pub(crate) use rpc::*;
pub(crate) use upstream::{Request, Upstream};

/// How long anything that must happen may take. Generous, because it only ever passes when a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
