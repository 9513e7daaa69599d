//! The script that starts the program of a bundle: whatever a host did to the files, the program for this processor runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::bundle_command::{AARCH64, Workshop, X86_64};
use crate::support::*;

/// The shells that are the `/bin/sh` of some system.
const SHELLS: [&[&str]; 5] = [&["/bin/sh"], &["dash"], &["bash", "--posix"], &["busybox", "sh"], &["ksh"]];

/// A bundle that a host has unpacked without regard to the modes of its files. Its programs print their names and
/// arguments.
struct Unpacked {
    workshop: Workshop,
    folder: PathBuf,
}

impl Unpacked {
    fn new() -> Self {
        let workshop = Workshop::new();
        let made = workshop.bundle(&["--version", "1.2.3", "--program", workshop.path("aarch64").to_str().unwrap()]);
        assert!(made.status.success(), "{made:?}");
        let folder = workshop.path("it's a \"folder\" of $HOME");
        unzip(&workshop.made("mcp-ferry-1.2.3.mcpb"), &folder);
        for processor in ["x86_64", "aarch64"] {
            let script = format!("#!/bin/sh\nprintf '%s\\n' '{processor}' \"$0\" \"$@\"\n");
            fs::write(folder.join(format!("server/mcp-ferry-linux-{processor}")), script).unwrap();
        }
        for file in fs::read_dir(folder.join("server")).unwrap() {
            fs::set_permissions(file.unwrap().path(), Permissions::from_mode(0o600)).unwrap();
        }
        fs::create_dir(workshop.path("bin")).unwrap();
        Self { workshop, folder }
    }

    /// Puts a program before all others in the `PATH`.
    fn fake(&self, name: &str, script: &str) {
        let path = self.workshop.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    }

    fn machine(&self, system: &str, processor: &str) {
        self.fake("uname", &format!("case $1 in -s) echo {system} ;; -m) echo {processor} ;; esac"));
    }

    /// As it is where the files belong to another user.
    fn modes_cannot_be_changed(&self) {
        self.fake("chmod", "case $1 in u+x) exit 1 ;; *) PATH=${PATH#*:} exec chmod \"$@\" ;; esac");
    }

    fn home(&self) -> PathBuf {
        self.workshop.path("home of a person")
    }

    fn start_with(&self, shell: &[&str], arguments: &[&str]) -> Output {
        let path = format!("{}:{}", self.workshop.path("bin").display(), std::env::var("PATH").unwrap());
        let script = self.folder.join("server/launch.sh");
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(script).args(arguments).env_clear();
        command.env("PATH", path).env("HOME", self.home()).output().unwrap()
    }

    /// The lines that the program prints which is started.
    #[track_caller]
    fn start(&self) -> Vec<String> {
        let output = self.start_with(&["/bin/sh"], &["a b", "\"$x'", ""]);
        assert!(output.status.success(), "{output:?}");
        let lines: Vec<_> = stdout_text(&output).lines().map(str::to_owned).collect();
        assert_eq!(lines[2..], ["a b", "\"$x'", ""], "the arguments arrive as they are");
        lines
    }

