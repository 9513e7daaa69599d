use proptest::prelude::*;

use crate::install::edit::{Edited, Format, Grammar, Target, Value, entries, remove, restore, set};

const JSONC: Format = Format::Json(Grammar::JSONC);
const SECTION: &[&str] = &["mcpServers"];

fn target(format: Format) -> Target<'static> {
    Target { format, section: SECTION, name: "linear" }
}

fn entry() -> Value {
    Value::Table(vec![("command".into(), Value::text("/f")), ("args".into(), Value::texts(["https://h/mcp"]))])
}

fn insert(text: &str) -> String {
    String::from_utf8(set(text.as_bytes(), &target(JSONC), &entry()).unwrap().bytes).unwrap()
}

#[test]
fn an_entry_is_written_as_its_neighbours_are() {
    const E: &str = r#""linear": {"command": "/f", "args": ["https://h/mcp"]}"#;
    let in_lines = |newline: &str, indent: &str, unit: &str| {
        [
            format!("{newline}{indent}\"linear\": {{"),
            format!("{newline}{indent}{unit}\"command\": \"/f\","),
            format!("{newline}{indent}{unit}\"args\": [\"https://h/mcp\"]"),
            format!("{newline}{indent}}}"),
        ]
        .concat()
    };
    let two = in_lines("\n", "    ", "  ");
    let inline = E.replace("{\"", "{ \"").replace("]}", "] }");
    let tabs = in_lines("\r\n", "\t\t", "\t");
    let compact = E.replace(": ", ":").replace(", ", ",");
    for (before, after) in [
        ("{\n  \"mcpServers\": {}\n}\n".to_owned(), format!("{{\n  \"mcpServers\": {{{two}\n  }}\n}}\n")),
        ("{\n  \"mcpServers\": {\n  }\n}".to_owned(), format!("{{\n  \"mcpServers\": {{{two}\n  }}\n}}")),
        ("{\n  \"mcpServers\": { }\n}".to_owned(), format!("{{\n  \"mcpServers\": {{{two}\n  }}\n}}")),
        (
            "{\n  \"mcpServers\": {\n    // none\n  }\n}".to_owned(),
            format!("{{\n  \"mcpServers\": {{\n    // none{two}\n  }}\n}}"),
        ),
        (
            "{\n  \"mcpServers\": {\n    \"a\": 1 // one, {\n    // \"b\": 2\n  }\n}".to_owned(),
            format!("{{\n  \"mcpServers\": {{\n    \"a\": 1, // one, {{{two}\n    // \"b\": 2\n  }}\n}}"),
        ),
        (
            "{\n  \"mcpServers\": {\n    \"a\": 1, /* } */ // c\n  },\n}".to_owned(),
            format!("{{\n  \"mcpServers\": {{\n    \"a\": 1, /* }} */ // c{two},\n  }},\n}}"),
        ),
        (
            "{\r\n\t\"mcp\\u0053ervers\": {\r\n\t\t\"a\": 1.0}}".to_owned(),
            format!("{{\r\n\t\"mcp\\u0053ervers\": {{\r\n\t\t\"a\": 1.0,{tabs}}}}}"),
        ),
        ("{\"mcpServers\":{\"a\":1}}".to_owned(), format!("{{\"mcpServers\":{{\"a\":1,{compact}}}}}")),
        ("{\"mcpServers\":{}}".to_owned(), format!("{{\"mcpServers\":{{{compact}}}}}")),
        ("{ \"mcpServers\": { \"a\": 1 } }".to_owned(), format!("{{ \"mcpServers\": {{ \"a\": 1, {inline} }} }}")),
        ("{}".to_owned(), format!("{{\n  \"mcpServers\": {{{two}\n  }}\n}}")),
        (
            "{\r  \"x\": 12345678901234567890\r}\r".to_owned(),
            format!(
                "{{\r  \"x\": 12345678901234567890,\r  \"mcpServers\": {{{}\r  }}\r}}\r",
                in_lines("\r", "    ", "  ")
            ),
        ),
        (String::new(), format!("{{\n  \"mcpServers\": {{{two}\n  }}\n}}\n")),
        ("\u{feff}".to_owned(), format!("\u{feff}{{\n  \"mcpServers\": {{{two}\n  }}\n}}\n")),
        ("// mine".to_owned(), format!("// mine\n{{\n  \"mcpServers\": {{{two}\n  }}\n}}\n")),
    ] {
        assert_eq!(insert(&before), after);
    }
}

