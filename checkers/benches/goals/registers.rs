//! G1, G2, G4 to G7 and G9: registers in memory.

use std::{collections::HashMap, hint::black_box};

use quarrel_checkers::{
    F, Kind, Process,
    generate::{GeneratedLoad, Store},
    register::{DenseRecord, DenseRecords, Numbering, OPEN, VersionedRecord, VersionedRecords},
};

use crate::measure::{at_least, at_most, beside, median, peak_bytes, ratio};

pub(crate) fn workload(
    operations: u64,
    clients: u64,
    indeterminate_permille: u64,
    store: Store,
) -> GeneratedLoad {
    GeneratedLoad {
        operations,
        clients,
        keys: 100,
        indeterminate_permille,
        store,
        seed: 1,
        ..GeneratedLoad::default()
    }
}

fn stale(operations: u64) -> Store {
    Store::OneStaleRead { from: operations * 9 / 10 }
}

const LAGGING: Store = Store::Replica { lag_ns: 100_000 };

fn check(records: &DenseRecords) {
    black_box(records.check().expect("values are unique"));
}

/// An operation as somebody might have it: nothing is numbered.
struct Done {
    process: u64,
    key: u32,
    is_write: bool,
    /// 0 if absent.
    value: u64,
    version: u64,
    invoked: u64,
    returned: u64,
}

/// In order of return, the ones of unknown outcome last.
fn done(workload: &GeneratedLoad) -> Vec<Done> {
    let mut open: HashMap<Process, u64> = HashMap::new();
    let mut done = Vec::with_capacity(workload.operations as usize);
    let mut unknown = Vec::new();
    workload.each_event(|event| {
        if event.kind == Kind::Invoke {
            open.insert(event.process, event.time.0);
            return;
        }
        let Process::Client(process) = event.process else { return };
        let value = match event.op.value {
            quarrel_checkers::Value::Int(n) => n as u64,
            _ => 0,
        };
        let ran = Done {
            process,
            key: event.op.key.map_or(0, |key| key.0 as u32),
            is_write: event.op.f == F::Write,
            value,
            version: event.op.version.unwrap_or(0),
            invoked: open[&event.process],
            returned: if event.kind == Kind::Ok { event.time.0 } else { OPEN },
        };
        if event.kind == Kind::Ok { &mut done } else { &mut unknown }.push(ran);
    });
    done.append(&mut unknown);
    done
}

