//! One request of a legacy client's until its one answer, through the rounds that a modern server makes of it ("Multi
//! Round-Trip Requests", "Tasks").

use std::time::Duration;

use serde_json::json;

use super::questions::{Page, Refused, Round};
use super::task::{Status, Task};
use super::{ClientContext, results};
use crate::message::{self, Kind, Message};
use crate::message::{Change, Members};

/// A server that asks again and again in one call is not asked again after this.
const MOST_ROUNDS: u32 = 32;

/// How often a server may want to be asked again without a question.
const MOST_BARE: u32 = 100;

/// The longest pause before it is.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Call {
    /// As the client wrote it.
    request: Message,
    raw_id: Box<str>,
    method: Box<str>,
    progress: Progress,
    rounds: u32,
    bare: u32,
    visited: Vec<Page>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It is with the server.
    Sent,
    /// The server's questions are with the client. With the answers goes the server's own state, JSON text.
    Asked(Round, Option<String>),
    Task(Box<Task>),
    Over,
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) struct Step {
    /// Requests and notifications for the client, first.
    pub(crate) tell: Vec<Message>,
    pub(crate) then: Next,
}

/// And then.
#[derive(Debug)]
pub(crate) enum Next {
    /// Send this to the server after a pause; [`Call::server_says`] wants the answer, [`Call::server_is_lost`] its
    /// absence.
    Post(Message, Duration),
    /// [`Call::client_says`] wants an answer of the client's; [`Call::is_due`] comes after this time, if there is one.
    Wait(Option<Duration>),
    /// This is the answer.
    Answer(Message),
}

/// What the client has heard of how it goes.
#[derive(Debug)]
struct Progress {
    /// JSON text.
    token: Option<Box<str>>,
    last: f64,
}

impl Call {
    /// Begins with what the client sent.
    pub(crate) fn begin(context: ClientContext<'_>, request: &Message) -> (Self, Step) {
        let raw_id: Box<str> = request.raw_id().unwrap_or("null").into();
        let method: Box<str> = request.method().unwrap_or_default().into();
        let own = Members::of(request.as_str()).and_then(|members| members.object("params")?.object("_meta"));
        let token = own.and_then(|own| own.get("progressToken").map(Box::from));
        let call = Self {
            request: request.clone(),
            raw_id,
            method,
            progress: Progress { token, last: f64::NEG_INFINITY },
            rounds: 0,
            bare: 0,
            visited: Vec::new(),
            state: State::Sent,
        };
        let own_id = (!is_modern_id(&call.raw_id)).then(|| context.ids.next());
        let post = context.client.with_meta(request, own_id.as_deref(), &[]);
        (call, Step { tell: Vec::new(), then: Next::Post(post, Duration::ZERO) })
    }

    /// Takes the server's answer to what was posted.
    pub(crate) fn server_says(&mut self, context: ClientContext<'_>, answer: &Message) -> Step {
        let Kind::Response { is_error: false, .. } = answer.kind() else { return self.refused_by_server(answer) };
        let members = Members::of(answer.as_str());
        let Some(result) = members.and_then(|members| members.object("result")) else {
            // Not an object, which no method promises; but it is what the server says.
            return Step::over(results::settle(&self.method, answer, &self.raw_id));
        };
        let step = match &self.state {
            State::Task(_) => self.looked_at(context, &result),
            _ => match result.get("resultType").map(unquoted).as_deref() {
                None | Some("complete") => Ok(self.complete(results::settle(&self.method, answer, &self.raw_id))),
                Some("input_required") => self.input_required(context, &result),
                Some("task") if context.client.takes_tasks() => self.became_task(context, &result),
                Some(other) => Err(unfit(&format!("a result of the type {other}, which was not agreed on"))),
            },
        };
        step.unwrap_or_else(|refused| self.fail(&refused))
    }

    /// Takes an answer of the client's to one of the questions.
    pub(crate) fn client_says(&mut self, context: ClientContext<'_>, answer: &Message) -> Step {
        let round = match &mut self.state {
            State::Asked(round, _) => round,
            State::Task(task) => &mut task.round,
            State::Sent | State::Over => return Step::wait(None),
        };
        match round.answer(answer) {
            Ok(page) => self.visited.extend(page),
            Err(refused) => return self.fail(&refused),
        }
        self.go_on(context).unwrap_or_else(|refused| self.fail(&refused))
    }

    /// The time that was to be waited is over.
    pub(crate) fn is_due(&mut self, context: ClientContext<'_>) -> Step {
        self.look(context, Duration::ZERO).unwrap_or_else(|refused| self.fail(&refused))
    }

