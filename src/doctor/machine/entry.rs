//! Does an entry work as its client starts it?

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::again;
use super::chosen::{Asked, Chosen, choose};
use super::finding::{Finding, fine, shown, skipped};
use super::passing;
use super::program::{Place, locate};
use super::start::{ANSWER, Answers, Problem, Start, start};
use crate::doctor::{Code, Mark, Section, Step, way};
use crate::install::{Entry, World};
use crate::{log, system, task};

/// Starts an entry as its client does, and walks the way to its server.
pub async fn entry(world: &World, asked: &Asked) -> Vec<Section> {
    let chosen = {
        let (world, asked) = (world.clone(), asked.clone());
        task::blocking(move || choose(&world, &asked)).await
    };
    let chosen = match chosen {
        Some(Ok(chosen)) => chosen,
        Some(Err(step)) => return vec![Section { title: "entry".to_owned(), steps: vec![*step] }],
        None => return Vec::new(),
    };
    let short = log::foreign_name(&chosen.entry.name);
    let long = format!("the entry {short} of {}", chosen.title);
    let mut steps = vec![fine("file", format!("{short}, in {}", shown(world, &chosen.path)))];
    let is_broken = chosen.findings.iter().any(|finding| {
        finding.mark == Mark::Failed && [Code::BinaryGone, Code::OneString, Code::ExecBit].contains(&finding.code)
    });
    steps.extend(chosen.findings.iter().cloned().map(|finding| finding.step("entry", &short, &long)));
    let sections = walk(world, &chosen).await;
    if let Some((walked, plain)) = &sections {
        steps.push(again::compare(world, chosen.row, Some(&chosen.entry), walked, plain));
    }
    let title = format!("entry {short} of {}", chosen.title);
    steps.extend(if chosen.entry.command.is_empty() {
        vec![skipped("start", "it starts nothing: the client reaches the server directly")]
    } else if chosen.entry.mcp_remote.is_some() || chosen.entry.names_mcp_remote {
        vec![skipped("start", "mcp-remote is not started: it would open a browser and write a login")]
    } else if is_broken {
        vec![skipped("start", "there is nothing to start")]
    } else {
        let answers = started(world, &chosen, asked.limit).await;
        let walked = sections.as_ref().map(|(walked, _)| walked.as_slice());
        tell(&chosen, &answers, walked.unwrap_or_default(), &short, &long)
    });
    let walked = sections.into_iter().flat_map(|(walked, _)| walked);
    let walked = walked.map(|section| again::of_client(section, chosen.row.client));
    [Section { title, steps }].into_iter().chain(walked).collect()
}

/// The way to the server of an entry, with the client's environment and with ours.
async fn walk(world: &World, chosen: &Chosen) -> Option<(Vec<Section>, Vec<Section>)> {
    let entry = &chosen.entry;
    let arguments: Vec<OsString> = match (entry.arguments(), &entry.url) {
        (Some(arguments), _) => {
            // The port of the callback has no part in this.
            let is_port = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
            let words = arguments.iter().enumerate().filter(|(at, word)| *at != 1 || !is_port(word));
            words.map(|(_, word)| word.into()).collect()
        }
        (None, Some(url)) => vec![url.into()],
        (None, None) => return None,
    };
    let walked = again::walk(world, arguments.clone(), chosen.row.environment(world, Some(entry))).await;
    let is_stripped = !chosen.row.withheld(world, Some(entry)).is_empty();
    let plain = if is_stripped {
        let environment = passing::UNKNOWN.environment(world, Some(entry));
        again::walk(world, arguments, environment).await
    } else {
        Vec::new()
    };
    Some((walked, plain))
}

async fn started(world: &World, chosen: &Chosen, limit: Option<Duration>) -> Answers {
    let entry = &chosen.entry;
    let Some((program, arguments)) = entry.command.split_first() else { return Answers::default() };
    let mut environment = chosen.row.environment(world, Some(entry));
    if is_bridge(entry) {
        environment.insert(system::LOOK_ONLY.to_owned(), "1".to_owned());
    }
    let program = match locate(world, entry, program) {
        Place::File(path) => path,
        _ => PathBuf::from(program),
    };
    let folder = entry.folder.as_ref().map(PathBuf::from);
    let limit = limit.unwrap_or(ANSWER);
    start(&Start { program, arguments: arguments.to_vec(), environment, folder, limit }).await
}

/// Whether the entry may start this program, perhaps through another one, such as npx or a shell.
fn is_bridge(entry: &Entry) -> bool {
    entry.is_ours || entry.command.iter().any(|word| word.contains("mcp-ferry"))
}

