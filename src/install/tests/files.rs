//! Many files for each client: the result is what was there and ours, or the file is untouched and the reason told.

use super::super::clients::Shape;
use super::super::edit::{Format, Target, entries, remove, set};
use super::*;

/// What a file is to the grammar of a client.
#[derive(Clone, Copy)]
struct Reads {
    comments: bool,
    trailing: bool,
    bom: bool,
}

/// A file, and whether a client with this grammar has it edited. `@` is the key of the section.
type Case = (&'static str, &'static str, fn(Reads) -> bool);

const YES: fn(Reads) -> bool = |_| true;
const NO: fn(Reads) -> bool = |_| false;

const JSON: &[Case] = &[
    ("empty", "", YES),
    ("white space", "\n\n", YES),
    ("empty object", "{}", YES),
    ("empty object and line", "{}\n", YES),
    ("section absent", "{\n  \"x\": 1\n}\n", YES),
    ("section absent, tabs", "{\n\t\"x\": {\n\t\t\"y\": 1\n\t}\n}", YES),
    ("section empty", "{\n  \"@\": {}\n}\n", YES),
    ("section empty in lines", "{\n    \"@\": {\n    }\n}\n", YES),
    ("section with white space", "{\"@\": { }}", YES),
    ("a server", "{\n  \"@\": {\n    \"a\": {\"command\": \"x\"}\n  },\n  \"z\": null\n}\n", YES),
    (
        "a server, four spaces",
        "{\n    \"@\": {\n        \"a\": {\n            \"command\": \"x\"\n        }\n    }\n}",
        YES,
    ),
    ("windows", "{\r\n  \"@\": {\r\n    \"a\": {\"command\": \"x\"}\r\n  }\r\n}\r\n", YES),
    ("old mac", "{\r  \"@\": {\r    \"a\": {\"command\": \"x\"}\r  }\r}\r", YES),
    ("mixed line ends", "{\r\n  \"@\": {\n    \"a\": {\"command\": \"x\"}\r\n  }\n}", YES),
    ("tabs", "{\n\t\"@\": {\n\t\t\"a\": {\"command\": \"x\"}\n\t}\n}\n", YES),
    ("minified", "{\"x\":1,\"@\":{\"a\":{\"command\":\"x\"}},\"y\":[1,2]}", YES),
    ("one line", "{ \"@\": { \"a\": { \"command\": \"x\" } } }", YES),
    ("big numbers", "{\"n\": 12345678901234567890, \"f\": 1.0, \"e\": 1E+400, \"m\": -0, \"@\": {}}", YES),
    ("escapes", "{\"\\u00e9\": \"\\ud83d\\ude00 \\/ \\u0000\", \"lone\": \"\\udead\", \"@\": {}}", YES),
    ("not ascii", "{\n  \"é→😀\": \"ü\",\n  \"@\": {}\n}", YES),
    ("duplicates elsewhere", "{\"x\": 1, \"x\": 2, \"@\": {\"a\": {}, \"a\": {}}}", YES),
    ("ours in another place", "{\"linear\": {\"@\": {\"linear\": 1}}, \"@\": {}}", YES),
    ("ragged", "{ \"x\"\n:1,\n\n\"@\"\n\n:\n{\"a\"\n:\n{}\n}\n}", YES),
    ("byte order mark", "\u{feff}{\n  \"@\": {}\n}\n", |reads| reads.bom),
    ("byte order mark alone", "\u{feff}", |reads| reads.bom),
    (
        "comments",
        "// a\n{ // b\n  /* c */ \"@\": { // d\n    \"a\": 1 /* e */ // f\n    // g\n  } // h\n} // i\n",
        |reads| reads.comments,
    ),
    ("only a comment", "/* later */", |reads| reads.comments),
    ("comments that look like JSON", "{\"@\": {\"a\": 1 /*, \"b\": {} }*/ // }}\n}}", |reads| reads.comments),
    ("comments, windows", "{\r\n  // x\r\n  \"@\": {\r\n    // \"b\": {},\r\n  }\r\n}", |reads| reads.comments),
    ("trailing commas", "{\n  \"@\": {\n    \"a\": {},\n  },\n}\n", |reads| reads.trailing),
    ("trailing comma in another place", "{\"x\": [1, 2,], \"@\": {}}", |reads| reads.trailing),
    ("both", "{\n  \"@\": {\n    \"a\": {}, // x,\n  }, /* y */\n}\n", |reads| reads.comments && reads.trailing),
    ("truncated", "{\n  \"@\": {\n    \"a\": {\"command\"", NO),
    ("section null", "{\"@\": null}", NO),
    ("section array", "{\"@\": []}", NO),
    ("section text", "{\"@\": \"{}\"}", NO),
    ("root array", "[1, 2]", NO),
    ("root null", "null", NO),
    ("section twice", "{\"@\": {}, \"@\": {}}", NO),
    ("entry twice", "{\"@\": {\"linear\": {}, \"linear\": {}}}", NO),
    ("two values", "{} {}", NO),
    ("single quotes", "{'@': {}}", NO),
    ("plain keys", "{x: 1}", NO),
    ("a NUL", "{\"x\": 1}\0", NO),
    ("another's entry", "{\"@\": {\"linear\": {\"command\": \"theirs\"}}}", NO),
];

