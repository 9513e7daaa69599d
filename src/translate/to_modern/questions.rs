//! The questions of one round: how are they put to the client, and what of its answers goes back to the server?

use std::fmt::Write as _;

use super::ClientContext;
use crate::message::{self, Id, Kind, Message};
use crate::message::{Change, Members, quoted};

/// A server that asks more than this at once asks nobody.
const MOST_QUESTIONS: usize = 64;

const DISMISSED: &str = r#"{"action":"cancel"}"#;
const ACCEPTED: &str = r#"{"action":"accept"}"#;

/// The questions that the client has not answered yet, and the answers so far.
#[derive(Debug, Default)]
pub(super) struct Round {
    open: Vec<Question>,
    /// The server's name for each question, and the answer's JSON text.
    answers: Vec<(String, String)>,
}

#[derive(Debug)]
struct Question {
    id: Id,
    raw_id: String,
    key: String,
    method: String,
    page: Option<Page>,
}

/// A page that the user was sent to, and is on until the call is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// Address and message, as the server spells them.
    said: String,
    /// Invented, because legacy clients know a page by it.
    elicitation_id: String,
}

impl Page {
    /// That the user is done there.
    pub(super) fn complete(&self) -> Message {
        let params = format!(r#"{{"elicitationId":{}}}"#, self.elicitation_id);
        message::notification_text("notifications/elicitation/complete", &params)
    }
}

/// Why a call cannot go on: the code and the sentence of its error.
#[derive(Debug)]
pub(super) struct Refused(pub(super) i64, pub(super) String);

impl Round {
    /// Puts those of the server's questions that `is_new`, by its name for each. Returns what the client is sent.
    /// `visited`: where the user was sent before in this call, and need not be sent again.
    pub(super) fn ask(
        &mut self,
        context: ClientContext<'_>,
        questions: &Members<'_>,
        is_new: impl Fn(&str) -> bool,
        visited: &[Page],
    ) -> Result<Vec<Message>, Refused> {
        let mut put = Vec::new();
        for (key, question) in questions.iter().filter(|(key, _)| is_new(key)) {
            if self.open.len() + self.answers.len() == MOST_QUESTIONS {
                let why = format!("the server asks more than {MOST_QUESTIONS} things at once");
                return Err(Refused(message::code::INTERNAL_ERROR, why));
            }
            let question = Members::of(question);
            let method = question.as_ref().and_then(|question| question.string("method")).unwrap_or_default();
            let params = question.as_ref().and_then(|question| question.object("params"));
            if let Some(answer) = unasked(context, &method, params.as_ref(), visited)? {
                self.answers.push((key.to_owned(), answer.to_owned()));
                continue;
            }
            let raw_id = context.ids.next();
            let page = page(context, &method, params.as_ref());
            let params = match (params, &page) {
                (Some(params), Some(page)) => params.with(&[("elicitationId", Change::Default(&page.elicitation_id))]),
                (Some(params), None) => params.with(&[]),
                (None, _) => "{}".to_owned(),
            };
            put.push(message::request_text(&raw_id, &method, &params));
            self.open.push(Question { id: Id::from_json(&raw_id), raw_id, key: key.to_owned(), method, page });
        }
        Ok(put)
    }

    /// Whether the client owes nothing.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether there is anything to tell the server.
    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Takes an answer of the client's. Returns the page that it sends the user to. `Ok(None)` also where it answers
    /// none of these questions.
    pub(super) fn answer(&mut self, answer: &Message) -> Result<Option<Page>, Refused> {
        let Kind::Response { id, is_error } = answer.kind() else { return Ok(None) };
        let Some(place) = self.open.iter().position(|question| question.id == *id) else { return Ok(None) };
        let Question { key, method, page, .. } = self.open.remove(place);
        let members = Members::of(answer.as_str());
        let result = members.as_ref().filter(|_| !is_error).and_then(|members| members.get("result"));
        let Some(result) = result else {
            if method == "elicitation/create" {
                // As close to "no answer" as the server can be told.
                self.answers.push((key, DISMISSED.to_owned()));
                return Ok(None);
            }
            let error = members.as_ref().and_then(|members| members.object("error"));
            let code = error.as_ref().and_then(|error| error.get("code")?.parse().ok());
            let said = error.and_then(|error| error.string("message")).unwrap_or_default();
            return Err(Refused(
                code.unwrap_or(message::code::INTERNAL_ERROR),
                format!("the client refused the server's {method}: {said}"),
            ));
        };
        self.answers.push((key, result.to_owned()));
        let accepted = Members::of(result).and_then(|result| result.string("action")).as_deref() == Some("accept");
        Ok(page.filter(|_| accepted))
    }

    /// The answers as `inputResponses`; there are none left then.
    pub(super) fn responses(&mut self) -> String {
        let mut text = String::from("{");
        for (key, answer) in self.answers.drain(..) {
            if text.len() > 1 {
                text.push(',');
            }
            write!(text, "{}:{answer}", quoted(&key)).ok();
        }
        text.push('}');
        text
    }

    /// Tells the client that nobody waits for its answers any more.
    pub(super) fn withdraw(&mut self) -> Vec<Message> {
        let open = self.open.drain(..);
        open.map(|question| message::cancelled(&question.raw_id, "the call that needed it is over")).collect()
    }
}

/// The answer to a question that the client need not see.
fn unasked(
    context: ClientContext<'_>,
    method: &str,
    params: Option<&Members<'_>>,
    visited: &[Page],
) -> Result<Option<&'static str>, Refused> {
    let is_elicitation = method == "elicitation/create";
    if !context.client.can(method, params) {
        if is_elicitation {
            return Ok(Some(DISMISSED));
        }
        let why = format!("the server needs {method}, which this client does not know");
        return Err(Refused(message::code::METHOD_NOT_FOUND, why));
    }
    let said = params.filter(|_| is_elicitation).and_then(address);
    Ok(said.filter(|said| visited.iter().any(|page| page.said == *said)).map(|_| ACCEPTED))
}

fn page(context: ClientContext<'_>, method: &str, params: Option<&Members<'_>>) -> Option<Page> {
    let said = params.filter(|_| method == "elicitation/create").and_then(address)?;
    let given = params.and_then(|params| params.get("elicitationId")).map(str::to_owned);
    Some(Page { said, elicitation_id: given.unwrap_or_else(|| context.ids.next()) })
}

/// Where a question sends the user, and why.
fn address(params: &Members<'_>) -> Option<String> {
    if params.string("mode").as_deref() != Some("url") {
        return None;
    }
    Some(format!("{} {}", params.get("url")?, params.get("message").unwrap_or_default()))
}
