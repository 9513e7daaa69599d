//! Why does a server not work here (`mcp-ferry doctor`)? The room `doctor` finds out.

use std::ffi::OsString;
use std::time::Duration;

use serde_json::{Value, json};

use super::output::{say, say_json};
use super::{document, terminal};
use crate::cli::DoctorCommand;
use crate::config::Settings;
use crate::doctor::{Cause, Code, Mark, Report, Section, Step, Style, machine, way};
use crate::error::{Error, Exit};
use crate::install::{CLIENTS, Client, World};
use crate::{config, log, system, task};

/// How long a document in the place of a server may take.
const DOCUMENT: Duration = Duration::from_secs(2);

pub(super) async fn run(typed: &DoctorCommand) -> Result<Exit, Error> {
    if typed.codes {
        print_codes(typed.json);
        return Ok(Exit::Orderly);
    }
    check(typed).map_err(Error::Usage)?;
    let mut url = typed.url.clone();
    let mut report = Report::default();
    let mut is_usable = true;
    if let Some((section, server)) = document(typed).await {
        is_usable = server.is_some();
        url = server.or(url);
        report.sections.push(section);
    }
    if let Some(url) = url.as_ref().filter(|_| is_usable) {
        let section = match config::address_fault(url, &typed.options) {
            Some(fault) => way::bad_address(fault.is_plain_http, &fault.why, url),
            None => {
                // What may be secret in the address is known from now on.
                report.url = Some(log::redact(url));
                match Settings::new(url, None, &typed.options) {
                    Ok(settings) => way::walk(&settings).await,
                    Err(error @ (Error::File(..) | Error::Configuration(..) | Error::Network(_))) => {
                        way::bad_option(log::redact(url), &error.to_string(), error.hint())
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        report.sections.push(section);
    }
    let world = system::home().and_then(|home| World::of_this_machine(&home));
    if let (Some(world), Some(entry)) = (&world, &typed.entry) {
        let limit = typed.options.connection.request_timeout;
        let asked = machine::Asked {
            name: entry.clone(),
            client: typed.client.clone(),
            as_client: typed.as_client.clone(),
            limit: (limit > 0.0).then(|| Duration::from_secs_f64(limit)),
        };
        report.sections.extend(machine::entry(world, &asked).await);
    } else if let Some(world) = world {
        if let (Some(client), Some(url)) = (&typed.as_client, &url) {
            report.sections.extend(machine::as_client(&world, client, url, arguments(), &report.sections).await);
        }
        let sections = task::blocking(move || machine::look(&world, url.as_deref())).await;
        report.sections.extend(sections.into_iter().flatten());
    }
    if typed.json {
        say_json(&report.json(typed.strict));
    } else {
        let text = report.text(Style { colour: true, quiet: typed.options.logging.silent });
        if !text.is_empty() {
            terminal::say_coloured(&text);
        }
    }
    Ok(report.exit(typed.strict))
}

/// What there is to say of a document in the place of a server, and the address that it names, if that may be used.
async fn document(typed: &DoctorCommand) -> Option<(Section, Option<String>)> {
    let url = typed.url.as_ref().filter(|url| document::may_be_document(url))?;
    let fetched = tokio::time::timeout(DOCUMENT, document::fetch(url, &typed.options)).await;
    // Why nothing comes from there is found on the way.
    let document = fetched.ok()?.ok()??;
    let named = document.url().transpose()?;
    let step = |mark, fact: &str, sentence: String, fix: String| {
        Step::new("document", mark, fact).because(Cause::new(Code::BadUrl, sentence, fix))
    };
    let (step, server) = match named {
        Ok(server) => {
            let shown = log::foreign(&server);
            let sentence =
                "the URL leads to a document that names the server; programs need the server's own URL".to_owned();
            let fix = format!("mcp-ferry install {}", log::shell_word(&log::redact(url)));
            (step(Mark::Warning, &format!("names the server {shown}"), sentence, fix), Some(server))
        }
        Err(error) => (step(Mark::Failed, "not usable", error.to_string(), error.hint().to_owned()), None),
    };
    Some((Section { title: log::redact(url), steps: vec![step] }, server))
}

fn print_codes(is_json: bool) {
    if is_json {
        let codes = Code::ALL.iter().map(|code| json!({ "code": code.as_str(), "meaning": code.meaning() }));
        return say_json(&Value::Array(codes.collect()));
    }
    for code in Code::ALL {
        say(&format!("{:<22} {}", code.as_str(), code.meaning()));
    }
}

/// What clap does not check.
fn check(typed: &DoctorCommand) -> Result<(), String> {
    if let Some(client) = &typed.client
        && Client::named(client).is_none()
    {
        let names: Vec<_> = CLIENTS.iter().map(|client| client.name).collect();
        return Err(format!("the client of --client is not known; known are {}", names.join(", ")));
    }
    let Some(client) = &typed.as_client else { return Ok(()) };
    if typed.url.is_none() && typed.entry.is_none() {
        return Err("--as needs a URL or --entry".to_owned());
    }
    machine::check_client(client)
}

/// The arguments of this process behind the word `doctor`, without those that concern the report or another client.
fn arguments() -> Vec<OsString> {
    let (mut is_behind, mut kept) = (false, Vec::new());
    // Options that every command has may stand before its name.
    let mut words = std::env::args_os()
        .skip(1)
        .filter(|word| is_behind || word != "doctor" || std::mem::replace(&mut is_behind, true));
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--as") => drop(words.next()),
            Some("--json" | "--strict") => {}
            Some(text) if ["--as=", "--json=", "--strict="].iter().any(|start| text.starts_with(start)) => {}
            _ => kept.push(word),
        }
    }
    kept
}
