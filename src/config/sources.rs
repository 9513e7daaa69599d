//! What do the environment and the files that options name contain? Only this step of making the settings reads them.

use std::collections::HashMap;
use std::path::PathBuf;

use super::text::{each_given, given};
use crate::cli::{self, Options};
use crate::error::Error;
use crate::system;

/// What was read.
#[derive(Default)]
pub(super) struct Sources {
    /// The process's environment, without what is not Unicode.
    environment: HashMap<String, String>,
    /// Each file of `--header-file`: its path and its text.
    pub(super) header_files: Vec<(String, String)>,
    /// The text of `--client-secret-file`.
    pub(super) client_secret: Option<String>,
    /// The text of `--private-key`.
    pub(super) private_key: Option<String>,
    /// The JSON of `--static-oauth-client-info`.
    pub(super) client_info: Option<String>,
    /// The JSON of `--static-oauth-client-metadata`.
    pub(super) client_metadata: Option<String>,
    /// The folder for the bridge's files.
    pub(super) home: Option<PathBuf>,
}

impl Sources {
    /// Reads the environment and all files that the options name.
    pub(super) fn read(options: &Options) -> Result<Self, Error> {
        let (credentials, login) = (&options.credentials, &options.login);
        let mut header_files = Vec::new();
        for path in each_given(&credentials.header_file) {
            header_files.push((path.to_owned(), read_file(path)?));
        }
        // This file is read again when a token is needed; now, a wrong path is an error at once.
        named_file(credentials.bearer_token_file.as_ref())?;
        let variables = std::env::vars_os();
        let variables =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Ok(Self {
            environment: variables.map(|(name, value)| (comparable(&name), value)).collect(),
            header_files,
            client_secret: named_file(login.client_secret_file.as_ref())?,
            private_key: named_file(login.private_key.as_ref())?,
            client_info: document(login.static_oauth_client_info.as_ref())?,
            client_metadata: document(login.static_oauth_client_metadata.as_ref())?,
            home: system::home(),
        })
    }

    /// The value of an environment variable, unless it is empty or a placeholder.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(&comparable(name)).filter(|value| !cli::is_unset(value)).cloned()
    }

    /// Replaces each `${VAR}` by the variable's value. `Err` names the first variable that is not set.
    pub(super) fn expand(&self, text: &str) -> Result<String, String> {
        cli::expand(text, |name| self.variable(name))
    }
}

/// On Windows the case of a variable's name does not matter.
fn comparable(name: &str) -> String {
    if cfg!(windows) { name.to_uppercase() } else { name.to_owned() }
}

fn named_file(path: Option<&String>) -> Result<Option<String>, Error> {
    given(path).map(read_file).transpose()
}

/// JSON as it was typed, or the text of the file whose path follows an `@`.
fn document(typed: Option<&String>) -> Result<Option<String>, Error> {
    let Some(typed) = given(typed) else { return Ok(None) };
    Ok(Some(match typed.trim().strip_prefix('@') {
        Some(path) => read_file(path)?,
        None => typed.to_owned(),
    }))
}

fn read_file(path: &str) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| Error::File { path: path.to_owned(), cause: error.to_string() })
}
