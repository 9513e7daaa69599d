//! Does the server begin a session? Which era does it speak, and what comes where it does not?

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::context::Way;
use super::steps::{Failed, Steps};
use super::talk::{Response, Talk, Trouble};
use super::{connect, elsewhere, login, status};
use crate::doctor::{Cause, Code};
use crate::log;
use crate::net::{HttpError, Unreachable};
use crate::upstream::{Protocol, TransportStrategy, is_discover_result};

/// Clients exist that wait no longer than this for the first answer.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(2900);

/// How far a clock may be wrong before logins and certificates fail.
const CLOCK: Duration = Duration::from_secs(300);

/// Opens a session: the result of `initialize` or `server/discover`. `None`: a login that a program would renew.
pub(super) async fn open(way: &Way<'_>, talk: &mut Talk<'_>, steps: &mut Steps) -> Result<Option<Value>, Failed> {
    let protocol = way.settings.upstream.protocol;
    talk.become_modern(protocol == Protocol::Modern);
    let begun = Instant::now();
    let mut response = first(way, talk, steps).await?;
    let waited = begun.elapsed();
    if response.status == 401 {
        write_http(way, talk, &response, waited, steps);
        login::refused(way, talk, &response, steps).await?;
        return Ok(None);
    }
    if matches!(response.status.as_u16(), 404 | 405) && response.message().is_none() && !talk.is_modern() {
        steps.begin();
        let allowed = way.settings.upstream.transport != TransportStrategy::HttpOnly;
        let server = way.server().clone();
        if talk.open_stream(&server).await.is_none() {
            let cause = elsewhere::not_found(way, talk, &response).await;
            return Err(steps.fail("http", status::fact(&response), cause));
        }
        let sentence = "the server speaks HTTP+SSE, the transport of 2024-11-05; some clients do not know it any more";
        if !allowed {
            let cause = Cause::new(Code::HttpSse, sentence, "leave out --transport http-only");
            return Err(steps.fail("http", status::fact(&response), cause));
        }
        let fix = "none for mcp-ferry, which speaks both; ask the server's operator for Streamable HTTP";
        steps.warn("http", "an event stream of HTTP+SSE", Cause::new(Code::HttpSse, sentence, fix));
        response = first(way, talk, steps).await?;
        if response.status == 401 {
            login::refused(way, talk, &response, steps).await?;
            return Ok(None);
        }
    } else if talk.is_modern() && !talk.is_http_sse() && may_be_legacy(&response) {
        write_http(way, talk, &response, waited, steps);
    } else if !response.status.is_success() && response.message().is_none() {
        return Err(steps.fail("http", status::fact(&response), status::cause(way, &response)));
    } else if response.message().is_none() && !talk.is_http_sse() {
        return Err(steps.fail("http", status::fact(&response), not_mcp(way, &response)));
    } else if !talk.is_http_sse() {
        write_http(way, talk, &response, waited, steps);
    }
    if let Some(login) = &talk.login {
        steps.note("login", login::described(login));
    }
    steps.begin();
    opened(way, talk, response, steps).await.map(Some)
}

/// The first request, and what may come in place of a response.
async fn first(way: &Way<'_>, talk: &mut Talk<'_>, steps: &mut Steps) -> Result<Response, Failed> {
    let (method, params) =
        if talk.is_modern() { ("server/discover", "{}".to_owned()) } else { ("initialize", Talk::initialize()) };
    let limit = steps.time_left();
    match tokio::time::timeout(limit, talk.request(method, &params)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(trouble)) => Err(no_response(way, trouble, steps).await),
        Err(_) => Err(steps.too_slow("http", &way.host)),
    }
}

async fn no_response(way: &Way<'_>, trouble: Trouble, steps: &mut Steps) -> Failed {
    let error = match trouble {
        Trouble::Silent => return steps.too_slow("http", &way.host),
        Trouble::Credential(why) => {
            let cause = Cause::new(Code::NoToken, why, "run the command, or look at the file, yourself");
            return steps.fail("login", "no token", cause);
        }
        Trouble::Http(error) => error,
    };
    match error {
        HttpError::Connect { cause, hint, problem, .. } => {
            let error = Unreachable { problem, cause, hint };
            steps.fail("http", "no connection", connect::cause(way, &error))
        }
        HttpError::Redirect { why, .. } => {
            let sentence = format!("a redirect of {} is not followed: {why}", way.host);
            let fix = "use the address that the server redirects to, if you trust it";
            steps.fail("http", "a redirect", Cause::new(Code::Redirect, sentence, fix))
        }
        error => {
            if let Some(cause) = secure_port(way).await {
                return steps.fail("http", "no HTTP", cause);
            }
            let fix = "try again; if it stays, look at the server's log";
            steps.fail("http", "the connection breaks", Cause::new(Code::ConnectionBroken, error.to_string(), fix))
        }
    }
}

/// The cause if the URL says http, and the server speaks TLS at the port.
async fn secure_port(way: &Way<'_>) -> Option<Cause> {
    let url = way.server().to_string();
    let rest = url.strip_prefix("http://")?;
    let secure = format!("https://{rest}");
    let uri = secure.parse().ok()?;
    let speaks_tls = match way.http.try_connection(&uri).await {
        Ok(facts) => facts.is_some(),
        Err(error) => connect::is_about_certificate(error.problem),
    };
    let sentence = format!("{} speaks https at this port, and the URL says http", way.host);
    let fix = format!("mcp-ferry doctor {}", way.url.replacen("http://", "https://", 1));
    speaks_tls.then(|| Cause::new(Code::BadUrl, sentence, fix))
}

