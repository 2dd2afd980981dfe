//! G8: recorded histories of other projects, where they lie beside the clone.

use std::{fs, hint::black_box};

use quarrel_checkers::{
    Budget, Checker, History, Model, Op, Value,
    formats::{self, ImportOptions},
    models,
    search::{Failures, Linearizable, Partition, Witness},
};

use crate::measure::{at_least, at_most, beside, median};

/// Histories so short that many checks are timed together.
const BATCH: u32 = 400;

/// Logs in the published comparison; fewer lie beside the clone.
const PUBLISHED_LOGS: f64 = 102.0;

pub(crate) fn logs(runs: usize) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/histories/porcupine");
    let Ok(verdicts) = fs::read_to_string(format!("{folder}/verdicts.txt")) else {
        println!("G8   not measured: no corpus at {folder}");
        return;
    };
    let read = |name: &str| -> History {
        let bytes = fs::read(format!("{folder}/{name}")).expect("the corpus is complete");
        formats::parse(&bytes, &ImportOptions::default()).expect("it is a history").history
    };
    let names = verdicts.lines().filter_map(|line| line.split(' ').next());
    let mut times: Vec<(f64, &str)> =
        names.map(|name| (etcd(&read(&format!("{name}.log")), runs), name)).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = times.len() as f64;
    let total: f64 = times.iter().map(|(ns, _)| ns).sum();
    let (median_ns, _) = times[times.len() / 2];
    let (slowest, slowest_name) = times[times.len() - 1];
    // Each log against what was published of all.
    let what = format!("{count} etcd logs together (30 ms for {PUBLISHED_LOGS})");
    at_most("G8", &what, (30.0 * count / PUBLISHED_LOGS * 10.0).round() / 10.0, total / 1e6, "ms");
    at_most("G8", "their median; Porcupine's was 126 us", 126.0, median_ns / 1e3, "us");
    let what = format!("the slowest, {slowest_name}; Porcupine's took 218 ms");
    at_most("G8", &what, 218e3, slowest / 1e3, "us");
    let beyond = times.iter().filter(|(ns, _)| *ns > 126e3).count();
    beside("logs that take longer than Porcupine's median", beyond as f64, "");
    one_by_one(&times);

    let [ok, bad] = ["kv-c10-ok.txt", "kv-c10-bad.txt"].map(read);
    let by_key = |history: &History| kv(models::Map, Partition::ByKey, history, BATCH, runs);
    let whole = |history: &History| kv(models::Map, Partition::Whole, history, BATCH / 10, runs);
    let untold = |history: &History| kv(Untold, Partition::Whole, history, 1, runs);
    let what = "kv c10-ok by key; Porcupine: 0.80 ms";
    at_most("G8", what, 0.8, by_key(&ok), "ms");
    let what = "kv c10-bad by key; Porcupine: 0.88 ms";
    at_most("G8", what, 0.88, by_key(&bad), "ms");
    let what = "kv c10-ok, not partitioned; Porcupine: 2,893 ms";
    at_most("G8", what, 290.0, whole(&ok), "ms");
    at_most("G8", "the same, not told what commutes", 290.0, untold(&ok), "ms");
    let what = "kv c10-bad, not partitioned; Porcupine: 3,781 ms";
    at_most("G8", what, 3_781.0, whole(&bad), "ms");
    at_most("G8", "the same, not told what commutes", 3_781.0, untold(&bad), "ms");
}

/// Each log against another checker's time for it on this machine, if there
/// are such: `PEER_TIMES` names a file with a line `etcd_000 126000` for each
/// log, in nanoseconds.
fn one_by_one(times: &[(f64, &str)]) {
    let Ok(file) = std::env::var("PEER_TIMES") else {
        println!("     log by log: not measured, for PEER_TIMES names no file of a peer's times");
        return;
    };
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let of_peer = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        line.unwrap_or_else(|| panic!("{file}: expected a line `{name} NANOSECONDS`"))
    };
    let mut ratios: Vec<(f64, &str)> =
        times.iter().map(|(ns, name)| (of_peer(name) / ns, *name)).collect();
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (least, closest) = ratios[0];
    at_least("G8", &format!("the peer's time over ours, least: {closest}"), 1.0, least, "x");
    beside("the same, median", ratios[ratios.len() / 2].0, "x");
    beside("the same, most", ratios[ratios.len() - 1].0, "x");
}

/// Milliseconds for one history, `batch` of which are timed together.
fn kv<M: Model + Copy>(
    model: M,
    partition: Partition,
    history: &History,
    batch: u32,
    runs: usize,
) -> f64 {
    let checker = Linearizable::new(model).partition(partition).witness(Witness::Omitted);
    let time = median(runs, || {
        for _ in 0..batch {
            black_box(checker.check(history, Budget { steps: u64::MAX }));
        }
    });
    time / f64::from(batch) / 1e6
}

/// The map without a word on which of its operations commute, as a user's own
/// model may be.
#[derive(Clone, Copy)]
struct Untold;

impl Model for Untold {
    type State = models::Texts;

    fn initial(&self) -> Self::State {
        models::Map.initial()
    }

    fn step(&self, state: &Self::State, op: &Op, response: Option<&Value>) -> Option<Self::State> {
        models::Map.step(state, op, response)
    }

    fn is_observation(&self, op: &Op, response: Option<&Value>) -> bool {
        models::Map.is_observation(op, response)
    }
}

/// Nanoseconds for one log.
fn etcd(history: &History, runs: usize) -> f64 {
    let checker = Linearizable::new(models::CasRegister)
        .failures(Failures::Observed)
        .witness(Witness::Omitted);
    // The clock ticks too slowly for a single one.
    let batch = median(runs, || {
        for _ in 0..BATCH {
            black_box(checker.check(history, Budget::default()));
        }
    });
    batch / f64::from(BATCH)
}
