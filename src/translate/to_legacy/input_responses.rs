//! Which input responses does a client's retry bring?

use crate::message::Members;

/// The `inputResponses` of a request: an object with a response for each key.
pub(super) struct InputResponses<'a>(Members<'a>);

impl<'a> InputResponses<'a> {
    /// Reads them; `Err` says why they are invalid ("Error Handling"). `keys`: those of the input requests. A client may
    /// leave responses out, and may send others that no request asked for.
    pub(super) fn read<'k>(raw: Option<&'a str>, mut keys: impl Iterator<Item = &'k str>) -> Result<Self, String> {
        let raw = raw.filter(|raw| *raw != "null").unwrap_or("{}");
        let responses =
            Members::of(raw).ok_or("inputResponses is not an object with a response for each key of inputRequests")?;
        match keys.find(|key| responses.get(key).is_some() && responses.object(key).is_none()) {
            Some(key) => Err(format!("the response to {key} is not an object")),
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
