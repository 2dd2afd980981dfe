//! Transactions over two keys, as the workload `pairs` has them.

use std::{borrow::Cow, path::Path, time::Duration};

use quarrel_checkers::{
    Anomaly, Cause, Class, Content, F, History, Index, Key, Object, Op, Process, Reply, Site, Step,
    Time, Value, Verdict,
};
use quarrel_harness::{
    judge::judge_with,
    report::{Ink, View, Width, page, summary},
    results::{LoadedRun, VerdictFile},
};

use crate::example;

/// Reads or writes of keys 4 and 5, at versions.
fn op(f: &str, versions: Option<[i64; 2]>) -> Op {
    let side = |at: usize| {
        let key = Value::Int(4 + at as i64);
        let known = versions.map(|versions| [Value::Int(versions[at] * 10), versions[at].into()]);
        let rest = known.map_or_else(|| vec![Value::Nil], |known| known.to_vec());
        Value::List([vec![Value::from(f), key], rest].concat().into())
    };
    Op { f: F::Txn, key: None, value: Value::List([side(0), side(1)].into()), version: None }
}

/// A write of both keys, as it is asked for: with its values, and no versions.
fn write(versions: [i64; 2]) -> Op {
    let Op { value: Value::List(sides), .. } = op("w", Some(versions)) else {
        unreachable!("a transaction is a list")
    };
    let unversioned = sides.iter().map(|side| match side {
        Value::List(words) => Value::List(words[..3].into()),
        other => other.clone(),
    });
    Op { f: F::Txn, key: None, value: Value::List(unversioned.collect()), version: None }
}

fn step(invoke: Index, process: u64, at: u64, site: Site, (key, version): (u64, u64)) -> Step {
    let row = Content::Row { value: Value::Int(version as i64 * 10), version };
    let (verb, reply) = match site {
        Site::Primary => ("UPDATE", Reply::Done { version: Some(version) }),
        _ => ("GET", Reply::Found(row)),
    };
    Step {
        operation: Some(invoke),
        process: Process::Client(process),
        start: Time::from_millis(at),
        end: Some(Time::from_millis(at + 1)),
        site,
        verb: Cow::Borrowed(verb),
        object: Some(Object::of(Key(key))),
        argument: None,
        reply,
        lsn: None,
    }
}

/// Process 3 reads key 4, process 2 writes both keys, process 3 reads key 5;
/// then process 3 reads both again, and both are old.
fn fractured(folder: &Path) -> (LoadedRun, VerdictFile) {
    let mut history = History::default();
    let (writer, reader) = (Process::Client(2), Process::Client(3));
    let at = Time::from_millis;
    let first = history.invoke(at(0), writer, write([1, 1]));
    history.ok(at(9), writer, op("w", Some([1, 1])));
    let read = history.invoke(at(10), reader, op("r", None));
    let write = history.invoke(at(12), writer, write([2, 2]));
    let seen = history.ok(at(18), reader, op("r", Some([1, 2])));
    let written = history.ok(at(20), writer, op("w", Some([2, 2])));
    let late = history.invoke(at(50), reader, op("r", None));
    history.ok(at(60), reader, op("r", Some([1, 1])));
    history.steps = vec![
        step(first, 2, 1, Site::Primary, (4, 1)),
        step(first, 2, 2, Site::Primary, (5, 1)),
        step(read, 3, 10, Site::Cache, (4, 1)),
        step(write, 2, 12, Site::Primary, (4, 2)),
        step(write, 2, 12, Site::Primary, (5, 2)),
        step(read, 3, 16, Site::Cache, (5, 2)),
        step(late, 3, 51, Site::Cache, (4, 1)),
        step(late, 3, 53, Site::Cache, (5, 1)),
    ];
    let (mut run, _) = example::refill(folder, "Alex", "Alice");
    run.history = history.into();
    let own = Anomaly {
        class: Class::GSingle,
        cause: None,
        key: Some(Key(4)),
        // The write ended last, and is not the one to blame.
        witness: vec![read, write, seen, written],
        stale_for: Duration::ZERO,
        versions_behind: 1,
        explanation: "a fractured read".to_owned(),
    };
    let expected = "linearizable".parse().unwrap();
    let verdict = judge_with(&run, expected, Verdict::invalid(vec![own]));
    (run, verdict)
}

#[test]
fn a_fractured_read_says_which_versions_were_seen_together() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, verdict) = fractured(scratch.path());
    assert_eq!(verdict.anomalies[0].cause, Some(Cause::SeparateReads));
    let said = summary(&run, &verdict, Ink::plain(), Width::Free);
    let said = said.replace(&scratch.path().display().to_string(), "SCRATCH");
    insta::assert_snapshot!(said.split("\nguarantees").next().unwrap());
}

#[test]
fn staleness_of_transactions_is_seen_key_by_key() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, verdict) = fractured(scratch.path());
    let view = View::new(&run, &verdict);
    let told: Vec<_> = view.rows.iter().map(|row| (row.f.clone(), row.stale)).collect();
    let since = Some(Duration::from_millis(50 - 18));
    assert_eq!(told, [(F::Write, None), (F::Read, None), (F::Write, None), (F::Read, since)]);
    let halves: Vec<_> = view.rows.get(3).halves().collect();
    assert_eq!(halves, [(Key(5), Some(1)), (Key(4), Some(1))], "the stalest first");
    let text = page::page(&view);
    assert!(!text.contains("[[r 4") && !text.contains("[r 4"), "no raw transaction");
}
