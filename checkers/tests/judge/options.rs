//! What can be asked of the judge, and operations that are more than a read or
//! a write of one key.

use std::time::Duration;

use quarrel_checkers::{
    Class, DivergenceWindow, F, Guarantee, History, JudgeOptions, Judgement, Key, Kind, Op, Order,
    Process, SessionViolations, Site, Time, Validity, Value, judge,
};

use crate::{judged, told};

fn at(order: Order, invoked: u64, versions: Option<[u64; 2]>) -> Judgement {
    let [old, new] = versions.map_or([None; 2], |versions| versions.map(Some));
    let with = |op: Op, version| Op { version, ..op };
    let mut history = History::default();
    for (process, kind, op, time) in [
        (0, Kind::Invoke, Op::write(1, 1), 0),
        (0, Kind::Ok, with(Op::write(1, 1), old), 1),
        (0, Kind::Invoke, Op::write(1, 2), 2),
        (0, Kind::Ok, with(Op::write(1, 2), new), 10),
        (1, Kind::Invoke, Op::read(1), invoked),
        (1, Kind::Ok, with(Op::read(1).returning(1), old), 20),
    ] {
        history.push(Time(time), Process::Client(process), kind, op, None);
    }
    let mut options = JudgeOptions::default();
    options.order = order;
    judge(&history, &[], &options)
}

#[test]
fn by_time_what_ends_and_begins_at_one_instant_is_concurrent() {
    let stale = |order, invoked, versions| {
        let judgement = at(order, invoked, versions);
        let is_valid = judgement.validity(Guarantee::Linearizable) == Validity::Valid;
        assert_eq!(is_valid, judgement.metrics.stale_reads == 0);
        judgement.metrics.stale_reads
    };
    for versions in [None, Some([1, 2])] {
        let stale = |order| [9, 10, 11].map(|invoked| stale(order, invoked, versions));
        assert_eq!(stale(Order::Time), [0, 0, 1], "{versions:?}");
        assert_eq!(stale(Order::Recorded), [1, 1, 1], "{versions:?}");
    }
}

#[test]
fn a_bound_is_broken_by_what_is_staler_and_by_what_was_never_written() {
    let bounded = |drawing: &str, bound| {
        let mut options = JudgeOptions::default();
        options.bound = Some(Duration::from_millis(bound));
        let history = quarrel_checkers::notation::parse(drawing).expect("well-formed");
        let judgement = judge(&history, &[], &options);
        let rung = judgement.rung(Guarantee::Bounded).clone();
        (rung.validity, rung.reason)
    };
    let stale = "A: [w1] [w2]
                 B:                 [r1]";
    let reason =
        "the worst staleness was 8.0 ms; the stores were not compared at the end".to_owned();
    assert_eq!(bounded(stale, 7), (Validity::Invalid, reason.clone()));
    assert_eq!(bounded(stale, 8), (Validity::Unknown, reason));
    let never = "A: [w1] [r7]";
    let reason = "1 read of a value never or not yet written".to_owned();
    assert_eq!(bounded(never, 8), (Validity::Invalid, reason));
}

#[test]
fn only_reads_soon_after_a_write_are_at_risk_if_that_is_asked() {
    let at_risk = |window: Option<u64>| {
        let drawing = "A: [w1]
                       B:       [r1]            [r1]";
        let mut options = JudgeOptions::default();
        options.risk_window = window.map(Duration::from_millis);
        let history = quarrel_checkers::notation::parse(drawing).expect("well-formed");
        judge(&history, &[], &options).metrics.reads_at_risk
    };
    assert_eq!([None, Some(19), Some(18), Some(3), Some(2)].map(at_risk), [2, 2, 1, 1, 0]);
}

