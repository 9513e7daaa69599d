//! Every request gets exactly one answer, whatever the upstream does instead of giving it.

use crate::support::*;

#[test]
fn a_request_is_answered() {
    let upstream = Upstream::usual();
    let mut bridge = Bridge::connected(&upstream);
    bridge.still_works();
    bridge.finish();
}
