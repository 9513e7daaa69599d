//! Where does a person sign in? Waiting requests, stderr and a browser show it.

use tokio::sync::mpsc;

use crate::auth::authorization::AuthorizationRequest;
use crate::auth::browser::{self, BrowserUrl, Desktop};
use crate::auth::callback::{Purpose, start_url};
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
    /// Whether a person can bring the address that the browser ends at: then the login needs no port on this machine.
    pub(super) fn is_pasted(&self) -> bool {
        !self.opens && (self.quiet || self.asked_for)
    }

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
    pending: &PendingLogin,
    has_callback: bool,
    options: &LoginOptions,
) {
    let warning = request.warning();
    warn(warning.as_deref());
    context.login_status.set_prompt(LoginPrompt { url: pending.url.clone(), code: None, warning });
    let reason = match (options.asked_for, options.is_present) {
        (true, _) => TabReason::AskedFor,
        (false, true) => TabReason::NextAttempt,
        (false, false) => TabReason::Needed,
    };
    let may_open = options.opens && guard.claim_tab(reason).await.is_ok();
    if !options.quiet {
        tell(context, pending, may_open && has_callback, has_callback, options).await;
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
        tell(context, pending, options.opens, false, options).await;
    }
}

/// Tells on stderr what the person should know before.
pub(super) fn warn(warning: Option<&str>) {
    if let Some(warning) = warning {
        log::notice(warning);
    }
}

/// `is_own`: this process has the callback server.
async fn tell(context: &LoginContext, pending: &PendingLogin, may_open: bool, is_own: bool, options: &LoginOptions) {
    let (host, url) = (context.shown_server(), &pending.url);
    let redirect_uri = AuthorizationRequest::from_payload(&pending.payload).map(|request| request.redirect_uri);
    let redirect_uri = redirect_uri.unwrap_or_else(|_| context.options.callback.redirect_uri(pending.port));
    let short = |purpose| start_url(&redirect_uri, &pending.start, purpose, is_own);
    if may_open && open_tab(url, &short(Purpose::Tab)).await {
        log::notice(&format!("a browser was opened to sign in to {host}; if it shows nothing, open {url}"));
    } else {
        log::notice(&format!("to sign in to {host}, open {url}"));
        if options.asked_for {
            log::notice(&format!("on this machine {} leads there too, once", short(Purpose::Print)));
        }
    }
    if options.pasted.is_some() {
        log::notice("where the browser does not come back by itself, paste here the address that it ends at");
    }
}

/// Opens a browser at the short address that leads to this URL. False if no browser was opened.
async fn open_tab(url: &str, short: &str) -> bool {
    BrowserUrl::parse(url).is_ok() && open(&BrowserUrl::of_callback(short)).await
}

/// Opens a browser. Other users of this machine can read the URL. False if no browser was opened.
pub(super) async fn open_browser(url: &str) -> bool {
    let Ok(url) = BrowserUrl::parse(url) else { return false };
    open(&url).await
}

async fn open(url: &BrowserUrl) -> bool {
    match browser::open(url, &Desktop::detect()).await {
        Ok(()) => true,
        Err(why) => {
            log::info!("no browser was opened: {why}");
            false
        }
    }
}
