use proptest::prelude::*;

use super::super::{Format, Target, Value, entries, remove, restore, set};

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
        "extensions: {}\n",
        "extensions: {}",
        "A: 1\nextensions:  {} # none\n  # one\nB: 2\n",
        "extensions:\n",
        "A: 1\nextensions: # c",
        "extensions:\n  # github:\n    # cmd: npx\n",
    ] {
        let edited = set(before.as_bytes(), &TARGET, &entry()).unwrap();
        let text = String::from_utf8(edited.bytes.clone()).unwrap();
        assert!(text.contains(BLOCK), "{text}");
        let piece = edited.piece.as_ref().unwrap();
        assert_eq!(text.replace(&piece.inserted, &piece.removed), before);
        assert_eq!(set(&edited.bytes, &TARGET, &entry()).unwrap().bytes, edited.bytes, "twice is once");
        assert_eq!(remove(&edited.bytes, &TARGET, edited.piece.as_ref()).unwrap(), before.as_bytes());
        let found = entries(&edited.bytes, Format::Yaml, TARGET.section).unwrap();
        assert_eq!(found.iter().find(|(name, _)| name == "linear").map(|(_, value)| value), Some(&entry()));
    }
}

#[test]
fn another_shape_than_that_of_goose_is_refused_with_its_place() {
    for (text, line) in [
        ("extensions: {}\n  b:\n", 2),
        ("extensions: null\n", 1),
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
        ("extensions :\n  a:\n    cmd: x\n", 1),
        ("extensions:\n  a :\n    cmd: x\n", 2),
        ("a: b\n- c\nextensions:\n", 2),
        ("extensions:\n- a\n", 2),
    ] {
        let refusal = set(text.as_bytes(), &TARGET, &entry()).expect_err(text);
        assert_eq!(refusal.place.map(|place| place.line), Some(line), "{text}: {}", refusal.reason);
    }
    assert!(set("\u{feff}a: 1\n".as_bytes(), &TARGET, &entry()).is_err());
}

#[test]
fn what_stands_beside_the_extensions_may_have_any_shape_of_serializers() {
    for text in [
        "slash_commands:\n- command: x\n  path: /y\n- command: z\nextensions:\n  b:\n    cmd: x\n",
        "note: \"say \\\"hi\\\"\"\n",
    ] {
        let edited = set(text.as_bytes(), &TARGET, &entry()).expect(text);
        assert_eq!(remove(&edited.bytes, &TARGET, edited.piece.as_ref()).unwrap(), text.as_bytes());
    }
}

#[test]
fn what_a_person_added_stays_and_the_last_extension_leaves_an_empty_map() {
    let text = "extensions:\n  linear:\n    cmd: '/old'\n    mine: true\n  b:\n    cmd: x\n";
    let edited = set(text.as_bytes(), &TARGET, &entry()).unwrap();
    let result = String::from_utf8(edited.bytes.clone()).unwrap();
    assert!(result.contains("    mine: true\n  b:\n    cmd: x\n") && !result.contains("old"), "{result}");
    assert_eq!(restore(&edited.bytes, &TARGET, &edited.before.unwrap()).unwrap(), text.as_bytes());
    let odd = "extensions:\n  linear:\n    # mine\n    cmd: x\n";
    let edited = set(odd.as_bytes(), &TARGET, &entry()).unwrap();
    assert!(String::from_utf8(edited.bytes).unwrap().contains("    # mine\n    cmd: \"/f\"\n"));
    for lost in
        ["args:\n    - a\n    # mine\n    - b", "cmd: >-\n      x", "cmd: &a x", "envs: {A: b}", "cmd: 'x\n      y'"]
    {
        let odd = format!("extensions:\n  linear:\n    {lost}\n");
        assert!(set(odd.as_bytes(), &TARGET, &entry()).is_err(), "{odd}");
    }
    assert_eq!(remove(text.as_bytes(), &TARGET, None).unwrap(), b"extensions:\n  b:\n    cmd: x\n");
    assert_eq!(remove(odd.as_bytes(), &TARGET, None).unwrap(), b"extensions: {}\n");
}

#[test]
fn only_the_lines_of_our_keys_change() {
    for (old, new) in [
        (
            "    cmd: x # c\n    args: [] # none\n    envs: {}\n",
            "    cmd: \"/f\" # c\n    args: [\"https://h/mcp\", \"a: b # c\"] # none\n    envs:\n      K: \"s\"\n",
        ),
        (
            "    args: # c\n      - a\n      - b # d\n    x: |\n      # text\n\n      b\n",
            "    args: # c\n      - \"https://h/mcp\"\n      - \"a: b # c\"\n    x: |\n      # text\n\n      b\n",
        ),
        (
            "    envs: # c\n        A: b # d\n        K: 'old' # e\n    args: x\n",
            "    envs: # c\n        A: b # d\n        K: \"s\" # e\n    args:\n    - \"https://h/mcp\"\n    - \"a: b # c\"\n",
        ),
        (
            "    cmd:\n    args: null # n\n    meta:\n      - a: 1\n        b: 2\n",
            "    cmd: \"/f\"\n    args: # n\n    - \"https://h/mcp\"\n    - \"a: b # c\"\n    meta:\n      - a: 1\n        b: 2\n",
        ),
    ] {
        let text =
            format!("extensions:\n  linear: # ours\n{old}    name: 'linear'\n    timeout: 300 # t\n  b:\n    cmd: x\n");
        let edited = set(text.as_bytes(), &TARGET, &entry()).unwrap();
        let result = String::from_utf8(edited.bytes.clone()).unwrap();
        let rest = "    name: 'linear'\n    timeout: 300 # t\n  b:\n    cmd: x\n";
        assert!(result.contains(new.split_inclusive('\n').skip(1).collect::<String>().as_str()), "{result}");
        assert!(result.contains(new.lines().next().unwrap()) && result.ends_with(rest), "{result}");
        assert_eq!(set(&edited.bytes, &TARGET, &entry()).unwrap().bytes, edited.bytes, "twice is once");
        assert_eq!(restore(&edited.bytes, &TARGET, &edited.before.unwrap()).unwrap(), text.as_bytes());
    }
}