#[test]
fn what_a_client_cannot_read_is_refused_with_its_place() {
    for (text, grammar, at, reason) in [
        ("{\"mcpServers\": {\n", Grammar::JSONC, (2, 1), "the file ends where a key in quotes is expected"),
        ("{\"mcpServers\": null}", Grammar::JSONC, (1, 16), "\"mcpServers\" is not an object but null"),
        ("{\"mcpServers\": []}", Grammar::JSONC, (1, 16), "\"mcpServers\" is not an object but an array"),
        ("[1, 2]", Grammar::JSONC, (1, 1), "the file is not an object but an array"),
        (
            "{\"mcpServers\": {},\n \"mcpServer\\u0073\": {}}",
            Grammar::JSONC,
            (2, 2),
            "the key \"mcpServers\" occurs twice",
        ),
        ("{\"mcpServers\": {\"linear\":1,\"linear\":2}}", Grammar::JSONC, (1, 28), "the key \"linear\" occurs twice"),
        ("{\n// why\n}", Grammar::STRICT, (2, 1), "a comment, which this client does not read"),
        ("{\"a\": 1,}", Grammar::STRICT, (1, 9), "a comma behind the last member, which this client does not read"),
        ("{\"a\": [1,]}", Grammar::STRICT, (1, 10), "a comma behind the last value, which this client does not read"),
        ("{\"a\": 1} x", Grammar::JSONC, (1, 10), "there is more behind the end of the JSON"),
        ("{\"a\": 01}", Grammar::JSONC, (1, 7), "not valid: a number is expected here"),
        ("{'a': 1}", Grammar::JSONC, (1, 2), "not valid: a key in quotes is expected here"),
        ("{\"a\": \"\n\"}", Grammar::JSONC, (1, 8), "a string with a line end or a control character"),
        ("{\"a\": \"\\x\"}", Grammar::JSONC, (1, 8), "not valid: no such escape exists"),
        ("{\"a\": 1 /* }", Grammar::JSONC, (1, 9), "a comment without an end"),
        ("{\"a\": \0}", Grammar::JSONC, (1, 7), "the file has a NUL character"),
        ("\u{feff}{}", Grammar::STRICT, (1, 1), "the file begins with a byte order mark"),
    ] {
        let refusal = set(text.as_bytes(), &target(Format::Json(grammar)), &entry()).unwrap_err();
        assert!(refusal.reason.starts_with(reason), "{text}: {}", refusal.reason);
        assert_eq!(refusal.place.map(|place| (place.line, place.column)), Some(at), "{text}");
    }
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(600), "]".repeat(600));
    for bytes in [deep.as_bytes(), b"\xff\xfe{\0}\0", b"\xfe\xff\0{\0}", b"{\"a\": \"\xff\"}", b"nul", b"{\"a\" 1}"] {
        assert!(set(bytes, &target(JSONC), &entry()).is_err());
    }
}

#[test]
fn what_a_person_added_to_our_entry_stays() {
    let text = "{\"mcpServers\": {\n  \"linear\": {\n    \"command\": \"/old\", // why\n    \"disabled\": true,\n    \"env\": {\"KEPT\": \"1\", \"K\": \"old\"}\n  }\n}}";
    let mut wanted = entry();
    if let Value::Table(members) = &mut wanted {
        members.push(("env".into(), Value::Table(vec![("K".into(), Value::text("new"))])));
    }
    let Edited { bytes, piece, before } = set(text.as_bytes(), &target(JSONC), &wanted).unwrap();
    let expected = text
        .replace("/old", "/f")
        .replace("\"old\"", "\"new\"")
        .replace("\"new\"}\n", "\"new\"},\n    \"args\": [\"https://h/mcp\"]\n");
    assert_eq!((String::from_utf8(bytes.clone()).unwrap(), piece), (expected, None));
    assert_eq!(set(&bytes, &target(JSONC), &wanted).unwrap().bytes, bytes, "twice is once");
    assert_eq!(restore(&bytes, &target(JSONC), &before.unwrap()).unwrap(), text.as_bytes());
    let found = entries(&bytes, JSONC, SECTION).unwrap();
    assert!(found.len() == 1 && wanted.is_in(&found[0].1));
}

