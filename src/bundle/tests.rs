//! What is a bundle made of, and which are refused?

use serde_json::Value;

use super::*;

const URL: &str = "https://{account}.example.com/api/mcp";

/// The first bytes of a program for Linux on `x86_64`.
const PROGRAM: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0 and the rest of it";

fn request(url: Option<&str>) -> Request {
    Request {
        url: url.map(str::to_owned),
        version: "1.2.3".to_owned(),
        author: "Example".to_owned(),
        programs: vec![PROGRAM.to_vec()],
        ..Request::default()
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// The manifest for the address of a request.
fn manifest(request: &Request) -> Value {
    let filled = fields::fill(request, request.url.as_deref()).unwrap();
    let (names, _) = named(request).unwrap().remove(0);
    let platforms: Vec<_> = request.programs.iter().filter_map(|program| Platform::of(program)).collect();
    serde_json::from_str(&manifest::text(request, &names, &filled, &platforms)).unwrap()
}

#[track_caller]
fn refused(request: &Request, why: &str) {
    let error = make(request).map(drop).expect_err(why);
    assert!(error.to_string().contains(why), "{error}");
}

#[test]
fn the_answers_become_variables_and_stand_in_no_argument() {
    let read_only = AskedOption { name: "read-only".into(), kind: Kind::Switch, help: "only reads".into() };
    let ca_cert = AskedOption { name: "ca-cert".into(), kind: Kind::File, help: "a file (repeatable)".into() };
    let made = manifest(&Request {
        token: true,
        asked: vec![read_only, ca_cert],
        options: words(&["--header", "X-Api-Key: {key}", "--header", "X-Team: {team}", "--keep-alive"]),
        titles: pairs(&[("account", "Account ID: the first word: of the address")]),
        optional: pairs(&[("team", "all")]),
        ..request(Some(URL))
    });
    let config = &made["server"]["mcp_config"];
    let args = config["args"].as_array().unwrap();
    assert_eq!(args[0], "${__dirname}/server/launch.sh");
    assert_eq!(
        args[1..],
        [
            "https://${FERRY_ACCOUNT}.example.com/api/mcp",
            "--bearer-token-env",
            "FERRY_TOKEN",
            "--header",
            "X-Api-Key: ${FERRY_KEY}",
            "--header",
            "X-Team: ${FERRY_TEAM}",
            "--keep-alive"
        ]
    );
    assert_eq!(
        config["env"],
        serde_json::json!({
            "FERRY_ACCOUNT": "${user_config.account}",
            "FERRY_TOKEN": "${user_config.token}",
            "FERRY_KEY": "${user_config.key}",
            "FERRY_TEAM": "${user_config.team}",
            "MCP_FERRY_READ_ONLY": "${user_config.read_only}",
            "MCP_FERRY_CA_CERT": "${user_config.ca_cert}",
        })
    );
    let field = |name: &str, key: &str| made["user_config"][name][key].clone();
    for (name, kind, sensitive, default) in [
        ("account", "string", Value::Null, Value::Null),
        ("token", "string", true.into(), Value::Null),
        ("key", "string", true.into(), Value::Null),
        ("team", "string", Value::Null, "all".into()),
        ("read_only", "boolean", Value::Null, false.into()),
        ("ca_cert", "file", Value::Null, "".into()),
    ] {
        assert_eq!(field(name, "required"), default.is_null(), "{name}: required, or a default");
        let found = [field(name, "type"), field(name, "sensitive"), field(name, "default")];
        assert_eq!(found, [kind.into(), sensitive, default], "{name}");
    }
    assert_eq!(field("account", "title"), "Account ID");
    assert_eq!(field("account", "description"), "the first word: of the address");
    assert_eq!((field("ca_cert", "title"), field("ca_cert", "description")), ("CA cert".into(), "A file".into()));
}

#[test]
fn a_field_in_an_option_may_be_left_empty_too() {
    let info = r#"{"client_id":"a","client_secret":"{secret}"}"#;
    let options = ["--scope", "read {scopes}", "--static-oauth-client-info", info, "--client-secret-env", "{secret}"];
    let made = manifest(&Request { options: words(&options), ..request(Some("https://mcp.example.com/mcp")) });
    let config = &made["server"]["mcp_config"];
    assert_eq!(config["args"][3], "read ${FERRY_SCOPES:-}");
    assert_eq!(config["args"][5], r#"{"client_id":"a","client_secret":"${FERRY_SECRET:-}"}"#);
    assert_eq!(config["args"][7], "FERRY_SECRET", "this option wants the name of a variable");
    assert_eq!(config["env"]["FERRY_SECRET"], "${user_config.secret}");
    let sensitive = ["scopes", "secret"].map(|name| made["user_config"][name]["sensitive"] == true);
    assert_eq!(sensitive, [false, true]);
}

#[test]
fn without_a_url_the_address_and_an_optional_token_are_asked_for() {
    let made = manifest(&request(None));
    let fields = &made["user_config"];
    assert_eq!((&fields["url"]["required"], &fields["token"]["default"]), (&true.into(), &"".into()), "{made}");
    assert_eq!(made["name"], "mcp-ferry");
    let made = manifest(&request(Some("https://mcp.example.com/mcp")));
    assert!(made.get("user_config").is_none() && made["name"] == "example", "nothing is asked for: {made}");
    assert_eq!(made["display_name"], "Example");
}

#[test]
fn on_windows_the_program_is_started_itself_with_the_same_arguments() {
    let mut windows = [b"MZ".as_slice(), &[0; 62], b"PE\0\0\x64\x86 and so on"].concat();
    windows[0x3c] = 0x40;
    let mut request = Request { programs: vec![windows, PROGRAM.to_vec()], token: true, ..request(Some(URL)) };
    let made = manifest(&request);
    let config = &made["server"]["mcp_config"];
    let own = &config["platform_overrides"]["win32"];
    assert_eq!(own["command"], "${__dirname}/server/mcp-ferry.exe");
    assert_eq!(own["args"].as_array().unwrap()[..], config["args"].as_array().unwrap()[1..]);
    assert_eq!(made["compatibility"]["platforms"], serde_json::json!(["linux", "win32"]));
    request.programs.pop();
    let made = manifest(&request);
    let config = &made["server"]["mcp_config"];
    assert_eq!((&made["server"]["entry_point"], &config["command"]), (&"server/mcp-ferry.exe".into(), &own["command"]));
    assert!(config.get("platform_overrides").is_none() && config["args"] == own["args"], "{made}");
}

#[test]
fn variants_are_other_extensions() {
    let variants = pairs(&[("staging", "https://staging.example.com/mcp"), ("EU", "https://eu.example.com/mcp")]);
    let made = make(&Request { variants: variants.clone(), ..request(Some("https://mcp.example.com/mcp")) }).unwrap();
    let names: Vec<_> = made.iter().map(|bundle| (bundle.name.as_str(), bundle.display_name.as_str())).collect();
    assert_eq!(
        names,
        [("example", "Example"), ("example-staging", "Example (staging)"), ("example-eu", "Example (EU)")]
    );
    for twice in ["Staging", "staging", "a b c", "ä"] {
        let variants = [variants.clone(), pairs(&[(twice, "https://x.example.com/mcp")])].concat();
        let made = make(&Request { variants, ..request(Some("https://mcp.example.com/mcp")) });
        assert_eq!(made.is_ok(), twice == "a b c", "{twice}");
    }
}

#[test]
fn what_hosts_would_refuse_is_refused() {
    for version in ["1.2", "1.2.3.4", "2024.03.31", "1.2.3-beta", "v1.2.3", "1..3", "1.2.+3", ""] {
        refused(&Request { version: version.into(), ..request(None) }, "is not three numbers");
    }
    for icon in [b"GIF89a".as_slice(), b"\x89PNG\r\n\x1a\n"] {
        refused(&Request { icon: Some(icon.to_vec()), ..request(None) }, "not a PNG file");
    }
    refused(&Request { display_name: Some("a\nb".into()), ..request(None) }, "has more than one line");
    refused(&Request { author: String::new(), ..request(None) }, "--author is empty");
    for names in [["LICENSE", "license"], ["a", "b\\c"], ["ä", "b"], [".", "a"]] {
        let licenses = names.map(|name| (name.to_owned(), b"text".to_vec())).to_vec();
        refused(&Request { licenses, ..request(None) }, "cannot be the name of a licence text");
    }
    refused(&Request { name: Some("a b".into()), ..request(None) }, "cannot be the name of a bundle");
    refused(&Request { display_name: Some(" ".into()), ..request(None) }, "--display-name");
    refused(&Request { links: vec![("support", "mailto:a@example.com".into())], ..request(None) }, "mailto");
    refused(&Request { programs: vec![b"#!/bin/sh".to_vec()], ..request(None) }, "no system");
    for url in ["https://{host}/mcp", "https://{tenant}.com/mcp", "https://{a}.{b}.com/mcp", "https://{token}.example"]
    {
        refused(&request(Some(url)), "no name can be made");
    }
}

#[test]
fn fields_that_would_not_work_are_refused() {
    refused(&request(Some("https://example.com/{Account}/mcp")), "a brace in the URL");
    refused(&request(Some("https://example.com/${ACCOUNT}/mcp")), "the URL has a ${VARIABLE}");
    let with = |options: &[&str]| Request { options: words(options), ..request(Some(URL)) };
    refused(&with(&["--header", "X-Key: ${KEY}"]), "a header has a ${VARIABLE}");
    refused(&with(&["--bearer-token-env", "TOKEN"]), "names a variable, which nothing sets");
    for (option, request) in [
        ("--field", Request { titles: pairs(&[("acount", "Account")]), ..request(Some(URL)) }),
        ("--optional", Request { optional: pairs(&[("token", "")]), ..request(Some(URL)) }),
        ("--sensitive", Request { sensitive: words(&["token"]), ..request(Some(URL)) }),
    ] {
        refused(&request, &format!("{option} names"));
    }
    let asked = |name: &str, kind| vec![AskedOption { name: name.into(), kind, help: String::new() }];
    let switch = || Request { asked: asked("read-only", Kind::Switch), ..request(Some(URL)) };
    refused(&Request { optional: pairs(&[("read_only", "yes, \"x\": 1")]), ..switch() }, "neither true nor false");
    refused(&Request { sensitive: words(&["read_only"]), ..switch() }, "only texts are kept as secrets");
    refused(
        &Request { options: words(&["--read-only"]), ..switch() },
        "--ask read-only asks for what --read-only sets",
    );
    for (default, wanted) in [("", false), ("false", false), ("true", true)] {
        let made = manifest(&Request { optional: pairs(&[("read_only", default)]), ..switch() });
        assert_eq!(made["user_config"]["read_only"]["default"], wanted, "{default}");
    }
    let token = |url: &str| Request { token: true, ..request(Some(url)) };
    refused(&token("https://mcp.example.com/{token}/mcp"), "two fields are called token");
    let twice = Request { token: true, ..with(&["--header", "authorization: {key}"]) };
    refused(&twice, "both set the header Authorization");
    let scope = AskedOption { name: "account".into(), kind: Kind::Text, help: String::new() };
    refused(&Request { asked: vec![scope], ..request(Some(URL)) }, "two fields are called account");
}

#[test]
fn no_secret_gets_into_a_bundle() {
    let secret = "sk-org-0123456789abcdef";
    let with = |options: &[&str]| Request { options: words(options), ..request(Some(URL)) };
    for request in [
        with(&["--header", &format!("Authorization: Bearer {secret}")]),
        with(&["--header", &format!("X-Team: {secret}")]),
        with(&["--proxy", &format!("http://user:{secret}@proxy.example.com:3128")]),
        with(&["--static-oauth-client-info", &format!(r#"{{"client_id":"a","client_secret":"{secret}"}}"#)]),
        request(Some(&format!("https://example.com/{secret}/mcp"))),
        request(Some(&format!("https://{{account}}.example.com/mcp?api_key={secret}"))),
        Request {
            variants: pairs(&[("staging", &format!("https://example.com/mcp?k={secret}"))]),
            ..request(Some(URL))
        },
        Request { token: true, optional: pairs(&[("token", secret)]), ..request(Some(URL)) },
        // A field beside it hides nothing.
        with(&["--header", &format!("Authorization: Bearer {secret}{{x}}")]),
        with(&["--proxy", &format!("http://{{user}}:{secret}@proxy.example.com:3128")]),
        with(&["--static-oauth-client-info", &format!(r#"{{"client_id":"{{id}}","client_secret":"{secret}"}}"#)]),
    ] {
        let error = make(&request).map(drop).unwrap_err();
        assert!(error.to_string().contains("secret") && !format!("{error}{}", error.hint).contains(secret), "{error}");
    }
    let parts = [
        ["--static-oauth-client-info", r#"{"client_id":"{id}","client_secret":"{word}"}"#],
        ["--proxy", "http://{id}:{word}@proxy.example.com:3128"],
    ];
    for options in parts {
        let made = make(&with(&options)).unwrap();
        let sensitive: Vec<_> = made[0].fields.iter().map(|field| (field.name.as_str(), field.is_sensitive)).collect();
        assert_eq!(sensitive, [("account", false), ("id", false), ("word", true)], "{options:?}");
    }
    assert!(make(&with(&["--header", "Authorization: Bearer {key}", "--header", "X-Team: blue"])).is_ok());
}

#[test]
fn a_part_of_the_address_that_may_be_empty_has_a_default() {
    let optional = pairs(&[("region", "")]);
    let made = manifest(&Request { optional, ..request(Some("https://mcp.example.com/{region}/{account}")) });
    let config = &made["server"]["mcp_config"];
    assert_eq!(config["args"][1], "https://mcp.example.com/${FERRY_REGION:-}/${FERRY_ACCOUNT}");
    assert_eq!(config["env"]["FERRY_REGION"], "${user_config.region}");
}
