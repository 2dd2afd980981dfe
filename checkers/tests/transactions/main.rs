//! Isolation anomalies, each in its smallest form, and serial histories that
//! have none.

mod definition;
#[path = "../oracle/histories.rs"]
mod histories;
mod levels;
mod oracle;
mod scale;
mod small;

use quarrel_checkers::{
    Budget, Checker, Class, F, History, Index, Kind, Op, Process, Time, Validity, Value, Verdict,
    transactions::{Expected, ListAppend, RwRegister},
};

/// Transactions written as `ax1 rx12 wy3 ry_ `: append, read of a list of
/// digits (or nothing), write. Each has a process of its own and they overlap;
/// one that begins with `!` aborts and one with `?` has an unknown outcome.
fn history(transactions: &[&str]) -> History {
    let is_list = transactions.iter().any(|t| t.contains('a'));
    let shape = if is_list { Shape::List } else { Shape::Register };
    let ops: Vec<(Kind, Op, Op)> = transactions
        .iter()
        .map(|text| {
            let kind = match text.as_bytes()[0] {
                b'!' => Kind::Fail,
                b'?' => Kind::Info,
                _ => Kind::Ok,
            };
            let micros = text.trim_start_matches(['!', '?']).split(' ');
            let micros: Vec<Value> = micros.map(|micro| value(micro, shape)).collect();
            let op = Op { f: F::Txn, key: None, value: Value::List(micros.into()), version: None };
            (kind, op.clone(), op)
        })
        .collect();
    let mut history = History::default();
    for (process, (_, asked, _)) in (0..).zip(&ops) {
        history.invoke(Time(process), Process::Client(process), asked.clone());
    }
    for (process, (kind, _, answered)) in (0..).zip(&ops) {
        history.push(Time(1_000), Process::Client(process), *kind, answered.clone(), None);
    }
    history
}

/// What a key holds.
#[derive(Clone, Copy)]
enum Shape {
    List,
    Register,
}

fn value(micro: &str, shape: Shape) -> Value {
    let (f, rest) = micro.split_at(1);
    let (key, digits) = rest.split_at(1);
    let number = |c: char| Value::Int(i64::from(c.to_digit(10).expect("a digit")));
    let mut numbers = digits.chars().filter(|c| *c != '_').map(number);
    let value = match (f, shape) {
        ("r", Shape::List) => Value::List(numbers.collect()),
        _ => numbers.next().unwrap_or_default(),
    };
    let f = if f == "a" { "append" } else { f };
    Value::List([Value::from(f), Value::from(key), value].into())
}

fn check(transactions: &[&str]) -> Verdict {
    let history = history(transactions);
    if transactions.iter().any(|t| t.contains('a')) {
        ListAppend::default().check(&history, Budget::default())
    } else {
        RwRegister::default().check(&history, Budget::default())
    }
}

fn classes(transactions: &[&str]) -> Vec<Class> {
    check(transactions).anomalies.iter().map(|anomaly| anomaly.class).collect()
}

#[test]
fn serial_lists_have_no_anomaly() {
    let serial = ["ax1 ay1", "rx1 ax2", "rx12 ry1", "ry1 ay2 ry12", "?ax3", "rx123", "!ax4"];
    assert_eq!(check(&serial), Verdict::valid());
    assert_eq!(check(&["rx_ ax1", "rx1 ry_"]), Verdict::valid());
    assert_eq!(check(&[]), Verdict::valid());
}

#[test]
fn lists_show_every_class() {
    let told: [(&[&str], Class); 9] = [
        (&["ax1 ay1", "ax2 ay2", "rx12 ry21"], Class::G0),
        (&["!ax1", "rx1"], Class::G1a),
        (&["ax1 ax2", "rx1", "rx12"], Class::G1b),
        (&["ax1 ry1", "ay1 rx1"], Class::G1c),
        (&["rx_ ax1", "rx_ ax2"], Class::LostUpdate),
        (&["rx_ ry1", "ax1 ay1"], Class::GSingle),
        (&["rx_ ay1", "ry_ ax1"], Class::G2Item),
        (&["ax1 rx_"], Class::Internal),
        (&["ax1", "ax2", "rx12", "rx2"], Class::IncompatibleOrder),
    ];
    for (transactions, class) in told {
        assert!(
            classes(transactions).contains(&class),
            "{transactions:?}: {:?}",
            classes(transactions)
        );
    }
    assert_eq!(classes(&["rx7 ax1"]), [Class::PhantomRead]);
    assert_eq!(classes(&["rx_ ay1", "ry_ ax1"]), [Class::G2Item]);
    assert_eq!(classes(&["rx_ ry1", "ax1 ay1"]), [Class::FracturedRead, Class::GSingle]);
}

