//! What does a call cost, alone and among many in flight? What does an event of a long series cost?

use std::time::{Duration, Instant};

use super::{Run, micros};
use crate::messages::{self, Form};
use crate::report::{Metric, percentile};
use crate::subject::Live;

const FORMS: [(Form, [Metric; 3]); 2] = [
    (
        Form::Json,
        [
            Metric::less("call answered as JSON, p50, µs"),
            Metric::less("call answered as JSON, p99, µs"),
            Metric::less("call answered as JSON, CPU of the bridge, µs"),
        ],
    ),
    (
        Form::Sse,
        [
            Metric::less("call answered as SSE, p50, µs"),
            Metric::less("call answered as SSE, p99, µs"),
            Metric::less("call answered as SSE, CPU of the bridge, µs"),
        ],
    ),
];
const RATE: Metric = Metric::more("64 in flight, calls/s");
const RATE_CPU: Metric = Metric::less("64 in flight, CPU of the bridge, µs/call");
const EVENTS: Metric = Metric::more("series of SSE events on one POST, events/s");
const EVENTS_CPU: Metric = Metric::less("series of SSE events, CPU, µs/event");
const EVENTS_PEAK: Metric = Metric::less("series of SSE events, peak memory, MiB");

/// A round of a slow bridge ends after this time if it has a hundred calls.
const ROUND: Duration = Duration::from_millis(1500);

impl Run<'_> {
    pub(super) fn calls(&mut self) {
        let calls = if self.quick { 500 } else { 2000 };
        let mut open = self.open_all("calls");
        let mut next = 1;
        for round in 0..=self.rounds(9, 3) {
            for (form, metrics) in &FORMS {
                for (subject, slot) in open.iter_mut().enumerate() {
                    let Some(live) = slot else { continue };
                    live.allow(Duration::from_secs(60));
                    match one_by_one(live, *form, &mut next, calls) {
                        // The first round is a warm-up.
                        Ok(_) if round == 0 => {}
                        Ok((times, cpu)) => {
                            self.report.add(metrics[0], subject, percentile(&times, 50.0));
                            self.report.add(metrics[1], subject, percentile(&times, 99.0));
                            if let Some(cpu) = cpu {
                                self.report.add(metrics[2], subject, cpu);
                            }
                        }
                        Err(why) => {
                            self.report.fail(subject, "calls", &why);
                            *slot = None;
                        }
                    }
                }
            }
        }
    }

    pub(super) fn in_flight(&mut self) {
        let mut open = self.open_all("flight");
        let mut calls = vec![if self.quick { 5_000 } else { 20_000 }; open.len()];
        let mut next = 1;
        for round in 0..=self.rounds(9, 3) {
            for (subject, slot) in open.iter_mut().enumerate() {
                let Some(live) = slot else { continue };
                live.allow(Duration::from_secs(60));
                let count = if round == 0 { 1000 } else { calls[subject] };
                let (tree, from) = (live.tree(), Instant::now());
                let before = tree.as_ref().and_then(|tree| tree.cpu());
                let outcome = live.in_flight(next, count, 64);
                let took = from.elapsed();
                let after = live.tree().and_then(|tree| tree.cpu());
                next += count;
                if let Err(why) = outcome {
                    self.report.fail(subject, "flight", &why);
                    *slot = None;
                } else if round == 0 {
                    if took > Duration::from_millis(200) {
                        calls[subject] = 2000;
                    }
                } else {
                    self.report.add(RATE, subject, as_float(count) / took.as_secs_f64());
                    if let (Some(before), Some(after)) = (before, after) {
                        self.report.add(RATE_CPU, subject, micros(after.saturating_sub(before)) / as_float(count));
                    }
                }
            }
        }
    }

    pub(super) fn events(&mut self) {
        let count: u32 = if self.quick { 20_000 } else { 100_000 };
        for _ in 0..self.rounds(7, 3) {
            for subject in 0..self.subjects.len() {
                if self.report.failed(subject) {
                    continue;
                }
                let Some(mut live) = self.open(subject, "events") else {
                    continue;
                };
                let (before, from) = (live.tree().and_then(|tree| tree.cpu()), Instant::now());
                if let Err(why) = live.series(1, count as usize) {
                    self.report.fail(subject, "events", &why);
                    continue;
                }
                self.report.add(EVENTS, subject, f64::from(count) / from.elapsed().as_secs_f64());
                let Some(tree) = live.tree() else { continue };
                if let (Some(before), Some(after)) = (before, tree.cpu()) {
                    self.report.add(EVENTS_CPU, subject, micros(after.saturating_sub(before)) / f64::from(count));
                }
                if let Some(peak) = tree.peak() {
                    self.report.add(EVENTS_PEAK, subject, peak);
                }
            }
        }
    }
}

/// The time of each call, and the bridge's CPU time for a call, in µs.
fn one_by_one(live: &mut Live, form: Form, next: &mut u64, calls: usize) -> Result<(Vec<f64>, Option<f64>), String> {
    let mut times = Vec::with_capacity(calls);
    let before = live.tree().and_then(|tree| tree.cpu());
    let round = Instant::now();
    while times.len() < calls && (times.len() < 100 || round.elapsed() < ROUND) {
        let request = messages::echo(*next, form).into();
        let from = Instant::now();
        let answer = live.call(request)?;
        times.push(micros(from.elapsed()));
        if messages::echoed(&answer) != Some(*next) {
            return Err(format!("wrong answer: {}", crate::bridge::excerpt(&answer)));
        }
        *next += 1;
    }
    let after = live.tree().and_then(|tree| tree.cpu());
    let cpu =
        before.zip(after).map(|(before, after)| micros(after.saturating_sub(before)) / as_float(times.len() as u64));
    Ok((times, cpu))
}

#[allow(clippy::cast_precision_loss)]
fn as_float(count: u64) -> f64 {
    count as f64
}
