//! What do the environment variables and the files contain that options name?

use super::text::given;
use crate::cli;
use crate::error::Error;

/// The value of an environment variable, unless it is empty or a placeholder.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !cli::is_unset(value))
}

/// The text of the file at the path that was typed.
pub(super) fn named_file(path: Option<&String>) -> Result<Option<String>, Error> {
    given(path).map(read_file).transpose()
}

/// JSON as it was typed, or the text of the file whose path follows an `@`; with the values of its variables.
pub(super) fn document(typed: Option<&String>) -> Result<Option<String>, Error> {
    let Some(typed) = given(typed) else { return Ok(None) };
    let json = match typed.trim().strip_prefix('@') {
        Some(path) => &read_file(path)?,
        None => typed,
    };
    cli::expand(json).map(Some).map_err(|variable| {
        Error::Usage(format!("the client's JSON needs the environment variable {variable}, which is not set"))
    })
}

pub(super) fn read_file(path: &str) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| Error::File { path: path.to_owned(), cause: error.to_string() })
}
