//! Is there a browser on this desktop, and which program opens it?

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::typed::expand_path;

/// Browsers that need a terminal: we have none for them.
const TEXT_BROWSERS: [&str; 7] = ["lynx", "w3m", "links", "links2", "elinks", "www-browser", "browsh"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Linux,
    /// The Windows Subsystem for Linux.
    Wsl,
    MacOs,
    Windows,
}

/// What opens a browser here, read once from the environment.
#[derive(Debug, Clone)]
pub(in crate::auth) struct Desktop {
    system: System,
    /// `$BROWSER`.
    browser: Option<String>,
    /// X11 or Wayland.
    has_display: bool,
    /// The user's D-Bus session bus: behind it there may be a display although our environment names none.
    bus: Option<PathBuf>,
    is_remote: bool,
    is_container: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opener {
    /// A program. `%s` in its arguments is replaced by the URL; without `%s` the URL is the last argument.
    Program {
        /// At least the program.
        argv: Vec<String>,
        environment: Vec<(&'static str, String)>,
    },
    #[cfg(windows)]
    ShellExecute,
}

impl Desktop {
    pub(in crate::auth) fn detect() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_container =
            set("container") || ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists());
        Self {
            system: system(),
            browser: std::env::var("BROWSER").ok().filter(|value| !value.trim().is_empty()),
            has_display: set("DISPLAY") || set("WAYLAND_DISPLAY"),
            bus: bus(),
            is_remote: set("SSH_CONNECTION") || set("SSH_TTY"),
            is_container,
        }
    }

    /// Whether a person who uses this machine has the browser on another one.
    pub(in crate::auth) fn is_elsewhere(&self) -> bool {
        self.obstacle().is_some()
    }

    /// Why a browser that is opened here would not be seen.
    fn obstacle(&self) -> Option<&'static str> {
        match self.system {
            _ if self.is_remote => Some("this is a remote session"),
            _ if self.is_container => Some("this is a container"),
            System::Linux if !self.has_display && self.bus.is_none() => Some("there is no display"),
            _ => None,
        }
    }

    /// Why no browser is opened here; `None` if one is tried.
    pub(in crate::auth) fn why_none(&self) -> Option<String> {
        self.openers().err()
    }

    /// What to try, best first, or why there is nothing to try.
    pub(super) fn openers(&self) -> Result<Vec<Opener>, String> {
        // $BROWSER comes first. On remote machines, editors set it to a program that opens the person's own browser.
        let mut openers: Vec<Opener> = self.browser.as_deref().map(browsers_from).unwrap_or_default();
        if self.browser.as_deref().is_some_and(|browser| browser == "none") {
            return Err("BROWSER is none".to_owned());
        }
        match self.obstacle() {
            None => openers.extend(self.system_openers()),
            Some(why) if openers.is_empty() => return Err(why.to_owned()),
            Some(_) => {}
        }
        Ok(openers)
    }

    fn system_openers(&self) -> Vec<Opener> {
        match self.system {
            System::MacOs => vec![program(&["/usr/bin/open"])],
            System::Wsl => {
                vec![program(&["wslview"]), program(&["rundll32.exe", "url.dll,FileProtocolHandler"])]
            }
            System::Linux if self.has_display => vec![program(&["xdg-open"])],
            System::Linux => self.bus.as_deref().map(portal).into_iter().collect(),
            #[cfg(windows)]
            System::Windows => vec![Opener::ShellExecute],
            #[cfg(not(windows))]
            System::Windows => Vec::new(),
        }
    }
}

fn program(argv: &[&str]) -> Opener {
    Opener::Program { argv: argv.iter().map(ToString::to_string).collect(), environment: Vec::new() }
}

/// Some MCP clients remove the display's address from our environment. The desktop portal on the session bus still
/// knows the display.
fn portal(bus: &Path) -> Opener {
    let call = "busctl --user call org.freedesktop.portal.Desktop /org/freedesktop/portal/desktop \
                org.freedesktop.portal.OpenURI OpenURI ssa{sv}";
    let argv = call.split_whitespace().chain(["", "%s", "0"]).map(str::to_owned).collect();
    Opener::Program { argv, environment: vec![("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", bus.display()))] }
}

