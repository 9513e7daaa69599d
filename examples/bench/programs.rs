//! Which programs does the benchmark need? The load server, mcp-ferry and the floor.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The process of the load server. It is killed when this is dropped.
pub struct Server(Child);

impl Server {
    /// The server and its URL.
    pub fn start() -> Result<(Self, String), String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = Command::new(program)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the load server: {error}"))?;
        let mut port = String::new();
        if let Some(stdout) = child.stdout.take() {
            std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut port).map_err(|e| e.to_string())?;
        }
        Ok((Self(child), format!("http://127.0.0.1:{}/mcp", port.trim())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The paths of mcp-ferry and the floor. They are executables of their own: this one, started again, would be larger and
/// start more slowly.
pub fn built(build: bool) -> Result<(PathBuf, PathBuf), String> {
    let examples = std::env::current_exe().map_err(|error| error.to_string())?;
    let examples = examples.parent().unwrap_or(Path::new("."));
    let profile = examples.parent().unwrap_or(Path::new("."));
    if build {
        // In two builds, so that the binary does not get features of libraries that only the examples need.
        for what in [["--bin", "mcp-ferry"], ["--example", "floor"]] {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let status = Command::new(cargo)
                .args(["build", "--release", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
                .args(what)
                .arg("--target-dir")
                .arg(profile.parent().unwrap_or(profile))
                .status();
            if !status.is_ok_and(|status| status.success()) {
                return Err(format!("cargo could not build {}", what[1]));
            }
        }
    }
    let name = |stem: &str| format!("{stem}{}", std::env::consts::EXE_SUFFIX);
    let (ferry, floor) = (profile.join(name("mcp-ferry")), examples.join(name("floor")));
    Ok((ferry, floor))
}

/// Whether this build of mcp-ferry has an option.
pub fn has_option(ferry: &Path, option: &str) -> bool {
    let help = Command::new(ferry).arg("--help").stdin(Stdio::null()).output();
    help.is_ok_and(|help| {
        String::from_utf8_lossy(&help.stdout).split_whitespace().any(|word| word.trim_end_matches(',') == option)
    })
}
