//! How is the authorization URL opened in a browser?
//!
//! A server chooses the URL, so it is checked and encoded before use. It is one argument of a program, or of a function
//! of the system; no shell reads it. A browser counts as opened only if the program that opens it succeeds.

mod desktop;

use std::process::Stdio;
use std::time::Duration;

use super::environment::{Child, withhold_secrets};
use super::web_url::{UnsafeUrl, check_url};

pub(super) use desktop::Desktop;
use desktop::Opener;

/// A program that opens a browser ends within this time.
const OPENER_LIMIT: Duration = Duration::from_secs(3);

/// Longer than any real authorization URL, and short enough for every program that opens a browser.
const LONGEST_URL: usize = 16 * 1024;

/// A URL that is safe to open: https, or http to this machine, without a user name, and encoded by us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BrowserUrl(String);

impl BrowserUrl {
    pub(super) fn parse(text: &str) -> Result<Self, UnsafeUrl> {
        // Even a script that passes the URL to a shell finds no quote and no expression in it.
        let url = check_url(text, false)?;
        let encoded: String = url.as_str().chars().map(without_shell_syntax).collect();
        if encoded.len() > LONGEST_URL { Err(UnsafeUrl::new(&url, "it is too long")) } else { Ok(Self(encoded)) }
    }

    /// A URL of ours, whose host the user may have chosen.
    pub(super) fn of_callback(url: &str) -> Self {
        Self(url.chars().map(without_shell_syntax).collect())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Percent-encodes the characters that the URL parser leaves and that shells interpret.
fn without_shell_syntax(c: char) -> String {
    match c {
        '\'' | '"' | '`' | '$' | '(' | ')' | '|' | '<' | '>' | '\\' | '^' | '!' | '*' | '{' | '}' | ' ' => {
            format!("%{:02X}", u32::from(c))
        }
        c => c.to_string(),
    }
}

/// Why a browser was not opened; the text is for messages.
#[derive(Debug)]
enum OpenError {
    /// This program did not open it; another may.
    Failed(String),
    /// The program is still at work. A second program might open a second tab.
    TimedOut(String),
}

/// Opens a browser if there is one, and takes a few seconds at most. Returns why none was opened.
pub(super) async fn open(url: &BrowserUrl, desktop: &Desktop) -> Result<(), String> {
    let mut error = "there is no program that opens one".to_owned();
    for opener in desktop.openers()? {
        match open_with(&opener, url).await {
            Ok(()) => return Ok(()),
            Err(OpenError::Failed(why)) => error = why,
            Err(OpenError::TimedOut(why)) => return Err(why),
        }
    }
    Err(error)
}

async fn open_with(opener: &Opener, url: &BrowserUrl) -> Result<(), OpenError> {
    match opener {
        Opener::Program { argv, environment } => {
            let [program, arguments @ ..] = argv.as_slice() else {
                return Err(OpenError::Failed("$BROWSER is empty".to_owned()));
            };
            let mut command = tokio::process::Command::new(program);
            command.args(arguments.iter().map(|argument| argument.replace("%s", url.as_str())));
            if !arguments.iter().any(|argument| argument.contains("%s")) {
                command.arg(url.as_str());
            }
            withhold_secrets(&mut command, Child::Browser);
            command.envs(environment.iter().map(|(name, value)| (name, value)));
            // Our stdin and stdout belong to the protocol.
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // A browser that starts here must survive us, even if the MCP client ends our whole process group.
            #[cfg(unix)]
            command.process_group(0);
            let failed = |what: &str| OpenError::Failed(format!("{program} {what}"));
            let mut child = command.spawn().map_err(|error| failed(&format!("cannot be run: {error}")))?;
            match tokio::time::timeout(OPENER_LIMIT, child.wait()).await {
                Ok(Ok(status)) if status.success() => Ok(()),
                Ok(Ok(status)) => Err(failed(&format!("failed ({status})"))),
                Ok(Err(error)) => Err(failed(&format!("was lost: {error}"))),
                // Some programs are the browser itself, so it is left running.
                Err(_) => Err(OpenError::TimedOut(format!("{program} is still running"))),
            }
        }
        #[cfg(windows)]
        Opener::ShellExecute => shell_execute(url).await,
    }
}

/// Calls `ShellExecute`, which despite its name runs no shell; `open::that` would run one. It has a thread of its own,
/// because it may wait for the registry.
#[cfg(windows)]
async fn shell_execute(url: &BrowserUrl) -> Result<(), OpenError> {
    let failed = |error: std::io::Error| OpenError::Failed(format!("Windows did not open it: {error}"));
    let (result_in, result) = tokio::sync::oneshot::channel();
    let url = url.0.clone();
    std::thread::Builder::new()
        .name("browser".to_owned())
        .spawn(move || {
            result_in.send(open::that_detached(url)).ok();
        })
        .map_err(failed)?;
    match tokio::time::timeout(OPENER_LIMIT, result).await {
        Ok(Ok(result)) => result.map_err(failed),
        _ => Err(OpenError::TimedOut("Windows is still opening it".to_owned())),
    }
}

#[cfg(test)]
mod tests;
