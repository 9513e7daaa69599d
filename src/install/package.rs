//! Which package was a program installed from, and what updates it? The path of its file tells.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Where the list of a Debian package's files is, once it is installed.
const DEBIAN_LIST: &str = "/var/lib/dpkg/info/mcp-ferry.list";

/// What every system of Unix has, but not the container image, in which nothing but this program runs.
const SHELL: &str = "/bin/sh";

/// A way in which a program comes to a machine.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    /// The folders of its files, as they follow each other in paths, in lower case; `*` stands for the end of a name.
    folders: &'static [&'static str],
    /// Its name, for people.
    pub name: &'static str,
    /// What updates the program: a command, or a few words where there is none.
    pub update: &'static str,
    /// Its files lie in a cache, which is cleaned some day.
    pub is_cache: bool,
}

const fn package(folders: &'static [&'static str], name: &'static str, update: &'static str) -> Package {
    Package { folders, name, update, is_cache: false }
}

const fn cache(folders: &'static [&'static str], name: &'static str, update: &'static str) -> Package {
    Package { is_cache: true, ..package(folders, name, update) }
}

/// All that are known. The first one whose folders are in a path counts: caches have folders of other packages in them.
const PACKAGES: &[Package] = &[
    cache(&["_npx"], "npx", "npx -y mcp-ferry@latest"),
    cache(&["pnpm/dlx*"], "pnpm dlx", "pnpm dlx mcp-ferry@latest"),
    cache(&["bunx-*"], "bunx", "bunx mcp-ferry@latest"),
    cache(&["uv/cache", ".cache/uv", "archive-v*"], "uvx", "uvx mcp-ferry@latest"),
    cache(&[".cache/pipx", "pipx/.cache"], "pipx run", "pipx run --no-cache mcp-ferry"),
    package(&["uv/tools"], "uv", "uv tool upgrade mcp-ferry"),
    package(&["pipx/venvs"], "pipx", "pipx upgrade mcp-ferry"),
    package(&["cellar/mcp-ferry"], "Homebrew", "brew upgrade mcp-ferry"),
    package(&["mise/installs"], "mise", "mise upgrade"),
    package(&["pnpm/global"], "pnpm", "pnpm add -g mcp-ferry@latest"),
    package(&["yarn/global", "yarn/data/global"], "Yarn", "yarn global add mcp-ferry@latest"),
    package(&[".bun/install"], "Bun", "bun add -g mcp-ferry@latest"),
    package(&[".volta/tools", "volta/tools"], "Volta", "volta install mcp-ferry"),
    package(
        &[
            "lib/node_modules",
            "npm/node_modules",
            "nodejs/node_modules",
            "nvm/v*/node_modules",
            "installation/node_modules",
        ],
        "npm",
        "npm install -g mcp-ferry@latest",
    ),
    package(&["node_modules"], "npm, in a project", "npm install mcp-ferry@latest, in that project"),
    package(&[".cargo/bin", "cargo/bin"], "cargo", "cargo install mcp-ferry"),
    package(&["winget/packages", "winget/links"], "WinGet", "winget upgrade mcp-ferry"),
    package(&["scoop/apps"], "Scoop", "scoop update mcp-ferry"),
    package(
        &["claude extensions", ".mcp-ferry/bin", ".claude/plugins"],
        "an extension (.mcpb)",
        "install the newer extension in its client",
    ),
    package(&["site-packages"], PIP.name, PIP.update),
];

const PIP: Package = package(&[], "pip", "pip install --upgrade mcp-ferry, in its environment");
const DEBIAN: Package = package(&[], "a Debian package", "sudo apt install ./FILE.deb of the newer release");
const IMAGE: Package = package(&[], "a container image", "pull the newer image");
const OTHER: Package = package(&[], "an archive or own build", RELEASES);

/// Where newer archives are.
const RELEASES: &str = if env!("CARGO_PKG_REPOSITORY").is_empty() {
    "the newer archive, or build again"
} else {
    concat!(env!("CARGO_PKG_REPOSITORY"), "/releases, or build again")
};

