//! What a search says of operations that contradict each other.

use quarrel_checkers::{
    Budget, Checker, History, Kind, Model, Process, Time, Value, Verdict, models,
    search::{Failures, Linearizable},
};

use crate::search::op;

#[test]
fn what_contradicts_each_other_is_told_in_a_sentence() {
    let told = |events: &[(u64, Kind, &str, Value)]| {
        let mut history = History::default();
        for (process, kind, f, value) in events {
            history.push(Time(0), Process::Client(*process), *kind, op(f, value.clone()), None);
        }
        let kinds: [&dyn Fn() -> Verdict; 2] =
            [&|| Linearizable::new(models::Map).check(&history, Budget::default()), &|| {
                Linearizable::new(models::Set).check(&history, Budget::default())
            }];
        let is_set = events.iter().any(|(_, _, f, _)| *f == "contains");
        kinds[usize::from(is_set)]().anomalies[0].explanation.clone()
    };
    let nil = Value::Nil;
    assert_eq!(
        told(&[
            (0, Kind::Invoke, "put", "a".into()),
            (0, Kind::Ok, "put", nil.clone()),
            (1, Kind::Invoke, "get", nil.clone()),
            (1, Kind::Ok, "get", "".into()),
        ]),
        "key 0: no order of operations explains get -> \"\" (event 2) together with put a (event 0)"
    );
    // The second append began after the first read; it ended later.
    assert_eq!(
        told(&[
            (0, Kind::Invoke, "get", nil.clone()),
            (0, Kind::Ok, "get", "".into()),
            (1, Kind::Invoke, "append", "a".into()),
            (0, Kind::Invoke, "get", nil.clone()),
            (0, Kind::Ok, "get", "aa".into()),
            (1, Kind::Ok, "append", nil.clone()),
        ]),
        "key 0: no order of operations explains get -> aa (event 3), whenever they ran"
    );
    assert_eq!(
        told(&[
            (0, Kind::Invoke, "contains", 5.into()),
            (0, Kind::Ok, "contains", Value::Bool(true)),
            (1, Kind::Invoke, "add", 5.into()),
            (1, Kind::Ok, "add", nil),
        ]),
        "key 0: no order of operations explains contains 5 -> true (event 0), whenever they ran"
    );
}

/// One operation after the other: its function, what was asked and answered.
fn one_by_one(told: &[(&str, Value, Kind, Value)]) -> History {
    let mut history = History::default();
    for (f, asked, kind, answered) in told {
        history.invoke(Time(0), Process::Client(0), op(f, asked.clone()));
        history.push(Time(0), Process::Client(0), *kind, op(f, answered.clone()), None);
    }
    history
}

fn sentence<M: Model>(model: M, told: &[(&str, Value, Kind, Value)]) -> String {
    let checker = Linearizable::new(model).failures(Failures::Observed);
    let verdict = checker.check(&one_by_one(told), Budget::default());
    verdict.anomalies[0].explanation.clone()
}

#[test]
fn answers_are_told_where_they_say_something() {
    let nil = || Value::Nil;
    let pair = || Value::List([1.into(), 2.into()].into());
    let write = || ("write", 1.into(), Kind::Ok, 1.into());
    assert_eq!(
        sentence(models::CasRegister, &[write(), ("cas", pair(), Kind::Fail, pair())]),
        "key 0: no order of operations explains cas [1 2] -> refused (event 2) together with \
         write 1 (event 0)"
    );
    assert_eq!(
        sentence(models::Register, &[write(), ("read", nil(), Kind::Ok, nil())]),
        "key 0: no order of operations explains read -> nil (event 2) together with write 1 \
         (event 0)"
    );
    assert_eq!(
        sentence(
            models::Set,
            &[
                ("add", 5.into(), Kind::Ok, nil()),
                ("contains", 5.into(), Kind::Ok, Value::Bool(false)),
            ]
        ),
        "key 0: no order of operations explains contains 5 -> false (event 2) together with add 5 \
         (event 0)"
    );
    assert_eq!(
        sentence(
            models::Queue,
            &[("enqueue", 1.into(), Kind::Ok, nil()), ("dequeue", nil(), Kind::Ok, nil())]
        ),
        "key 0: no order of operations explains dequeue -> nil (event 2) together with enqueue 1 \
         (event 0)"
    );
}

#[test]
fn of_very_many_that_contradict_each_other_eight_are_named() {
    let told = |adds: usize| {
        let mut history = vec![("add", Value::Int(1), Kind::Ok, Value::Nil); adds];
        history.push(("read", Value::Nil, Kind::Ok, Value::Int(adds as i64 - 1)));
        sentence(models::Counter, &history)
    };
    let (nine, eleven) = (told(8), told(10));
    assert!(nine.contains("read -> 7 (event 16)") && nine.ends_with("add 1 (event 14)"), "{nine}");
    assert!(eleven.ends_with("add 1 (event 14) and 2 more"), "{eleven}");
}

/// A compare-and-set that failed is left out, or was refused by the register;
/// one with an error of its own says nothing of the register.
#[test]
fn what_a_failure_means_is_asked() {
    let valid = |failures, error: Option<&str>| {
        let mut history = one_by_one(&[("write", 1.into(), Kind::Ok, 1.into())]);
        let pair = || Value::List([1.into(), 2.into()].into());
        history.invoke(Time(0), Process::Client(0), op("cas", pair()));
        let error = error.map(str::to_owned);
        history.push(Time(0), Process::Client(0), Kind::Fail, op("cas", pair()), error);
        let checker = Linearizable::new(models::CasRegister).failures(failures);
        checker.check(&history, Budget::default()) == Verdict::valid()
    };
    assert!(valid(Failures::Dropped, None) && valid(Failures::Dropped, Some("timeout")));
    assert!(!valid(Failures::Observed, None));
    assert!(valid(Failures::Observed, Some("timeout")));
}
