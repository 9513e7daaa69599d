//! Was a document written by a newer version of this program?
//!
//! Versions of this program live together on one machine, and use the same files. The rule for all of them: a document
//! names its format, and the first versions named none. A member that earlier versions may drop is added without another
//! number. A newer number is neither used nor overwritten, and a message says so; an older document is read, and written
//! again in the format of now.

use serde::Deserialize;
use serde_json::Value;

/// What a person can do about a document of a newer version.
pub(crate) const UPDATE: &str = "update mcp-ferry here too; `mcp-ferry status` names the command";

/// A newer version of this program has written the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("was written by a newer version of mcp-ferry")]
pub(crate) struct Newer;

#[derive(Default, Deserialize)]
struct Head {
    #[serde(default)]
    format: Value,
}

/// Refuses a JSON document whose format is above `known`, or is none that this version understands.
pub(crate) fn check_format(document: &[u8], known: u64) -> Result<(), Newer> {
    let Head { format } = serde_json::from_slice(document).unwrap_or_default();
    let is_newer = !format.is_null() && format.as_u64().is_none_or(|format| format > known);
    if is_newer { Err(Newer) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_format_above_the_known_one_is_newer() {
        for old in ["", "{", "[1]", "7", "{}", r#"{"format":null}"#, r#"{"format":0}"#, r#"{"a":1,"format":3}"#] {
            assert_eq!(check_format(old.as_bytes(), 3), Ok(()), "{old}");
        }
        for new in [r#"{"format":4}"#, r#"{"x":{"format":1},"format":9}"#, r#"{"format":"4.1"}"#, r#"{"format":{}}"#] {
            assert_eq!(check_format(new.as_bytes(), 3), Err(Newer), "{new}");
        }
    }
}
