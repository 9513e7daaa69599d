//! Has the server another era by now than the one that it was found to have, in an earlier run or in this?

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;

use super::{Context, Outcome, Upstream, Wire, era, modern};
use crate::log;
use crate::message::{self, Message, code, error_code};
use crate::task;
use crate::translate::to_legacy;
use crate::upstream::Failure;
use crate::upstream::Protocol;

/// A server that has been asked, and was what it was taken for, is not asked again for every refusal.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// So many refusals in a row, with nothing granted between them, that a legacy server may have had a reason for each.
const MANY: u32 = 3;

/// Whether a server that is taken for legacy still is. Shared with the sessions that a translator opens.
#[derive(Default)]
pub(super) struct Doubts {
    /// It has refused a handshake, or a request in a session, in a way that fits a modern one too.
    raised: AtomicBool,
    /// How many requests in a row it has refused in a way that fits either era.
    in_a_row: AtomicU32,
    /// Held by whoever asks: of many that are refused at once, one does. When the last has found nothing.
    asking: tokio::sync::Mutex<Option<Instant>>,
}

impl Doubts {
    /// Something speaks against it.
    pub(super) fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// One more refusal. Whether it is time to ask: in ordinary work a legacy server is never asked.
    fn are_many(&self) -> bool {
        self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= MANY
    }

    /// Waits for its turn to ask.
    async fn turn(&self) -> tokio::sync::MutexGuard<'_, Option<Instant>> {
        self.asking.lock().await
    }
}

impl Upstream {
    /// What came of a modern client's request that was translated; if that was a mistake, of the request as it is.
    pub(super) async fn corrected(&self, message: &Message, outcome: Outcome) -> Result<Outcome, Failure> {
        let Outcome::Answer(answer) = &outcome else { return Ok(outcome) };
        if !self.0.is_mistaken_for_legacy(message, answer).await {
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
        let is_settled = self.0.options.protocol != Protocol::Auto || self.0.client.translated;
        if is_settled
            || !self.0.may_have_turned(&wire, message, &outcome)
            || !Box::pin(has_turned(&self.0, &wire)).await
        {
            return outcome;
        }
        let was_modern = wire.is_modern();
        let left = self.0.gate.leave(&wire);
        let is_first = left.is_some();
        if let Some(initialize) = left {
            log::info!("{} speaks another era than before; opening a session anew", self.0.sender.host());
            task::spawn(async move { wire.close().await });
            drop(self.spawn_opener(initialize));
        }
        let Some(new) = self.pass().await? else { return outcome };
        if is_first {
            self.0.tell_changed();
        }
        if new.is_modern() == was_modern {
            // It was no refusal of another era, so it may have been carried out.
            return outcome;
        }
        Box::pin(new.request(message)).await
    }
}

impl Context {
    /// Whether a modern client's request was refused because the server is not legacy, or not any more. What is refused
    /// so is not carried out.
    async fn is_mistaken_for_legacy(&self, message: &Message, answer: &Message) -> bool {
        if self.options.protocol != Protocol::Auto || self.client.translated || !to_legacy::is_modern(message) {
            return false;
        }
        let doubts = self.era.doubts();
        let is_raised = doubts.raised.load(Ordering::Relaxed) && modern::may_be_modern(answer);
        if !is_raised && !modern::is_recognised(StatusCode::OK, answer) {
            return false;
        }
        let _turn = doubts.turn().await;
        if self.is_proven_modern() {
            return true;
        }
        let is_modern = era::answers_discover(self, message).await;
        doubts.raised.store(false, Ordering::Relaxed);
        is_modern.unwrap_or(false)
    }

    /// Whether what came of a request is nothing that a server of this session's era has a reason for.
    fn may_have_turned(&self, wire: &Wire, request: &Message, outcome: &Result<Outcome, Failure>) -> bool {
        let refusal = match outcome {
            Ok(Outcome::Answer(refusal)) | Err(Failure::Rpc(refusal)) => refusal,
            // A 404 is more likely of whoever stands in for a server that is restarted.
            Err(Failure::Status { status: StatusCode::BAD_REQUEST, .. }) => {
                return match wire {
                    Wire::Modern(_) => true,
                    Wire::Legacy(_) => self.era.doubts().are_many(),
                    Wire::HttpSse(_) => false,
                };
            }
            _ => return false,
        };
        let doubts = self.era.doubts();
        let Some(code) = error_code(refusal) else {
            doubts.in_a_row.store(0, Ordering::Relaxed);
            return false;
        };
        match wire {
            // What legacy servers say to what belongs to no session.
            Wire::Modern(_) => match code {
                code::INVALID_REQUEST | code::INVALID_PARAMS => true,
                code::RESOURCE_NOT_FOUND => request.method() != Some("resources/read"),
                code => (-32019..=-32000).contains(&code),
            },
            Wire::Legacy(_) => {
                let is_raised = doubts.raised.swap(false, Ordering::Relaxed);
                modern::is_recognised(StatusCode::OK, refusal) || is_raised && doubts.are_many()
            }
            Wire::HttpSse(_) => false,
        }
    }
}

/// Asks the server. Of many requests that are refused at once, one does.
async fn has_turned(context: &Context, wire: &Wire) -> bool {
    let doubts = context.era.doubts();
    let mut found_nothing = doubts.turn().await;
    if !context.gate.is_at(wire) {
        return true;
    }
    if found_nothing.is_some_and(|since| since.elapsed() < ASK_AGAIN) {
        return false;
    }
    let (Some(initialize), _) = context.gate.greeting() else { return false };
    let discovered = era::discovered(context, &initialize).await;
    let is_another = discovered.is_ok_and(|discovered| discovered.is_some() != wire.is_modern());
    // A server with a modern side may have its legacy side still, and the session on it.
    let has_turned = is_another && (wire.is_modern() || !is_alive(context, wire).await);
    doubts.in_a_row.store(0, Ordering::Relaxed);
    *found_nothing = (!has_turned).then(Instant::now);
    has_turned
}

/// Whether a session is still good for something.
async fn is_alive(context: &Context, wire: &Wire) -> bool {
    let ping = message::ping(&context.modern.ids.next());
    match tokio::time::timeout(ASK_AGAIN, wire.ask_once(&ping)).await {
        Ok(Ok(Outcome::Answer(answer))) => error_code(&answer).is_none(),
        Ok(_) => false,
        // Slow is not gone.
        Err(_) => true,
    }
}
