//! How is a login made, from the first step to the tokens? In one call of the program ([`log_in()`]), or in two calls:
//! the first shows where to sign in ([`begin_login`]), the second brings the address that the browser ended at
//! ([`complete_login`]).
//!
//! One process has the login lock. It shows where to sign in, waits for the browser to come back or for an address that
//! a person pastes, and exchanges the code. The other processes wait for the tokens that it saves; if it dies, the next
//! one takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderMap;

use super::begin::{self, Adjustments};
use super::error::LoginError;
use super::prompt::{self, LoginOptions};
use super::{device, finish};
use crate::auth::account::Snapshot;
use crate::auth::authorization::AuthorizationRequest;
use crate::auth::challenge::Challenge;
use crate::auth::login_context::LoginContext;
use crate::auth::login_lock::{LoginGuard, PendingLogin, Turn};
use crate::auth::settings::Grant;
use crate::auth::store::StoreError;
use crate::log;

/// How often a process that waits for another one looks for a login under way.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The most attempts in one login, where the server refused something about the earlier ones.
const MOST_ATTEMPTS: usize = 6;

/// Logs in, or waits until another process has logged in.
pub(crate) async fn log_in(context: &Arc<LoginContext>, mut options: LoginOptions) -> Result<Snapshot, LoginError> {
    let limit = context.options.timeout;
    let is_turn = AtomicBool::new(false);
    let logging_in = async {
        let mut seen = context.requirement.lock().seen;
        loop {
            match wait_for_turn(context, seen, &mut options).await? {
                Turn::Acquired(guard) => {
                    is_turn.store(true, Ordering::Relaxed);
                    let logged_in = match context.options.login.grant {
                        Grant::Device => device::log_in(context, &options).await,
                        _ => log_in_by_browser(context, &guard, &mut options).await,
                    };
                    guard.release().await;
                    return logged_in;
                }
                Turn::Changed => {
                    if let Some(held) = context.sufficient_login().await {
                        return Ok(held);
                    }
                    seen = context.account.generation().await;
                }
            }
        }
    };
    tokio::time::timeout(limit, logging_in).await.unwrap_or_else(|_| {
        let seconds = limit.as_secs();
        Err(if is_turn.into_inner() { LoginError::TimedOut(seconds) } else { LoginError::WaitedFor(seconds) })
    })
}

/// For a person who wants to log in. `refusal` are the headers with which the server refused a request without a login;
/// `None` if it did not. False if nothing shows that the server has logins.
pub(crate) async fn prepare_login(context: &LoginContext, refusal: Option<&HeaderMap>) -> Result<bool, LoginError> {
    context.require(refusal.and_then(Challenge::read), None).await;
    let logins = context.account.record().await.logins;
    context.requirement.lock().logins = Some(logins);
    let discovered = context.discover().await;
    if refusal.is_some() {
        return discovered.map(|_| true).map_err(Into::into);
    }
    // Some servers refuse no request before a tool is called, and name the issuer in their metadata.
    Ok(discovered.is_ok_and(|discovered| {
        discovered.issuer.metadata.contains_key("issuer") && discovered.issuer.resource.is_some()
    }))
}

