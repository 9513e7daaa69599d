//! Which of the server's tools may the client use?

use super::option::options;

options! {
    /// Which tools exist for the client.
    pub struct Tools {
        /// Let the client see and call only tools with this name; `*` matches any text (repeatable)
        allow_tool GLOB: Vec<String>,

        /// Do not let the client see or call tools with this name; `*` matches any text (repeatable)
        ignore_tool GLOB: Vec<String>,

        /// Let the client see and call only tools that the server declares to be read-only
        read_only: bool,
    }
}
