//! Is there a browser, and who opens it?

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Browsers that need the terminal, which is not ours to give.
const TEXT_BROWSERS: [&str; 7] = ["lynx", "w3m", "links", "links2", "elinks", "www-browser", "browsh"];

/// Which system's ways apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Linux,
    WindowsSubsystem,
    MacOs,
    Windows,
}

/// What there is to open a browser with, read once from the environment.
#[derive(Debug, Clone)]
pub struct Surroundings {
    system: System,
    /// `$BROWSER`.
    browser: Option<String>,
    /// X11 or Wayland.
    has_display: bool,
    /// The user's session bus, which may know a display that was kept from us.
    bus: Option<PathBuf>,
    is_remote: bool,
    is_container: bool,
}

/// One way to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// A program. `%s` in its arguments is the URL, or else it is the last of them.
    Program {
        /// At least the program.
        argv: Vec<String>,
        /// Variables to set.
        environment: Vec<(&'static str, String)>,
    },
    /// The system's own function.
    #[cfg(windows)]
    System,
}

impl Surroundings {
    /// Reads the environment.
    pub fn read() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_container =
            set("container") || ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists());
        Self {
            system: system(),
            browser: std::env::var("BROWSER").ok().filter(|value| !value.trim().is_empty()),
            has_display: set("DISPLAY") || set("WAYLAND_DISPLAY"),
            bus: bus(),
            is_remote: set("SSH_CONNECTION") || set("SSH_TTY"),
            is_container,
        }
    }

    /// The ways to try, best first, or why there is none.
    pub(super) fn ways(&self) -> Result<Vec<Way>, &'static str> {
        // Whoever sets it means it, and where the machine is remote, its editor sets it to something that reaches the
        // person.
        let mut ways: Vec<Way> = self.browser.as_deref().map(named).unwrap_or_default();
        if self.browser.as_deref().is_some_and(|browser| browser == "none") {
            return Err("BROWSER is none");
        }
        let none = match self.system {
            _ if self.is_remote => Some("this is a remote session"),
            _ if self.is_container => Some("this is a container"),
            System::Linux if !self.has_display && self.bus.is_none() => Some("there is no display"),
            _ => None,
        };
        match none {
            None => ways.extend(self.own()),
            Some(why) if ways.is_empty() => return Err(why),
            Some(_) => {}
        }
        Ok(ways)
    }

    /// The system's own ways.
    fn own(&self) -> Vec<Way> {
        match self.system {
            System::MacOs => vec![program(&["/usr/bin/open"])],
            System::WindowsSubsystem => {
                vec![program(&["wslview"]), program(&["rundll32.exe", "url.dll,FileProtocolHandler"])]
            }
            System::Linux if self.has_display => vec![program(&["xdg-open"])],
            System::Linux => self.bus.as_deref().map(portal).into_iter().collect(),
            #[cfg(windows)]
            System::Windows => vec![Way::System],
            #[cfg(not(windows))]
            System::Windows => Vec::new(),
        }
    }
}

fn program(argv: &[&str]) -> Way {
    Way::Program { argv: argv.iter().map(ToString::to_string).collect(), environment: Vec::new() }
}

/// Some hosts take the display's address out of our environment; the desktop behind the session bus still has it.
fn portal(bus: &Path) -> Way {
    let call = [
        "busctl",
        "--user",
        "call",
        "org.freedesktop.portal.Desktop",
        "/org/freedesktop/portal/desktop",
        "org.freedesktop.portal.OpenURI",
        "OpenURI",
        "ssa{sv}",
        "",
        "%s",
        "0",
    ];
    let argv = call.iter().map(ToString::to_string).collect();
    Way::Program { argv, environment: vec![("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", bus.display()))] }
}