#[test]
fn variables_that_go_leave_those_of_the_person() {
    let variables = |members: &[(&str, Value)]| {
        let members = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Value::Table(vec![("envs".into(), Value::Table(members))])
    };
    let before = "extensions:\n  linear:\n    envs:\n      OLD: a\n      MINE: b\n    timeout: 9\n";
    for (wanted, after) in [
        (variables(&[("OLD", Value::Gone)]), "    envs:\n      MINE: b\n"),
        (variables(&[("OLD", Value::Gone), ("MINE", Value::Gone)]), "    envs: {}\n"),
        (
            variables(&[("NEW", Value::text("c")), ("OLD", Value::Gone), ("MINE", Value::Gone)]),
            "    envs:\n      NEW: \"c\"\n",
        ),
        (variables(&[("OTHER", Value::Gone)]), "    envs:\n      OLD: a\n      MINE: b\n"),
    ] {
        let edited = set(before.as_bytes(), &TARGET, &wanted).unwrap();
        let expected = format!("extensions:\n  linear:\n{after}    timeout: 9\n");
        assert_eq!(String::from_utf8(edited.bytes).unwrap(), expected);
    }
}

#[test]
fn comments_beside_the_extension_stay_when_it_goes() {
    for (before, after) in [
        (
            "extensions: # mine\n  # github:\n  #   cmd: npx\n  linear:\n    cmd: x\n",
            "extensions: {} # mine\n  # github:\n  #   cmd: npx\n",
        ),
        (
            "extensions:\n  linear:\n    cmd: x\n    # deep\n  # github:\n    # cmd: npx\nA: 1\n",
            "extensions: {}\n  # github:\n    # cmd: npx\nA: 1\n",
        ),
        (
            "extensions:\n  b:\n    cmd: x\n  # github:\n  linear:\n    cmd: x\n# end\n",
            "extensions:\n  b:\n    cmd: x\n  # github:\n# end\n",
        ),
    ] {
        assert_eq!(String::from_utf8(remove(before.as_bytes(), &TARGET, None).unwrap()).unwrap(), after);
        let again = set(after.as_bytes(), &TARGET, &entry()).unwrap();
        assert_eq!(remove(&again.bytes, &TARGET, again.piece.as_ref()).unwrap(), after.as_bytes());
        assert!(remove(&again.bytes, &TARGET, None).is_ok());
    }
}

proptest! {
    #[test]
    fn what_is_not_of_our_keys_stays_in_its_order(
        lines in prop::collection::vec(prop::sample::select(vec![
            "    # c", "    cmd: 'x' # c", "    args: [a, 'b'] # d", "    args:", "    - a", "      - b", "    envs: {}", "    envs:",
            "      K: 1 # k", "      A: 2", "    mine: 'it''s' # n", "    meta:", "      deep:", "        er: 1", "    x: |", "      # text",
            "", "  # out", "  other:", "    description: \"a # b\"",
        ]), 0..10),
    ) {
        let text = format!("extensions:\n  linear:\n{}\n", lines.join("\n"));
        if let Ok(edited) = set(text.as_bytes(), &TARGET, &entry()) {
            let result = String::from_utf8(edited.bytes.clone()).unwrap();
            let is_kept = |line: &&str| ["# out", "mine:", "meta:", "deep:", "er: 1", "x: |", "# text", "A: 2", "description:", "other:"]
                .iter().any(|word| line.contains(word));
            let kept = |text: &str| text.lines().filter(is_kept).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(kept(&text), kept(&result));
            prop_assert_eq!(&set(&edited.bytes, &TARGET, &entry()).unwrap().bytes, &edited.bytes);
            if let Some(before) = &edited.before {
                prop_assert_eq!(restore(&edited.bytes, &TARGET, before).unwrap(), text.as_bytes());
            }
            let without = String::from_utf8(remove(&edited.bytes, &TARGET, None).unwrap()).unwrap();
            prop_assert!(set(without.as_bytes(), &TARGET, &entry()).is_ok());
        }
    }

    #[test]
    fn install_then_uninstall_is_the_identity_and_twice_is_once(
        lines in prop::collection::vec(prop::sample::select(vec![
            "# extensions:", "", "GOOSE_MODEL: x # y", "slash:", "- a", "  b: c", "extensions :", "extensions:", "extensions:", "extensions: {}", "extensions: {} # c", "  dev:", "  dev:", "  other:", "    cmd: 'x'",
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
