//! 10⁵ transactions in at most a second.

use std::hint::black_box;

use quarrel_checkers::{
    Budget, Checker, F, History, Op, Process, Time, Value,
    generate::Random,
    transactions::{Expected, ListAppend, RwRegister},
};

use crate::measure::{at_most, median};

/// What a serial store answers to transactions of four micro-operations on 64
/// keys, which are replaced after 32 writes; 20 clients run at once.
fn serial(count: u64, f: &str) -> History {
    let mut random = Random::seeded(9);
    let mut lists: Vec<Vec<Value>> = vec![Vec::new(); 64];
    let mut names: Vec<i64> = (0..64).collect();
    let mut history = History::default();
    let mut running: Vec<Option<Op>> = vec![None; 20];
    for n in 0..count {
        let mut asked = Vec::new();
        let mut answered = Vec::new();
        for _ in 0..4 {
            let key = random.below(64) as usize;
            if lists[key].len() >= 32 {
                lists[key].clear();
                names[key] += 64;
            }
            let name = Value::Int(names[key]);
            let micro = |f: &str, value| Value::List([f.into(), name.clone(), value].into());
            if random.permille(500) {
                let seen = match f {
                    "append" => Value::List(lists[key].clone().into()),
                    _ => lists[key].last().cloned().unwrap_or_default(),
                };
                asked.push(micro("r", Value::Nil));
                answered.push(micro("r", seen));
            } else {
                let value = Value::Int((n * 4 + asked.len() as u64) as i64);
                lists[key].push(value.clone());
                asked.push(micro(f, value.clone()));
                answered.push(micro(f, value));
            }
        }
        let op = |micros: Vec<Value>| Op {
            f: F::Txn,
            key: None,
            value: Value::List(micros.into()),
            version: None,
        };
        let process = Process::Client(n % 20);
        if let Some(op) = running[n as usize % 20].replace(op(answered)) {
            history.ok(Time(n * 2), process, op);
        }
        history.invoke(Time(n * 2 + 1), process, op(asked));
    }
    history
}

pub(crate) fn isolation(count: u64, runs: usize) {
    let appends = serial(count, "append");
    let writes = serial(count, "w");
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