#[test]
fn deletes_are_told_apart_by_their_versions() {
    let with_delete = |events: &[(&str, Option<i64>, Option<u64>)]| {
        let mut history = History::default();
        for (f, value, version) in events {
            let value = value.map_or(Value::Nil, Value::Int);
            let asked = if *f == "read" { Value::Nil } else { value.clone() };
            let op = |value| Op { f: F::from(*f), key: Some(Key(1)), value, version: None };
            history.invoke(Time(0), Process::Client(0), op(asked));
            let answer = Op { version: *version, ..op(value) };
            history.ok(Time(1), Process::Client(0), answer);
        }
        judge(&history, &[], &JudgeOptions::default())
    };
    let write = ("write", Some(1), Some(1));
    let judgement = with_delete(&[write, ("delete", None, Some(2)), ("read", None, Some(2))]);
    assert_eq!(judgement.strongest, Guarantee::Linearizable);
    let judgement = with_delete(&[write, ("delete", None, Some(2)), ("read", Some(1), Some(1))]);
    assert_eq!(judgement.anomalies[0].class, Class::StaleRead);
    // Which delete left nothing behind is not known: a search decides.
    for versions in [[None, None], [None, Some(2)], [Some(2), None]] {
        let events = [write, ("delete", None, versions[0]), ("read", None, versions[1])];
        let judgement = with_delete(&events);
        assert_eq!(told(&judgement), [""; 0], "{versions:?}");
        assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Valid, "{versions:?}");
    }
}

/// Two keys written in one transaction and then read in another, each part
/// with or without the version behind it.
fn transactions(seen: [Value; 2], versions: Option<[i64; 2]>) -> Judgement {
    let part = |f: &str, key: i64, value: Value, version: Option<i64>| {
        let parts = [f.into(), key.into(), value].into_iter();
        Value::List(parts.chain(version.map(Value::Int)).collect())
    };
    let op = |parts: [Value; 2]| Op {
        f: F::Txn,
        key: None,
        value: Value::List(parts.into()),
        version: None,
    };
    let new = versions.map(|_| 1);
    let asked = |f| op([part(f, 1, 5.into(), None), part(f, 2, 6.into(), None)]);
    let written = op([part("w", 1, 5.into(), new), part("w", 2, 6.into(), new)]);
    let [one, two] = seen;
    let read =
        op([part("r", 1, one, versions.map(|v| v[0])), part("r", 2, two, versions.map(|v| v[1]))]);
    let mut history = History::default();
    history.invoke(Time(0), Process::Client(0), asked("w"));
    history.ok(Time(1), Process::Client(0), written);
    history.invoke(Time(4), Process::Client(1), asked("r"));
    history.ok(Time(5), Process::Client(1), read);
    judge(&history, &[], &JudgeOptions::default())
}

#[test]
fn transactions_with_versions_are_judged_key_by_key() {
    let good = transactions([5.into(), 6.into()], Some([1, 1]));
    assert_eq!(good.metrics.reads, 2);
    assert_eq!(good.metrics.stale_reads, 0);
    let stale = transactions([5.into(), Value::Nil], Some([1, 0]));
    assert_eq!(
        told(&stale),
        ["stale-read: key 2: process 1 read nothing, which was overwritten by 6 (version 1), \
          acknowledged 1 µs before this read began"]
    );
}

#[test]
fn transactions_without_versions_are_left_to_their_own_checkers() {
    let judgement = transactions([5.into(), Value::Nil], None);
    let rung = judgement.rung(Guarantee::Linearizable);
    assert_eq!(rung.validity, Validity::Unknown);
    assert_eq!(rung.reason, "2 transactions are judged by `transactions`");
    assert_eq!(judged("A: [w1]", &[]).validity(Guarantee::Linearizable), Validity::Valid);
}

#[test]
fn a_circle_of_compare_and_sets_names_one_of_them() {
    let judgement = judged(
        "A: [w1]  [c7>8]
         B:       [c8>7]
         C: [r1]",
        &[],
    );
    let told = told(&judgement);
    assert!(
        told.iter().any(|line| line.contains("belongs to a circle of compare-and-sets")
            && (line.contains("the write of 7") || line.contains("the write of 8"))),
        "{told:?}"
    );
}

#[test]
fn sums_and_lengths_are_what_they_say() {
    let found = SessionViolations {
        read_your_writes: 1,
        monotonic_reads: 20,
        monotonic_writes: 300,
        writes_follow_reads: 4_000,
    };
    assert_eq!(found.total(), 4_321);
    let window = |to| DivergenceWindow {
        key: Key(1),
        site: Site::Cache,
        from: Time(5),
        to,
        versions_behind: 1,
    };
    assert_eq!(window(Some(Time(8))).length(Time(20)), Duration::from_nanos(3));
    assert_eq!(window(None).length(Time(20)), Duration::from_nanos(15));
}

