//! Which step on the way from a server's name to its tools fails?
//!
//! `connect` has the name, the proxy, TCP and TLS; `talk` sends requests, `status` says what an HTTP error means, and
//! `elsewhere` looks for the server where a request meets none; `open` begins a session, `login` is what a 401 leads to,
//! `session` what a server returns that serves us. `context` is what all of them need; `steps` writes all of it down.
//!
//! Nothing is changed by it: no login, no registration, no refresh; the session is deleted, and no tool is called.

mod connect;
mod context;
mod elsewhere;
mod login;
mod open;
mod session;
mod status;
mod steps;
mod talk;

use super::Code;
use super::report::{Cause, Mark, Section, Step};
use crate::auth::Authorizer;
use crate::config::Settings;
use crate::log;
use crate::net;
use context::Way;
pub(super) use login::is_renewed;
use steps::{Failed, Steps};
use talk::Talk;

/// Why a step is skipped after a failure.
const NOT_REACHED: &str = "not reached";

/// Walks the whole way once.
pub async fn walk(settings: &Settings) -> Section {
    // As it was typed: places of variables may stand for secrets.
    let title = log::redact(&settings.auth.typed_url);
    let http = match settings.http() {
        Ok(http) => http,
        Err(error) => return bad_option(title, &error.to_string(), error.hint()),
    };
    let authorizer = Authorizer::new(&settings.auth, &http);
    let host = net::origin(&settings.upstream.uri);
    let way = Way { settings, http: &http, authorizer: &authorizer, host, url: log::shell_word(&title) };
    let mut steps = Steps::new();
    let mut talk = Talk::new(&way);
    let walked = match tokio::time::timeout(steps::LIMIT, go(&way, &mut talk, &mut steps)).await {
        Ok(walked) => walked,
        Err(_) => Err(steps.out_of_time(&way.host)),
    };
    talk.close().await;
    let why = if walked.is_err() { NOT_REACHED } else { "a renewed login is needed; none is renewed here" };
    Section { title, steps: steps.finish(why) }
}

async fn go(way: &Way<'_>, talk: &mut Talk<'_>, steps: &mut Steps) -> Result<(), Failed> {
    connect::walk(way, steps).await?;
    session::walk(way, talk, steps).await
}

/// What the user typed cannot be used as an address of a server.
pub fn bad_address(is_plain_http: bool, why: &str, url: &str) -> Section {
    let cause = if is_plain_http {
        let secure = log::shell_word(&log::redact(&url.replacen("http://", "https://", 1)));
        Cause::new(Code::PlainHttp, why, format!("mcp-ferry doctor {secure}"))
    } else {
        Cause::new(Code::BadUrl, why, "use the whole address, as in https://mcp.example.com/mcp")
    };
    let step = Step::new("url", Mark::Failed, "not usable").because(cause);
    let mut steps = vec![step];
    steps.extend(Steps::new().finish(NOT_REACHED));
    Section { title: "server".to_owned(), steps }
}

/// An option, or a file that it names, cannot be used.
pub fn bad_option(title: String, why: &str, fix: &str) -> Section {
    let step = Step::new("options", Mark::Failed, "not usable").because(Cause::new(Code::BadOption, why, fix));
    let mut steps = vec![step];
    steps.extend(Steps::new().finish(NOT_REACHED));
    Section { title, steps }
}
