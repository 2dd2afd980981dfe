use quarrel_checkers::{
    Anomaly, Budget, Checker, Event, F, History, Kind, Model, Op, Operation, Process, Time,
    Validity, Value,
    formats::{self, Format},
    generate::Random,
    models,
    search::{Engine, Failures, Linearizable, Partition, Witness},
};

use crate::histories::histories;

/// Whether some order of all operations respects real time and the model.
fn is_linearizable<M: Model>(model: &M, history: &History) -> bool {
    let operations = history.operations().expect("well-formed");
    let calls: Vec<(&Event, Option<&Event>)> = operations
        .iter()
        .map(|operation| {
            let complete = operation.complete.map(|index| &history.events[index.position()]);
            (&history.events[operation.invoke.position()], complete)
        })
        .filter(|(invoke, complete)| {
            complete.is_none_or(|c| c.kind != Kind::Fail || invoke.op.f == F::Cas)
        })
        .collect();
    explore(model, &calls, 0, &model.initial())
}

fn explore<M: Model>(
    model: &M,
    calls: &[(&Event, Option<&Event>)],
    taken: u32,
    state: &M::State,
) -> bool {
    let closed = |at: usize| calls[at].1.filter(|event| event.kind != Kind::Info);
    let rest = || (0..calls.len()).filter(|at| taken & (1 << at) == 0);
    if rest().all(|at| closed(at).is_none()) {
        return true;
    }
    rest().any(|at| {
        let begin = calls[at].0.index;
        let is_first = rest().all(|other| closed(other).is_none_or(|end| end.index > begin));
        let refused = Value::Bool(false);
        let response = closed(at).map(|event| match event.kind {
            Kind::Fail => &refused,
            _ => &event.op.value,
        });
        let after = is_first.then(|| model.step(state, &calls[at].0.op, response)).flatten();
        after.is_some_and(|after| explore(model, calls, taken | 1 << at, &after))
    })
}

/// Random events of three processes; `ask` makes an operation and an answer.
fn random_history(random: &mut Random, ask: &mut dyn FnMut(&mut Random) -> (Op, Value)) -> History {
    let mut history = History::default();
    let mut open: Vec<Option<(Op, Value)>> = vec![None; 3];
    let mut processes = [0, 1, 2];
    // Now and then half of the outcomes are unknown.
    let unknown = if random.below(3) == 0 { 5 } else { 1 };
    for _ in 0..4 + random.below(12) {
        let at = random.below(3) as usize;
        let time = Time(history.events.len() as u64);
        let process = Process::Client(processes[at]);
        if let Some((op, answer)) = open[at].take() {
            let is_cas = op.f == F::Cas;
            let kind = match random.below(10) {
                n if n < unknown => Kind::Info,
                5..=7 if is_cas => Kind::Fail,
                _ => Kind::Ok,
            };
            if kind == Kind::Info {
                processes[at] += 3;
            }
            let value = if kind == Kind::Ok { answer } else { op.value.clone() };
            history.push(time, process, kind, Op { value, ..op }, None);
        } else {
            let (op, answer) = ask(random);
            history.invoke(time, process, op.clone());
            open[at] = Some((op, answer));
        }
    }
    history
}

pub(crate) fn op(f: &str, value: Value) -> Op {
    Op { f: f.into(), key: Some(0.into()), value, version: None }
}

fn small(random: &mut Random, count: u64) -> Value {
    Value::Int(random.below(count) as i64)
}

fn formats_text(history: &History) -> String {
    let mut text = Vec::new();
    formats::write(history, Format::Text, &mut text).expect("a vector takes everything");
    String::from_utf8(text).expect("it is text")
}

/// Compares both engines, alone and together, with the definition.
fn agree<M: Model + Copy>(model: M, usual: u64, ask: &mut dyn FnMut(&mut Random) -> (Op, Value)) {
    let total = histories(usual);
    let mut invalid = 0;
    let mut told = 0;
    for seed in 0..total {
        let history = random_history(&mut Random::seeded(seed), ask);
        let expected = if is_linearizable(&model, &history) {
            Validity::Valid
        } else {
            invalid += 1;
            Validity::Invalid
        };
        let checker =
            Linearizable::new(model).failures(Failures::Observed).partition(Partition::Whole);
        let engines = [
            (Engine::JustInTime, Witness::Omitted),
            (Engine::DepthFirst, Witness::Omitted),
            (Engine::Competition, Witness::Minimal),
        ];
        for (engine, witness) in engines {
            let checker = checker.engine(engine).witness(witness);
            let verdict = checker.check(&history, Budget::default());
            let drawn = || formats_text(&history);
            assert_eq!(verdict.validity, expected, "seed {seed}, {engine:?}:\n{}", drawn());
            for anomaly in &verdict.anomalies {
                told += 1;
                minimal(&model, &history, anomaly, seed);
            }
        }
    }
    let range = total / 20..total * 19 / 20;
    assert!(range.contains(&invalid), "{invalid} of {total} invalid");
    assert_eq!(told, invalid, "what is convicted is explained");
}

