//! The command `uninstall`: what if a client has lost its file, or it lies where no other run looks?

use std::fs;

use crate::install_command::{CODEX, CURSOR, Home, code, err};

#[test]
fn the_copy_of_a_file_that_its_client_has_lost_is_named_and_stays() {
    let home = Home::with(&[(CURSOR, "{\"precious\":1}")]);
    assert_eq!(code(&home.run(&["install", "https://a.example/mcp", "--client", "cursor"])), 0);
    fs::write(home.path(CURSOR), "").unwrap();
    let output = home.run(&["uninstall", "a"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &err(&output);
    assert!(code(&output) == 1 && shown.contains("the file is empty; a copy of it"), "{shown}");
    let copies: Vec<_> = fs::read_dir(home.path(".mcp-ferry/installs/backups")).unwrap().flatten().collect();
    assert_eq!(copies.len(), 1);
    assert!(shown.contains(copies[0].file_name().to_str().unwrap()), "{shown}");
    assert_eq!(fs::read_to_string(copies[0].path()).unwrap(), "{\"precious\":1}");
}

#[test]
fn clients_are_not_found_where_only_we_have_been() {
    let home = Home::with(&[]);
    home.run(&["install", "https://a.example/mcp", "--client", "cursor", "--client", "codex"]);
    assert!(home.path(CURSOR).exists() && home.path(CODEX).exists());
    assert_eq!(code(&home.run(&["uninstall", "a"])), 0);
    let left: Vec<_> = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".mcp-ferry"]);
}
