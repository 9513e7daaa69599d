//! `Authorizer`: "the header for this request", "this is the 401 I got".
//!
//! Credentials here are static: the user gave them, or the way to them. A refused one is reported as just that; nothing else
//! is tried but the same source once more, where it may have something newer.

mod account;
pub mod authorization;
pub mod challenge;
pub mod client_credentials;
pub mod device;
pub mod discovery;
pub mod dpop;
pub mod enterprise;
mod expiry;
pub mod fetch;
pub mod jwt;
pub mod metadata;
pub mod record;
pub mod registration;
pub mod scope;
pub mod settings;
pub mod store;
#[cfg(test)]
mod tests;
pub mod token;
mod transaction;
pub mod workload;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use tokio::sync::Mutex;

use crate::log::Secret;

pub use account::{Account, Snapshot, Transaction};
pub use expiry::{Freshness, now};
pub use record::{Client, Issuer, Origin, Record, Tokens};
pub use transaction::{Reason, RefreshError, Spent};

/// How long a `--token-command` may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Where a bearer token comes from.
#[derive(Debug, Clone)]
pub enum Credential {
    /// `--bearer-token-env`: read once, an environment does not change.
    Environment {
        /// The variable's name.
        variable: String,
        /// Its value.
        token: Secret,
    },
    /// `--bearer-token-file`.
    File {
        /// As it was typed.
        path: PathBuf,
    },
    /// `--token-command`.
    Command {
        /// Program and arguments; at least the program.
        argv: Vec<String>,
    },
}

/// The user's headers, and what to say of them when they are refused or missed.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    /// Variables filled in.
    pub map: HeaderMap,
    /// For each, the option to look at: `--header Authorization (${TOKEN})`.
    pub sources: Vec<String>,
    /// What was given but not set, a sentence each.
    pub left_out: Vec<String>,
}

impl Headers {
    /// Notes that something is left out, and says so.
    pub(crate) fn leave_out(&mut self, why: String) {
        tracing::warn!("{why}");
        self.left_out.push(why);
    }
}

/// Gives requests their credential.
#[derive(Debug)]
pub struct Authorizer {
    headers: Headers,
    credential: Option<Credential>,
    token: Mutex<Option<Token>>,
}

#[derive(Debug, Clone)]
struct Token {
    header: HeaderValue,
    serial: u64,
}

/// Which credential a request went out with, to be given back when it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serial(u64);

/// The bearer token could not be had; nothing of it is in the text.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file of `--bearer-token-file`.
    #[error("no bearer token: cannot read {path}: {cause}")]
    File {
        /// As it was typed.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// The program of `--token-command`.
    #[error("no bearer token: {program} of --token-command {cause}")]
    Command {
        /// The program alone; arguments may be secret.
        program: String,
        /// What happened to it.
        cause: String,
    },
    /// What came is not a token.
    #[error("no bearer token: what {0} gives is empty or cannot stand in a header")]
    NoToken(String),
}

impl Authorizer {
    /// The user's own headers and where the bearer comes from, if it is not among them.
    pub fn new(headers: Headers, credential: Option<Credential>) -> Self {
        Self { headers, credential, token: Mutex::new(None) }
    }

    /// Whether a user gave any credential at all.
    pub fn is_given(&self) -> bool {
        self.credential.is_some() || !self.headers.map.is_empty()
    }

    /// Which option to look at when the credential is refused.
    pub fn source(&self) -> String {
        match &self.credential {
            Some(Credential::Environment { variable, .. }) => format!("--bearer-token-env {variable}"),
            Some(Credential::File { path }) => format!("--bearer-token-file {}", path.display()),
            Some(Credential::Command { .. }) => "--token-command".to_owned(),
            None => {
                let sources = &self.headers.sources;
                let authorization = sources.iter().find(|source| source.to_ascii_lowercase().contains("authorization"));
                authorization.cloned().unwrap_or_else(|| sources.join(" or "))
            }
        }
    }

    /// What the user meant to give but did not, in sentences.
    pub fn left_out(&self) -> String {
        self.headers.left_out.join("; ")
    }

    /// Adds the user's headers and the bearer to a request's own.
    pub async fn apply(&self, headers: &mut HeaderMap) -> Result<Serial, AuthError> {
        for name in self.headers.map.keys() {
            // In place of one of ours; several of theirs stay several.
            headers.remove(name);
            for value in self.headers.map.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let Some(credential) = &self.credential else { return Ok(Serial(0)) };
        // Boxed, for this is part of every request's future and its size.
        let current = Box::pin(self.current(credential)).await?;
        headers.insert(AUTHORIZATION, current.header);
        Ok(Serial(current.serial))
    }

    async fn current(&self, credential: &Credential) -> Result<Token, AuthError> {
        let mut token = self.token.lock().await;
        Ok(match &*token {
            Some(current) => current.clone(),
            None => token.insert(fetch(credential, 0).await?).clone(),
        })
    }

    /// The credential with this serial was refused. True if there is another to try now: fetched here, or by a request that
    /// was refused earlier.
    pub async fn refused(&self, serial: Serial) -> Result<bool, AuthError> {
        let Some(credential @ (Credential::File { .. } | Credential::Command { .. })) = &self.credential else {
            return Ok(false);
        };
        let mut token = self.token.lock().await;
        let Some(current) = &*token else { return Ok(true) };
        if current.serial != serial.0 {
            return Ok(true);
        }
        let next = fetch(credential, current.serial + 1).await?;
        // A file that still says the same has nothing newer; a command may have renewed what the same token stands for.
        let other = next.header != current.header || matches!(credential, Credential::Command { .. });
        *token = Some(next);
        Ok(other)
    }
}

async fn fetch(credential: &Credential, serial: u64) -> Result<Token, AuthError> {
    let (text, source) = match credential {
        Credential::Environment { variable, token } => (token.expose().to_owned(), variable.clone()),
        Credential::File { path } => {
            let path_text = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| AuthError::File { path: path_text.clone(), cause: error.to_string() })?;
            (text, path_text)
        }
        Credential::Command { argv } => (run(argv).await?, "--token-command".to_owned()),
    };
    let token = Secret::new(bare_token(&text));
    let header = HeaderValue::try_from(format!("Bearer {}", token.expose()));
    let (Ok(mut header), false) = (header, token.expose().is_empty()) else {
        return Err(AuthError::NoToken(source));
    };
    header.set_sensitive(true);
    Ok(Token { header, serial })
}

/// Runs the command and returns what it prints. Its stdin is not ours, which belongs to the protocol; its stderr is dropped,
/// because it may hold what must not reach a log.
async fn run(argv: &[String]) -> Result<String, AuthError> {
    let program = argv.first().cloned().unwrap_or_default();
    let failed = |cause: String| AuthError::Command { program: program.clone(), cause };
    let mut command = tokio::process::Command::new(&program);
    command.args(argv.get(1..).unwrap_or_default()).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(COMMAND_LIMIT, command.output()).await {
        Ok(output) => output.map_err(|error| failed(format!("cannot be run: {error}")))?,
        Err(_) => return Err(failed(format!("took longer than {} seconds", COMMAND_LIMIT.as_secs()))),
    };
    if !output.status.success() {
        return Err(failed(format!("failed ({})", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| failed("printed no text".to_owned()))
}

/// The token alone, where somebody kept it together with its scheme.
fn bare_token(text: &str) -> &str {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => text,
    }
}
