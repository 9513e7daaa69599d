//! How is a login made in two calls of the program? The first call shows where to sign in, the second one brings the
//! address that the browser ended at.

use std::sync::Arc;
use std::time::Duration;

use super::adjustments::Adjustments;
use super::error::LoginError;
use super::options::LoginOptions;
use super::{begin, finish};
use crate::auth::account::Snapshot;
use crate::auth::authorization::PendingAuthorization;
use crate::auth::login_context::LoginContext;
use crate::auth::login_lock::Turn;

/// How often a login is looked for that another process begins.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Begins a login that [`complete`] finishes, perhaps in another process. Returns the address to open. A login that
/// another process has begun is as good.
pub(in crate::auth) async fn begin_only(context: &LoginContext) -> Result<String, LoginError> {
    let limit = context.options.timeout;
    let seen = context.account.generation().await;
    let begun_elsewhere = async {
        while context.login_lock.pending().await.is_none() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    // First without a look at pending logins, which may be left behind.
    let mut turn = context.login_lock.try_acquire(seen).await?;
    if turn.is_none() {
        turn = tokio::select! {
            biased;
            turn = context.login_lock.acquire(seen) => Some(turn?),
            () = begun_elsewhere => None,
            () = tokio::time::sleep(limit) => return Err(LoginError::TimedOut(limit.as_secs())),
        };
    }
    match turn {
        Some(Turn::Acquired(guard)) => {
            let options = LoginOptions { quiet: true, ..LoginOptions::default() };
            begin::begin(context, &guard, &Adjustments::default(), &options).await?;
        }
        Some(Turn::Changed) => return Err(LoginError::Other("another process has just logged in".to_owned())),
        None => {}
    }
    let pending = context.login_lock.pending().await;
    pending.map(|pending| pending.url).ok_or_else(|| LoginError::Other("the login was not begun".to_owned()))
}

/// Finishes the login that was begun last, with the address that the browser ended at.
pub(in crate::auth) async fn complete(context: &Arc<LoginContext>, redirect: &str) -> Result<Snapshot, LoginError> {
    let logged_in = complete_pending(context, redirect).await?;
    context.login_lock.remove_pending().await;
    Ok(logged_in)
}

/// Finishes the login under way, in whichever process it was begun.
pub(super) async fn complete_pending(context: &Arc<LoginContext>, redirect: &str) -> Result<Snapshot, LoginError> {
    let none = || LoginError::Other("no login has been begun, or it is too long ago".to_owned());
    let left = context.login_lock.pending().await.ok_or_else(none)?;
    let pending = PendingAuthorization::from_payload(&left.payload).map_err(|_| none())?;
    finish::redeem_pasted(context, &pending, redirect).await
}
