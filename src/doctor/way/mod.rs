//! Which step on the way from a server's name to its tools fails?
//!
//! `connect` has the name, the proxy, TCP and TLS; `talk` sends requests, `status` says what an HTTP error means, and
//! `elsewhere` looks for the server where a request meets none; `login` is what a 401 leads to, `session` what a server
//! returns that serves us. `steps` writes all of it down.
//!
//! Nothing is changed by it: no login, no registration, no refresh; the session is deleted, and no tool is called.

mod connect;
mod elsewhere;
mod login;
mod session;
mod status;
mod steps;
mod talk;

use http::Uri;

use super::Code;
use super::report::{Cause, Mark, Section, Step};
use crate::auth::Authorizer;
use crate::config::Settings;
use crate::log;
use crate::net::{self, Http};
use steps::{Failed, Steps};
use talk::Talk;

/// What the steps need.
struct Way<'a> {
    settings: &'a Settings,
    http: &'a Http,
    authorizer: &'a Authorizer,
    /// Scheme and host.
    host: String,
    /// The address as a word of a shell.
    url: String,
}

impl Way<'_> {
    fn server(&self) -> &Uri {
        &self.settings.upstream.uri
    }

    /// The command that logs in to this server.
    fn login_command(&self, option: &str) -> String {
        format!("{}{option}", self.authorizer.login_command())
    }
}

/// Walks the whole way once.
pub async fn walk(settings: &Settings) -> Section {
    let title = log::redact(&settings.upstream.uri.to_string());
    let http = match settings.http() {
        Ok(http) => http,
        Err(error) => return unusable(title, &error.to_string(), error.hint()),
    };
    let authorizer = Authorizer::new(&settings.auth, &http);
    let host = net::origin(&settings.upstream.uri);
    let way = Way { settings, http: &http, authorizer: &authorizer, host, url: log::shell_word(&title) };
    let mut steps = Steps::new();
    let mut talk = Talk::new(&way);
    let walked = go(&way, &mut talk, &mut steps).await;
    talk.close().await;
    let why = if walked.is_err() { "not tried, because of the failure above" } else { "not tried" };
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
    steps.extend(Steps::new().finish("not tried, because of the failure above"));
    Section { title: "server".to_owned(), steps }
}

/// An option, or a file that it names, cannot be used.
fn unusable(title: String, why: &str, fix: &str) -> Section {
    let step = Step::new("options", Mark::Failed, "not usable").because(Cause::new(Code::BadOption, why, fix));
    let mut steps = vec![step];
    steps.extend(Steps::new().finish("not tried, because of the failure above"));
    Section { title, steps }
}
