//! How does one login go about it?

use tokio::sync::mpsc;

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
