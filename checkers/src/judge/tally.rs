//! Numbers as they come in, key by key.

use std::time::Duration;

use super::{
    ByValues, JudgeOptions, Metrics, PbsBin, StalenessBin, keyed::Keyed, metrics::wilson,
    phases::PhaseTally, reads::Order,
};
use crate::{Class, Key, Time};

/// Edges of the bins of the PBS curve, in microseconds; the last bin is open.
const PBS_EDGES_US: [u64; 17] = [
    0, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// What is gathered over all keys.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) metrics: Metrics,
    /// Reads and sessions.
    reads: PhaseTally,
    pbs: [(u64, u64); PBS_EDGES_US.len()],
    /// Why the history could not be read at all.
    pub(super) unreadable: Option<String>,
    /// Transactions, which are judged elsewhere.
    pub(super) transactions: usize,
    /// Keys on which linearizability was not decided, and why for the first.
    pub(super) undecided_keys: u64,
    pub(super) undecided: Option<String>,
    /// Keys that are not linearizable.
    pub(super) violated_keys: u64,
    /// Writes that got a lower version than had been seen before they began.
    pub(super) misordered: u64,
    /// Those of the violated and of the undecided ones whose order of values is not
    /// known completely.
    pub(super) unordered_keys: u64,
    /// Those of these whose versions contradict real time.
    pub(super) unordered_refuted: u64,
    /// What values prove without versions.
    pub(super) by_values: ByValues,
}

impl Tally {
    /// Nothing counted yet, of a run with these phases.
    pub(super) fn of(phases: &PhaseTally) -> Self {
        Self { reads: phases.clone(), ..Self::default() }
    }

    /// Counts the operations of a key.
    pub(super) fn count(&mut self, keyed: &Keyed) {
        let metrics = &mut self.metrics;
        metrics.keys += 1;
        for entry in &keyed.entries {
            let counter = match (entry.is_read(), entry.complete) {
                // Counted one by one, as they are judged.
                (true, _) => continue,
                (false, Some(_)) => &mut metrics.writes,
                (false, None) => &mut metrics.indeterminate_writes,
            };
            *counter += 1;
        }
    }

    /// Adds what was counted of other keys, which come after these.
    pub(super) fn merge(&mut self, other: Self) {
        let (metrics, others) = (&mut self.metrics, other.metrics);
        metrics.keys += others.keys;
        metrics.keys_by_version += others.keys_by_version;
        metrics.keys_refuted += others.keys_refuted;
        metrics.writes += others.writes;
        metrics.indeterminate_writes += others.indeterminate_writes;
        metrics.delta = metrics.delta.max(others.delta);
        metrics.max_versions_behind = metrics.max_versions_behind.max(others.max_versions_behind);
        metrics.k = metrics.k.max(others.k);
        metrics.phantom_reads += others.phantom_reads;
        metrics.dirty_reads += others.dirty_reads;
        metrics.future_reads += others.future_reads;
        self.reads.merge(other.reads);
        for (bin, (reads, stale)) in self.pbs.iter_mut().zip(other.pbs) {
            *bin = (bin.0 + reads, bin.1 + stale);
        }
        self.undecided_keys += other.undecided_keys;
        self.undecided = self.undecided.take().or(other.undecided);
        self.violated_keys += other.violated_keys;
        self.misordered += other.misordered;
        self.unordered_keys += other.unordered_keys;
        self.unordered_refuted += other.unordered_refuted;
        self.by_values += other.by_values;
    }

    /// Linearizability of a key was not decided.
    pub(super) fn undecided(&mut self, why: String) {
        self.undecided_keys += 1;
        self.undecided.get_or_insert(why);
    }

    /// A key is not linearizable.
    pub(super) const fn violated(&mut self) {
        self.violated_keys += 1;
    }

    /// The order of a key's values is not known completely.
    pub(super) fn unordered(&mut self, order: &Order) {
        self.unordered_keys += 1;
        self.unordered_refuted += u64::from(order.is_refuted());
    }

    /// A completed read, and whether it came out of the cache.
    pub(super) fn completed(&mut self, begin: Time, is_hit: Hit) {
        self.reads.completed(begin, is_hit);
    }

    /// A completed read that began at `begin`; `at_risk` is the time since the
    /// last acknowledged write, if it could have been stale.
    pub(super) fn read(
        &mut self,
        begin: Time,
        at_risk: Option<Duration>,
        stale_for: Option<Duration>,
        is_hit: Hit,
    ) {
        let is_at_risk = if at_risk.is_some() { AtRisk::Yes } else { AtRisk::No };
        self.reads.judged(begin, is_at_risk, stale_for, is_hit);
        if let Some(since) = at_risk {
            let micros = since.as_micros();
            let bin = PBS_EDGES_US.partition_point(|&edge| u128::from(edge) <= micros) - 1;
            self.pbs[bin].0 += 1;
            self.pbs[bin].1 += u64::from(stale_for.is_some());
        }
    }

