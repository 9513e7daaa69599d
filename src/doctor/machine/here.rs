//! Which program is this, what does it keep where, and what else runs on this machine?

use std::collections::BTreeMap;
use std::path::Path;

use super::finding::{Finding, fine, origin, quoted, shown, skipped};
use super::processes::Process;
use crate::auth::kept_logins;
use crate::doctor::{Code, Section, Step};
use crate::install::{Package, World, list};
use crate::{files, log};

/// This machine.
pub(super) fn section(world: &World, processes: Option<&[Process]>) -> Section {
    let home = world.records.parent().unwrap_or(&world.home).to_owned();
    let version = concat!("mcp-ferry ", env!("CARGO_PKG_VERSION"));
    let package = Package::of(&world.program);
    let mut steps = vec![fine("program", format!("{version}, {}", shown(world, &world.program)))];
    steps.push(fine("installed", format!("{}; update: {}", package.name, package.update)));
    steps.push(folder(world, &home));
    for (name, path) in [("config", home.join("config.toml")), ("logs", home.join("logs"))] {
        let there = if path.exists() { "" } else { ", which is not there" };
        steps.push(fine(name, format!("{}{there}", shown(world, &path))));
    }
    steps.extend(logins(world, &home));
    steps.push(clients(world));
    steps.push(running(processes));
    Section { title: "this machine".to_owned(), steps }
}

/// The folder for all that is kept.
fn folder(world: &World, home: &Path) -> Step {
    let name = shown(world, home);
    if !home.exists() {
        return fine("folder", format!("{name}, which is not there yet"));
    }
    if let Err(error) = files::check_folder(home) {
        let why = log::foreign(&error.to_string());
        // The error has the command between backquotes.
        let fix = why.split('`').nth(1).unwrap_or("ls -ld").to_owned();
        let why = why.split("; run `").next().unwrap_or_default().to_owned();
        return Finding::failure(Code::StoreUnsafe, format!("cannot be used: {why}"))
            .fix(fix)
            .step("folder", &name, &name);
    }
    let is_readable = |path: &&Path| files::is_readable_by_others(path);
    if let Some(path) = [home, &home.join("logins")].into_iter().find(is_readable) {
        let name = shown(world, path);
        let fix = format!("chmod go-rwx {}", quoted(path));
        let problem = "may be read by other users of this machine";
        return Finding::warning(Code::StoreReadable, problem).fix(fix).step("folder", &name, &name);
    }
    fine("folder", format!("{name}, for this user alone"))
}

/// The logins: how many, and in which states.
fn logins(world: &World, home: &Path) -> Vec<Step> {
    let kept = match kept_logins(home) {
        Ok(kept) => kept,
        Err(why) => {
            let problem = format!("cannot be read: {}", log::foreign(&why));
            let fix = why.split('`').nth(1).unwrap_or("mcp-ferry status");
            let finding = Finding::failure(Code::StoreUnsafe, problem).fix(fix);
            return vec![finding.step("logins", "the logins", "the logins")];
        }
    };
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for login in &kept {
        *states.entry(login.state).or_default() += 1;
    }
    let states: Vec<_> = states.iter().map(|(state, count)| format!("{count} {}", state.replace('_', " "))).collect();
    let fact = if states.is_empty() { "none".to_owned() } else { states.join(", ") };
    let mut steps = vec![fine("logins", fact)];
    for login in &kept {
        let server = log::foreign_name(&login.server);
        if let Some(problem) = &login.problem {
            let name = shown(world, &login.path);
            let problem = format!("cannot be used: {}", log::foreign(problem));
            let finding = if login.is_newer {
                Finding::warning(Code::StoreNewer, problem).fix(Package::of(&world.program).update)
            } else {
                Finding::warning(Code::StoreDamaged, problem).fix(format!("rm {}", quoted(&login.path)))
            };
            steps.push(finding.step("logins", &name, &format!("the login in {name}")));
        } else if login.state == "ended" {
            let fix = format!("mcp-ferry login {}", log::shell_word(&login.server));
            let finding = Finding::warning(Code::LoginNeeded, "has ended").fix(fix);
            steps.push(finding.step("logins", &server, &format!("the login at {server}")));
        }
    }
    steps
}

fn clients(world: &World) -> Step {
    let found = list(world).into_iter().filter(|listed| listed.is_found).map(|listed| listed.client.title);
    let found: Vec<_> = found.collect();
    fine("clients", if found.is_empty() { "none is known here".to_owned() } else { found.join(", ") })
}

/// The other bridges that run.
pub(super) fn running(processes: Option<&[Process]>) -> Step {
    let Some(processes) = processes else { return skipped("running", "not looked at on this system") };
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for (program, address) in processes.iter().filter_map(Process::bridge) {
        *counts.entry((program, origin(&address))).or_default() += 1;
    }
    let all: usize = counts.values().sum();
    let parts: Vec<_> =
        counts.iter().take(6).map(|((program, server), count)| format!("{count} {program} to {server}")).collect();
    let fact = match counts.len() {
        0 => "no other bridge".to_owned(),
        1..=6 => parts.join(", "),
        _ => format!("{all} bridges: {} and others", parts.join(", ")),
    };
    fine("running", fact)
}
