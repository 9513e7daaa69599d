//! The behavior of the tools.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use futures_util::future::try_join_all;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, InputRequiredResult, ServerRequest,
};
use rmcp::service::ServiceError;
use serde_json::{Map, Value, json};

use crate::{Context, Server, made};

const LEVELS: [&str; 4] = ["debug", "info", "warning", "error"];
static CANCELLED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Why a tool has no result.
enum Stop {
    /// These input requests must be answered first; the state holds the responses so far.
    InputRequired(Value, String),
    Failed(ErrorData),
}

impl From<ErrorData> for Stop {
    fn from(error: ErrorData) -> Self {
        Self::Failed(error)
    }
}

impl From<ServiceError> for Stop {
    fn from(error: ServiceError) -> Self {
        Self::Failed(ErrorData::internal_error(error.to_string(), None))
    }
}

/// The client as a tool sees it.
struct Peer<'a> {
    server: &'a Server,
    context: &'a Context,
    modern: bool,
    /// The responses of all rounds so far, as text.
    answers: Map<String, Value>,
}

pub async fn call(
    server: &Server,
    request: CallToolRequestParams,
    context: &Context,
) -> Result<CallToolResponse, ErrorData> {
    let state = request.request_state.as_deref().unwrap_or("{}");
    let mut answers: Map<String, Value> = serde_json::from_str(state).unwrap_or_default();
    for (name, answer) in request.input_responses.iter().flatten() {
        answers.insert(name.clone(), json!(words(answer)));
    }
    let modern = context.protocol_version().is_some_and(|version| version.as_str() >= "2026-07-28");
    let peer = Peer { server, context, modern, answers };
    let given = Value::Object(request.arguments.unwrap_or_default());
    let said = match peer.call(&request.name, &given).await {
        Ok(said) => said,
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::InputRequired(questions, state)) => {
            return Ok(InputRequiredResult::new(Some(made(questions)?), Some(state)).into());
        }
    };
    let text = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
    let mut result = json!({ "content": [{ "type": "text", "text": text }], "isError": request.name == "fails" });
    if said.is_object() {
        result["structuredContent"] = said;
    }
    Ok(crate::result::<CallToolResult>(result)?.into())
}