    /// How many versions some read of a key was behind.
    pub(super) fn behind(&mut self, versions: u64) {
        let most = self.metrics.max_versions_behind.unwrap_or(0).max(versions);
        self.metrics.max_versions_behind = Some(most);
        self.metrics.k = Some(most + 1);
    }

    /// A read of what nobody wrote, or not yet.
    pub(super) fn impossible(&mut self, class: Class) {
        match class {
            Class::FutureRead => self.metrics.future_reads += 1,
            Class::DirtyRead => self.metrics.dirty_reads += 1,
            _ => self.metrics.phantom_reads += 1,
        }
    }

    /// A violation of what a session may expect.
    pub(super) fn session(&mut self, begin: Time, class: Class) {
        self.reads.session(begin, class);
    }

    /// Sums up.
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^52 do not occur")]
    pub(super) fn finish(&mut self, options: &JudgeOptions) {
        let (whole, staleness, phases) = std::mem::take(&mut self.reads).finish();
        self.by_values.keys_not_linearizable = self.violated_keys;
        self.by_values.keys_undecided = self.undecided_keys;
        let metrics = &mut self.metrics;
        metrics.by_values = Some(self.by_values);
        metrics.phases = phases;
        metrics.reads = whole.reads;
        metrics.reads_at_risk = whole.reads_at_risk;
        metrics.stale_reads = whole.stale_reads;
        metrics.hits = whole.hits;
        metrics.stale_hits = whole.stale_hits;
        metrics.stale_misses = whole.stale_misses;
        metrics.sessions = whole.sessions;
        metrics.staleness = whole.staleness;
        metrics.worst_staleness = whole.staleness.max;
        metrics.staleness_histogram = histogram(&staleness);
        metrics.divergence_windows.truncate(options.max_anomalies);
        metrics.stale_share_upper = match (metrics.stale_reads, metrics.reads_at_risk) {
            (_, 0) => 1.0,
            // The rule of three.
            (0, reads) => (3.0 / reads as f64).min(1.0),
            (stale, reads) => wilson(stale.min(reads), reads).1,
        };
        let upper = PBS_EDGES_US[1..].iter().copied().map(Duration::from_micros);
        let edges = PBS_EDGES_US.iter().copied().map(Duration::from_micros);
        let bins = edges.zip(upper.chain([Duration::from_nanos(u64::MAX)])).zip(self.pbs);
        let full = bins.filter(|(_, (reads, _))| *reads > 0);
        metrics.pbs = full
            .map(|((from, to), (reads, stale))| {
                let (wilson_low, wilson_high) = wilson(stale, reads);
                PbsBin { from, to, reads, stale, wilson_low, wilson_high }
            })
            .collect();
    }
}

/// Whether a read came out of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hit {
    Yes,
    No,
}

/// Whether a read could have been stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtRisk {
    Yes,
    No,
}

/// A key in a sentence.
pub(super) fn name(key: Option<Key>) -> String {
    key.map_or_else(|| "the register".to_owned(), |key| format!("key {key}"))
}

/// Bins of doubling width; empty ones are left out.
fn histogram(sorted: &[Duration]) -> Vec<StalenessBin> {
    let mut bins: Vec<StalenessBin> = Vec::new();
    for stale_for in sorted {
        if let Some(bin) = bins.last_mut().filter(|bin| *stale_for < bin.to) {
            bin.reads += 1;
            continue;
        }
        let nanos = u64::try_from(stale_for.as_nanos()).unwrap_or(u64::MAX);
        let from: u64 = nanos.checked_ilog2().map_or(0, |log| 1 << log);
        let to = from.checked_mul(2).map_or(u64::MAX, |to| to.max(1));
        bins.push(StalenessBin {
            from: Duration::from_nanos(from),
            to: Duration::from_nanos(to),
            reads: 1,
        });
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bins begin and end at powers of two; the first holds what is nothing.
    #[test]
    fn every_staleness_is_in_the_bin_that_holds_it() {
        let sorted = [0, 0, 1, 2, 3, 4, 7, 8, 1_000, u64::MAX].map(Duration::from_nanos);
        let bins = histogram(&sorted);
        let told: Vec<_> =
            bins.iter().map(|b| (b.from.as_nanos(), b.to.as_nanos(), b.reads)).collect();
        let (half, end) = (u128::from(1_u64 << 63), u128::from(u64::MAX));
        assert_eq!(
            told,
            [
                (0, 1, 2),
                (1, 2, 1),
                (2, 4, 2),
                (4, 8, 2),
                (8, 16, 1),
                (512, 1_024, 1),
                (half, end, 1),
            ]
        );
        assert!(histogram(&[]).is_empty());
    }

    #[test]
    fn a_key_has_a_name_and_the_only_register_too() {
        assert_eq!(name(Some(Key(7))), "key 7");
        assert_eq!(name(None), "the register");
    }
}
