//! How can a request end badly? A [`Failure`] becomes that request's one answer.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::auth::{AuthError, LoginPrompt, Refusal};
use crate::log;
use crate::message::{self, ErrorObject, Message};
use crate::net::{HttpError, NETWORK_HINT};

/// What the bridge adds to a hint where it goes on by itself. A command does not.
pub(crate) const KEEPS_TRYING: &str = "; the bridge keeps trying";

/// Why a request has no answer of the upstream's own.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// No connection: the request was not sent.
    #[error("{0}")]
    Unreachable(HttpError),
    /// The upstream, or somebody before it, answered with an HTTP error and no JSON-RPC error in it.
    #[error("{host} answered {status}{}", reason(.summary))]
    Status {
        /// Scheme and host.
        host: String,
        /// Code and phrase.
        status: http::StatusCode,
        /// The body in one line, without secrets; may be empty.
        summary: String,
        /// Seconds the upstream asks to wait.
        retry_after: Option<u64>,
    },
    /// 401 or the like to a credential the user gave.
    #[error("{host} refused {source_name} ({status}{}){}", reason(.summary), also(.left_out))]
    Refused {
        /// Scheme and host.
        host: String,
        /// Code and phrase.
        status: http::StatusCode,
        /// The body in one line.
        summary: String,
        /// The credential and where it came from, in words.
        source_name: String,
        /// What the user meant to give besides, in sentences; may be empty.
        left_out: String,
        /// The JSON-RPC error in the body, if there was one: its code and data are kept.
        rpc: Option<Box<ErrorObject>>,
    },
    /// 401 and no credential was given.
    #[error("{host} wants a login ({status}{}){}", reason(.summary), also(.left_out))]
    LoginNeeded {
        /// Scheme and host.
        host: String,
        /// Code and phrase.
        status: http::StatusCode,
        /// The body in one line.
        summary: String,
        /// What the user meant to give, in sentences; may be empty.
        left_out: String,
    },
    /// A refusal that a login can cure. Where a client waits for the request, [`Sender::require_login`] is told; to all
    /// others it is what it would be without logins.
    ///
    /// [`Sender::require_login`]: super::exchange::Sender::require_login
    #[error("{otherwise}")]
    LoginHelps {
        /// What was refused.
        refusal: Refusal,
        /// The failure without logins.
        otherwise: Box<Failure>,
    },
    /// Nobody is logged in, and somebody can.
    #[error("{}{}{}", missing(.host, .scope.as_deref()), way_in(.prompt.as_deref()), because(.why.as_deref()))]
    SignIn {
        /// Scheme and host.
        host: String,
        /// There is a login, but not with this scope.
        scope: Option<String>,
        /// Where to.
        prompt: Option<Box<LoginPrompt>>,
        /// Why there is nowhere.
        why: Option<String>,
        /// The command that does it in a terminal.
        command: String,
    },
    /// The authorization server is out of order; what is known of the login is kept.
    #[error("{0}")]
    LoginOutOfOrder(String),
    /// A credential could not be had from its source.
    #[error("{0}")]
    Credential(String),
    /// The upstream does not know our session any more. Replayed once; the second time it is an answer.
    #[error("{host} has lost this session ({status}{})", reason(.summary))]
    SessionLost {
        /// Scheme and host.
        host: String,
        /// Code and phrase.
        status: http::StatusCode,
        /// The body in one line.
        summary: String,
        /// The JSON-RPC error in the body, for the second time.
        rpc: Option<Box<Message>>,
    },
    /// The connection or stream ended before the answer.
    #[error("{0}")]
    Broken(String),
    /// No session was open within the request's patience: it was not sent.
    #[error("{0}")]
    NotOpen(String),
    /// The user's own limit on a request.
    #[error("no answer within the {} seconds of --request-timeout", .0.as_secs_f64())]
    TimedOut(std::time::Duration),
    /// There was an answer, but not one to this request.
    #[error("{0}")]
    Unusable(String),
    /// Too long, ours or theirs.
    #[error("{0}")]
    TooLarge(String),
    /// A JSON-RPC error of the server's that belongs to more than the one request it answers: to a whole batch, or to
    /// all that waited for `initialize`.
    #[error("the server answered with an error: {}", beginning(.0))]
    Rpc(Message),
    /// The user's rules hide the tool that the request calls; the server never heard of it.
    #[error("{0}")]
    Hidden(String),
    /// This process is ending.
    #[error("the bridge is shutting down; the request was abandoned")]
    Ending,
    /// A bug.
    #[error("the bridge failed within: a bug; this request is lost, others are not")]
    Panicked,
}

