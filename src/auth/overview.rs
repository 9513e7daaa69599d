//! Which logins does this machine have, without their secrets?

use std::path::{Path, PathBuf};

use super::store::{KeptIn, Store, StoreError};

/// A login that is kept.
#[derive(Debug)]
pub(crate) struct KeptLogin {
    /// The MCP server's address for people.
    pub server: String,
    /// The state in a word: `signed_in`, `ended`, `signed_out`, `registered`.
    pub state: &'static str,
    /// Its file.
    pub path: PathBuf,
    /// Why it cannot be used.
    pub problem: Option<String>,
    /// A newer version of this program has written it.
    pub is_newer: bool,
}

/// The logins below this home; an error if none of them may be used.
pub(crate) fn kept_logins(home: &Path) -> Result<Vec<KeptLogin>, String> {
    let store = Store::new(home, KeptIn::File);
    let keys = store.keys().map_err(|error| error.to_string())?;
    let login = |key| {
        let path = store.path(&key);
        let login = |server, state, problem| KeptLogin { server, state, path: path.clone(), problem, is_newer: false };
        // A login that is under way has no record yet.
        match store.of(&key).read(&key) {
            _ if !path.exists() => None,
            Ok(Some(record)) => Some(login(record.server.clone(), record.state(), None)),
            Ok(None) => Some(login(String::new(), "damaged", Some("it is damaged".to_owned()))),
            Err(error) => {
                let is_newer = matches!(error, StoreError::Newer(_));
                Some(KeptLogin { is_newer, ..login(String::new(), "unknown", Some(error.to_string())) })
            }
        }
    };
    Ok(keys.into_iter().filter_map(login).collect())
}