/// Two of the three transactions contradict each other already, but in a
/// weaker way than all three.
#[test]
fn a_weaker_cycle_of_fewer_transactions_does_not_hide_a_stronger_one() {
    let told: [(&[&str], Class, Class); 3] = [
        (&["ax1 az2 rp1", "ax2 ay1 ap1", "ay2 az1", "rx12 ry12 rz12"], Class::G0, Class::G1c),
        (&["ax1 rz1 aq1", "rx1 ay1 rq_", "ry1 az1"], Class::G1c, Class::GSingle),
        (&["rx_ rz1 aq1", "ax1 ay1 rq_", "ry1 az1"], Class::GSingle, Class::G2Item),
    ];
    for (transactions, strong, weak) in told {
        let found = check(transactions).anomalies;
        let of = |class| found.iter().find(|anomaly| anomaly.class == class);
        let members = |class| of(class).map(|anomaly| anomaly.witness.len() / 2);
        assert_eq!(
            (members(strong), members(weak)),
            (Some(3), Some(2)),
            "{transactions:?}: {found:#?}"
        );
    }
}

/// The first one closes a cycle of all four; without it the last and the second
/// still do, in the same way, and by themselves in a weaker one.
#[test]
fn a_stronger_cycle_is_as_small_as_its_class_allows() {
    let verdict = check(&["ra_ rd1", "aa1 ab1 ae1 rf_", "rb1 ac1", "rc1 ad1 re_ af1"]);
    let members: Vec<(Class, usize)> =
        verdict.anomalies.iter().map(|a| (a.class, a.witness.len() / 2)).collect();
    assert_eq!(members, [(Class::GSingle, 3), (Class::G2Item, 2)], "{:#?}", verdict.anomalies);
}

#[test]
fn every_anomaly_is_told_once() {
    assert_eq!(classes(&["!ax1", "rx1", "!ay1", "ry1"]), [Class::G1a, Class::G1a]);
    assert_eq!(classes(&["!ax1 ay1", "rx1 ry1"]), [Class::G1a]);
    let apart = ["rx_ ay1", "ry_ ax1", "rz_ aw1", "rw_ az1"];
    assert_eq!(classes(&apart), [Class::G2Item, Class::G2Item]);
}

#[test]
fn registers_show_every_class_that_can_be_inferred() {
    let told: [(&[&str], Class); 7] = [
        (&["!wx1", "rx1"], Class::G1a),
        (&["wx1 wx2", "rx1"], Class::G1b),
        (&["wx1 ry1", "wy1 rx1"], Class::G1c),
        (&["rx_ wx1", "rx_ wx2"], Class::LostUpdate),
        (&["rx_ ry1", "wx1 wy1"], Class::GSingle),
        (&["rx_ wy1", "ry_ wx1"], Class::G2Item),
        (&["wx1 rx2"], Class::Internal),
    ];
    for (transactions, class) in told {
        assert!(
            classes(transactions).contains(&class),
            "{transactions:?}: {:?}",
            classes(transactions)
        );
    }
    let serial = ["rx_ wx1", "rx1 wx2", "rx2 ry_ wy1", "?wx9", "rx9 ry1"];
    assert_eq!(check(&serial), Verdict::valid());
}

#[test]
fn a_cycle_is_told_transaction_by_transaction() {
    let verdict = check(&["rx_ ry1", "ax1 ay1"]);
    let told: Vec<_> = verdict.anomalies.iter().map(|a| &*a.explanation).collect();
    assert_eq!(
        told,
        [
            "T0 read x before anybody wrote it, and read something of T1, which did",
            "T1 overwrote what T0 read of x, T0 read what T1 wrote to y: each must come before the \
             next (read skew)"
        ]
    );
    assert_eq!(verdict.anomalies[1].witness, [0, 1, 2, 3].map(Index));
}

