//! 10⁵ transactions in at most a second.

use std::hint::black_box;

use quarrel_checkers::{
    Budget, Checker, History,
    transactions::{Expected, ListAppend, RwRegister},
};

use crate::{
    histories,
    measure::{at_most, median},
};

pub(crate) fn isolation(count: u64, runs: usize) {
    let appends = histories::appends(count);
    let writes = histories::writes(count);
    for (name, expected) in [
        ("", Expected::Serializable),
        (", in real time", Expected::StrictSerializable),
        (", snapshot isolation", Expected::SnapshotIsolation),
        (", parallel snapshot isolation", Expected::ParallelSnapshotIsolation),
        (", update serializable", Expected::UpdateSerializable),
        (", causal convergence", Expected::CausalConvergence),
        (", causal", Expected::Causal),
        (", read atomic in sessions", Expected::StrongSessionReadAtomic),
        (", monotonic atomic view in sessions", Expected::StrongSessionMonotonicAtomicView),
    ] {
        let seconds = |checker: &dyn Checker, history: &History| {
            median(runs, || {
                black_box(checker.check(history, Budget::default()));
            }) / 1e9
        };
        let what = format!("{count} transactions on lists{name}");
        at_most("5", &what, 1.0, seconds(&ListAppend::expecting(expected), &appends), "s");
        let what = format!("{count} transactions on registers{name}");
        at_most("5", &what, 1.0, seconds(&RwRegister::expecting(expected), &writes), "s");
    }
}
