//! What does the server return that serves us? The era and its revision, a session, the lists, the notification stream.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::steps::{Failed, Steps};
use super::talk::{Body, Response, Talk, Trouble};
use super::{Way, connect, elsewhere, login, status};
use crate::doctor::{Cause, Code};
use crate::log;
use crate::net::{HttpError, Unreachable};
use crate::translate::LEGACY_REVISIONS;
use crate::upstream::{Protocol, TransportStrategy, is_discover_result};

/// Clients exist that wait no longer than this for the first answer.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(2900);

/// How far a clock may be wrong before logins and certificates fail.
const CLOCK: Duration = Duration::from_secs(300);

/// How long the notification stream may take to begin.
const STREAM: Duration = Duration::from_secs(2);

/// The most parts of a list that are counted.
const MOST_PAGES: usize = 50;

/// How often a request is repeated in a session that the server has lost.
const TRIES: usize = 3;

pub(super) async fn walk(way: &Way<'_>, talk: &mut Talk<'_>, steps: &mut Steps) -> Result<(), Failed> {
    steps.begin();
    let options = &way.settings.upstream;
    if options.transport == TransportStrategy::SseOnly || options.transport == TransportStrategy::SseFirst {
        let server = way.server().clone();
        if talk.open_stream(&server).await.is_some() {
            steps.ok("http", "an event stream of HTTP+SSE");
        }
    }
    let Some(result) = open(way, talk, steps).await? else { return Ok(()) };
    let revision = result["protocolVersion"].as_str().unwrap_or_default().to_owned();
    served(talk, &result, &revision, steps);
    if !talk.is_modern() {
        talk.notify("notifications/initialized").await.ok();
    }
    let capabilities = &result["capabilities"];
    for (name, method) in [("tools", "tools/list"), ("resources", "resources/list"), ("prompts", "prompts/list")] {
        if capabilities.get(name).is_none() {
            no_list(way, name, steps);
        } else {
            count(way, talk, name, method, steps).await?;
        }
    }
    stream(way, talk, steps).await;
    Ok(())
}

/// Opens a session: the result of `initialize` or `server/discover`. `None`: a login that a program would renew.
async fn open(way: &Way<'_>, talk: &mut Talk<'_>, steps: &mut Steps) -> Result<Option<Value>, Failed> {
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
    let fix = format!("mcp-ferry doctor {}", log::shell_word(&log::redact(&secure)));
    speaks_tls.then(|| Cause::new(Code::BadUrl, sentence, fix))
}

