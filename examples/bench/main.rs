//! The benchmark: compares mcp-ferry with direct HTTP, with the simplest possible bridge, and with other bridges.
//!
//! ```text
//! cargo run --release --example bench
//! cargo run --release --example bench -- --bridge 'npx mcp-remote {url}'
//! cargo run --release --example bench -- --quick --only start --only calls
//! ```
//!
//! Every subject works with the same server, in turns within one run, and every answer is checked. It prints the median of
//! the rounds and, in brackets, the best round: on a machine that runs other programs too, the best one varies less.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, clippy::exit)]
#![allow(unreachable_pub, clippy::redundant_closure_for_method_calls, clippy::struct_field_names)]

mod bridge;
mod direct;
mod load;
mod measure;
mod messages;
mod process;
mod report;
mod subject;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::measure::Run;
use crate::report::Report;
use crate::subject::{Place, Server, Subject, Way};

/// Measure mcp-ferry beside direct HTTP, the simplest possible bridge, and others
#[derive(Parser)]
#[command(name = "bench")]
struct Args {
    /// Fewer rounds and no 64 MiB messages
    #[arg(long)]
    quick: bool,
    /// Measure only this; can be repeated
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(measure::NAMES))]
    only: Vec<String>,
    /// Another bridge to measure, as one command line with `{url}` in it; can be repeated
    #[arg(long, value_name = "COMMAND")]
    bridge: Vec<String>,
    /// The mcp-ferry binary to measure; without this, one is built
    #[arg(long = "self", value_name = "PATH")]
    ferry: Option<PathBuf>,
    /// Do not build; measure mcp-ferry and the floor as they were last built
    #[arg(long)]
    no_build: bool,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return load::serve();
    }
    match bench(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether direct HTTP, the floor and mcp-ferry gave only right answers.
fn bench(args: &Args) -> Result<bool, String> {
    let (ferry, floor) = subject::built(!args.no_build)?;
    let ferry = args.ferry.clone().unwrap_or(ferry);
    if cfg!(debug_assertions) {
        eprintln!(
            "bench: this is a debug build, so its numbers mean nothing; use `cargo run --release --example bench`"
        );
    }
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (_server, url) = Server::start()?;
    let place = Place { url, home: home.path().to_owned() };

    let command = |path: &PathBuf| vec![path.display().to_string(), "{url}".to_owned()];
    let mut subjects = vec![
        Subject { name: "direct HTTP".to_owned(), way: Way::Direct, ours: true },
        Subject::bridge("floor", &command(&floor), &place, true),
        Subject::bridge("mcp-ferry", &command(&ferry), &place, true),
    ];
    for other in &args.bridge {
        let mut words: Vec<String> = other.split_whitespace().map(str::to_owned).collect();
        if !other.contains("{url}") {
            words.push("{url}".to_owned());
        }
        subjects.push(Subject::bridge(&name_of(&words), &words, &place, false));
    }

    let report = Report::new(subjects.iter().map(|subject| subject.name.clone()).collect());
    let mut run = Run { subjects: &subjects, place: &place, quick: args.quick, report };
    for name in measure::NAMES {
        if args.only.is_empty() || args.only.iter().any(|only| only == name) {
            let from = Instant::now();
            eprint!("bench: {name} … ");
            run.measure(name);
            eprintln!("{} s", from.elapsed().as_secs());
        }
    }

    println!("{}", run.report.table(1));
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |data| data.len() / 1024);
    println!("binary: mcp-ferry {} KiB, floor {} KiB", size(&ferry), size(&floor));
    if !cfg!(target_os = "linux") {
        println!("CPU time and memory are not measured on this system, because it has no /proc");
    }
    Ok(!subjects.iter().enumerate().any(|(index, subject)| subject.ours && run.report.failed(index)))
}

/// The first word that is not a launcher or a path to one.
fn name_of(words: &[String]) -> String {
    let stem = |word: &String| PathBuf::from(word).file_name().map(|name| name.to_string_lossy().into_owned());
    let telling = words.iter().find(|word| {
        !word.starts_with('-')
            && !matches!(stem(word).as_deref(), Some("npx" | "uvx" | "node" | "python3" | "bun" | "env"))
    });
    telling.and_then(stem).unwrap_or_else(|| "other".to_owned())
}
