//! Which input responses does a client's retry bring?

use super::input_requests::InputRequest;
use crate::message::Members;

/// The `inputResponses` of a request: an object with a response for each key.
pub(super) struct InputResponses<'a>(Members<'a>);

impl<'a> InputResponses<'a> {
    /// Reads them; `Err` says why they are invalid ("Error Handling"). A client may leave responses out, and may send
    /// others that no request asked for.
    pub(super) fn read(raw: Option<&'a str>, requests: &[InputRequest]) -> Result<Self, String> {
        let raw = raw.filter(|raw| *raw != "null").unwrap_or("{}");
        let responses =
            Members::of(raw).ok_or("inputResponses is not an object with a response for each key of inputRequests")?;
        let is_invalid =
            |request: &&InputRequest| responses.get(&request.key).is_some() && responses.object(&request.key).is_none();
        match requests.iter().find(is_invalid) {
            Some(request) => Err(format!("the response to {} is not an object", request.key)),
            None => Ok(Self(responses)),
        }
    }

    /// The response with this key, JSON text of an object.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.0.object(key).and(self.0.get(key))
    }

    /// Whether the user has accepted the elicitation with this key.
    pub(super) fn is_accepted(&self, key: &str) -> bool {
        self.0.object(key).and_then(|response| response.string("action")).as_deref() == Some("accept")
    }
}
