//! One person's machine: what is kept between two programs, and the browser they share.

use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use super::{Bridge, Browser, Launch, Realm};

pub(crate) struct Machine {
    home: TempDir,
    pub(crate) browser: Browser,
}

impl Machine {
    /// A person sits at it and agrees to everything.
    pub(crate) fn attended() -> Self {
        Self { home: TempDir::new().unwrap(), browser: Browser::attended() }
    }

    /// Nobody sits at it.
    pub(crate) fn unattended() -> Self {
        Self { home: TempDir::new().unwrap(), browser: Browser::unattended() }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Any program on it.
    pub(crate) fn launch(&self) -> Launch {
        let browser = self.browser.program();
        let home = self.home.path();
        // Long enough for a server on this machine, short enough for a login that nobody has made.
        Bridge::bare()
            .home(&home.join("ferry"))
            .env("HOME", home.to_str().unwrap())
            .env("USERPROFILE", home.to_str().unwrap())
            .env("BROWSER", browser.to_str().unwrap())
            .env("MCP_FERRY_STARTUP_WAIT", "0.5")
    }

    /// A bridge to this realm's MCP server.
    pub(crate) fn bridge(&self, realm: &Realm) -> Launch {
        self.launch().arg(&realm.url())
    }

    /// A bridge that has shaken hands and, by a call, logged in.
    #[track_caller]
    pub(crate) fn logged_in(&self, realm: &Realm) -> Bridge {
        let mut bridge = self.bridge(realm).start();
        bridge.shake_hands();
        looks(&mut bridge, "1");
        bridge
    }

    /// A command, to its end, with this on its stdin.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N], stdin: &str) -> Output {
        self.launch().args(arguments).run(stdin)
    }
}

/// Calls the realm's tool; the result must be the tool's own.
#[track_caller]
pub(crate) fn looks(bridge: &mut Bridge, id: &str) {
    let answer = bridge.ask(id, "tools/call", r#"{"name":"look","arguments":{}}"#);
    assert!(
        answer.contains(r#""text":"looked""#),
        "the call should come through once somebody has logged in: {answer}"
    );
}