/// Any odd factor makes of small numbers ones without a pattern, and of
/// different ones different ones.
fn scatter(value: u64) -> u64 {
    value.wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(32).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

pub(crate) fn values(operations: u64, runs: usize, limits: [f64; 2]) {
    let shape = workload(operations, 8, 0, Store::Linearizable);
    let interned = shape.records();
    let ns = median(runs, || check(&interned)) / operations as f64;
    let what = format!("register check, values numbered, {operations} operations");
    at_most("G1", &what, limits[0], ns, "ns/op");
    drop(interned);

    let mut done = done(&shape);
    done.iter_mut().for_each(|ran| ran.value = scatter(ran.value));
    let numbering = median(runs.min(5), || {
        let pairs: Vec<_> = done.iter().map(|ran| (ran.key, ran.value)).collect();
        black_box(Numbering::of(&pairs));
    });
    let whole = median(runs, || {
        let pairs: Vec<_> = done.iter().map(|ran| (ran.key, ran.value)).collect();
        let numbering = Numbering::of(&pairs);
        drop(pairs);
        let mut records = DenseRecords::with_capacity(done.len());
        for (ran, number) in done.iter().zip(numbering.numbers) {
            let number = if ran.value == 0 { DenseRecord::INITIAL } else { number };
            let record = if ran.is_write { DenseRecord::write } else { DenseRecord::read };
            let pushed = records.push(record(ran.key, number, ran.invoked, ran.returned));
            pushed.expect("returns come in order");
        }
        check(&records);
    });
    let what = format!("arbitrary 64-bit values, from numbering on, {operations}");
    at_most("G2", &what, limits[1], whole / operations as f64, "ns/op");
    beside("numbering alone", numbering / operations as f64, "ns/op");
}

/// What Porcupine needed for a million operations over 100 keys on the machine
/// of the published comparison, in seconds of CPU: it cannot be run here.
const PORCUPINE_S: [(u64, u64, f64); 2] = [(8, 0, 3.1), (128, 50, 7.7)];

pub(crate) fn many_keys(operations: u64, runs: usize) {
    for (clients, indeterminate, published) in PORCUPINE_S {
        let records = workload(operations, clients, indeterminate, Store::Linearizable).records();
        let seconds = median(runs, || check(&records)) / 1e9;
        let what =
            format!("100 keys, P {clients}: check against Porcupine's published {published} s");
        at_least("G4", &what, 150.0, published / seconds, "times");
    }
}

pub(crate) fn concurrency(operations: u64, runs: usize) {
    let easy = workload(operations, 2, 0, Store::Linearizable).records();
    let hard = workload(operations, 128, 50, stale(operations)).records();
    let times = ratio(runs, || check(&hard), || check(&easy));
    at_most("G5", "128 clients, 5 % unknown, invalid / 2 clients, valid", 1.3, times, "times");
}

pub(crate) fn delta(operations: u64, runs: usize) {
    let delta = |records: &DenseRecords| {
        black_box(records.delta().expect("values are unique"));
    };
    let valid = workload(operations, 8, 0, Store::Linearizable).records();
    let times = ratio(runs, || delta(&valid), || check(&valid));
    at_most("G6", "delta of a linearizable history / its check", 1.1, times, "times");
    let stale = workload(operations, 8, 0, LAGGING).records();
    let ns = median(runs, || delta(&stale)) / operations as f64;
    at_most("G6", "delta of a stale one", 120.0, ns, "ns/op");
}

/// Numbers of sessions are given out while recording, as those of values are.
fn versioned(done: &[Done]) -> VersionedRecords {
    let mut sessions: HashMap<(u64, u32), u32> = HashMap::new();
    let mut records = VersionedRecords::with_capacity(done.len());
    for ran in done.iter().filter(|ran| ran.returned != OPEN) {
        let next = sessions.len() as u32;
        let session = *sessions.entry((ran.process, ran.key)).or_insert(next);
        let record = if ran.is_write { VersionedRecord::write } else { VersionedRecord::read };
        let record = record(ran.key, session, ran.version, ran.invoked, ran.returned);
        records.push(record).expect("returns come in order");
    }
    records
}

pub(crate) fn versions(operations: u64, runs: usize) {
    for (name, store) in [("linearizable", Store::Linearizable), ("stale", LAGGING)] {
        let records = versioned(&done(&workload(operations, 8, 0, store)));
        let per_operation = |ns: f64| ns / records.len() as f64;
        let sessions = median(runs, || {
            black_box(records.sessions());
        });
        let what = format!("four session guarantees by version, {name}");
        at_most("G7", &what, 10.0, per_operation(sessions), "ns/op");
        let k = median(runs, || {
            black_box(records.k());
        });
        let what = format!("k by version, {name}: k = {}", records.k());
        at_most("G7", &what, 10.0, per_operation(k), "ns/op");
    }
}

pub(crate) fn memory(operations: u64) {
    let per_operation = |bytes: f64| bytes / operations as f64;
    for (name, store) in [("linearizable", Store::Linearizable), ("stale", LAGGING)] {
        let shape = workload(operations, 8, 50, store);
        let records = shape.records();
        let bytes = peak_bytes(|| check(&records));
        at_most(
            "G9",
            &format!("check, {name}: beside the records"),
            64.0,
            per_operation(bytes),
            "B/op",
        );
        let bytes = peak_bytes(|| {
            black_box(records.delta().expect("values are unique"));
        });
        at_most("G9", &format!("delta, {name}"), 64.0, per_operation(bytes), "B/op");
        let records = versioned(&done(&shape));
        let bytes = peak_bytes(|| {
            black_box(records.k());
        });
        at_most("G9", &format!("k by version, {name}"), 64.0, per_operation(bytes), "B/op");
    }
    let pairs: Vec<_> = (0..operations).map(|n| (n as u32 % 100, scatter(n / 2))).collect();
    let bytes = peak_bytes(|| drop(black_box(Numbering::of(&pairs))));
    at_most("G9", "numbering of arbitrary values", 64.0, per_operation(bytes), "B/op");
}
