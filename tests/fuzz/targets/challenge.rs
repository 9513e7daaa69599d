//! Every value parsed from a `WWW-Authenticate` header was in the header.
#![no_main]

use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use libfuzzer_sys::fuzz_target;
use mcp_ferry::auth::challenge::Challenge;

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    let Some(challenge) = Challenge::read(&headers) else { return };
    assert!(challenge.bearer || challenge.dpop, "only OAuth's challenges are met");
    // Compared without the backslashes of quoted strings on both sides.
    let bare = |text: &str| text.replace('\\', "");
    let said = bare(&String::from_utf8_lossy(data));
    let read = [challenge.resource_metadata, challenge.scope, challenge.error, challenge.error_description];
    for value in read.into_iter().flatten() {
        assert!(said.contains(&bare(&value)), "nobody said {value:?}");
    }
});