/// The browsers of `$BROWSER`: separated by colons, each a program with arguments, or a path that may hold spaces.
fn named(browsers: &str) -> Vec<Way> {
    let separator = if cfg!(windows) { ';' } else { ':' };
    let is_text = |argv: &[String]| {
        let name = argv.first().map(Path::new).and_then(Path::file_stem).and_then(OsStr::to_str);
        name.is_some_and(|name| TEXT_BROWSERS.contains(&name))
    };
    let argv = |browser: &str| {
        if Path::new(browser).is_file() { vec![browser.to_owned()] } else { words(browser) }
    };
    let browsers = browsers.split(separator).map(|browser| argv(browser.trim()));
    let fit = browsers.filter(|argv| !argv.is_empty() && !is_text(argv));
    fit.map(|argv| Way::Program { argv, environment: Vec::new() }).collect()
}

/// Words, of which quotes hold spaces together. Nothing is expanded.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn system() -> System {
    if cfg!(windows) {
        System::Windows
    } else if cfg!(target_os = "macos") {
        System::MacOs
    } else if std::env::var_os("WSL_DISTRO_NAME").is_some() || Path::new("/proc/sys/fs/binfmt_misc/WSLInterop").exists()
    {
        System::WindowsSubsystem
    } else {
        System::Linux
    }
}

#[cfg(unix)]
fn bus() -> Option<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    Some(PathBuf::from(format!("/run/user/{user}/bus"))).filter(|bus| bus.exists())
}

#[cfg(windows)]
fn bus() -> Option<PathBuf> {
    None
}

#[cfg(test)]
impl Surroundings {
    /// A desktop, as far as that is not said otherwise.
    pub(super) fn desktop(browser: Option<&str>) -> Self {
        Self {
            system: System::Linux,
            browser: browser.map(str::to_owned),
            has_display: true,
            bus: None,
            is_remote: false,
            is_container: false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn programs(surroundings: &Surroundings) -> Vec<Vec<String>> {
        let ways = surroundings.ways().unwrap();
        ways.into_iter()
            .map(|way| match way {
                Way::Program { argv, .. } => argv,
                #[cfg(windows)]
                Way::System => Vec::new(),
            })
            .collect()
    }

    #[test]
    fn the_user_s_browser_comes_first_and_as_it_was_written() {
        let browsers = ["firefox --new-tab '%s &'", "\"/opt/my browser\" -x", "lynx", "/usr/bin/w3m"];
        let desktop = Surroundings::desktop(Some(&browsers.join(if cfg!(windows) { ";" } else { ":" })));
        assert_eq!(
            programs(&desktop),
            [vec!["firefox", "--new-tab", "%s &"], vec!["/opt/my browser", "-x"], vec!["xdg-open"]],
            "split without a shell, and without what needs a terminal"
        );
    }

    #[test]
    fn where_nobody_would_see_it_nothing_is_opened() {
        let desktop = Surroundings::desktop(None);
        assert!(Surroundings { is_remote: true, ..desktop.clone() }.ways().is_err());
        assert!(Surroundings { is_container: true, ..desktop.clone() }.ways().is_err());
        assert!(Surroundings { has_display: false, ..desktop.clone() }.ways().is_err());
        assert!(Surroundings::desktop(Some("none")).ways().is_err());
        let editor =
            Surroundings { is_remote: true, is_container: true, ..Surroundings::desktop(Some("/helpers/browser.sh")) };
        assert_eq!(programs(&editor), [["/helpers/browser.sh"]], "an editor's helper reaches the person");
    }

    #[test]
    fn each_system_has_its_own_way() {
        let on = |system| Surroundings { system, has_display: false, ..Surroundings::desktop(None) };
        assert_eq!(programs(&on(System::MacOs)), [["/usr/bin/open"]]);
        let subsystem = programs(&on(System::WindowsSubsystem));
        assert_eq!(subsystem, [vec!["wslview"], vec!["rundll32.exe", "url.dll,FileProtocolHandler"]]);
        let hidden = Surroundings { bus: Some("/run/user/1000/bus".into()), ..on(System::Linux) };
        assert_eq!(programs(&hidden)[0][0], "busctl", "a display that was kept from us");
    }
}
