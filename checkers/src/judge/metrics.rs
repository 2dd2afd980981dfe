use std::{ops::AddAssign, time::Duration};

use serde::{Deserialize, Serialize};

use super::PhaseMetrics;
use crate::{Class, Key, Site, Time, register::Delta};

/// How far a run came from the ideal, in numbers. The names are stable: they
/// are those of the JSON in a report. Durations are whole nanoseconds there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Keys that were operated on.
    pub keys: u64,
    /// Those of them whose values are ordered by the versions that the primary
    /// gave; those of the rest are ordered only as far as real time proves it.
    #[serde(default)]
    pub keys_by_version: u64,
    /// Those of the rest whose versions contradict real time, so that they order
    /// nothing: after a failover, if nobody told on which timeline they were given.
    #[serde(default)]
    pub keys_refuted: u64,
    /// Completed reads.
    pub reads: u64,
    /// Acknowledged writes, successful compare-and-sets and deletes among them.
    pub writes: u64,
    /// Writes of unknown outcome.
    pub indeterminate_writes: u64,
    /// Completed reads that could have been stale: at least one write of
    /// their key had been acknowledged before they began and, if the options
    /// set a risk window, the last such acknowledgement was at most so long
    /// before.
    pub reads_at_risk: u64,
    /// Reads that returned a value that had been overwritten, where the
    /// overwriting one had been acknowledged, or read, before they began.
    pub stale_reads: u64,
    /// The 95 % upper bound of the share of stale reads among those at risk
    /// (Clopper–Pearson's 3/n rule where none was stale, else Wilson); 1 if
    /// no read was at risk.
    pub stale_share_upper: f64,
    /// Reads that returned what a step of theirs found in the cache.
    pub hits: u64,
    /// Stale reads among the hits.
    pub stale_hits: u64,
    /// Stale reads that did not come out of the cache.
    pub stale_misses: u64,
    /// The stalest read's staleness.
    #[serde(rename = "worst_staleness_ns", with = "nanos")]
    pub worst_staleness: Duration,
    /// Quantiles of staleness over the stale reads.
    pub staleness: Quantiles,
    /// How many stale reads had which staleness; bins double in width.
    pub staleness_histogram: Vec<StalenessBin>,
    /// How much earlier every read would have to begin for the history to be
    /// linearizable: the largest over all keys.
    #[serde(rename = "delta_ns")]
    pub delta: Delta,
    /// The most acknowledged newer versions that a read missed. None if no
    /// versions are known.
    pub max_versions_behind: Option<u64>,
    /// The smallest `k` for which the history is k-atomic in the primary's
    /// order: one more than the most versions that a read was behind.
    pub k: Option<u64>,
    /// Reads of values that nobody wrote.
    pub phantom_reads: u64,
    /// Reads of values whose write had failed for certain.
    #[serde(default)]
    pub dirty_reads: u64,
    /// Reads of values whose write had not begun.
    pub future_reads: u64,
    /// Violations of what sessions may expect.
    pub sessions: SessionViolations,
    /// What the same history shows if nothing is known of versions: never more
    /// than the figures above. None in what was judged before this was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_values: Option<ByValues>,
    /// Acknowledged writes that are gone from the primary at the end.
    pub lost_updates: u64,
    /// From the probes during the run: intervals in which a store held an
    /// older version than the primary, longest first, as many as the options
    /// let witnesses be kept.
    pub divergence_windows: Vec<DivergenceWindow>,
    /// How many such intervals there were.
    pub divergence_window_count: u64,
    /// What the final probes say.
    pub convergence: Convergence,
    /// Probability that a read is stale by the time since the last
    /// acknowledged write (Bailis et al., VLDB 2012); empty bins are left out.
    pub pbs: Vec<PbsBin>,
    /// The same by phases of the run, if it was judged with phases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseMetrics>,
}

/// Quantiles of a duration; all zero if nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    #[serde(rename = "p50_ns", with = "nanos")]
    pub p50: Duration,
    /// 90 % are no larger.
    #[serde(rename = "p90_ns", with = "nanos")]
    pub p90: Duration,
    /// 99 % are no larger.
    #[serde(rename = "p99_ns", with = "nanos")]
    pub p99: Duration,
    /// The largest.
    #[serde(rename = "max_ns", with = "nanos")]
    pub max: Duration,
}

