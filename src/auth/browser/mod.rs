//! How does a browser get to see the authorization URL?
//!
//! The URL is a server's choice, so it is checked and written anew before anybody gets it, and it is only ever one
//! argument of a program, or of the system's own function: no shell sees it. And it is not said that a browser was
//! opened unless the opener says so.

mod surroundings;

use std::process::Stdio;
use std::time::Duration;

use url::Url;

use super::callback::is_loopback;
pub use surroundings::Surroundings;
use surroundings::Way;

/// An opener that has done its work says so within this.
const OPENER_LIMIT: Duration = Duration::from_secs(3);

/// Longer than any real authorization URL, shorter than what breaks an opener.
const LONGEST_URL: usize = 16 * 1024;

/// A URL that is fit to be opened: https, or http to this machine, without a user name, and spelled by us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserUrl(String);

/// Why a URL is not opened, nor shown as one to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is not a URL at all.
    #[error("it is not a URL")]
    Malformed,
    /// `javascript:`, `file:`, http to elsewhere, ….
    #[error("its scheme is not https")]
    Scheme,
    /// A user name before the host, which is there to mislead.
    #[error("it holds a user name or password")]
    Userinfo,
    /// More than an opener takes.
    #[error("it is too long")]
    TooLong,
}

impl BrowserUrl {
    /// Checks a URL of a server's choice.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|_| UrlError::Malformed)?;
        match url.scheme() {
            "https" if url.host().is_some() => {}
            "http" if is_loopback(&url) => {}
            _ => return Err(UrlError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Userinfo);
        }
        // Openers that are scripts get no quote to close and no expression to expand, whatever they do with it.
        let plain: String = url.as_str().chars().map(inert).collect();
        if plain.len() > LONGEST_URL { Err(UrlError::TooLong) } else { Ok(Self(plain)) }
    }

    /// As it may be given to others.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the parser leaves of what shells read, as a URL may spell it as well.
fn inert(c: char) -> String {
    match c {
        '\'' | '"' | '`' | '$' | '(' | ')' | '|' | '<' | '>' | '\\' | '^' | '!' | '*' | '{' | '}' | ' ' => {
            format!("%{:02X}", u32::from(c))
        }
        c => c.to_string(),
    }
}

/// What can be said of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// The opener said so.
    Opened,
    /// It did not; why, in a clause for people.
    NotOpened(String),
}

/// Opens a browser where there is one. Not longer than a few seconds.
pub async fn open(url: &BrowserUrl, surroundings: &Surroundings) -> Opening {
    let ways = match surroundings.ways() {
        Ok(ways) => ways,
        Err(why) => return Opening::NotOpened(why.to_owned()),
    };
    let mut why = "there is no program that opens one".to_owned();
    for way in ways {
        match attempt(&way, url).await {
            Attempt::Opened => return Opening::Opened,
            Attempt::Failed(said) => why = said,
            // It may yet, and a second opener would make two tabs.
            Attempt::Silent(said) => return Opening::NotOpened(said),
        }
    }
    Opening::NotOpened(why)
}

enum Attempt {
    Opened,
    Failed(String),
    Silent(String),
}

async fn attempt(way: &Way, url: &BrowserUrl) -> Attempt {
    match way {
        Way::Program { argv, environment } => {
            let [program, arguments @ ..] = argv.as_slice() else {
                return Attempt::Failed("$BROWSER is empty".to_owned());
            };
            let mut command = tokio::process::Command::new(program);
            command.args(arguments.iter().map(|argument| argument.replace("%s", url.as_str())));
            if !arguments.iter().any(|argument| argument.contains("%s")) {
                command.arg(url.as_str());
            }
            command.envs(environment.iter().map(|(name, value)| (name, value)));
            // Our stdin and stdout are the protocol's.
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // A browser that begins here outlives us, also where the host ends its whole group.
            #[cfg(unix)]
            command.process_group(0);
            run(command, program).await
        }
        #[cfg(windows)]
        Way::System => system(url).await,
    }
}

async fn run(mut command: tokio::process::Command, program: &str) -> Attempt {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Attempt::Failed(format!("{program} cannot be run: {error}")),
    };
    match tokio::time::timeout(OPENER_LIMIT, child.wait()).await {
        Ok(Ok(status)) if status.success() => Attempt::Opened,
        Ok(Ok(status)) => Attempt::Failed(format!("{program} failed ({status})")),
        Ok(Err(error)) => Attempt::Failed(format!("{program} was lost: {error}")),
        // Some openers are the browser. It is left running.
        Err(_) => Attempt::Silent(format!("{program} has not said whether it did")),
    }
}

/// `ShellExecute`, which despite its name is no shell; `open::that` would run one. On a thread of its own: it may ask
/// the registry, and wait.
#[cfg(windows)]
async fn system(url: &BrowserUrl) -> Attempt {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let url = url.0.clone();
    let opener = std::thread::Builder::new().name("browser".to_owned()).spawn(move || {
        answer.send(open::that_detached(url)).ok();
    });
    match (opener, tokio::time::timeout(OPENER_LIMIT, answered).await) {
        (Ok(_), Ok(Ok(Ok(())))) => Attempt::Opened,
        (Ok(_), Ok(Ok(Err(error)))) => Attempt::Failed(format!("Windows did not open it: {error}")),
        (Ok(_), _) => Attempt::Silent("Windows has not said whether it did".to_owned()),
        (Err(error), _) => Attempt::Failed(format!("Windows did not open it: {error}")),
    }
}

#[cfg(test)]
mod tests;
