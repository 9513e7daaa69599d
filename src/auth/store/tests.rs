#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;
use crate::auth::record::{Client, Tokens};
use crate::auth::tests::access_token;
use crate::log::Secret;

fn key(profile: &str) -> Key {
    Key::new("https://mcp.example.com/mcp", ("dynamic", ""), Some(profile), &[])
}

fn store(home: &Path) -> Store {
    Store::new(home, KeptIn::File)
}

fn record(generation: u64) -> Record {
    let refresh_token = Some(Secret::new("refresh-marked-secret"));
    let tokens = Tokens { refresh_token, lifetime: Some(3600), ..access_token("access-marked-secret") };
    Record { generation, tokens: Some(tokens), client: Some(Client::default()), ..Record::default() }
}

#[test]
fn a_record_comes_back_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    assert_eq!(store.read(&key("")).unwrap(), None);
    store.write(&key(""), &record(7)).unwrap();
    assert_eq!(store.read(&key("")).unwrap(), Some(record(7)));
    assert_eq!(store.list().unwrap(), vec![(key(""), record(7))]);
}

#[cfg(unix)]
#[test]
fn only_the_user_can_read_a_login() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    let folder = home.path().join("logins");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    store.write(&key(""), &record(1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700, "a folder that others could read is closed");
    assert_eq!(mode(&store.path(&key(""))), 0o600);
    drop(Lock::try_acquire(&store.beside(&key(""), "lock")));
    assert_eq!(mode(&store.beside(&key(""), "lock")), 0o600);
}

#[test]
fn what_cannot_be_read_is_none_and_stays() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    store.write(&key(""), &record(1)).unwrap();
    let whole = fs::read_to_string(store.path(&key(""))).unwrap();
    for text in ["", "{", "[]", &whole[..whole.len() / 2], r#"{"format":0,"record":{"generation":"none"}}"#] {
        fs::write(store.path(&key("")), text).unwrap();
        assert_eq!(store.read(&key("")).unwrap(), None, "{text:?} is no login");
        assert_eq!(fs::read_to_string(store.path(&key(""))).unwrap(), text, "reading deletes nothing");
    }
}

#[test]
fn what_a_newer_version_wrote_is_an_error_and_stays() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    store.write(&key(""), &record(1)).unwrap();
    let text = r#"{"format":2,"kept_in":"vault","record":{"sealed":true}}"#;
    fs::write(store.path(&key("")), text).unwrap();
    assert!(matches!(store.read(&key("")), Err(StoreError::Newer(_))));
    assert_eq!(fs::read_to_string(store.path(&key(""))).unwrap(), text);
}

#[cfg(unix)]
#[test]
fn a_store_that_others_may_change_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    store.write(&key(""), &record(1)).unwrap();
    for path in [home.path().to_owned(), home.path().join("logins"), store.path(&key(""))] {
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let error = store.read(&key("")).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        if path.is_dir() {
            assert!(store.write(&key(""), &record(2)).is_err() && store.keys().is_err(), "{}", path.display());
        }
        fs::set_permissions(&path, before).unwrap();
        assert!(store.read(&key("")).is_ok());
    }
}

#[test]
fn a_reserved_place_holds_the_next_record() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    store.write(&key(""), &record(1)).unwrap();
    let room = store.reserve(&key("")).unwrap();
    assert_eq!(store.read(&key("")).unwrap(), Some(record(1)), "nothing has changed yet");
    store.write_in(room, &key(""), &record(2)).unwrap();
    assert_eq!(store.read(&key("")).unwrap(), Some(record(2)));
    drop(store.reserve(&key("")).unwrap());
    assert_eq!(fs::read_dir(home.path().join("logins")).unwrap().count(), 1, "a reservation leaves nothing");
}

#[test]
fn a_login_of_another_place_is_not_mistaken_for_none() {
    let home = tempfile::tempdir().unwrap();
    store(home.path()).write(&key(""), &record(1)).unwrap();
    let error = Store::new(home.path(), KeptIn::Keychain).read(&key("")).unwrap_err();
    assert!(error.to_string().contains("kept in the file"), "{error}");
}

#[test]
fn whatever_differs_in_a_login_differs_in_its_key() {
    let extra = [("audience".to_owned(), "a".to_owned()), ("x".to_owned(), "y".to_owned())];
    let turned = [extra[1].clone(), extra[0].clone()];
    let (url, dynamic) = ("https://h/mcp", ("dynamic", ""));
    let keys = [
        Key::new(url, dynamic, None, &[]),
        Key::new("https://h/mcp/", dynamic, None, &[]),
        Key::new(url, ("given", "c"), None, &[]),
        Key::new(url, ("document", "c"), None, &[]),
        Key::new(url, dynamic, Some("work"), &[]),
        Key::new(url, dynamic, None, &extra),
        Key::new(url, dynamic, None, &extra[..1]),
    ];
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    assert_eq!(Key::new(url, dynamic, None, &turned), keys[5], "their order is nobody's wish");
}

#[test]
fn ports_are_the_same_on_every_start_and_none_is_a_system_s() {
    for profile in ["a", "b", "c", "d"] {
        let ports = key(profile).ports();
        assert_eq!(ports, key(profile).ports());
        assert!(ports.iter().all(|port| (3335..=49_150).contains(port)), "{ports:?}");
    }
}

#[test]
fn errors_name_the_cause_and_the_cure() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("logins"), "a file").unwrap();
    let error = store(home.path()).write(&key(""), &record(1)).unwrap_err();
    assert!(error.to_string().contains("logins"), "{error}");
    assert!(error.hint().contains("MCP_FERRY_HOME"), "{}", error.hint());
}

#[test]
fn what_a_killed_process_left_is_swept_up_when_it_is_old() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    store.write(&key(""), &record(1)).unwrap();
    let [old, young] = ["old", "young"].map(|name| home.path().join("logins").join(format!(".unfinished-{name}")));
    fs::write(&young, "secret").unwrap();
    let file = fs::File::create(&old).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(7200)).unwrap();
    drop(file);
    store.write(&key(""), &record(2)).unwrap();
    assert!(!old.exists(), "it may hold a token");
    assert!(young.exists(), "somebody may still be writing it");
}
