use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use quarrel_checkers::{
    Anomaly, Class, F, HistoryRef, Index, Key, Kind, Op, Process, Value, Verdict,
};
use quarrel_harness::strategy::{
    Draw, Generator, Intent, Skew, Workload, WorkloadEntry, sides as sides_of,
};

/// Two keys that belong together, such as an order and its sum: writers change
/// both in one transaction, readers look at both.
///
/// Who sees one key after a transaction and the other before it saw a state
/// that never was: a fractured read (Bailis et al., SIGMOD 2014), a case of
/// read skew. A cache makes them even where each entry is invalidated in
/// time, because the two entries are filled at different times.
#[derive(Clone, Copy, Debug)]
pub struct Pairs;

pub(super) const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "pairs",
    summary: "transactions over two keys; who sees half of one made a fractured read",
    keys: 10,
    skew: Skew(0.5),
    reads: 0.7,
    build: || Arc::new(Pairs),
};

/// The most fractured reads that keep their evidence.
const KEPT: usize = 100;

impl Workload for Pairs {
    fn client(&self) -> Box<dyn Generator> {
        Box::new(Self)
    }

    fn check(&self, history: HistoryRef<'_>) -> Verdict {
        let seen = Seen::of(history);
        let mut fractured = Vec::new();
        for read in &seen.reads {
            let of_pair = seen.writes.get(&read.keys());
            fractured.extend(
                of_pair
                    .and_then(|writes| writes.split_by(read))
                    .map(|write| fractured_read(read, write)),
            );
        }
        if !fractured.is_empty() {
            let count = fractured.len() as u64;
            fractured.truncate(KEPT);
            return Verdict::invalid(fractured).of(count);
        }
        match seen.twice.first() {
            Some((key, version)) => Verdict::unknown(format!(
                "version {version} of key {key} was given twice: versions do not order its values"
            )),
            None => Verdict::valid(),
        }
    }
}

impl Generator for Pairs {
    fn next(&mut self, draw: &mut Draw<'_>) -> Intent {
        let Key(key) = draw.key();
        let pair = [Key(key & !1), Key(key | 1)];
        if draw.reads() { Intent::ReadPair(pair) } else { Intent::WritePair(pair) }
    }
}

/// A transaction that ended well: what it saw or made of its two keys.
#[derive(Clone, Copy, Debug)]
struct Pair {
    process: Process,
    witness: [Index; 2],
    sides: [(Key, u64); 2],
}

impl Pair {
    fn keys(&self) -> [Key; 2] {
        self.sides.map(|(key, _)| key)
    }

    fn versions(&self) -> [u64; 2] {
        self.sides.map(|(_, version)| version)
    }
}

/// All writes of two keys, to be found by the version of either.
#[derive(Default)]
struct Writes {
    all: Vec<Pair>,
    /// For each side the writes by the version of that side, each with the one
    /// from there on that has the lowest version on the other side.
    by_side: [Vec<(u64, usize)>; 2],
}

impl Writes {
    fn sort(&mut self) {
        for side in 0..2 {
            let other = |at: usize| self.all[at].versions()[1 - side];
            let mut sorted: Vec<(u64, usize)> =
                self.all.iter().enumerate().map(|(at, w)| (w.versions()[side], at)).collect();
            sorted.sort_unstable();
            for at in (1..sorted.len()).rev() {
                if other(sorted[at].1) < other(sorted[at - 1].1) {
                    sorted[at - 1].1 = sorted[at].1;
                }
            }
            self.by_side[side] = sorted;
        }
    }

    /// A write of which `read` saw one half and not the other.
    fn split_by(&self, read: &Pair) -> Option<&Pair> {
        (0..2).find_map(|side| {
            let (missed, had) = (read.versions()[side], read.versions()[1 - side]);
            let sorted = &self.by_side[side];
            let next = sorted.partition_point(|(version, _)| *version <= missed);
            let write = &self.all[sorted.get(next)?.1];
            (write.versions()[1 - side] <= had).then_some(write)
        })
    }
}

/// What a history says about pairs.
#[derive(Default)]
struct Seen {
    reads: Vec<Pair>,
    writes: BTreeMap<[Key; 2], Writes>,
    /// Versions that two values had, as after a failover that lost writes;
    /// their keys prove nothing.
    twice: BTreeSet<(Key, u64)>,
}

impl Seen {
    fn of(history: HistoryRef<'_>) -> Self {
        let mut seen = Self::default();
        let mut open: BTreeMap<Process, Index> = BTreeMap::new();
        let mut values: BTreeMap<(Key, u64), Value> = BTreeMap::new();
        let mut pairs = Vec::new();
        for event in history.events() {
            if event.kind == Kind::Invoke {
                open.insert(event.process, event.index);
                continue;
            }
            let Some(invoke) = open.remove(&event.process) else { continue };
            if event.kind != Kind::Ok {
                continue;
            }
            let halves = halves(&event.op);
            for (key, version, value) in &halves {
                let known = values.entry((*key, *version)).or_insert(value.clone());
                if known != value {
                    seen.twice.insert((*key, *version));
                }
            }
            if let [(first, one, _), (second, other, _)] = &halves[..] {
                let mut sides = [(*first, *one), (*second, *other)];
                sides.sort_unstable();
                let witness = [invoke, event.index];
                let is_read = sides_of(&event.op).iter().all(|side| !side.writes);
                pairs.push((is_read, Pair { process: event.process, witness, sides }));
            }
        }
        for (is_read, pair) in pairs {
            let doubtful = |key: &Key| seen.twice.iter().any(|(twice, _)| twice == key);
            if pair.keys().iter().any(doubtful) {
                continue;
            }
            if is_read {
                seen.reads.push(pair);
            } else {
                seen.writes.entry(pair.keys()).or_default().all.push(pair);
            }
        }
        seen.writes.values_mut().for_each(Writes::sort);
        seen
    }
}

