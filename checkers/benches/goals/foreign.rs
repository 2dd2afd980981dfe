//! Other tools' files of 10⁵ transactions and 10⁶ operations, from their text
//! to all that is said of them, as `quarrel check` does it.

use std::{hint::black_box, io::BufReader};

use quarrel_checkers::{
    Budget, JudgeOptions,
    formats::{self, Format, ImportOptions},
    judge,
    transactions::{Expected, ListAppend},
};

use crate::{
    histories,
    measure::{at_most, beside, median, peak_bytes},
};

const RUNS: usize = 3;

pub(crate) fn files() {
    let mut file = Vec::new();
    for (name, load, limit) in [
        ("another order of fields", histories::registers(), 0.35),
        ("one key, a fifth stale", histories::stale(), 1.5),
    ] {
        file.clear();
        histories::foreign(&load, &mut file).expect("there is room");
        let ladder = || {
            let input = BufReader::with_capacity(1 << 18, file.as_slice());
            let read = formats::read(input, &ImportOptions::default()).expect("it is a history");
            black_box(judge(&read.history, &read.probes, &JudgeOptions::default()));
        };
        measure(&format!("10^6 operations, {name}: the ladder"), limit, ladder);
    }
    for (name, history, limit) in [
        ("a serial store", histories::appends(100_000), 0.6),
        ("snapshots, one component", histories::snapshots(100_000), 2.0),
    ] {
        file.clear();
        formats::write(&history, Format::JsonLines, &mut file).expect("there is room");
        drop(history);
        let strict = || {
            let input = BufReader::with_capacity(1 << 18, file.as_slice());
            let read = formats::read(input, &ImportOptions::default()).expect("it is a history");
            let checker = ListAppend::expecting(Expected::StrictSerializable);
            black_box(checker.examine(&read.history, Budget::default()));
        };
        measure(&format!("10^5 transactions on lists, {name}: strict"), limit, strict);
        let reading = || {
            let input = BufReader::with_capacity(1 << 18, file.as_slice());
            black_box(formats::read(input, &ImportOptions::default()).expect("it is a history"));
        };
        beside("of which reading", median(RUNS, reading) / 1e9, "s");
    }
}

fn measure(what: &str, limit: f64, mut work: impl FnMut()) {
    at_most("file", what, limit, median(RUNS, &mut work) / 1e9, "s");
    at_most("file", "the same: memory", 200.0, peak_bytes(work) / 1e6, "MB");
}
