//! A user's own quarrel with a bug in it: the check of its workload panics.
//! Tests run it to see that nothing stays behind.

use std::{process::ExitCode, sync::Arc};

use quarrel_checkers::{HistoryRef, Verdict};
use quarrel_harness::strategy::{Generator, RegisterWorkload, Skew, Workload, WorkloadEntry};

struct Panics;

impl Workload for Panics {
    fn client(&self) -> Box<dyn Generator> {
        RegisterWorkload.client()
    }

    fn check(&self, _history: HistoryRef<'_>) -> Verdict {
        panic!("this check panics, as it was asked to");
    }
}

const PANICS: WorkloadEntry = WorkloadEntry {
    name: "panics",
    summary: "reads and writes of single keys, and a check that panics",
    keys: 20,
    skew: Skew(0.8),
    reads: 0.8,
    build: || Arc::new(Panics),
};

fn main() -> ExitCode {
    let mut catalogue = quarrel_workloads::catalogue();
    catalogue.workloads.push(PANICS);
    quarrel_harness::cli::main(catalogue)
}
