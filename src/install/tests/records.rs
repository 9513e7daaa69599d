//! Several entries of one file, files that others have lost, records that cannot be read: what comes back?

use super::*;
use crate::install::program::plain;

const SECOND: &str = "https://h.example/mcp";

fn put_with(machine: &Machine, name: &str, options: &[&str]) -> Outcome {
    let request = Request {
        url: SECOND.into(),
        name: Some(name.into()),
        clients: vec!["cursor".into()],
        options: options.iter().map(|&option| option.to_owned()).collect(),
        ..Request::default()
    };
    install(&machine.world, &request).unwrap().steps.remove(0).outcome
}

#[test]
fn the_last_copy_of_a_file_that_was_lost_stays_and_is_named() {
    let precious = "{\"precious\":1}";
    for lost in [None, Some(""), Some(" \n")] {
        let machine = Machine::new();
        let file = machine.write("cursor", precious);
        let copy = machine.install("cursor").backup.unwrap();
        let lose = || match lost {
            None => std::fs::remove_file(&file).unwrap(),
            Some(text) => std::fs::write(&file, text).unwrap(),
        };
        lose();
        for _ in 0..2 {
            let outcomes = machine.uninstall("linear");
            assert!(reason(&outcomes[0]).contains(plain(&copy).to_str().unwrap()), "{lost:?}: {outcomes:?}");
            assert_eq!(std::fs::read_to_string(&copy).unwrap(), precious, "{lost:?}");
        }
        // Installed again, the file from before the loss is what comes back.
        assert_eq!(machine.install("cursor").outcome, Outcome::Inserted);
        assert_eq!(machine.uninstall("linear"), [Outcome::Restored]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), precious);
        machine.install("cursor");
        lose();
        std::fs::copy(machine.world.records.join("backups").read_dir().unwrap().next().unwrap().unwrap().path(), &file)
            .unwrap();
        assert_eq!(machine.uninstall("linear"), [Outcome::NotThere], "the person has copied it back");
        assert_eq!((std::fs::read_to_string(&file).unwrap(), machine.kept().len()), (precious.to_owned(), 0));
        // Without the copy nothing is left to lose.
        let copy = machine.install("cursor").backup.unwrap();
        lose();
        std::fs::remove_file(copy).unwrap();
        assert_eq!(machine.uninstall("linear"), [Outcome::NotThere]);
        assert!(machine.kept().is_empty());
    }
}

#[test]
fn two_entries_of_one_address_go_together_in_any_order_of_names() {
    for names in [["a", "b"], ["b", "a"], ["c", "d"], ["d", "c"], ["e", "f"], ["f", "e"]] {
        let machine = Machine::new();
        let file = machine.write("cursor", "{\"theme\": 1}");
        for name in names {
            machine.install_as("cursor", name);
        }
        assert_eq!(machine.uninstall(URL), [Outcome::Restored, Outcome::Restored]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"theme\": 1}", "{names:?}");
        assert!(machine.kept().is_empty(), "{:?}", machine.kept());
    }
}

#[test]
fn an_entry_that_is_changed_between_others_is_still_undone_to_the_byte() {
    for before in ["{\"n\":0}", "{\n  \"n\": 0,\n  \"mcpServers\": {\n    \"x\": 1\n  }\n}\n"] {
        for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c"], ["a", "c", "b"]] {
            for changed in ["a", "b", "c"] {
                let machine = Machine::new();
                let file = machine.write("cursor", before);
                for name in ["a", "b", "c"] {
                    assert_eq!(put_with(&machine, name, &[]), Outcome::Inserted);
                }
                for options in [&["--read-only"][..], &["--read-only", "--http1"], &[]] {
                    assert_eq!(put_with(&machine, changed, options), Outcome::Replaced);
                }
                for name in order {
                    let outcomes = machine.uninstall(name);
                    assert!(matches!(outcomes[..], [Outcome::Restored | Outcome::Removed]), "{outcomes:?}");
                }
                assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "{order:?}, {changed}");
                assert!(machine.kept().is_empty(), "{:?}", machine.kept());
            }
        }
    }
}

#[test]
fn undoing_the_last_entry_leaves_the_changed_one_before_it_as_it_is() {
    let machine = Machine::new();
    let file = machine.write("cursor", "{}");
    put_with(&machine, "a", &[]);
    put_with(&machine, "b", &[]);
    put_with(&machine, "a", &["--read-only"]);
    assert_eq!(machine.uninstall("b"), [Outcome::Restored]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("--read-only") && !text.contains("\"b\""), "{text}");
    assert_eq!(machine.uninstall("a"), [Outcome::Restored]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}");
}

#[cfg(unix)]
#[test]
fn a_file_that_was_created_behind_a_link_of_its_folder_goes_again() {
    let machine = Machine::new();
    std::fs::create_dir_all(machine.world.home.join("dot/cursor")).unwrap();
    std::os::unix::fs::symlink("dot/cursor", machine.world.home.join(".cursor")).unwrap();
    put_with(&machine, "a", &[]);
    put_with(&machine, "b", &[]);
    assert_eq!((machine.uninstall("a"), machine.uninstall("b")), (vec![Outcome::Removed], vec![Outcome::Restored]));
    assert!(!machine.file("cursor").exists() && machine.world.home.join("dot/cursor").exists());
    assert!(machine.kept().is_empty());
}

