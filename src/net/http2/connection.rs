//! How is one HTTP/2 connection held, and how is it noticed that its path is dead?
//!
//! TCP alone notices that after minutes, and a machine that slept or changed its network has many such connections. So
//! the connection is asked for a sign of life (PING, RFC 9113, section 6.7) when a request gets none: two seconds after
//! the request, at once if the connection was silent before, and now and then while a response is awaited.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use super::activity::{Activity, Observed};
use crate::task;

/// How much of one response, and of all together, may arrive before it is read, in bytes: what a fast and long path
/// holds, so that no response waits for our permission.
const STREAM_WINDOW: u32 = 64 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;

/// How much of a request's body is handed to the connection at a time, in bytes: as much as a fast and long path takes
/// before the next part comes.
const SEND_BUFFER: usize = 4 * 1024 * 1024;

/// The largest head of a response, in bytes; an HTTP/1.1 response may have as much.
const LONGEST_HEAD: u32 = 256 * 1024;

/// How long a request waits for a first sign of the server's before that is asked for one.
const PATIENCE: Duration = Duration::from_secs(2);

/// After a longer silence, the next request asks for a sign of life at once.
const QUIET: Duration = Duration::from_secs(5);

/// How often a sign of life is asked for while responses are awaited.
const INTERVAL: Duration = Duration::from_secs(20);

/// How long the sign of life may take, and the first one: it may be that this server gives none.
const ANSWER: Duration = Duration::from_secs(5);
const FIRST_ANSWER: Duration = Duration::from_secs(30);

/// What the slowest path carries in a second, in bytes: a PING waits behind what was sent before it.
const SLOWEST: u64 = 32 * 1024;

/// A connection that is open.
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    shared: Arc<Shared>,
}

/// What a connection's task and its requests know of each other.
pub(super) struct Shared {
    pub(super) activity: Arc<Activity>,
    /// How many requests and responses are on the connection.
    in_flight: AtomicUsize,
    /// How many requests have no head of a response yet.
    unanswered: AtomicUsize,
    /// How many requests have bodies that wait for the server to take them.
    pub(super) uploads: AtomicUsize,
    /// A body waited in vain; the server takes none at present.
    pub(super) is_stalled: AtomicBool,
    /// A request has been sent on it.
    is_used: AtomicBool,
    /// The connection's task will look after [`PATIENCE`] whether something came.
    is_watched: AtomicBool,
    /// Wakes the connection's task.
    used: Notify,
    /// In microseconds; 0: not yet known.
    round_trip: AtomicU64,
    /// Why the connection was given up.
    cause: Mutex<Option<String>>,
}

/// Room for one request. It is free again when this is dropped.
pub(in crate::net) struct Slot {
    pub(super) requests: SendRequest<Bytes>,
    pub(super) shared: Arc<Shared>,
    /// The connection has carried another request before.
    pub(in crate::net) is_reused: bool,
    is_answered: bool,
}

impl Connection {
    /// Begins HTTP/2 on a byte stream on which the server has agreed to it.
    /// `most_streams`: how many streams the server admits, before it has said so on this connection.
    pub(super) async fn open(
        bytes: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        most_streams: usize,
    ) -> Result<Self, h2::Error> {
        let (bytes, activity) = Observed::new(bytes);
        let (requests, mut connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(most_streams)
            .max_send_buffer_size(SEND_BUFFER)
            .max_header_list_size(LONGEST_HEAD)
            .handshake(bytes)
            .await?;
        let shared = Arc::new(Shared {
            activity,
            in_flight: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            uploads: AtomicUsize::new(0),
            is_stalled: AtomicBool::new(false),
            is_used: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            used: Notify::new(),
            round_trip: AtomicU64::new(0),
            cause: Mutex::new(None),
        });
        let pings = connection.ping_pong();
        let watch = Watch { pings, asked: None, has_answered: false, shared: Arc::clone(&shared) };
        drop(task::spawn(async move {
            tokio::select! {
                // What the connection ends with, its requests are told too.
                _ = connection => {}
                // Dropping the connection ends all its requests.
                () = watch.run() => {}
            }
        }));
        Ok(Self { requests, shared })
    }

    /// Whether the connection takes requests: the server may have closed it, or begun to (GOAWAY).
    pub(super) fn is_open(&mut self) -> bool {
        matches!(self.requests.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())))
    }

    /// Whether one more request can be sent on it now.
    pub(super) fn has_room(&self) -> bool {
        let shared = &self.shared;
        shared.in_flight.load(Ordering::Relaxed) < self.most_streams() && !shared.is_stalled.load(Ordering::Relaxed)
    }

    /// How many streams the server admits at a time.
    pub(super) fn most_streams(&self) -> usize {
        self.requests.current_max_send_streams()
    }

    pub(super) fn is_in_use(&self) -> bool {
        self.shared.in_flight.load(Ordering::Relaxed) > 0
    }

    /// Whether it has carried a request.
    pub(super) fn is_used(&self) -> bool {
        self.shared.is_used.load(Ordering::Relaxed)
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        let micros = self.shared.round_trip.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    pub(super) fn slot(&self) -> Slot {
        let shared = Arc::clone(&self.shared);
        shared.in_flight.fetch_add(1, Ordering::Relaxed);
        shared.unanswered.fetch_add(1, Ordering::Relaxed);
        let is_reused = shared.is_used.swap(true, Ordering::Relaxed);
        if !shared.is_watched.swap(true, Ordering::Relaxed) {
            shared.used.notify_one();
        }
        Slot { requests: self.requests.clone(), shared, is_reused, is_answered: false }
    }
}

