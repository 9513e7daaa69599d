//! What do the tests of the login protocols share?

#![allow(clippy::unwrap_used)]

pub(super) mod server;
