use quarrel_checkers::{F, Site};
use serde::Serialize;

use crate::report::{OperationEnd, View};

/// How many bins lie along the time axis of a plot.
pub(in crate::report) const BINS: usize = 256;

/// What a run did, bin by bin. The names are those that the page reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(in crate::report) struct Series {
    /// Milliseconds in a bin.
    pub(in crate::report) bin_ms: f64,
    /// Completed reads in each bin.
    pub(in crate::report) reads: Vec<u32>,
    /// Acknowledged writes.
    pub(in crate::report) writes: Vec<u32>,
    /// Operations that failed, or nobody knows.
    pub(in crate::report) failed: Vec<u32>,
    /// Stale reads.
    pub(in crate::report) stale: Vec<u32>,
    /// The largest staleness in milliseconds.
    pub(in crate::report) worst_ms: Vec<f32>,
    /// Reads that say where their value came from.
    pub(in crate::report) sourced: Vec<u32>,
    /// Those among them that the cache answered.
    pub(in crate::report) hits: Vec<u32>,
    /// Median latency in milliseconds; negative where nothing ended.
    pub(in crate::report) p50_ms: Vec<f32>,
    /// 99 % are no slower.
    pub(in crate::report) p99_ms: Vec<f32>,
    /// The largest replica lag in milliseconds; negative where nobody looked.
    pub(in crate::report) lag_ms: Vec<f32>,
}

impl Series {
    /// Counts a run.
    pub(in crate::report) fn of(view: &View<'_>) -> Self {
        let span = view.end.as_nanos() as f64;
        let bin = |nanos: u64| ((nanos as f64 / span * BINS as f64) as usize).min(BINS - 1);
        let zeros = || vec![0; BINS];
        let mut series = Self {
            bin_ms: span / 1e6 / BINS as f64,
            reads: zeros(),
            writes: zeros(),
            failed: zeros(),
            stale: zeros(),
            sourced: zeros(),
            hits: zeros(),
            worst_ms: vec![0.0; BINS],
            lag_ms: vec![-1.0; BINS],
            ..Self::default()
        };
        let mut latencies: Vec<Vec<f32>> = vec![Vec::new(); BINS];
        for row in view.rows.iter() {
            let at = bin(row.start.as_nanos());
            match (row.ending, &row.f) {
                (OperationEnd::Ok, F::Read) => series.reads[at] += 1,
                (OperationEnd::Ok, _) => series.writes[at] += 1,
                _ => series.failed[at] += 1,
            }
            if let Some(source) = row.source {
                series.sourced[at] += 1;
                series.hits[at] += u32::from(source == Site::Cache);
            }
            if let Some(stale) = row.stale {
                series.stale[at] += 1;
                series.worst_ms[at] = series.worst_ms[at].max(stale.as_secs_f32() * 1e3);
            }
            if let Some(duration) = row.duration() {
                latencies[at].push(duration.as_secs_f32() * 1e3);
            }
        }
        for (at, lag) in &view.lag {
            let slot = &mut series.lag_ms[bin(at.as_nanos())];
            *slot = slot.max(lag.as_secs_f32() * 1e3);
        }
        for bin in &mut latencies {
            bin.sort_unstable_by(f32::total_cmp);
            series.p50_ms.push(quantile(bin, 0.5));
            series.p99_ms.push(quantile(bin, 0.99));
        }
        series
    }
}

/// By the nearest rank; -1 of nothing.
fn quantile(sorted: &[f32], share: f64) -> f32 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(-1.0)
}
