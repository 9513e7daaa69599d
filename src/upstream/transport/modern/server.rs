//! How is a request sent to a modern server? One POST for each, with the headers that mirror the message. Cancelling is
//! closing the response: dropping the future of a request does it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, Uri};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::watch;

use super::changed_lists::Subscriptions;
use super::headers;
use super::param_headers::{self, ParamHeader};
use crate::log;
use crate::message::{self, Kind, Message, code, error_code};
use crate::task;
use crate::tools::ListPages;
use crate::upstream::Failure;
use crate::upstream::exchange::response::{Body, OwedResponse, error_response, no_body, read_body};
use crate::upstream::exchange::response_stream::{ResponseStream, drain_trailing};
use crate::upstream::exchange::{Sent, post_headers};
use crate::upstream::transport::capabilities::List;
use crate::upstream::transport::link::Link;

/// A server that has more pages of tools than this has no end.
const MOST_PAGES: usize = 100;

/// How many tools that are left out of a list get a line in the log.
const MOST_WARNINGS: usize = 20;

/// How long the answer may take that refuses a request of the server.
const REFUSAL: Duration = Duration::from_secs(5);

/// A modern server, for the requests of whichever client.
pub(crate) struct ModernServer {
    pub(crate) link: Arc<Link>,
    /// The arguments of each tool that are mirrored in headers, as the last list had them. Responses to `tools/list`
    /// change it, calls read it.
    param_headers: Mutex<HashMap<String, Arc<[ParamHeader]>>>,
    /// Where redirects have led. Any response may change it, every request reads it.
    moved: Mutex<Option<Uri>>,
    /// Set when the client has ended its input: its subscriptions end with it.
    pub(crate) input_ended: watch::Sender<bool>,
    /// Those of a modern client.
    pub(super) subscriptions: Subscriptions,
}

/// The response to a request. An error is a response too.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) answer: Message,
    /// The server sent a request of its own on the stream, which a modern server does not.
    pub(crate) sent_request: bool,
}

impl Answered {
    pub(super) fn new(status: StatusCode, answer: Message) -> Self {
        Self { status, answer, sent_request: false }
    }

    /// Whether the response is an error.
    pub(crate) fn is_error(&self) -> bool {
        matches!(self.answer.kind(), Kind::Response { is_error: true, .. })
    }

    /// The `result` of the response, JSON text.
    pub(crate) fn result(&self) -> Option<&str> {
        self.answer.members()?.get("result")
    }
}

/// Which notifications that come before the response are for the client.
pub(crate) type Passes<'a> = dyn FnMut(&Message) -> bool + Send + 'a;

