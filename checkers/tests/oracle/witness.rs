use std::collections::{BTreeMap, BTreeSet};

use quarrel_checkers::{
    Class, F, History, JudgeOptions, Kind, Op, Process, Time, Value,
    generate::Random,
    judge,
    register::{OPEN, RegisterAction, RegisterOperation, ValueId},
};

use crate::{brute::is_linearizable, histories::histories};

/// A history of overlapping reads, writes and compare-and-sets of small
/// numbers, and the same as operations by invocation.
fn random(random: &mut Random) -> (History, Vec<(u64, RegisterOperation)>) {
    let mut history = History::default();
    let mut operations: Vec<(u64, RegisterOperation)> = Vec::new();
    let mut open: Vec<Option<usize>> = vec![None; 3];
    let mut written = 0_u32;
    for _ in 0..6 + random.below(12) {
        let process = random.below(3) as usize;
        let now = history.events.len() as u64;
        let name = |value: ValueId| match value.0 {
            0 => Value::Nil,
            n => Value::Int(i64::from(n)),
        };
        let op = |operation: &RegisterOperation| {
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
            0..6 => RegisterOperation::read(any, now, OPEN),
            kind => {
                written += 1;
                let new = ValueId(written);
                if kind == 6 {
                    RegisterOperation::cas(any, new, now, OPEN)
                } else {
                    RegisterOperation::write(new, now, OPEN)
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
fn remembering(
    operations: &[(u64, RegisterOperation)],
    named: &BTreeSet<u64>,
) -> Vec<RegisterOperation> {
    let remembered = operations.iter().filter_map(|(invoke, operation)| {
        if named.contains(invoke) {
            return Some(*operation);
        }
        let forgotten = RegisterOperation { invoked: 0, returned: OPEN, ..*operation };
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

/// What is known of an operation on one value: who, when, what, its version.
#[derive(Clone, Copy)]
struct Known {
    process: u64,
    value: ValueId,
    is_write: bool,
    invoked: u64,
    returned: u64,
    version: Option<u64>,
}

/// Whether what is known suffices to say that some operation went behind an
/// earlier one of its process, as `class` says.
fn goes_back(known: &[Known], class: Class) -> bool {
    let version = |value: ValueId| {
        let mut told = known.iter().filter(|k| k.value == value).filter_map(|k| k.version);
        told.next().or((value == ValueId::INITIAL).then_some(0))
    };
    let is_newer = |new: ValueId, old: ValueId| match (version(new), version(old)) {
        (Some(new), Some(old)) => new > old,
        _ => {
            let writes = known.iter().filter(|k| k.is_write && k.value == new);
            writes.into_iter().any(|write| {
                old == ValueId::INITIAL
                    || known.iter().any(|k| k.value == old && k.returned < write.invoked)
            })
        }
    };
    let are_writes = match class {
        Class::ReadYourWrites => [true, false],
        Class::NonMonotonicRead => [false, false],
        Class::NonMonotonicWrite => [true, true],
        _ => [false, true],
    };
    known.iter().any(|later| {
        known.iter().any(|earlier| {
            [earlier.is_write, later.is_write] == are_writes
                && earlier.process == later.process
                && earlier.returned < later.invoked
                && earlier.value != later.value
                && is_newer(earlier.value, later.value)
        })
    })
}

/// With versions for all, for some and for none of the operations.
#[test]
fn the_witness_of_a_broken_session_proves_it_and_is_minimal() {
    let mut told = [0, 0, 0, 0];
    let total = histories(150_000);
    for seed in 0..total {
        let mut random = Random::seeded(seed);
        let (mut history, operations) = self::random(&mut random);
        if operations.iter().any(|(_, o)| matches!(o.action, RegisterAction::Cas { .. })) {
            continue;
        }
        let share = [0, 500, 1_000][random.below(3) as usize];
        // Versions are mostly in the order of values.
        let offset = random.below(3);
        let mut known: BTreeMap<u64, Known> = BTreeMap::new();
        for (invoked, operation) in &operations {
            let value = operation.action.written().or(operation.action.seen()).expect("no CAS");
            let Process::Client(process) = history.events[*invoked as usize].process else {
                unreachable!("only clients ran")
            };
            let version = match value {
                ValueId::INITIAL => 0,
                ValueId(n) => (u64::from(n) * 2) ^ offset,
            };
            let is_told = operation.is_certain() && random.permille(share);
            let version = is_told.then_some(version);
            if operation.is_certain() {
                history.events[operation.returned as usize].op.version = version;
            }
            let is_write = operation.action.written().is_some();
            let (invoked, returned) = (*invoked, operation.returned);
            known.insert(invoked, Known { process, value, is_write, invoked, returned, version });
        }
        let judgement = judge(&history, &[], &JudgeOptions::default());
        for anomaly in &judgement.anomalies {
            let kind = match anomaly.class {
                Class::ReadYourWrites => 0,
                Class::NonMonotonicRead => 1,
                Class::NonMonotonicWrite => 2,
                Class::WriteBeforeRead => 3,
                _ => continue,
            };
            told[kind] += 1;
            let named: Vec<Known> =
                anomaly.witness.iter().filter_map(|index| known.get(&index.0).copied()).collect();
            // Where versions do not order the values, only real time proves it.
            let is_by_time = !anomaly.explanation.contains("(version");
            let goes_back = |named: &[Known]| {
                let bare = |known: &Known| Known { version: None, ..*known };
                let bare: Vec<Known> = named.iter().map(bare).collect();
                (is_by_time && goes_back(&bare, anomaly.class))
                    || (!is_by_time || share == 500) && goes_back(named, anomaly.class)
            };
            assert!(goes_back(&named), "seed {seed}: {anomaly:#?} proves nothing");
            // Where some tell versions and some do not, there may be a shorter
            // proof of the other kind.
            for one in (0..named.len()).filter(|_| share != 500) {
                let mut rest = named.clone();
                rest.remove(one);
                assert!(!goes_back(&rest), "seed {seed}: {anomaly:#?} does not need {one}");
            }
        }
    }
    assert!(told.iter().all(|count| *count > total / 5_000), "{told:?}");
}
