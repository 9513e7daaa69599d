//! How is a session opened? By the client's own `initialize`, on the transport that the server turns out to speak.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::oneshot;

use super::backoff::Backoff;
use super::lasting::Asked;
use super::{Context, Event, NotOpened, Opened, era, http_sse, legacy, modern, sign_in};
use crate::auth::AuthMode;
use crate::log;
use crate::message::{Initialize, Message};
use crate::task;
use crate::upstream::Failure;
use crate::upstream::{Protocol, TransportStrategy};

/// How long the `endpoint` event may take where HTTP+SSE is a guess: within the startup wait, so that a server which
/// speaks neither is reported with its own first answer.
const GUESS: Duration = Duration::from_secs(2);

/// How long it may take where it is what the user said or the server spoke last time.
const KNOWN: Duration = Duration::from_secs(15);

/// A server that is silent for so long on `initialize` is asked anew: the path to it may be dead.
const SILENT: Duration = Duration::from_secs(120);

/// A server that asks for more patience than this is tried all the same: it may have been restarted since.
const LONGEST_ASKED: Duration = Duration::from_secs(30);

/// Opens the session, trying for as long as there is hope that trying helps. `settle` gets the answer for the client,
/// if that still waits.
pub(super) async fn open(
    context: Arc<Context>,
    initialize: Message,
    settle: oneshot::Sender<Result<Message, Failure>>,
) {
    let mut backoff = Backoff::new(Duration::from_millis(100));
    let mut is_first = true;
    let mut settle = Some(settle);
    let mut settle = move |answer| drop(settle.take().map(|settle| settle.send(answer)));
    loop {
        let failure = match attempt(&context, &initialize).await {
            Ok(opened) => {
                greet(&context, &opened).await;
                settle(Ok(opened.answer.clone()));
                era::remember(&context, &initialize, &opened);
                return;
            }
            Err(NotOpened::Error(status, error)) => {
                mention_era(&context, status, &error);
                context.gate.failed(Failure::Rpc(error.clone()));
                settle(Ok(error));
                return;
            }
            Err(NotOpened::Failure(failure)) => failure,
        };
        if let Failure::SignIn { .. } = failure {
            context.gate.trouble(failure);
            signed_in(&context, &initialize, is_first, &mut settle).await;
            is_first = false;
            continue;
        }
        if !failure.is_temporary() {
            log::warn!("{failure}");
            context.gate.failed(failure.clone());
            settle(Err(failure));
            return;
        }
        log::info!("{failure}; trying again");
        let asked = asked_to_wait(&failure);
        context.gate.trouble(failure);
        tokio::time::sleep(backoff.next().max(asked)).await;
    }
}

/// Whoever pins the era may have pinned the wrong one, which the server's own words do not tell.
fn mention_era(context: &Context, status: StatusCode, error: &Message) {
    let host = context.sender.host();
    let is_modern = modern::is_recognised(status, error);
    match context.options.protocol {
        Protocol::Legacy if is_modern => {
            log::warn!("{host} refuses a handshake as servers without one do; hint: try without --protocol legacy");
        }
        Protocol::Modern if !is_modern => {
            log::warn!(
                "{host} refuses server/discover as servers with a handshake do; hint: try without --protocol modern"
            );
        }
        _ => {}
    }
}

/// Waits until somebody has logged in, and lets the client wait only if the user wants it to.
async fn signed_in(
    context: &Context,
    initialize: &Message,
    is_first: bool,
    settle: &mut impl FnMut(Result<Message, Failure>),
) {
    let login_status = context.sender.auth().login_status();
    match context.sender.auth().mode() {
        AuthMode::Wait => login_status.request_login(),
        AuthMode::Error => {
            login_status.request_login();
            drop(login_status.prompt(context.options.startup_wait).await);
            settle(Err(sign_in::needed(context).await));
        }
        // The tab comes later, if the client is still there: many are started only to be looked at.
        AuthMode::Auto | AuthMode::Off => {
            settle(Ok(context.first_answer(initialize)));
            // A login that was worth nothing is not repeated unasked.
            if is_first {
                login_status.note_first_message();
            }
        }
    }
    sign_in::logged_in(context).await;
}

/// Lets messages through; the client's `initialized` first, if it did not wait for the answer.
async fn greet(context: &Context, opened: &Opened) {
    if let Some(result) = Initialize::result(&opened.answer) {
        context.learned(result.capabilities);
    }
    context.client.tell_translator(|| Event::Opened(opened.answer.clone()));
    if let Some(initialized) = context.gate.open(&opened.wire, false) {
        opened.wire.initialized(&initialized).await;
        let wire = &opened.wire;
        let ask = |request: Message| -> Asked<'_> { Box::pin(async move { wire.ask_once(&request).await }) };
        context.lasting.ask_again(&context.modern.ids, &ask).await;
        context.gate.open(&opened.wire, true);
    }
    if context.has_promised() {
        context.tell_changed();
    }
}

