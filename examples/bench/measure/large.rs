//! How long does a large message take, and how much memory?

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Run, millis};
use crate::messages::{self, Form};
use crate::report::Metric;
use crate::subject::Live;

#[derive(Clone, Copy)]
pub(super) enum Kind {
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
            let request = kind.request(mib);
            for _ in 0..self.rounds(5, 2) {
                for subject in 0..self.subjects.len() {
                    let word = kind.word();
                    // A subject that failed with 1 MiB is not measured with 64.
                    if self.report.failed_in(subject, word) {
                        continue;
                    }
                    let what = format!("{mib} {word}");
                    let live = self.open(subject, &what);
                    let measured = live.and_then(|live| self.large_once(subject, live, mib, kind, &request));
                    let Some((took, peak)) = measured else { continue };
                    self.report.add(time, subject, millis(took));
                    let unit = if mib == 1 { 1.0 } else { f64::from(u32::try_from(mib).unwrap_or(u32::MAX)) };
                    self.add_some(memory, subject, peak.map(|peak| peak / unit));
                }
            }
        }
    }

    /// The time and the peak memory in MiB, or a failure in the report.
    pub(super) fn large_once(
        &mut self,
        subject: usize,
        mut live: Live,
        mib: usize,
        kind: Kind,
        request: &Bytes,
    ) -> Option<(Duration, Option<f64>)> {
        let what = format!("{mib} {}", kind.word());
        live.allow(Duration::from_secs(30));
        let from = Instant::now();
        let answer = live.call(request.clone()).map_err(|why| self.report.fail(subject, &what, &why)).ok()?;
        let took = from.elapsed();
        let right = match kind {
            Kind::Result(_) => messages::is_large(&answer, 1, mib),
            Kind::Argument => messages::is_text(&answer, 1, "swallowed"),
        };
        if !right {
            let answer = crate::bridge::excerpt(&answer);
            self.report.fail(subject, &what, &format!("wrong answer: {answer}"));
            return None;
        }
        Some((took, live.tree().and_then(|tree| tree.peak())))
    }
}

impl Kind {
    /// What follows the size in a name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Result(_) => "MiB result",
            Self::Argument => "MiB argument",
        }
    }

    pub(super) fn request(self, mib: usize) -> Bytes {
        match self {
            Self::Result(form) => messages::large_result(1, mib, form).into(),
            Self::Argument => messages::large_argument(1, mib).into(),
        }
    }
}