#[test]
fn an_entry_is_taken_out_where_the_file_has_changed_since() {
    for (text, after) in [
        ("{\"mcpServers\": {\"a\": 1, \"linear\": {}, \"b\": 2}}", "{\"mcpServers\": {\"a\": 1, \"b\": 2}}"),
        ("{\"mcpServers\": {\"linear\": {}, \"b\": 2}}", "{\"mcpServers\": { \"b\": 2}}"),
        ("{\"mcpServers\": {\"a\": 1, \"linear\": {}}}", "{\"mcpServers\": {\"a\": 1}}"),
        ("{\"mcpServers\": {\"a\": 1, \"linear\": {},}}", "{\"mcpServers\": {\"a\": 1,}}"),
        ("{\"mcpServers\": {\n  \"linear\": {}\n}}", "{\"mcpServers\": {}}"),
        ("{\"mcpServers\": { // x\n  \"linear\": {}\n}}", "{\"mcpServers\": { // x\n}}"),
        (
            "{\"mcpServers\": {\"a\": 1, // x\n \"linear\": {}, \"b\": 2}}",
            "{\"mcpServers\": {\"a\": 1, // x\n  \"b\": 2}}",
        ),
        (
            "{\"mcpServers\": {\"a\": 1 /*,*/, /*x*/ \"linear\": {} /*y*/}}",
            "{\"mcpServers\": {\"a\": 1 /*,*/ /*x*/ /*y*/}}",
        ),
    ] {
        let result = remove(text.as_bytes(), &target(JSONC), None).unwrap();
        assert_eq!(String::from_utf8(result).unwrap(), after, "{text}");
    }
    assert!(remove(b"{\"mcpServers\": {}}", &target(JSONC), None).is_err());
}

#[test]
fn what_came_after_our_entry_stays_when_it_goes() {
    let text = "{\n  \"mcpServers\": {\n    \"a\": 1 // one\n  }\n}";
    let edited = set(text.as_bytes(), &target(JSONC), &entry()).unwrap();
    let other = Target { name: "other", ..target(JSONC) };
    let both = set(&edited.bytes, &other, &entry()).unwrap();
    let alone = remove(&both.bytes, &target(JSONC), edited.piece.as_ref()).unwrap();
    assert_eq!(alone, set(text.as_bytes(), &other, &entry()).unwrap().bytes);
    assert_eq!(remove(&alone, &other, both.piece.as_ref()).unwrap(), text.as_bytes());
}

#[test]
fn a_file_of_five_megabytes_is_edited() {
    let member =
        |at: usize| format!("    \"server-{at}\": {{ \"command\": \"x\", \"args\": [\"{}\"] }}", "y".repeat(200));
    let members: Vec<_> = (0..22_000).map(member).collect();
    let text = format!("{{\n  \"mcpServers\": {{\n{}\n  }}\n}}", members.join(",\n"));
    assert!(text.len() > 5_000_000);
    let edited = set(text.as_bytes(), &target(JSONC), &entry()).unwrap();
    assert_eq!(remove(&edited.bytes, &target(JSONC), edited.piece.as_ref()).unwrap(), text.as_bytes());
}

/// White space and comments, as people and their enemies write them.
fn space() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "",
        "",
        "",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "\n    ",
        "// c,}{\"\n",
        "/* , } */",
        "/**/",
        "//\r\n",
        "/*/*/",
        "// \"linear\": {\r",
        "/*\n*/",
    ]);
    prop::collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat())
}

fn key() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(vec!["a", "b", "mcpServer", "lineár", "\\ud800", "\\u0061", "", "//", "x\\\"y"]);
    plain.prop_map(|key| format!("\"{key}\""))
}

fn value() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(vec!["1", "-0.0e+9", "12345678901234567890", "\"é\\u00e9}\"", "null", "true", "[]", "{}"]);
    leaf.prop_map(str::to_owned).prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            object(prop::collection::vec((key(), inner.clone()), 0..4)),
            (prop::collection::vec((space(), inner, space()), 0..4), any::<bool>()).prop_map(|(items, trailing)| {
                let items: Vec<_> =
                    items.iter().map(|(before, item, after)| format!("{before}{item}{after}")).collect();
                let comma = if trailing && !items.is_empty() { "," } else { "" };
                format!("[{}{comma}]", items.join(","))
            }),
        ]
    })
}

