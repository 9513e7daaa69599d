//! What becomes of a legacy client's request until its one response, through the rounds that a modern server needs
//! ("Multi Round-Trip Requests", "Tasks")?

use std::time::Duration;

use serde_json::json;

use super::input_requests::{CallError, InputRequests, VisitedUrl};
use super::task::{Status, Task};
use super::{ClientContext, results};
use crate::message::{self, Change, Kind, Members, Message, code};

/// The highest number of rounds with input requests in one call.
const MOST_ROUNDS: u32 = 32;

/// The highest number of rounds without input requests, in which the server wants only its state back.
const MOST_BARE_ROUNDS: u32 = 100;

/// The longest pause before a request is sent again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The code of an error for an invalid response; see [`crate::upstream::Failure`].
const INVALID_RESPONSE: i64 = -31006;

/// A request of the client's.
#[derive(Debug)]
pub(crate) struct Call {
    request: Message,
    raw_id: Box<str>,
    method: Box<str>,
    /// JSON text.
    progress_token: Option<Box<str>>,
    /// The progress that the client has been sent.
    last_progress: f64,
    rounds: u32,
    bare_rounds: u32,
    visited: Vec<VisitedUrl>,
    state: State,
}

#[derive(Debug)]
enum State {
    Sent,
    /// The input requests are at the client. The server gets its `requestState` (JSON text) back.
    InputRequired(InputRequests, Option<String>),
    Task(Box<Task>),
    /// The server has nothing more to do.
    Over,
}

/// What the caller must do next.
#[derive(Debug)]
pub(crate) struct Step {
    /// First, send the client these requests and notifications.
    pub(crate) to_client: Vec<Message>,
    pub(crate) next: Next,
}

#[derive(Debug)]
pub(crate) enum Next {
    /// Send this to the server after a pause. Then call [`Call::server_response`] or [`Call::server_unreachable`].
    Post(Message, Duration),
    /// Wait for [`Call::client_response`]. If there is a time, call [`Call::timeout`] after it.
    Wait(Option<Duration>),
    Answer(Message),
}

impl Call {
    pub(crate) fn start(context: ClientContext<'_>, request: &Message) -> (Self, Step) {
        let raw_id: Box<str> = request.raw_id().unwrap_or("null").into();
        let meta = request.params().and_then(|params| params.object("_meta"));
        let call = Self {
            request: request.clone(),
            method: request.method().unwrap_or_default().into(),
            progress_token: meta.and_then(|meta| meta.get("progressToken").map(Box::from)),
            last_progress: f64::NEG_INFINITY,
            rounds: 0,
            bare_rounds: 0,
            visited: Vec::new(),
            state: State::Sent,
            raw_id,
        };
        let own_id = (!is_modern_id(&call.raw_id)).then(|| context.ids.next_id());
        let message = context.client.with_meta(request, own_id.as_deref(), &[]);
        (call, Next::Post(message, Duration::ZERO).into())
    }

    /// The server has answered the last [`Next::Post`].
    pub(crate) fn server_response(&mut self, context: ClientContext<'_>, response: &Message) -> Step {
        let Kind::Response { is_error: false, .. } = response.kind() else { return self.server_error(response) };
        let Some(result) = response.members().and_then(|members| members.object("result")) else {
            // No method has such a result, but the client gets it.
            return self.answer(response);
        };
        let step = match &self.state {
            State::Task(_) => self.task_response(context, &result),
            _ => match result.get("resultType").map(unquoted).as_deref() {
                None | Some("complete") => Ok(self.complete(response)),
                Some("input_required") => self.input_required(context, &result),
                Some("task") if context.client.takes_tasks => self.became_task(context, &result),
                Some(other) => Err(invalid(&format!("the result type {other} is unknown, or was not negotiated"))),
            },
        };
        step.unwrap_or_else(|error| self.fail(&error))
    }

    pub(crate) fn client_response(&mut self, context: ClientContext<'_>, response: &Message) -> Step {
        let input_requests = match &mut self.state {
            State::InputRequired(input_requests, _) => input_requests,
            State::Task(task) => &mut task.input_requests,
            State::Sent | State::Over => return Next::Wait(None).into(),
        };
        match input_requests.client_response(response) {
            Ok(url) => self.visited.extend(url),
            Err(error) => return self.fail(&error),
        }
        self.proceed(context)
    }

    /// The time of the last [`Next::Wait`] is over.
    pub(crate) fn timeout(&mut self, context: ClientContext<'_>) -> Step {
        self.poll(context, Duration::ZERO)
    }

