//! The documents: do their links lead anywhere?

use std::collections::HashMap;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All documents of the project, without those of installed packages.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && !name.starts_with("target") && name != "node_modules" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// The text without blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The names by which a heading can be linked to.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text);
    let headings = headings.lines().filter_map(|line| line.strip_prefix('#'));
    let slug = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let letters = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        letters.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    headings.map(slug).collect()
}

#[test]
fn every_link_within_the_project_leads_to_a_file_and_a_heading() {
    let texts: HashMap<_, _> =
        documents().into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
    let mut links = 0;
    for (path, text) in &texts {
        for link in prose(text).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains(' ') {
                continue;
            }
            links += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let place = format!("{}: {link}", path.display());
            let target = target.canonicalize().unwrap_or_else(|_| panic!("{place} leads nowhere"));
            assert!(target.starts_with(root().canonicalize().unwrap()), "{place} leads out of the project");
            if !anchor.is_empty() {
                let linked = std::fs::read_to_string(&target).unwrap();
                assert!(anchors(&linked).iter().any(|known| known == anchor), "{place}: there is no such heading");
            }
        }
    }
    assert!(links > 20, "only {links} links were found");
}
