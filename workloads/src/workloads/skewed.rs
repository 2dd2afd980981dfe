use std::sync::Arc;

use quarrel_harness::strategy::{Generator, RegisterWorkload, Skew, Workload, WorkloadEntry};

/// Many keys, few of them hot: the cold ones are misses, evicted and expired,
/// the hot ones meet every race.
#[derive(Clone, Copy, Debug)]
pub struct Skewed;

pub(super) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "skewed",
    summary: "reads and writes of a thousand keys, the first of which get most of them",
    keys: 1_000,
    skew: Skew(1.1),
    reads: 0.9,
    build: || Arc::new(Skewed),
};

impl Workload for Skewed {
    fn client(&self) -> Box<dyn Generator> {
        RegisterWorkload.client()
    }
}
