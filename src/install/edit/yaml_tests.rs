use proptest::prelude::*;

use super::{Format, Target, Value, entries, remove, restore, set};

const TARGET: Target<'static> = Target { format: Format::Yaml, section: &["extensions"], name: "linear" };
const BLOCK: &str = "  linear:\n    name: \"linear\"\n    cmd: \"/f\"\n    args:\n    - \"https://h/mcp\"\n    - \"a: b # c\"\n    envs:\n      K: \"s\"\n    timeout: 300\n";

fn entry() -> Value {
    Value::Table(vec![
        ("name".into(), Value::text("linear")),
        ("cmd".into(), Value::text("/f")),
        ("args".into(), Value::texts(["https://h/mcp", "a: b # c"])),
        ("envs".into(), Value::Table(vec![("K".into(), Value::text("s"))])),
        ("timeout".into(), Value::Other("300".into())),
    ])
}

#[test]
fn an_extension_is_put_behind_the_key_and_taken_out_again() {
    for before in [
        "",
        "GOOSE_MODEL: gpt\n",
        "GOOSE_MODEL: gpt",
        "# c\nextensions:\n  dev:\n    enabled: true\n    cmd: &a yes\n",
        "a: |\n  text\n\n  extensions:\nextensions: # all\n  # none of mine\n  \"dev\":\n    args: [a, b]\n\n  other:\n    x: >\n      folded\nb: 'c'\n",
        "---\nextensions:\n  dev:\n    enabled: true\nlist:\n  - a\n",
    ] {
        let edited = set(before.as_bytes(), &TARGET, &entry()).unwrap();
        let text = String::from_utf8(edited.bytes.clone()).unwrap();
        assert!(text.contains(BLOCK), "{text}");
        assert_eq!(text.replace(&edited.piece.as_ref().unwrap().inserted, ""), before);
        assert_eq!(set(&edited.bytes, &TARGET, &entry()).unwrap().bytes, edited.bytes, "twice is once");
        assert_eq!(remove(&edited.bytes, &TARGET, edited.piece.as_ref()).unwrap(), before.as_bytes());
        let found = entries(&edited.bytes, Format::Yaml, TARGET.section).unwrap();
        assert_eq!(found.iter().find(|(name, _)| name == "linear").map(|(_, value)| value), Some(&entry()));
    }
}

#[test]
fn another_shape_than_that_of_goose_is_refused_with_its_place() {
    for (text, line) in [
        ("extensions: {}\n", 1),
        ("extensions:\n", 1),
        ("a: 1\nextensions: {a: {cmd: x}}\n", 2),
        ("extensions:\n  a:\n    cmd: x\nextensions:\n  b:\n    cmd: x\n", 4),
        ("extensions:\n\ta:\n", 2),
        ("extensions:\n  - a\n", 2),
        ("- extensions:\n", 1),
        ("{extensions: {}}\n", 1),
        ("a: \"x\nextensions:\n  b:\n", 1),
        ("extensions:\n    a:\n      cmd: x\n  b:\n", 4),
        ("extensions:\n  a:\n    cmd: x", 3),
        ("a: &anchor\n  b: c\n", 1),
        ("extensions: # c\n  ? a\n", 2),
    ] {
        let refusal = set(text.as_bytes(), &TARGET, &entry()).expect_err(text);
        assert_eq!(refusal.place.map(|place| place.line), Some(line), "{text}: {}", refusal.reason);
    }
    assert!(set("\u{feff}a: 1\n".as_bytes(), &TARGET, &entry()).is_err());
}

#[test]
fn what_a_person_added_stays_and_the_last_extension_leaves_an_empty_map() {
    let text = "extensions:\n  linear:\n    cmd: '/old'\n    mine: true\n  b:\n    cmd: x\n";
    let edited = set(text.as_bytes(), &TARGET, &entry()).unwrap();
    let result = String::from_utf8(edited.bytes.clone()).unwrap();
    assert!(result.contains("    mine: true\n  b:\n    cmd: x\n") && !result.contains("old"), "{result}");
    assert_eq!(restore(&edited.bytes, &TARGET, &edited.before.unwrap()).unwrap(), text.as_bytes());
    let odd = "extensions:\n  linear:\n    # mine\n    cmd: x\n";
    assert!(set(odd.as_bytes(), &TARGET, &entry()).is_err(), "a comment would be lost");
    assert_eq!(remove(text.as_bytes(), &TARGET, None).unwrap(), b"extensions:\n  b:\n    cmd: x\n");
    assert_eq!(remove(odd.as_bytes(), &TARGET, None).unwrap(), b"extensions: {}\n");
}

proptest! {
    #[test]
    fn install_then_uninstall_is_the_identity_and_twice_is_once(
        lines in prop::collection::vec(prop::sample::select(vec![
            "# extensions:", "", "GOOSE_MODEL: x # y", "extensions:", "extensions:", "  dev:", "  dev:", "  other:", "    cmd: 'x'",
            "    args:", "    - a", "    - \"b: c\"", "  # linear:", "a: |", "   text", "b: 'c'", "b: \"c", "\"d\": [1, 2]", "  linear:", "---", "\t",
        ]), 0..12),
        newline in prop::sample::select(vec!["\n", "\r\n"]),
        is_ended in any::<bool>(),
    ) {
        let text = lines.join(newline) + if is_ended { newline } else { "" };
        if let Ok(edited) = set(text.as_bytes(), &TARGET, &entry()) {
            prop_assert_eq!(&set(&edited.bytes, &TARGET, &entry()).unwrap().bytes, &edited.bytes);
            match &edited.before {
                None => prop_assert_eq!(remove(&edited.bytes, &TARGET, edited.piece.as_ref()).unwrap(), text.as_bytes()),
                Some(before) => prop_assert_eq!(restore(&edited.bytes, &TARGET, before).unwrap(), text.as_bytes()),
            }
        }
    }
}
