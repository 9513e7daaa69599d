//! The credential that the user has: a variable, a file, a command. A refused one is reported as just that; nothing
//! else is tried but the same source once more, where it may have something newer.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Mutex;

use super::AuthError;
use crate::log::Secret;

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

/// The credential as it was last had.
#[derive(Debug)]
pub(super) struct Given {
    credential: Credential,
    token: Mutex<Option<Token>>,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// Counts how often it was fetched.
    pub(super) serial: u64,
}

impl Given {
    pub(super) fn new(credential: Credential) -> Self {
        Self { credential, token: Mutex::default() }
    }

    /// Which option to look at when it is refused.
    pub(super) fn source(&self) -> String {
        match &self.credential {
            Credential::Environment { variable, .. } => format!("--bearer-token-env {variable}"),
            Credential::File { path } => format!("--bearer-token-file {}", path.display()),
            Credential::Command { .. } => "--token-command".to_owned(),
        }
    }

    pub(super) async fn current(&self) -> Result<Token, AuthError> {
        let mut token = self.token.lock().await;
        Ok(match &*token {
            Some(current) => current.clone(),
            None => token.insert(self.credential.fetch(0).await?).clone(),
        })
    }

    /// The one with this serial was refused. True if there is another to try now: fetched here, or by a request that
    /// was refused earlier.
    pub(super) async fn refused(&self, serial: u64) -> Result<bool, AuthError> {
        if let Credential::Environment { .. } = self.credential {
            return Ok(false);
        }
        let mut token = self.token.lock().await;
        let Some(current) = &*token else { return Ok(true) };
        if current.serial != serial {
            return Ok(true);
        }
        let next = self.credential.fetch(current.serial + 1).await?;
        // A file that still says the same has nothing newer; a command may have renewed what the same token stands for.
        let other = next.header != current.header || matches!(self.credential, Credential::Command { .. });
        *token = Some(next);
        Ok(other)
    }
}

impl Credential {
    /// The token, from wherever it is.
    pub(super) async fn token(&self) -> Result<Secret, AuthError> {
        let (text, source) = match self {
            Self::Environment { variable, token } => (token.expose().to_owned(), variable.clone()),
            Self::File { path } => {
                let path_text = path.display().to_string();
                let text = std::fs::read_to_string(path)
                    .map_err(|error| AuthError::File { path: path_text.clone(), cause: error.to_string() })?;
                (text, path_text)
            }
            Self::Command { argv } => (run(argv).await?, "--token-command".to_owned()),
        };
        let token = Secret::new(bare_token(&text));
        if token.expose().is_empty() { Err(AuthError::NoToken(source)) } else { Ok(token) }
    }

    async fn fetch(&self, serial: u64) -> Result<Token, AuthError> {
        let token = self.token().await?;
        let header =
            super::authorization("Bearer", &token).ok_or_else(|| AuthError::NoToken("its source".to_owned()))?;
        Ok(Token { header, serial })
    }
}

/// Runs the command and returns what it prints. Its stdin is not ours, which belongs to the protocol; its stderr is
/// dropped, because it may hold what must not reach a log.
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
