//! Which credential did the user give: a variable, a file, a command? If the server refuses it, only the same source is
//! read again, where it may have a newer token. A refusal is reported as such: no browser opens for an expired key.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::environment::{Child, withhold_secrets};
use super::error::AuthError;
use super::headers::authorization;
use crate::files;
use crate::log::Secret;
use crate::task;
use crate::typed::{decode, has_place, read_text, unquoted};

/// How long a `--token-command` may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Where a bearer token comes from.
#[derive(Debug, Clone)]
pub enum Credential {
    /// `--bearer-token-env`. It is read once: an environment does not change.
    Environment {
        /// The variable's name.
        variable: String,
        /// Its value.
        token: Secret,
    },
    /// `--bearer-token-file`.
    File {
        /// As the user typed it.
        path: PathBuf,
    },
    /// `--token-command`.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
    },
}

/// The credential, with the token that was read last.
pub(super) struct StaticCredential {
    credential: Credential,
    /// The header with the token, and how often the source was read before. Requests read it; the first request, and
    /// one whose token was refused, replace it. Locked while the source is read, so that other requests wait for the
    /// token.
    token: Mutex<Option<(HeaderValue, u64)>>,
}

impl StaticCredential {
    pub(super) fn new(credential: Credential) -> Self {
        Self { credential, token: Mutex::default() }
    }

    /// What to look at when the server refuses the credential.
    pub(super) fn source(&self) -> String {
        match &self.credential {
            Credential::Environment { variable, .. } => format!("the bearer token in the variable {variable}"),
            Credential::File { path } => format!("the bearer token in the file {}", path.display()),
            Credential::Command { .. } => "the bearer token that the command printed".to_owned(),
        }
    }

    /// What tells the credential from others, as far as that is known without reading its source.
    pub(super) fn identity(&self) -> String {
        match &self.credential {
            Credential::Environment { token, .. } => format!("{} {}", self.source(), token.expose()),
            _ => self.source(),
        }
    }

    /// Whether the source has the same token for ever.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self.credential, Credential::Environment { .. })
    }

    /// The value of the `Authorization` header, and the serial of its token.
    pub(super) async fn header(&self) -> Result<(HeaderValue, u64), AuthError> {
        let mut token = self.token.lock().await;
        let current = match token.take() {
            Some(current) => current,
            None => (self.credential.read().await?, 0),
        };
        Ok(token.insert(current).clone())
    }

    /// The server refused the token with this serial. True if there is another token to try now, read here or by a
    /// request that was refused earlier.
    pub(super) async fn challenge(&self, serial: u64) -> Result<bool, AuthError> {
        if let Credential::Environment { .. } = self.credential {
            return Ok(false);
        }
        let mut token = self.token.lock().await;
        let Some((header, _)) = token.as_ref().filter(|(_, current)| *current == serial) else { return Ok(true) };
        let next = self.credential.read().await?;
        // An unchanged file has no newer token. A command may have renewed what stands behind the same token.
        let is_new = next != *header || matches!(self.credential, Credential::Command { .. });
        *token = Some((next, serial + 1));
        Ok(is_new)
    }
}

impl Credential {
    /// Reads the token from its source.
    pub(super) async fn token(&self) -> Result<Secret, AuthError> {
        let (text, source) = match self {
            Self::Environment { variable, token } => (token.expose().to_owned(), variable.clone()),
            Self::File { path } => {
                let (path, shown) = (path.clone(), path.display().to_string());
                let read = task::blocking(move || {
                    files::warn_if_readable(&path);
                    read_text(&path).map_err(|error| error.to_string())
                });
                let read = read.await.unwrap_or_else(|| Err("the read was cut off".to_owned()));
                (read.map_err(|cause| AuthError::NoToken(format!("cannot read {shown}: {cause}")))?, shown)
            }
            Self::Command { argv } => (run(argv).await?, "--token-command".to_owned()),
        };
        let text = Zeroizing::new(text);
        let token = token_in(&text).filter(|token| !token.is_empty() && !has_place(token));
        token.map(Secret::new).ok_or_else(|| no_usable_token(&source))
    }

