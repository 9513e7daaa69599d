//! Where does a person sign in? Waiting requests, stderr and a browser show it.

use tokio::sync::mpsc;

use crate::auth::browser::{self, BrowserUrl, Desktop};
use crate::auth::callback::{self, Callback};
use crate::auth::login_context::LoginContext;
use crate::auth::login_lock::{LoginGuard, PendingLogin};
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
    /// A person is at the browser, because they have just answered in a tab: the next tab is not limited.
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
    url: &str,
    callback: &Callback,
    options: &LoginOptions,
) {
    context.login_status.set_prompt(LoginPrompt { url: url.to_owned(), code: None });
    let is_unlimited = options.is_present && !options.asked_for;
    let may_open = options.opens && (is_unlimited || guard.claim_tab(options.asked_for).await.is_ok());
    if !options.quiet {
        let short = options.asked_for.then(|| callback.start_url.clone());
        tell(context, url, short, may_open, options).await;
    }
}

/// Shows where to sign in for a login of another process. A person who asks for a login is shown it again: the tab may
/// have been closed.
pub(super) async fn show_pending(context: &LoginContext, pending: &PendingLogin, options: &LoginOptions) {
    context.login_status.set_prompt(LoginPrompt { url: pending.url.clone(), code: None });
    if options.asked_for {
        let short = callback::start_url(pending.port, &pending.start);
        tell(context, &pending.url, Some(short), options.opens, options).await;
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
