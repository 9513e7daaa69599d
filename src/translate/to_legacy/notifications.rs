//! How is a notification written for the other side?

use super::requests::legacy_notification;
use crate::message::{self, Change, Members, Message};
use crate::translate::protocol::meta;

/// `notifications/cancelled` for a request to the server: the client's own, if it sent one.
pub(super) fn cancelled(by_client: Option<&Message>, raw_id: &str, reason: &str) -> Message {
    let translated = by_client.and_then(|message| legacy_notification(message, Some(raw_id)));
    translated.unwrap_or_else(|| message::cancelled(raw_id, reason))
}

/// A progress notification with the token that the client knows.
pub(super) fn with_progress_token(message: &Message, token: &str) -> Option<Message> {
    let members = message.members()?;
    let params = members.object("params")?;
    Some(message.edited(&members, &[("params", Change::Within(&params, &[("progressToken", Change::Set(token))]))]))
}

/// A notification with the id of the subscription to which it belongs.
pub(super) fn with_subscription_id(message: &Message, raw_id: &str) -> Option<Message> {
    let (members, empty) = (message.members()?, Members::of("{}")?);
    let params = match members.get("params") {
        Some(params) => Members::of(params)?,
        None => Members::of("{}")?,
    };
    let meta = params.object("_meta").unwrap_or(empty);
    let of_meta = [(meta::SUBSCRIPTION_ID, Change::Set(raw_id))];
    let of_params = [("_meta", Change::Within(&meta, &of_meta))];
    Some(message.edited(&members, &[("params", Change::Within(&params, &of_params))]))
}