/// The keys, versions and values of an operation, whether on one key or on
/// two, as far as versions are known.
fn halves(op: &Op) -> Vec<(Key, u64, Value)> {
    let single = || Some((op.key?, op.version?, op.value.clone()));
    match op.f {
        F::Txn => sides_of(op)
            .into_iter()
            .filter_map(|side| Some((side.key, side.version?, side.value)))
            .collect(),
        _ => single().into_iter().collect(),
    }
}

fn fractured_read(read: &Pair, write: &Pair) -> Anomaly {
    let late = usize::from(read.versions()[0] >= write.versions()[0]);
    let ((missed, old), (had, seen)) = (read.sides[late], read.sides[1 - late]);
    let (new, with) = (write.versions()[late], write.versions()[1 - late]);
    let mut witness = [write.witness, read.witness].concat();
    witness.sort_unstable();
    Anomaly {
        class: Class::GSingle,
        cause: None,
        key: Some(missed),
        witness,
        stale_for: Duration::ZERO,
        versions_behind: new - old,
        explanation: format!(
            "a fractured read: process {} saw version {seen} of key {had} beside version {old} of \
             key {missed}, but process {} had written version {with} of key {had} and version \
             {new} of key {missed} in one transaction",
            read.process, write.process
        ),
    }
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{History, Time, Validity};

    use super::*;

    /// Transactions one after the other, each by a process of its own: `r` or
    /// `w`, and the versions of keys 4 and 5. A version has one value.
    fn history(transactions: &[(&str, u64, u64)]) -> History {
        let mut history = History::default();
        for (at, (f, four, five)) in transactions.iter().enumerate() {
            let whole = |n: u64| Value::Int(i64::try_from(n).unwrap());
            let part = |key: u64, version: u64| {
                let value = whole(key * 100 + version);
                Value::List([Value::from(*f), whole(key), value, whole(version)].into())
            };
            let value = Value::List([part(4, *four), part(5, *five)].into());
            let op = Op { f: F::Txn, key: None, value, version: None };
            let (time, process) = (Time(at as u64), Process::Client(at as u64));
            history.invoke(time, process, op.clone());
            history.ok(time, process, op);
        }
        history
    }

    fn check(transactions: &[(&str, u64, u64)]) -> Verdict {
        Pairs.check((&history(transactions)).into())
    }

    #[test]
    fn whole_transactions_are_no_fractured_reads() {
        let whole = [("w", 1, 1), ("r", 1, 1), ("w", 2, 2), ("r", 1, 1), ("r", 2, 2)];
        assert_eq!(check(&whole), Verdict::valid());
        // Key 4 was written once by itself, so that its versions run ahead.
        assert_eq!(check(&[("w", 2, 1), ("r", 1, 0), ("r", 2, 1), ("r", 3, 1)]), Verdict::valid());
    }

    #[test]
    fn half_of_a_transaction_is_a_fractured_read_on_either_side() {
        for half in [("r", 1, 2), ("r", 2, 1)] {
            let verdict = check(&[("w", 1, 1), ("w", 2, 2), half]);
            assert_eq!(verdict.validity, Validity::Invalid);
            let anomaly = &verdict.anomalies[0];
            assert_eq!(anomaly.class, Class::GSingle);
            assert_eq!(anomaly.witness, [Index(2), Index(3), Index(4), Index(5)]);
            assert_eq!(anomaly.key, Some(Key(if half.1 == 1 { 4 } else { 5 })));
        }
    }

    #[test]
    fn a_later_version_beside_an_old_one_is_fractured_too() {
        let verdict = check(&[("w", 1, 1), ("w", 2, 2), ("w", 3, 3), ("r", 1, 3)]);
        assert_eq!(verdict.validity, Validity::Invalid);
        assert!(verdict.anomalies[0].explanation.starts_with("a fractured read: process 3 saw"));
    }

    #[test]
    fn a_transaction_of_unknown_outcome_proves_nothing() {
        let mut history = history(&[("w", 1, 1), ("w", 2, 2), ("r", 1, 2)]);
        history.events[3].kind = Kind::Info;
        assert_eq!(Pairs.check((&history).into()), Verdict::valid());
    }

    #[test]
    fn versions_that_were_given_twice_prove_nothing() {
        let mut history = history(&[("w", 1, 1), ("w", 2, 2), ("w", 2, 3), ("r", 1, 2)]);
        let Value::List(parts) = &history.events[5].op.value else { panic!("a list") };
        let Value::List(first) = &parts[0] else { panic!("a list") };
        let mut changed = first.to_vec();
        changed[2] = Value::Int(7);
        let changed = [Value::List(changed.into()), parts[1].clone()];
        history.events[5].op.value = Value::List(changed.into());
        let verdict = Pairs.check((&history).into());
        assert_eq!(verdict.validity, Validity::Unknown);
        assert!(verdict.undecided.unwrap().contains("version 2 of key 4 was given twice"));
    }
}
