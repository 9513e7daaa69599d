//! The command `bundle`: what is in the files that it writes, what does it print, and does the bridge that a host starts
//! with the answers reach the server?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::entries::{Entry, TOKEN};
use crate::support::*;

/// How programs begin that are for Linux on these processors, and something behind it.
pub(crate) const X86_64: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0 a program, a program, a program";
pub(crate) const AARCH64: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xb7\0 another program";

/// A folder with programs to put into bundles.
pub(crate) struct Workshop(TempDir);

impl Workshop {
    pub(crate) fn new() -> Self {
        let workshop = Self(TempDir::new().unwrap());
        fs::write(workshop.path("x86_64"), X86_64).unwrap();
        fs::write(workshop.path("aarch64"), AARCH64).unwrap();
        workshop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes bundles with the program for `x86_64`, in the folder `made`.
    pub(crate) fn bundle(&self, arguments: &[&str]) -> Output {
        let launch = Bridge::bare().args(["bundle", "--output", self.path("made").to_str().unwrap()]);
        let launch = launch.args(["--program", self.path("x86_64").to_str().unwrap()]);
        arguments.iter().fold(launch, |launch, argument| launch.arg(argument)).run("")
    }

    pub(crate) fn made(&self, name: &str) -> Vec<u8> {
        fs::read(self.path("made").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn manifest(&self, name: &str) -> Value {
        let entry = unzipped(&self.made(name)).into_iter().find(|entry| entry.name == "manifest.json").unwrap();
        serde_json::from_slice(&entry.bytes).unwrap()
    }
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn succeeds(output: &Output) {
    assert_eq!((output.status.code(), err(output)), (Some(0), String::new()), "{output:?}");
}

/// The command of a manifest, after its host has filled in the answers and the defaults of the other fields.
fn started(manifest: &Value, answers: &[(&str, &str)]) -> Entry {
    let mut answers: Vec<_> = answers.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    for (name, field) in manifest["user_config"].as_object().into_iter().flatten() {
        let default = match &field["default"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        answers.push((name.clone(), default));
    }
    let fill = |text: &str| {
        answers
            .iter()
            .fold(text.to_owned(), |text, (name, answer)| text.replace(&format!("${{user_config.{name}}}"), answer))
    };
    let config = &manifest["server"]["mcp_config"];
    let mut entry = Entry::from_json(config, fill);
    assert_eq!((entry.command.as_str(), entry.args.remove(0).as_str()), ("/bin/sh", "${__dirname}/server/launch.sh"));
    let args = config["args"].to_string();
    assert!(!args.contains("user_config"), "answers belong in the environment, not in argv: {args}");
    entry
}

#[test]
fn the_same_options_and_programs_give_the_same_file() {
    let (first, second) = (Workshop::new(), Workshop::new());
    let aarch64 = [&first, &second].map(|workshop| workshop.path("aarch64").to_str().unwrap().to_owned());
    let made = first.bundle(&["--program", &aarch64[0], "--json"]);
    succeeds(&made);
    succeeds(&second.bundle(&["--program", &aarch64[1]]));
    let name = concat!("mcp-ferry-", env!("CARGO_PKG_VERSION"), ".mcpb");
    let file = first.made(name);
    assert!(file == second.made(name), "the same bytes");
    let entries = unzipped(&file);
    let found: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.mode, entry.date)).collect();
    assert_eq!(
        found,
        [
            ("LICENSE", 0o100_644, 0x21),
            ("manifest.json", 0o100_644, 0x21),
            ("server/launch.sh", 0o100_755, 0x21),
            ("server/mcp-ferry-linux-aarch64", 0o100_755, 0x21),
            ("server/mcp-ferry-linux-x86_64", 0o100_755, 0x21),
        ]
    );
    assert!(entries[3].bytes == AARCH64 && entries[4].bytes == X86_64);
    let report = &json_output(&made)[0];
    assert_eq!(report["platforms"], serde_json::json!(["linux-aarch64", "linux-x86_64"]));
    assert_eq!((&report["bytes"], &report["name"]), (&file.len().into(), &"mcp-ferry".into()));
    assert!(Path::new(report["file"].as_str().unwrap()).is_file(), "{report}");
}

#[test]
fn the_bundle_for_any_server_works_with_and_without_a_token() {
    let workshop = Workshop::new();
    succeeds(&workshop.bundle(&["--version", "1.2.3"]));
    let manifest = workshop.manifest("mcp-ferry-1.2.3.mcpb");
    for (token, sent) in [(TOKEN, Some(format!("Bearer {TOKEN}"))), ("", None), ("${user_config.token}", None)] {
        let upstream = Upstream::well_behaved();
        started(&manifest, &[("url", &upstream.url("/mcp")), ("token", token)])
            .reaches_with(&upstream, sent.as_deref());
    }
}

#[test]
fn what_may_be_left_empty_is_not_set_then() {
    let workshop = Workshop::new();
    let upstream = Upstream::well_behaved();
    let url = upstream.url("/{account}/mcp");
    let asked = "read-only,ca-cert,scope,request-timeout,allow-tool,proxy,client-name";
    let made = workshop.bundle(&[
        "--url",
        &url,
        "--name",
        "acme",
        "--version",
        "1.2.3",
        "--token",
        "--ask",
        asked,
        "--header",
        "X-Team: {team}",
        "--optional",
        "team",
    ]); // as a vendor would
    succeeds(&made);
    let manifest = workshop.manifest("acme-1.2.3.mcpb");
    let sent = format!("Bearer {TOKEN}");
    started(&manifest, &[("account", "north"), ("token", TOKEN)]).reaches_with(&upstream, Some(&sent));
    let request = upstream.wait_for("initialize", 1);
    assert_eq!((request.path.as_str(), request.header("x-team")), ("/north/mcp", None));
    let upstream = Upstream::well_behaved();
    let mut entry =
        started(&manifest, &[("account", "north"), ("token", TOKEN), ("team", "blue"), ("read_only", "true")]);
    let address = entry
        .args
        .iter_mut()
        .find(|arg| arg.contains("${FERRY_ACCOUNT}"))
        .expect("the answer reaches the bridge alone");
    *address = upstream.url("/${FERRY_ACCOUNT}/mcp");
    entry.reaches_with(&upstream, Some(&sent));
    assert_eq!(upstream.wait_for("initialize", 1).header("x-team"), Some("blue"));
}

#[test]
fn variants_lie_side_by_side() {
    let workshop = Workshop::new();
    let url = "https://{account}.example.com/mcp";
    let made = workshop.bundle(&["--url", url, "--variant", "staging=https://test.example.com/{account}", "--quiet"]);
    succeeds(&made);
    assert_eq!(stdout_text(&made).lines().count(), 2, "with --quiet, the paths alone: {made:?}");
    let version = env!("CARGO_PKG_VERSION");
    let manifests = ["example", "example-staging"].map(|name| workshop.manifest(&format!("{name}-{version}.mcpb")));
    for key in ["name", "display_name", "server"] {
        assert_ne!(manifests[0][key], manifests[1][key]);
    }
    let file = workshop.path("one.mcpb");
    let both =
        workshop.bundle(&["--url", url, "--variant", "b=https://b.example.com", "--output", file.to_str().unwrap()]);
    assert!(err(&both).contains("cannot be used multiple times"), "{both:?}");
    let program = workshop.path("x86_64");
    let words = ["bundle", "--program", program.to_str().unwrap(), "--output", file.to_str().unwrap()];
    let one = Bridge::bare().args(words).run("");
    assert!(one.status.success() && unzipped(&fs::read(&file).unwrap()).len() == 4, "{one:?}");
    let both = Bridge::bare().args(words).args(["--url", url, "--variant", "b=https://b.example.com"]).run("");
    assert!(err(&both).contains("--output names one file"), "{both:?}");
}

#[test]
fn mistakes_are_told_and_nothing_is_written() {
    let workshop = Workshop::new();
    let (missing, text) = (workshop.path("missing"), workshop.path("text"));
    fs::write(&text, "#!/bin/sh\n").unwrap();
    let header = format!("X-Api-Key: {TOKEN}");
    let url = "https://{account}.example.com/mcp";
    for (arguments, why) in [
        (&["--version", "1.2"][..], "is not three numbers"),
        (&["--program", missing.to_str().unwrap()], "cannot read"),
        (&["--program", text.to_str().unwrap()], "for no system"),
        (&["--url", "http://{account}.example.com/mcp"], "not encrypted"),
        (&["--url", "https://user:{password}@example.com/mcp"], "a user name or a password"),
        (
            &["--url", "https://example.com/mcp", "--header", &header],
            "the value of the header X-Api-Key seems to be a secret",
        ),
        (&["--url", url, "--ca-cert", "company.pem"], "--ask ca-cert asks for the file"),
        (&["--url", url, "--ask", "no-such"], "the bridge has no such option"),
        (&["--url", url, "--ask", "help"], "the bridge has no such option"),
        (&["--url", url, "--field", "acount=Account"], "nothing is asked for under this name"),
        (&["--variant", "staging=https://example.com"], "--url"),
        (&["--url", url, "--icon", text.to_str().unwrap()], "not a PNG file"),
    ] {
        let output = workshop.bundle(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(err(&output).contains(why) && !err(&output).contains(TOKEN), "{arguments:?}: {}", err(&output));
        assert!(!workshop.path("made").exists(), "{arguments:?}");
    }
}

#[test]
fn options_of_the_bridge_become_part_of_the_bundle() {
    let workshop = Workshop::new();
    let url = "https://mcp.example.com/mcp";
    let made =
        workshop.bundle(&["--url", url, "--name", "acme", "--keep-alive", "--scope=-x", "--log-file", "~/x.log"]);
    succeeds(&made);
    let manifest = workshop.manifest(concat!("acme-", env!("CARGO_PKG_VERSION"), ".mcpb"));
    let args = manifest["server"]["mcp_config"]["args"].as_array().unwrap();
    assert_eq!(args[1..], [url, "--keep-alive", "--scope=-x", "--log-file", "~/x.log"]);
}

#[cfg(unix)]
#[test]
fn the_examples_make_bundles() {
    for (script, names) in [("any-server", &["mcp-ferry"][..]), ("one-server", &["acme", "acme-staging"])] {
        let workshop = Workshop::new();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/bundle/{script}.sh"));
        let output = std::process::Command::new(path)
            .args(["--json", "--output", workshop.path("made").to_str().unwrap()])
            .args(["--program", workshop.path("aarch64").to_str().unwrap()])
            .env("MCP_FERRY", env!("CARGO_BIN_EXE_mcp-ferry"))
            .output()
            .unwrap();
        succeeds(&output);
        let made: Vec<_> = json_output(&output).as_array().unwrap().iter().map(|made| made["name"].clone()).collect();
        assert_eq!(made, names);
        let manifest: Vec<_> = json_output(&output)
            .as_array()
            .unwrap()
            .iter()
            .map(|made| {
                let file = fs::read(made["file"].as_str().unwrap()).unwrap();
                assert_eq!(unzipped(&file).len(), 5, "manifest, icon, licence, launcher and program");
                made["fields"].to_string()
            })
            .collect();
        assert!(manifest.iter().all(|fields| fields.contains(r#""name":"token""#)), "{manifest:?}");
    }
}