#[test]
fn each_json_file_of_each_client_is_edited_to_the_byte_or_left_alone() {
    let mut seen = Vec::new();
    for client in CLIENTS.iter().filter(|client| client.is_written) {
        let Format::Json(grammar) = client.format else { continue };
        // One client of each grammar on the disk, the others in memory.
        let check = if seen.contains(&grammar) { check_text } else { check };
        seen.push(grammar);
        let reads = Reads { comments: grammar.comments, trailing: grammar.trailing_commas, bom: grammar.bom };
        let key = client.sections[0].last().unwrap();
        for (case, text, is_edited) in JSON {
            let text = text.replace('@', key);
            check(client, case, text.as_bytes(), is_edited(reads));
        }
        let deep = format!("{{\"x\": {}{}}}", "[".repeat(600), "]".repeat(600));
        let wide: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(client, "600 deep", deep.as_bytes(), false);
        check(client, "UTF-16", &[&[0xff, 0xfe], wide.as_slice()].concat(), false);
        check(client, "UTF-16 without a mark", &wide, false);
        check(client, "Latin-1", b"{\"x\": \"\xe9\"}", false);
    }
}

#[test]
fn each_toml_and_yaml_file_is_edited_to_the_byte_or_left_alone() {
    let codex = Client::named("codex").unwrap();
    for (case, text, is_edited) in [
        ("empty", "", true),
        ("settings", "model = \"x\" # c\n[a.b]\nc = 1979-05-27T07:32:00Z\nd = 0xFF\n", true),
        ("no final line end", "[mcp_servers.a]\ncommand = 'x'", true),
        ("windows", "# c\r\n[mcp_servers.a]\r\ncommand = 'x'\r\n", true),
        ("byte order mark", "\u{feff}model = 'x'\n", true),
        ("texts of lines", "x = '''\n[mcp_servers.linear]\n'''\n", true),
        ("inline", "mcp_servers = {}\n", false),
        ("array", "[[mcp_servers]]\nx = 1\n", false),
        ("twice", "[a]\n[a]\n", false),
        ("broken", "model = \n", false),
        ("another's entry", "[mcp_servers.linear]\ncommand = \"theirs\"\n", false),
    ] {
        check(codex, case, text.as_bytes(), is_edited);
    }
    let goose = Client::named("goose").unwrap();
    for (case, text, is_edited) in [
        ("empty", "", true),
        ("settings", "GOOSE_MODEL: x # c\n", true),
        ("an extension", "# c\nextensions:\n  dev:\n    enabled: yes # Norway\n    x: &a\n    - *b\nY: 1\n", true),
        ("windows", "extensions:\r\n  dev:\r\n    enabled: true\r\n", true),
        ("flow", "a: 1\nextensions: {} # none\nb: 2\n", true),
        ("nothing", "extensions:\n  # one\nb: 2\n", true),
        ("a flow with one", "extensions: {a: {cmd: x}}\n", false),
        ("twice", "extensions:\n  a:\n    x: 1\nextensions:\n  b:\n    x: 1\n", false),
        ("a list", "- a\n", false),
        ("tabs", "extensions:\n\ta: 1\n", false),
        ("another's entry", "extensions:\n  linear:\n    cmd: theirs\n", false),
    ] {
        check(goose, case, text.as_bytes(), is_edited);
    }
    let utf16: Vec<u8> = "\u{feff}a: 1".encode_utf16().flat_map(u16::to_be_bytes).collect();
    check(codex, "UTF-16", &utf16, false);
    check(goose, "UTF-16", &utf16, false);
}