/// A witness is illegal, whatever began after it, and legal without any one of
/// it.
fn minimal<M: Model>(model: &M, history: &History, anomaly: &Anomaly, seed: u64) {
    let mut operations = history.operations().expect("well-formed");
    operations.retain(|operation| Some(&operation.invoke) < anomaly.witness.last());
    for operation in &mut operations {
        operation.complete = operation.complete.filter(|end| anomaly.witness.contains(end));
    }
    let is_named = |operation: &&Operation| anomaly.witness.contains(&operation.invoke);
    let named: Vec<&Operation> = operations.iter().filter(is_named).collect();
    let drawn = || format!("seed {seed}: {anomaly:#?}\n{}", formats_text(history));
    let whole = remembering(history, &operations, &named);
    assert!(!is_linearizable(model, &whole), "it proves nothing: {}", drawn());
    for one in 0..named.len() {
        let mut rest = named.clone();
        rest.remove(one);
        let rest = remembering(history, &operations, &rest);
        assert!(is_linearizable(model, &rest), "number {one} is not needed: {}", drawn());
    }
}

/// Of what is not named nothing is known but that it was asked: it may have
/// happened at any time or never.
fn remembering(history: &History, operations: &[Operation], named: &[&Operation]) -> History {
    let mut rest = History::default();
    for (number, operation) in (100..).zip(operations) {
        let invoke = &history.events[operation.invoke.position()];
        if !named.contains(&operation) {
            rest.invoke(Time(0), Process::Client(number), invoke.op.clone());
        }
    }
    for event in &history.events {
        let is_of = |o: &&&Operation| o.invoke == event.index || o.complete == Some(event.index);
        if named.iter().any(|operation| is_of(&operation)) {
            rest.push(event.time, event.process, event.kind, event.op.clone(), None);
        }
    }
    rest
}

#[test]
fn registers_with_repeated_values() {
    agree(models::CasRegister, 400_000, &mut |random| match random.below(5) {
        0 | 1 => {
            let seen = small(random, 4);
            (op("read", Value::Nil), if seen == Value::Int(3) { Value::Nil } else { seen })
        }
        2 | 3 => {
            let value = small(random, 3);
            (op("write", value.clone()), value)
        }
        _ => {
            let pair = Value::List([small(random, 3), small(random, 3)].into());
            (op("cas", pair.clone()), pair)
        }
    });
}

#[test]
fn counters() {
    agree(models::Counter, 100_000, &mut |random| match random.below(2) {
        0 => (op("read", Value::Nil), small(random, 5)),
        _ => (op("add", small(random, 3)), Value::Nil),
    });
}

#[test]
fn sets() {
    agree(models::Set, 100_000, &mut |random| ask_set(random));
}

fn ask_set(random: &mut Random) -> (Op, Value) {
    match random.below(4) {
        0 => {
            let members = (0..3).filter(|_| random.permille(500)).map(Value::Int).collect();
            (op("read", Value::Nil), Value::List(members))
        }
        1 => (op("contains", small(random, 3)), Value::Bool(random.permille(500))),
        2 => (op("remove", small(random, 3)), Value::Nil),
        _ => (op("add", small(random, 3)), Value::Nil),
    }
}

#[test]
fn queues() {
    agree(models::Queue, 100_000, &mut |random| match random.below(2) {
        0 => {
            let seen = small(random, 4);
            (op("dequeue", Value::Nil), if seen == Value::Int(3) { Value::Nil } else { seen })
        }
        _ => (op("enqueue", small(random, 3)), Value::Nil),
    });
}

#[test]
fn maps_of_texts() {
    agree(models::Map, 100_000, &mut |random| ask_map(random));
}

fn ask_map(random: &mut Random) -> (Op, Value) {
    let key = Some(random.below(2).into());
    let letter = ["a", "b"][random.below(2) as usize];
    let (op, answer) = match random.below(4) {
        0 | 1 => {
            let seen = ["", "a", "b", "ab"][random.below(4) as usize];
            (op("get", Value::Nil), Value::from(seen))
        }
        2 => (op("put", Value::from(letter)), Value::Nil),
        _ => (op("append", Value::from(letter)), Value::Nil),
    };
    (Op { key, ..op }, answer)
}

#[test]
fn mutexes() {
    agree(models::Mutex, 100_000, &mut |random| match random.below(2) {
        0 => (op("acquire", Value::Nil), Value::Nil),
        _ => (op("release", Value::Nil), Value::Nil),
    });
}

#[test]
fn several_registers() {
    agree(models::MultiRegister, 100_000, &mut |random| ask_registers(random));
}

