//! A call that has become a task ("Tasks"): how far is it?

use std::collections::HashSet;
use std::time::Duration;

use super::ClientContext;
use super::questions::Round;
use crate::message::Message;
use crate::message::{Members, quoted};

/// How often a task is looked at whose server does not say.
const INTERVAL: Duration = Duration::from_secs(1);

/// What servers ask for is honoured within these.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(300);

/// How many looks in a row may come to nothing.
const MOST_BLIND: u32 = 6;

/// A task of the server's.
#[derive(Debug)]
pub(super) struct Task {
    /// JSON text.
    id: String,
    interval: Duration,
    /// The last word on how it goes.
    told: Option<String>,
    /// The server's names for the questions that were put already: it repeats them until they are answered.
    pub(super) asked: HashSet<String>,
    pub(super) round: Round,
    pub(super) is_updating: bool,
    blind: u32,
}

/// What a look at a task has shown.
pub(super) enum Status<'a> {
    /// Nothing yet.
    Working,
    /// Questions to the client.
    InputRequired(Members<'a>),
    /// The final result, JSON text.
    Completed(&'a str),
    /// The final error, JSON text.
    Failed(&'a str),
    Cancelled,
    /// It has ended, and what is owed at its end is missing: what the server says by that.
    Bare(&'static str),
}

impl Task {
    /// From the result that a call was answered with.
    pub(super) fn of(result: &Members<'_>) -> Option<Self> {
        let mut task = Self {
            id: quoted(&result.string("taskId")?),
            interval: INTERVAL,
            told: None,
            asked: HashSet::new(),
            round: Round::default(),
            is_updating: false,
            blind: 0,
        };
        task.pace(result);
        Some(task)
    }

    fn pace(&mut self, result: &Members<'_>) {
        if let Some(asked) = result.get("pollIntervalMs").and_then(|asked| asked.parse::<f64>().ok()) {
            self.interval = Duration::try_from_secs_f64(asked / 1000.0).unwrap_or(INTERVAL).clamp(SHORTEST, LONGEST);
        }
    }

    /// What the server has to say that it has not said before.
    pub(super) fn news(&mut self, result: &Members<'_>) -> Option<String> {
        let said = result.string("statusMessage").or_else(|| result.string("status"));
        if said == self.told {
            return None;
        }
        self.told.clone_from(&said);
        said
    }

    /// How it goes, from the answer to a look. `None`: that is no answer.
    pub(super) fn look<'a>(&mut self, result: &Members<'a>) -> Option<Status<'a>> {
        self.pace(result);
        self.blind = 0;
        Some(match result.string("status")?.as_str() {
            "working" => Status::Working,
            // What is answered already need not be named again.
            "input_required" => Status::InputRequired(result.object("inputRequests").or_else(|| Members::of("{}"))?),
            "completed" => result
                .get("result")
                .map_or(Status::Bare("that the task is completed, but not with which result"), Status::Completed),
            "failed" => {
                result.get("error").map_or(Status::Bare("that the task has failed, but not of what"), Status::Failed)
            }
            "cancelled" => Status::Cancelled,
            _ => return None,
        })
    }

    /// When to look for the first time: at once where there is more to see than that it goes on.
    pub(super) fn first(&self, result: &Members<'_>) -> Duration {
        if result.string("status").as_deref() == Some("working") { self.interval } else { Duration::ZERO }
    }

    /// When to look next.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// When to look next after a look that came to nothing. `None`: never.
    pub(super) fn blind(&mut self) -> Option<Duration> {
        self.blind += 1;
        (self.blind <= MOST_BLIND).then(|| self.interval.max(INTERVAL) * self.blind)
    }

    /// A request about it: `tasks/get`, `tasks/cancel`.
    pub(super) fn ask(&self, context: ClientContext<'_>, method: &str) -> Option<Message> {
        context.client.request(&context.ids.next(), method, &format!(r#"{{"taskId":{}}}"#, self.id))
    }

    /// The client's answers, on their way.
    pub(super) fn update(&mut self, context: ClientContext<'_>) -> Option<Message> {
        let params = format!(r#"{{"taskId":{},"inputResponses":{}}}"#, self.id, self.round.responses());
        context.client.request(&context.ids.next(), "tasks/update", &params)
    }
}
