use proptest::prelude::*;

use super::{Format, Target, Value, entries, remove, restore, set};

const TARGET: Target<'static> = Target { format: Format::Toml, section: &["mcp_servers"], name: "linear" };
const BLOCK: &str =
    "[mcp_servers.linear]\ncommand = \"/f\"\nargs = [\"https://h/mcp\", \"C:\\\\x\"]\nenv = { K = \"s\" }\n";

fn entry() -> Value {
    Value::Table(vec![
        ("command".into(), Value::text("/f")),
        ("args".into(), Value::texts(["https://h/mcp", "C:\\x"])),
        ("env".into(), Value::Table(vec![("K".into(), Value::text("s"))])),
    ])
}

#[test]
fn a_table_is_appended_and_taken_out_again() {
    for (before, gap) in [
        ("", ""),
        ("# only a comment", "\n\n"),
        ("model = \"x\"\n", "\n"),
        ("model = 'x' # why", "\n\n"),
        ("\u{feff}[mcp_servers]\n", "\n"),
        ("[mcp_servers.a]\ncommand = \"\"\"\n[mcp_servers.linear]\n\"\"\"\nwhen = 1979-05-27T07:32:00Z\n", "\n"),
        ("mcp_servers.a.command = \"x\"\n[other]\nb.c = 0x1F # c\n\n\n", "\n"),
        ("[\"mcp_servers\".a]\ncommand = \"x\"\n[[list]]\nx = 1.0\n[[list]]\n", "\n"),
    ] {
        let edited = set(before.as_bytes(), &TARGET, &entry()).unwrap();
        assert_eq!(String::from_utf8(edited.bytes.clone()).unwrap(), format!("{before}{gap}{BLOCK}"));
        assert_eq!(set(&edited.bytes, &TARGET, &entry()).unwrap().bytes, edited.bytes, "twice is once");
        assert_eq!(remove(&edited.bytes, &TARGET, edited.piece.as_ref()).unwrap(), before.as_bytes());
        let more = [&edited.bytes[..], b"\n# about b\n[mcp_servers.b]\ncommand = 'x'\n"].concat();
        let rest = String::from_utf8(remove(&more, &TARGET, None).unwrap()).unwrap();
        assert!(rest.starts_with(before) && rest.ends_with("# about b\n[mcp_servers.b]\ncommand = 'x'\n"), "{rest}");
    }
    let crlf = "model = \"x\"\r\n[a]\r\n";
    let edited = set(crlf.as_bytes(), &TARGET, &entry()).unwrap();
    assert_eq!(String::from_utf8(edited.bytes).unwrap(), format!("{crlf}\r\n{}", BLOCK.replace('\n', "\r\n")));
}

#[test]
fn what_takes_no_more_tables_is_refused_with_its_place() {
    for (text, line) in [
        ("x = 1\nmcp_servers = {}\n", 2),
        ("mcp_servers = { a = { command = \"x\" } }\n", 1),
        ("\n[[mcp_servers]]\na = 1\n", 2),
        ("mcp_servers = 1\n", 1),
        ("a = 1\na = 2\n", 2),
        ("[a\n", 1),
        ("a = 1\rb = 2", 2),
        ("[mcp_servers]\nlinear = { command = \"x\" }\n", 2),
        ("[mcp_servers]\nlinear.command = \"x\"\n", 2),
    ] {
        let refusal = set(text.as_bytes(), &TARGET, &entry()).unwrap_err();
        assert_eq!(refusal.place.map(|place| place.line), Some(line), "{text}: {}", refusal.reason);
    }
    assert!(set(b"\xff\xfea\0", &TARGET, &entry()).is_err());
}

#[test]
fn what_a_person_added_to_our_table_stays() {
    let text = "[mcp_servers.linear] # ours\nargs = [\"old\"]\nstartup_timeout_sec = 9 # slow\n\n[mcp_servers.linear.env]\nKEPT = \"1\"\nK = \"old\"\n# about b\n[b]\n";
    let edited = set(text.as_bytes(), &TARGET, &entry()).unwrap();
    let expected = text
        .replace("[\"old\"]", "[\"https://h/mcp\", \"C:\\\\x\"]")
        .replace("# ours\n", "# ours\ncommand = \"/f\"\n")
        .replace("\"old\"", "\"s\"");
    assert_eq!(String::from_utf8(edited.bytes.clone()).unwrap(), expected);
    let back = restore(&edited.bytes, &TARGET, &edited.before.unwrap()).unwrap();
    assert_eq!(entries(&back, Format::Toml, TARGET.section), entries(text.as_bytes(), Format::Toml, TARGET.section));
    let inline = "[mcp_servers.linear]\ncommand = \"/f\"\nargs = []\nenv = { KEPT = '1', K = 'old' }\n[b]";
    let edited = set(inline.as_bytes(), &TARGET, &entry()).unwrap();
    assert!(String::from_utf8(edited.bytes).unwrap().contains("env = { KEPT = \"1\", K = \"s\" }\n[b]"));
    assert_eq!(remove(text.as_bytes(), &TARGET, None).unwrap(), b"\n# about b\n[b]\n");
}

proptest! {
    #[test]
    fn install_then_uninstall_is_the_identity_and_twice_is_once(
        lines in prop::collection::vec(prop::sample::select(vec![
            "# [mcp_servers.linear]", "", "model = \"x\"", "a.b = 1_000", "[a]", "[mcp_servers]", "[mcp_servers.b]", "b.c = 0x1F # d",
            "[\"mcp_servers\".\"c d\"]", "x = \"\"\"", "\"\"\"", "[[list]]", "args = [", "  'y', # z", "]", "mcp_servers.e = {}", "\t",
        ]), 0..12),
        newline in prop::sample::select(vec!["\n", "\r\n"]),
        is_ended in any::<bool>(),
    ) {
        let text = lines.join(newline) + if is_ended { newline } else { "" };
        if let Ok(edited) = set(text.as_bytes(), &TARGET, &entry()) {
            prop_assert_eq!(&set(&edited.bytes, &TARGET, &entry()).unwrap().bytes, &edited.bytes);
            prop_assert!(edited.bytes.starts_with(text.as_bytes()));
            prop_assert_eq!(remove(&edited.bytes, &TARGET, edited.piece.as_ref()).unwrap(), text.as_bytes());
            let others = |bytes: &[u8]| {
                let all = entries(bytes, Format::Toml, TARGET.section).unwrap();
                all.into_iter().filter(|(name, _)| name != "linear").collect::<Vec<_>>()
            };
            let by_name = remove(&edited.bytes, &TARGET, None).unwrap();
            prop_assert_eq!(others(&by_name), others(text.as_bytes()));
        }
    }
}