/// The same for the text alone.
fn check_text(client: &'static Client, case: &str, before: &[u8], is_edited: bool) {
    let section = client.section(before);
    let target = Target { format: client.format, section, name: "linear" };
    let entry = client.shape.entry("linear", "/usr/local/bin/mcp-ferry", &[URL.to_owned()], &[]);
    let place = format!("{}: {case}", client.name);
    match set(before, &target, &entry) {
        Ok(edited) if is_edited => {
            assert_eq!(set(&edited.bytes, &target, &entry).unwrap().bytes, edited.bytes, "{place}");
            assert_eq!(remove(&edited.bytes, &target, edited.piece.as_ref()).unwrap(), before, "{place}");
        }
        Ok(edited) => assert!(edited.before.is_some(), "{place}: only another's entry is for the plan to refuse"),
        Err(refusal) => assert!(!is_edited && !refusal.reason.is_empty(), "{place}: {}", refusal.reason),
    }
}

fn check(client: &'static Client, case: &str, before: &[u8], is_edited: bool) {
    let place = format!("{}: {case}", client.name);
    let machine = Machine::new();
    let file = machine.write(client.name, before);
    set_mode(&file, 0o640);
    let step = machine.install(client.name);
    let after = std::fs::read(&file).unwrap();
    if !is_edited {
        assert!(matches!(step.outcome, Outcome::Refused(_)), "{place}: {:?}", step.outcome);
        assert!(reason(&step.outcome).len() > 10, "{place}");
        assert_eq!((after, machine.kept().len()), (before.to_vec(), 0), "{place}");
        return;
    }
    assert_eq!(step.outcome, Outcome::Inserted, "{place}");
    // What was there is there still, in its order.
    let section = client.section(&after);
    let all = entries(&after, client.format, section).unwrap();
    let others: Vec<_> = all.iter().filter(|(name, _)| name != "linear").cloned().collect();
    assert_eq!(others, entries(before, client.format, section).unwrap(), "{place}");
    let server = Server::read(&all.iter().find(|(name, _)| name == "linear").unwrap().1);
    assert_eq!(server.command, ["/usr/local/bin/mcp-ferry", URL], "{place}");
    assert_eq!(server.env, [("LINEAR_TOKEN".to_owned(), "marked-token-0123456789".to_owned())], "{place}");
    assert_eq!(mode(&file), 0o640, "{place}");
    assert!(!step.diff.contains("marked") && step.diff.contains("mcp-ferry"), "{place}: {}", step.diff);
    assert_eq!(std::fs::read(step.backup.unwrap()).unwrap(), before, "{place}");
    assert_eq!(machine.install(client.name).outcome, Outcome::Unchanged, "{place}: twice is once");
    assert_eq!(std::fs::read(&file).unwrap(), after, "{place}");
    assert_eq!(machine.uninstall("linear"), [Outcome::Restored], "{place}");
    assert_eq!(std::fs::read(&file).unwrap(), before, "{place}");
    assert_eq!((mode(&file), machine.kept().len()), (0o640, 0), "{place}");
}

#[cfg(unix)]
pub(super) fn mode(file: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(file).unwrap()) & 0o7777
}

#[cfg(unix)]
pub(super) fn set_mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(windows)]
pub(super) fn mode(_: &Path) -> u32 {
    0o640
}

#[cfg(windows)]
pub(super) fn set_mode(_: &Path, _: u32) {}

#[test]
fn a_missing_file_is_made_private_and_goes_again() {
    for client in CLIENTS.iter().filter(|client| client.is_written) {
        let machine = Machine::new();
        let step = machine.install(client.name);
        let file = machine.file(client.name);
        assert_eq!((step.outcome, step.backup, step.path.as_ref()), (Outcome::Inserted, None, Some(&file)));
        assert!(cfg!(windows) || mode(&file) == 0o600, "{}", client.name);
        assert!(client.shape != Shape::OwnFile || file.ends_with("ferry-linear.json"));
        assert_eq!(machine.uninstall(URL), [Outcome::Restored], "{}", client.name);
        assert!(!file.exists() && machine.kept().is_empty(), "{}", client.name);
        assert_eq!(machine.uninstall(URL), []);
    }
}

