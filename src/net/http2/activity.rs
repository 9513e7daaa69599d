//! Do bytes move on a connection? A byte stream that notes when, and why TLS ended it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::error::find;

/// What is known of a connection's bytes. The connection's task writes and reads it.
pub(super) struct Activity {
    opened: Instant,
    /// When bytes came last, in milliseconds after `opened`.
    received: AtomicU64,
    /// How many bytes were sent since something came.
    sent: AtomicU64,
    /// What TLS reported as it ended; h2 keeps only its text.
    tls_error: Mutex<Option<rustls::Error>>,
}

impl Activity {
    /// How long nothing has come.
    pub(super) fn silence(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.received.load(Ordering::Relaxed)))
    }

    /// How many bytes were sent since something came: they may still be on their way.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn tls_error(&self) -> Option<rustls::Error> {
        self.tls_error.lock().clone()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn note_received(&self) {
        self.received.store(self.now(), Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
    }

    fn note_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// The byte stream of a connection.
pub(super) struct Observed<T> {
    bytes: T,
    activity: Arc<Activity>,
}

impl<T> Observed<T> {
    pub(super) fn new(bytes: T) -> (Self, Arc<Activity>) {
        let activity = Arc::new(Activity {
            opened: Instant::now(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            tls_error: Mutex::new(None),
        });
        (Self { bytes, activity: Arc::clone(&activity) }, activity)
    }

    fn noted<V>(&self, result: io::Result<V>) -> io::Result<V> {
        result.inspect_err(|error| {
            if let Some(error) = find::<rustls::Error>(error) {
                *self.activity.tls_error.lock() = Some(error.clone());
            }
        })
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Observed<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.bytes).poll_read(cx, buf));
        if buf.filled().len() > before {
            self.activity.note_received();
        }
        Poll::Ready(self.noted(result))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Observed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.bytes).poll_write(cx, buf));
        let result = result.inspect(|sent| self.activity.note_sent(*sent));
        Poll::Ready(self.noted(result))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.bytes).poll_write_vectored(cx, bufs));
        let result = result.inspect(|sent| self.activity.note_sent(*sent));
        Poll::Ready(self.noted(result))
    }

    fn is_write_vectored(&self) -> bool {
        self.bytes.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.bytes).poll_flush(cx));
        Poll::Ready(self.noted(result))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(cx)
    }
}
