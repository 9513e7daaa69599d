//! Both ends of the bridge, played by the tests.

use std::time::Duration;

mod accounts;
mod authorization_server;
mod bridge;
mod conversation;
mod exchange;
mod http_sse;
mod https;
mod launch;
mod ledger;
mod machine;
mod modern;
mod modern_client;
mod proxy;
mod rpc;
mod upstream;
mod web;

pub(crate) use authorization_server::{Era, Fault, Realm, Rules};
pub(crate) use bridge::{Bridge, Ended};
pub(crate) use conversation::Conversation;
pub(crate) use exchange::{Events, Exchange};
pub(crate) use http_sse::{HTTP_SSE_REVISION, HttpSse};
pub(crate) use https::{Authority, Https, Making, file, path};
pub(crate) use launch::{Launch, first_answer};
pub(crate) use machine::{Machine, looks};
pub(crate) use modern::*;
pub(crate) use modern_client::*;
pub(crate) use proxy::{Manner, Proxy};
pub(crate) use rpc::*;
#[cfg(target_os = "linux")]
pub(crate) use upstream::black_hole;
pub(crate) use upstream::{Request, Upstream};
pub(crate) use web::{Browser, follow, follow_when_heard, get, md5, parameter, query};

/// How long anything that must happen may take. Generous, because it only ever passes when a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What a machine with other work to do may add to any time limit.
const SLACK: Duration = Duration::from_millis(200);

/// The limit for a bridge that has nothing left to do, in milliseconds.
pub(crate) const AT_ONCE: u64 = 100;

/// Asserts that the bridge is gone within these milliseconds of being asked to end. A loaded machine gets a second and
/// a third try.
#[track_caller]
pub(crate) fn gone_within(milliseconds: u64, session: impl Fn() -> Ended) {
    let limit = Duration::from_millis(milliseconds);
    let took: Vec<_> = (0..3).map(|_| session().took).take_while(|took| *took >= limit + SLACK).collect();
    assert!(took.len() < 3, "gone after {took:?}, the limit is {limit:?}");
}
