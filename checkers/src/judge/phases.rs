//! The same numbers by phases of the run: while which fault was on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Quantiles, SessionViolations,
    metrics::nanos,
    tally::{AtRisk, Hit},
};
use crate::{Class, Time};

/// A stretch of a run under one name, such as the time in which a fault was
/// on. Several stretches may share a name; they must not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its first instant.
    pub from: Time,
    /// The first instant after it.
    pub to: Time,
}

/// What [`Metrics`](super::Metrics) has of a whole run, of one phase: an
/// operation belongs to the phase in which it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseMetrics {
    /// The phase.
    pub name: String,
    /// How long its stretches are together.
    #[serde(rename = "length_ns", with = "nanos")]
    pub length: Duration,
    /// Completed reads.
    pub reads: u64,
    /// Those that could have been stale.
    pub reads_at_risk: u64,
    /// Stale reads.
    pub stale_reads: u64,
    /// Reads that came out of the cache.
    pub hits: u64,
    /// Stale reads among the hits.
    pub stale_hits: u64,
    /// Stale reads that did not come out of the cache.
    pub stale_misses: u64,
    /// Quantiles of staleness over the stale reads.
    pub staleness: Quantiles,
    /// Violations of what sessions may expect.
    pub sessions: SessionViolations,
}

/// Counts the reads of a run, or of one of its phases.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter {
    metrics: PhaseMetrics,
    staleness: Vec<Duration>,
}

impl Counter {
    /// A completed read.
    fn completed(&mut self, is_hit: Hit) {
        self.metrics.reads += 1;
        self.metrics.hits += u64::from(is_hit == Hit::Yes);
    }

    /// What was found of a completed read of a value that somebody wrote.
    fn judged(&mut self, is_at_risk: AtRisk, stale_for: Option<Duration>, is_hit: Hit) {
        self.metrics.reads_at_risk += u64::from(is_at_risk == AtRisk::Yes);
        let Some(stale_for) = stale_for else { return };
        self.metrics.stale_reads += 1;
        match is_hit {
            Hit::Yes => self.metrics.stale_hits += 1,
            Hit::No => self.metrics.stale_misses += 1,
        }
        self.staleness.push(stale_for);
    }

    fn merge(&mut self, other: Self) {
        let (metrics, others) = (&mut self.metrics, other.metrics);
        metrics.reads += others.reads;
        metrics.reads_at_risk += others.reads_at_risk;
        metrics.stale_reads += others.stale_reads;
        metrics.hits += others.hits;
        metrics.stale_hits += others.stale_hits;
        metrics.stale_misses += others.stale_misses;
        metrics.sessions += others.sessions;
        self.staleness.extend(other.staleness);
    }

    fn finish(mut self) -> (PhaseMetrics, Vec<Duration>) {
        self.staleness.sort_unstable();
        self.metrics.staleness = Quantiles::of(&self.staleness);
        (self.metrics, self.staleness)
    }
}

/// Counts of the whole run, and by phase. Operations outside every phase are
/// counted in the whole only.
#[derive(Clone, Debug, Default)]
pub(super) struct PhaseTally {
    whole: Counter,
    phases: Vec<Counter>,
    /// Beginnings, ascending, with their ends and the number of the phase.
    stretches: Vec<(Time, Time, usize)>,
}

impl PhaseTally {
    /// Phases in the order in which their names first occur.
    pub(super) fn new(phases: &[Phase]) -> Self {
        let mut tally = Self::default();
        for phase in phases {
            let known = tally.phases.iter().position(|known| known.metrics.name == phase.name);
            let number = known.unwrap_or_else(|| {
                let name = phase.name.clone();
                let metrics = PhaseMetrics { name, ..PhaseMetrics::default() };
                tally.phases.push(Counter { metrics, ..Counter::default() });
                tally.phases.len() - 1
            });
            tally.phases[number].metrics.length += phase.to.since(phase.from);
            tally.stretches.push((phase.from, phase.to, number));
        }
        tally.stretches.sort_unstable();
        tally
    }

    /// The counters of what began at `begin`.
    fn at(&mut self, begin: Time) -> impl Iterator<Item = &mut Counter> {
        let next = self.stretches.partition_point(|(from, ..)| *from <= begin);
        let phase = self.stretches[..next].last().filter(|(_, to, _)| begin < *to);
        let phase = phase.and_then(|(.., number)| self.phases.get_mut(*number));
        std::iter::once(&mut self.whole).chain(phase)
    }

    /// A completed read.
    pub(super) fn completed(&mut self, begin: Time, is_hit: Hit) {
        self.at(begin).for_each(|counter| counter.completed(is_hit));
    }

    /// What was found of a completed read of a value that somebody wrote.
    pub(super) fn judged(
        &mut self,
        begin: Time,
        is_at_risk: AtRisk,
        stale_for: Option<Duration>,
        is_hit: Hit,
    ) {
        self.at(begin).for_each(|counter| counter.judged(is_at_risk, stale_for, is_hit));
    }

    /// A violation of what a session may expect.
    pub(super) fn session(&mut self, begin: Time, class: Class) {
        self.at(begin).for_each(|counter| counter.metrics.sessions.count(class));
    }

    /// Adds what was counted of other keys, by the same phases.
    pub(super) fn merge(&mut self, other: Self) {
        self.whole.merge(other.whole);
        for (phase, of) in self.phases.iter_mut().zip(other.phases) {
            phase.merge(of);
        }
    }

    /// Sums up: the whole run with the staleness of each stale read, ascending,
    /// and the phases.
    pub(super) fn finish(self) -> (PhaseMetrics, Vec<Duration>, Vec<PhaseMetrics>) {
        let (whole, staleness) = self.whole.finish();
        let phases = self.phases.into_iter().map(|phase| phase.finish().0).collect();
        (whole, staleness, phases)
    }
}