/// The steps of what a program has answered. `walked`: the way to its server.
fn tell(chosen: &Chosen, answers: &Answers, walked: &[Section], short: &str, long: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let last = answers.stderr.last().map(|line| format!("; its last line: {line}")).unwrap_or_default();
    let failure = |code, problem: String| {
        let fix = match code {
            Code::EntryOutput => "have the program write that to stderr: its stdout is for messages alone".to_owned(),
            Code::KilledEarly => "start the program itself, without npx or uvx before it".to_owned(),
            Code::EntryRefused if chosen.entry.is_ours => {
                format!("mcp-ferry doctor {}", log::shell_word(chosen.entry.address().unwrap_or("URL")))
            }
            _ => "run the command of the entry in a terminal, and read what it writes".to_owned(),
        };
        Finding::failure(code, problem).fix(fix).step("start", short, long)
    };
    match (&answers.server, &answers.problem) {
        (Some((server, time)), _) => {
            let note = if is_bridge(&chosen.entry) { "; started so that no login begins" } else { "" };
            let patience = chosen.row.patience.filter(|patience| time > patience);
            let step = match patience {
                Some(patience) => {
                    let problem = format!(
                        "answers after {:.1} s, and {} waits {:.1} s",
                        time.as_secs_f64(),
                        chosen.row.client,
                        patience.as_secs_f64()
                    );
                    failure(Code::KilledEarly, problem)
                }
                None => fine("start", format!("{server}{note}")),
            };
            steps.push(Step { time: Some(*time), ..step });
        }
        (None, Some(Problem::NotStarted(why))) => {
            steps.push(failure(Code::EntryStart, format!("cannot be started: {}", log::foreign(why))));
        }
        (None, Some(Problem::Refused(why))) if is_bridge(&chosen.entry) && is_missing_login(why) => {
            steps.push(missing_login(chosen, "start", why, walked, (short, long)));
        }
        (None, Some(Problem::Refused(why))) => {
            steps.push(failure(Code::EntryRefused, format!("answers with an error: {why}")));
        }
        (None, Some(Problem::Silent)) => {
            steps.push(failure(Code::EntrySilent, format!("does not answer in time{last}")));
        }
        (None, _) if answers.noise.is_some() => {
            let noise = answers.noise.as_deref().unwrap_or_default();
            steps.push(failure(Code::EntryOutput, format!("prints what is no message of MCP: {noise}")));
        }
        (None, _) => {
            steps.push(failure(Code::EntryEnded, format!("ends before it answers ({}){last}", answers.end)));
        }
    }
    if let (Some(noise), Some(_)) = (&answers.noise, &answers.server) {
        let problem = format!("prints what is no message of MCP, which some clients do not forgive: {noise}");
        steps.push(Finding::warning(Code::EntryOutput, problem).step("stdout", short, long));
    }
    match &answers.tools {
        Some(Ok(count)) => steps.push(fine("tools", format!("{count}"))),
        Some(Err(why)) if is_bridge(&chosen.entry) && is_missing_login(why) => {
            steps.push(missing_login(chosen, "tools", why, walked, (short, long)));
        }
        Some(Err(why)) => {
            let problem = format!("has no tools for the client: {why}");
            steps.push(Step { name: "tools".to_owned(), ..failure(Code::EntryRefused, problem) });
        }
        None => {}
    }
    for line in &answers.stderr {
        steps.push(fine("stderr", line.clone()));
    }
    if !answers.end.is_empty() {
        steps.push(fine("end", answers.end.clone()));
    }
    steps
}

/// The step of a bridge that has no login, and renews none while it is looked at.
fn missing_login(chosen: &Chosen, name: &str, why: &str, walked: &[Section], (short, long): (&str, &str)) -> Step {
    let url = log::shell_word(chosen.entry.address().unwrap_or("URL"));
    if why.starts_with(SCOPE_MISSING) {
        let finding = Finding::failure(Code::ScopeMissing, format!("needs another scope: {why}"));
        return finding.fix(format!("mcp-ferry login {url} --force")).step(name, short, long);
    }
    if walked.iter().any(|section| way::is_renewed(&section.steps)) {
        return skipped(name, "the login has expired, and the next start renews it; none is renewed here");
    }
    let finding = Finding::failure(Code::LoginNeeded, "needs a login, and there is none that is good");
    let step = finding.fix(format!("mcp-ferry login {url}")).step(name, short, long);
    // The way knows more of the login.
    let causes = walked.iter().flat_map(|section| &section.steps).filter(|step| step.mark == Mark::Failed);
    match causes.filter_map(|step| step.cause.clone()).find(|cause| cause.code.wants_login()) {
        Some(cause) => step.because(cause),
        None => step,
    }
}

/// How the errors of a bridge begin whose login is missing.
const SIGNED_OUT: &str = "you are not signed in to ";
const SCOPE_MISSING: &str = "your login at ";

fn is_missing_login(why: &str) -> bool {
    [SIGNED_OUT, SCOPE_MISSING].iter().any(|start| why.starts_with(start))
}
