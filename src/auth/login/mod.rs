//! How does somebody log in? One process owns the login: it finds out where, registers us once, shows the way, waits
//! for the browser to come back or for what a person pastes, and exchanges the code. The others wait for what it saves,
//! and the next takes over if it dies.

mod begin;
mod finish;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;

use super::account::Snapshot;
use super::authorization::{self, PendingAuthorization};
use super::callback::CallbackError;
use super::discovery::DiscoveryError;
use super::oauth::{Inner, OAuth};
use super::ownership::{Ownership, Turn};
use super::record::Origin;
use super::registration::RegistrationError;
use super::scope::ScopeAttempt;
use super::settings::Grant;
use super::store::StoreError;
use super::token::TokenError;
use super::{LoginPrompt, device_login};
use crate::log;

pub(super) use begin::open;

/// How often whoever waits for another process looks for what it shows.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How long no login is begun after a registration that was refused, whatever `Retry-After` says.
const SHORTEST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Logins begun anew within one, because something about the first was refused.
const MOST_ROUNDS: usize = 6;

/// How a login is gone about.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct LoginOptions {
    /// A browser may be opened.
    pub opens: bool,
    /// A person asked for it in so many words: the way is shown to them, and tabs are not rationed.
    pub asked_for: bool,
    /// Whoever asked shows the way.
    pub quiet: bool,
    /// Somebody sits before the browser: a tab in which a login goes on that they have answered is none of a storm's.
    pub is_present: bool,
    /// What a person pastes.
    pub pasted: Option<mpsc::Receiver<String>>,
}

