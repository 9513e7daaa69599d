//! What starts the program of a bundle on Linux and macOS? A shell script: hosts tell neither processors apart nor keep
//! the modes of files.

use super::program::Platform;
use crate::files::{hex, sha256};

/// The path of the script in the bundle.
pub(super) const FILE: &str = "server/launch.sh";

/// The bytes of a program's digest that make the name of its copy.
const SUM: usize = 8;

/// The script for these programs.
pub(super) fn script(programs: &[(Platform, &[u8])]) -> String {
    let sums = programs.iter().filter(|(platform, _)| !platform.is_windows());
    let sums = sums.map(|(platform, bytes)| format!("{}) sum={} ;;", platform.0, hex(&sha256(bytes)[..SUM])));
    include_str!("launch.sh").replace("@SUMS@", &sums.collect::<Vec<_>>().join("\n"))
}
