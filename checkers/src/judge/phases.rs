//! The same numbers by phases of the run: while which fault was on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Quantiles, SessionViolations, metrics::nanos, tally::Hit};
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

/// Counts by phase. Operations outside every phase are counted nowhere.
#[derive(Clone, Debug, Default)]
pub(super) struct PhaseTally {
    /// Beginnings, ascending, with their ends and the number of the phase.
    stretches: Vec<(Time, Time, usize)>,
    phases: Vec<PhaseMetrics>,
    /// By phase.
    staleness: Vec<Vec<Duration>>,
}

impl PhaseTally {
    /// Phases in the order in which their names first occur.
    pub(super) fn new(phases: &[Phase]) -> Self {
        let mut tally = Self::default();
        for phase in phases {
            let known = tally.phases.iter().position(|known| known.name == phase.name);
            let number = known.unwrap_or_else(|| {
                let name = phase.name.clone();
                tally.phases.push(PhaseMetrics { name, ..PhaseMetrics::default() });
                tally.phases.len() - 1
            });
            tally.phases[number].length += phase.to.since(phase.from);
            tally.stretches.push((phase.from, phase.to, number));
        }
        tally.stretches.sort_unstable();
        tally.staleness.resize(tally.phases.len(), Vec::new());
        tally
    }

    fn at(&self, begin: Time) -> Option<usize> {
        let next = self.stretches.partition_point(|(from, ..)| *from <= begin);
        let (_, to, number) = self.stretches[..next].last()?;
        (begin < *to).then_some(*number)
    }

    /// A completed read.
    pub(super) fn completed(&mut self, begin: Time, is_hit: Hit) {
        if let Some(number) = self.at(begin) {
            self.phases[number].reads += 1;
            self.phases[number].hits += u64::from(is_hit == Hit::Yes);
        }
    }

    /// What was found of a completed read of a value that somebody wrote.
    pub(super) fn judged(
        &mut self,
        begin: Time,
        at_risk: Option<Duration>,
        stale_for: Option<Duration>,
        is_hit: Hit,
    ) {
        let Some(number) = self.at(begin) else { return };
        let phase = &mut self.phases[number];
        phase.reads_at_risk += u64::from(at_risk.is_some());
        let Some(stale_for) = stale_for else { return };
        phase.stale_reads += 1;
        match is_hit {
            Hit::Yes => phase.stale_hits += 1,
            Hit::No => phase.stale_misses += 1,
        }
        self.staleness[number].push(stale_for);
    }

    /// A violation of what a session may expect.
    pub(super) fn session(&mut self, begin: Time, class: Class) {
        if let Some(number) = self.at(begin) {
            self.phases[number].sessions.count(class);
        }
    }

    /// Adds what was counted of other keys, by the same phases.
    pub(super) fn merge(&mut self, other: Self) {
        for (phase, of) in self.phases.iter_mut().zip(other.phases) {
            phase.reads += of.reads;
            phase.reads_at_risk += of.reads_at_risk;
            phase.stale_reads += of.stale_reads;
            phase.hits += of.hits;
            phase.stale_hits += of.stale_hits;
            phase.stale_misses += of.stale_misses;
            phase.sessions += of.sessions;
        }
        for (staleness, of) in self.staleness.iter_mut().zip(other.staleness) {
            staleness.extend(of);
        }
    }

    /// Sums up.
    pub(super) fn finish(mut self) -> Vec<PhaseMetrics> {
        for (phase, staleness) in self.phases.iter_mut().zip(&mut self.staleness) {
            staleness.sort_unstable();
            phase.staleness = Quantiles::of(staleness);
        }
        self.phases
    }
}