#[cfg(unix)]
#[test]
fn links_and_modes_stay_and_a_read_only_file_is_left_alone() {
    let machine = Machine::new();
    let real = machine.world.home.join("dotfiles.json");
    std::fs::write(&real, "{}").unwrap();
    set_mode(&real, 0o600);
    let link = machine.file("cursor");
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let name = machine.world.home.join("another name.json");
    for is_hard in [false, true] {
        if is_hard {
            std::fs::hard_link(&real, &name).unwrap();
        }
        assert_eq!(machine.install("cursor").outcome, Outcome::Inserted);
        assert!(std::fs::read_to_string(&real).unwrap().contains("linear"));
        assert_eq!((std::fs::read_link(&link).unwrap(), mode(&real)), (real.clone(), 0o600));
        assert!(!is_hard || std::fs::read(&name).unwrap() == std::fs::read(&real).unwrap());
        assert_eq!(machine.uninstall("linear"), [Outcome::Restored]);
        assert_eq!((std::fs::read(&real).unwrap(), std::fs::read_link(&link).unwrap()), (b"{}".to_vec(), real.clone()));
    }
    std::fs::remove_file(&name).unwrap();
    set_mode(&real, 0o400);
    let step = machine.install("cursor");
    assert!(reason(&step.outcome).contains("read-only"), "{:?}", step.outcome);
    std::fs::remove_file(&real).unwrap();
    assert!(reason(&machine.install("cursor").outcome).contains("symbolic link to a file that is missing"));
}

#[test]
fn a_preview_writes_nothing_and_shows_what_would_change_without_secrets() {
    let machine = Machine::new();
    let text =
        "{\n  \"mcpServers\": {\n    \"a\": { \"env\": { \"API_TOKEN\": \"marked-other-9876543210\" } }\n  }\n}\n";
    let file = machine.write("cursor", text);
    let request = Request {
        url: URL.into(),
        clients: vec!["cursor".into(), "codex".into(), "amp".into()],
        env: vec![
            ("LINEAR_TOKEN".into(), Secret::new("marked-token-0123456789")),
            ("LINEAR_PIN".into(), Secret::new("7\"31")),
        ],
        is_preview: true,
        ..Request::default()
    };
    let report = install(&machine.world, &request).unwrap();
    let (shown, json) = (report.text(), report.json());
    assert!(shown.contains("+    \"linear\": {") && shown.contains("+[mcp_servers.linear]"), "{shown}");
    assert!(shown.contains("Amp: linear can be added by hand") && shown.contains("amp.mcpServers"), "{shown}");
    assert!(!shown.contains("marked") && !json.to_string().contains("marked"), "{shown}");
    assert!(!shown.contains("\"31") && shown.contains("\"LINEAR_PIN\": \"***\""), "{shown}");
    let outcomes: Vec<_> = json["steps"].as_array().unwrap().iter().map(|step| step["outcome"].clone()).collect();
    assert_eq!(outcomes, ["inserted", "inserted", "snippet"]);
    assert!(report.is_complete() && json["ok"] == true && json["dry_run"] == true);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert!(!machine.world.records.exists() && !machine.file("codex").exists());
}

#[test]
fn a_refusal_has_its_place_and_what_to_add_by_hand() {
    let machine = Machine::new();
    machine.write("claude-desktop", "{\n  \"mcpServers\": {\n    \"a\": 1,\n  }\n}\n");
    let request = Request { url: URL.into(), clients: vec!["claude-desktop".into()], ..Request::default() };
    let report = install(&machine.world, &request).unwrap();
    let shown = report.text();
    assert!(!report.is_complete() && shown.contains("line 4, column 3: a comma behind the last member"), "{shown}");
    assert!(shown.contains("      \"linear\": {") || shown.contains("\"linear\": {"), "{shown}");
    machine.write("cursor", "{,}");
    let request = Request { clients: vec!["cursor".into()], ..request };
    let report = install(&machine.world, &request).unwrap();
    let link = report.steps[0].link.as_ref().unwrap();
    assert!(link.starts_with("cursor://anysphere.cursor-deeplink/mcp/install?name=linear&config=ey"), "{link}");
    for clients in [vec![], vec!["netscape".to_owned()]] {
        let error = install(&machine.world, &Request { clients, ..request.clone() }).unwrap_err();
        assert!(error.hint().contains("claude-desktop"));
    }
}
