//! Which transport does the server speak? What the user chose, what it spoke last time, and what its responses show.
//!
//! Tried in this order, until one opens a session:
//!
//! 1. `--protocol modern`: `server/discover` alone.
//! 2. A server whose legacy clients were served through the translator last time: `server/discover`. If the response
//!    shows that the server is not modern, that is dropped from memory, and the list goes on.
//! 3. By `--transport`: Streamable HTTP or HTTP+SSE first or alone; HTTP+SSE first if the server spoke it last time.
//! 4. Streamable HTTP begins with `initialize`. Where the error leaves it open that the server is modern, where the result
//!    agrees on a modern revision, and at the first start with a server that keeps no sessions, `server/discover` follows.
//! 5. Where Streamable HTTP was refused as an HTTP+SSE server refuses it, the stream of that transport is tried; where
//!    that fails and the refusal had no JSON-RPC, `server/discover`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::log;
use crate::message::Message;
use crate::task;
use crate::upstream::era::Era;
use crate::upstream::era::evidence::{agrees_on_modern, is_not_modern, may_be_modern};
use crate::upstream::transport::{OpenError, Opened, Transport, http_sse, legacy, modern};
use crate::upstream::{Failure, Protocol, TransportStrategy};

/// How long the `endpoint` event may take where HTTP+SSE is a guess: within the startup wait, so that a server which
/// speaks neither is reported with its own first response.
const GUESSED: Duration = Duration::from_secs(2);

/// How long it may take where the user chose HTTP+SSE or the server spoke it last time.
const EXPECTED: Duration = Duration::from_secs(15);

/// The share of the startup wait within which a client has its response, whatever else is asked of the server.
const STARTUP_SHARE: f64 = 0.9;

/// Opens a session on the transport that the server turns out to speak.
pub(super) async fn negotiate(era: &Era, initialize: &Message) -> Result<Opened, OpenError> {
    let findings = era.memory.findings();
    match era.options.protocol {
        Protocol::Modern => return by_discover(era, initialize).await.map_err(modern::for_legacy_client),
        Protocol::Auto if findings.translated && era.options.transport != TransportStrategy::SseOnly => {
            match by_discover(era, initialize).await {
                Err(error) if is_not_modern(&error) => {
                    era.memory.learn(|record| (record.modern, record.translated) = (None, false));
                }
                settled => return settled.map_err(modern::for_legacy_client),
            }
        }
        _ => {}
    }
    match era.options.transport {
        TransportStrategy::HttpOnly => streamable(era, initialize).await,
        TransportStrategy::SseOnly => {
            let opening = http_sse::connect(&era.server.link.sender, EXPECTED).await?;
            on_http_sse(era, initialize, opening).await
        }
        TransportStrategy::SseFirst => sse_first(era, initialize).await,
        TransportStrategy::HttpFirst if findings.http_sse => sse_first(era, initialize).await,
        TransportStrategy::HttpFirst => match streamable(era, initialize).await {
            Err(refused) if may_be_http_sse(&refused) => {
                match http_sse::connect(&era.server.link.sender, GUESSED).await {
                    Ok(opening) => on_http_sse(era, initialize, opening).await,
                    Err(failure) => {
                        let opened = modern_after_all(era, initialize, refused).await;
                        opened.map_err(|refused| with_fallback(refused, failure))
                    }
                }
            }
            settled => settled,
        },
    }
}

/// A server that is neither legacy nor HTTP+SSE may be modern, behind a proxy that refuses in its own words what it
/// does not know.
async fn modern_after_all(era: &Era, initialize: &Message, refused: OpenError) -> Result<Opened, OpenError> {
    let has_no_rpc =
        matches!(&refused, OpenError::Failure(Failure::Status { status, .. }) if matches!(status.as_u16(), 400 | 405));
    if !has_no_rpc || era.options.protocol != Protocol::Auto {
        return Err(refused);
    }
    Box::pin(by_discover(era, initialize)).await.map_err(|error| if wants_login(&error) { error } else { refused })
}

fn wants_login(error: &OpenError) -> bool {
    matches!(error, OpenError::Failure(failure) if failure.wants_login())
}

