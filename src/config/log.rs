//! What did the user mean for logging?

use std::path::PathBuf;

use super::text::given;
use crate::cli::Logging;
use crate::log::{Level, Options};
use crate::{files, system};

/// The options of the log. The file of `--debug` is named after a hash of the server's address, which may hold a secret.
pub fn log_options(url: Option<&str>, typed: &Logging) -> Options {
    let level = if typed.debug { Level::Debug } else { typed.log_level };
    let file = || given(typed.log_file.as_ref()).map(PathBuf::from);
    let debug_file = || {
        let name = files::hex(&files::sha256(url.unwrap_or_default().as_bytes())[..8]);
        system::home().filter(|_| typed.debug).map(|home| home.join("logs").join(format!("{name}.log")))
    };
    Options {
        stderr: (!typed.silent).then_some(level),
        file: file().or_else(debug_file).map(|path| (path, level)),
        trace: given(typed.trace_file.as_ref()).map(PathBuf::from),
    }
}
