//! How many instructions does the processor execute for a start, a call, an event, a large message? Unlike times, these
//! hardly vary with what else the machine does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Run;
use super::large::Kind;
use crate::bridge::{Bridge, Launch};
use crate::messages::{self, Form};
use crate::report::Metric;
use crate::subject::{Live, Way};

/// What a session does after its handshake.
#[derive(Clone, Copy)]
enum Work {
    Calls(Form),
    Events,
    Large(Kind),
}

/// For each kind of work: two amounts, and by what their difference is divided.
const ROWS: [(Work, [usize; 2], f64, Metric); 6] = [
    (Work::Calls(Form::Json), [100, 600], 500.0, Metric::less("instructions for a call, JSON")),
    (Work::Calls(Form::Sse), [100, 600], 500.0, Metric::less("instructions for a call, SSE")),
    (Work::Events, [1000, 6000], 5000.0, Metric::less("instructions for an event")),
    (
        Work::Large(Kind::Result(Form::Json)),
        [2, 8],
        6.0 * 1024.0,
        Metric::less("instructions for 1 KiB of a JSON result"),
    ),
    (
        Work::Large(Kind::Result(Form::Sse)),
        [2, 8],
        6.0 * 1024.0,
        Metric::less("instructions for 1 KiB of an SSE result"),
    ),
    (Work::Large(Kind::Argument), [2, 8], 6.0 * 1024.0, Metric::less("instructions for 1 KiB of an argument")),
];
const START: Metric = Metric::less("instructions for start, handshake and end");

/// Valgrind makes a program about fifty times slower.
const LONGEST: Duration = Duration::from_secs(120);

impl Run<'_> {
    /// Needs valgrind. Other bridges are left out: with a runtime like node's it takes too long.
    pub(super) fn instructions(&mut self) {
        let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            eprint!("[left out, because there is no valgrind] ");
            return;
        }
        let subjects = self.subjects;
        for (subject, measured) in subjects.iter().enumerate().filter(|(_, subject)| subject.ours) {
            let Way::Bridge(launch) = &measured.way else { continue };
            if let Err(why) = self.instructions_of(subject, launch) {
                self.report.fail(subject, "instructions", &why);
            }
        }
    }

    fn instructions_of(&mut self, subject: usize, launch: &Launch) -> Result<(), String> {
        // The first start writes files that later ones find.
        session(launch, self.home, Work::Calls(Form::Json), 0)?;
        self.report.add(START, subject, session(launch, self.home, Work::Calls(Form::Json), 0)?);
        for (work, [few, many], unit, metric) in ROWS {
            let (few, many) = (session(launch, self.home, work, few)?, session(launch, self.home, work, many)?);
            self.report.add(metric, subject, (many - few) / unit);
        }
        Ok(())
    }
}

/// The instructions of a whole session with this work.
fn session(launch: &Launch, home: &Path, work: Work, amount: usize) -> Result<f64, String> {
    let counts = home.join("callgrind.out");
    let mut command: Vec<String> = ["valgrind", "--quiet", "--tool=callgrind"].map(str::to_owned).into();
    command.push(format!("--callgrind-out-file={}", counts.display()));
    command.extend(launch.command.iter().cloned());
    let mut bridge = Bridge::start(&Launch { command, environment: launch.environment.clone() }, home)?;
    bridge.allow(LONGEST);
    bridge.await_initialized()?;
    bridge.send_initialized()?;
    let mut live = Live::Bridge(bridge);
    match work {
        Work::Calls(form) => {
            for id in 1..=amount as u64 {
                let answer = live.call(messages::echo(id, form).into())?;
                messages::echoed(&answer).filter(|echoed| *echoed == id).ok_or("a wrong answer")?;
            }
        }
        Work::Events => live.series(1, amount)?,
        Work::Large(kind) => {
            live.call(kind.request(amount))?;
        }
    }
    live.end(LONGEST);
    let counts = std::fs::read_to_string(&counts).map_err(|error| format!("callgrind's file: {error}"))?;
    let total = counts.lines().find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok());
    total.ok_or_else(|| "callgrind's file has no total".to_owned())
}
