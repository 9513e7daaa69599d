//! What does this program find in the environment that a client passes on? It is started again with it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::TITLE;
use super::finding::{Finding, fine, skipped};
use super::passing::{self, Passing};
use crate::doctor::{Cause, Code, Mark, Section, Step};
use crate::install::{Client, Entry, World};

/// How long another run may take.
const LONGEST: Duration = Duration::from_secs(30);

/// The longest report that is read.
const MOST: u64 = 4 * 1024 * 1024;

/// Whether we know what this client passes on; an error names those that we know.
pub fn check_client(name: &str) -> Result<(), String> {
    if passing::of(name).is_some() {
        return Ok(());
    }
    let names: Vec<_> = passing::names().collect();
    Err(format!("the client of --as is not known; known are {}", names.join(", ")))
}

/// The steps to a server with the environment of a client, beside those with our own. `arguments` are those of
/// `doctor` without `--as`.
pub async fn as_client(
    world: &World,
    client: &str,
    url: &str,
    arguments: Vec<OsString>,
    plain: &[Section],
) -> Vec<Section> {
    let Some(row) = passing::of(client) else { return Vec::new() };
    if row.is_in_the_cloud() {
        return vec![Section { title: title(client), steps: vec![in_the_cloud(client, url)] }];
    }
    let walked = walk(world, arguments, row.environment(world, None)).await;
    let step = compare(world, row, None, &walked, plain);
    let mut sections = vec![Section { title: title(client), steps: vec![step] }];
    sections.extend(walked.into_iter().map(|section| of_client(section, client)));
    sections
}

/// The section as one of a client.
pub(super) fn of_client(section: Section, client: &str) -> Section {
    Section { title: format!("{}, as {client}", section.title), ..section }
}

fn title(client: &str) -> String {
    Client::named(client).map_or(client, |client| client.title).to_owned()
}

/// What the client's environment changes. It stands before the steps that fail because of it.
pub(super) fn compare(
    world: &World,
    row: &Passing,
    entry: Option<&Entry>,
    walked: &[Section],
    plain: &[Section],
) -> Step {
    let withheld = row.withheld(world, entry);
    let name = title(row.client);
    if withheld.is_empty() {
        return fine("env", format!("{name} passes on all that matters here"));
    }
    let names = withheld.join(", ");
    let first = withheld.first().copied().unwrap_or_default();
    let fix = match row.client {
        "codex" => format!("env_vars = [\"{first}\"] in the table of the server in config.toml"),
        _ => format!("write \"{first}\" with its value into \"env\" of the entry"),
    };
    match (failure(walked), failure(plain)) {
        (Some(_), None) => {
            let problem = format!("does not pass on {names}, and without it the server is not reached");
            Finding::failure(Code::EnvStripped, problem).fix(fix).step("env", &name, &name)
        }
        (Some(one), Some(other)) if code(one) != code(other) => {
            let problem = format!("does not pass on {names}, and fails in another way than this program does here");
            Finding::warning(Code::EnvStripped, problem).fix(fix).step("env", &name, &name)
        }
        _ => fine("env", format!("{name} does not pass on {names}, which changes nothing here")),
    }
}

fn failure(sections: &[Section]) -> Option<&Step> {
    sections.iter().flat_map(|section| &section.steps).find(|step| step.mark == Mark::Failed)
}

fn code(step: &Step) -> Option<Code> {
    step.cause.as_ref().map(|cause| cause.code)
}

/// A client on its vendor's machines, which reaches the server from there.
fn in_the_cloud(client: &str, address: &str) -> Step {
    if is_private(address) {
        let problem =
            "reaches servers from its vendor's machines, and this address exists only on this machine or network";
        let fix = "use a client on this machine: mcp-ferry install URL --client claude-desktop";
        return Finding::failure(Code::CloudLocalhost, problem).fix(fix).step("cloud", client, client);
    }
    skipped("cloud", format!("{client} reaches servers from its vendor's machines, where this program cannot look"))
}

/// Whether an address leads nowhere on the internet.
fn is_private(address: &str) -> bool {
    let Ok(url) = url::Url::parse(address) else { return false };
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Some(url::Host::Domain(name)) => {
            let ends = [".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test"];
            !name.contains('.') || ends.iter().any(|end| name.ends_with(end))
        }
        None => false,
    }
}

/// The steps to a server that this program finds with this environment.
pub(super) async fn walk(
    world: &World,
    arguments: Vec<OsString>,
    environment: BTreeMap<String, String>,
) -> Vec<Section> {
    let failed = |problem: String| {
        let finding = Finding::failure(Code::EntryStart, problem).fix("mcp-ferry doctor URL");
        let step = finding.step("again", "this program", "this program");
        vec![Section { title: "server".to_owned(), steps: vec![step] }]
    };
    match timeout(LONGEST, run(world, arguments, environment)).await {
        Ok(Ok(report)) => {
            let sections: Vec<_> = report["sections"].as_array().into_iter().flatten().filter_map(section).collect();
            if sections.is_empty() { failed("found nothing when it was started again".to_owned()) } else { sections }
        }
        Ok(Err(error)) => failed(format!("cannot be started again: {error}")),
        Err(_) => failed(format!("took longer than {} s when it was started again", LONGEST.as_secs())),
    }
}

async fn run(world: &World, arguments: Vec<OsString>, environment: BTreeMap<String, String>) -> std::io::Result<Value> {
    let mut command = Command::new(&world.program);
    command.arg("doctor").args(arguments).arg("--json").env_clear().envs(environment).kill_on_drop(true);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut text = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MOST).read_to_end(&mut text).await?;
    }
    let status = child.wait().await?;
    let not_read =
        |_| std::io::Error::other(format!("it printed no report ({})", status.to_string().replace(": ", " ")));
    serde_json::from_slice(&text).map_err(not_read)
}

/// A section of a report. What is about this machine is known already.
fn section(value: &Value) -> Option<Section> {
    let title = value["title"].as_str()?.to_owned();
    let steps = value["steps"].as_array()?.iter().filter_map(step).collect();
    (title != TITLE).then_some(Section { title, steps })
}

fn step(value: &Value) -> Option<Step> {
    let text = |value: &Value| Some(value.as_str()?.to_owned());
    let cause = |value: &Value| {
        let code = Code::parse(value["code"].as_str()?)?;
        Some(Cause { code, sentence: text(&value["sentence"])?, fix: text(&value["fix"]) })
    };
    Some(Step {
        name: text(&value["name"])?,
        mark: Mark::parse(value["mark"].as_str()?)?,
        fact: text(&value["fact"])?,
        time: value["milliseconds"].as_f64().map(|time| Duration::from_secs_f64(time.clamp(0.0, 1e9) / 1000.0)),
        cause: cause(&value["cause"]),
    })
}