/// The browsers in `$BROWSER`: separated by colons, each a program with arguments, or a path that may have spaces. A
/// program may begin with `~/`, which no shell has expanded where a configuration file sets the variable.
fn browsers_from(browsers: &str) -> Vec<Opener> {
    let separator = if cfg!(windows) { ';' } else { ':' };
    let is_text_browser = |argv: &[String]| {
        let name = argv.first().map(Path::new).and_then(Path::file_stem).and_then(OsStr::to_str);
        name.is_some_and(|name| TEXT_BROWSERS.contains(&name))
    };
    let expanded = |program: &str| {
        let path = expand_path(Path::new(program)).ok().and_then(|path| path.into_os_string().into_string().ok());
        path.unwrap_or_else(|| program.to_owned())
    };
    let argv = |browser: &str| {
        let whole = expanded(browser);
        if Path::new(&whole).is_file() {
            return vec![whole];
        }
        let mut words = words(browser);
        words.iter_mut().take(1).for_each(|program| *program = expanded(program));
        words
    };
    let browsers = browsers.split(separator).map(|browser| argv(browser.trim()));
    let fit = browsers.filter(|argv| !argv.is_empty() && !is_text_browser(argv));
    fit.map(|argv| Opener::Program { argv, environment: Vec::new() }).collect()
}

/// Splits at spaces outside of quotes. Nothing is expanded.
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
        System::Wsl
    } else {
        System::Linux
    }
}

#[cfg(unix)]
fn bus() -> Option<PathBuf> {
    Some(crate::system::session_bus()).filter(|bus| bus.exists())
}

#[cfg(windows)]
fn bus() -> Option<PathBuf> {
    None
}

#[cfg(test)]
impl Desktop {
    /// A Linux desktop with a display.
    pub(super) fn linux(browser: Option<&str>) -> Self {
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
mod tests {
    use super::*;

    fn programs(desktop: &Desktop) -> Vec<Vec<String>> {
        let openers = desktop.openers().unwrap();
        openers
            .into_iter()
            .map(|opener| match opener {
                Opener::Program { argv, .. } => argv,
                #[cfg(windows)]
                Opener::ShellExecute => Vec::new(),
            })
            .collect()
    }

    #[test]
    fn browser_variable_comes_first_and_is_split_without_a_shell() {
        let browsers = ["firefox --new-tab '%s &'", "\"/opt/my browser\" -x", "lynx", "/usr/bin/w3m"];
        let desktop = Desktop::linux(Some(&browsers.join(if cfg!(windows) { ";" } else { ":" })));
        // Text browsers are left out.
        let expected = [vec!["firefox", "--new-tab", "%s &"], vec!["/opt/my browser", "-x"], vec!["xdg-open"]];
        assert_eq!(programs(&desktop), expected);
    }

    #[test]
    fn a_program_may_be_in_the_home_folder() {
        let home = crate::typed::expand_path(Path::new("~/")).unwrap();
        let in_home = |name: &str| home.join(name).into_os_string().into_string().unwrap();
        let separator = if cfg!(windows) { ";" } else { ":" };
        let desktop = Desktop::linux(Some(&["~/open -x ~/kept", "a~/b"].join(separator)));
        let expected =
            [vec![in_home("open"), "-x".into(), "~/kept".into()], vec!["a~/b".into()], vec!["xdg-open".into()]];
        assert_eq!(programs(&desktop), expected);
    }

    #[test]
    fn nothing_is_opened_where_a_person_would_not_see_it() {
        let desktop = Desktop::linux(None);
        assert!(Desktop { is_remote: true, ..desktop.clone() }.openers().is_err());
        assert!(Desktop { is_container: true, ..desktop.clone() }.openers().is_err());
        assert!(Desktop { has_display: false, ..desktop.clone() }.openers().is_err());
        assert!(Desktop::linux(Some("none")).openers().is_err());
        let editor = Desktop { is_remote: true, is_container: true, ..Desktop::linux(Some("/helpers/browser.sh")) };
        assert_eq!(programs(&editor), [["/helpers/browser.sh"]], "an editor's program opens the person's browser");
    }

    #[test]
    fn each_system_has_its_own_opener() {
        let on = |system| Desktop { system, has_display: false, ..Desktop::linux(None) };
        assert_eq!(programs(&on(System::MacOs)), [["/usr/bin/open"]]);
        let subsystem = programs(&on(System::Wsl));
        assert_eq!(subsystem, [vec!["wslview"], vec!["rundll32.exe", "url.dll,FileProtocolHandler"]]);
        let hidden = Desktop { bus: Some("/run/user/1000/bus".into()), ..on(System::Linux) };
        assert_eq!(programs(&hidden)[0][0], "busctl", "the environment names no display");
    }
}
