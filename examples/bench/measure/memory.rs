//! How much memory does one process need, idle and after work? How much do twenty need?

use std::thread;
use std::time::{Duration, Instant};

use super::{Run, millis};
use crate::bridge::Bridge;
use crate::report::Metric;
use crate::subject::Way;

const IDLE: Metric = Metric::less("idle memory (RSS), MiB");
const IDLE_SHARE: Metric = Metric::less("idle memory (PSS), MiB");
const PEAK: Metric = Metric::less("peak memory, 64 calls in flight, MiB");
const FLEET_START: Metric = Metric::less("20 at once, all answered, ms");
const FLEET: Metric = Metric::less("20 idle, memory (RSS), MiB");
const FLEET_SHARE: Metric = Metric::less("20 idle, memory (PSS), MiB");
const INSTANCES: usize = 20;

/// After this time a process is taken to be idle: nothing shows the moment.
const SETTLE: Duration = Duration::from_millis(500);

impl Run<'_> {
    pub(super) fn memory(&mut self) {
        for _ in 0..self.rounds(5, 2) {
            let mut open = self.open_all("memory");
            thread::sleep(SETTLE);
            for (subject, slot) in open.iter_mut().enumerate() {
                let Some((live, tree)) = slot.as_mut().and_then(|live| live.tree().map(|tree| (live, tree))) else {
                    continue;
                };
                self.add_some(IDLE, subject, tree.resident());
                self.add_some(IDLE_SHARE, subject, tree.proportional());
                match live.in_flight(1, 2000, 64) {
                    Ok(()) => self.add_some(PEAK, subject, tree.peak()),
                    Err(why) => self.report.fail(subject, "memory", &why),
                }
            }
        }
    }

    pub(super) fn fleet(&mut self) {
        for _ in 0..self.rounds(3, 1) {
            for subject in 0..self.subjects.len() {
                if let Err(why) = self.fleet_of(subject) {
                    self.report.fail(subject, "fleet", &why);
                }
            }
        }
    }

    fn fleet_of(&mut self, subject: usize) -> Result<(), String> {
        let Way::Bridge(launch) = &self.subjects[subject].way else {
            return Ok(());
        };
        let from = Instant::now();
        let started: Result<Vec<_>, _> = (0..INSTANCES).map(|_| Bridge::start(launch, self.home)).collect();
        let mut fleet = started?;
        for bridge in &mut fleet {
            bridge.await_initialized()?;
        }
        self.report.add(FLEET_START, subject, millis(from.elapsed()));
        for bridge in &mut fleet {
            bridge.send_initialized()?;
        }
        thread::sleep(SETTLE);
        let trees: Vec<_> = fleet.iter().filter_map(Bridge::tree).collect();
        self.add_some(FLEET, subject, trees.iter().map(|tree| tree.resident()).sum());
        self.add_some(FLEET_SHARE, subject, trees.iter().map(|tree| tree.proportional()).sum());
        Ok(())
    }

    pub(super) fn add_some(&mut self, metric: Metric, subject: usize, sample: Option<f64>) {
        if let Some(sample) = sample {
            self.report.add(metric, subject, sample);
        }
    }
}