impl Package {
    /// The package of the program at this path.
    pub fn of(program: &Path) -> &'static Self {
        let real = std::fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
        let is_in_environment =
            real.ancestors().nth(2).is_some_and(|environment| environment.join("pyvenv.cfg").exists());
        let exists = |path: &str| Path::new(path).exists();
        Self::at(&real.to_string_lossy(), is_in_environment, exists(DEBIAN_LIST), exists(SHELL))
    }

    /// The package of the program at this path of any system, without symbolic links. `is_in_environment`: a virtual
    /// environment of Python has the program; `has_debian`: the Debian package is installed; `has_shell`: no image has
    /// one.
    fn at(path: &str, is_in_environment: bool, has_debian: bool, has_shell: bool) -> &'static Self {
        match Self::by_folders(path) {
            Some(package) => package,
            None if is_in_environment => &PIP,
            None if has_debian && path == "/usr/bin/mcp-ferry" => &DEBIAN,
            None if !has_shell && path == "/usr/bin/mcp-ferry" => &IMAGE,
            None => &OTHER,
        }
    }

    /// The package with these folders; `None` if a path has none that is known.
    pub(super) fn by_folders(path: &str) -> Option<&'static Self> {
        let path = path.to_lowercase();
        let parts: Vec<&str> = path.split(['/', '\\']).collect();
        let is_part = |(part, wanted): (&&str, &&str)| match wanted.strip_suffix('*') {
            Some(start) => part.starts_with(start),
            None => part == wanted,
        };
        let has = |folders: &&str| {
            let folders: Vec<&str> = folders.split('/').collect();
            parts.windows(folders.len()).any(|window| window.iter().zip(&folders).all(is_part))
        };
        PACKAGES.iter().find(|package| package.folders.iter().any(has))
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        json!({ "by": self.name, "update": self.update })
    }
}

