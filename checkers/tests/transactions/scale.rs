use quarrel_checkers::{
    Budget, Checker, Class, F, History, Op, Process, Time, Validity, Value,
    generate::Random,
    transactions::{ListAppend, RwRegister},
};

/// What a serial store answers to transactions of four micro-operations.
fn serial(count: u64, f: &str) -> History {
    let mut random = Random::seeded(9);
    let mut lists: Vec<Vec<Value>> = vec![Vec::new(); 64];
    // Keys are retired, so that lists stay short.
    let mut names: Vec<i64> = (0..64).collect();
    let mut history = History::default();
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
            if random.permille(500) {
                let seen = match f {
                    "append" => Value::List(lists[key].clone().into()),
                    _ => lists[key].last().cloned().unwrap_or_default(),
                };
                asked.push(Value::List(["r".into(), name.clone(), Value::Nil].into()));
                answered.push(Value::List(["r".into(), name, seen].into()));
            } else {
                let value = Value::Int(i64::try_from(n * 4 + asked.len() as u64).unwrap());
                lists[key].push(value.clone());
                asked.push(Value::List([f.into(), name.clone(), value.clone()].into()));
                answered.push(Value::List([f.into(), name, value].into()));
            }
        }
        let op = |micros: Vec<Value>| Op {
            f: F::Txn,
            key: None,
            value: Value::List(micros.into()),
            version: None,
        };
        let process = Process::Client(n % 20);
        history.invoke(Time(n * 2), process, op(asked));
        history.ok(Time(n * 2 + 1), process, op(answered));
    }
    history
}

#[test]
fn a_hundred_thousand_serial_transactions_are_acquitted() {
    let verdict = ListAppend::default().check(&serial(100_000, "append"), Budget::default());
    assert_eq!(verdict.validity, Validity::Valid, "{:?}", verdict.anomalies.first());
    let verdict = RwRegister::default().check(&serial(100_000, "w"), Budget::default());
    assert_eq!(verdict.validity, Validity::Valid, "{:?}", verdict.anomalies.first());
}

#[test]
fn one_read_skew_among_thousands_is_found() {
    let mut history = serial(5_000, "append");
    let end = Time(u64::MAX - 2);
    let op = |text: &[(&str, &str, Value)]| {
        let micro = |(f, key, value): &(&str, &str, Value)| {
            Value::List([Value::from(*f), Value::from(*key), value.clone()].into())
        };
        Op {
            f: F::Txn,
            key: None,
            value: Value::List(text.iter().map(micro).collect()),
            version: None,
        }
    };
    let empty = || Value::List([].into());
    let one = || Value::List([Value::Int(1)].into());
    let writer = op(&[("append", "p", Value::Int(1)), ("append", "q", Value::Int(1))]);
    let reader = op(&[("r", "p", empty()), ("r", "q", one())]);
    for (process, op) in [(100, writer), (101, reader)] {
        history.invoke(end, Process::Client(process), op.clone());
        history.ok(end, Process::Client(process), op);
    }
    let verdict = ListAppend::default().check(&history, Budget::default());
    let classes: Vec<Class> = verdict.anomalies.iter().map(|a| a.class).collect();
    assert_eq!(classes, [Class::FracturedRead, Class::GSingle]);
}

/// Three hundred transactions write what nobody reads, all after the one that
/// read the key before them and wrote to it itself; each in turn is the one
/// that it also depends on.
#[test]
fn one_of_many_unread_writes_is_found_behind_the_read_that_missed_it() {
    let micro =
        |f: &str, key: &str, value: Value| Value::List([f.into(), key.into(), value].into());
    for (f, empty) in [("append", Value::List([].into())), ("w", Value::Nil)] {
        for special in [1, 63, 64, 65, 66, 150, 299] {
            let seen = match f {
                "append" => Value::List([Value::Int(7)].into()),
                _ => Value::Int(7),
            };
            let reads = [micro("r", "x", empty.clone()), micro("r", "y", seen)];
            let mut ops = vec![reads.into_iter().chain([micro(f, "x", 0.into())]).collect()];
            ops.extend((1..300).map(|n| vec![micro(f, "x", n.into())]));
            ops[special].push(micro(f, "y", 7.into()));
            let op = |micros: &Vec<Value>| Op {
                f: F::Txn,
                key: None,
                value: Value::List(micros.clone().into()),
                version: None,
            };
            let mut history = History::default();
            for (process, micros) in (0..).zip(&ops) {
                history.invoke(Time(0), Process::Client(process), op(micros));
            }
            for (process, micros) in (0..).zip(&ops) {
                history.ok(Time(1), Process::Client(process), op(micros));
            }
            let verdict = match f {
                "append" => ListAppend::default().check(&history, Budget::default()),
                _ => RwRegister::default().check(&history, Budget::default()),
            };
            let classes: Vec<Class> = verdict.anomalies.iter().map(|a| a.class).collect();
            assert_eq!(classes, [Class::FracturedRead, Class::GSingle], "{f}, number {special}");
        }
    }
}

/// What is wrong in a hundred thousand ways is wrong without taking minutes.
#[test]
fn very_many_anomalies_are_found_in_little_time() {
    let many = 100_000;
    let mut history = History::default();
    let mut list = Vec::new();
    for n in 0..many {
        let op = |key: i64, list: Vec<Value>| Op {
            f: F::Txn,
            key: None,
            value: Value::List(
                [Value::List(["r".into(), key.into(), Value::List(list.into())].into())].into(),
            ),
            version: None,
        };
        // Nobody appended it: once in a list of its own, once in a long one.
        list.push(Value::Int(n));
        let shown = if n + 1 == many { std::mem::take(&mut list) } else { vec![Value::Int(n)] };
        let op = op(n, shown);
        history.invoke(Time(0), Process::Client(0), op.clone());
        history.ok(Time(0), Process::Client(0), op);
    }
    let verdict = ListAppend::default().check(&history, Budget::default());
    assert_eq!(verdict.validity, Validity::Invalid);
    assert!(verdict.anomalies.iter().all(|anomaly| anomaly.class == Class::PhantomRead));
}
