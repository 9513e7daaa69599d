//! What was measured? A table of medians, with the best in brackets, and as multiples of the floor or a direct client.

use std::fmt::Write;

use crate::chart;
use crate::subject::Subject;

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub more_is_better: bool,
    /// Whether the table shows multiples, too.
    compared: bool,
}

impl Metric {
    pub const fn less(name: &'static str) -> Self {
        Self { name, more_is_better: false, compared: true }
    }

    pub const fn more(name: &'static str) -> Self {
        Self { name, more_is_better: true, compared: true }
    }

    /// Less is better, and the number itself tells enough.
    pub const fn absolute(name: &'static str) -> Self {
        Self { name, more_is_better: false, compared: false }
    }

    fn best(self, samples: &[f64]) -> f64 {
        let fold = if self.more_is_better { f64::max } else { f64::min };
        samples.iter().copied().reduce(fold).unwrap_or(f64::NAN)
    }

    /// The cost of this as a multiple of that.
    fn ratio(self, this: f64, that: f64) -> f64 {
        if self.more_is_better { that / this } else { this / that }
    }
}

pub struct Report {
    subjects: Vec<String>,
    rows: Vec<(Metric, Vec<Vec<f64>>)>,
    failures: Vec<(usize, String)>,
}

impl Report {
    pub fn new(subjects: &[Subject]) -> Self {
        let subjects = subjects.iter().map(|subject| subject.name.clone()).collect();
        Self { subjects, rows: Vec::new(), failures: Vec::new() }
    }

    pub fn add(&mut self, metric: Metric, subject: usize, sample: f64) {
        let row = self.row(metric);
        self.rows[row].1[subject].push(sample);
    }

    /// The index of the row, which is below the others if it is new.
    pub fn row(&mut self, metric: Metric) -> usize {
        self.rows.iter().position(|(known, _)| *known == metric).unwrap_or_else(|| {
            self.rows.push((metric, vec![Vec::new(); self.subjects.len()]));
            self.rows.len() - 1
        })
    }

    pub fn fail(&mut self, subject: usize, what: &str, why: &str) {
        eprint!("[{}: {what}: {why}] ", self.subjects[subject]);
        self.failures.push((subject, format!("{what}: {why}")));
    }

    pub fn median(&self, metric: Metric, subject: usize) -> f64 {
        let row = self.rows.iter().find(|(known, _)| *known == metric);
        row.map_or(f64::NAN, |(_, samples)| percentile(&samples[subject], 50.0))
    }

    pub fn failed(&self, subject: usize) -> bool {
        self.failures.iter().any(|(failed, _)| *failed == subject)
    }

    /// Whether it failed in a measurement whose name contains this word.
    pub fn failed_in(&self, subject: usize, word: &str) -> bool {
        self.failures.iter().any(|(failed, what)| *failed == subject && what.contains(word))
    }

    /// The table. Each subject is compared with those of these indexes, which come before it, under these names.
    pub fn table(&self, title: &str, bases: &[(usize, &str)]) -> String {
        let mut out = String::new();
        let _ = write!(out, "{title:44}");
        for name in &self.subjects {
            let _ = write!(out, "{name:>22}");
        }
        out.push('\n');
        for (metric, samples) in &self.rows {
            let values: Vec<Option<(f64, f64)>> = samples
                .iter()
                .map(|samples| (!samples.is_empty()).then(|| (percentile(samples, 50.0), metric.best(samples))))
                .collect();
            line(&mut out, metric.name, &values);
            for &(to, name) in bases.iter().filter(|_| metric.compared) {
                let Some(base) = values[to] else { continue };
                let ratios: Vec<_> = (values.iter().enumerate())
                    .map(|(subject, value)| {
                        let (median, best) = value.filter(|_| subject > to)?;
                        Some((metric.ratio(median, base.0), metric.ratio(best, base.1)))
                    })
                    .collect();
                if ratios.iter().any(Option::is_some) {
                    line(&mut out, &format!("    × {name}"), &ratios);
                }
            }
        }
        for (subject, why) in &self.failures {
            let _ = writeln!(out, "FAILED {}: {why}", self.subjects[*subject]);
        }
        out
    }

    /// The best rounds as a chart.
    pub fn chart(&self, title: &str) -> String {
        let rows = self.rows.iter().map(|(metric, samples)| {
            let best = |samples: &Vec<f64>| (!samples.is_empty()).then(|| metric.best(samples));
            (metric.name.to_owned(), samples.iter().map(best).collect())
        });
        chart::svg(title, &self.subjects, &rows.collect::<Vec<_>>())
    }
}

fn line(out: &mut String, label: &str, values: &[Option<(f64, f64)>]) {
    let _ = write!(out, "{label:44}");
    for value in values {
        let cell = value.map_or("–".to_owned(), |(median, best)| format!("{} ({})", short(median), short(best)));
        let _ = write!(out, "{cell:>22}");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

fn short(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The sample below which this percentage of the samples lies.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
pub fn percentile(samples: &[f64], percent: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * percent / 100.0).round() as usize).copied().unwrap_or(f64::NAN)
}