/// This program and its package; `None` if the system does not say where it is.
pub fn this_program() -> Option<(PathBuf, &'static Package)> {
    let program = std::env::current_exe().ok()?;
    let package = Package::of(&program);
    Some((program, package))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path, the name of its package, and how the command begins that updates it.
    const PATHS: &[(&str, &str, &str)] = &[
        ("/opt/homebrew/Cellar/mcp-ferry/0.1.0/bin/mcp-ferry", "Homebrew", "brew upgrade"),
        ("/usr/local/Cellar/mcp-ferry/0.1.0/bin/mcp-ferry", "Homebrew", "brew upgrade"),
        ("/home/linuxbrew/.linuxbrew/Cellar/mcp-ferry/0.1.0/bin/mcp-ferry", "Homebrew", "brew upgrade"),
        ("/home/u/.npm/_npx/1f/node_modules/mcp-ferry-linux-x64/bin/mcp-ferry", "npx", "npx -y mcp-ferry@latest"),
        (r"\\?\C:\Users\u\AppData\Local\npm-cache\_npx\1f\node_modules\m\mcp-ferry.exe", "npx", "npx -y"),
        ("/home/u/.cache/pnpm/dlx/1f/node_modules/m/mcp-ferry", "pnpm dlx", "pnpm dlx"),
        ("/home/u/.cache/pnpm/dlx-1234/node_modules/m/mcp-ferry", "pnpm dlx", "pnpm dlx"),
        ("/tmp/bunx-1000-mcp-ferry@latest/node_modules/m/mcp-ferry", "bunx", "bunx"),
        ("/home/u/.cache/uv/archive-v0/x/bin/mcp-ferry", "uvx", "uvx mcp-ferry@latest"),
        ("/Users/u/.cache/uv/environments-v2/x/bin/mcp-ferry", "uvx", "uvx mcp-ferry@latest"),
        (r"C:\Users\u\AppData\Local\uv\cache\archive-v0\x\Scripts\mcp-ferry.exe", "uvx", "uvx"),
        ("/mnt/fast/archive-v0/x/bin/mcp-ferry", "uvx", "uvx"),
        ("/home/u/.local/share/uv/tools/mcp-ferry/bin/mcp-ferry", "uv", "uv tool upgrade"),
        (r"C:\Users\u\AppData\Roaming\uv\tools\mcp-ferry\Scripts\mcp-ferry.exe", "uv", "uv tool upgrade"),
        ("/home/u/.cache/pipx/1f/bin/mcp-ferry", "pipx run", "pipx run"),
        ("/home/u/.local/share/pipx/venvs/mcp-ferry/bin/mcp-ferry", "pipx", "pipx upgrade"),
        (r"C:\Users\u\pipx\venvs\mcp-ferry\Scripts\mcp-ferry.exe", "pipx", "pipx upgrade"),
        ("/usr/lib/node_modules/mcp-ferry/node_modules/m/mcp-ferry", "npm", "npm install -g"),
        ("/home/u/.nvm/versions/node/v22.1.0/lib/node_modules/m/mcp-ferry", "npm", "npm install -g"),
        (r"C:\Users\u\AppData\Roaming\npm\node_modules\mcp-ferry\bin\mcp-ferry.exe", "npm", "npm install -g"),
        (r"C:\Users\u\AppData\Roaming\nvm\v20.1.0\node_modules\m\mcp-ferry.exe", "npm", "npm install -g"),
        (r"C:\Program Files\nodejs\node_modules\m\mcp-ferry.exe", "npm", "npm install -g"),
        ("/home/u/.local/share/pnpm/global/5/.pnpm/m/node_modules/m/mcp-ferry", "pnpm", "pnpm add -g"),
        ("/Users/u/.config/yarn/global/node_modules/m/mcp-ferry", "Yarn", "yarn global add"),
        ("/home/u/.local/share/mise/installs/npm-mcp-ferry/1/lib/node_modules/m/mcp-ferry", "mise", "mise upgrade"),
        ("/home/u/x/cellar/my/mcp-ferry", "an archive or own build", OTHER.update),
        ("/home/u/.bun/install/global/node_modules/m/mcp-ferry", "Bun", "bun add -g"),
        ("/home/u/.volta/tools/image/packages/mcp-ferry/lib/node_modules/m/mcp-ferry", "Volta", "volta install"),
        ("/home/u/site/node_modules/mcp-ferry-linux-x64/bin/mcp-ferry", "npm, in a project", "npm install mcp-ferry"),
        ("/home/u/.cargo/bin/mcp-ferry", "cargo", "cargo install"),
        (r"C:\Users\u\.cargo\bin\mcp-ferry.exe", "cargo", "cargo install"),
        ("/usr/local/cargo/bin/mcp-ferry", "cargo", "cargo install"),
        (r"C:\Users\u\AppData\Local\Microsoft\WinGet\Packages\F.F_x\mcp-ferry.exe", "WinGet", "winget upgrade"),
        (r"C:\Program Files\WinGet\Links\mcp-ferry.exe", "WinGet", "winget upgrade"),
        (r"C:\Users\u\scoop\apps\mcp-ferry\0.1.0\mcp-ferry.exe", "Scoop", "scoop update"),
        (r"C:\ProgramData\scoop\apps\mcp-ferry\current\mcp-ferry.exe", "Scoop", "scoop update"),
        ("/home/u/.mcp-ferry/bin/mcp-ferry-0.1.0", "an extension (.mcpb)", "install the newer extension"),
        (
            "/Users/u/Library/Application Support/Claude/Claude Extensions/local.mcpb.x/server/mcp-ferry",
            "an extension (.mcpb)",
            "install the newer extension",
        ),
        (
            r"C:\Users\u\AppData\Roaming\Claude\Claude Extensions\x\server\mcp-ferry.exe",
            "an extension (.mcpb)",
            "install the newer extension",
        ),
        ("/usr/lib/python3/site-packages/bin/mcp-ferry", "pip", "pip install --upgrade"),
        ("/usr/bin/mcp-ferry", "an archive or own build", OTHER.update),
        ("/home/u/.local/bin/mcp-ferry", "an archive or own build", OTHER.update),
        (r"C:\tools\mcp-ferry.exe", "an archive or own build", OTHER.update),
        ("/home/u/mcp-ferry/target/release/mcp-ferry", "an archive or own build", OTHER.update),
        ("/home/u/cellars/cargo-bin/mcp-ferry", "an archive or own build", OTHER.update),
    ];

    #[test]
    fn the_path_tells_the_package_and_what_updates_it() {
        for (path, name, update) in PATHS {
            let package = Package::at(path, false, false, true);
            assert_eq!(package.name, *name, "{path}");
            assert!(package.update.starts_with(update), "{path}: {}", package.update);
            let caches = ["npx", "pnpm dlx", "bunx", "uvx", "pipx run"];
            assert_eq!(package.is_cache, caches.contains(name), "{path}");
        }
    }

    #[test]
    fn what_the_path_does_not_tell_the_machine_does() {
        let at = |path, environment, debian| Package::at(path, environment, debian, true).name;
        assert_eq!(Package::at("/usr/bin/mcp-ferry", false, false, false).name, "a container image");
        assert_eq!(Package::at(r"C:\tools\mcp-ferry.exe", false, false, false).name, OTHER.name, "no shell on Windows");
        assert_eq!(at("/usr/bin/mcp-ferry", false, true), "a Debian package");
        assert_eq!(at("/home/u/bin/mcp-ferry", false, true), "an archive or own build", "a copy beside the package");
        assert_eq!(at("/home/u/venv/bin/mcp-ferry", true, false), "pip");
        assert_eq!(
            at("/home/u/.local/share/uv/tools/m/bin/mcp-ferry", true, false),
            "uv",
            "which has environments too"
        );
    }
}
