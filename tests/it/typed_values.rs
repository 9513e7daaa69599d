//! What people type, and what their hosts, shells and editors make of it: `~`, `${VAR:-default}`, quotes, encodings.

use std::fs;

use crate::support::*;

const TOKEN: &str = "sk-org-0123456789abcdef";

/// The value of a header in the first request, and stderr.
fn received(launch: Launch, upstream: &Upstream, header: &str) -> (Option<String>, String) {
    let mut bridge = launch.start();
    bridge.initialize();
    let stderr = bridge.finish().stderr;
    (upstream.wait_for("initialize", 1).header(header).map(str::to_owned), stderr)
}

/// A home directory with the files that the rows name.
#[cfg(unix)]
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("headers", format!("Authorization: Bearer {TOKEN}\n")),
        ("token", TOKEN.to_owned()),
        ("secret", "a secret".to_owned()),
        ("info.json", r#"{"client_id":"abc"}"#.to_owned()),
        ("get", format!("#!/bin/sh\necho {TOKEN}\n")),
    ] {
        fs::write(home.path().join(name), text).unwrap();
    }
    home
}

#[cfg(unix)]
#[test]
fn a_tilde_is_the_home_directory_wherever_a_path_can_stand() {
    let typed: [&[&str]; 12] = [
        &["--header-file", "~/headers"],
        &["--header-file=~/headers"],
        &["--header-file", "${HOME}/headers"],
        &["--header-file", "${env:HOME}/headers"],
        &["--header-file", "$HOME/headers"],
        &["--header-file", "${userHome}/headers"],
        &["--header-file", "\"~/headers\""],
        &["--bearer-token-file", "~/token"],
        &["--token-command", "sh ~/get"],
        &["--bearer-token-file", "~/token", "--client-id=a", "--client-secret-file", "~/secret"],
        &["--bearer-token-file", "~/token", "--static-oauth-client-info", "@~/info.json"],
        &["--bearer-token-file", "~/token", "--log-file", "~/logs/log", "--trace-file", "~/logs/trace"],
    ];
    for arguments in typed {
        let (upstream, home) = (Upstream::well_behaved(), home());
        let launch = Bridge::to(&upstream.url("/mcp")).env("HOME", home.path().to_str().unwrap());
        let launch = arguments.iter().fold(launch, |launch, argument| launch.arg(argument));
        let (sent, stderr) = received(launch, &upstream, "authorization");
        assert_eq!(sent, Some(format!("Bearer {TOKEN}")), "{arguments:?}: {stderr}");
        assert_eq!(home.path().join("logs/log").exists(), arguments.contains(&"~/logs/log"), "{arguments:?}");
        assert_eq!(home.path().join("logs/trace").exists(), arguments.contains(&"~/logs/trace"), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_tilde_is_the_home_directory_in_the_environment_and_in_the_configuration_file() {
    let (upstream, home) = (Upstream::well_behaved(), home());
    let ferry = home.path().join("ferry");
    fs::create_dir(&ferry).unwrap();
    fs::write(ferry.join("config.toml"), "log-file = \"~/from-file/log\"\nheader-file = \"~/headers\"\n").unwrap();
    let launch = Bridge::to(&upstream.url("/mcp"))
        .env("HOME", home.path().to_str().unwrap())
        .env("MCP_FERRY_HOME", "~/ferry")
        .env("MCP_FERRY_TRACE_FILE", "~/from-environment/trace")
        .env("MCP_FERRY_CLIENT_ID", "abc")
        .env("MCP_FERRY_CLIENT_SECRET_FILE", "~/secret");
    assert_eq!(received(launch, &upstream, "authorization").0, Some(format!("Bearer {TOKEN}")));
    for made in ["from-file/log", "from-environment/trace"] {
        assert!(home.path().join(made).exists(), "{made}");
    }
    assert!(!std::path::Path::new("~").exists(), "no folder has the name ~");
}

/// Starts the program, which must refuse these arguments; returns stderr.
fn refusal(launch: Launch) -> String {
    let mut bridge = launch.start();
    bridge.close_stdin();
    let ended = bridge.wait_for_exit();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    ended.stderr
}

#[test]
fn an_option_with_a_place_that_nothing_fills_in_is_refused() {
    for (arguments, words) in [
        (&["--client-id", "${NOT_SET}"][..], &["--client-id", "NOT_SET"][..]),
        (&["--scope", "${input:scope}"], &["--scope", "${input:scope}"]),
        (&["--issuer", "https://${env:NOT_SET}/"], &["--issuer", "NOT_SET"]),
        (&["--allow-tool", "{env:NOT_SET}"], &["--allow-tool", "NOT_SET"]),
        (&["--log-file", "${workspaceFolder}/log"], &["--log-file", "workspaceFolder"]),
        (&["--log-file", "~no-such-user/log"], &["--log-file", "~"]),
        (&["--authorize-param", "tenant=${TENANT}"], &["--authorize-param", "TENANT"]),
        (&["--static-oauth-client-info", "{\"client_id\":\"${input:id}\"}"], &["${input:id}"]),
    ] {
        let launch = arguments.iter().fold(Bridge::to("https://example.invalid/mcp"), |launch, arg| launch.arg(arg));
        let stderr = refusal(launch);
        assert!(words.iter().all(|word| stderr.contains(word)), "{arguments:?}: {stderr}");
    }
    for url in ["https://${input:host}/mcp", "https://example.invalid/${NOT_SET}", "https://example.invalid/$NOT_SET"] {
        assert!(refusal(Bridge::to(url)).contains("URL"), "{url}");
    }
    assert!(refusal(Bridge::to("https://example.invalid/").env("MCP_FERRY_HOME", "${X}/f")).contains("MCP_FERRY_HOME"));
}

#[test]
fn a_header_is_sent_as_it_was_meant() {
    let bearer = format!("Bearer {TOKEN}");
    let expected = Some(bearer.as_str());
    let whole = format!("Authorization: {bearer}");
    let rows: [(&[&str], Option<&str>); 28] = [
        (&["-H", &whole], expected),
        (&["--headers", &whole], expected),
        (&["-H", "Authorization", &bearer], expected),
        (&["--header=Authorization:", "Bearer", TOKEN], expected),
        (&["--header", &format!("\"{whole}\"")], expected),
        (&["--header", &format!("'{whole}'")], expected),
        (&["--header", &format!("“{whole}”")], expected),
        (&["--header", &format!("Authorization: \"{bearer}\"")], expected),
        (&["--header", &format!("\"Authorization\": \"{bearer}\"")], expected),
        (&["--header", "\"Authorization:", "Bearer", &format!("{TOKEN}\"")], expected),
        (&["--header", "Authorization: Bearer ${MY_TOKEN}"], expected),
        (&["--header", "Authorization: Bearer ${MY_TOKEN:-other}"], expected),
        (&["--header", "Authorization: Bearer ${env:MY_TOKEN}"], expected),
        (&["--header", "Authorization: Bearer {env:MY_TOKEN}"], expected),
        (&["--header", "Authorization: Bearer $MY_TOKEN"], expected),
        (&["--header", "Authorization: Bearer %MY_TOKEN%"], expected),
        (&["--header", "Authorization: Bearer ${NONE:-d}"], Some("Bearer d")),
        (&["--header", "Authorization: ${NONE:-${MY_AUTH}}"], expected),
        (&["--bearer-token-env", "${env:MY_TOKEN}"], expected),
        (&["--bearer-token-env", "$MY_TOKEN"], expected),
        (&["--bearer-token-env", "${input:token}"], None),
        // What was plainly not meant is not sent; one warning names the reason.
        (&["--header", "Authorization: Bearer ${NONE}"], None),
        (&["--header", "Authorization: Bearer ${input:token}"], None),
        (&["--header", "Authorization: Bearer ${env:FOREIGN}"], None),
        (&["--header", "Authorization: Bearer ${NONE:-}"], None),
        (&["--header", "Authorization: Bearer <YOUR_TOKEN>"], None),
        (&["--header", "Authorization: Bearer {{token}}"], None),
        (&["--header", "'Authorization:", "Bearer"], None),
    ];
    for (arguments, sent) in rows {
        let upstream = Upstream::well_behaved();
        let launch = arguments.iter().fold(Bridge::to(&upstream.url("/mcp")), |launch, argument| launch.arg(argument));
        let launch = launch.env("MY_TOKEN", TOKEN).env("MY_AUTH", &bearer).env("FOREIGN", "${input:token}");
        let (received, stderr) = received(launch.secret(TOKEN), &upstream, "authorization");
        assert_eq!(received.as_deref(), sent, "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), usize::from(sent.is_none()), "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_parts_of_a_split_header_are_all_sent() {
    let rows: [(&[&str], &str); 3] = [
        (&["--header", "X-Name:", "John", "Q.", "Smith"], "John Q. Smith"),
        (&["--header", "X-Name:John", "Smith", "--debug=false"], "John Smith"),
        (&["--header", "X-Name:", "42", "9696"], "42"),
    ];
    for (arguments, sent) in rows {
        let upstream = Upstream::well_behaved();
        let launch = arguments.iter().fold(Bridge::to(&upstream.url("/mcp")), |launch, argument| launch.arg(argument));
        assert_eq!(received(launch, &upstream, "x-name"), (Some(sent.to_owned()), String::new()), "{arguments:?}");
    }
}

#[test]
fn the_address_may_follow_the_options_of_other_programs() {
    let upstream = Upstream::well_behaved();
    let url = upstream.url("/mcp");
    for arguments in [
        vec!["--url".to_owned(), url.clone()],
        vec![format!("--url={url}")],
        vec![format!("--server-url={url}"), "9696".to_owned()],
        vec!["--streamableHttp".to_owned(), url.clone()],
        vec!["--allow-http".to_owned(), "--url".to_owned(), url.clone(), "--header".to_owned(), "X-A: 1".to_owned()],
        vec![format!("\"{url}\"")],
    ] {
        let mut bridge = arguments.iter().fold(Bridge::bare(), |launch, argument| launch.arg(argument)).start();
        bridge.initialize();
        bridge.still_works();
        assert_eq!(bridge.finish().stderr, "", "{arguments:?}");
    }
}

#[test]
fn the_option_sse_means_that_transport() {
    for form in ["--sse=", "--sse"] {
        let sse_server = HttpSse::new("/messages");
        let upstream = Upstream::start(move |call| match call.request.http_method.as_str() {
            "POST" if call.path() == "/sse" => panic!("HTTP+SSE is tried first"),
            _ => sse_server.serve(call),
        });
        let url = upstream.url("/sse");
        let launch = match form {
            "--sse" => Bridge::bare().args(["--sse", &url]),
            _ => Bridge::bare().arg(&format!("{form}{url}")),
        };
        let mut bridge = launch.start();
        bridge.initialize();
        assert_eq!(bridge.finish().stderr, "", "{form}");
    }
}

/// A text as the editors and shells of several systems write it.
fn as_files_hold_it(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let crlf = format!("{}\r\n", text.replace('\n', "\r\n"));
    vec![
        ("LF", format!("{text}\n").into_bytes()),
        ("CRLF", crlf.clone().into_bytes()),
        ("BOM", [b"\xef\xbb\xbf", crlf.as_bytes()].concat()),
        ("UTF-16LE", [b"\xff\xfe".as_slice(), &utf16(&crlf, u16::to_le_bytes)].concat()),
        ("UTF-16BE", [b"\xfe\xff".as_slice(), &utf16(&crlf, u16::to_be_bytes)].concat()),
        ("UTF-16LE without a mark", utf16(&crlf, u16::to_le_bytes)),
    ]
}

#[test]
fn files_are_read_in_every_encoding() {
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("file");
    for (option, text) in [
        ("--bearer-token-file", TOKEN.to_owned()),
        ("--bearer-token-file", format!("\"{TOKEN}\"")),
        ("--bearer-token-file", format!("'Bearer {TOKEN}'")),
        ("--bearer-token-file", format!("{{\n  \"accessToken\": \"{TOKEN}\"\n}}")),
        ("--header-file", format!("Authorization: Bearer {TOKEN}\nX-A: 1")),
        ("--header-file", format!("# headers\n\"Authorization\": \"Bearer {TOKEN}\"")),
    ] {
        for (form, bytes) in as_files_hold_it(&text) {
            fs::write(&path, &bytes).unwrap();
            let upstream = Upstream::well_behaved();
            let launch = Bridge::to(&upstream.url("/mcp")).args([option, path.to_str().unwrap()]).secret(TOKEN);
            let (sent, stderr) = received(launch, &upstream, "authorization");
            assert_eq!(sent, Some(format!("Bearer {TOKEN}")), "{option}, {form}: {stderr}");
        }
    }
}

#[test]
fn a_configuration_file_is_read_in_every_encoding() {
    for (form, bytes) in as_files_hold_it("header = \"X-A: 1\"") {
        let (upstream, home) = (Upstream::well_behaved(), tempfile::tempdir().unwrap());
        fs::write(home.path().join("config.toml"), bytes).unwrap();
        let launch = Bridge::to(&upstream.url("/mcp")).home(home.path());
        assert_eq!(received(launch, &upstream, "x-a").0.as_deref(), Some("1"), "{form}");
    }
}

#[cfg(unix)]
#[test]
fn a_command_may_print_its_token_as_json() {
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("printed");
    for printed in [
        format!(r#"{{"accessToken":"{TOKEN}","expiresOn":"2026-11-30 10:00:00.000000","tokenType":"Bearer"}}"#),
        format!(r#"{{"access_token":"{TOKEN}","expires_in":3599,"refresh_token":"other"}}"#),
        format!("{{\n  \"token\": \"{TOKEN}\"\n}}"),
        format!("\"{TOKEN}\""),
        format!("Bearer {TOKEN}\r"),
    ] {
        fs::write(&path, &printed).unwrap();
        let upstream = Upstream::well_behaved();
        let command = format!("cat {}", path.display());
        let launch = Bridge::to(&upstream.url("/mcp")).args(["--token-command", &command]).secret(TOKEN);
        assert_eq!(received(launch, &upstream, "authorization").0, Some(format!("Bearer {TOKEN}")), "{printed}");
    }
}

#[test]
fn an_address_to_listen_on_means_this_machine() {
    let upstream = Upstream::well_behaved();
    let launch = Bridge::to(&upstream.url("/mcp").replace("127.0.0.1", "0.0.0.0"));
    let (host, stderr) = received(launch, &upstream, "host");
    assert_eq!(host, Some(upstream.host().replace("http://", "")));
    assert!(stderr.contains("0.0.0.0") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn an_example_of_a_token_is_not_sent() {
    for example in ["<your token>", "Bearer <TOKEN>", "{{token}}"] {
        let upstream = Upstream::well_behaved();
        let launch =
            Bridge::to(&upstream.url("/mcp")).args(["--bearer-token-env", "MY_TOKEN"]).env("MY_TOKEN", example);
        let (sent, stderr) = received(launch, &upstream, "authorization");
        assert_eq!(sent, None, "{example}");
        assert!(stderr.contains("MY_TOKEN") && stderr.contains("example"), "{stderr}");
    }
}

/// Not each system's resolver knows these names, and a name server must not be asked for them.
#[test]
fn a_name_of_this_machine_needs_no_name_server() {
    let upstream = Upstream::well_behaved();
    for host in ["localhost.", "a.localhost", "LOCALHOST"] {
        let mut bridge = Bridge::to(&upstream.url("/mcp").replace("127.0.0.1", host)).start();
        bridge.initialize();
        bridge.still_works();
        bridge.finish();
    }
}
