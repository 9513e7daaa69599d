//! How does a command talk to the server? As a client of a bridge in this process, so that transports, eras, logins,
//! filters and time limits are those of the bridge.

mod questions;

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::terminal::{self, Progress};
use crate::auth::{AuthMode, Authorizer};
use crate::config::Settings;
use crate::error::Error;
use crate::message::{self, Kind, Message, code};
use crate::stdio::{self, Line, LocalClient};
use crate::upstream::{self, KEEPS_TRYING, Upstream};
use crate::{bridge, log, net, system, task};

/// The revision that the command asks for: the newest with a handshake. The bridge translates where the server needs it.
const REVISION: &str = "2025-11-25";

/// The code of the bridge's error for a missing login, and how the errors begin. Servers have other errors with it.
const NOT_SIGNED_IN: i64 = -32001;
const MISSING_LOGIN: [&str; 2] = ["you are not signed in to ", "your login at "];

/// A session with the server.
#[derive(Debug)]
pub(super) struct Client {
    local: LocalClient,
    bridge: JoinHandle<bool>,
    host: String,
    progress: Progress,
    last_id: u32,
}

impl Client {
    /// Opens a session. It begins no login unless the user has asked for one with `--auth wait`.
    pub(super) async fn connect(mut settings: Settings, quiet: bool) -> Result<Self, Error> {
        if let Some(auth) = Arc::get_mut(&mut settings.auth) {
            auth.begins_logins = auth.mode == AuthMode::Wait;
        }
        // A person wants to know what the server returns now: lists of earlier runs are no answer.
        settings.upstream.home = None;
        let http = settings.http()?;
        http.connect(&settings.upstream.uri);
        let shutdown =
            system::shutdown().map_err(|error| Error::System(format!("signals cannot be received: {error}")))?;
        let (connection, local) = stdio::local(settings.upstream.max_message);
        let host = net::origin(&settings.upstream.uri);
        let Settings { auth, upstream, bridge } = settings;
        let authorizer = Authorizer::new(&auth, &http);
        let memory = upstream::recall(&upstream, &authorizer).await;
        let connect = |client| Upstream::new(upstream, authorizer, http, memory, client);
        let bridge = task::spawn(bridge::run(connection, connect, bridge, shutdown));
        let mut client = Self { local, bridge, host, progress: Progress::new(quiet), last_id: 0 };
        client.initialize().await?;
        Ok(client)
    }

    async fn initialize(&mut self) -> Result<(), Error> {
        let info = json!({ "name": "mcp-ferry", "version": env!("CARGO_PKG_VERSION") });
        let capabilities = json!({ "elicitation": { "form": {}, "url": {} } });
        let params = json!({ "protocolVersion": REVISION, "capabilities": capabilities, "clientInfo": info });
        self.request("initialize", &params.to_string()).await?;
        self.send(message::notification_without_params("notifications/initialized")).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Error> {
        let line = Line::Text(message.into_text().into());
        self.local.lines.send(line).await.map_err(|_| ended())
    }

    /// A `_meta` for a request whose progress is shown: a member of its params, with the comma before it.
    pub(super) fn progress_token(&self) -> &'static str {
        if self.progress.is_wanted() { r#","_meta":{"progressToken":1}"# } else { "" }
    }

    /// Sends a request and returns its result, which is JSON text. `params` is JSON text on one line.
    pub(super) async fn request(&mut self, method: &str, params: &str) -> Result<String, Error> {
        self.last_id += 1;
        let id = self.last_id.to_string();
        self.send(message::request(&id, method, params)).await?;
        let response = self.response(&id).await;
        self.progress.clear();
        let response = response?;
        let members = response.members();
        if let Some(result) = members.as_ref().and_then(|members| members.get("result")) {
            return Ok(result.to_owned());
        }
        let error = members.as_ref().and_then(|members| members.get("error")).unwrap_or_default();
        Err(self.error(&serde_json::from_str(error).unwrap_or_default()))
    }

    /// Takes what the server sends, until this request has its response.
    async fn response(&mut self, id: &str) -> Result<Message, Error> {
        loop {
            let Line::Text(text) = self.local.answers.recv().await.ok_or_else(ended)? else {
                return Err(failed("a message of the server is longer than --max-message-size allows".to_owned(), ""));
            };
            let Ok(message) = Message::parse(text) else { continue };
            match message.kind() {
                Kind::Response { .. } if message.raw_id() == Some(id) => return Ok(message),
                Kind::Request { method, .. } => {
                    self.progress.clear();
                    let answer = answer(method, &message).await;
                    self.send(answer).await?;
                }
                Kind::Notification { method } if &**method == "notifications/progress" => self.show_progress(&message),
                _ => {}
            }
        }
    }

    fn show_progress(&mut self, message: &Message) {
        let Some(params) = message.params() else { return };
        let number = |name| params.get(name).unwrap_or_default();
        let of = params.get("total").map(|total| format!("/{total}")).unwrap_or_default();
        let text = params.string("message").unwrap_or_default();
        self.progress.show(&format!("{}{of} {text}", number("progress")));
    }

    /// The error that a response has, in words.
    fn error(&self, error: &Value) -> Error {
        let text = error["message"].as_str().unwrap_or("an error without a message");
        let code = error["code"].as_i64().unwrap_or_default();
        let (cause, hint) = text.split_once("; hint: ").unwrap_or((text, ""));
        // What a bridge does when its request has failed, a command does not.
        let hint = hint.trim_end_matches(KEEPS_TRYING);
        // A server can write the same.
        let (cause, hint) = (log::foreign(cause), log::foreign(hint));
        if code == NOT_SIGNED_IN && MISSING_LOGIN.iter().any(|start| text.starts_with(start)) {
            return Error::LoginNeeded { cause, hint };
        }
        if (-31099..=-31000).contains(&code) {
            return failed(cause, &hint);
        }
        failed(format!("{} answered with an error: {} ({code})", self.host, log::foreign(text)), "")
    }

    /// Ends the session. False if something of a login could not be kept.
    pub(super) async fn close(self) -> bool {
        drop(self.local.lines);
        self.bridge.await.unwrap_or(false)
    }
}

/// The answer to a request of the server. Only questions for a person have one.
async fn answer(method: &str, request: &Message) -> Message {
    let id = request.raw_id().unwrap_or("null");
    match method {
        "ping" => message::result(id, "{}"),
        "elicitation/create" => {
            let params = request.params();
            let params: Value = params.and_then(|_| serde_json::from_str(request.as_str()).ok()).unwrap_or_default();
            let answer = match system::shutdown() {
                // Whoever has the command end answers no more.
                Ok(shutdown) if terminal::is_interactive() => tokio::select! {
                    answer = task::blocking(move || questions::ask(&params["params"])) => answer,
                    () = shutdown => None,
                },
                _ => None,
            };
            message::result(id, &answer.unwrap_or_else(|| json!({ "action": "decline" })))
        }
        _ => message::error(id, code::METHOD_NOT_FOUND, &format!("this client does not support {method}"), None),
    }
}

fn ended() -> Error {
    failed("the command was ended before the answer came".to_owned(), "")
}

pub(super) fn failed(cause: String, hint: &str) -> Error {
    Error::Request { cause, hint: hint.to_owned() }
}
