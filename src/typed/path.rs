//! Which file does a typed path name? Only a shell knows `~`, and hosts start programs without one.

use std::path::{Path, PathBuf};

use super::places::fill_in;
use super::quotes::unquoted;

/// The path with the home directory in place of `~`, with the values of its variables, without quotes.
pub(crate) fn expand_path(path: &Path) -> Result<PathBuf, String> {
    let Some(typed) = path.to_str() else { return Ok(path.to_owned()) };
    let text = fill_in(unquoted(typed)).map_err(|unfilled| unfilled.to_string())?;
    match text.strip_prefix('~') {
        Some(below) if below.is_empty() || below.starts_with(is_separator) => {
            let home = home().ok_or("~ stands for the home directory, and this user has none")?;
            Ok(home.join(below.trim_start_matches(is_separator)))
        }
        // Shells find the home of another user in a file of the system that not all systems have.
        Some(_) if !Path::new(&text).exists() => {
            Err("only ~ and ~/… are known; give the whole path in place of another user's ~".to_owned())
        }
        _ => Ok(text.into()),
    }
}

fn is_separator(c: char) -> bool {
    c == '/' || (cfg!(windows) && c == '\\')
}

pub(super) fn home() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_directory() {
        let home = home().unwrap();
        for (typed, expanded) in [
            ("~", home.clone()),
            ("~/", home.clone()),
            ("~/a/b", home.join("a/b")),
            ("\"~/a b\"", home.join("a b")),
            ("${userHome}/a", home.join("a")),
            ("/a/~/b", "/a/~/b".into()),
            ("a~", "a~".into()),
            ("./~/b", "./~/b".into()),
            ("", "".into()),
        ] {
            assert_eq!(expand_path(Path::new(typed)), Ok(expanded), "{typed}");
        }
        assert!(expand_path(Path::new("~nobody-here/x")).is_err());
        assert!(expand_path(Path::new("${NOT_SET_ANYWHERE}/x")).is_err());
    }
}
