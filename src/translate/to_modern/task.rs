//! What is the state of a call that has become a task ("Tasks")?

use std::collections::HashSet;
use std::time::Duration;

use super::ClientContext;
use super::input_requests::InputRequests;
use crate::message::{Members, Message, quoted};

/// The time between two polls, if the server does not name one.
const INTERVAL: Duration = Duration::from_secs(1);

/// The limits of the time that a server may name.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(20);
const LONGEST_INTERVAL: Duration = Duration::from_secs(300);

/// The highest number of polls in a row that may fail.
const MOST_FAILED_POLLS: u32 = 6;

#[derive(Debug)]
pub(super) struct Task {
    /// JSON text.
    id: String,
    pub(super) interval: Duration,
    status_text: Option<String>,
    /// The keys of the input requests that the client got. The server repeats them until they are answered.
    pub(super) known_keys: HashSet<String>,
    pub(super) input_requests: InputRequests,
    /// Whether `tasks/update` is in flight, not `tasks/get`.
    pub(super) is_updating: bool,
    failed_polls: u32,
}

/// The result of a poll.
pub(super) enum Status<'a> {
    Working,
    InputRequired(Members<'a>),
    /// The final result, JSON text.
    Completed(&'a str),
    /// The final error, JSON text.
    Failed(&'a str),
    Cancelled,
    /// The task has ended, but its result or error is missing: which.
    WithoutOutcome(&'static str),
}

impl Task {
    /// Reads the result that a call was answered with. `None`: it has no task id.
    pub(super) fn of(result: &Members<'_>) -> Option<Self> {
        let mut task = Self {
            id: quoted(&result.string("taskId")?),
            interval: INTERVAL,
            status_text: None,
            known_keys: HashSet::new(),
            input_requests: InputRequests::default(),
            is_updating: false,
            failed_polls: 0,
        };
        task.read_interval(result);
        Some(task)
    }

    fn read_interval(&mut self, result: &Members<'_>) {
        if let Some(millis) = result.get("pollIntervalMs").and_then(|millis| millis.parse::<f64>().ok()) {
            let interval = Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(INTERVAL);
            self.interval = interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        }
    }

    /// The status text, if it has changed.
    pub(super) fn new_status_text(&mut self, result: &Members<'_>) -> Option<String> {
        let text = result.string("statusMessage").or_else(|| result.string("status"));
        if text == self.status_text {
            return None;
        }
        self.status_text.clone_from(&text);
        text
    }

    /// Reads the result of a poll. `None`: it has no known status.
    pub(super) fn status<'a>(&mut self, result: &Members<'a>) -> Option<Status<'a>> {
        self.read_interval(result);
        self.failed_polls = 0;
        Some(match result.string("status")?.as_str() {
            "working" => Status::Working,
            // Requests that are answered already may be missing.
            "input_required" => Status::InputRequired(result.object("inputRequests").or_else(|| Members::of("{}"))?),
            "completed" => result
                .get("result")
                .map_or(Status::WithoutOutcome("the task is completed, but has no result"), Status::Completed),
            "failed" => result
                .get("error")
                .filter(|error| *error != "null")
                .map_or(Status::WithoutOutcome("the task has failed, but has no error"), Status::Failed),
            "cancelled" => Status::Cancelled,
            _ => return None,
        })
    }

    /// The pause before the first poll. A task that does not just work is polled at once.
    pub(super) fn first_pause(&self, result: &Members<'_>) -> Duration {
        if result.string("status").as_deref() == Some("working") { self.interval } else { Duration::ZERO }
    }

    /// A poll has failed. Returns the pause before the next one; `None`: too many have failed.
    pub(super) fn poll_failed(&mut self) -> Option<Duration> {
        self.failed_polls += 1;
        (self.failed_polls <= MOST_FAILED_POLLS).then(|| self.interval.max(INTERVAL) * self.failed_polls)
    }

    /// `tasks/get` or `tasks/cancel`.
    pub(super) fn request(&self, context: ClientContext<'_>, method: &str) -> Message {
        context.request(method, &format!(r#"{{"taskId":{}}}"#, self.id))
    }

    /// `tasks/update` with the client's input responses.
    pub(super) fn update(&mut self, context: ClientContext<'_>) -> Message {
        let responses = self.input_requests.take_responses();
        context.request("tasks/update", &format!(r#"{{"taskId":{},"inputResponses":{responses}}}"#, self.id))
    }
}
