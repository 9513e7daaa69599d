//! Which era does the server speak? What a request that the client sends anyway brings back shows it ("Backward
//! Compatibility", 2026-07-28).
//!
//! # The decision list
//!
//! A modern client's request goes to a server as it is while that server is, or may be, modern. The first row that fits
//! what came back decides; *prove* means: in this run, or by `--protocol modern`.
//!
//! | # | evidence | verdict | action |
//! |---|---|---|---|
//! | 1 | a body that is no MCP message, to a request that may have changed something | none | the request fails |
//! | 2 | a login is missing, a limit (401, 403, 408, 425, 429), an outage | none | the request fails |
//! | 3 | any other 4xx without JSON-RPC, or row 1's body; the server has proven modern | none | the request fails |
//! | 4 | the same, but the request lacked what a modern server wants in `_meta`, and the server answers `server/discover` | modern | the request fails |
//! | 5 | the same otherwise | legacy | the request takes the other route |
//! | 6 | a result | modern, if it has a member that only modern results have | the client gets it |
//! | 7 | an error that only a modern server returns; or one that it may return, and the server has proven modern | modern | the client gets it |
//! | 8 | any other error, and the server answers `server/discover` | modern | the client gets it |
//! | 9 | the same, but whether it does cannot be found out now | none | the client gets it |
//! | 10 | the same otherwise, if the request was refused and not carried out | legacy | the request takes the other route |
//! | 11 | the same otherwise | legacy | the client gets it |
//!
//! So nothing is sent twice that may have been carried out. [`mod@carry`] is that list. For a legacy client,
//! `session/negotiation` has the list of what is tried when its session is opened; [`recheck`] says when an open
//! session is found to be of the wrong era. [`evidence`] reads responses, [`probe`] sends `server/discover`,
//! [`server_era`] holds the verdict, and [`memory`] keeps it for later runs, with what an opening has shown
//! ([`mod@remember`]).

mod carry;
mod discover;
pub(super) mod evidence;
mod memory;
mod probe;
mod recheck;
mod remember;
mod server_era;
mod suspicion;

pub(super) use carry::carry;
pub(super) use discover::discover;
pub(crate) use memory::forget;
pub(super) use memory::{Memory, Record};
pub(super) use recheck::{has_changed, is_mistaken_for_legacy, may_have_changed};
pub(super) use remember::remember;
pub(super) use server_era::Era;
pub(super) use suspicion::Suspicion;