impl Peer<'_> {
    async fn call(&self, name: &str, given: &Value) -> Result<Value, Stop> {
        let text = |name: &str| given[name].as_str().unwrap_or_default();
        Ok(match name {
            "echo" => given["text"].clone(),
            "structured" => json!({ "numbers": (0..given["count"].as_u64().unwrap_or(0)).collect::<Vec<_>>() }),
            "mirrored" => json!(format!("{} {}", text("region"), given["n"])),
            "fails" => json!("this tool always fails"),
            "ask" => json!(self.ask(&[("who", form(text("message")))]).await?[0]),
            "visit" => json!(self.ask(&[("page", visit(text("url")))]).await?[0]),
            "sample" => json!(self.ask(&[("said", sampling(text("prompt")))]).await?[0]),
            "roots" => json!(self.ask(&[("where", roots())]).await?[0]),
            "at_once" => json!(
                self.ask(&[("who", form("Who?")), ("said", sampling("hello")), ("where", roots())]).await?.join(" | ")
            ),
            "rounds" => self.rounds(given["count"].as_u64().unwrap_or(0)).await?,
            "progress" => self.progress(given["steps"].as_u64().unwrap_or(0)).await?,
            "log" => self.log().await?,
            "wait" => self.wait(text("key")).await?,
            "cancelled" => was_cancelled(text("key")).await,
            "change" => self.change(text("uri")).await?,
            _ => return Err(ErrorData::invalid_params(format!("no tool {name}"), None).into()),
        })
    }

    /// Sends all input requests at once and returns the responses as text.
    async fn ask(&self, questions: &[(&str, Value)]) -> Result<Vec<String>, Stop> {
        if self.modern {
            let known: Option<Vec<_>> =
                questions.iter().map(|(name, _)| Some(self.answers.get(*name)?.as_str()?.to_owned())).collect();
            return known.ok_or_else(|| {
                let questions = questions.iter().map(|(name, question)| ((*name).to_owned(), question.clone()));
                Stop::InputRequired(Value::Object(questions.collect()), json!(self.answers).to_string())
            });
        }
        let asked = questions.iter().map(async |(_, question)| {
            let request: ServerRequest = made(question.clone())?;
            Ok(words(&json!(self.context.peer.send_request(request).await?)))
        });
        try_join_all(asked).await
    }

    async fn rounds(&self, count: u64) -> Result<Value, Stop> {
        let mut answers = Vec::new();
        for round in 1..=count {
            let name = format!("round {round}");
            answers.extend(self.ask(&[(&name, form(&format!("Question {round}")))]).await?);
        }
        Ok(json!(answers.join(", ")))
    }

    async fn tell_progress(&self, mut told: Value) -> Result<(), Stop> {
        if let Some(token) = self.context.meta.get_progress_token() {
            told["progressToken"] = json!(token);
            self.context.peer.notify_progress(made(told)?).await?;
        }
        Ok(())
    }

    async fn progress(&self, steps: u64) -> Result<Value, Stop> {
        for step in 1..=steps {
            self.tell_progress(json!({ "progress": step, "total": steps, "message": format!("step {step}") })).await?;
        }
        Ok(json!("done"))
    }

    async fn log(&self) -> Result<Value, Stop> {
        let wanted = match self.modern {
            true => self.context.meta.log_level().map(|level| json!(level).as_str().unwrap_or_default().to_owned()),
            false => Some(self.server.level.lock().expect("a level").clone()),
        };
        let least = LEVELS.iter().position(|level| wanted.as_deref() == Some(level)).unwrap_or(LEVELS.len());
        for level in &LEVELS[least..] {
            let message = json!({ "level": level, "logger": "peer", "data": format!("a word at {level}") });
            self.context.peer.notify_logging_message(made(message)?).await?;
        }
        if !self.modern {
            // The SDK sends them on the session's stream, beside the response's stream, so a client that wants them for this
            // call alone might get them after its result.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(json!("logged"))
    }

    async fn wait(&self, key: &str) -> Result<Value, Stop> {
        self.tell_progress(json!({ "progress": 1, "message": "started" })).await?;
        self.context.ct.cancelled().await;
        CANCELLED.lock().expect("a set").insert(key.to_owned());
        Ok(json!("cancelled"))
    }

    async fn change(&self, uri: &str) -> Result<Value, Stop> {
        let peer = &self.context.peer;
        if self.modern {
            let _ = self.server.changed.send(uri.to_owned()); // an error means that there is no subscription
            return Ok(json!("changed"));
        }
        peer.notify_tool_list_changed().await?;
        peer.notify_prompt_list_changed().await?;
        peer.notify_resource_list_changed().await?;
        let subscribed = self.server.subscribed.lock().expect("a list").iter().any(|known| known == uri);
        if subscribed {
            peer.notify_resource_updated(made(json!({ "uri": uri }))?).await?;
        }
        Ok(json!("changed"))
    }
}

async fn was_cancelled(key: &str) -> Value {
    for _ in 0..100 {
        if CANCELLED.lock().expect("a set").contains(key) {
            return json!("true");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    json!("false")
}

fn form(message: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message, "requestedSchema": schema } })
}

fn visit(url: &str) -> Value {
    let params = json!({ "mode": "url", "message": "log in", "url": url, "elicitationId": "page" });
    json!({ "method": "elicitation/create", "params": params })
}

fn sampling(text: &str) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
    json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": 9 } })
}

fn roots() -> Value {
    json!({ "method": "roots/list" })
}

/// A response to any of these requests.
fn words(answer: &Value) -> String {
    if let Some(action) = answer["action"].as_str() {
        return answer["content"]["name"].as_str().map_or_else(|| action.to_owned(), |name| format!("{action} {name}"));
    }
    if let Some(roots) = answer["roots"].as_array() {
        return roots.iter().filter_map(|root| root["uri"].as_str()).collect::<Vec<_>>().join(" ");
    }
    let content = &answer["content"];
    content["text"].as_str().or(content[0]["text"].as_str()).unwrap_or_default().to_owned()
}