    fn copies(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.home().join(".mcp-ferry/bin")).into_iter().flatten();
        folder.map(|file| file.unwrap().path()).collect()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_program_for_the_processor_runs_in_every_shell() {
    let bundle = Unpacked::new();
    let mut shells = 0;
    for shell in
        SHELLS.iter().filter(|shell| Command::new(shell[0]).args(&shell[1..]).args(["-c", ":"]).output().is_ok())
    {
        for (machine, program) in
            [("x86_64", "x86_64"), ("aarch64", "aarch64"), ("arm64", "aarch64"), ("amd64", "x86_64")]
        {
            bundle.machine("Linux", machine);
            let output = bundle.start_with(shell, &["--x", "a b"]);
            let file = bundle.folder.join(format!("server/mcp-ferry-linux-{program}"));
            let expected = format!("{program}\n{}\n--x\na b\n", file.display());
            assert_eq!(stdout_text(&output), expected, "{shell:?} on {machine}: {output:?}");
        }
        shells += 1;
    }
    assert!(shells > 0 && bundle.copies().is_empty(), "no copy is needed");
}

#[test]
fn a_platform_without_a_program_is_named() {
    let bundle = Unpacked::new();
    for (system, processor) in [("Linux", "riscv64"), ("Darwin", "arm64"), ("FreeBSD", "amd64")] {
        bundle.machine(system, processor);
        let output = bundle.start_with(&["/bin/sh"], &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let error = format!("mcp-ferry: error: this extension has no program for {system} on {processor}\nhint: ");
        assert!(said.starts_with(&error), "{said}");
    }
}

#[test]
fn a_mac_gets_its_own_program_or_the_universal_one() {
    let bundle = Unpacked::new();
    let program = |name: &str| bundle.folder.join(format!("server/mcp-ferry-{name}"));
    let print =
        |name: &str| fs::write(program(name), format!("#!/bin/sh\nprintf '%s\\n' {name} \"$0\" \"$@\"\n")).unwrap();
    let started = |processor: &str| {
        bundle.machine("Darwin", processor);
        bundle.start()[0].clone()
    };
    print("macos-x86_64");
    assert_eq!(["x86_64", "arm64"].map(started), ["macos-x86_64"; 2], "Rosetta runs it");
    print("macos");
    assert_eq!(["x86_64", "arm64"].map(started), ["macos-x86_64", "macos"]);
    print("macos-aarch64");
    assert_eq!(["x86_64", "arm64"].map(started), ["macos-x86_64", "macos-aarch64"]);
}

#[test]
fn a_copy_runs_where_the_files_cannot_be_made_executable() {
    let bundle = Unpacked::new();
    bundle.machine("Linux", "x86_64");
    bundle.modes_cannot_be_changed();
    let copy = PathBuf::from(&bundle.start()[1]);
    assert_eq!(bundle.copies(), std::slice::from_ref(&copy));
    let sum = sum_of(X86_64);
    assert!(copy.to_str().unwrap().ends_with(&sum), "its name has the sum of the program: {copy:?}");
    assert_eq!((mode(&copy), mode(copy.parent().unwrap())), (0o700, 0o700));
    let file = || fs::metadata(&copy).unwrap().ino();
    let first = file();
    assert_eq!((bundle.start()[0].as_str(), file()), ("x86_64", first), "a second start takes the copy");
    for broken in ["", "#!/bin/sh\n", "#!/bin/sh\nprintf '%s\\n' other \"$0\" \"$@\"\n"] {
        fs::write(&copy, broken).unwrap();
        assert_eq!(bundle.start()[0], "x86_64", "what is not the program is copied again: {broken}");
    }
    bundle.machine("Linux", "aarch64");
    assert!(bundle.start()[1].ends_with(&sum_of(AARCH64)));
    assert_eq!(bundle.copies().len(), 2, "no unfinished copy stays");
}

#[test]
fn many_that_start_at_once_find_a_whole_copy() {
    let bundle = Unpacked::new();
    bundle.machine("Linux", "x86_64");
    bundle.modes_cannot_be_changed();
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| bundle.start()[0].clone())).collect();
        for start in starts {
            assert_eq!(start.join().unwrap(), "x86_64");
        }
    });
    assert_eq!(bundle.copies().len(), 1);
}

#[test]
fn a_folder_in_the_place_of_the_copy_is_said() {
    let bundle = Unpacked::new();
    bundle.machine("Linux", "x86_64");
    bundle.modes_cannot_be_changed();
    fs::create_dir_all(bundle.home().join(".mcp-ferry/bin").join(format!("mcp-ferry-{}", sum_of(X86_64)))).unwrap();
    let output = bundle.start_with(&["/bin/sh"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is a folder\nhint: "), "{output:?}");
}

#[test]
fn where_no_copy_can_be_made_it_is_said() {
    let bundle = Unpacked::new();
    bundle.machine("Linux", "x86_64");
    bundle.modes_cannot_be_changed();
    fs::write(bundle.home(), "no folder").unwrap();
    let output = bundle.start_with(&["/bin/sh"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("and cannot be copied to"), "{output:?}");
}

/// The beginning of the SHA-256 of a program.
fn sum_of(program: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, program);
    digest.as_ref()[..8].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
