//! What does the client get to see of the server?

use super::option::options;

options! {
    /// Which tools exist for the client.
    pub struct Tools {
        /// Let the client see and call only tools of this name; `*` stands for anything (repeatable)
        allow_tool GLOB: Vec<String>,

        /// Let the client neither see nor call tools of this name; `*` stands for anything (repeatable)
        ignore_tool GLOB: Vec<String>,

        /// Let the client see and call only tools that the server declares to change nothing
        read_only: bool,
    }
}
