//! Can a client start what an entry names?

use std::path::{Path, PathBuf};

use super::finding::{Finding, replace_mcp_remote, shown};
use super::passing::{self, Passing};
use crate::doctor::Code;
use crate::install::{Entry, Scanned, System, World, base_name, short_lived_folder};
use crate::log;

/// Node.js before this version does not run today's MCP programs.
const OLDEST_NODE: u32 = 18;

/// Where the program of an entry is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// There.
    File(PathBuf),
    /// Nowhere.
    Missing,
    /// It depends on what only the client knows.
    Unknown,
}

/// What is wrong with the program of an entry.
pub(super) fn check(world: &World, scanned: &Scanned, entry: &Entry) -> Vec<Finding> {
    let Some((program, arguments)) = entry.command.split_first() else { return Vec::new() };
    let mut found = Vec::new();
    match locate(world, entry, program) {
        Place::Missing => found.push(missing(world, scanned, entry, program)),
        Place::File(path) => {
            found.extend(not_executable(world, scanned, &path));
            found.extend(hidden_path(world, scanned, program, &path));
        }
        Place::Unknown => {}
    }
    found.extend(missing_script(world, scanned, entry, program, arguments));
    found.extend(old_node(world, scanned, entry, program));
    if world.system == System::Windows {
        found.extend(of_windows(scanned, entry, program));
    }
    found
}

/// Where a program is, as the client finds it.
pub(super) fn locate(world: &World, entry: &Entry, program: &str) -> Place {
    if program.contains("${") || program.contains("{env:") || program.contains('%') {
        return Place::Unknown;
    }
    let is_path = program.contains('/') || (world.system == System::Windows && program.contains('\\'));
    if is_path {
        let path = Path::new(program);
        return match (&entry.folder, path.is_absolute() || program.starts_with('~')) {
            (_, true) if path.exists() => Place::File(path.to_owned()),
            (_, true) => Place::Missing,
            (Some(folder), false) if Path::new(folder).join(path).exists() => Place::File(Path::new(folder).join(path)),
            _ => Place::Unknown,
        };
    }
    let own = entry.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let path = own.or_else(|| world.variable("PATH").map(str::to_owned)).unwrap_or_default();
    let endings: &[&str] = if world.system == System::Windows { &["", ".exe", ".cmd", ".bat"] } else { &[""] };
    let candidates = std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .flat_map(|folder| endings.iter().map(move |ending| folder.join(format!("{program}{ending}"))));
    candidates.into_iter().find(|path| path.is_file()).map_or(Place::Missing, Place::File)
}

fn missing(world: &World, scanned: &Scanned, entry: &Entry, program: &str) -> Finding {
    let file = shown(world, &scanned.path);
    let first = program.split_whitespace().next().unwrap_or_default();
    let is_command_line = first.len() < program.trim().len()
        && (!first.contains(['/', '\\']) || matches!(locate(world, entry, first), Place::File(_)));
    if is_command_line {
        let first = log::foreign_name(first);
        let problem = "has the command and its arguments in one text, which is taken for the name of a program";
        let fix = format!("in {file}: \"command\": \"{first}\", and each other word as a text of its own in \"args\"");
        return Finding::failure(Code::OneString, problem).fix(fix);
    }
    let name = log::foreign_name(program);
    let why = match short_lived_folder(world, Path::new(program)) {
        Some(what) => format!("; it lay in {what}, which has been cleaned"),
        None if program.starts_with('~') => "; clients do not know what ~ stands for".to_owned(),
        None => String::new(),
    };
    let problem = format!("starts {name}, which is not there{why}");
    Finding::failure(Code::BinaryGone, problem).fix(install_again(scanned, entry, &file))
}

/// How an entry comes to start a program that is there.
fn install_again(scanned: &Scanned, entry: &Entry, file: &str) -> String {
    let client = scanned.client.name;
    match (&entry.mcp_remote, entry.address()) {
        (Some(_), _) => replace_mcp_remote(scanned),
        (None, Some(address)) if entry.is_ours && scanned.project.is_none() => {
            let (name, url) = (log::shell_word(&entry.name), log::shell_word(address));
            format!("mcp-ferry install {url} --name {name} --client {client}")
        }
        _ => format!("install the program again, or write where it is now into {file}"),
    }
}

#[cfg(unix)]
fn not_executable(world: &World, scanned: &Scanned, path: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).ok()?;
    let name = shown(world, path);
    if metadata.is_dir() {
        return Some(is_folder(world, scanned, &name));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        let fix = format!("chmod +x {}", super::finding::quoted(path));
        return Some(Finding::failure(Code::ExecBit, format!("starts {name}, which is not executable")).fix(fix));
    }
    is_quarantined(path).then(|| {
        let fix = format!("xattr -d com.apple.quarantine {}", super::finding::quoted(path));
        Finding::warning(Code::ExecBit, format!("starts {name}, which macOS holds in quarantine")).fix(fix)
    })
}

#[cfg(windows)]
fn not_executable(world: &World, scanned: &Scanned, path: &Path) -> Option<Finding> {
    path.is_dir().then(|| is_folder(world, scanned, &shown(world, path)))
}

