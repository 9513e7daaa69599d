//! Secrets that a server quotes in any spelling appear neither on stdout nor on stderr.

use crate::support::*;

const TOKEN: &str = "sk-org-0123456789abcdef";

/// Decodes percent-encoding.
fn decoded(text: &str) -> String {
    text.replace("%2F", "/").replace("%2B", "+").replace("%20", " ").replace("%3D", "=")
}

#[test]
fn a_secret_in_the_url_is_hidden_in_encoded_and_decoded_form() {
    let cases: [(&str, &[&str]); 6] = [
        ("/sec%2Fret%2Btoken123/mcp", &["sec%2Fret%2Btoken123", "sec/ret+token123"]),
        ("/mcp/secret-token-123%20b", &["secret-token-123%20b", "secret-token-123 b"]),
        ("/mcp?x=1&key=to%2Bken%2Fvalue1", &["to%2Bken%2Fvalue1", "to+ken/value1"]),
        ("/mcp?key=to%2Bken%2Fvalue1&x=1", &["to%2Bken%2Fvalue1", "to+ken/value1"]),
        ("/mcp?key=token+value+1", &["token+value+1", "token value 1"]),
        ("/mcp?key=dG9rZW4tdmFsdWU%3D", &["dG9rZW4tdmFsdWU%3D", "dG9rZW4tdmFsdWU="]),
    ];
    for (path, secrets) in cases {
        let upstream = Upstream::start(|call| {
            let path = call.path().to_owned();
            let (_, value) = path.rsplit_once("key=").unwrap_or_default();
            let value = value.trim_end_matches("&x=1");
            let plus = decoded(value).replace('+', " ");
            let quoted = format!("no route {path} or {}, with {value} or {} or {plus}", decoded(&path), decoded(value));
            call.plain("403 Forbidden", &quoted);
        });
        let launch = Bridge::to(&upstream.url(path)).args(["--log-level", "debug"]);
        let mut bridge = secrets.iter().fold(launch, |launch, secret| launch.secret(secret)).start();
        bridge.send(&initialize("1", REVISION));
        assert_error_mentions(&bridge.response("1"), &[&upstream.host(), "403", "no route"]);
        bridge.finish();
    }
}

/// Wherever in the body the secret stands, and wherever a quotation is truncated, no part of it is printed.
#[test]
fn a_secret_is_hidden_before_a_quotation_is_truncated() {
    for status in ["200 OK", "403 Forbidden"] {
        for (places, filling) in [(100..450, "x"), (1000..1040, " "), (1000..1040, "x ")] {
            for place in places.step_by(7) {
                let upstream = Upstream::start(move |call| {
                    let before: String = filling.chars().cycle().take(place).collect();
                    call.plain(status, &format!("{before} tok {TOKEN} and more"));
                });
                let header = format!("Authorization: Bearer {TOKEN}");
                let launch = Bridge::to(&upstream.url("/mcp")).args(["--header", &header, "--log-level", "debug"]);
                let mut bridge = launch.secret("sk-or").start();
                bridge.send(&initialize("1", REVISION));
                assert_error_mentions(&bridge.response("1"), &[&upstream.host()]);
                bridge.finish();
            }
        }
    }
}
