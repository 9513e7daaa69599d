//! The same requests without a bridge: what the connection, the server and the checks cost alone.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::bridge::excerpt;
use crate::messages;

/// So many bytes may be on the way on HTTP/2 that nothing waits for a window.
pub const WINDOW: u32 = 256 * 1024 * 1024;

pub struct Direct {
    runtime: Runtime,
    http_client: Http,
}

struct Http {
    sender: Sender,
    url: String,
}

enum Sender {
    /// HTTP/1.1, on as many connections as there are requests in flight.
    Pool(Client<HttpConnector, Full<Bytes>>),
    /// HTTP/2, on one connection.
    Connection(http2::SendRequest<Full<Bytes>>),
}

/// What a connection over TLS needs.
#[derive(Clone)]
pub struct Secure {
    pub address: SocketAddr,
    pub host: &'static str,
    pub config: Arc<ClientConfig>,
}

impl Direct {
    /// On HTTP/2, if there is TLS, else on HTTP/1.1.
    pub fn start(url: &str, secure: Option<&Secure>) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let sender = match secure {
            None => {
                let mut connector = HttpConnector::new();
                connector.set_nodelay(true);
                Sender::Pool(Client::builder(TokioExecutor::new()).build(connector))
            }
            Some(secure) => Sender::Connection(runtime.block_on(connect(secure)).map_err(|error| error.to_string())?),
        };
        let mut direct = Self { runtime, http_client: Http { sender, url: url.to_owned() } };
        let mut wrong = None;
        direct.exchange(messages::INITIALIZE.into(), |line| {
            if !messages::is_initialized(line) {
                wrong = Some(excerpt(line));
            }
        })?;
        wrong.map_or(Ok(direct), |line| Err(format!("wrong answer to initialize: {line}")))
    }

    /// POSTs a message, and calls `each` with every message of the answer.
    pub fn exchange(&mut self, message: Bytes, each: impl FnMut(&[u8])) -> Result<(), String> {
        let limited =
            async { tokio::time::timeout(Duration::from_secs(60), self.http_client.post(message, each)).await };
        self.runtime.block_on(limited).unwrap_or_else(|_| Err("no answer in 60 s".to_owned()))
    }

    /// POSTs these messages at the same time, and returns all answers.
    pub fn at_once(&mut self, messages: Vec<Bytes>) -> Result<Vec<Vec<u8>>, String> {
        let http_client = &self.http_client;
        let one = |message| async move {
            let mut answers = Vec::new();
            http_client.post(message, |line| answers.push(line.to_vec())).await.map(|()| answers)
        };
        let all =
            async { tokio::time::timeout(Duration::from_secs(60), join_all(messages.into_iter().map(one))).await };
        let all = self.runtime.block_on(all).map_err(|_| "no answer in 60 s".to_owned())?;
        all.into_iter().collect::<Result<Vec<_>, _>>().map(|answers| answers.concat())
    }

    pub fn in_flight(&mut self, first: u64, calls: u64, width: u64) -> Result<(), String> {
        let http_client = &self.http_client;
        self.runtime.block_on(async {
            let one = |id| async move {
                let mut is_right = false;
                let message = messages::echo(id, messages::Form::Json).into();
                http_client.post(message, |line| is_right = messages::echoed(line) == Some(id)).await?;
                if is_right { Ok(()) } else { Err(format!("call {id} got a wrong answer")) }
            };
            let mut ids = first..first + calls;
            let mut in_flight: FuturesUnordered<_> =
                ids.by_ref().take(usize::try_from(width).unwrap_or(1)).map(one).collect();
            while let Some(outcome) = in_flight.next().await {
                outcome?;
                in_flight.extend(ids.next().map(one));
            }
            Ok(())
        })
    }
}

/// Opens a connection for HTTP/2.
async fn connect(secure: &Secure) -> Result<http2::SendRequest<Full<Bytes>>, Box<dyn Error>> {
    let stream = TcpStream::connect(secure.address).await?;
    stream.set_nodelay(true)?;
    let tls = TlsConnector::from(Arc::clone(&secure.config));
    let stream = tls.connect(ServerName::try_from(secure.host)?, stream).await?;
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let (sender, connection) = http.handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

impl Sender {
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
        match self {
            Self::Pool(client) => client.request(request).await.map_err(|error| error.to_string()),
            Self::Connection(sender) => sender.clone().send_request(request).await.map_err(|error| error.to_string()),
        }
    }
}

impl Http {
    async fn post(&self, message: Bytes, mut each: impl FnMut(&[u8])) -> Result<(), String> {
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .body(Full::new(message))
            .map_err(|error| error.to_string())?;
        let response = self.sender.send(request).await?;
        let sse = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let mut body = response.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| error.to_string())?.into_data() else {
                continue;
            };
            let from = rest.len();
            rest.extend_from_slice(&data);
            if !sse || memchr::memchr(b'\n', &data).is_none() {
                continue;
            }
            let mut taken = 0;
            while let Some(end) = memchr::memchr(b'\n', &rest[taken.max(from)..]).map(|at| at + taken.max(from)) {
                if let Some(data) = rest[taken..end].strip_prefix(b"data: ") {
                    each(data);
                }
                taken = end + 1;
            }
            rest.drain(..taken);
        }
        if !sse && !rest.is_empty() {
            each(&rest);
        }
        Ok(())
    }
}
