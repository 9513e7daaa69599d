//! What if something else happens at the same time, or the program is killed in between?

use std::thread;

use super::super::apply::{apply, back_up};
use super::super::plan::{Plan, Planned, Wanted, plan};
use super::*;

fn planned(machine: &Machine, records: &Records, client: &'static Client) -> Box<Planned> {
    let entry = client.shape.entry("linear", "/usr/local/bin/mcp-ferry", &[URL.to_owned()], &[]);
    let wanted = Wanted { name: "linear", url: URL, entry, takes_over: false };
    match plan(records, client, &machine.file(client.name), &wanted).0 {
        Plan::Change(planned) => planned,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_between_reading_and_writing_is_seen() {
    let machine = Machine::new();
    let file = machine.write("cursor", "{}");
    let records = Records::lock(&machine.world.records).unwrap();
    let mut planned = planned(&machine, &records, Client::named("cursor").unwrap());
    std::fs::write(&file, "{\"theirs\": 1}").unwrap();
    assert!(matches!(apply(&records, &mut planned), Err(crate::files::ReplaceError::Changed)));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"theirs\": 1}");
    assert_eq!(machine.kept(), Vec::<String>::new(), "neither a record nor a copy stays");
    drop(records);
    assert_eq!(machine.install("cursor").outcome, Outcome::Inserted);
    assert!(std::fs::read_to_string(&file).unwrap().contains("theirs"));
}

#[test]
fn killed_at_any_step_nothing_is_lost() {
    let machine = Machine::new();
    let before = "{\n  \"x\": 1\n}\n";
    let file = machine.write("cursor", before);
    for steps in 1..=2 {
        let records = Records::lock(&machine.world.records).unwrap();
        let mut planned = planned(&machine, &records, Client::named("cursor").unwrap());
        back_up(&records, &mut planned).unwrap();
        if steps == 2 {
            records.save(&planned.record).unwrap();
        }
        drop(records);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
        let expected: &[Outcome] = if steps == 2 { &[Outcome::NotThere] } else { &[] };
        assert_eq!(machine.uninstall("linear"), expected, "{steps}");
        assert_eq!(machine.install("cursor").outcome, Outcome::Inserted);
        assert_eq!(machine.uninstall("linear"), [Outcome::Restored]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    }
    // Killed while an entry that is there was changed: the record knows both states.
    machine.install("cursor");
    let records = Records::lock(&machine.world.records).unwrap();
    let mut planned = planned_with(&machine, &records, "--http1");
    back_up(&records, &mut planned).unwrap();
    records.save(&planned.record).unwrap();
    drop(records);
    assert_eq!(machine.uninstall("linear"), [Outcome::Restored]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
}

fn planned_with(machine: &Machine, records: &Records, option: &str) -> Box<Planned> {
    let client = Client::named("cursor").unwrap();
    let args = [URL.to_owned(), option.to_owned()];
    let entry = client.shape.entry("linear", "/usr/local/bin/mcp-ferry", &args, &[]);
    match plan(records, client, &machine.file("cursor"), &Wanted { name: "linear", url: URL, entry, takes_over: false })
        .0
    {
        Plan::Change(planned) => planned,
        other => panic!("{other:?}"),
    }
}

#[test]
fn many_at_once_lose_nothing() {
    let machine = Machine::new();
    let before = "{\n  \"mcpServers\": {\n    \"a\": 1\n  }\n}\n";
    let file = machine.write("cursor", before);
    let names: Vec<String> = (0..6).map(|at| format!("s{at}")).collect();
    thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| assert_eq!(machine.install_as("cursor", name).outcome, Outcome::Inserted));
        }
    });
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(names.iter().all(|name| text.contains(name.as_str())), "{text}");
    thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| assert_eq!(machine.uninstall(name).len(), 1));
        }
    });
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    assert!(machine.kept().is_empty());
}

#[test]
fn a_client_that_writes_its_lock_is_waited_for() {
    let machine = Machine::new();
    let file = machine.write("cline", "{}");
    let lock = file.with_extension("json.lock");
    std::fs::create_dir(&lock).unwrap();
    let step = thread::scope(|scope| {
        let installing = scope.spawn(|| machine.install("cline"));
        // The client goes on writing while it has the lock; what it wrote must not be lost.
        while machine.kept().is_empty() && !installing.is_finished() {
            thread::yield_now();
        }
        std::fs::write(&file, "{\"theirs\": 1}").unwrap();
        std::fs::remove_dir(&lock).unwrap();
        installing.join().unwrap()
    });
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(step.outcome == Outcome::Inserted && text.contains("theirs") && text.contains("linear"), "{text}");
    assert!(!lock.exists());
}

#[test]
fn a_damaged_copy_is_not_put_back() {
    let machine = Machine::new();
    let before = "{\n  \"x\": 1\n}\n";
    let file = machine.write("cursor", before);
    let backup = machine.install("cursor").backup.unwrap();
    std::fs::write(&backup, "{}").unwrap();
    assert_eq!(machine.uninstall("linear"), [Outcome::Restored], "the entry was taken out, which gives the same bytes");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
}