fn object(members: impl Strategy<Value = Vec<(String, String)>>) -> impl Strategy<Value = String> {
    (members, prop::collection::vec(space(), 24), any::<bool>()).prop_map(|(members, spaces, trailing)| {
        let mut spaces = spaces.iter().cycle();
        let mut next = || spaces.next().cloned().unwrap_or_default();
        let texts: Vec<_> = members
            .iter()
            .map(|(key, value)| [next(), key.clone(), next(), ":".into(), next(), value.clone(), next()].concat())
            .collect();
        let comma = if trailing && !texts.is_empty() { "," } else { "" };
        format!("{{{}{comma}{}}}", texts.join(","), next())
    })
}

/// A file; in some the section is there, in some an entry of ours.
fn file() -> impl Strategy<Value = String> {
    let servers =
        object(prop::collection::vec((key(), value()), 0..4)).prop_map(|text| ("\"mcpServers\"".to_owned(), text));
    let others = || prop::collection::vec((key(), value()), 0..3);
    let root = object((others(), prop::option::of(servers), others()).prop_map(|(mut members, servers, after)| {
        members.extend(servers);
        members.extend(after);
        members
    }));
    (any::<bool>(), space(), root, space())
        .prop_map(|(bom, before, root, after)| [if bom { "\u{feff}" } else { "" }, &before, &root, &after].concat())
}

proptest! {
    #[test]
    fn install_then_uninstall_is_the_identity_and_twice_is_once(text in file()) {
        let edited = set(text.as_bytes(), &target(JSONC), &entry()).expect("valid JSONC is edited");
        let again = set(&edited.bytes, &target(JSONC), &entry()).unwrap();
        prop_assert_eq!(&again.bytes, &edited.bytes);
        let found = entries(&edited.bytes, JSONC, SECTION).unwrap();
        prop_assert_eq!(found.iter().filter(|(name, value)| name == "linear" && *value == entry()).count(), 1);
        let back = remove(&edited.bytes, &target(JSONC), edited.piece.as_ref()).unwrap();
        prop_assert_eq!(String::from_utf8(back).unwrap(), text);
    }

    #[test]
    fn without_a_record_all_but_white_space_comes_back(text in file()) {
        let edited = set(text.as_bytes(), &target(JSONC), &entry()).unwrap();
        let back = remove(&edited.bytes, &target(JSONC), None).unwrap();
        let others = |bytes: &[u8]| entries(bytes, JSONC, SECTION).unwrap();
        prop_assert_eq!(others(&back), others(text.as_bytes()));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[{}\\[\\]:,\"/*a1 \n\r\\\\.é-]{0,60}") {
        if let Ok(edited) = set(text.as_bytes(), &target(JSONC), &entry()) {
            let back = remove(&edited.bytes, &target(JSONC), edited.piece.as_ref());
            prop_assert!(edited.piece.is_none() || back.unwrap() == text.as_bytes());
        }
    }

    #[test]
    fn strict_json_is_what_another_reader_takes_for_it(text in "[{}\\[\\]:,\"/*a1e+. \n\t\\\\u0truenl-]{0,40}") {
        let is_object = serde_json::from_str::<serde_json::Value>(&text).map(|value| value.is_object());
        let is_edited = set(text.as_bytes(), &target(Format::Json(Grammar::STRICT)), &entry()).is_ok();
        prop_assert_eq!(is_edited, is_object.unwrap_or(text.trim().is_empty()));
    }

    #[test]
    fn another_reader_finds_the_entry_and_all_else(text in file()) {
        let strict = Format::Json(Grammar::STRICT);
        if let Ok(edited) = set(text.as_bytes(), &target(strict), &entry())
            && let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(&edited.bytes)
        {
            let servers = json["mcpServers"].as_object_mut().unwrap();
            let linear = servers.remove("linear").unwrap();
            prop_assert_eq!(linear["args"][0].as_str(), Some("https://h/mcp"));
            if servers.is_empty() {
                json.as_object_mut().unwrap().remove("mcpServers");
            }
            let mut before: serde_json::Value =
                if text.trim().is_empty() { serde_json::json!({}) } else { serde_json::from_str(&text).unwrap() };
            if before["mcpServers"] == serde_json::json!({}) {
                before.as_object_mut().unwrap().remove("mcpServers");
            }
            prop_assert_eq!(json, before);
        }
    }
}