/// Waits for the login lock. Meanwhile shows where to sign in for the login of another process; an address that a
/// person pastes here finishes that login.
async fn wait_for_turn(context: &Arc<LoginContext>, seen: u64, options: &mut LoginOptions) -> Result<Turn, StoreError> {
    // A pending login is not shown while this process may take it over.
    if let Some(turn) = context.login_lock.try_acquire(seen).await? {
        return Ok(turn);
    }
    let waiting = format!("another mcp-ferry process is logging in to {}; waiting for it", context.shown_server());
    if options.asked_for {
        log::notice(&waiting);
    } else {
        log::info!("{waiting}");
    }
    let helping = async {
        let mut shown: Option<PendingLogin> = None;
        loop {
            if let Some(pending) = context.login_lock.pending().await {
                match &shown {
                    Some(shown) if shown.state == pending.state => {
                        // The address of a pushed request changes from time to time.
                        context.login_status.set_url(&pending.url);
                        if shown.tab != pending.tab {
                            context.login_status.set_tab(prompt::earlier_tab(&pending));
                        }
                    }
                    _ => prompt::show_pending(context, &pending, options).await,
                }
                shown = Some(pending);
            }
            let state = shown.as_ref().map(|shown| shown.state.clone()).unwrap_or_default();
            tokio::select! {
                Some(text) = options.next_pasted() => match complete_pending(context, &text).await {
                    Ok(_) => return,
                    Err(error) => log::notice(&format!("{error}; still waiting")),
                },
                () = context.login_status.tab_requested.notified() => {
                    prompt::open_another_tab(context, &state, options).await;
                }
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    };
    tokio::select! {
        biased;
        turn = context.login_lock.acquire(seen) => turn,
        () = helping => Ok(Turn::Changed),
    }
}

/// Logs in with a browser, while this process has the login lock.
async fn log_in_by_browser(
    context: &Arc<LoginContext>,
    guard: &LoginGuard,
    options: &mut LoginOptions,
) -> Result<Snapshot, LoginError> {
    let mut left_behind = context.login_lock.pending().await;
    if let Some(returned) = left_behind.take_if(|left| left.redirect.is_some()) {
        match finish::resume(context, &returned).await {
            Ok(held) => {
                note_login(context, &held);
                return Ok(held);
            }
            Err(error) => log::info!("a login that another process had nearly finished is begun anew: {error}"),
        }
        // That tab does not come back, and its person was there a moment ago.
        options.is_present = true;
    }
    let mut adjustments = Adjustments::default();
    let mut attempts_left = MOST_ATTEMPTS;
    loop {
        let taken_over = match left_behind.take() {
            Some(pending) => begin::take_over(context, guard, pending, options).await?,
            None => None,
        };
        let (mut callback, pending) = match taken_over {
            Some(taken_over) => taken_over,
            None => begin::begin(context, guard, &mut adjustments, options).await?,
        };
        let logged_in = finish::finish(context, &mut callback, &pending, options).await;
        attempts_left -= 1;
        let goes_on =
            attempts_left > 0 && logged_in.as_ref().err().is_some_and(|error| adjustments.adjust(error, &pending));
        finish::answer_browser(context, callback, &logged_in, goes_on).await;
        if !goes_on {
            if let Ok(held) = &logged_in {
                note_login(context, held);
            }
            return logged_in;
        }
        // The person who has just answered in the browser gets the next tab at once.
        options.is_present = true;
    }
}

/// The server has accepted the token of a login before the login was noted.
fn note_login(context: &LoginContext, held: &Snapshot) {
    if context.fingerprints.note_login(&held.record) {
        context.login_lock.note_success();
    }
}

/// Begins a login that [`complete_login`] finishes, perhaps in another process. Returns the address to open. A login
/// that another process has begun is as good.
pub(crate) async fn begin_login(context: &Arc<LoginContext>) -> Result<String, LoginError> {
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
            () = tokio::time::sleep(limit) => return Err(LoginError::WaitedFor(limit.as_secs())),
        };
    }
    match turn {
        Some(Turn::Acquired(guard)) => {
            let options = LoginOptions { quiet: true, ..LoginOptions::default() };
            begin::begin(context, &guard, &mut Adjustments::default(), &options).await?;
        }
        Some(Turn::Changed) => return Err(LoginError::Other("another process has just logged in".to_owned())),
        None => {}
    }
    let pending = context.login_lock.pending().await;
    pending.map(|pending| pending.url).ok_or_else(|| LoginError::Other("the login was not begun".to_owned()))
}

/// Finishes the login that was begun last, with the address that the browser ended at.
pub(crate) async fn complete_login(context: &Arc<LoginContext>, redirect: &str) -> Result<Snapshot, LoginError> {
    let logged_in = complete_pending(context, redirect).await?;
    context.login_lock.remove_pending().await?;
    Ok(logged_in)
}

/// Finishes the login under way with the whole address that the browser ended at. A model brings it, perhaps not the one
/// that its person gave it: of a code alone nothing shows that it is for this login.
pub(in crate::auth) async fn complete_with_address(
    context: &Arc<LoginContext>,
    address: &str,
) -> Result<(), LoginError> {
    if !address.contains("state=") {
        return Err(LoginError::Other("that is not the whole address that the browser ended at".to_owned()));
    }
    complete_pending(context, address).await.map(drop)
}

/// Finishes the login under way, in whichever process it was begun.
async fn complete_pending(context: &Arc<LoginContext>, redirect: &str) -> Result<Snapshot, LoginError> {
    let none = || LoginError::Other("no login has been begun, or it is too long ago".to_owned());
    let left = context.login_lock.pending().await.ok_or_else(none)?;
    let pending = AuthorizationRequest::from_payload(&left.payload).map_err(|_| none())?;
    finish::redeem_pasted(context, &pending, redirect).await
}
