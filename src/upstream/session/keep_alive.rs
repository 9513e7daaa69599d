//! How does a session stay known to a server, or to a path to it, that drops silent ones? By a ping now and then. If it
//! fails, nothing but a line in the log comes of that.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::gate::Gate;
use crate::log;
use crate::message::{self, Message};
use crate::upstream::Failure;
use crate::upstream::exchange::{Outcome, Sender};

/// Pings the server for as long as the process lives, whenever a session is open. `send` carries a request.
pub(super) async fn keep_alive<'a>(
    gate: &Gate,
    sender: &Sender,
    interval: Duration,
    send: impl Fn(Message) -> BoxFuture<'a, Result<Outcome, Failure>>,
) {
    for number in 1u64.. {
        tokio::time::sleep(interval).await;
        match gate.try_pass() {
            Some(Ok(Some(_))) => {}
            Some(Err(Failure::Ending)) => return,
            _ => continue,
        }
        // A word, so that it is no id of a client that counts; the response goes no further.
        let ping = message::ping(&format!("\"mcp-ferry ping {number}\""));
        match tokio::time::timeout(interval, send(ping)).await {
            Ok(Ok(_)) => log::debug!("the server was sent a ping"),
            Ok(Err(failure)) => {
                log::info!("a ping failed: {}", failure.for_log());
                if failure.wants_login() {
                    // Each further ping would have the token refreshed.
                    sender.wait_for_other_login(&failure).await;
                }
            }
            Err(_) => log::info!("a ping was not answered within {} seconds", interval.as_secs_f64()),
        }
    }
}