impl ModernServer {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            param_headers: Mutex::default(),
            moved: Mutex::default(),
            input_ended: watch::Sender::default(),
            subscriptions: Subscriptions::default(),
        }
    }

    /// Carries a request, and the notifications that come before its response to the client. Dropped, it closes the
    /// exchange, which cancels the request.
    ///
    /// A server that misses a header is asked for its tools, because it may want other arguments mirrored than is
    /// known, and is then sent the request once more: what it refused so it has not carried out.
    pub(crate) async fn request(&self, message: &Message, passes: &mut Passes<'_>) -> Result<Answered, Failure> {
        let mut answered = self.post(message, passes).await?;
        match message.method() {
            Some("tools/call") if error_code(&answered.answer) == Some(code::HEADER_MISMATCH) => {
                Box::pin(self.learn_param_headers(message)).await;
                let again = message.with_id(&self.link.own_requests.next_id());
                answered = Box::pin(self.post(&again, passes)).await?;
                answered.answer = answered.answer.with_id(message.raw_id().unwrap_or("null"));
            }
            Some("tools/list") => answered.answer = self.scan_tools(answered.answer),
            _ => {}
        }
        Ok(answered)
    }

    /// Sends a request of the bridge's own; nothing that comes before its response is for the client.
    pub(crate) async fn request_own(&self, message: &Message) -> Result<Answered, Failure> {
        self.request(message, &mut |_| false).await
    }

    /// Posts a notification.
    pub(crate) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        let sender = &self.link.sender;
        let sent = self.send(message).await?;
        if !sent.response.status().is_success() {
            let error = error_response(sender, sent.response, false).await?;
            let error = log::foreign_bytes(error.text());
            return Err(Failure::Unusable(format!("{} refused it: {error}", sender.host)));
        }
        Ok(())
    }

    /// Notifies a modern client that this list is not as it was given.
    pub(crate) fn list_changed(&self, list: &List) {
        if list.capability == "tools" {
            self.link.client.tools_changed();
        }
        self.subscriptions.list_changed(&self.link.client, list);
    }

    /// POSTs a message to where the server is now.
    pub(super) async fn send(&self, message: &Message) -> Result<Sent, Failure> {
        let sender = &self.link.sender;
        let headers = self.headers(message);
        let moved = self.moved.lock().clone();
        let uri = moved.as_ref().unwrap_or_else(|| &sender.uri);
        let sent = sender.send(Method::POST, uri, &headers, message.text().clone(), sender.patience).await?;
        if let Some(moved) = &sent.moved {
            *self.moved.lock() = Some(moved.clone());
        }
        Ok(sent)
    }

    fn headers(&self, message: &Message) -> HeaderMap {
        let mirrored = (message.method() == Some("tools/call")).then(|| {
            let tools = self.param_headers.lock();
            if tools.is_empty() {
                return None;
            }
            tools.get(&called_tool(message)?).cloned()
        });
        headers::of(message, mirrored.flatten().as_deref().unwrap_or_default())
    }

    async fn post(&self, message: &Message, passes: &mut Passes<'_>) -> Result<Answered, Failure> {
        let sender = &self.link.sender;
        let host = &sender.host;
        let Some(owed) = OwedResponse::to(message) else {
            return Err(Failure::Unusable("a message that is no request has no response".to_owned()));
        };
        let Sent { response, .. } = self.send(message).await?;
        let status = response.status();
        if !status.is_success() {
            let error = Box::pin(error_response(sender, response, false)).await?;
            return Ok(Answered::new(status, error.with_id(owed.raw_id())));
        }
        match read_body(sender, response).await? {
            Body::Nothing(status) => Err(no_body(host, status)),
            Body::Message(answer) => owed
                .take_only(answer)
                .map(|answer| Answered::new(status, answer))
                .map_err(|_| Failure::Unusable(format!("{host} answered another request than this"))),
            Body::Events(mut events) => {
                let mut stream = ResponseStream::new(sender, &mut events);
                let mut sent_request = false;
                let mut stray = None;
                let answer = loop {
                    let message = match stream.next(&|id| owed.has_id(id)).await {
                        Ok(message) => message,
                        Err(end) => {
                            let last = stream.unfinished().and_then(|message| owed.take(message).ok());
                            break last.or(stray).ok_or(end.failure)?;
                        }
                    };
                    match owed.take(message) {
                        Ok(answer) => break answer,
                        Err(message) => {
                            stray = owed.stray_error(&message).or(stray);
                            sent_request |= self.deliver(message, passes).await;
                        }
                    }
                };
                drain_trailing(events, None);
                Ok(Answered { status, answer, sent_request })
            }
        }
    }

    /// Delivers a message that comes before the response. True for a request: a modern server sends none. A legacy
    /// server may, which has carried out a request without a session, and would wait for the answer for ever.
    async fn deliver(&self, message: Message, passes: &mut Passes<'_>) -> bool {
        match message.kind() {
            Kind::Notification { .. } if passes(&message) => self.link.client.deliver(message).await,
            Kind::Notification { .. } => {}
            Kind::Request { .. } => {
                self.refuse(&message);
                return true;
            }
            _ => {
                let host = &self.link.sender.host;
                log::warn!("{host} sent a message on a stream that has no place there; it is dropped");
            }
        }
        false
    }

    /// Answers a request of the server in the place of the client, which cannot be asked.
    fn refuse(&self, request: &Message) {
        let (sender, raw_id) = (Arc::clone(&self.link.sender), request.raw_id().unwrap_or("null"));
        let method = request.method().unwrap_or_default();
        let why = "the client that sent this request has no session in which it could be asked";
        let answer = match method {
            "ping" => message::result(raw_id, "{}"),
            _ => message::error(raw_id, code::METHOD_NOT_FOUND, why, None),
        };
        let method = log::foreign(method);
        log::warn!("{} sent the request {method} on a stream without a session; it is refused", sender.host);
        drop(task::spawn(async move {
            let headers = post_headers();
            let sending = sender.send(Method::POST, &sender.uri, &headers, answer.into_text(), REFUSAL);
            if !matches!(tokio::time::timeout(REFUSAL, sending).await, Ok(Ok(_))) {
                log::warn!("the answer that refuses a request of {} did not arrive", sender.host);
            }
        }));
    }

    /// Reads a response to `tools/list`: which arguments are mirrored from now on, and which tools may be shown.
    pub(crate) fn scan_tools(&self, answer: Message) -> Message {
        let scanned = param_headers::scan_tools(&answer);
        for (name, why) in scanned.left_out.iter().take(MOST_WARNINGS) {
            let left_out = format!("{:?} is left out of the list: {why}", log::foreign_name(name));
            log::warn!("the tool {}", log::foreign(&left_out));
        }
        if scanned.left_out.len() > MOST_WARNINGS {
            log::warn!("{} tools are left out of the list in all", scanned.left_out.len());
        }
        let mut tools = self.param_headers.lock();
        for (name, headers) in scanned.tools {
            if headers.is_empty() {
                tools.remove(&name);
            } else {
                tools.insert(name, headers.into());
            }
        }
        scanned.shown.unwrap_or(answer)
    }

    /// Lists the server's tools until the one that is called has been listed.
    async fn learn_param_headers(&self, call: &Message) {
        #[derive(Deserialize)]
        struct Tool {
            name: String,
        }
        log::info!("{} misses a header; listing its tools to learn which", self.link.sender.host);
        let called = called_tool(call);
        let mut pages = ListPages::for_call(call);
        for _ in 0..MOST_PAGES {
            let request = pages.request(&self.link.own_requests.next_id());
            let Ok(Answered { answer, .. }) = self.post(&request, &mut |_| false).await else { return };
            let answer = self.scan_tools(answer);
            let result = answer.members().and_then(|members| members.object("result"));
            let tools: Option<Vec<Tool>> = result.and_then(|result| serde_json::from_str(result.get("tools")?).ok());
            let is_listed = tools.iter().flatten().any(|tool| Some(&tool.name) == called.as_ref());
            if is_listed || !pages.advance(&answer) {
                return;
            }
        }
    }
}

/// The tool that a request calls.
fn called_tool(message: &Message) -> Option<String> {
    message.params()?.string("name")
}
