//! Which bridges and clients run on this machine?

use std::time::SystemTime;

use crate::install::Entry;

/// A process of this user.
#[derive(Debug)]
pub(super) struct Process {
    /// The name of its program, in lower case.
    pub(super) name: String,
    /// Its program and arguments; on macOS, where `ps` does not tell them apart, split at spaces.
    words: Vec<String>,
    /// When it was started.
    pub(super) started: Option<SystemTime>,
}

impl Process {
    /// The bridge that it is, and the address of its server.
    pub(super) fn bridge(&self) -> Option<(&'static str, String)> {
        // Programs that start others have the same words in their command lines.
        let is_runner = ["npm", "npx", "sh", "bash", "cmd"].contains(&self.name.as_str())
            || self.words.get(1).is_some_and(|word| word.contains("npm-cli") || word.contains("npx-cli"));
        let entry = Entry::of_command(self.words.clone());
        let address = entry.address()?.to_owned();
        match () {
            () if entry.is_ours && self.words.get(1)?.contains("://") => Some(("mcp-ferry", address)),
            () if entry.names_mcp_remote && !is_runner => Some(("mcp-remote", address)),
            () => None,
        }
    }

    /// Whether it is the client of this name. Command-line clients are started anew for each session.
    pub(super) fn is_client(&self, client: &str) -> bool {
        let (names, app): (&[&str], &str) = match client {
            "claude-desktop" => (&["claude-desktop"], "Claude"),
            "cursor" => (&["cursor"], "Cursor"),
            "windsurf" => (&["windsurf"], "Windsurf"),
            "warp" => (&["warp", "warp-terminal"], "Warp"),
            _ => return false,
        };
        // On macOS the command-line program of a vendor may have the name of the client.
        if cfg!(target_os = "macos") {
            let inside = format!("/{app}.app/Contents/MacOS/");
            return self.words.first().is_some_and(|program| program.contains(&inside));
        }
        names.contains(&self.name.as_str())
    }

    #[cfg(any(test, target_os = "linux", target_os = "macos"))]
    fn new(words: Vec<String>, started: Option<SystemTime>) -> Option<Self> {
        Some(Self { name: crate::install::base_name(words.first()?), words, started })
    }
}

/// The other processes of this user. `None` where we have no way to look.
#[cfg(target_os = "linux")]
pub(super) fn all() -> Option<Vec<Process>> {
    let user = rustix::process::geteuid().as_raw();
    let boot = boot_time();
    let process = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let folder = entry.path();
        // The owner of the folder is root where a program keeps its memory private, as this one does.
        let status = std::fs::read_to_string(folder.join("status")).ok()?;
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?;
        if pid == std::process::id() || uid.parse::<u32>().ok()? != user {
            return None;
        }
        let line = std::fs::read(folder.join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line);
        let words = line.split_terminator('\0').map(str::to_owned).collect();
        Process::new(words, started(&folder, boot?))
    };
    Some(std::fs::read_dir("/proc").ok()?.flatten().filter_map(process).collect())
}

/// When the machine was started.
#[cfg(target_os = "linux")]
fn boot_time() -> Option<SystemTime> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds))
}

/// When a process was started. The kernel counts hundredths of a second for programs, whatever it counts for itself.
#[cfg(target_os = "linux")]
fn started(folder: &std::path::Path, boot: SystemTime) -> Option<SystemTime> {
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    // The name, in parentheses, may have anything in it.
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    boot.checked_add(std::time::Duration::from_millis(ticks.checked_mul(10)?))
}

/// The other processes of this user: the system's own program may look, and safe code cannot call what it calls.
#[cfg(target_os = "macos")]
pub(super) fn all() -> Option<Vec<Process>> {
    let mut ps = std::process::Command::new("/bin/ps");
    let output = ps.args(["-xwwo", "pid=,etime=,command="]).stdin(std::process::Stdio::null()).output().ok()?;
    let now = SystemTime::now();
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().filter_map(|line| listed(line, now)).collect())
}

/// A line of `ps`: the process's number, its age, its program and arguments.
#[cfg(any(test, target_os = "macos"))]
fn listed(line: &str, now: SystemTime) -> Option<Process> {
    let mut words = line.split_whitespace().map(str::to_owned);
    let (pid, age) = (words.next()?, words.next()?);
    if pid.parse::<u32>().ok()? == std::process::id() {
        return None;
    }
    // `[[days-]hours:]minutes:seconds`.
    let (days, time) = age.split_once('-').unwrap_or(("0", &age));
    let days: u64 = days.parse().ok()?;
    let seconds = time.split(':').try_fold(0_u64, |sum, part| Some(sum * 60 + part.parse::<u64>().ok()?))?;
    let age = std::time::Duration::from_secs(days.checked_mul(86_400)?.checked_add(seconds)?);
    Process::new(words.collect(), now.checked_sub(age))
}

/// Windows shows other processes only through functions that safe code cannot call, and through a shell that takes
/// seconds to start.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(super) fn all() -> Option<Vec<Process>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ps_is_a_process_with_its_age() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        for (line, name, age) in [
            ("  501       02:03 /usr/local/bin/mcp-ferry https://h/mcp", "mcp-ferry", 123),
            ("    7    01:00:00 /Applications/Cursor.app/Contents/MacOS/Cursor", "cursor", 3600),
            ("99999 03-04:05:06 -zsh", "-zsh", 3 * 86_400 + 4 * 3600 + 5 * 60 + 6),
        ] {
            let process = listed(line, now).unwrap();
            let started = now - std::time::Duration::from_secs(age);
            assert_eq!((process.name.as_str(), process.started), (name, Some(started)), "{line}");
        }
        for line in ["", "PID ELAPSED COMMAND", "7 x sh", "7 01:00", &format!("{} 00:01 sh", std::process::id())] {
            assert!(listed(line, now).is_none(), "{line}");
        }
        let bridge = listed("7 00:01 node /x/.bin/mcp-remote https://h/mcp 3334", now).unwrap().bridge();
        assert_eq!(bridge, Some(("mcp-remote", "https://h/mcp".to_owned())));
    }

    #[test]
    fn bridges_are_told_from_what_starts_them() {
        for (line, bridge) in [
            ("/usr/bin/mcp-ferry https://h/mcp --http1", Some("mcp-ferry")),
            ("mcp-ferry doctor https://h/mcp", None),
            ("mcp-ferry login https://h/mcp", None),
            ("node /home/u/.npm/_npx/1a/node_modules/.bin/mcp-remote https://h/mcp", Some("mcp-remote")),
            ("npm exec mcp-remote https://h/mcp", None),
            ("node /usr/lib/node_modules/npm/bin/npx-cli.js -y mcp-remote https://h/mcp", None),
            ("sh -c mcp-remote https://h/mcp", None),
            ("vi mcp-remote", None),
        ] {
            let words = line.split(' ').map(str::to_owned).collect();
            let found = Process::new(words, None).and_then(|process| process.bridge());
            assert_eq!(found, bridge.map(|bridge| (bridge, "https://h/mcp".to_owned())), "{line}");
        }
    }
}
