//! How is a modern client's user sent to the address of a login? By the answer to a request that needs one, to which
//! the client comes back ("Multi Round-Trip Requests"). Never the only way: a client that is asked once may be held the
//! next time.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{OFFER, Outcome, answer, needed, not_yet};
use crate::message::Message;
use crate::message::{Change, Members};
use crate::translate::{meta, to_legacy};
use crate::upstream::Failure;
use crate::upstream::{Context, elicit};

/// What may be answered with a question.
const ANSWERABLE: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// The question's name.
const KEY: &str = "sign_in";

/// What the client comes back with. There is nothing in it to be guessed: all it says is that a question of ours is
/// answered.
const STATE: &str = "mcp-ferry: signing in";

/// A login may be done by itself in this time, where the browser knows its user.
const BY_ITSELF: Duration = Duration::from_secs(2);

/// A request with the answer to our question.
pub(in crate::upstream) struct Back {
    /// As it was before.
    pub(in crate::upstream) request: Message,
    refuses: bool,
}

impl Back {
    /// `None`: it is another request.
    pub(in crate::upstream) fn of(request: &Message) -> Option<Self> {
        // Cheap for the many that are not.
        let text = Some(request.as_str()).filter(|text| text.contains(STATE))?;
        let members = Members::of(text)?;
        let params = members.object("params")?;
        params.string("requestState").filter(|state| state == STATE)?;
        let answer = params.object("inputResponses").and_then(|responses| responses.object(KEY));
        let action = answer.and_then(|answer| answer.string("action"));
        let params = params.with(&[("requestState", Change::Remove), ("inputResponses", Change::Remove)]);
        let request = Message::parse(members.with(&[("params", Change::Set(&params))])).ok()?;
        Some(Self { request, refuses: matches!(action.as_deref(), Some("decline" | "cancel")) })
    }

    /// The answer, if the person does not want to log in, and nobody else has.
    pub(in crate::upstream) async fn refused(&self, context: &Context) -> Option<Result<Outcome, Failure>> {
        let was_read = context.people.modern.asked_at().is_some_and(|asked| asked.elapsed() > elicit::READ);
        if !self.refuses || !was_read || !context.sender.auth().login_status().is_wanted() {
            return None;
        }
        Some(not_yet(context, &self.request, needed(context).await))
    }
}

/// Asks, if the client can open addresses and has not been asked about this one. The answer is the question.
pub(super) async fn ask(context: &Context, request: &Message) -> Option<Message> {
    if !request.method().is_some_and(|method| ANSWERABLE.contains(&method)) || !can_open(request) {
        return None;
    }
    let login_status = context.sender.auth().login_status();
    login_status.request_login();
    if login_status.finished(BY_ITSELF).await {
        return None;
    }
    let prompt =
        login_status.prompt(OFFER).await.ok().flatten().filter(|prompt| elicit::first_time(context, &prompt.url))?;
    context.people.modern.set_asked_at(Instant::now());
    let params =
        json!({ "mode": "url", "url": prompt.url, "message": elicit::sentence(context.sender.host(), &prompt) });
    let question = json!({ "method": "elicitation/create", "params": params });
    let result = json!({ "resultType": "input_required", "inputRequests": { KEY: question }, "requestState": STATE });
    Some(answer(context, request, result))
}

/// Whether the client has declared that it opens addresses; `{}` alone means forms.
fn can_open(request: &Message) -> bool {
    let capabilities = || {
        let own = Members::of(request.as_str())?.object("params")?.object("_meta")?;
        own.object(meta::CLIENT_CAPABILITIES)?.object("elicitation")?.object("url")
    };
    to_legacy::is_modern(request) && capabilities().is_some()
}
