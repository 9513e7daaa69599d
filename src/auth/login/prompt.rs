//! Where does a person sign in? Waiting requests, stderr and a browser show it.

use std::time::Instant;

use tokio::sync::mpsc;

use crate::auth::authorization::AuthorizationRequest;
use crate::auth::browser::{self, BrowserUrl, Desktop};
use crate::auth::callback::{Purpose, start_url};
use crate::auth::login_context::LoginContext;
use crate::auth::login_lock::{PendingLogin, PendingTab, TabReason};
use crate::auth::login_status::{LoginPrompt, Tab};
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
    request: &AuthorizationRequest,
    pending: &PendingLogin,
    options: &LoginOptions,
) {
    warn(request.warning().as_deref());
    let reason = match (options.asked_for, options.is_present) {
        (true, _) => TabReason::AskedFor,
        (false, true) => TabReason::NextAttempt,
        (false, false) => TabReason::Needed,
    };
    let may_open = options.opens && context.login_lock.claim_tab(reason).await.is_ok() && pending.has_callback;
    if !may_open && pending.tab == PendingTab::Opening {
        context.login_lock.save_tab(&pending.state, PendingTab::None).await;
    }
    let is_first = pending.opened == 0 && pending.tab != PendingTab::Open;
    let purpose = if is_first { Purpose::FirstTab } else { another_tab(pending) };
    show_prompt(context, pending, may_open.then_some(purpose), options).await;
}

/// Shows where to sign in for a login of another process. A person who asks for a login is shown it again: the tab may
/// have been closed.
pub(super) async fn show_pending(context: &LoginContext, pending: &PendingLogin, options: &LoginOptions) {
    if options.asked_for {
        warn(pending_prompt(context, pending, Tab::None).warning.as_deref());
        show_prompt(context, pending, options.opens.then(|| another_tab(pending)), options).await;
    } else {
        context.login_status.set_prompt(pending_prompt(context, pending, earlier_tab(pending)));
    }
}

/// Opens another tab for the login under way with this `state`, of this process or another one: a person may have closed
/// the last one.
pub(super) async fn open_another_tab(context: &LoginContext, state: &str, options: &LoginOptions) {
    let pending = context.login_lock.pending().await.filter(|pending| pending.state == state);
    let tab = match pending.filter(|_| options.opens) {
        Some(pending) if context.login_lock.claim_tab(TabReason::Called).await.is_ok() => {
            open_tab(context, &pending, another_tab(&pending)).await
        }
        _ => Tab::None,
    };
    context.login_status.set_tab(tab);
}

/// What is known of the tab that was opened for a login before, perhaps by another process.
pub(super) fn earlier_tab(pending: &PendingLogin) -> Tab {
    match pending.tab {
        PendingTab::None => Tab::None,
        PendingTab::Opening => Tab::Opening,
        PendingTab::Open => Tab::Open(Instant::now()),
    }
}

fn another_tab(pending: &PendingLogin) -> Purpose {
    Purpose::AnotherTab { opened: pending.opened }
}

/// Tells on stderr what the person should know before.
pub(super) fn warn(warning: Option<&str>) {
    if let Some(warning) = warning {
        log::notice(warning);
    }
}

/// Where to sign in for a login under way.
fn pending_prompt(context: &LoginContext, pending: &PendingLogin, tab: Tab) -> LoginPrompt {
    let request = AuthorizationRequest::from_payload(&pending.payload).ok();
    LoginPrompt {
        url: pending.url.clone(),
        short: pending.has_callback.then(|| short_address(context, pending, Purpose::Print)),
        is_elsewhere: Desktop::detect().is_elsewhere(),
        tab,
        code: None,
        warning: request.and_then(|request| request.warning()),
    }
}

/// A short address of a login under way.
fn short_address(context: &LoginContext, pending: &PendingLogin, purpose: Purpose) -> String {
    let redirect_uri = AuthorizationRequest::from_payload(&pending.payload).map(|request| request.redirect_uri);
    let redirect_uri = redirect_uri.unwrap_or_else(|_| context.options.callback.redirect_uri(pending.port));
    start_url(&redirect_uri, &pending.start, purpose)
}

/// Opens a browser for this purpose, if that is allowed, and tells waiting requests and stderr where to sign in.
async fn show_prompt(context: &LoginContext, pending: &PendingLogin, opens: Option<Purpose>, options: &LoginOptions) {
    let tab = match (opens, earlier_tab(pending)) {
        (Some(_), _) => Tab::Opening,
        (None, tab @ Tab::Open(_)) => tab,
        (None, _) => Tab::None,
    };
    let prompt = pending_prompt(context, pending, tab);
    context.login_status.set_prompt(prompt.clone());
    let mut is_opened = false;
    if let Some(purpose) = opens {
        let tab = open_tab(context, pending, purpose).await;
        is_opened = tab != Tab::None;
        context.login_status.set_tab(tab);
    }
    if options.quiet {
        return;
    }
    let (host, address) = (context.shown_server(), prompt.address());
    log::notice(&if is_opened {
        format!("a browser was opened to sign in to {host}; if it shows nothing, open {address}")
    } else {
        format!("to sign in to {host}, open {address}")
    });
    // Without a browser here, or with `--no-browser`, the person's browser may be anywhere.
    let is_anywhere = prompt.is_elsewhere || options.asked_for && !options.opens;
    if !is_opened && is_anywhere && address != prompt.url {
        log::notice(&format!("in a browser on another machine, open {}", prompt.url));
    }
    if options.pasted.is_some() {
        log::notice("where the browser does not come back by itself, paste here the address that it ends at");
    }
}

/// Opens a browser at a short address: other users of this machine can read it.
async fn open_tab(context: &LoginContext, pending: &PendingLogin, purpose: Purpose) -> Tab {
    let short = BrowserUrl::of_callback(&short_address(context, pending, purpose));
    let is_open = BrowserUrl::parse(&pending.url).is_ok() && open(&short).await;
    let (tab, kept) =
        if is_open { (Tab::Open(Instant::now()), PendingTab::Open) } else { (Tab::None, PendingTab::None) };
    context.login_lock.save_tab(&pending.state, kept).await;
    tab
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
