//! How does a session stay known to a server, or a path to it, that forgets who is silent? By a ping now and then, of
//! whose failure nothing but a line in the log comes.

use std::time::Duration;

use super::Upstream;
use crate::log;
use crate::message;

/// Pings the server for as long as there is one, whenever a session is open.
pub(super) async fn keep_alive(upstream: Upstream, interval: Duration) {
    for number in 1u64.. {
        tokio::time::sleep(interval).await;
        match upstream.0.gate.try_pass() {
            Some(Ok(Some(_))) => {}
            Some(Err(crate::upstream::Failure::Ending)) => return,
            _ => continue,
        }
        // A word, so that it is no id of a client that counts; an answer to it is nobody's and goes no further.
        let ping = message::ping(&format!("\"mcp-ferry ping {number}\""));
        match tokio::time::timeout(interval, upstream.request(&ping)).await {
            Ok(Ok(_)) => log::debug!("the server was sent a ping"),
            Ok(Err(failure)) => log::info!("a ping came to nothing: {failure}"),
            Err(_) => log::info!("a ping was not answered within {} seconds", interval.as_secs_f64()),
        }
    }
}
