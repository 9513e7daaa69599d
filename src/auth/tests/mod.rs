//! What the tests of logging in share, and those that go through several rooms.

#![allow(clippy::unwrap_used)]

mod grants;
pub(super) mod server;
