//! Which piece of a text did an insertion make? It is kept, so that the text can become what it was, to the byte.

/// The piece of a text that an insertion made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Piece {
    /// What was inserted, without the comma that ends the member before.
    pub(crate) inserted: String,
    /// What stood in its place: white space between braces.
    pub(crate) removed: String,
    /// How many keys of the section's path were inserted too.
    pub(crate) sections: usize,
}
