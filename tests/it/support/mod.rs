//! The client and the servers of the bridge, played by the tests.

use std::time::Duration;

mod authorization_server;
mod bridge;
mod browser;
mod connection;
mod diagnosis;
mod exchange;
mod expectations;
mod frames;
mod http1;
mod http2;
mod http_sse;
mod https;
mod interactive_command;
mod launch;
mod machine;
mod modern;
mod modern_client;
mod oddities;
#[cfg(target_os = "linux")]
mod planted_home;
mod protocol;
mod proxy;
mod records;
mod request;
mod rpc;
#[cfg(unix)]
mod terminal;
mod token_endpoint;
mod upstream;
mod web;
mod zip;

pub(crate) use authorization_server::{Era, Fault, OauthServers, Rules};
pub(crate) use bridge::{Bridge, Exit};
pub(crate) use browser::{Browser, Tab, follow, follow_when_reachable, get};
pub(crate) use diagnosis::{Diagnosis, check_schema, diagnose, diagnose_at};
pub(crate) use exchange::{Events, Exchange};
pub(crate) use frames::{Frame, FrameConnection, FrameRequest, FrameServer, frame, head, push_length};
pub(crate) use http_sse::{HTTP_SSE_REVISION, HttpSse};
pub(crate) use https::{CertificateAuthority, Https, TlsOptions, file, path};
pub(crate) use interactive_command::InteractiveCommand;
pub(crate) use launch::{Launch, initialize_response};
pub(crate) use machine::{Machine, call_succeeds, json_output, stdout_text, wait_until_stored, write_private};
pub(crate) use modern::*;
pub(crate) use modern_client::*;
pub(crate) use oddities::{Format, Oddities};
#[cfg(target_os = "linux")]
pub(crate) use planted_home::{PlantedHome, step_named, steps_with};
pub(crate) use protocol::{Protocol, over, over_each_protocol};
pub(crate) use proxy::{Proxy, ProxyBehavior};
pub(crate) use request::Request;
pub(crate) use rpc::*;
#[cfg(unix)]
pub(crate) use terminal::Shown;
pub(crate) use upstream::Upstream;
#[cfg(target_os = "linux")]
pub(crate) use upstream::hanging_address;
pub(crate) use web::{md5, parameter, query};
#[cfg(unix)]
pub(crate) use zip::unzip;
pub(crate) use zip::unzipped;

/// How long a test waits for anything that must happen. Generous, because only a failing test waits this long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(40);

/// What a loaded machine may add to any time limit.
const SLACK: Duration = Duration::from_millis(200);

/// The time limit for a bridge that has nothing left to do, in milliseconds.
pub(crate) const AT_ONCE: u64 = 100;

/// Asserts that the bridge exits within these milliseconds of the end of stdin or the signal. A loaded machine gets a
/// second and a third try.
#[track_caller]
pub(crate) fn exits_within(milliseconds: u64, session: impl Fn() -> Exit) {
    let limit = Duration::from_millis(milliseconds);
    let took: Vec<_> = (0..3).map(|_| session().took).take_while(|took| *took >= limit + SLACK).collect();
    assert!(took.len() < 3, "the bridge exited after {took:?}, the limit is {limit:?}");
}
