//! How long does a large message take over a long way, and how much memory? The direct client's windows never limit it.

use super::Run;
use super::large::Kind;
use crate::messages::{self, Form};
use crate::report::Metric;

const MIB: u32 = 64;
const ROWS: [(Kind, Metric, Metric); 3] = [
    (
        Kind::Result(Form::Json),
        Metric::less("64 MiB result as JSON, s"),
        Metric::absolute("64 MiB result as JSON, peak memory ÷ size"),
    ),
    (
        Kind::Result(Form::Sse),
        Metric::less("64 MiB result as SSE, s"),
        Metric::absolute("64 MiB result as SSE, peak memory ÷ size"),
    ),
    (Kind::Argument, Metric::less("64 MiB argument, s"), Metric::absolute("64 MiB argument, peak memory ÷ size")),
];

impl Run<'_> {
    pub(super) fn cable_large(&mut self) {
        let mib = MIB as usize;
        // The server builds it only once, and not while it is measured.
        messages::payload(mib);
        for (kind, time, memory) in ROWS {
            let request = kind.request(mib);
            for _ in 0..self.rounds(5, 2) {
                for subject in 0..self.subjects.len() {
                    if self.report.failed_in(subject, kind.word()) {
                        continue;
                    }
                    let what = format!("{MIB} {}", kind.word());
                    let Some(mut live) = self.open(subject, &what) else { continue };
                    // Afterwards a connection is open, which is not what is measured here.
                    if let Err(why) = live.call(messages::echo(0, Form::Json).into()) {
                        self.report.fail(subject, &what, &why);
                        continue;
                    }
                    if let Some((took, peak)) = self.large_once(subject, live, mib, kind, &request) {
                        self.report.add(time, subject, took.as_secs_f64());
                        self.add_some(memory, subject, peak.map(|peak| peak / f64::from(MIB)));
                    }
                }
            }
        }
    }
}
