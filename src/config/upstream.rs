//! What did the user mean for the server?

use std::time::Duration;

use http::Uri;

use super::sources::Sources;
use crate::cli::Connection;
use crate::upstream::Options;

/// The options of the upstream.
pub(super) fn options(uri: Uri, typed: &Connection, sources: &Sources) -> Options {
    let idle = time_limit(typed.idle_timeout);
    Options {
        uri,
        transport: typed.transport,
        protocol: typed.protocol,
        client_protocol: typed.client_protocol,
        tasks: !typed.no_tasks,
        startup_wait: Duration::from_secs_f64(typed.startup_wait),
        patience: Duration::from_secs_f64(typed.patience),
        headers_timeout: time_limit(typed.headers_timeout).or(idle),
        body_timeout: time_limit(typed.body_timeout).or(idle),
        ping_interval: time_limit(typed.ping_interval).filter(|_| typed.keep_alive),
        max_message: typed.max_message_size as usize * 1024 * 1024,
        home: sources.home.clone(),
    }
}

/// 0 means no limit.
pub(super) fn time_limit(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
}
