#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn plain_http_is_for_this_machine_unless_allowed() {
    for (url, allow, good) in [
        ("https://example.com/mcp", false, true),
        ("http://localhost:3000/mcp", false, true),
        ("http://127.0.0.2/mcp", false, true),
        ("http://[::1]:3000/mcp", false, true),
        ("http://example.com/mcp", false, false),
        ("http://example.com/mcp", true, true),
        ("http://localhost.example.com/mcp", false, false),
        ("ftp://example.com", true, false),
        ("https://user:password@example.com", false, false),
        ("example.com/mcp", false, false),
        ("${user_config.url}", false, false),
        ("https://example.com/${MCP_FERRY_NEVER_SET}", false, false),
        ("", false, false),
    ] {
        assert_eq!(upstream(url, allow).is_ok(), good, "{url} {allow}");
    }
    assert_eq!(upstream("https://Example.com/a b#c", false).unwrap(), "https://example.com/a%20b");
}

#[test]
fn variables_are_filled_in_and_missing_ones_named() {
    let look_up = |name: &str| match name {
        "TOKEN" => Some("t".to_owned()),
        "EMPTY" => Some(String::new()),
        "UNFILLED" => Some("Bearer ${user_config.token}".to_owned()),
        _ => None,
    };
    for (text, expanded) in [
        ("Bearer ${TOKEN}", Ok("Bearer t")),
        ("${TOKEN}${TOKEN}$", Ok("tt$")),
        ("${not a name} ${TOKEN", Ok("${not a name} ${TOKEN")),
        ("${EMPTY}", Err("EMPTY")),
        ("x${UNFILLED}", Err("UNFILLED")),
        ("${NONE}", Err("NONE")),
    ] {
        let expanded = expanded.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(text::expand_from(text, look_up), expanded, "{text}");
    }
}

#[test]
fn split_headers_are_joined_again() {
    for (args, joined) in [
        (&["--header", "Authorization: Bearer x", "URL"][..], &["--header", "Authorization: Bearer x", "URL"][..]),
        (&["--header", "Authorization:", "Bearer x"], &["--header", "Authorization: Bearer x"]),
        (&["--header", "Authorization:", "Bearer", "x", "-y"], &["--header", "Authorization: Bearer x", "-y"]),
        (&["--header", "X-Empty:", "--debug"], &["--header", "X-Empty:", "--debug"]),
        (&["--header", "X-Empty:", "https://h/mcp"], &["--header", "X-Empty:", "https://h/mcp"]),
        (&["--header"], &["--header"]),
    ] {
        assert_eq!(header::rejoin(args.iter().map(Into::into)), joined, "{args:?}");
    }
}

#[test]
fn commands_are_split_without_a_shell() {
    for (command, words) in [
        ("get-token", &["get-token"][..]),
        ("  a  'b c' \"d e\" '' ", &["a", "b c", "d e", ""]),
        ("a 'open", &[]),
        ("a;b | c $(d)", &["a;b", "|", "c", "$(d)"]),
        ("say \"a \\\" b\"", &["say", "a \" b"]),
    ] {
        assert_eq!(text::split_command(command), words, "{command}");
    }
    if cfg!(windows) {
        assert_eq!(text::split_command(r"C:\bin\x.exe y"), [r"C:\bin\x.exe", "y"]);
    } else {
        assert_eq!(text::split_command(r"a\ b c"), ["a b", "c"]);
    }
}

#[test]
fn header_values_that_are_not_set_are_not_sent() {
    let typed = [
        "Authorization: Bearer ${MCP_FERRY_NEVER_SET}",
        "X-A: ${user_config.a}",
        "X-B:",
        "X-C:c",
        "X C: d",
        "Authorization:Bearer",
    ];
    let headers = header::read(&typed.map(str::to_owned), &[]).unwrap();
    assert_eq!(headers.map.len(), 1);
    assert_eq!(headers.map["x-c"], "c");
    assert!(headers.map["x-c"].is_sensitive());
    assert_eq!((headers.sources.len(), headers.left_out.len()), (1, 4));
}
