//! The same requests without a bridge: what the connection, the server and the checks cost alone.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;

use crate::bridge::excerpt;
use crate::messages;

pub struct Direct {
    runtime: Runtime,
    http_client: Http,
}

#[derive(Clone)]
struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
}

impl Direct {
    pub fn start(url: &str) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let http_client = Http { client, url: url.to_owned() };
        let mut direct = Self { runtime: runtime.map_err(|error| error.to_string())?, http_client };
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

impl Http {
    async fn post(&self, message: Bytes, mut each: impl FnMut(&[u8])) -> Result<(), String> {
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .body(Full::new(message))
            .map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
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