/// The step of the first response, with what it warns of.
fn write_http(way: &Way<'_>, talk: &Talk<'_>, response: &Response, waited: Duration, steps: &mut Steps) {
    let fact = status::fact(response);
    let skew = clock_skew(response);
    if talk.has_moved {
        let to = log::redact(&talk.uri.to_string());
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
    let refusal = refusal(&response);
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

/// The error of a response in words.
fn refusal(response: &Response) -> String {
    let error = response.member("error").unwrap_or_default();
    match error["message"].as_str() {
        Some(text) => format!("{} ({})", log::foreign(text), error["code"]),
        None if matches!(&response.body, Body::Other(_)) => "no answer came on the stream".to_owned(),
        None => "an answer without a result".to_owned(),
    }
}

fn refused(way: &Way<'_>, refusal: &str, steps: &mut Steps) -> Failed {
    let sentence = format!("{} refuses to begin a session: {refusal}", way.host);
    let fix = "check the URL and the headers against the server's documentation";
    steps.fail("mcp", "refused", Cause::new(Code::McpRefused, sentence, fix))
}

/// The step about what the server is.
fn served(talk: &Talk<'_>, result: &Value, revision: &str, steps: &mut Steps) {
    let info = if result["serverInfo"].is_object() {
        &result["serverInfo"]
    } else {
        &result["_meta"]["io.modelcontextprotocol/serverInfo"]
    };
    let text = |name: &str| info[name].as_str().map(log::foreign_name).unwrap_or_default();
    let name = format!("{} {}", text("name"), text("version"));
    let name = Some(name.trim()).filter(|name| !name.is_empty()).unwrap_or("a server without a name").to_owned();
    let session = match (talk.is_modern(), talk.has_session()) {
        (true, _) => "no sessions in this era",
        (_, true) => "with a session",
        _ if talk.is_http_sse() => "a session for each stream",
        _ => "without a session",
    };
    let odd = if talk.is_modern() || LEGACY_REVISIONS.contains(&revision) { "" } else { ", a revision not known here" };
    steps.ok("mcp", format!("{name}, {}{odd}, {session}", log::foreign_name(revision)));
}

fn no_list(way: &Way<'_>, name: &str, steps: &mut Steps) {
    if name != "tools" {
        return steps.note(name, "none");
    }
    steps.begin();
    let sentence = format!("{} declares no tools; clients show an empty server", way.host);
    let fix = "check that the URL, the account and the login are those with the tools";
    steps.warn(name, "none", Cause::new(Code::NoTools, sentence, fix));
}

/// Counts a list.
async fn count(way: &Way<'_>, talk: &mut Talk<'_>, name: &str, method: &str, steps: &mut Steps) -> Result<(), Failed> {
    steps.begin();
    let (mut total, mut cursor) = (0, None::<String>);
    for _ in 0..MOST_PAGES {
        let params = cursor.as_ref().map(|cursor| serde_json::json!({ "cursor": cursor }).to_string());
        let params = params.as_deref().unwrap_or("{}");
        let response = match tokio::time::timeout(steps.time_left(), talk.request(method, params)).await {
            Ok(Ok(response)) => response,
            Ok(Err(Trouble::Silent)) | Err(_) => return Err(steps.too_slow(name, &way.host)),
            Ok(Err(trouble)) => return Err(list_failed(way, name, &words(trouble), steps)),
        };
        if !response.status.is_success() {
            return Err(lost(way, talk, name, (method, params), &response, steps).await);
        }
        let result = response.member("result").unwrap_or_default();
        let Some(list) = result[name].as_array() else {
            return Err(list_failed(way, name, &refusal(&response), steps));
        };
        total += list.len();
        let next = result["nextCursor"].as_str().map(str::to_owned);
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    match total {
        0 if name == "tools" => {
            let sentence = format!("{} lists no tools; clients show an empty server", way.host);
            let fix = "check that the account and the login are those with the tools";
            steps.warn(name, "none", Cause::new(Code::NoTools, sentence, fix));
        }
        total => steps.ok(name, total.to_string()),
    }
    Ok(())
}

fn words(trouble: Trouble) -> String {
    match trouble {
        Trouble::Http(error) => error.to_string(),
        Trouble::Credential(why) => why,
        Trouble::Silent => "no answer".to_owned(),
    }
}

fn list_failed(way: &Way<'_>, name: &str, why: &str, steps: &mut Steps) -> Failed {
    let sentence = format!("{} does not list its {name}: {why}", way.host);
    steps.fail(name, "no list", Cause::new(Code::ListFails, sentence, "tell the server's operator"))
}

/// The cause of an HTTP error within a session.
async fn lost(
    way: &Way<'_>,
    talk: &mut Talk<'_>,
    name: &str,
    (method, params): (&str, &str),
    response: &Response,
    steps: &mut Steps,
) -> Failed {
    let fact = status::fact(response);
    if !matches!(response.status.as_u16(), 400 | 404) || !talk.has_session() {
        return match response.message() {
            Some(_) => list_failed(way, name, &refusal(response), steps),
            None => steps.fail(name, fact, status::cause(way, response)),
        };
    }
    let mut served = 0;
    for _ in 0..TRIES {
        let again = tokio::time::timeout(steps.time_left(), talk.request(method, params)).await;
        served += usize::from(matches!(again, Ok(Ok(response)) if response.status.is_success()));
    }
    let said = status::said(response);
    if served > 0 {
        let (tries, host) = (TRIES + 1, &way.host);
        let sentence = format!(
            "{host} knows its session in {served} of {tries} requests: several servers stand behind the address and share none{said}"
        );
        let fix = "ask the operator for sticky sessions at the load balancer, or for sessions that all servers share";
        return steps.fail(name, fact, Cause::new(Code::Sticky, sentence, fix));
    }
    let sentence =
        format!("{} forgets the session that it has just opened ({}){said}", way.host, response.status.as_u16());
    let fix = "ask the server's operator; the server must keep sessions, or give none an id";
    steps.fail(name, fact, Cause::new(Code::SessionLost, sentence, fix))
}

/// The notification stream, and how long a round trip takes.
async fn stream(way: &Way<'_>, talk: &mut Talk<'_>, steps: &mut Steps) {
    let method = if talk.is_modern() { "server/discover" } else { "ping" };
    let begun = Instant::now();
    let pinged = tokio::time::timeout(steps.time_left(), talk.request(method, "{}")).await;
    let trip = matches!(pinged, Ok(Ok(_))).then(|| format!(", a round trip takes {} ms", begun.elapsed().as_millis()));
    let trip = trip.unwrap_or_default();
    if talk.is_modern() || talk.is_http_sse() {
        let kind = if talk.is_modern() { "asked for with each subscription" } else { "the session's own" };
        return steps.note("stream", format!("{kind}{trip}"));
    }
    steps.begin();
    let uri = talk.uri.clone();
    match tokio::time::timeout(STREAM.min(steps.time_left()), talk.get(&uri)).await {
        Ok(Ok((response, Some(_)))) if response.header("content-length").is_empty() => {
            steps.ok("stream", format!("notifications come{trip}"));
        }
        Ok(Ok((response, None))) if response.status == 405 => {
            steps.ok("stream", format!("the server has none (405){trip}"));
        }
        Ok(Ok((response, None))) => {
            steps.ok("stream", format!("none ({}){trip}", response.status.as_u16()));
        }
        Ok(Err(trouble)) => steps.ok("stream", format!("none: {}{trip}", words(trouble))),
        Ok(Ok(_)) | Err(_) => {
            let sentence = format!(
                "the notification stream of {} does not begin: something before the server holds it back",
                way.host
            );
            let fix = "switch buffering off before the server (nginx: proxy_buffering off)";
            steps.warn("stream", format!("no head{trip}"), Cause::new(Code::Buffered, sentence, fix));
        }
    }
}