#[test]
fn without_deletes_nothing_is_the_version_before_all_others() {
    let judgement = judged("A: [w1@1] [w2@2] [r nil]", &[]);
    assert_eq!(judgement.metrics.max_versions_behind, Some(2));
    assert_eq!(judgement.metrics.sessions.read_your_writes, 1);
}

#[test]
fn a_function_that_no_register_has_is_not_judged_as_one() {
    let mut history = History::default();
    let op = Op { f: F::from("append"), key: Some(Key(1)), value: 5.into(), version: None };
    history.invoke(Time(0), Process::Client(0), op.clone());
    history.ok(Time(1), Process::Client(0), op);
    let rung = judge(&history, &[], &JudgeOptions::default());
    let rung = rung.rung(Guarantee::Linearizable);
    assert_eq!(rung.validity, Validity::Unknown);
    assert!(rung.reason.contains("`append` is no operation of a register"), "{}", rung.reason);
}

#[test]
fn where_one_value_has_no_version_real_time_tells_that_it_was_replaced() {
    let judgement = judged(
        "A: [w1] [w2@2]
         B:               [r1]",
        &[],
    );
    assert_eq!(judgement.metrics.stale_reads, 1);
    assert_eq!(judgement.anomalies[0].class, Class::StaleRead);
}

#[test]
fn stores_that_lost_a_write_are_not_eventual() {
    let rung = judged("A: [w1@1] [w2@1]", &[]).rung(Guarantee::Eventual).clone();
    assert_eq!((rung.validity, &*rung.reason), (Validity::Invalid, "1 acknowledged write lost"));
}

/// However many there are, the worst are kept, of each class at least one, and
/// no more than asked for.
#[test]
fn of_many_anomalies_the_worst_are_kept() {
    // Twenty reads of 1 after 2, each later than the one before.
    let reads = " [r1@1]".repeat(20);
    let drawing = format!("A: [w1@1] [w2@2]\nB: {}{reads}", " ".repeat(16));
    let history = quarrel_checkers::notation::parse(&drawing).unwrap();
    let told = |max_anomalies| {
        let mut options = JudgeOptions::default();
        options.max_anomalies = max_anomalies;
        judge(&history, &[], &options).anomalies
    };
    let all: Vec<Duration> = told(100).iter().map(|anomaly| anomaly.stale_for).collect();
    assert_eq!(all.len(), 20);
    assert!(all.is_sorted_by(|worse, other| worse > other), "{all:?}");
    for max in [1, 2, 3, 7, 10] {
        let kept: Vec<Duration> = told(max).iter().map(|anomaly| anomaly.stale_for).collect();
        assert_eq!(kept, all[..max]);
    }
    let classes = "A: [w1@1] [w2@2]\nB:                  [r2@2] [r1@1] [r1@1] [r1@1]";
    let history = quarrel_checkers::notation::parse(classes).unwrap();
    let mut options = JudgeOptions::default();
    for (max, expected) in [(2, [1, 1]), (3, [2, 1])] {
        options.max_anomalies = max;
        let anomalies = judge(&history, &[], &options).anomalies;
        let of = |class| anomalies.iter().filter(|anomaly| anomaly.class == class).count();
        assert_eq!([of(Class::StaleRead), of(Class::NonMonotonicRead)], expected, "{anomalies:#?}");
    }
}

/// What is counted key by key adds up.
#[test]
fn several_keys_add_up() {
    let one = "[r5]  [w5] [w1] [w2?]     [r7]";
    let drawing = |keys: u64| -> String {
        let line = |key| format!("A{key}: {}\n", one.replace('[', &format!("[{key}:")));
        (1..=keys).map(line).collect()
    };
    for keys in 1..=3 {
        let judgement = judged(&drawing(keys), &[]);
        let metrics = &judgement.metrics;
        assert_eq!((metrics.keys, metrics.reads, metrics.writes), (keys, 2 * keys, 2 * keys));
        assert_eq!(metrics.indeterminate_writes, keys);
        assert_eq!((metrics.future_reads, metrics.phantom_reads), (keys, keys));
        let reason = &judgement.rung(Guarantee::Linearizable).reason;
        let expected = match keys {
            1 => {
                "1 read of a value that nobody wrote, 1 read of a value not yet written".to_owned()
            }
            _ => format!(
                "{keys} reads of values that nobody wrote, {keys} reads of values not yet written"
            ),
        };
        assert_eq!(*reason, expected);
    }
}
