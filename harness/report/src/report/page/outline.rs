use quarrel_checkers::{F, Time};
use serde::Serialize;

use super::pack::pack;
use crate::report::{OperationEnd, OperationRow, View};

/// Stretches of time in the outline of a lane; the script's coarse level has
/// as many.
const COARSE: usize = 4096;
/// The cloud of latencies: columns and rows, as in the script.
const GRID: (usize, usize) = (2048, 72);

/// What lanes did, in bits, as the script has them.
const HAS_READ: u8 = 1;
const HAS_WRITE: u8 = 2;
const HAS_LOST: u8 = 4;
const HAS_STALE: u8 = 8;

/// What is seen from afar of the operations that a page does not carry: the
/// level of detail that the script would have made of them.
pub(super) struct Outline {
    lanes: Vec<u8>,
    cloud: Vec<u8>,
    /// The ends of the axis of latencies.
    pub(super) scale: Scale,
}

/// From the fastest operation of the run to the slowest, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Scale {
    low_ms: f64,
    high_ms: f64,
}

impl Outline {
    /// Of the rows that are not kept. `unit` turns times into those of the
    /// page, `end` is the run's in them.
    pub(super) fn of(
        view: &View<'_>,
        is_kept: &[bool],
        unit: impl Fn(Time) -> u32,
        end: u32,
    ) -> Self {
        let scale = Scale::of(view);
        let mut outline = Self {
            lanes: vec![0; view.lanes.len() * COARSE],
            cloud: vec![0; GRID.0 * GRID.1],
            scale,
        };
        let bin = |time: Time, bins: usize| {
            let share = f64::from(unit(time)) / (f64::from(end) + 1.0);
            ((share * bins as f64) as usize).min(bins - 1)
        };
        let left_out = view.rows.iter().zip(is_kept).filter(|(_, kept)| !**kept);
        for (row, _) in left_out {
            let has = trait_of(&row);
            let lane = usize::from(row.lane) * COARSE;
            let to = row.end.map_or(COARSE - 1, |end| bin(end, COARSE));
            for at in bin(row.start, COARSE)..=to {
                outline.lanes[lane + at] |= has;
            }
            if let Some(took) = row.duration() {
                let y = scale.row(took.as_secs_f64() * 1e3);
                outline.cloud[y * GRID.0 + bin(row.start, GRID.0)] |= has;
            }
        }
        outline
    }

    /// The columns of the page that carry it.
    pub(super) fn packed(&self) -> [(&'static str, String); 2] {
        let bytes = |column: &[u8]| pack(column.iter().map(|byte| [*byte]));
        [("rest", bytes(&self.lanes)), ("restCloud", bytes(&self.cloud))]
    }
}

impl Scale {
    fn of(view: &View<'_>) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for took in view.rows.iter().filter_map(|row| row.duration()) {
            least = least.min(took.as_secs_f64() * 1e3);
            most = most.max(took.as_secs_f64() * 1e3);
        }
        let low_ms = if least.is_finite() { least.max(0.01) } else { 1.0 };
        Self { low_ms, high_ms: (most * 1.1).max(low_ms * 10.0) }
    }

    /// Which row of the cloud a latency is in; the slowest is the first.
    fn row(self, ms: f64) -> usize {
        let share = (ms.max(self.low_ms) / self.low_ms).ln() / (self.high_ms / self.low_ms).ln();
        GRID.1 - 1 - (share.clamp(0.0, 1.0) * (GRID.1 - 1) as f64).round() as usize
    }
}

fn trait_of(row: &OperationRow) -> u8 {
    match (row.stale, row.ending, &row.f) {
        (Some(_), ..) => HAS_STALE,
        (None, OperationEnd::Failed | OperationEnd::Unknown, _) => HAS_LOST,
        (None, OperationEnd::Ok, F::Read) => HAS_READ,
        (None, OperationEnd::Ok, _) => HAS_WRITE,
    }
}
