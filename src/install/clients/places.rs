//! Which parts of an entry does a client itself fill in with its own environment, before it starts the program?
//!
//! Then the value of a variable stands among the arguments, where other users of the machine can read it, and it is that
//! of the client's environment, not that of the entry. The bridge fills in every spelling, and so an entry has one that
//! its client leaves alone.

use crate::typed::respell;

/// The spellings of variables that a client fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Places {
    /// None.
    None,
    /// `${NAME}`, `${NAME:-default}`.
    Braces,
    /// The same, and `$NAME`.
    Dollar,
    /// `${env:NAME}`.
    DollarEnv,
    /// `{env:NAME}`.
    Env,
}

impl Places {
    /// A word of an entry, with the variables that the entry itself sets spelled in a way that the client leaves alone.
    pub(crate) fn respelled(self, word: &str, is_set: impl Fn(&str) -> bool) -> String {
        respell(word, |place, name| {
            let is_foreign = self.first_in(place).is_none() || !is_set(name);
            (!is_foreign).then(|| if self == Self::Env { format!("${{{name}}}") } else { format!("{{env:{name}}}") })
        })
    }

    /// The name of the first variable that the client finds in a text.
    pub(crate) fn first_in(self, text: &str) -> Option<&str> {
        let opens: &[&str] = match self {
            Self::None => &[],
            Self::Braces => &["${"],
            Self::Dollar => &["${", "$"],
            Self::DollarEnv => &["${env:"],
            Self::Env => &["{env:"],
        };
        let name_at = |at: usize| {
            let rest = opens.iter().find_map(|open| text[at..].strip_prefix(open).map(|rest| (*open, rest)));
            let (open, rest) = rest?;
            let name = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())];
            let is_closed = !open.contains('{') || rest.contains('}');
            (!name.is_empty() && is_closed).then_some(name)
        };
        text.match_indices(['$', '{']).find_map(|(at, _)| name_at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_fills_in_is_spelled_in_another_way() {
        let text = "A: ${KEY} $KEY {env:KEY} ${env:KEY} ${KEY:-x} ${B}";
        for (places, expected) in [
            (Places::None, text),
            (Places::Braces, "A: {env:KEY} $KEY {env:KEY} {env:KEY} {env:KEY} ${B}"),
            (Places::Dollar, "A: {env:KEY} {env:KEY} {env:KEY} {env:KEY} {env:KEY} ${B}"),
            (Places::DollarEnv, "A: ${KEY} $KEY {env:KEY} {env:KEY} ${KEY:-x} ${B}"),
            (Places::Env, "A: ${KEY} $KEY ${KEY} ${KEY} ${KEY:-x} ${B}"),
        ] {
            assert_eq!(places.respelled(text, |name| name == "KEY"), expected, "{places:?}");
        }
    }

    #[test]
    fn a_value_in_which_a_client_finds_a_variable_is_known() {
        for (places, text, name) in [
            (Places::Dollar, "pa$HOME-x", Some("HOME")),
            (Places::Dollar, "pa$-x$", None),
            (Places::Dollar, "ä$ä${B", None),
            (Places::Braces, "pa$HOME-x", None),
            (Places::Braces, "pa${HOME}", Some("HOME")),
            (Places::DollarEnv, "${HOME}${env:X}", Some("X")),
            (Places::Env, "${HOME}", None),
            (Places::Env, "{env:HOME}", Some("HOME")),
            (Places::None, "$HOME ${HOME}", None),
        ] {
            assert_eq!(places.first_in(text), name, "{places:?} {text}");
        }
    }
}