fn is_folder(world: &World, scanned: &Scanned, name: &str) -> Finding {
    let fix = format!("write the path of the program itself into {}", shown(world, &scanned.path));
    Finding::failure(Code::ExecBit, format!("starts {name}, which is a folder")).fix(fix)
}

/// Whether the browser's mark of a downloaded program is still on it.
#[cfg(target_os = "macos")]
fn is_quarantined(path: &Path) -> bool {
    rustix::fs::getxattr(path, "com.apple.quarantine", &mut [0_u8; 256]).is_ok()
}

#[cfg(all(unix, not(target_os = "macos")))]
fn is_quarantined(_: &Path) -> bool {
    false
}

/// A program that the shell finds, but perhaps not a client that was started from the desktop.
fn hidden_path(world: &World, scanned: &Scanned, program: &str, path: &Path) -> Option<Finding> {
    let is_bare = !program.contains(['/', '\\']);
    let passing = passing::of(scanned.client.name);
    if !is_bare || !passing.is_some_and(Passing::has_path_of_desktop) || world.system == System::Windows {
        return None;
    }
    let folder = path.parent()?;
    if passing::DESKTOP_PATH.iter().any(|known| folder == Path::new(known)) {
        return None;
    }
    let (name, place) = (log::foreign_name(program), shown(world, path));
    let title = scanned.client.title;
    let problem = format!("starts {name}, which is in {place}: {title} may not look there, as it has no shell's PATH");
    let fix = format!("in {}: \"command\": \"{}\"", shown(world, &scanned.path), log::neutral(&path.to_string_lossy()));
    Some(Finding::warning(Code::ClientPath, problem).fix(fix))
}

/// The script that an interpreter is given.
fn missing_script(
    world: &World,
    scanned: &Scanned,
    entry: &Entry,
    program: &str,
    arguments: &[String],
) -> Option<Finding> {
    let interpreters = ["node", "bun", "deno", "python", "python3", "ruby", "sh", "bash"];
    if !interpreters.contains(&base_name(program).as_str()) {
        return None;
    }
    let is_script = |word: &&String| {
        let path = Path::new(word.as_str());
        path.is_absolute() && path.extension().is_some() && !word.contains("${") && !word.contains("://")
    };
    let script = arguments.iter().find(is_script).filter(|script| !Path::new(script.as_str()).exists())?;
    let problem = format!("has {} run {}, which is not there", base_name(program), log::foreign_name(script));
    let fix = install_again(scanned, entry, &shown(world, &scanned.path));
    Some(Finding::failure(Code::BinaryGone, problem).fix(fix))
}

/// Claude Desktop takes the first version in nvm's folder.
fn old_node(world: &World, scanned: &Scanned, entry: &Entry, program: &str) -> Option<Finding> {
    if scanned.client.name != "claude-desktop" || !["npx", "node", "npm"].contains(&program) {
        return None;
    }
    let names = std::fs::read_dir(world.home.join(".nvm/versions/node")).ok()?.flatten();
    let versions: Vec<(u32, PathBuf)> = names
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let major = name.strip_prefix('v')?.split('.').next()?.parse().ok()?;
            Some((major, entry.path()))
        })
        .collect();
    let oldest = versions.iter().map(|(major, _)| *major).min().filter(|major| *major < OLDEST_NODE)?;
    let newest = versions.iter().max_by_key(|(major, _)| *major).filter(|(major, _)| *major >= OLDEST_NODE);
    let problem = format!("starts {program}, and Claude Desktop may take that of Node.js {oldest} from ~/.nvm");
    let file = shown(world, &scanned.path);
    let fix = match newest {
        _ if entry.mcp_remote.is_some() => replace_mcp_remote(scanned),
        Some((_, folder)) => {
            let path = folder.join("bin").join(program);
            format!("in {file}: \"command\": \"{}\"", log::neutral(&path.to_string_lossy()))
        }
        None => "nvm install --lts".to_owned(),
    };
    Some(Finding::warning(Code::OldNode, problem).fix(fix))
}

fn of_windows(scanned: &Scanned, entry: &Entry, program: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let name = base_name(program);
    let is_script = ["npx", "npm", "pnpm", "yarn", "pnpx"].contains(&name.as_str());
    let lower = program.to_ascii_lowercase();
    if is_script && lower == name {
        let problem = format!("starts {name}, a batch file, which some clients on Windows do not find");
        let fix = format!("\"command\": \"cmd\", and \"/c\", \"{name}\" before the other words in \"args\"");
        found.push(Finding::warning(Code::NpxWindows, problem).fix(fix));
    }
    let is_batch = is_script || [".cmd", ".bat"].iter().any(|ending| lower.ends_with(ending));
    let spaced = entry.command.iter().any(|word| word.contains(' '));
    if is_batch && spaced {
        let problem = "gives a batch file a path or an argument with a space in it, which Windows splits";
        let fix = match entry.mcp_remote {
            Some(_) => replace_mcp_remote(scanned),
            None => "put the text into a variable of \"env\", and ${NAME} without spaces into \"args\"".to_owned(),
        };
        found.push(Finding::warning(Code::SpacePath, problem).fix(fix));
    }
    found
}