    async fn read(&self) -> Result<HeaderValue, AuthError> {
        authorization("Bearer", &self.token().await?).ok_or_else(|| no_usable_token("its source"))
    }
}

/// The error for a text that is no token, from this source.
pub(super) fn no_usable_token(source: &str) -> AuthError {
    AuthError::NoToken(format!("the text from {source} is empty or cannot stand in a header"))
}

/// Runs the command and returns what it prints. It does not get our stdin, which belongs to the protocol; its stderr is
/// dropped, because it may hold secrets.
async fn run(argv: &[String]) -> Result<String, AuthError> {
    let program = argv.first().map_or("", String::as_str);
    // Without the arguments, which may be secret.
    let failed = |cause: String| AuthError::NoToken(format!("{program} of --token-command {cause}"));
    let mut command = tokio::process::Command::new(program);
    command.args(argv.get(1..).unwrap_or_default()).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    withhold_secrets(&mut command, Child::TokenCommand(argv));
    let output = match tokio::time::timeout(COMMAND_LIMIT, command.output()).await {
        Ok(output) => output.map_err(|error| failed(format!("cannot be run: {error}")))?,
        Err(_) => return Err(failed(format!("took longer than {} seconds", COMMAND_LIMIT.as_secs()))),
    };
    if !output.status.success() {
        return Err(failed(format!("failed ({})", output.status)));
    }
    decode(&output.stdout).ok_or_else(|| failed("printed no text".to_owned()))
}

/// The names under which tools that print JSON have the token, and those of the objects that it may be in.
const TOKEN_NAMES: [&str; 6] = ["accessToken", "access_token", "token", "client_token", "id_token", "idToken"];
const OBJECT_NAMES: [&str; 4] = ["credential", "status", "auth", "data"];

/// The token in a text: in JSON, as the tools of clouds print it (az, gcloud, kubectl, vault), or the text itself.
fn token_in(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return Some(bare_token(text).to_owned());
    }
    let json: Value = serde_json::from_str(text).ok()?;
    let outer = json.get(0).unwrap_or(&json);
    let objects = std::iter::once(outer).chain(OBJECT_NAMES.iter().filter_map(|name| outer.get(name)));
    let tokens = objects.flat_map(|object| TOKEN_NAMES.iter().filter_map(move |name| object.get(name)?.as_str()));
    tokens.map(|token| bare_token(token).to_owned()).find(|token| !token.is_empty())
}

/// The token without the name of its header, its scheme and quotes, which some people store with it.
fn bare_token(text: &str) -> &str {
    let text = unquoted(text);
    let text = match text.split_once(':') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("authorization") => unquoted(value.trim()),
        _ => text,
    };
    match text.split_once(char::is_whitespace) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => unquoted(token),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_whatever_a_tool_prints() {
        for (text, token) in [
            ("abc\r\n", Some("abc")),
            ("Bearer abc", Some("abc")),
            ("\"abc\"", Some("abc")),
            ("Bearer \"abc\"", Some("abc")),
            ("Authorization: Bearer abc", Some("abc")),
            ("\"authorization:bearer abc\"", Some("abc")),
            ("a:b", Some("a:b")),
            ("{\"accessToken\": \"abc\", \"expiresOn\": \"2026-11-30\", \"tokenType\": \"Bearer\"}", Some("abc")),
            ("{\"access_token\":\"abc\",\"id_token\":\"x\",\"expires_in\":3599}", Some("abc")),
            ("{\"token\":\"Bearer abc\"}", Some("abc")),
            ("{\"credential\":{\"access_token\":\"abc\"}}", Some("abc")),
            ("{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"abc\"}}", Some("abc")),
            ("[{\"token\":\"abc\"}]", Some("abc")),
            ("{\"error\":\"log in first\"}", None),
            ("{\"accessToken\":", None),
            ("[]", None),
        ] {
            assert_eq!(token_in(text).as_deref(), token, "{text}");
        }
    }
}
