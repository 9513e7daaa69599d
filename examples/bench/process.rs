//! How much CPU time and memory do a process and its descendants use? Read from Linux's `/proc`; not measured on other
//! systems.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// A process and all its descendants: `npx` starts a shell that starts node.
pub struct Tree(Vec<u32>);

impl Tree {
    /// `None` on a system without `/proc`.
    pub fn of(root: u32) -> Option<Self> {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for entry in fs::read_dir("/proc").ok()?.flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            // The name in brackets may contain any character. The fields after the last bracket are numbers and letters.
            let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
            children.entry(parent.unwrap_or(0)).or_default().push(id);
        }
        let mut all = vec![root];
        let mut next = 0;
        while next < all.len() {
            all.extend(children.remove(&all[next]).unwrap_or_default());
            next += 1;
        }
        fs::exists(format!("/proc/{root}/stat")).unwrap_or(false).then_some(Self(all))
    }

    /// CPU time so far, of the threads that still run. Not from `stat`, which counts in hundredths of a second: `schedstat`
    /// counts in nanoseconds.
    pub fn cpu(&self) -> Option<Duration> {
        let mut total = 0;
        for id in &self.0 {
            for task in fs::read_dir(format!("/proc/{id}/task")).ok()?.flatten() {
                let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                total += text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        (total > 0).then(|| Duration::from_nanos(total))
    }

    /// Resident memory now, in MiB.
    pub fn resident(&self) -> Option<f64> {
        self.sum("status", "VmRSS:")
    }

    /// The peak of resident memory, in MiB.
    pub fn peak(&self) -> Option<f64> {
        self.sum("status", "VmHWM:")
    }

    /// Resident memory in MiB; a page that several processes share is divided among them.
    pub fn proportional(&self) -> Option<f64> {
        self.sum("smaps_rollup", "Pss:")
    }

    fn sum(&self, file: &str, field: &str) -> Option<f64> {
        let mut total = 0;
        for id in &self.0 {
            let text = fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(field));
            total += line.and_then(|rest| rest.split_whitespace().next()?.parse::<u32>().ok()).unwrap_or(0);
        }
        (total > 0).then(|| f64::from(total) / 1024.0)
    }
}
