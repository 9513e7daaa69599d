//! Where does a person sign in? Waiting requests, stderr and a browser show it.

use tokio::sync::mpsc;

use crate::auth::authorization::AuthorizationRequest;
use crate::auth::browser::{self, BrowserUrl, Desktop};
use crate::auth::callback::{self, Callback};
use crate::auth::login_context::LoginContext;
use crate::auth::login_lock::{LoginGuard, PendingLogin, TabReason};
use crate::auth::login_status::LoginPrompt;
use crate::log;

/// How one login is made.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct LoginOptions {
    /// A browser may be opened.
    pub opens: bool,
    /// A person asked for this login: they are shown where to sign in, and there is no limit on tabs.
    pub asked_for: bool,
    /// Whoever asked for the login shows where to sign in.
    pub quiet: bool,
    /// A person is at the browser, because they have just answered in a tab: the next tab need not wait.
    pub is_present: bool,
    /// Lines that a person pastes.
    pub pasted: Option<mpsc::Receiver<String>>,
}

impl LoginOptions {
    /// The next line that a person pastes; `None` when there will be no more.
    pub(super) async fn next_pasted(&mut self) -> Option<String> {
        match &mut self.pasted {
            Some(pasted) => pasted.recv().await,
            None => None,
        }
    }
}

/// Shows where to sign in for a login of this process.
pub(super) async fn show(
    context: &LoginContext,
    guard: &LoginGuard,
    request: &AuthorizationRequest,
    url: &str,
    callback: &Callback,
    options: &LoginOptions,
) {
    let warning = request.warning();
    warn(warning.as_deref());
    context.login_status.set_prompt(LoginPrompt { url: url.to_owned(), code: None, warning });
    let reason = match (options.asked_for, options.is_present) {
        (true, _) => TabReason::AskedFor,
        (false, true) => TabReason::NextAttempt,
        (false, false) => TabReason::Needed,
    };
    let may_open = options.opens && guard.claim_tab(reason).await.is_ok();
    if !options.quiet {
        let short = options.asked_for.then(|| callback.start_url.clone());
        tell(context, url, short, may_open, options).await;
    }
}

/// Where to sign in for a login under way.
pub(super) fn pending_prompt(pending: &PendingLogin) -> LoginPrompt {
    let request = AuthorizationRequest::from_payload(&pending.payload).ok();
    LoginPrompt { url: pending.url.clone(), code: None, warning: request.and_then(|request| request.warning()) }
}

/// Shows where to sign in for a login of another process. A person who asks for a login is shown it again: the tab may
/// have been closed.
pub(super) async fn show_pending(context: &LoginContext, pending: &PendingLogin, options: &LoginOptions) {
    let prompt = pending_prompt(pending);
    if options.asked_for {
        warn(prompt.warning.as_deref());
    }
    context.login_status.set_prompt(prompt);
    if options.asked_for {
        let short = callback::start_url(pending.port, &pending.start);
        tell(context, &pending.url, Some(short), options.opens, options).await;
    }
}

/// Tells on stderr what the person should know before.
pub(super) fn warn(warning: Option<&str>) {
    if let Some(warning) = warning {
        log::notice(warning);
    }
}

async fn tell(context: &LoginContext, url: &str, short: Option<String>, may_open: bool, options: &LoginOptions) {
    let host = context.shown_server();
    if may_open && open_browser(url).await {
        log::notice(&format!("a browser was opened to sign in to {host}; if it shows nothing, open {url}"));
    } else {
        log::notice(&format!("to sign in to {host}, open {url}"));
        if let Some(short) = short {
            log::notice(&format!("on this machine {short} leads there too"));
        }
    }
    if options.pasted.is_some() {
        log::notice("where the browser does not come back by itself, paste here the address that it ends at");
    }
}

/// Opens a browser. False if no browser was opened.
pub(super) async fn open_browser(url: &str) -> bool {
    let Ok(url) = BrowserUrl::parse(url) else { return false };
    match browser::open(&url, &Desktop::detect()).await {
        Ok(()) => true,
        Err(why) => {
            log::info!("no browser was opened: {why}");
            false
        }
    }
}
