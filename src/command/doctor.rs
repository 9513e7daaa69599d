//! Why does a server not work here (`mcp-ferry doctor`)? The room `doctor` finds out.

use serde_json::{Value, json};

use super::output::{say, say_json};
use super::terminal;
use crate::cli::DoctorCommand;
use crate::config::Settings;
use crate::doctor::{Code, Report, Style, machine, way};
use crate::error::{Error, Exit};
use crate::install::World;
use crate::{config, log, system, task};

pub(super) async fn run(typed: &DoctorCommand) -> Result<Exit, Error> {
    if typed.codes {
        print_codes(typed.json);
        return Ok(Exit::Orderly);
    }
    let mut report = Report::default();
    if let Some(url) = &typed.url {
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
    if let Some(world) = world {
        let url = typed.url.clone();
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

fn print_codes(is_json: bool) {
    if is_json {
        let codes = Code::ALL.iter().map(|code| json!({ "code": code.as_str(), "meaning": code.meaning() }));
        return say_json(&Value::Array(codes.collect()));
    }
    for code in Code::ALL {
        say(&format!("{:<22} {}", code.as_str(), code.meaning()));
    }
}