/// Why neither transport opened a session. `failure`: of HTTP+SSE, which was tried because Streamable HTTP was `refused`.
fn with_fallback(refused: OpenError, failure: Failure) -> OpenError {
    match refused {
        // The server does not know the POST, so the stream is the way to it, and is refused for another reason.
        OpenError::Failure(Failure::Status { status, .. })
            if matches!(status.as_u16(), 404 | 405)
                && (failure.is_temporary() || failure.is_refusal() || failure.wants_login()) =>
        {
            failure.into()
        }
        OpenError::Failure(Failure::Status { host, status, summary, retry_after }) => {
            let between = if summary.is_empty() { "" } else { "; " };
            let summary = format!("{summary}{between}as a server of HTTP+SSE: {failure}");
            Failure::Status { host, status, summary, retry_after }.into()
        }
        refused => {
            log::info!("the stream of HTTP+SSE was tried too: {failure}");
            refused
        }
    }
}

async fn sse_first(era: &Era, initialize: &Message) -> Result<Opened, OpenError> {
    match http_sse::connect(&era.server.link.sender, EXPECTED).await {
        Ok(opening) => on_http_sse(era, initialize, opening).await,
        // The server cannot be reached, or refuses the credential: true of either transport.
        Err(failure) if failure.is_temporary() || failure.is_refusal() => Err(failure.into()),
        // A server that wants a login for this GET may have no stream, and take the POST.
        Err(no_stream) => streamable(era, initialize).await.map_err(|refused| {
            if no_stream.wants_login() && may_be_http_sse(&refused) { no_stream.into() } else { refused }
        }),
    }
}

/// Streamable HTTP of either era, by the client's own first message.
async fn streamable(era: &Era, initialize: &Message) -> Result<Opened, OpenError> {
    let begun = Instant::now();
    let opened = legacy::open(&era.server.link, initialize).await;
    let opened = opened.map(|(transport, answer)| Opened { transport: Transport::Legacy(transport), answer });
    if let Err(error) = &opened {
        era.suspicion.note_open_error(error);
    }
    if era.options.protocol != Protocol::Auto {
        return opened;
    }
    match opened {
        Err(error) if may_be_modern(&error) => match Box::pin(by_discover(era, initialize)).await {
            Err(discover_error) if is_not_modern(&discover_error) => Err(error),
            settled => settled.map_err(modern::for_legacy_client),
        },
        // The client would not know that revision, and end.
        Ok(opened) if agrees_on_modern(initialize, &opened.answer) => {
            match Box::pin(by_discover(era, initialize)).await {
                Ok(translated) => {
                    task::spawn(async move { opened.transport.close().await });
                    Ok(translated)
                }
                Err(_) => Ok(opened),
            }
        }
        Ok(opened) if is_stateless(&opened) && era.memory.findings().modern.is_none() => {
            Ok(Box::pin(modern_side_or(era, initialize, opened, begun)).await)
        }
        settled => settled,
    }
}

fn is_stateless(opened: &Opened) -> bool {
    matches!(&opened.transport, Transport::Legacy(transport) if !transport.is_stateful())
}

/// The modern side of a server that keeps no sessions for legacy clients, if it has one: without a session the client
/// gets no questions, cancellations and news. The client waits for its response meanwhile, so that the server is asked
/// only as long as the startup wait allows, and only once in many starts.
async fn modern_side_or(era: &Era, initialize: &Message, opened: Opened, begun: Instant) -> Opened {
    let left = era.options.startup_wait.mul_f64(STARTUP_SHARE).saturating_sub(begun.elapsed());
    match tokio::time::timeout(left, by_discover(era, initialize)).await {
        Ok(Ok(translated)) => return translated,
        Ok(Err(error)) if is_not_modern(&error) => era.set_legacy(),
        // That shows nothing; the server is asked again later, when nobody waits.
        _ => {}
    }
    opened
}

async fn by_discover(era: &Era, initialize: &Message) -> Result<Opened, OpenError> {
    let (transport, answer) = modern::open(&era.server, initialize, era.options.tasks).await?;
    Ok(Opened { transport: Transport::Modern(transport), answer })
}

async fn on_http_sse(era: &Era, initialize: &Message, opening: http_sse::Opening) -> Result<Opened, OpenError> {
    let link: &Arc<_> = &era.server.link;
    let (transport, answer) = http_sse::open(link, initialize, opening).await?;
    Ok(Opened { transport: Transport::HttpSse(transport), answer })
}

/// The statuses with which a server of HTTP+SSE, or the proxy before it, answers a POST to its stream's address.
fn may_be_http_sse(error: &OpenError) -> bool {
    let status = match error {
        OpenError::Error(status, _) | OpenError::Failure(Failure::Status { status, .. }) => status,
        OpenError::Failure(_) => return false,
    };
    matches!(status.as_u16(), 400 | 404 | 405 | 406 | 415 | 501)
}