/// The beginning of a server's message, which may be of any length.
fn beginning(message: &Message) -> String {
    log::foreign_bytes(message.text())
}

fn reason(summary: &str) -> String {
    if summary.is_empty() { String::new() } else { format!(": {summary}") }
}

/// What kind of login is missing. An empty scope is one that the server did not name.
fn missing(host: &str, scope: Option<&str>) -> String {
    match scope {
        None => format!("you are not signed in to {host}"),
        Some("") => {
            format!("your login at {host} lacks a scope that this request needs, and the server does not name it")
        }
        Some(scope) => format!("your login at {host} lacks the scope {:?}", log::foreign_name(scope)),
    }
}

fn way_in(prompt: Option<&LoginPrompt>) -> String {
    let Some(prompt) = prompt else { return String::new() };
    let address = prompt.address();
    let warning = prompt.warning.as_ref().map(|warning| format!("; {warning}")).unwrap_or_default();
    let elsewhere = prompt.address_elsewhere();
    let elsewhere = elsewhere.map(|url| format!(", or on another machine {url}")).unwrap_or_default();
    match &prompt.code {
        Some(code) => format!("; open {address} in a browser and type the code {code}{warning}"),
        None => format!("; to sign in, open {address} in a browser{elsewhere}{warning}"),
    }
}

fn because(why: Option<&str>) -> String {
    why.map(|why| format!(": {}", log::redact(why))).unwrap_or_default()
}

fn also(left_out: &str) -> String {
    if left_out.is_empty() { String::new() } else { format!("; {left_out}") }
}

