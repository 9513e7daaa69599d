//! How do a client of one era and a server of the other understand each other? State machines without I/O.

mod capabilities;
mod protocol;
#[cfg(test)]
mod test_support;
pub(crate) mod to_legacy;
pub mod to_modern;

pub(crate) use capabilities::takes_requests;
pub(crate) use protocol::{CACHEABLE, LEGACY_REVISIONS, LISTS, MODERN_REVISIONS, meta};