#[test]
fn folders_that_were_created_go_with_the_file() {
    for client in ["cursor", "zed", "continue", "vscode", "goose"] {
        for is_lost in [false, true] {
            let machine = Machine::new();
            let is_found = || Client::named(client).unwrap().is_found(&machine.world);
            machine.install_as(client, "a");
            machine.install_as(client, "b");
            assert!(is_found());
            if is_lost {
                for name in ["a", "b"] {
                    std::fs::remove_file(&Client::named(client).unwrap().files(&machine.world, name)[0]).ok();
                }
            }
            machine.uninstall("a");
            machine.uninstall("b");
            assert!(!is_found(), "{client}");
            let left: Vec<_> = machine.world.home.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, [".mcp-ferry"], "{client}");
        }
    }
    // Those of the first client go with the file of the second.
    let machine = Machine::new();
    machine.install("zed");
    machine.install("goose");
    assert_eq!(machine.uninstall(URL), [Outcome::Restored, Outcome::Restored]);
    assert!(!machine.world.home.join(".config").exists());
    // One that was there, or has something in it, stays.
    let machine = Machine::new();
    std::fs::create_dir_all(machine.world.home.join(".config")).unwrap();
    machine.install("zed");
    std::fs::write(machine.world.home.join(".config/zed/keymap.json"), "[]").unwrap();
    assert_eq!(machine.uninstall("linear"), [Outcome::Restored]);
    assert!(machine.world.home.join(".config/zed/keymap.json").exists());
    machine.write("zed", "{}");
    std::fs::remove_file(machine.file("zed")).unwrap();
    std::fs::remove_file(machine.world.home.join(".config/zed/keymap.json")).unwrap();
    machine.install("zed");
    machine.uninstall("linear");
    assert!(machine.world.home.join(".config/zed").exists());
}

#[test]
fn no_copy_is_deleted_while_a_record_cannot_be_read() {
    let machine = Machine::new();
    machine.write("zed", "{}");
    let copy = machine.install("zed").backup.unwrap();
    let records = || std::fs::read_dir(&machine.world.records).unwrap().map(|entry| entry.unwrap().path());
    let record = records().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    std::fs::write(&record, "{\"version\": 2}").unwrap();
    machine.write("cursor", "{}");
    put_with(&machine, "a", &[]);
    put_with(&machine, "b", &[]);
    machine.uninstall("a");
    assert!(copy.exists(), "the record that cannot be read has it");
    machine.uninstall("b");
    std::fs::remove_file(&record).unwrap();
    put_with(&machine, "a", &[]);
    put_with(&machine, "b", &[]);
    machine.uninstall("a");
    assert!(!copy.exists());
}

#[test]
fn a_file_that_cannot_be_read_and_may_have_the_entry_is_named() {
    let machine = Machine::new();
    machine.install("cursor");
    let file = machine.file("cursor");
    let text = std::fs::read_to_string(&file).unwrap() + "}";
    std::fs::write(&file, &text).unwrap();
    for record in std::fs::read_dir(&machine.world.records).unwrap().map(|entry| entry.unwrap().path()) {
        std::fs::remove_file(record).ok();
    }
    machine.write("zed", "{ \"theirs\": ");
    let outcomes = machine.uninstall("linear");
    assert!(matches!(outcomes[..], [Outcome::Refused(_)]), "{outcomes:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&file, utf16).unwrap();
    assert!(reason(&machine.uninstall("linear")[0]).contains("UTF-16"));
}

#[cfg(unix)]
#[test]
fn a_lock_that_cannot_be_made_does_not_hinder() {
    let machine = Machine::new();
    let file = machine.write("claude-code", "{}");
    let folder = file.parent().unwrap();
    // One who may do everything can make it all the same.
    std::fs::create_dir_all(&machine.world.records).unwrap();
    files::set_mode(folder, 0o555);
    let step = machine.install("claude-code");
    files::set_mode(folder, 0o755);
    assert_eq!(step.outcome, Outcome::Inserted);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]
    #[test]
    fn whatever_was_installed_and_uninstalled_the_file_is_what_it_was_in_the_end(
        steps in proptest::collection::vec((0..4_usize, 0..4_usize), 0..12),
        before in proptest::sample::select(vec![None, Some("{\"n\":0}"), Some("{\n  \"mcpServers\": {\n    \"x\": 1\n  }\n}\n")]),
    ) {
        let names = ["a", "b", "c", "d"];
        let options: [&[&str]; 3] = [&[], &["--read-only"], &["--http1", "--ipv4"]];
        let machine = Machine::new();
        let file = before.map_or_else(|| machine.file("cursor"), |text| machine.write("cursor", text));
        for (name, step) in &steps {
            match options.get(*step) {
                Some(options) => assert!(!matches!(put_with(&machine, names[*name], options), Outcome::Refused(_))),
                None => assert!(machine.uninstall(names[*name]).len() <= 1),
            }
        }
        machine.uninstall(SECOND);
        let after = std::fs::read_to_string(&file).ok();
        proptest::prop_assert_eq!(after.as_deref(), before, "{:?}", steps);
        proptest::prop_assert!(machine.kept().is_empty(), "{:?}", machine.kept());
    }
}
