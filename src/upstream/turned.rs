//! Has the server another era by now than the one that it was found to have, in an earlier run or in this?

use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;

use super::{Context, Outcome, Upstream, Wire, era, modern};
use crate::cli::Protocol;
use crate::error::Failure;
use crate::log;
use crate::message::{Message, code};
use crate::task;
use crate::translate::{self, to_legacy};

/// Whether a server that is taken for legacy still is. Shared with the sessions that a translator opens.
#[derive(Default)]
pub(super) struct Doubts {
    /// It has refused a handshake in the way of a modern one.
    raised: AtomicBool,
    /// Held by whoever asks: of many that are refused at once, one does.
    asking: tokio::sync::Mutex<()>,
}

impl Doubts {
    /// Something speaks against it.
    pub(super) fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// Waits for its turn to ask.
    async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.asking.lock().await
    }
}

impl Upstream {
    /// What came of a modern client's request that was translated; if that was a mistake, of the request as it is.
    pub(super) async fn corrected(&self, message: &Message, outcome: Outcome) -> Result<Outcome, Failure> {
        let Outcome::Answer(answer) = &outcome else { return Ok(outcome) };
        if !self.0.is_mistaken_for_legacy(message, answer).await? {
            return Ok(outcome);
        }
        log::info!("{} is not legacy; no more is translated", self.0.sender.host());
        Ok(self.modern(message).await?.unwrap_or(outcome))
    }

    /// What came of a request; if it was refused because the session is of the wrong era, of the same in a session that
    /// fits. What is refused so is not carried out.
    pub(super) async fn in_its_era(
        &self,
        wire: Wire,
        message: &Message,
        outcome: Result<Outcome, Failure>,
    ) -> Result<Outcome, Failure> {
        let (Ok(Outcome::Answer(refusal)) | Err(Failure::Rpc(refusal))) = &outcome else { return outcome };
        let is_settled = self.0.chosen.protocol != Protocol::Auto || self.0.client.translated;
        if is_settled || !may_have_turned(&wire, refusal) || !Box::pin(has_turned(&self.0, &wire)).await {
            return outcome;
        }
        let left = self.0.gate.leave(&wire);
        let is_first = left.is_some();
        if let Some(initialize) = left {
            log::info!("{} speaks another era than before; opening a session anew", self.0.sender.host());
            task::spawn(async move { wire.close().await });
            drop(self.spawn_opener(initialize));
        }
        let Some(wire) = self.pass().await? else { return outcome };
        if is_first {
            self.0.tell_changed();
            self.0.ask_again();
        }
        Box::pin(wire.request(message)).await
    }
}

impl Context {
    /// Whether a modern client's request was refused because the server is not legacy, or not any more. What is refused
    /// so is not carried out.
    async fn is_mistaken_for_legacy(&self, message: &Message, answer: &Message) -> Result<bool, Failure> {
        if self.chosen.protocol != Protocol::Auto || self.client.translated || !to_legacy::is_modern(message) {
            return Ok(false);
        }
        let doubts = self.era.doubts();
        let is_raised = doubts.raised.load(Ordering::Relaxed) && modern::may_be_modern(answer);
        if !is_raised && !modern::is_recognised(StatusCode::OK, answer) {
            return Ok(false);
        }
        let _turn = doubts.turn().await;
        if self.is_proven_modern() {
            return Ok(true);
        }
        let is_modern = era::answers_discover(self, message).await?;
        doubts.raised.store(false, Ordering::Relaxed);
        Ok(is_modern)
    }
}

/// Whether the error is none that a server of this session's era has a reason for.
fn may_have_turned(wire: &Wire, refusal: &Message) -> bool {
    let Some(code) = modern::error_code(refusal) else { return false };
    match wire {
        // What legacy servers say to what belongs to no session.
        Wire::Modern(_) => {
            code == code::INVALID_REQUEST
                || (-32019..=-32000).contains(&code) && code != translate::code::RESOURCE_NOT_FOUND
        }
        Wire::Legacy(_) => modern::is_recognised(StatusCode::OK, refusal),
        Wire::HttpSse(_) => false,
    }
}

/// Asks the server. Of many requests that are refused at once, one does.
async fn has_turned(context: &Context, wire: &Wire) -> bool {
    let doubts = context.era.doubts();
    let _turn = doubts.turn().await;
    if !context.gate.is_at(wire) {
        return true;
    }
    let (Some(initialize), _) = context.gate.greeting() else { return false };
    match era::discovered(context, &initialize).await {
        Ok(discovered) => discovered.is_some() != matches!(wire, Wire::Modern(_)),
        Err(_) => false,
    }
}
