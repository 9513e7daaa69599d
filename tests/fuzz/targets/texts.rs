//! A stranger's text is shown short, on one line, and without a secret in any spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_ferry::log::{foreign, foreign_bytes, foreign_name, hide, neutral_json, redact, shell_word};
use serde_json::Value;

#[allow(dead_code)]
mod input;

const SECRET: &str = "sk-0f1e2d3c4b5a6978";

fuzz_target!(|data: &[u8]| {
    hide(SECRET);
    let bytes = input::expanded(data);
    let text = String::from_utf8_lossy(&bytes);
    let no_secret = |shown: &str| {
        let decoded = shown.replace("%73", "s").replace("\\u0073", "s").replace("&#115;", "s");
        assert!(!shown.contains(SECRET) && !decoded.contains(SECRET), "{shown:?} has the secret");
    };
    for (shown, longest) in [(foreign(&text), 300), (foreign_bytes(&bytes), 300), (foreign_name(&text), 100)] {
        assert!(shown.chars().count() <= longest, "{shown:?} is too long");
        check(&shown);
        no_secret(&shown);
    }
    check(&redact(&text));
    no_secret(&redact(&text));
    check(&shell_word(&text));
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        let shown = neutral_json(&text);
        assert_eq!(serde_json::from_str::<Value>(&shown).ok(), Some(value), "{shown:?} means something else");
    }
});

fn check(shown: &str) {
    let acts = |c: char| c.is_control() || matches!(c, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}');
    assert!(!shown.contains(acts), "{shown:?} has a character that acts on a terminal");
}
