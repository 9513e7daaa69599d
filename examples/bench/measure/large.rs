//! How long does a large message take, and how much memory?

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Run, millis};
use crate::messages::{self, Form};
use crate::report::Metric;

#[derive(Clone, Copy)]
enum Kind {
    Result(Form),
    Argument,
}

/// For each size in MiB and each kind: the time, and the peak memory, from 16 MiB on divided by the size.
const ROWS: [(usize, Kind, Metric, Metric); 9] = [
    (
        1,
        Kind::Result(Form::Json),
        Metric::less("1 MiB result as JSON, ms"),
        Metric::less("1 MiB result as JSON, peak memory, MiB"),
    ),
    (
        1,
        Kind::Result(Form::Sse),
        Metric::less("1 MiB result as SSE, ms"),
        Metric::less("1 MiB result as SSE, peak memory, MiB"),
    ),
    (1, Kind::Argument, Metric::less("1 MiB argument, ms"), Metric::less("1 MiB argument, peak memory, MiB")),
    (
        16,
        Kind::Result(Form::Json),
        Metric::less("16 MiB result as JSON, ms"),
        Metric::less("16 MiB result as JSON, peak memory ÷ size"),
    ),
    (
        16,
        Kind::Result(Form::Sse),
        Metric::less("16 MiB result as SSE, ms"),
        Metric::less("16 MiB result as SSE, peak memory ÷ size"),
    ),
    (16, Kind::Argument, Metric::less("16 MiB argument, ms"), Metric::less("16 MiB argument, peak memory ÷ size")),
    (
        64,
        Kind::Result(Form::Json),
        Metric::less("64 MiB result as JSON, ms"),
        Metric::less("64 MiB result as JSON, peak memory ÷ size"),
    ),
    (
        64,
        Kind::Result(Form::Sse),
        Metric::less("64 MiB result as SSE, ms"),
        Metric::less("64 MiB result as SSE, peak memory ÷ size"),
    ),
    (64, Kind::Argument, Metric::less("64 MiB argument, ms"), Metric::less("64 MiB argument, peak memory ÷ size")),
];

impl Run<'_> {
    pub(super) fn large(&mut self) {
        for (mib, kind, time, memory) in ROWS {
            if self.quick && mib > 16 {
                continue;
            }
            let request: Bytes = match kind {
                Kind::Result(form) => messages::large_result(1, mib, form).into(),
                Kind::Argument => messages::large_argument(1, mib).into(),
            };
            for _ in 0..self.rounds(5, 2) {
                for subject in 0..self.subjects.len() {
                    let word = if matches!(kind, Kind::Argument) { "MiB argument" } else { "MiB result" };
                    // A subject that failed with 1 MiB is not measured with 64.
                    if !self.report.failed_in(subject, word) {
                        self.large_once(subject, mib, kind, &request, [time, memory]);
                    }
                }
            }
        }
    }

    fn large_once(&mut self, subject: usize, mib: usize, kind: Kind, request: &Bytes, [time, memory]: [Metric; 2]) {
        let what = match kind {
            Kind::Result(_) => format!("{mib} MiB result"),
            Kind::Argument => format!("{mib} MiB argument"),
        };
        let Some(mut live) = self.open(subject, &what) else {
            return;
        };
        live.allow(Duration::from_secs(30));
        let from = Instant::now();
        let answer = match live.call(request.clone()) {
            Ok(answer) => answer,
            Err(why) => return self.report.fail(subject, &what, &why),
        };
        let took = from.elapsed();
        let right = match kind {
            Kind::Result(_) => messages::is_large(&answer, 1, mib),
            Kind::Argument => messages::is_text(&answer, 1, "swallowed"),
        };
        if !right {
            let answer = crate::bridge::excerpt(&answer);
            return self.report.fail(subject, &what, &format!("wrong answer: {answer}"));
        }
        self.report.add(time, subject, millis(took));
        if let Some(peak) = live.tree().and_then(|tree| tree.peak()) {
            let unit = if mib == 1 { 1.0 } else { f64::from(u32::try_from(mib).unwrap_or(u32::MAX)) };
            self.report.add(memory, subject, peak / unit);
        }
    }
}
