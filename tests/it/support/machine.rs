//! One user's machine: the home directory and the browser that several programs share.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::{Bridge, Browser, DEADLINE, Launch, OauthServers};

pub(crate) struct Machine {
    home: TempDir,
    pub(crate) browser: Browser,
}

impl Machine {
    /// A machine whose user follows every login to its end.
    pub(crate) fn with_user() -> Self {
        Self { home: TempDir::new().unwrap(), browser: Browser::with_user() }
    }

    /// A machine without a user.
    pub(crate) fn without_user() -> Self {
        Self { home: TempDir::new().unwrap(), browser: Browser::without_user() }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A bridge to this MCP server, where no browser can be opened.
    pub(crate) fn bridge_without_browser(&self, servers: &OauthServers) -> Launch {
        self.bridge(servers).env("BROWSER", "none")
    }

    /// Any program on this machine.
    pub(crate) fn launch(&self) -> Launch {
        let browser = self.browser.program();
        let home = self.home.path();
        // Long enough for a server on this machine, and a test that waits for a login does not take long.
        Bridge::bare()
            .home(&home.join("ferry"))
            .env("HOME", home.to_str().unwrap())
            .env("USERPROFILE", home.to_str().unwrap())
            .env("BROWSER", browser.to_str().unwrap())
            .env("MCP_FERRY_STARTUP_WAIT", "2.5")
    }

    /// A bridge to this MCP server.
    pub(crate) fn bridge(&self, servers: &OauthServers) -> Launch {
        self.launch().arg(&servers.url())
    }

    /// A bridge with an open session that has logged in through a call.
    #[track_caller]
    pub(crate) fn logged_in(&self, servers: &OauthServers) -> Bridge {
        let mut bridge = self.bridge(servers).start();
        bridge.initialize();
        call_succeeds(&mut bridge, "1");
        bridge
    }

    /// Runs a command to its end, with this on its stdin.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N], stdin: &str) -> Output {
        self.launch().args(arguments).run(stdin)
    }
}

/// Calls the server's tool and asserts that the result is the tool's own.
#[track_caller]
pub(crate) fn call_succeeds(bridge: &mut Bridge, id: &str) {
    let answer = bridge.request(id, "tools/call", r#"{"name":"look","arguments":{}}"#);
    assert!(answer.contains(r#""text":"looked""#), "the call should succeed after the login: {answer}");
}

/// Waits until the stored data of the server contains this text.
#[track_caller]
pub(crate) fn wait_until_stored(home: &std::path::Path, what: &str) {
    let kept = || {
        let file = std::fs::read_dir(home.join("servers")).ok()?.flatten().next()?;
        std::fs::read_to_string(file.path()).ok()
    };
    let began = std::time::Instant::now();
    while !kept().is_some_and(|kept| kept.contains(what)) {
        assert!(began.elapsed() < DEADLINE, "{what} should be stored, but the files contain {:?}", kept());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// What a command printed as its result.
pub(crate) fn stdout_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The one JSON document that a command prints.
#[track_caller]
pub(crate) fn json_output(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Writes a file that only this user may read, as a file with a secret should be.
pub(crate) fn write_private(path: impl AsRef<Path>, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.write(true).create(true).truncate(true).open(path);
    std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
}
