//! How long does a person wait who is far away from the server? In round-trip times, since each of them is waiting.

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Run;
use crate::bridge::{END, excerpt};
use crate::cable::Cables;
use crate::messages::{self, Form, INITIALIZED, LISTS};
use crate::report::Metric;
use crate::subject::Live;

const FIRST: Metric = Metric::absolute("start of the process → first answer");
const AFTER_HANDSHAKE: Metric = Metric::absolute("3 lists at once right after the handshake");
const CALL: Metric = Metric::absolute("a call right after the handshake");
const CALL_WITHHELD: Metric = Metric::absolute("the same, no head of the GET stream comes");
const AFTER_SILENCE: Metric = Metric::absolute("a call after 8 s of silence");
const TEN_AFTER_SILENCE: Metric = Metric::absolute("10 calls at once after 8 s of silence");
const CONNECTIONS: Metric = Metric::absolute("TLS connections for these and 5 more calls");

/// The rows in order, and what the direct client needs if nothing but the cable delays it: TCP, TLS and the request, or the
/// request alone.
const LIMITS: [(Metric, f64); 6] = [
    (FIRST, 3.0),
    (AFTER_HANDSHAKE, 1.0),
    (CALL, 1.0),
    (CALL_WITHHELD, 1.0),
    (AFTER_SILENCE, 1.0),
    (TEN_AFTER_SILENCE, 1.0),
];

/// Longer than a client keeps an idle connection that the server may close at five seconds, as many do.
const SILENCE: Duration = Duration::from_secs(8);

/// One subject's session of twenty requests.
struct Session {
    subject: usize,
    live: Live,
    connections_before: u32,
}

impl Run<'_> {
    pub(super) fn cable(&mut self, cables: &Cables) {
        for (metric, _) in LIMITS {
            self.report.row(metric);
        }
        for _ in 0..self.rounds(5, 2) {
            for (withheld, metric) in [(false, CALL), (true, CALL_WITHHELD)] {
                cables.withhold_get(withheld);
                for subject in self.unfailed(metric) {
                    if let Err(why) = self.call_after_handshake(subject, metric, cables) {
                        self.report.fail(subject, metric.name, &why);
                    }
                }
            }
            cables.withhold_get(false);
            self.sessions(cables);
        }
        for (metric, limit) in LIMITS {
            let direct = self.report.median(metric, 0);
            if direct > limit + 0.2 {
                eprint!("[the machine is too busy: direct, {}: {direct:.2} instead of {limit}] ", metric.name);
            }
        }
    }

    /// The subjects that did not fail in this row so far.
    fn unfailed(&self, metric: Metric) -> Vec<usize> {
        (0..self.subjects.len()).filter(|subject| !self.report.failed_in(*subject, metric.name)).collect()
    }

    /// Opens a session, and adds the time to the report. The handshake lacks its notification.
    fn open_far(&mut self, subject: usize, cables: &Cables) -> Result<Live, String> {
        let (live, took) = self.subjects[subject].open_half(self.home)?;
        live.allow(Duration::from_secs(60) + 2 * SILENCE);
        self.report.add(FIRST, subject, took.div_duration_f64(cables.round_trip));
        Ok(live)
    }

    fn call_after_handshake(&mut self, subject: usize, metric: Metric, cables: &Cables) -> Result<(), String> {
        let mut live = self.open_far(subject, cables)?;
        let from = Instant::now();
        let answers = live.at_once(vec![INITIALIZED.into(), messages::echo(1, Form::Json).into()], 1)?;
        self.report.add(metric, subject, from.elapsed().div_duration_f64(cables.round_trip));
        check(&answers, 1..2)?;
        live.end(END);
        Ok(())
    }

    /// A session of twenty requests for each subject. All are silent at the same time.
    fn sessions(&mut self, cables: &Cables) {
        // Until then a connection of a session before may still arrive, and be counted.
        thread::sleep(2 * cables.round_trip);
        let mut sessions = Vec::new();
        for subject in self.unfailed(AFTER_HANDSHAKE) {
            let connections_before = cables.connections(subject);
            match self.open_with_lists(subject, cables) {
                Ok(live) => sessions.push(Session { subject, live, connections_before }),
                Err(why) => self.report.fail(subject, AFTER_HANDSHAKE.name, &why),
            }
        }
        self.calls_after_silence(&mut sessions, AFTER_SILENCE, 1..2, cables);
        self.calls_after_silence(&mut sessions, TEN_AFTER_SILENCE, 2..12, cables);
        for mut session in sessions {
            let mut last = || -> Result<(), String> {
                for id in 12..17 {
                    check(&[session.live.call(messages::echo(id, Form::Json).into())?], id..id + 1)?;
                }
                Ok(())
            };
            if let Err(why) = last() {
                self.report.fail(session.subject, "the last of the calls", &why);
                continue;
            }
            let connections = cables.connections(session.subject) - session.connections_before;
            self.report.add(CONNECTIONS, session.subject, f64::from(connections));
            session.live.end(END);
        }
    }

    fn open_with_lists(&mut self, subject: usize, cables: &Cables) -> Result<Live, String> {
        let mut live = self.open_far(subject, cables)?;
        let lists = (100..).zip(LISTS);
        let mut requests: Vec<Bytes> = vec![INITIALIZED.into()];
        requests.extend(lists.clone().map(|(id, (method, _))| messages::list(id, method).into()));
        let from = Instant::now();
        let answers = live.at_once(requests, LISTS.len())?;
        self.report.add(AFTER_HANDSHAKE, subject, from.elapsed().div_duration_f64(cables.round_trip));
        for (id, (method, member)) in lists {
            if !answers.iter().any(|answer| messages::is_list(answer, id, member)) {
                return Err(format!("no answer to {method}"));
            }
        }
        Ok(live)
    }

    /// Waits, then has every session send these calls at once. A session that fails ends.
    fn calls_after_silence(
        &mut self,
        sessions: &mut Vec<Session>,
        metric: Metric,
        ids: std::ops::Range<u64>,
        cables: &Cables,
    ) {
        thread::sleep(SILENCE);
        sessions.retain_mut(|session| {
            let requests: Vec<Bytes> = ids.clone().map(|id| messages::echo(id, Form::Json).into()).collect();
            let (count, from) = (requests.len(), Instant::now());
            let answers = session.live.at_once(requests, count);
            let took = from.elapsed().div_duration_f64(cables.round_trip);
            let outcome = answers.and_then(|answers| check(&answers, ids.clone()));
            match &outcome {
                Ok(()) => self.report.add(metric, session.subject, took),
                Err(why) => self.report.fail(session.subject, metric.name, why),
            }
            outcome.is_ok()
        });
    }
}

/// Whether these are the answers to the echo calls with these ids, in any order.
fn check(answers: &[Vec<u8>], ids: std::ops::Range<u64>) -> Result<(), String> {
    let mut echoed: Vec<_> = answers.iter().map(|answer| messages::echoed(answer)).collect();
    echoed.sort_unstable();
    if echoed == ids.map(Some).collect::<Vec<_>>() {
        return Ok(());
    }
    Err(format!("wrong answer: {}", answers.iter().map(|answer| excerpt(answer)).collect::<Vec<_>>().join(", ")))
}