impl Failure {
    /// Its JSON-RPC code: outside the range that JSON-RPC and MCP reserve, but for what a server would say in the same
    /// words.
    pub fn code(&self) -> i64 {
        match self {
            Self::Unreachable(_) | Self::NotOpen(_) => -31001,
            Self::Status { .. } => -31002,
            Self::Refused { .. } | Self::LoginNeeded { .. } | Self::Credential(_) => -31003,
            // What clients know as the code for it.
            Self::SignIn { .. } => -32001,
            Self::LoginHelps { otherwise, .. } => otherwise.code(),
            Self::LoginOutOfOrder(_) => -31012,
            Self::SessionLost { .. } => -31004,
            Self::Broken(_) => -31005,
            Self::Unusable(_) => -31006,
            Self::TooLarge(_) => -31007,
            Self::Rpc(_) => -31008,
            Self::Hidden(_) => message::code::INVALID_PARAMS,
            Self::Ending => -31009,
            Self::TimedOut(_) => -31011,
            Self::Panicked => -31010,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        let fixed = match self {
            Self::Unreachable(error) if error.hint() != NETWORK_HINT => error.hint(),
            Self::Unreachable(_) | Self::NotOpen(_) => return Some(format!("{NETWORK_HINT}{KEEPS_TRYING}").into()),
            Self::Status { status, .. } => match status.as_u16() {
                403 => "the server knows you but does not allow this; ask whoever runs the account",
                404 | 405 => "check the path of the URL: there is no MCP server at it, or none for this account",
                429 => "too many requests; wait, then try again",
                500.. => "the fault is on the server's side; try again later",
                _ => return None,
            },
            Self::Refused { .. } => "check that the value is complete, not expired, and meant for this server",
            Self::LoginNeeded { .. } => "give a token with --bearer-token-env, --bearer-token-file or --header",
            Self::SignIn { prompt: Some(_), command, .. } => {
                let text = format!(
                    "then try again, and keep this program open until then; `{command}` in a terminal does the same"
                );
                return Some(text.into());
            }
            Self::SignIn { command, .. } => {
                return Some(format!("try again, or run `{command}` in a terminal").into());
            }
            Self::LoginHelps { otherwise, .. } => return otherwise.hint(),
            Self::LoginOutOfOrder(_) => "the login is kept; try again later",
            Self::Credential(_) => "run the command, or look at the file, yourself",
            Self::TooLarge(_) => "raise --max-message-size",
            Self::SessionLost { .. } => "it was opened again once already; try again later",
            Self::Broken(_) => "the request may have been carried out; look before repeating it",
            Self::Unusable(_) => "check the URL: it should be the server's MCP endpoint, not a web page",
            Self::TimedOut(_) => "the request was cancelled; it may have been carried out in part",
            Self::Rpc(_) | Self::Hidden(_) | Self::Ending | Self::Panicked => return None,
        };
        Some(fixed.into())
    }

    /// Another attempt may go better by itself, and this one had no effect.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(error) => error.is_temporary(),
            Self::Broken(_) | Self::LoginOutOfOrder(_) => true,
            Self::Status { status, .. } => Self::is_outage_status(*status),
            _ => false,
        }
    }

    /// The server is not there, or takes no requests for now.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::NotOpen(_) => true,
            Self::Unreachable(_) | Self::Status { .. } => self.is_temporary(),
            _ => false,
        }
    }

    /// Whether a response of this status says so.
    pub(crate) fn is_outage_status(status: http::StatusCode) -> bool {
        matches!(status.as_u16(), 408 | 425 | 429 | 502..=504)
    }

    /// A login is missing, and somebody can make it.
    pub fn wants_login(&self) -> bool {
        matches!(self, Self::SignIn { .. } | Self::LoginHelps { .. })
    }

    /// The server, or its credential's source, has said no; on another transport it would say the same.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::LoginNeeded { .. } | Self::Credential(_) | Self::Unreachable(_))
    }

    /// For the client. An address to log in at is told as it is, or it would lead nowhere.
    pub fn for_client(&self) -> String {
        match self {
            Self::SignIn { .. } => self.to_string(),
            _ => log::redact(&self.to_string()),
        }
    }

    /// For the log, where the way in is told already, and whole: without its secrets it leads nowhere.
    pub fn for_log(&self) -> String {
        match self {
            Self::SignIn { host, scope, prompt: Some(_), .. } => {
                format!("{}; the address to open is told above", missing(host, scope.as_deref()))
            }
            _ => self.to_string(),
        }
    }

    /// The answer to the request with this id.
    pub fn answer(&self, raw_id: &str) -> Message {
        match self {
            Self::SessionLost { rpc: Some(error), .. } => return error.with_id(raw_id),
            Self::Rpc(error) => return error.with_id(raw_id),
            _ => {}
        }
        let mut text = self.for_client();
        if let Some(hint) = self.hint() {
            text.push_str("; hint: ");
            text.push_str(&hint);
        }
        if let Self::Refused { rpc: Some(rpc), .. } = self
            && let Some(code) = rpc.code.as_i64()
        {
            return message::error(raw_id, code, &text, rpc.data.as_ref());
        }
        message::error(raw_id, self.code(), &text, self.data().as_ref())
    }

    fn data(&self) -> Option<Value> {
        match self {
            Self::Status { status, .. }
            | Self::Refused { status, .. }
            | Self::LoginNeeded { status, .. }
            | Self::SessionLost { status, .. } => Some(json!({ "httpStatus": status.as_u16() })),
            Self::SignIn { prompt: Some(prompt), .. } => Some(json!({ "url": prompt.url, "userCode": prompt.code })),
            Self::LoginHelps { otherwise, .. } => otherwise.data(),
            _ => None,
        }
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Temporary(why) => Self::LoginOutOfOrder(why),
            error => Self::Credential(error.to_string()),
        }
    }
}