/// The step of the first response, with what it warns of.
fn write_http(way: &Way<'_>, talk: &Talk<'_>, response: &Response, waited: Duration, steps: &mut Steps) {
    let fact = status::fact(response);
    let skew = clock_skew(response);
    if talk.has_moved {
        let to = way.shown(&talk.uri);
        let sentence = format!("the server redirects to {to}; some programs lose a request by that");
        let fix = format!("mcp-ferry doctor {}", log::shell_word(&to));
        steps.warn("http", format!("{fact}, after a redirect"), Cause::new(Code::Redirect, sentence, fix));
    } else if waited > SHORTEST_PATIENCE {
        let sentence = format!(
            "the first answer of {} took {:.1} seconds; some clients wait 3 seconds and show no tools then",
            way.host,
            waited.as_secs_f64()
        );
        let fix = "none for mcp-ferry, which answers for a slow server; a server that sleeps can be kept awake";
        steps.warn("http", fact, Cause::new(Code::Slow, sentence, fix));
    } else if response.is_buffered {
        let sentence = "an event stream came as a whole: a proxy or gateway holds events back until the stream ends";
        let fix = "switch buffering off before the server (nginx: proxy_buffering off)";
        steps.warn("http", fact, Cause::new(Code::Buffered, sentence, fix));
    } else if let Some(skew) = skew {
        let sentence =
            format!("this machine's clock and that of {} differ by {} minutes", way.host, skew.as_secs() / 60);
        steps.warn("http", fact, Cause::new(Code::WrongClock, sentence, "set this machine's clock"));
    } else {
        steps.ok("http", fact);
    }
}

/// Whether a server without `server/discover` answers so.
fn may_be_legacy(response: &Response) -> bool {
    matches!(response.status.as_u16(), 400 | 404 | 405 | 406 | 422) && response.message().is_none()
}

/// How far this machine's clock differs from the server's, if it does.
fn clock_skew(response: &Response) -> Option<Duration> {
    let theirs = httpdate::parse_http_date(response.header("date")).ok()?;
    let now = SystemTime::now();
    let skew = now.duration_since(theirs).or_else(|_| theirs.duration_since(now)).ok()?;
    (skew > CLOCK).then_some(skew)
}

fn not_mcp(way: &Way<'_>, response: &Response) -> Cause {
    if status::is_page(response) {
        return status::page(way, response);
    }
    let said = status::said(response);
    let sentence = format!("what answers at this address is no MCP server{said}");
    Cause::new(Code::NotMcp, sentence, "check the URL against the server's documentation; often it ends with /mcp")
}

/// What the server has answered to the first request, and what another era says.
async fn opened(way: &Way<'_>, talk: &mut Talk<'_>, response: Response, steps: &mut Steps) -> Result<Value, Failed> {
    if let Some(result) = response.member("result").filter(Value::is_object) {
        if talk.is_modern() {
            return Ok(modern_result(&result));
        }
        let revision = result["protocolVersion"].as_str().unwrap_or_default();
        talk.set_session(&response, revision);
        return Ok(result);
    }
    let protocol = way.settings.upstream.protocol;
    let refusal = status::refusal(&response);
    if talk.is_http_sse() {
        return Err(refused(way, &refusal, steps));
    }
    // Of the other era?
    let was_modern = talk.is_modern();
    talk.become_modern(!was_modern);
    let other = if was_modern {
        talk.request("initialize", &Talk::initialize()).await.ok()
    } else {
        talk.request("server/discover", "{}").await.ok()
    };
    let result = other.as_ref().and_then(|other| other.member("result")).filter(|result| {
        if was_modern { result["protocolVersion"].is_string() } else { is_discover_result(&result.to_string()) }
    });
    match (result, protocol) {
        (Some(result), Protocol::Auto) => Ok(modern_result(&result)),
        (Some(result), _) => {
            let (speaks, option) = if was_modern {
                if let Some(other) = &other {
                    talk.set_session(other, result["protocolVersion"].as_str().unwrap_or_default());
                }
                ("revisions with a handshake", "--protocol modern")
            } else {
                ("2026-07-28", "--protocol legacy")
            };
            let sentence = format!("{} speaks only {speaks}, which {option} excludes", way.host);
            let fix = format!("mcp-ferry doctor {} --protocol auto", way.url);
            Err(steps.fail("mcp", "the other era", Cause::new(Code::Era, sentence, fix)))
        }
        (None, _) => Err(refused(way, &refusal, steps)),
    }
}

/// The result of `server/discover` in the shape of that of `initialize`.
fn modern_result(discovered: &Value) -> Value {
    let revision =
        discovered["supportedVersions"].as_array().and_then(|versions| versions.iter().filter_map(Value::as_str).max());
    let mut result = discovered.clone();
    if let (Some(revision), Some(object)) = (revision, result.as_object_mut()) {
        object.insert("protocolVersion".to_owned(), revision.into());
    }
    result
}

fn refused(way: &Way<'_>, refusal: &str, steps: &mut Steps) -> Failed {
    let sentence = format!("{} refuses to begin a session: {refusal}", way.host);
    let fix = "check the URL and the headers against the server's documentation";
    steps.fail("mcp", "refused", Cause::new(Code::McpRefused, sentence, fix))
}
