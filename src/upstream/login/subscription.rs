//! What does a modern client's `subscriptions/listen` bring while a login is missing? An acknowledgement, and the
//! notification of a login, after which the server is sent the subscription.

use std::sync::Arc;

use super::answers::discover_result;
use super::state::{Carry, LoginState};
use crate::message::{self, Id, Message, code};
use crate::translate::to_modern::NotificationFilter;
use crate::upstream::Failure;
use crate::upstream::exchange::Outcome;
use crate::upstream::transport::modern::ended_subscription;

pub(super) async fn listen(
    state: &Arc<LoginState>,
    request: &Message,
    mut refused: Failure,
    carry: &Carry<'_>,
) -> Result<Outcome, Failure> {
    let raw_id = request.raw_id().unwrap_or("null");
    let params = request.params();
    let Some(wanted) = params.and_then(|params| params.get("notifications")) else {
        let why = "the subscription does not say of which notifications";
        return Ok(Outcome::Answer(message::error(raw_id, code::INVALID_PARAMS, why, None)));
    };
    let filter = NotificationFilter::acknowledged(Some(wanted)).within(&discover_result(state)["capabilities"]);
    let _acknowledged = state.acknowledge(Id::from_json(raw_id));
    state.client().deliver_own(filter.acknowledgement(raw_id));
    let mut input_ended = state.session.era.server.input_ended.subscribe();
    loop {
        // No login begins because of a subscription; one that others began is waited for.
        tokio::select! {
            () = state.sender().wait_for_other_login(&refused) => {}
            _ = input_ended.wait_for(|ended| *ended) => return Ok(Outcome::Answer(ended_subscription(raw_id))),
        }
        state.client().tools_changed();
        for changed in filter.missed(Some(raw_id)) {
            state.client().deliver(changed).await;
        }
        match carry(request.clone()).await {
            Err(failure) if failure.wants_login() => refused = failure,
            carried => return carried,
        }
    }
}
