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
    assert_eq!(classes, [Class::GSingle]);
}
