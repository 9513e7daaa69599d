//! What does a server return that serves us? Its name and revision, its lists, its notification stream.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::context::Way;
use super::open::open;
use super::steps::{Failed, Steps};
use super::talk::{Response, Talk, Trouble};
use super::{login, status};
use crate::doctor::{Cause, Code};
use crate::log;
use crate::translate::LEGACY_REVISIONS;
use crate::translate::to_modern::NotificationFilter;
use crate::upstream::TransportStrategy;

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
        } else if !count(way, talk, name, method, steps).await? {
            return Ok(());
        }
    }
    stream(way, talk, &NotificationFilter::of(&result.to_string()), steps).await;
    Ok(())
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
    steps.note("mcp", format!("{name}, {}{odd}, {session}", log::foreign_name(revision)));
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

/// Counts a list. False: it wants a login that a program would renew.
async fn count(
    way: &Way<'_>,
    talk: &mut Talk<'_>,
    name: &str,
    method: &str,
    steps: &mut Steps,
) -> Result<bool, Failed> {
    steps.begin();
    let (mut total, mut hidden, mut cursor) = (0, 0, None::<String>);
    for _ in 0..MOST_PAGES {
        let params = cursor.as_ref().map(|cursor| serde_json::json!({ "cursor": cursor }).to_string());
        let params = params.as_deref().unwrap_or("{}");
        let response = match tokio::time::timeout(steps.time_left(), talk.request(method, params)).await {
            Ok(Ok(response)) => response,
            Ok(Err(Trouble::Silent)) | Err(_) => return Err(steps.too_slow(name, &way.host)),
            Ok(Err(trouble)) => return list_failed(way, name, &words(trouble), steps).map(|()| true),
        };
        // Some servers want a login only now.
        if response.status == 401 {
            return login::refused(way, talk, &response, steps).await.map(|()| false);
        }
        if !response.status.is_success() {
            return lost(way, talk, name, (method, params), &response, steps).await.map(|()| true);
        }
        let result = response.member("result").unwrap_or_default();
        let Some(list) = result[name].as_array() else {
            return list_failed(way, name, &status::refusal(&response), steps).map(|()| true);
        };
        total += list.len();
        if name == "tools" {
            hidden += list.iter().filter(|tool| is_hidden(way, tool)).count();
        }
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
        total if total == hidden && total > 0 => {
            let sentence = format!("your filters hide all {total} tools of {}", way.host);
            let fix = "change --allow-tool, --ignore-tool or --read-only";
            steps.warn(name, "all hidden", Cause::new(Code::NoTools, sentence, fix));
        }
        total if hidden > 0 => steps.ok(name, format!("{total}, {hidden} of them hidden by your filters")),
        total => steps.ok(name, total.to_string()),
    }
    Ok(true)
}

fn is_hidden(way: &Way<'_>, tool: &Value) -> bool {
    let rules = way.settings.bridge.tools.as_ref();
    let is_read_only = tool["annotations"]["readOnlyHint"] == true;
    rules.is_some_and(|rules| rules.hide(tool["name"].as_str().unwrap_or_default(), is_read_only))
}

fn words(trouble: Trouble) -> String {
    match trouble {
        Trouble::Http(error) => error.to_string(),
        Trouble::Credential(why) => why,
        Trouble::Silent => "no answer".to_owned(),
    }
}

/// Tools are what a server is for; without another list it still serves.
fn list_failed(way: &Way<'_>, name: &str, why: &str, steps: &mut Steps) -> Result<(), Failed> {
    let sentence = format!("{} does not list its {name}: {why}", way.host);
    let cause = Cause::new(Code::ListFails, sentence, "tell the server's operator");
    if name == "tools" {
        return Err(steps.fail(name, "no list", cause));
    }
    steps.warn(name, "no list", cause);
    Ok(())
}

/// The cause of an HTTP error within a session.
async fn lost(
    way: &Way<'_>,
    talk: &mut Talk<'_>,
    name: &str,
    (method, params): (&str, &str),
    response: &Response,
    steps: &mut Steps,
) -> Result<(), Failed> {
    let fact = status::fact(response);
    if !matches!(response.status.as_u16(), 400 | 404) || !talk.has_session() {
        return match response.message() {
            Some(_) => list_failed(way, name, &status::refusal(response), steps),
            None if name != "tools" => list_failed(way, name, &fact, steps),
            None => Err(steps.fail(name, fact, status::cause(way, response))),
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
        return Err(steps.fail(name, fact, Cause::new(Code::Sticky, sentence, fix)));
    }
    let sentence =
        format!("{} forgets the session that it has just opened ({}){said}", way.host, response.status.as_u16());
    let fix = "ask the server's operator; the server must keep sessions, or give none an id";
    Err(steps.fail(name, fact, Cause::new(Code::SessionLost, sentence, fix)))
}

/// The notification stream, and how long a round trip takes. It is closed once it has begun.
async fn stream(way: &Way<'_>, talk: &mut Talk<'_>, declared: &NotificationFilter, steps: &mut Steps) {
    let method = if talk.is_modern() { "server/discover" } else { "ping" };
    let begun = Instant::now();
    let pinged = tokio::time::timeout(steps.time_left(), talk.request(method, "{}")).await;
    let trip = matches!(pinged, Ok(Ok(_))).then(|| format!(", a round trip takes {} ms", begun.elapsed().as_millis()));
    let trip = trip.unwrap_or_default();
    if talk.is_http_sse() {
        return steps.note("stream", format!("the session's own{trip}"));
    }
    if talk.is_modern() && declared.is_empty() {
        return steps.note("stream", format!("none: the server declares no notifications{trip}"));
    }
    steps.begin();
    let opening = async {
        if talk.is_modern() {
            return talk.listen(declared).await;
        }
        let uri = talk.uri.clone();
        talk.get(&uri).await.map(|(response, stream)| (response, stream.is_some()))
    };
    match tokio::time::timeout(STREAM.min(steps.time_left()), opening).await {
        Ok(Ok((response, true))) if response.header("content-length").is_empty() => {
            steps.ok("stream", format!("notifications come{trip}"));
        }
        Ok(Ok((response, false))) if response.status == 405 => {
            steps.ok("stream", format!("the server has none (405){trip}"));
        }
        Ok(Ok((response, false))) => {
            let why = match response.message() {
                None if !response.status.is_success() => format!(" ({})", response.status.as_u16()),
                _ => format!(": {}", status::refusal(&response)),
            };
            steps.ok("stream", format!("none{why}{trip}"));
        }
        Ok(Err(trouble)) => steps.ok("stream", format!("none: {}{trip}", words(trouble))),
        Ok(Ok(_)) | Err(_) => {
            let sentence = format!(
                "the notification stream of {} does not begin: something before the server holds it back",
                way.host
            );
            let fix = "switch buffering off before the server (nginx: proxy_buffering off)";
            steps.warn("stream", format!("no beginning{trip}"), Cause::new(Code::Buffered, sentence, fix));
        }
    }
}