#[test]
fn a_history_of_the_wrong_shape_is_unknown() {
    let unknown = |transactions: &[&str]| {
        let verdict = check(transactions);
        assert_eq!(verdict.validity, Validity::Unknown);
        verdict.undecided.expect("it says why")
    };
    assert_eq!(
        unknown(&["ax1", "ax1"]),
        "events 0 and 1 both write 1 to key x: values must be unique"
    );
    assert_eq!(unknown(&["ax1", "qx1"]), "event 3: expected [r|append|w key value], found [q x 1]");
}

/// One transaction after the other, each over before the next begins.
fn one_after_another(transactions: &[&str]) -> History {
    let overlapping = history(transactions);
    let count = transactions.len();
    let mut apart = History::default();
    for at in 0..count {
        for event in [&overlapping.events[at], &overlapping.events[count + at]] {
            let time = Time(apart.events.len() as u64);
            apart.push(time, event.process, event.kind, event.op.clone(), None);
        }
    }
    apart
}

#[test]
fn real_time_closes_cycles_only_where_it_is_expected_to_count() {
    let told: [(&[&str], Class); 4] = [
        (&["ax2", "ax1", "rx12"], Class::G0Realtime),
        (&["ax1 ry1", "ay1"], Class::G1cRealtime),
        (&["ax1", "rx_", "rx1"], Class::GSingleRealtime),
        (&["rx_ ay1", "az1", "ry_ ax1"], Class::G2Item),
    ];
    for (transactions, class) in told {
        let history = one_after_another(transactions);
        let classes = |expected| -> Vec<Class> {
            let verdict = ListAppend::expecting(expected).check(&history, Budget::default());
            verdict.anomalies.iter().map(|anomaly| anomaly.class).collect()
        };
        let strict = classes(Expected::StrictSerializable);
        assert!(strict.contains(&class), "{transactions:?}: {strict:?}");
        if class != Class::G2Item {
            assert_eq!(classes(Expected::Serializable), [], "{transactions:?}");
        }
    }
    let stale = one_after_another(&["wx1", "rx_"]);
    let verdict =
        RwRegister::expecting(Expected::StrictSerializable).check(&stale, Budget::default());
    assert_eq!(verdict.anomalies[0].class, Class::GSingleRealtime);
    assert_eq!(
        verdict.anomalies[0].explanation,
        "T0 overwrote what T2 read of x, T2 began after T0 had ended: each must come before the next"
    );
    assert_eq!(RwRegister::default().check(&stale, Budget::default()), Verdict::valid());
}

/// Two reads that each miss a write which had ended need two transactions of
/// their own: real time joins them crosswise.
#[test]
fn a_cycle_in_real_time_may_hold_several_missed_writes() {
    let micro =
        |f: &str, key: &str, value: Value| Value::List([f.into(), key.into(), value].into());
    let empty = || Value::List([].into());
    let one = || Value::Int(1);
    let op = |micros: Vec<Value>| Op {
        f: F::Txn,
        key: None,
        value: Value::List(micros.into()),
        version: None,
    };
    // A misses what B wrote to x; C, after B, misses what D wrote to y; A is after D.
    let transactions = [
        ("D", op(vec![micro("append", "y", one())])),
        ("A", op(vec![micro("r", "x", empty())])),
        ("B", op(vec![micro("append", "x", one())])),
        ("C", op(vec![micro("r", "y", empty())])),
    ];
    // D begins, ends; A begins; B begins, ends; C begins, ends; A ends: but C
    // is after D as well, so that the smallest cycle is of C and D alone.
    let mut history = History::default();
    let mut happen = |at: usize, kind| {
        let time = Time(history.events.len() as u64);
        let op = transactions[at].1.clone();
        history.push(time, Process::Client(at as u64), kind, op, None);
    };
    for (at, kind) in [
        (0, Kind::Invoke),
        (0, Kind::Ok),
        (1, Kind::Invoke),
        (2, Kind::Invoke),
        (2, Kind::Ok),
        (3, Kind::Invoke),
        (3, Kind::Ok),
        (1, Kind::Ok),
    ] {
        happen(at, kind);
    }
    let checker = ListAppend::expecting(Expected::StrictSerializable);
    let verdict = checker.check(&history, Budget::default());
    assert_eq!(verdict.anomalies[0].class, Class::GSingleRealtime);
    assert_eq!(verdict.anomalies[0].witness, [0, 1, 5, 6].map(Index));
}
