//! Where does an entry stand, and in which language?

/// The format of a client's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON, with what this client reads besides.
    Json(Grammar),
    /// TOML, as Codex reads it.
    Toml,
    /// YAML, as Goose writes it.
    Yaml,
}

/// What a client reads besides JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grammar {
    /// `//` and `/* */`.
    pub(crate) comments: bool,
    /// A comma behind the last member.
    pub(crate) trailing_commas: bool,
    /// A byte order mark at the beginning.
    pub(crate) bom: bool,
}

impl Grammar {
    /// JSON and nothing else.
    pub(crate) const STRICT: Self = Self { comments: false, trailing_commas: false, bom: false };
    /// All that is called JSONC.
    pub(crate) const JSONC: Self = Self { comments: true, trailing_commas: true, bom: true };
}

/// Where an entry stands in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The format of the text.
    pub(crate) format: Format,
    /// The keys that lead to the section of the servers.
    pub(crate) section: &'a [&'a str],
    /// The key of the entry.
    pub(crate) name: &'a str,
}

impl<'a> Target<'a> {
    pub(super) fn path(&self) -> Vec<&'a str> {
        self.section.iter().copied().chain([self.name]).collect()
    }
}
