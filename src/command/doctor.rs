//! Why does a server not work here (`mcp-ferry doctor`)? The room `doctor` finds out.

use super::output::{say, say_json};
use crate::cli::DoctorCommand;
use crate::config::Settings;
use crate::doctor::{Code, Report, machine, way};
use crate::error::{Error, Exit};
use crate::install::World;
use crate::{system, task};

pub(super) async fn run(typed: &DoctorCommand) -> Result<Exit, Error> {
    if typed.codes {
        for code in Code::ALL {
            say(&format!("{:<24} {}", code.as_str(), code.meaning()));
        }
        return Ok(Exit::Orderly);
    }
    let url = typed.url.clone();
    let mut report = Report { url: url.clone(), ..Report::default() };
    if let Some(url) = &typed.url {
        let settings = Settings::new(url, None, &typed.options)?;
        report.sections.push(way::walk(&settings).await);
    }
    let world = system::home().and_then(|home| World::of_this_machine(&home));
    if let Some(world) = world {
        let sections = task::blocking(move || machine::look(&world, url.as_deref())).await;
        report.sections.extend(sections.into_iter().flatten());
    }
    if typed.json {
        say_json(&report.json());
    }
    Ok(report.exit(typed.strict))
}