impl Quantiles {
    /// Of `sorted` durations, by the nearest rank.
    pub(super) fn of(sorted: &[Duration]) -> Self {
        let Some(&max) = sorted.last() else { return Self::default() };
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        Self { p50: rank(50), p90: rank(90), p99: rank(99), max }
    }
}

/// How many reads had a staleness of at least `from` and less than `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StalenessBin {
    /// The bin's lower edge.
    #[serde(rename = "from_ns", with = "nanos")]
    pub from: Duration,
    /// The bin's upper edge, excluded.
    #[serde(rename = "to_ns", with = "nanos")]
    pub to: Duration,
    /// Stale reads in it.
    pub reads: u64,
}

/// Violations of the four session guarantees (Terry et al., PDIS 1994). A
/// session is a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionViolations {
    /// Reads that missed an earlier write of their session.
    pub read_your_writes: u64,
    /// Reads older than an earlier read of their session.
    pub monotonic_reads: u64,
    /// Writes ordered before an earlier write of their session.
    pub monotonic_writes: u64,
    /// Writes ordered before what their session had read.
    pub writes_follow_reads: u64,
}

/// What values and real time prove by themselves: whatever versions say, none
/// of it can be taken back. Versions order writes that were under way at one
/// time, and may convict more; they never acquit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByValues {
    /// Reads of a value that was surely replaced: the write of another had
    /// begun after it was there, and had been acknowledged or read before they
    /// began.
    pub stale_reads: u64,
    /// Violations of what sessions may expect, in the same order.
    pub sessions: SessionViolations,
    /// Keys that no order of their values explains.
    pub keys_not_linearizable: u64,
    /// Keys of which values do not tell: they repeat, or nobody could decide.
    pub keys_undecided: u64,
}

impl AddAssign for ByValues {
    fn add_assign(&mut self, other: Self) {
        self.stale_reads += other.stale_reads;
        self.sessions += other.sessions;
        self.keys_not_linearizable += other.keys_not_linearizable;
        self.keys_undecided += other.keys_undecided;
    }
}

impl AddAssign for SessionViolations {
    fn add_assign(&mut self, other: Self) {
        self.read_your_writes += other.read_your_writes;
        self.monotonic_reads += other.monotonic_reads;
        self.monotonic_writes += other.monotonic_writes;
        self.writes_follow_reads += other.writes_follow_reads;
    }
}

impl SessionViolations {
    pub(super) const fn count(&mut self, class: Class) {
        match class {
            Class::ReadYourWrites => self.read_your_writes += 1,
            Class::NonMonotonicRead => self.monotonic_reads += 1,
            Class::NonMonotonicWrite => self.monotonic_writes += 1,
            _ => self.writes_follow_reads += 1,
        }
    }

    /// All four together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.read_your_writes
            + self.monotonic_reads
            + self.monotonic_writes
            + self.writes_follow_reads
    }
}

/// An interval in which a store was seen to hold an older version than the
/// primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DivergenceWindow {
    /// The key.
    pub key: Key,
    /// The store that was behind.
    pub site: Site,
    /// When the first probe that shows it ended.
    pub from: Time,
    /// When the first probe began that shows it over; none if it never was.
    pub to: Option<Time>,
    /// The most versions that it was behind.
    pub versions_behind: u64,
}

impl DivergenceWindow {
    /// How long it was at least; up to `end` if it never closed.
    #[must_use]
    pub fn length(&self, end: Time) -> Duration {
        self.to.unwrap_or(end).since(self.from)
    }
}

/// What the probes of the stores after the run say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Convergence {
    /// Keys with a final probe of the primary and of another store.
    pub keys_compared: u64,
    /// Those of them on which every store that holds the key agrees with the
    /// primary.
    pub keys_agreeing: u64,
    /// When the last disagreement that a probe saw was over; none if one
    /// never was, or if no probe saw one.
    pub since: Option<Time>,
}