/// How long the server has asked to be left alone.
fn asked_to_wait(failure: &Failure) -> Duration {
    match failure {
        Failure::Status { retry_after: Some(seconds), .. } => Duration::from_secs(*seconds).min(LONGEST_ASKED),
        _ => Duration::ZERO,
    }
}

async fn attempt(context: &Arc<Context>, initialize: &Message) -> Result<Opened, NotOpened> {
    let attempted = tokio::time::timeout(SILENT, as_chosen(context, initialize)).await;
    attempted.unwrap_or_else(|_| {
        let host = context.sender.host();
        Err(Failure::Broken(format!("{host} has not answered initialize for {} seconds", SILENT.as_secs())).into())
    })
}

/// By what the user has chosen, and what the server spoke last time.
async fn as_chosen(context: &Arc<Context>, initialize: &Message) -> Result<Opened, NotOpened> {
    let verdict = context.memory.verdict();
    match context.options.protocol {
        Protocol::Modern => return modern::open(context, initialize).await.map_err(modern::told),
        Protocol::Auto if verdict.translated && context.options.transport != TransportStrategy::SseOnly => {
            match modern::open(context, initialize).await {
                // The server is another than it was.
                Err(refused) if era::is_not_modern(&refused) => {
                    context.memory.learn(|kept| (kept.modern, kept.translated) = (None, false));
                }
                settled => return settled.map_err(modern::told),
            }
        }
        _ => {}
    }
    match context.options.transport {
        TransportStrategy::HttpOnly => streamable(context, initialize).await,
        TransportStrategy::SseOnly => {
            http_sse::begin(context, initialize, http_sse::connect(context, KNOWN).await?).await
        }
        TransportStrategy::SseFirst => sse_first(context, initialize).await,
        TransportStrategy::HttpFirst if verdict.http_sse => sse_first(context, initialize).await,
        TransportStrategy::HttpFirst => match streamable(context, initialize).await {
            Err(refused) if may_be_http_sse(&refused) => match http_sse::connect(context, GUESS).await {
                Ok(stream) => http_sse::begin(context, initialize, stream).await,
                Err(_) => after_all(context, initialize, refused).await,
            },
            settled => settled,
        },
    }
}

/// A server that is neither legacy nor HTTP+SSE may be a modern one behind something that refuses what it does not know
/// in its own words.
async fn after_all(context: &Arc<Context>, initialize: &Message, refused: NotOpened) -> Result<Opened, NotOpened> {
    let is_wordless =
        matches!(&refused, NotOpened::Failure(Failure::Status { status, .. }) if matches!(status.as_u16(), 400 | 405));
    if !is_wordless || context.options.protocol != Protocol::Auto {
        return Err(refused);
    }
    Box::pin(modern::open(context, initialize)).await.map_err(|_| refused)
}

async fn sse_first(context: &Arc<Context>, initialize: &Message) -> Result<Opened, NotOpened> {
    match http_sse::connect(context, KNOWN).await {
        Ok(stream) => http_sse::begin(context, initialize, stream).await,
        // Nobody there, or there and refusing us: true of either transport.
        Err(failure) if failure.is_temporary() || failure.is_refusal() => Err(failure.into()),
        Err(_) => streamable(context, initialize).await,
    }
}

/// Streamable HTTP of either era, by the client's own first message.
async fn streamable(context: &Arc<Context>, initialize: &Message) -> Result<Opened, NotOpened> {
    let settled = legacy::open(context, initialize).await;
    if context.options.protocol != Protocol::Auto {
        return settled;
    }
    match settled {
        Err(refused) if era::may_be_modern(&refused) => match Box::pin(modern::open(context, initialize)).await {
            Err(not) if era::is_not_modern(&not) => Err(refused),
            settled => settled.map_err(modern::told),
        },
        // The client would not know that revision, and hang up.
        Ok(opened) if era::is_beyond(&opened, initialize) => match Box::pin(modern::open(context, initialize)).await {
            Ok(translated) => {
                task::spawn(async move { opened.wire.close().await });
                Ok(translated)
            }
            Err(_) => Ok(opened),
        },
        settled => settled,
    }
}

/// The statuses with which a server of the older transport, or the proxy before it, answers a POST to its stream's
/// address.
fn may_be_http_sse(refused: &NotOpened) -> bool {
    let status = match refused {
        NotOpened::Error(status, _) | NotOpened::Failure(Failure::Status { status, .. }) => status,
        NotOpened::Failure(_) => return false,
    };
    matches!(status.as_u16(), 400 | 404 | 405 | 406 | 415 | 501)
}