impl Slot {
    /// The head of the response has come.
    pub(super) fn note_head(&mut self) {
        if !std::mem::replace(&mut self.is_answered, true) {
            self.shared.unanswered.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.note_head();
        self.shared.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Why the connection was given up, if it was.
    pub(super) fn cause(&self) -> Option<String> {
        self.cause.lock().clone()
    }
}

/// Looks after a connection's path.
struct Watch {
    pings: Option<PingPong>,
    /// When the sign of life was asked for that has not come.
    asked: Option<Instant>,
    has_answered: bool,
    shared: Arc<Shared>,
}

impl Watch {
    /// Ends when the path is dead.
    async fn run(mut self) {
        // Measures the round trip.
        self.ask();
        let mut next = Instant::now() + INTERVAL;
        loop {
            let due = self.asked.map_or(next, |asked| Instant::now() + self.left(asked));
            tokio::select! {
                () = answered(&mut self.pings), if self.asked.is_some() => self.note_answer(),
                () = self.shared.used.notified() => {
                    if self.shared.activity.silence() > QUIET {
                        self.ask();
                    }
                    next = Instant::now() + PATIENCE;
                }
                () = tokio::time::sleep_until(due.into()) => match self.asked {
                    Some(asked) if self.left(asked).is_zero() => {
                        let seconds = self.shared.activity.silence().as_secs();
                        let text = format!("nothing came for {seconds} seconds, nor an answer to a PING");
                        *self.shared.cause.lock() = Some(text);
                        return;
                    }
                    Some(_) => {}
                    None => next = Instant::now() + self.look(),
                },
            }
        }
    }

    /// Asks for a sign of life if one is due. Returns when to look again.
    fn look(&mut self) -> Duration {
        let shared = Arc::clone(&self.shared);
        shared.is_watched.store(false, Ordering::Relaxed);
        // What has come since a request does not show that the request arrived: it may have been on its way before, or
        // packets are lost in one direction alone. The answer to a PING that was sent after the request shows it.
        let is_doubtful = shared.unanswered.load(Ordering::Relaxed) > 0 || shared.activity.silence() >= PATIENCE;
        if is_doubtful && shared.in_flight.load(Ordering::Relaxed) > 0 {
            self.ask();
        }
        INTERVAL
    }

    fn ask(&mut self) {
        let Some(pings) = &mut self.pings else { return };
        if self.asked.is_none() && pings.send_ping(Ping::opaque()).is_ok() {
            self.asked = Some(Instant::now());
        }
    }

    fn note_answer(&mut self) {
        self.has_answered = true;
        if let Some(asked) = self.asked.take() {
            let micros = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
            self.shared.round_trip.store(micros, Ordering::Relaxed);
        }
    }

    /// How long the answer to a PING may still take. Whatever comes is a sign of life too, and what was sent may be in
    /// front of the PING.
    fn left(&self, asked: Instant) -> Duration {
        let activity = &self.shared.activity;
        let limit = if self.has_answered { ANSWER } else { FIRST_ANSWER };
        let limit = limit + Duration::from_secs(activity.unconfirmed() / SLOWEST);
        limit.saturating_sub(asked.elapsed().min(activity.silence()))
    }
}

async fn answered(pings: &mut Option<PingPong>) {
    if let Some(pings) = pings
        && poll_fn(|cx| pings.poll_pong(cx)).await.is_ok()
    {
        return;
    }
    // The connection has ended; its own task notices.
    std::future::pending::<()>().await;
}
