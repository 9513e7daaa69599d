//! The benchmark: compares mcp-ferry with a direct client, with the simplest possible bridge, and with other bridges.
//!
//! ```text
//! cargo run --release --example bench
//! cargo run --release --example bench -- --bridge 'npx mcp-remote {url}'
//! cargo run --release --example bench -- --quick --only start --only calls
//! cargo run --release --example bench -- --only cable --round-trip 150
//! cargo run --release --example bench -- --only instructions
//! cargo run --release --example bench -- --only cable --charts dist/docs/pictures
//! ```
//!
//! Every subject works with the same server, in turns within one run, and every answer is checked. It prints the median of
//! the rounds and, in brackets, the best round: on a machine that runs other programs too, the best one varies less.
//!
//! `cable` and `cable-large` show what a person feels: the server is far away and behind TLS. What stands in the first of
//! these tables is counted in round-trip times. `instructions` needs valgrind, and shows what changes of the program cost
//! better than any time.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::expect_used, clippy::exit)]
#![allow(unreachable_pub, clippy::redundant_closure_for_method_calls, clippy::struct_field_names)]

mod bridge;
mod cable;
mod chart;
mod direct;
mod load;
mod measure;
mod messages;
mod process;
mod programs;
mod report;
mod subject;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::cable::Cables;
use crate::measure::{FAR, NEAR, Run};
use crate::programs::Server;
use crate::report::Report;
use crate::subject::Subject;

/// Measure mcp-ferry beside a direct client, the simplest possible bridge, and others
#[derive(Parser)]
#[command(name = "bench")]
struct Args {
    /// Fewer rounds and, with a server on this machine, no 64 MiB messages
    #[arg(long)]
    quick: bool,
    /// Measure only this; can be repeated. `cable` and `cable-large`: a server far away; `instructions`: needs valgrind
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(FAR.into_iter().chain(NEAR)))]
    only: Vec<String>,
    /// Another bridge to measure, as one command line with `{url}` in it; can be repeated. It learns the authority of the
    /// distant server's certificate from `NODE_EXTRA_CA_CERTS` and `SSL_CERT_FILE`
    #[arg(long, value_name = "COMMAND")]
    bridge: Vec<String>,
    /// The round-trip time to the distant server, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 80, value_parser = clap::value_parser!(u64).range(1..=5000))]
    round_trip: u64,
    /// The mcp-ferry binary to measure; without this, one is built
    #[arg(long = "self", value_name = "PATH")]
    ferry: Option<PathBuf>,
    /// Also draw the best rounds of each table as a chart: `benchmark-NAME.svg` in this folder
    #[arg(long, value_name = "FOLDER")]
    charts: Option<PathBuf>,
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

/// Whether the direct client, the floor and mcp-ferry gave only right answers.
fn bench(args: &Args) -> Result<bool, String> {
    let (ferry, floor) = programs::built(!args.no_build)?;
    let ferry = args.ferry.clone().unwrap_or(ferry);
    if cfg!(debug_assertions) {
        eprintln!(
            "bench: this is a debug build, so its numbers mean nothing; use `cargo run --release --example bench`"
        );
    }
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;
    let is_far_right = bench_far(args, home.path(), &ferry)?;
    let is_near_right = bench_near(args, home.path(), &ferry, &floor)?;
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |data| data.len() / 1024);
    println!("binary: mcp-ferry {} KiB, floor {} KiB", size(&ferry), size(&floor));
    Ok(is_far_right && is_near_right)
}

/// Measures with a server that is far away: what people feel.
fn bench_far(args: &Args, home: &Path, ferry: &Path) -> Result<bool, String> {
    let names = wanted(args, &FAR);
    if names.is_empty() {
        return Ok(true);
    }
    let mut cables = Cables::new(Duration::from_millis(args.round_trip), home)?;
    let (authority, trust) = (cables.authority.display().to_string(), cables.trust.clone());
    // On a busy machine, too, the answer is the server's, and not one from memory.
    let options = ["--ca-cert", &authority, "--startup-wait", "60"];
    let url = cables.lay()?;
    let mut subjects = vec![
        Subject::direct("direct HTTP/2", &url, Some(cables.secure(0))),
        Subject::ours("mcp-ferry", ferry, &cables.lay()?, &options),
    ];
    if programs::has_option(ferry, "--http1") {
        let options = [&options[..], &["--http1"]].concat();
        subjects.push(Subject::ours("mcp-ferry --http1", ferry, &cables.lay()?, &options));
    } else {
        eprintln!("bench: mcp-ferry --http1 is left out, because this build does not have the option");
    }
    for line in &args.bridge {
        subjects.push(Subject::other(line, &cables.lay()?, &trust));
    }
    let mut is_right = true;
    for name in names {
        let mut run = Run { subjects: &subjects, home, quick: args.quick, report: Report::new(&subjects) };
        timed(name, || run.measure_far(name, &cables));
        let title = match name {
            "cable" => format!("round trips of {} ms: median (best)", args.round_trip),
            _ => format!("over {} ms: median (best)", args.round_trip),
        };
        println!("{}", run.report.table(&title, &[(0, "direct")]));
        draw(args, name, &title.replace(": median (best)", ""), &run.report)?;
        is_right &= is_ours_right(&run);
    }
    Ok(is_right)
}

/// Measures with a server on this machine: what the bridge itself costs.
fn bench_near(args: &Args, home: &Path, ferry: &Path, floor: &Path) -> Result<bool, String> {
    let names = wanted(args, &NEAR);
    if names.is_empty() {
        return Ok(true);
    }
    let (_server, url) = Server::start()?;
    let mut subjects = vec![
        Subject::direct("direct HTTP", &url, None),
        Subject::ours("floor", floor, &url, &[]),
        Subject::ours("mcp-ferry", ferry, &url, &[]),
    ];
    subjects.extend(args.bridge.iter().map(|line| Subject::other(line, &url, &[])));
    let mut run = Run { subjects: &subjects, home, quick: args.quick, report: Report::new(&subjects) };
    for name in names {
        timed(name, || run.measure(name));
    }
    println!("{}", run.report.table("median (best of the rounds)", &[(1, "floor"), (0, "direct")]));
    draw(args, "near", "a server on the same machine", &run.report)?;
    if !cfg!(target_os = "linux") {
        println!("CPU time and memory are not measured on this system, because it has no /proc");
    }
    Ok(is_ours_right(&run))
}

/// Draws the chart of a table, if charts were asked for.
fn draw(args: &Args, name: &str, title: &str, report: &Report) -> Result<(), String> {
    let Some(folder) = &args.charts else { return Ok(()) };
    let path = folder.join(format!("benchmark-{name}.svg"));
    std::fs::write(&path, report.chart(title)).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

fn wanted(args: &Args, names: &[&'static str]) -> Vec<&'static str> {
    let is_wanted = |name: &&str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    names.iter().copied().filter(is_wanted).collect()
}

fn timed(name: &str, measure: impl FnOnce()) {
    let from = Instant::now();
    eprint!("bench: {name} … ");
    measure();
    eprintln!("{} s", from.elapsed().as_secs());
}

fn is_ours_right(run: &Run) -> bool {
    !run.subjects.iter().enumerate().any(|(index, subject)| subject.ours && run.report.failed(index))
}
