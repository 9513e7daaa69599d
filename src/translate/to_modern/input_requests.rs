//! How does the client get the server's input requests, and the server the client's responses?

use super::ClientContext;
use crate::log::foreign;
use crate::message::{self, Change, Id, Kind, Members, Message, code, quoted};

/// The highest number of input requests in one round.
const MOST_REQUESTS: usize = 64;

const CANCELLED: &str = r#"{"action":"cancel"}"#;
const ACCEPTED: &str = r#"{"action":"accept"}"#;

/// The input requests that the client has not answered yet, and the responses so far.
#[derive(Debug, Default)]
pub(super) struct InputRequests {
    open: Vec<InputRequest>,
    /// Key and response, JSON text.
    responses: Vec<(String, String)>,
}

#[derive(Debug)]
struct InputRequest {
    raw_id: String,
    key: String,
    method: String,
    url: Option<VisitedUrl>,
}

/// A URL to which the user was sent. The client is told at the end of the call that the user is done there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VisitedUrl {
    /// URL and message, in the server's spelling.
    url_and_message: String,
    /// JSON text. Legacy clients need one; the bridge makes it if the server has none.
    elicitation_id: String,
}

impl VisitedUrl {
    pub(super) fn complete(&self) -> Message {
        let params = format!(r#"{{"elicitationId":{}}}"#, self.elicitation_id);
        message::notification("notifications/elicitation/complete", &params)
    }
}

/// Why a call fails: code and message of its error.
#[derive(Debug)]
pub(super) struct CallError(pub(super) i64, pub(super) String);

impl InputRequests {
    /// Takes the requests whose key `is_new`; returns those for the client. It need not visit a `visited` URL again.
    pub(super) fn put(
        &mut self,
        context: ClientContext<'_>,
        requests: &Members<'_>,
        is_new: impl Fn(&str) -> bool,
        visited: &[VisitedUrl],
    ) -> Result<Vec<Message>, CallError> {
        let mut to_client = Vec::new();
        for (key, request) in requests.iter().filter(|(key, _)| is_new(key)) {
            if self.open.len() + self.responses.len() == MOST_REQUESTS {
                let why = format!("the server has sent more than {MOST_REQUESTS} input requests at once");
                return Err(CallError(code::INTERNAL_ERROR, why));
            }
            let request = Members::of(request);
            let method = request.as_ref().and_then(|request| request.string("method")).unwrap_or_default();
            let params = request.as_ref().and_then(|request| request.object("params"));
            let url = params.as_ref().filter(|_| method == "elicitation/create").and_then(url_and_message);
            if let Some(response) = local_response(context, &method, params.as_ref(), url.as_deref(), visited)? {
                self.responses.push((key.to_owned(), response.to_owned()));
                continue;
            }
            let raw_id = context.ids.next_id();
            let url = url.map(|url_and_message| {
                let elicitation_id = params.as_ref().and_then(|params| params.get("elicitationId"));
                let elicitation_id = elicitation_id.map_or_else(|| context.ids.next_id(), str::to_owned);
                VisitedUrl { url_and_message, elicitation_id }
            });
            let id = url.iter().map(|url| ("elicitationId", Change::Default(&url.elicitation_id))).collect::<Vec<_>>();
            let params = params.map_or_else(|| "{}".to_owned(), |params| params.with(&id));
            to_client.push(message::request(&raw_id, &method, &params));
            self.open.push(InputRequest { raw_id, key: key.to_owned(), method, url });
        }
        Ok(to_client)
    }

    /// Whether the client has answered all requests.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn has_responses(&self) -> bool {
        !self.responses.is_empty()
    }

    /// The client has answered a request, one of these or another. Returns the URL that the user has accepted to visit.
    pub(super) fn client_response(&mut self, response: &Message) -> Result<Option<VisitedUrl>, CallError> {
        let Kind::Response { id, is_error } = response.kind() else { return Ok(None) };
        let Some(place) = self.open.iter().position(|request| Id::from_json(&request.raw_id) == *id) else {
            return Ok(None);
        };
        let InputRequest { key, method, url, .. } = self.open.remove(place);
        let members = response.members();
        let result = members.as_ref().filter(|_| !is_error).and_then(|members| members.get("result"));
        let Some(result) = result else {
            if method == "elicitation/create" {
                // The server can only be told that the user has cancelled it.
                self.responses.push((key, CANCELLED.to_owned()));
                return Ok(None);
            }
            let error = members.as_ref().and_then(|members| members.object("error"));
            let reason = error.and_then(|error| error.string("message")).unwrap_or_default();
            let code = message::error_code(response).unwrap_or(code::INTERNAL_ERROR);
            return Err(CallError(
                code,
                format!("the client refused the server's {}: {}", foreign(&method), foreign(&reason)),
            ));
        };
        self.responses.push((key, result.to_owned()));
        let action = Members::of(result).and_then(|result| result.string("action"));
        Ok(url.filter(|_| action.as_deref() == Some("accept")))
    }

    /// Takes the responses as `inputResponses`, JSON text.
    pub(super) fn take_responses(&mut self) -> String {
        let responses = self.responses.drain(..).map(|(key, response)| format!("{}:{response}", quoted(&key)));
        format!("{{{}}}", responses.collect::<Vec<_>>().join(","))
    }

    pub(super) fn cancel(&mut self) -> Vec<Message> {
        let open = self.open.drain(..);
        open.map(|request| message::cancelled(&request.raw_id, "the call that needed it is over")).collect()
    }
}

/// The response to a request that the client does not get. `url`: where it sends the user, if it does.
fn local_response(
    context: ClientContext<'_>,
    method: &str,
    params: Option<&Members<'_>>,
    url: Option<&str>,
    visited: &[VisitedUrl],
) -> Result<Option<&'static str>, CallError> {
    if context.client.declares(method, params) {
        let is_visited = url.is_some_and(|url| visited.iter().any(|visited| visited.url_and_message == url));
        return Ok(is_visited.then_some(ACCEPTED));
    }
    if method == "elicitation/create" {
        return Ok(Some(CANCELLED));
    }
    Err(CallError(
        code::METHOD_NOT_FOUND,
        format!("the server needs {}, which this client does not declare", foreign(method)),
    ))
}

fn url_and_message(params: &Members<'_>) -> Option<String> {
    if params.string("mode").as_deref() != Some("url") {
        return None;
    }
    Some(format!("{} {}", params.get("url")?, params.get("message").unwrap_or_default()))
}
