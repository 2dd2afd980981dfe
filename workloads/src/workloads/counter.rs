use std::{collections::BTreeMap, sync::Arc};

use quarrel_checkers::{Anomaly, Class, F, HistoryRef, Index, Key, Kind, Process, Value, Verdict};
use quarrel_harness::{
    stores::Row,
    strategy::{Draw, Generator, Intent, Skew, Workload, WorkloadEntry},
};

/// Counters that clients count up: each reads a number and writes the next
/// one.
///
/// The number that they read may come from the cache, and somebody else may
/// have counted meanwhile. Two acknowledged writes of the same number are one
/// update lost. A strategy that compares versions when it writes
/// (`optimistic-lock`) refuses the second.
#[derive(Clone, Copy, Debug)]
pub struct CounterWorkload;

pub(super) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "counter",
    summary: "clients read a counter and write the next number; two of the same are a lost update",
    keys: 10,
    skew: Skew(0.5),
    reads: 0.5,
    build: || Arc::new(CounterWorkload),
};

/// The most lost updates that keep their evidence.
const KEPT: usize = 100;

impl Workload for CounterWorkload {
    fn client(&self) -> Box<dyn Generator> {
        Box::new(Self)
    }

    /// The number after the one read, and the write's own: `5#17`.
    fn value(&self, number: u64, read: Option<&Row>) -> Value {
        let count = read.and_then(|row| count(&row.value)).unwrap_or(0) + 1;
        Value::from(format!("{count}#{number}").as_str())
    }

    fn check(&self, history: HistoryRef<'_>) -> Verdict {
        let mut counted: BTreeMap<(Key, u64), Counted> = BTreeMap::new();
        let mut open: BTreeMap<Process, Index> = BTreeMap::new();
        let mut lost = Vec::new();
        for event in history.events().filter(|event| event.op.f == F::Write) {
            match event.kind {
                Kind::Invoke => drop(open.insert(event.process, event.index)),
                Kind::Ok => {
                    let invoke = open.remove(&event.process);
                    let (Some(key), Some(count)) = (event.op.key, count(&event.op.value)) else {
                        continue;
                    };
                    let now = Counted { invoke, complete: event.index, process: event.process };
                    if let Some(first) = counted.get(&(key, count)) {
                        lost.push(lost_update(key, count, first, &now));
                    } else {
                        counted.insert((key, count), now);
                    }
                }
                Kind::Fail | Kind::Info => drop(open.remove(&event.process)),
            }
        }
        if lost.is_empty() {
            return Verdict::valid();
        }
        let count = lost.len() as u64;
        lost.truncate(KEPT);
        Verdict::invalid(lost).of(count)
    }
}

/// An acknowledged write.
struct Counted {
    invoke: Option<Index>,
    complete: Index,
    process: Process,
}

fn lost_update(key: Key, count: u64, first: &Counted, second: &Counted) -> Anomaly {
    let mut witness: Vec<Index> = [first, second]
        .into_iter()
        .flat_map(|write| write.invoke.into_iter().chain([write.complete]))
        .collect();
    witness.sort_unstable();
    let (one, other) = (first.process, second.process);
    Anomaly {
        class: Class::LostUpdate,
        cause: None,
        key: Some(key),
        witness,
        stale_for: std::time::Duration::ZERO,
        versions_behind: 0,
        explanation: format!(
            "key {key}: processes {one} and {other} both counted from {} to {count}, and both were \
             told that they had: one update is lost",
            count - 1
        ),
    }
}

/// The number in a value.
fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Text(text) => text.split_once('#')?.0.parse().ok(),
        _ => None,
    }
}

impl Generator for CounterWorkload {
    fn next(&mut self, draw: &mut Draw<'_>) -> Intent {
        let key = draw.key();
        if draw.reads() { Intent::Read(key) } else { Intent::Update(key) }
    }
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{History, Op, Time, Validity};

    use super::*;

    /// A history of writes, each by a process of its own, one after the other.
    fn check(writes: &[(u64, &str, Kind)]) -> Verdict {
        let mut history = History::default();
        for (at, (key, value, kind)) in writes.iter().enumerate() {
            let process = Process::Client(at as u64);
            let op = Op::write(*key, Value::from(*value));
            history.invoke(Time(at as u64), process, op.clone());
            if *kind == Kind::Ok {
                history.ok(Time(at as u64), process, op);
            }
        }
        CounterWorkload.check((&history).into())
    }

    #[test]
    fn counting_one_after_the_other_loses_nothing() {
        let verdict = check(&[(1, "1#1", Kind::Ok), (1, "2#2", Kind::Ok), (2, "1#3", Kind::Ok)]);
        assert_eq!(verdict, Verdict::valid());
    }

    #[test]
    fn two_who_count_to_the_same_number_lose_one() {
        let verdict = check(&[(1, "1#1", Kind::Ok), (1, "2#2", Kind::Ok), (1, "2#3", Kind::Ok)]);
        assert_eq!(verdict.validity, Validity::Invalid);
        assert_eq!(verdict.anomalies.len(), 1);
        assert_eq!(verdict.anomalies[0].witness, [Index(2), Index(3), Index(4), Index(5)]);
        assert!(verdict.anomalies[0].explanation.contains("both counted from 1 to 2"));
    }

    #[test]
    fn a_count_of_unknown_outcome_proves_nothing() {
        let verdict = check(&[(1, "1#1", Kind::Ok), (1, "2#2", Kind::Info), (1, "2#3", Kind::Ok)]);
        assert_eq!(verdict, Verdict::valid());
    }

    #[test]
    fn the_next_number_follows_from_what_was_read() {
        let read = Row { value: Value::from("41#7"), version: 3 };
        assert_eq!(CounterWorkload.value(9, Some(&read)), Value::from("42#9"));
        assert_eq!(CounterWorkload.value(9, None), Value::from("1#9"));
    }
}