    /// The server has not answered the last [`Next::Post`], for a temporary reason. `None`: the call fails.
    pub(crate) fn server_unreachable(&mut self, context: ClientContext<'_>) -> Option<Step> {
        let State::Task(task) = &mut self.state else { return None };
        // A poll may be repeated; input responses may have arrived.
        if task.is_updating {
            return None;
        }
        let pause = task.poll_failed()?;
        Some(self.poll(context, pause))
    }

    /// Whether a message that the server sent on the response stream goes to the client.
    pub(crate) fn is_for_client(&mut self, message: &Message) -> bool {
        match message.kind() {
            Kind::Notification { method } if &**method == "notifications/progress" => {
                let progress = message.params().and_then(|params| params.get("progress")?.parse::<f64>().ok());
                // Progress must grow, but the server begins again in each round.
                let grows = progress.is_none_or(|progress| progress > self.last_progress);
                self.last_progress = self.last_progress.max(progress.unwrap_or(f64::NEG_INFINITY));
                grows || self.rounds + self.bare_rounds == 0
            }
            Kind::Notification { .. } => true,
            _ => false,
        }
    }

    /// The call is over. Returns what the client and the server must still be sent.
    pub(crate) fn close(&mut self, context: ClientContext<'_>) -> (Vec<Message>, Option<Message>) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::InputRequired(mut input_requests, _) => (input_requests.cancel(), None),
            State::Task(mut task) => (task.input_requests.cancel(), Some(task.request(context, "tasks/cancel"))),
            State::Sent | State::Over => (Vec::new(), None),
        }
    }

    fn input_required(&mut self, context: ClientContext<'_>, result: &Members<'_>) -> Result<Step, CallError> {
        let state = result.get("requestState").map(str::to_owned);
        let requests = result.object("inputRequests").filter(|requests| !requests.is_empty());
        if requests.is_none() && state.is_none() {
            return Err(invalid("the result requires input, but has no input requests"));
        }
        let mut input_requests = InputRequests::default();
        let to_client = match &requests {
            Some(requests) => input_requests.put(context, requests, |_| true, &self.visited)?,
            None => Vec::new(),
        };
        // If the user has visited the URL before, the round counts as bare: the server waits for the user.
        if to_client.is_empty() {
            self.bare_rounds += 1;
        } else {
            self.rounds += 1;
        }
        if self.rounds > MOST_ROUNDS || self.bare_rounds > MOST_BARE_ROUNDS {
            return Err(invalid("the server requires input again and again"));
        }
        self.state = State::InputRequired(input_requests, state);
        Ok(Step { to_client, ..self.proceed(context) })
    }

    /// Sends the input responses to the server when the client has answered all input requests.
    fn proceed(&mut self, context: ClientContext<'_>) -> Step {
        match &mut self.state {
            State::InputRequired(input_requests, state) if input_requests.is_settled() => {
                let responses = input_requests.has_responses().then(|| input_requests.take_responses());
                let changes = [
                    ("inputResponses", responses.as_deref().map_or(Change::Remove, Change::Set)),
                    ("requestState", state.as_deref().map_or(Change::Remove, Change::Set)),
                ];
                let retry = context.client.with_meta(&self.request, Some(&context.ids.next_id()), &changes);
                self.state = State::Sent;
                Next::Post(retry, pause(self.bare_rounds)).into()
            }
            State::Task(task) if task.input_requests.is_settled() && task.input_requests.has_responses() => {
                task.is_updating = true;
                Next::Post(task.update(context), Duration::ZERO).into()
            }
            State::Task(task) => Next::Wait(Some(task.interval)).into(),
            State::InputRequired(..) | State::Sent | State::Over => Next::Wait(None).into(),
        }
    }

    fn became_task(&mut self, context: ClientContext<'_>, result: &Members<'_>) -> Result<Step, CallError> {
        let mut task = Task::of(result).ok_or_else(|| invalid("the task has no id"))?;
        let news = task.new_status_text(result);
        let pause = task.first_pause(result);
        self.state = State::Task(Box::new(task));
        let to_client = self.task_progress(news).into_iter().collect();
        Ok(Step { to_client, ..self.poll(context, pause) })
    }

    /// Asks for the state of the task after a pause.
    fn poll(&mut self, context: ClientContext<'_>, pause: Duration) -> Step {
        let State::Task(task) = &mut self.state else { return Next::Wait(None).into() };
        task.is_updating = false;
        Next::Post(task.request(context, "tasks/get"), pause).into()
    }

    /// The server has answered `tasks/get` or `tasks/update`.
    fn task_response(&mut self, context: ClientContext<'_>, result: &Members<'_>) -> Result<Step, CallError> {
        let State::Task(task) = &mut self.state else { return Ok(Next::Wait(None).into()) };
        if task.is_updating {
            let interval = task.interval;
            return Ok(self.poll(context, interval));
        }
        let news = task.new_status_text(result);
        match task.status(result).ok_or_else(|| invalid("the task has no known status"))? {
            Status::Completed(result) => {
                let legacy = results::legacy_result(&self.method, result);
                let response = message::result(&self.raw_id, legacy.as_deref().unwrap_or(result));
                Ok(self.complete(&response))
            }
            Status::Failed(error) => {
                self.task_ended();
                Ok(self.answer(&message::error_text(&self.raw_id, error)))
            }
            Status::Cancelled => {
                self.task_ended();
                Err(CallError(code::INTERNAL_ERROR, "the server has cancelled the task of this call".to_owned()))
            }
            Status::WithoutOutcome(why) => {
                self.task_ended();
                Err(invalid(why))
            }
            Status::Working => Ok(self.task_goes_on(context, news, Vec::new())),
            Status::InputRequired(requests) => {
                let known = &task.known_keys;
                let is_new = |key: &str| !known.contains(key);
                let to_client = task.input_requests.put(context, &requests, is_new, &self.visited)?;
                task.known_keys.extend(requests.iter().map(|(key, _)| key.to_owned()));
                Ok(self.task_goes_on(context, news, to_client))
            }
        }
    }

    fn task_goes_on(&mut self, context: ClientContext<'_>, news: Option<String>, requests: Vec<Message>) -> Step {
        let to_client = self.task_progress(news).into_iter().chain(requests).collect();
        let step = match &self.state {
            State::Task(task) if task.input_requests.is_settled() && !task.input_requests.has_responses() => {
                let interval = task.interval;
                self.poll(context, interval)
            }
            _ => self.proceed(context),
        };
        Step { to_client, ..step }
    }

    /// The task has ended at the server. Only input requests may still be open.
    fn task_ended(&mut self) {
        if let State::Task(task) = &mut self.state {
            self.state = State::InputRequired(std::mem::take(&mut task.input_requests), None);
        }
    }

    /// The call is successful. Legacy clients are told that the URLs are done.
    fn complete(&mut self, response: &Message) -> Step {
        self.task_ended();
        let to_client = self.visited.drain(..).map(|url| url.complete()).collect();
        Step { to_client, ..self.answer(response) }
    }

    fn server_error(&mut self, response: &Message) -> Step {
        // A task that the server does not know has ended. One that could not be updated has not.
        if let State::Task(task) = &self.state
            && !task.is_updating
        {
            self.task_ended();
        }
        self.answer(response)
    }

    /// The status text of a task as progress.
    fn task_progress(&mut self, text: Option<String>) -> Option<Message> {
        let (token, text) = (self.progress_token.as_ref()?, text?);
        self.last_progress = if self.last_progress.is_finite() { self.last_progress + 1.0 } else { 1.0 };
        let (progress, text) = (self.last_progress, json!(text));
        let params = format!(r#"{{"progressToken":{token},"progress":{progress},"message":{text}}}"#);
        Some(message::notification("notifications/progress", &params))
    }

    fn answer(&self, response: &Message) -> Step {
        Next::Answer(results::legacy_response(&self.method, response, &self.raw_id)).into()
    }

    fn fail(&self, CallError(code, why): &CallError) -> Step {
        Next::Answer(message::error(&self.raw_id, *code, why, None)).into()
    }
}

impl From<Next> for Step {
    fn from(next: Next) -> Self {
        Self { to_client: Vec::new(), next }
    }
}

/// The pause before a bare round. It grows from the second such round on.
fn pause(bare_rounds: u32) -> Duration {
    match bare_rounds {
        0 | 1 => Duration::ZERO,
        more => (Duration::from_millis(100) * 2u32.saturating_pow(more.min(16) - 2)).min(LONGEST_PAUSE),
    }
}

/// Legacy clients may use the id `null` or 1.5, which modern servers refuse.
fn is_modern_id(raw_id: &str) -> bool {
    raw_id.starts_with('"') || raw_id.parse::<i64>().is_ok_and(|id| id.unsigned_abs() < 1 << 53)
}

/// The text of a string; any other value stays JSON, which is not a known name.
fn unquoted(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

fn invalid(why: &str) -> CallError {
    CallError(INVALID_RESPONSE, format!("the server's response is invalid: {why}"))
}