/// Why nobody is logged in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginError {
    /// There is nobody to log in with.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// We are nobody there.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// It cannot begin.
    #[error(transparent)]
    Authorization(#[from] authorization::AuthorizationError),
    /// It came back with a refusal, or from somebody else.
    #[error(transparent)]
    Redirect(#[from] authorization::AuthorizationResponseError),
    /// The code is worth no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Nowhere to come back to.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// Nowhere to keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody wants it any more.
    #[error("somebody has logged out meanwhile")]
    GivenUp,
    /// Nobody did.
    #[error("nobody has signed in within {0} seconds")]
    TimedOut(u64),
    /// What does not fit.
    #[error("{0}")]
    Other(String),
}

impl LoginError {
    /// How long another attempt is bound to end the same way; `None` where a person could do better at once.
    pub(super) fn pause(&self) -> Option<Duration> {
        let Self::Registration(error) = self else { return None };
        let asked = match error {
            RegistrationError::Temporary { retry_after: None, .. } | RegistrationError::Address(_) => return None,
            RegistrationError::Temporary { retry_after: Some(asked), .. } => *asked,
            _ => Duration::ZERO,
        };
        Some(asked.clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Discovery(error) => error.hint(),
            Self::Registration(error) => error.hint(),
            Self::Authorization(error) => error.hint().to_owned(),
            Self::Redirect(_) | Self::GivenUp | Self::TimedOut(_) | Self::Other(_) => {
                "try again, or run `mcp-ferry login`".to_owned()
            }
            Self::Token(error) if error.is_temporary() || error.has_unknown_outcome() => {
                "the authorization server is in trouble; sign in again in a while".to_owned()
            }
            Self::Token(error) => error.hint().to_owned(),
            Self::Callback(error) => error.hint().to_owned(),
            Self::Store(error) => error.hint().to_owned(),
        }
    }
}

/// Logs in, or waits until another process has.
pub async fn log_in(oauth: &OAuth, mut options: LoginOptions) -> Result<Snapshot, LoginError> {
    let inner = &oauth.0;
    let limit = inner.options.timeout;
    let logging_in = async {
        let mut seen = inner.need().seen;
        loop {
            match turn(inner, seen, &mut options).await? {
                Turn::Owner(ownership) => return own(inner, ownership, &mut options).await,
                Turn::Changed => match inner.account.snapshot() {
                    Some(held) if inner.is_enough(&held) => return Ok(held),
                    held => seen = held.map_or(0, |held| held.record.generation),
                },
            }
        }
    };
    tokio::time::timeout(limit, logging_in).await.unwrap_or(Err(LoginError::TimedOut(limit.as_secs())))
}

/// Waits for our turn, showing meanwhile where another process wants somebody to log in. What a person pastes here
/// finishes that login too.
async fn turn(inner: &Arc<Inner>, seen: u64, options: &mut LoginOptions) -> Result<Turn, StoreError> {
    let helping = async {
        let mut shown = None;
        loop {
            if let Some(pending) = inner.account.pending().filter(|pending| shown.as_ref() != Some(&pending.url)) {
                inner.login_status.offer(LoginPrompt { url: pending.url.clone(), code: None });
                if options.asked_for {
                    begin::show_again(inner, &pending, options).await;
                }
                shown = Some(pending.url);
            }
            tokio::select! {
                Some(text) = finish::pasted(&mut options.pasted) => match complete_pending(inner, &text).await {
                    Ok(_) => return,
                    Err(error) => log::notice(&format!("{error}; still waiting")),
                },
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    };
    tokio::select! {
        biased;
        turn = inner.account.own_or_wait(seen) => turn,
        () = helping => Ok(Turn::Changed),
    }
}

/// The login is ours.
async fn own(inner: &Arc<Inner>, ownership: Ownership, options: &mut LoginOptions) -> Result<Snapshot, LoginError> {
    if let Grant::Device = inner.options.login.grant {
        let logged_in = device_login::log_in(inner, options).await;
        ownership.done();
        return logged_in;
    }
    let logged_in = rounds(inner, &ownership, options).await;
    inner.has_logged_in.fetch_or(logged_in.is_ok(), Ordering::Relaxed);
    ownership.done();
    logged_in
}

/// What one login differs in from the next, where something about the first was refused.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
struct Round {
    attempt: ScopeAttempt,
    not_by_document: bool,
    register_anew: bool,
    /// The authorization server had forgotten us once.
    was_forgotten: bool,
    other_resource: bool,
    no_resource: bool,
}

async fn rounds(inner: &Arc<Inner>, ownership: &Ownership, options: &mut LoginOptions) -> Result<Snapshot, LoginError> {
    let mut round = Round::default();
    let mut left_behind = inner.account.pending();
    if let Some(returned) = left_behind.take_if(|left| left.redirect.is_some()) {
        let resumed = finish::resume(inner, &returned).await;
        let Err(error) = resumed else { return resumed };
        log::info!("a login that another process had nearly finished is begun anew: {error}");
        // Nobody comes back from that tab, and the person was there a moment ago.
        options.is_present = true;
    }
    let mut left = MOST_ROUNDS;
    loop {
        let taken_over = match left_behind.take() {
            Some(pending) => begin::take_over(inner, ownership, pending, options).await?,
            None => None,
        };
        let (mut callback, pending) = match taken_over {
            Some(taken_over) => taken_over,
            None => begin::begin(inner, ownership, &round, options).await?,
        };
        let logged_in = finish::finish(inner, &mut callback, &pending, options).await;
        left -= 1;
        let goes_on = left > 0 && logged_in.as_ref().err().is_some_and(|error| round.improve(error, &pending));
        finish::tell(inner, callback, &logged_in, goes_on).await;
        if !goes_on {
            return logged_in;
        }
        // Whoever has just come back shall see where it goes on.
        options.is_present = true;
    }
}

impl Round {
    /// Does better what was refused. False: it would be refused again.
    fn improve(&mut self, error: &LoginError, pending: &PendingAuthorization) -> bool {
        use authorization::Retry;
        self.register_anew = false;
        let retry = match error {
            LoginError::Redirect(error) => error.retry(),
            LoginError::Token(error) if error.client_is_unknown() && !self.was_forgotten => {
                self.was_forgotten = true;
                self.register_anew = true;
                return true;
            }
            _ => None,
        };
        match retry {
            Some(Retry::Scope(attempt)) => self.attempt = attempt,
            Some(Retry::OtherResource) => self.other_resource = true,
            Some(Retry::NoResource) => self.no_resource = true,
            Some(Retry::Register) if pending.client.origin == Origin::MetadataDocument => self.not_by_document = true,
            Some(Retry::Register) => self.register_anew = true,
            None => return false,
        }
        true
    }
}

/// Begins a login that [`complete`] finishes, perhaps in another process. Returns where to open it. One that is under
/// way elsewhere does as well.
pub async fn begin_only(oauth: &OAuth) -> Result<String, LoginError> {
    let inner = &oauth.0;
    let limit = inner.options.timeout;
    let seen = inner.account.generation();
    let turn = tokio::select! {
        biased;
        turn = inner.account.own_or_wait(seen) => Some(turn?),
        () = begun_elsewhere(inner) => None,
        () = tokio::time::sleep(limit) => return Err(LoginError::TimedOut(limit.as_secs())),
    };
    match turn {
        Some(Turn::Owner(ownership)) => {
            let options = LoginOptions { quiet: true, ..LoginOptions::default() };
            begin::begin(inner, &ownership, &Round::default(), &options).await?;
        }
        Some(Turn::Changed) => return Err(LoginError::Other("another process has just logged in".to_owned())),
        None => {}
    }
    let pending = inner.account.pending();
    pending.map(|pending| pending.url).ok_or_else(|| LoginError::Other("the login was not begun".to_owned()))
}

/// Finishes the login that was begun last, with the address that the browser ended at.
pub async fn complete(oauth: &OAuth, redirect: &str) -> Result<Snapshot, LoginError> {
    let logged_in = complete_pending(&oauth.0, redirect).await?;
    oauth.0.account.forget_pending();
    Ok(logged_in)
}

async fn complete_pending(inner: &Arc<Inner>, redirect: &str) -> Result<Snapshot, LoginError> {
    let none = || LoginError::Other("no login has been begun, or it is too long ago".to_owned());
    let left = inner.account.pending().ok_or_else(none)?;
    let pending = PendingAuthorization::from_payload(&left.payload).map_err(|_| none())?;
    finish::take_pasted(inner, &pending, redirect).await
}

async fn begun_elsewhere(inner: &Inner) {
    while inner.account.pending().is_none() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