    /// There is no answer to what was posted, for a reason that may pass. `None`: then there is none to the call
    /// either.
    pub(crate) fn server_is_lost(&mut self, context: ClientContext<'_>) -> Option<Step> {
        let State::Task(task) = &mut self.state else { return None };
        // A look may be taken again; what was told may have arrived.
        if task.is_updating {
            return None;
        }
        let pause = task.blind()?;
        self.look(context, pause).ok()
    }

    /// Whether a message from the server's stream, which answers nothing, is for the client.
    pub(crate) fn passes(&mut self, message: &Message) -> bool {
        match message.kind() {
            Kind::Notification { method } if &**method == "notifications/progress" => {
                let progress = Members::of(message.as_str())
                    .and_then(|members| members.object("params")?.get("progress")?.parse::<f64>().ok());
                // It must grow, and each round of the server's begins anew.
                let grows = self.progress.grows(progress);
                grows || self.rounds + self.bare == 0
            }
            Kind::Notification { .. } => true,
            _ => false,
        }
    }

    /// Nobody waits any more, or the answer is there: what the client, and then what the server, must still be told.
    pub(crate) fn end(&mut self, context: ClientContext<'_>) -> (Vec<Message>, Option<Message>) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Asked(mut round, _) => (round.withdraw(), None),
            State::Task(mut task) => (task.round.withdraw(), task.ask(context, "tasks/cancel")),
            State::Sent | State::Over => (Vec::new(), None),
        }
    }

    fn input_required(&mut self, context: ClientContext<'_>, result: &Members<'_>) -> Result<Step, Refused> {
        let state = result.get("requestState").map(str::to_owned);
        let mut round = Round::default();
        let questions = result.object("inputRequests").filter(|questions| !questions.is_empty());
        if questions.is_none() && state.is_none() {
            return Err(unfit("that it needs input, but not which"));
        }
        let put = match &questions {
            Some(questions) => round.ask(context, questions, |_| true, &self.visited)?,
            None => Vec::new(),
        };
        // Where the user was sent before counts as no question, or the server would wait for him on our time.
        if put.is_empty() {
            self.bare += 1;
        } else {
            self.rounds += 1;
        }
        if self.rounds > MOST_ROUNDS || self.bare > MOST_BARE {
            return Err(unfit("again and again that it needs more input"));
        }
        self.state = State::Asked(round, state);
        let mut step = self.go_on(context)?;
        step.tell = put;
        Ok(step)
    }

    /// Goes back to the server when the client has answered all.
    fn go_on(&mut self, context: ClientContext<'_>) -> Result<Step, Refused> {
        match &mut self.state {
            State::Asked(round, _) if !round.is_settled() => Ok(Step::wait(None)),
            State::Asked(round, state) => {
                let answers = round.has_answers().then(|| round.responses());
                let changes = [
                    ("inputResponses", answers.as_deref().map_or(Change::Remove, Change::Set)),
                    ("requestState", state.as_deref().map_or(Change::Remove, Change::Set)),
                ];
                let post = context.client.with_meta(&self.request, Some(&context.ids.next()), &changes);
                self.state = State::Sent;
                Ok(Step::post(post, pause(self.bare)))
            }
            State::Task(task) if task.round.is_settled() && task.round.has_answers() => {
                task.is_updating = true;
                let update = task.update(context).ok_or_else(|| unfit("an odd id for a task"))?;
                Ok(Step::post(update, Duration::ZERO))
            }
            State::Task(task) => Ok(Step::wait(Some(task.interval()))),
            State::Sent | State::Over => Ok(Step::wait(None)),
        }
    }

    fn became_task(&mut self, context: ClientContext<'_>, result: &Members<'_>) -> Result<Step, Refused> {
        let mut task = Task::of(result).ok_or_else(|| unfit("a task without an id"))?;
        let news = task.news(result);
        let pause = task.first(result);
        self.state = State::Task(Box::new(task));
        let mut step = self.look(context, pause)?;
        step.tell.extend(self.progress.tell(news));
        Ok(step)
    }

    fn look(&mut self, context: ClientContext<'_>, pause: Duration) -> Result<Step, Refused> {
        let State::Task(task) = &mut self.state else { return Ok(Step::wait(None)) };
        task.is_updating = false;
        let look = task.ask(context, "tasks/get").ok_or_else(|| unfit("an odd id for a task"))?;
        Ok(Step::post(look, pause))
    }

    fn looked_at(&mut self, context: ClientContext<'_>, result: &Members<'_>) -> Result<Step, Refused> {
        let State::Task(task) = &mut self.state else { return Ok(Step::wait(None)) };
        let interval = task.interval();
        if task.is_updating {
            return self.look(context, interval);
        }
        let news = task.news(result);
        let status = task.look(result).ok_or_else(|| unfit("a task in no state that is known"))?;
        match status {
            Status::Completed(result) => {
                let told = results::result(&self.method, result);
                let answer = format!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{}}}"#,
                    self.raw_id,
                    told.as_deref().unwrap_or(result)
                );
                let answer = Message::parse(answer).map_err(|_| unfit("broken JSON"))?;
                Ok(self.complete(answer))
            }
            Status::Failed(error) => {
                let answer = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, self.raw_id);
                let answer = Message::parse(answer).map_err(|_| unfit("broken JSON"))?;
                self.close();
                Ok(Step::over(results::settle(&self.method, &answer, &self.raw_id)))
            }
            Status::Cancelled => {
                self.close();
                Err(Refused(
                    message::code::INTERNAL_ERROR,
                    "the server has cancelled the task that the call became".to_owned(),
                ))
            }
            Status::Bare(said) => {
                self.close();
                Err(unfit(said))
            }
            Status::Working | Status::InputRequired(_) => self.still_works(context, status, news),
        }
    }

    /// The task goes on, and may want to know something first.
    fn still_works(
        &mut self,
        context: ClientContext<'_>,
        status: Status<'_>,
        news: Option<String>,
    ) -> Result<Step, Refused> {
        let mut tell: Vec<_> = self.progress.tell(news).into_iter().collect();
        if let (Status::InputRequired(questions), State::Task(task)) = (status, &mut self.state) {
            let asked = &task.asked;
            tell.extend(task.round.ask(context, &questions, |key| !asked.contains(key), &self.visited)?);
            task.asked.extend(questions.iter().map(|(key, _)| key.to_owned()));
        }
        let mut step = match &self.state {
            State::Task(task) if task.round.is_settled() && !task.round.has_answers() => {
                let interval = task.interval();
                self.look(context, interval)?
            }
            _ => self.go_on(context)?,
        };
        step.tell = tell;
        Ok(step)
    }

    /// The task is over on the server's side: there is nothing left to cancel but questions.
    fn close(&mut self) {
        if let State::Task(task) = &mut self.state {
            let round = std::mem::take(&mut task.round);
            self.state = State::Asked(round, None);
        }
    }

    fn complete(&mut self, answer: Message) -> Step {
        self.close();
        let mut step = Step::over(answer);
        step.tell = self.visited.drain(..).map(|page| page.complete()).collect();
        step
    }

    fn refused_by_server(&mut self, answer: &Message) -> Step {
        // A task of which the server knows nothing is over; one that could not be told the answers is not.
        if let State::Task(task) = &self.state
            && !task.is_updating
        {
            self.close();
        }
        Step::over(results::settle(&self.method, answer, &self.raw_id))
    }

    fn fail(&self, Refused(code, why): &Refused) -> Step {
        Step::over(message::error(&self.raw_id, *code, why, None))
    }
}

