//! What stands in an entry, whatever the format of its file?

/// A value of an entry. Tables keep their order, and what is no text of ours is kept as it is spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// Values in a row.
    List(Vec<Value>),
    /// Values with names.
    Table(Vec<(String, Value)>),
    /// A number, a date, `null`: as it is spelled in the file.
    Other(String),
    /// What is not to be there: a member of a table that goes.
    Gone,
}

impl Value {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Texts in a row.
    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// What a table has under this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Table(members) = self else { return None };
        members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        let Self::Text(text) = self else { return None };
        Some(text)
    }

    /// What a program gets where this is one of its arguments or variables: programs that read a file by its types
    /// refuse a number there, others write it out.
    pub(crate) fn as_word(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Bool(is_so) => Some(is_so.to_string()),
            Self::Other(spelled) => Some(spelled.clone()).filter(|text| text.parse::<f64>().is_ok()),
            Self::List(_) | Self::Table(_) | Self::Gone => None,
        }
    }

    /// The names and values of a table.
    pub(crate) fn members(&self) -> &[(String, Value)] {
        let Self::Table(members) = self else { return &[] };
        members
    }

    /// Whether a table in a file has all of this, in any order, and perhaps more that a person has added.
    pub(crate) fn is_in(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Table(wanted), Self::Table(_)) => wanted.iter().all(|(name, value)| match found.get(name) {
                Some(found) => value.is_in(found),
                None => *value == Self::Gone || value.is_nothing(),
            }),
            _ => self == found,
        }
    }

    /// Whether nothing is left of a table without the members that go.
    pub(super) fn is_nothing(&self) -> bool {
        let members = self.members();
        !members.is_empty() && members.iter().all(|(_, value)| *value == Self::Gone || value.is_nothing())
    }

    /// The value without the members that go, for a place where there is none of them.
    pub(super) fn without_gone(&self) -> Self {
        let Self::Table(members) = self else { return self.clone() };
        let left = members.iter().filter(|(_, value)| *value != Self::Gone && !value.is_nothing());
        Self::Table(left.map(|(name, value)| (name.clone(), value.without_gone())).collect())
    }
}
