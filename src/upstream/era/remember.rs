//! What has the opening of a session shown, for later runs?

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;

use super::probe::discovered;
use super::server_era::Era;
use crate::log;
use crate::message::{Members, Message};
use crate::task;
use crate::upstream::transport::{Opened, Transport};

/// How long a process lives before it sends a server anything of its own accord: clients start and end many processes
/// only to look.
const SETTLED: Duration = Duration::from_secs(2);

/// A server that does not answer `server/discover` for so long does not know it.
const SILENT: Duration = Duration::from_secs(30);

/// Keeps what an opening has shown. A server that opened no session has no way to send its legacy client requests.
/// Whether it has a modern side, which can, was asked before the client was answered; if there was no answer in time, it
/// is asked when the client is there to stay, and used from the next start on.
pub(crate) fn remember(era: &Arc<Era>, initialize: &Message, opened: &Opened) {
    let result = Members::of(opened.answer.as_str()).and_then(|members| members.get("result"));
    let Some(result) = result.and_then(|result| serde_json::from_str::<Map<_, _>>(result).ok()) else { return };
    let is_auto = era.is_auto();
    match &opened.transport {
        Transport::Modern(transport) => {
            let discovered = serde_json::from_str(transport.discovered()).ok();
            era.memory.learn(move |record| {
                record.discover.clone_from(&discovered);
                record.http_sse = false;
                if is_auto {
                    (record.modern, record.translated) = (Some(true), true);
                }
            });
        }
        Transport::Legacy(transport) => {
            let is_stateful = transport.is_stateful();
            era.memory.learn(move |record| {
                record.initialize = Some(result.clone());
                record.http_sse = false;
                if is_auto {
                    record.translated = record.modern == Some(true) && !is_stateful;
                }
            });
            if is_auto && !is_stateful && era.memory.findings().modern.is_none() {
                task::spawn(look_for_modern_side(Arc::clone(era), initialize.clone()));
            }
        }
        Transport::HttpSse(_) => era.memory.learn(move |record| {
            record.initialize = Some(result.clone());
            (record.http_sse, record.translated) = (true, false);
        }),
    }
}

async fn look_for_modern_side(era: Arc<Era>, initialize: Message) {
    tokio::time::sleep(SETTLED).await;
    let discovered = match tokio::time::timeout(SILENT, discovered(&era, &initialize)).await {
        Ok(Ok(discovered)) => discovered,
        // A failure shows nothing; the next start asks again.
        Ok(Err(_)) => return,
        Err(_) => None,
    };
    let host = &era.server.link.sender.host;
    log::debug!("{host} has {} modern side", if discovered.is_some() { "a" } else { "no" });
    match discovered {
        Some(discovered) => {
            era.set_modern(Some(&discovered));
            era.memory.learn(|record| record.translated = true);
        }
        None => era.set_legacy(),
    }
}