impl Step {
    /// What is still open is [`Call::end`]'s business.
    fn over(answer: Message) -> Self {
        Self { tell: Vec::new(), then: Next::Answer(answer) }
    }

    fn post(message: Message, pause: Duration) -> Self {
        Self { tell: Vec::new(), then: Next::Post(message, pause) }
    }

    fn wait(until: Option<Duration>) -> Self {
        Self { tell: Vec::new(), then: Next::Wait(until) }
    }
}

impl Progress {
    fn grows(&mut self, progress: Option<f64>) -> bool {
        let grows = progress.is_none_or(|progress| progress > self.last);
        self.last = self.last.max(progress.unwrap_or(f64::NEG_INFINITY));
        grows
    }

    /// A task's word on how it goes.
    fn tell(&mut self, news: Option<String>) -> Option<Message> {
        let (token, news) = (self.token.as_ref()?, news?);
        self.last = if self.last.is_finite() { self.last + 1.0 } else { 1.0 };
        let params = format!(r#"{{"progressToken":{token},"progress":{},"message":{}}}"#, self.last, json!(news));
        Some(message::notification_text("notifications/progress", &params))
    }
}

/// None before the first time, then longer and longer.
fn pause(bare: u32) -> Duration {
    match bare {
        0 | 1 => Duration::ZERO,
        more => (Duration::from_millis(100) * 2u32.saturating_pow(more.min(16) - 2)).min(LONGEST_PAUSE),
    }
}

/// Legacy clients may call a request `null` or 1.5; modern servers refuse that.
fn is_modern_id(raw_id: &str) -> bool {
    raw_id.starts_with('"') || raw_id.parse::<i64>().is_ok_and(|id| id.unsigned_abs() < 1 << 53)
}

/// A string's text; what is none stays JSON, which is the name of nothing.
fn unquoted(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

fn unfit(said: &str) -> Refused {
    Refused(UNFIT, format!("the server says {said}"))
}

/// As any answer that is none.
const UNFIT: i64 = -31006;
