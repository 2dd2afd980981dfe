use std::collections::BTreeSet;

use quarrel_checkers::{
    Class, F, History, JudgeOptions, Kind, Op, Process, Time, Value,
    generate::Random,
    judge,
    register::{OPEN, Operation, ValueId},
};

use crate::{brute::is_linearizable, histories::histories};

/// A history of overlapping reads, writes and compare-and-sets of small
/// numbers, and the same as operations by invocation.
fn random(random: &mut Random) -> (History, Vec<(u64, Operation)>) {
    let mut history = History::default();
    let mut operations: Vec<(u64, Operation)> = Vec::new();
    let mut open: Vec<Option<usize>> = vec![None; 3];
    let mut written = 0_u32;
    for _ in 0..6 + random.below(12) {
        let process = random.below(3) as usize;
        let now = history.events.len() as u64;
        let name = |value: ValueId| match value.0 {
            0 => Value::Nil,
            n => Value::Int(i64::from(n)),
        };
        let op = |operation: &Operation| {
            let (f, value) = match (operation.action.seen(), operation.action.written()) {
                (Some(old), Some(new)) => (F::Cas, Value::List([name(old), name(new)].into())),
                (_, Some(new)) => (F::Write, name(new)),
                (old, None) => (F::Read, name(old.expect("a read"))),
            };
            Op { f, key: Some(1.into()), value, version: None }
        };
        if let Some(at) = open[process].take() {
            operations[at].1.returned = now;
            let op = op(&operations[at].1);
            history.push(Time(now), Process::Client(process as u64), Kind::Ok, op, None);
            continue;
        }
        let any = ValueId(random.below(u64::from(written) + 1) as u32);
        let operation = match random.below(10) {
            0..6 => Operation::read(any, now, OPEN),
            kind => {
                written += 1;
                let new = ValueId(written);
                if kind == 6 {
                    Operation::cas(any, new, now, OPEN)
                } else {
                    Operation::write(new, now, OPEN)
                }
            }
        };
        open[process] = Some(operations.len());
        history.invoke(Time(now), Process::Client(process as u64), op(&operation));
        operations.push((now, operation));
    }
    // A read that never returned is none.
    operations.retain(|(_, o)| o.is_certain() || o.action.written().is_some());
    (history, operations)
}

/// Only what is named is remembered: other reads are gone, other writes may
/// have happened at any time.
fn remembering(operations: &[(u64, Operation)], named: &BTreeSet<u64>) -> Vec<Operation> {
    let remembered = operations.iter().filter_map(|(invoke, operation)| {
        if named.contains(invoke) {
            return Some(*operation);
        }
        let forgotten = Operation { invoked: 0, returned: OPEN, ..*operation };
        operation.action.written().map(|_| forgotten)
    });
    remembered.collect()
}

#[test]
fn a_witness_is_illegal_and_without_any_of_it_legal() {
    let mut told = [0, 0];
    let total = histories(40_000);
    for seed in 0..total {
        let (history, operations) = random(&mut Random::seeded(seed));
        let judgement = judge(&history, &[], &JudgeOptions::default());
        let invokes: BTreeSet<u64> = operations.iter().map(|(invoke, _)| *invoke).collect();
        for anomaly in &judgement.anomalies {
            let kind = match anomaly.class {
                Class::StaleRead => 0,
                Class::NotLinearizable => 1,
                _ => continue,
            };
            told[kind] += 1;
            let named: BTreeSet<u64> =
                anomaly.witness.iter().map(|i| i.0).filter(|i| invokes.contains(i)).collect();
            let whole = remembering(&operations, &named);
            assert!(!is_linearizable(&whole), "seed {seed}: {anomaly:#?} proves nothing");
            for one in &named {
                let mut rest = named.clone();
                rest.remove(one);
                let rest = remembering(&operations, &rest);
                assert!(is_linearizable(&rest), "seed {seed}: {anomaly:#?} does not need {one}");
            }
        }
    }
    assert!(told[0] > total / 8 && told[1] > total / 40, "{told:?}");
}
