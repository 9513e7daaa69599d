//! What does the program need from the operating system, besides files and sockets? The folder for its files, the
//! signals that end it, room for many connections, and a clock that goes on in sleep.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::typed::{expand_path, is_unset};

const NAME: &str = env!("CARGO_PKG_NAME");

/// The folder for the bridge's files; `None` if there is no home directory. It depends on the home directory only,
/// because programs that start the bridge pass different XDG and APPDATA variables, or none, or have an APPDATA of
/// their own.
pub fn home() -> Option<PathBuf> {
    match given_home() {
        Some(given) => given.ok(),
        None => directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".mcp-ferry")),
    }
}

/// The variable with which `doctor` starts a bridge that must not change anything.
pub(crate) const LOOK_ONLY: &str = "MCP_FERRY_LOOK_ONLY";

/// Whether this program was started only to be looked at: then it writes nothing, and begins and refreshes no login.
pub(crate) fn is_looked_at() -> bool {
    std::env::var_os(LOOK_ONLY).is_some()
}

/// Checks the folder that the environment names, before anything is read from it.
pub fn check_home() -> Result<(), String> {
    given_home().map_or(Ok(()), |given| given.map(drop))
}

fn given_home() -> Option<Result<PathBuf, String>> {
    let given = std::env::var_os("MCP_FERRY_HOME").filter(|home| !home.to_str().is_some_and(is_unset))?;
    Some(expand_path(Path::new(&given)).map_err(|why| format!("the value of MCP_FERRY_HOME cannot be used: {why}")))
}

/// The name of this program for a command line: its name alone where a shell finds it so, else its path.
pub(crate) fn program() -> String {
    let own = std::env::current_exe().and_then(std::fs::canonicalize);
    let Ok(own) = own else { return NAME.to_owned() };
    let name = format!("{NAME}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find_map(|folder| std::fs::canonicalize(folder.join(&name)).ok());
    if found.as_ref() == Some(&own) { NAME.to_owned() } else { own.display().to_string() }
}

/// Where systemd has the D-Bus of the user's session.
#[cfg(unix)]
pub(crate) fn session_bus() -> PathBuf {
    PathBuf::from(format!("/run/user/{}/bus", rustix::process::getuid().as_raw()))
}

/// Resolves when the process is told to end: SIGINT, SIGTERM, SIGHUP.
#[cfg(unix)]
pub fn shutdown() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Resolves when the process is told to end: Ctrl-C, Ctrl-Break, a closed console, logoff, shutdown.
#[cfg(windows)]
pub fn shutdown() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::windows;
    let mut ctrl_c = windows::ctrl_c()?;
    let mut ctrl_break = windows::ctrl_break()?;
    let mut close = windows::ctrl_close()?;
    let mut logoff = windows::ctrl_logoff()?;
    let mut shutdown = windows::ctrl_shutdown()?;
    Ok(async move {
        tokio::select! {
            _ = ctrl_c.recv() => {}
            _ = ctrl_break.recv() => {}
            _ = close.recv() => {}
            _ = logoff.recv() => {}
            _ = shutdown.recv() => {}
        }
    })
}

/// Keeps other users, and other programs of this user, from reading the secrets in our memory: no core dump, and on
/// Linux no debugger but root's. Programs that we start may write core dumps again if they ask for that.
///
/// macOS gives the second with a signature (the hardened runtime), Windows by the process's owner; both have more only
/// in functions that safe code cannot call.
pub fn keep_memory_private() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).ok();
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Core);
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: limit.maximum }).ok();
    }
}

/// From now on a write beyond the limit on the size of files fails; before, it ends the process. Needs a runtime.
pub fn survive_file_limit() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let limit = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        // Once a handler is there, it stays.
        signal(limit).ok();
    }
}

/// Raises the limit on open files: each request in flight is a socket, and on macOS a program begins with a limit of
/// 256. Windows has no such limit on sockets.
pub fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        /// More files are never open, and macOS does not accept "unlimited".
        const ENOUGH: u64 = 10_240;
        let limit = getrlimit(Resource::Nofile);
        let wanted = limit.maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
        if limit.current.is_some_and(|current| current < wanted) {
            setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).ok();
        }
    }
}

/// The time since the machine was started, sleep included: `Instant` stops in sleep on Linux and macOS.
#[cfg(unix)]
pub(crate) fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const SINCE_BOOT: ClockId = ClockId::Boottime;
    /// Apple's monotonic clock goes on in sleep.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const SINCE_BOOT: ClockId = ClockId::Monotonic;
    Duration::try_from(clock_gettime(SINCE_BOOT)).unwrap_or_default()
}

/// The time since its first use. Windows' performance counter goes on in sleep, and `Instant` reads it.
#[cfg(windows)]
pub(crate) fn since_boot() -> Duration {
    static BEGINNING: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGINNING.get_or_init(std::time::Instant::now).elapsed()
}
