//! How is a connection made?

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tower_service::Service;

use super::tls;

/// Idle time after which TCP asks whether the other side is still there, and how often it asks again: a laptop that slept, or
/// a router that forgot, is noticed within a minute and a half.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 4;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Plain TCP, or TLS whose configuration is being read on a thread while the client composes its first message.
#[derive(Clone)]
pub(super) enum Connector {
    Plain(HttpConnector),
    Tls {
        /// For TCP and TLS together: an accepted connection may say nothing.
        timeout: Duration,
        tcp: HttpConnector,
        ready: Arc<OnceCell<HttpsConnector<HttpConnector>>>,
        thread: Arc<ConfigThread>,
    },
}

type Config = Result<rustls::ClientConfig, rustls::Error>;
type ConfigThread = std::sync::Mutex<Option<tokio::sync::oneshot::Receiver<Config>>>;

impl Connector {
    pub(super) fn new(uri: &Uri, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Off by default in hyper-util, and a small request would wait for the last one's acknowledgement.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_keepalive(Some(KEEP_ALIVE));
        tcp.set_keepalive_interval(Some(KEEP_ALIVE_INTERVAL));
        tcp.set_keepalive_retries(Some(KEEP_ALIVE_PROBES));
        if uri.scheme() == Some(&http::uri::Scheme::HTTP) {
            return Self::Plain(tcp);
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || sender.send(tls::client_config()).ok());
        Self::Tls { timeout, tcp, ready: Arc::default(), thread: Arc::new(std::sync::Mutex::new(Some(receiver))) }
    }
}

async fn https(tcp: HttpConnector, thread: &ConfigThread) -> Result<HttpsConnector<HttpConnector>, BoxError> {
    let receiver = thread.lock().ok().and_then(|mut receiver| receiver.take());
    let config = match receiver {
        Some(receiver) => receiver.await??,
        // The first attempt failed or was cancelled half-way.
        None => tls::client_config()?,
    };
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(tcp))
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Each connection is made by a fresh clone, which has nothing to be unready about.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Self::Plain(tcp) => {
                let connecting = tcp.call(uri);
                Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) })
            }
            Self::Tls { timeout, tcp, ready, thread } => {
                let timeout = *timeout;
                let (tcp, ready, thread) = (tcp.clone(), Arc::clone(ready), Arc::clone(thread));
                Box::pin(async move {
                    let mut connector = ready.get_or_try_init(|| https(tcp, &thread)).await?.clone();
                    match tokio::time::timeout(timeout, connector.call(uri)).await {
                        Ok(connected) => connected,
                        Err(_) => Err("no TLS connection within the time for it".into()),
                    }
                })
            }
        }
    }
}