fn ask_registers(random: &mut Random) -> (Op, Value) {
    let mut asked = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..1 + random.below(2) {
        let key = small(random, 2);
        let value = small(random, 2);
        let f = if random.permille(500) { "r" } else { "w" };
        let argument = if f == "r" { Value::Nil } else { value.clone() };
        asked.push(Value::List([Value::from(f), key.clone(), argument].into()));
        seen.push(Value::List([Value::from(f), key, value].into()));
    }
    (op("txn", Value::List(asked.into())), Value::List(seen.into()))
}

/// Whatever two operations a model says may change places do so, from every
/// state that a few random operations lead to.
fn change_places<M: Model>(model: &M, ask: &mut dyn FnMut(&mut Random) -> (Op, Value))
where
    M::State: std::fmt::Debug,
{
    let mut tried = 0;
    for seed in 0..histories(200_000) {
        let mut random = Random::seeded(seed);
        let mut state = model.initial();
        for _ in 0..random.below(5) {
            let (op, answer) = ask(&mut random);
            state = model.step(&state, &op, Some(&answer)).unwrap_or(state);
        }
        let mut asked = || {
            let (op, answer) = ask(&mut random);
            (op, random.permille(700).then_some(answer))
        };
        let [(one, one_answer), (other, other_answer)] = [asked(), asked()];
        let (first, second) = ((&one, one_answer.as_ref()), (&other, other_answer.as_ref()));
        if model.commute(first, second) {
            tried += 1;
            let step = |state: M::State, (op, answer): (&Op, Option<&Value>)| {
                model.step(&state, op, answer)
            };
            let forth = step(state.clone(), first).and_then(|after| step(after, second));
            let back = step(state.clone(), second).and_then(|after| step(after, first));
            assert_eq!(forth, back, "seed {seed}: {first:?} and {second:?} in {state:?}");
        }
        assert_eq!(model.commute(first, second), model.commute(second, first), "seed {seed}");
    }
    assert!(tried > histories(200_000) / 10, "{tried} pairs");
}

#[test]
fn operations_that_commute_may_change_places() {
    change_places(&models::Set, &mut |random| ask_set(random));
    change_places(&models::Map, &mut |random| ask_map(random));
    change_places(&models::MultiRegister, &mut |random| ask_registers(random));
}

/// Twenty keys are appended to at once, again and again; each read of one of
/// them waits for its own key only.
#[test]
fn what_commutes_is_not_tried_in_every_order() {
    for engine in [Engine::JustInTime, Engine::DepthFirst] {
        for (seen, expected) in [("aa", Validity::Valid), ("a", Validity::Invalid)] {
            let mut history = History::default();
            let on = |key: u64, f, value| Op { key: Some(key.into()), ..op(f, value) };
            for _ in 0..2 {
                for key in 0..20 {
                    let append = on(key, "append", "a".into());
                    history.invoke(Time(0), Process::Client(key), append);
                }
                for key in 0..20 {
                    history.ok(Time(0), Process::Client(key), on(key, "append", Value::Nil));
                }
            }
            history.invoke(Time(0), Process::Client(7), on(7, "get", Value::Nil));
            history.ok(Time(0), Process::Client(7), on(7, "get", seen.into()));
            let checker = Linearizable::new(models::Map)
                .partition(Partition::Whole)
                .engine(engine)
                .witness(Witness::Omitted);
            let verdict = checker.check(&history, Budget { steps: 2_000 });
            assert_eq!(verdict.validity, expected, "{engine:?}: {:?}", verdict.undecided);
        }
    }
}

/// So many operations at once that the sets of them need one word more, up to
/// where the engine gives up.
#[test]
fn any_number_of_operations_may_be_under_way_at_once() {
    let validity = |count: i64, is_in: bool, engine| {
        let mut history = History::default();
        let process = |n: i64| Process::Client(n.unsigned_abs());
        for n in 0..count {
            history.invoke(Time(0), process(n), op("add", Value::Int(n)));
        }
        for n in 0..count {
            history.ok(Time(0), process(n), op("add", Value::Nil));
        }
        let last = Value::Int(count - 1);
        history.invoke(Time(0), process(0), op("contains", last));
        history.ok(Time(0), process(0), op("contains", Value::Bool(is_in)));
        let checker = Linearizable::new(models::Set).engine(engine).witness(Witness::Omitted);
        checker.check(&history, Budget::default()).validity
    };
    for count in [1, 63, 64, 65, 66, 256, 257, 1_024] {
        let both = [true, false].map(|is_in| validity(count, is_in, Engine::JustInTime));
        assert_eq!(both, [Validity::Valid, Validity::Invalid], "{count} at once");
    }
    assert_eq!(validity(1_025, true, Engine::JustInTime), Validity::Unknown);
    assert_eq!(validity(1_025, true, Engine::Competition), Validity::Valid);
}