impl Convergence {
    /// Whether the stores agree in the end; none if nothing was compared.
    #[must_use]
    pub const fn agree(&self) -> Option<bool> {
        if self.keys_compared == 0 { None } else { Some(self.keys_agreeing == self.keys_compared) }
    }
}

/// Reads that began so long after the last acknowledged write of their key.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PbsBin {
    /// The shortest time since the acknowledgement.
    #[serde(rename = "from_ns", with = "nanos")]
    pub from: Duration,
    /// The longest, excluded.
    #[serde(rename = "to_ns", with = "nanos")]
    pub to: Duration,
    /// Reads in the bin.
    pub reads: u64,
    /// Stale ones among them.
    pub stale: u64,
    /// Lower end of the 95 % Wilson interval of the probability.
    pub wilson_low: f64,
    /// Upper end of it.
    pub wilson_high: f64,
}

/// The 95 % Wilson score interval of a probability, after `hits` of `trials`,
/// to six decimals; all of [0, 1] if nothing was tried.
///
/// ```
/// let (low, high) = quarrel_checkers::wilson(5, 10);
/// assert!((low - 0.2366).abs() < 1e-4 && (high - 0.7634).abs() < 1e-4);
/// ```
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^52 do not occur")]
pub fn wilson(hits: u64, trials: u64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let z = 1.959_963_984_540_054_f64;
    let n = trials as f64;
    let p = hits as f64 / n;
    let z2 = z * z;
    let centre = p + z2 / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    let round = |p: f64| (p.clamp(0.0, 1.0) * 1e6).round() / 1e6;
    (round((centre - spread) / scale), round((centre + spread) / scale))
}

/// Durations as whole nanoseconds.
pub(super) mod nanos {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interval holds the probabilities from which what was observed is
    /// less than z standard deviations away; its ends are those that are just
    /// as far (Wilson 1927).
    #[test]
    fn wilsons_bounds_are_as_far_as_they_should_be() {
        for trials in [1, 2, 7, 10, 100, 12_345] {
            for hits in [0, 1, trials / 3, trials / 2, trials - 1, trials] {
                let (low, high) = wilson(hits, trials);
                let (n, seen) = (trials as f64, hits as f64 / trials as f64);
                assert!(low <= seen && seen <= high, "{hits} of {trials}: {low}..{high}");
                for bound in [low, high] {
                    if bound == seen {
                        assert!(hits == 0 || hits == trials, "{hits} of {trials}: {low}..{high}");
                        continue;
                    }
                    assert!(bound > 0.0 && bound < 1.0, "{hits} of {trials}: {low}..{high}");
                    let far = (seen - bound).abs();
                    let deviation = (bound * (1.0 - bound) / n).sqrt();
                    // Six decimals are kept.
                    let slack = 1e-6 + 1e-6 * far / (bound * (1.0 - bound));
                    assert!((far - 1.959_964 * deviation).abs() < slack, "{hits} of {trials}");
                }
            }
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(wilson(0, 10), (0.0, 0.277_533));
        assert_eq!(wilson(10, 10), (0.722_467, 1.0));
    }

    #[test]
    fn a_quantile_is_the_least_that_so_many_do_not_exceed() {
        let of = |count: u64| {
            let sorted: Vec<Duration> = (1..=count).map(Duration::from_nanos).collect();
            let Quantiles { p50, p90, p99, max } = Quantiles::of(&sorted);
            [p50, p90, p99, max].map(|quantile| quantile.as_nanos())
        };
        assert_eq!(of(0), [0, 0, 0, 0]);
        assert_eq!(of(1), [1, 1, 1, 1]);
        assert_eq!(of(2), [1, 2, 2, 2]);
        assert_eq!(of(10), [5, 9, 10, 10]);
        assert_eq!(of(100), [50, 90, 99, 100]);
        assert_eq!(of(1_000), [500, 900, 990, 1_000]);
    }

    #[test]
    fn stores_agree_if_all_that_were_compared_do() {
        let compared = |compared, agreeing| Convergence {
            keys_compared: compared,
            keys_agreeing: agreeing,
            since: None,
        };
        assert_eq!(compared(0, 0).agree(), None);
        assert_eq!(compared(3, 2).agree(), Some(false));
        assert_eq!(compared(3, 3).agree(), Some(true));
    }
}
