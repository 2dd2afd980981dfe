//! What each model answers, told in runs of one client: the searches are held
//! to the models, and the models to this.

use quarrel_checkers::{F, Key, Model, Op, Value, models};

fn op(f: &str, value: impl Into<Value>) -> Op {
    Op { f: F::from(f), key: None, value: value.into(), version: None }
}

fn on(key: u64, op: Op) -> Op {
    Op { key: Some(Key(key)), ..op }
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::List(values.into_iter().collect())
}

fn pair(old: i64, new: i64) -> Value {
    list([old.into(), new.into()])
}

/// Whether an answer is possible, or an operation only observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
}

const YES: Holds = Holds::Yes;
const NO: Holds = Holds::No;

/// Operations one after the other, each with what it answers, if that is
/// known, and whether it may. What may not be leaves no trace.
fn run<M: Model>(model: &M, told: &[(Op, Option<Value>, Holds)]) {
    let mut state = model.initial();
    for (at, (op, answer, may_be)) in told.iter().enumerate() {
        let after = model.step(&state, op, answer.as_ref());
        assert_eq!(after.is_some(), *may_be == YES, "step {at}: {op:?} -> {answer:?}");
        let Some(after) = after else { continue };
        if model.is_observation(op, answer.as_ref()) {
            assert!(after == state, "step {at}: {op:?} -> {answer:?} observes and changes");
        }
        state = after;
    }
}

/// Which operations only observe, with any answer or this one.
fn observes<M: Model>(model: &M, told: &[(Op, Option<Value>, Holds)]) {
    for (op, answer, observes) in told {
        let told = model.is_observation(op, answer.as_ref());
        assert_eq!(told, *observes == YES, "{op:?} -> {answer:?}");
    }
}

fn read(seen: impl Into<Value>, may_be: Holds) -> (Op, Option<Value>, Holds) {
    (op("read", Value::Nil), Some(seen.into()), may_be)
}

fn of_unknown_answer(f: &str, value: impl Into<Value>) -> (Op, Option<Value>, Holds) {
    (op(f, value), None, YES)
}

#[test]
fn a_register_holds_what_was_written_last() {
    let write = |value: i64| (op("write", value), Some(value.into()), YES);
    let told = [
        read(Value::Nil, YES),
        read(0, NO),
        write(1),
        read(1, YES),
        read(Value::Nil, NO),
        of_unknown_answer("read", Value::Nil),
        of_unknown_answer("write", 2),
        read(1, NO),
        read(2, YES),
        (op("delete", Value::Nil), Some(Value::Nil), YES),
        read(2, NO),
        read(Value::Nil, YES),
        (op("increment", 1), None, NO),
    ];
    run(&models::Register, &told);
    run(&models::CasRegister, &told);
    run(&models::Register, &[(op("cas", pair(1, 2)), None, NO)]);
    let observing = [
        (op("read", Value::Nil), None, YES),
        (op("read", Value::Nil), Some(1.into()), YES),
        (op("write", 1), None, NO),
        (op("delete", Value::Nil), None, NO),
    ];
    observes(&models::Register, &observing);
    observes(&models::CasRegister, &observing);
}

#[test]
fn a_compare_and_set_needs_the_old_value() {
    let cas = |old, new, answer: Option<bool>, may_be| {
        (op("cas", pair(old, new)), answer.map(Value::Bool), may_be)
    };
    run(
        &models::CasRegister,
        &[
            cas(1, 2, Some(true), NO),
            cas(1, 2, Some(false), YES),
            cas(1, 2, None, NO),
            (op("write", 1), None, YES),
            cas(1, 2, Some(false), NO),
            read(1, YES),
            cas(1, 2, Some(true), YES),
            read(2, YES),
            cas(2, 3, None, YES),
            read(3, YES),
            (op("cas", 3), Some(Value::Bool(true)), NO),
            (op("cas", list([3.into()])), Some(Value::Bool(true)), NO),
        ],
    );
    observes(
        &models::CasRegister,
        &[cas(1, 2, Some(false), YES), cas(1, 2, Some(true), NO), cas(1, 2, None, NO)],
    );
    // Only a compare-and-set can be refused.
    observes(&models::CasRegister, &[(op("write", 1), Some(Value::Bool(false)), NO)]);
}

#[test]
fn a_counter_sums() {
    run(
        &models::Counter,
        &[
            read(0, YES),
            read(1, NO),
            read(Value::Nil, NO),
            of_unknown_answer("read", Value::Nil),
            of_unknown_answer("add", 5),
            read(5, YES),
            (op("inc", Value::Nil), Some(Value::Nil), YES),
            read(6, YES),
            of_unknown_answer("inc", -2),
            read(4, YES),
            read(6, NO),
            (op("add", "4"), None, NO),
            (op("add", i64::MAX), None, NO),
            (op("write", 4), None, NO),
        ],
    );
    observes(
        &models::Counter,
        &[(op("read", Value::Nil), None, YES), (op("add", 0), None, NO), (op("inc", 1), None, NO)],
    );
}

#[test]
fn a_set_holds_its_members_once() {
    let contains =
        |value: i64, is_in: bool, may_be| (op("contains", value), Some(Value::Bool(is_in)), may_be);
    let members = |values: &[i64], may_be| read(list(values.iter().map(|v| (*v).into())), may_be);
    run(
        &models::Set,
        &[
            read(Value::Nil, YES),
            members(&[], YES),
            contains(1, false, YES),
            contains(1, true, NO),
            of_unknown_answer("add", 1),
            of_unknown_answer("add", 2),
            of_unknown_answer("add", 1),
            members(&[1, 2], YES),
            members(&[2, 1], YES),
            members(&[2, 1, 1], YES),
            members(&[1], NO),
            members(&[1, 3], NO),
            members(&[1, 2, 3], NO),
            read(Value::Nil, NO),
            read(1, NO),
            of_unknown_answer("read", Value::Nil),
            contains(1, true, YES),
            contains(1, false, NO),
            of_unknown_answer("contains", 7),
            of_unknown_answer("remove", 1),
            of_unknown_answer("remove", 1),
            contains(1, false, YES),
            members(&[2], YES),
            (op("clear", Value::Nil), None, NO),
        ],
    );
    observes(
        &models::Set,
        &[
            (op("read", Value::Nil), None, YES),
            (op("contains", 1), None, YES),
            (op("add", 1), None, NO),
            (op("remove", 1), None, NO),
        ],
    );
}

#[test]
fn a_queue_answers_in_the_order_of_entry() {
    let dequeue = |seen: Value, may_be| (op("dequeue", Value::Nil), Some(seen), may_be);
    run(
        &models::Queue,
        &[
            dequeue(Value::Nil, YES),
            dequeue(1.into(), NO),
            of_unknown_answer("enqueue", 1),
            of_unknown_answer("enqueue", 2),
            of_unknown_answer("enqueue", 3),
            dequeue(2.into(), NO),
            dequeue(Value::Nil, NO),
            dequeue(1.into(), YES),
            of_unknown_answer("dequeue", Value::Nil),
            dequeue(3.into(), YES),
            dequeue(Value::Nil, YES),
            (op("peek", Value::Nil), None, NO),
        ],
    );
    observes(
        &models::Queue,
        &[(op("dequeue", Value::Nil), Some(Value::Nil), NO), (op("enqueue", 1), None, NO)],
    );
}

#[test]
fn a_map_holds_a_text_for_each_key() {
    let get = |key, seen: Value, may_be| (on(key, op("get", Value::Nil)), Some(seen), may_be);
    run(
        &models::Map,
        &[
            get(1, "".into(), YES),
            get(1, Value::Nil, YES),
            get(1, "a".into(), NO),
            (on(1, op("append", "a")), None, YES),
            (on(2, op("put", "b")), None, YES),
            get(1, "a".into(), YES),
            get(1, Value::Nil, NO),
            get(2, "b".into(), YES),
            get(3, Value::Nil, YES),
            (on(1, op("append", "c")), None, YES),
            get(1, "ac".into(), YES),
            get(1, "ca".into(), NO),
            (on(1, op("write", "d")), None, YES),
            (on(1, op("read", Value::Nil)), Some("d".into()), YES),
            (on(1, op("read", Value::Nil)), None, YES),
            get(1, 5.into(), NO),
            (on(1, op("put", Value::Nil)), None, YES),
            get(1, "".into(), YES),
            (on(1, op("put", 5)), None, NO),
            (on(1, op("append", 5)), None, NO),
            (on(1, op("remove", Value::Nil)), None, NO),
            // Without a key it is one text, beside the named ones.
            (op("put", "e"), None, YES),
            (op("get", Value::Nil), Some("e".into()), YES),
            get(2, "b".into(), YES),
        ],
    );
    observes(
        &models::Map,
        &[
            (on(1, op("get", Value::Nil)), None, YES),
            (on(1, op("read", Value::Nil)), None, YES),
            (on(1, op("put", "a")), None, NO),
            (on(1, op("append", "a")), None, NO),
        ],
    );
}

/// Equal texts are equal states, however they came to be, and hash alike.
#[test]
fn what_a_map_holds_is_compared_by_its_texts() {
    let held = |ops: &[(u64, &str, &str)]| {
        let after = |state, (key, f, text): &(u64, &str, &str)| {
            models::Map.step(&state, &on(*key, op(f, *text)), None).expect("it may always be")
        };
        ops.iter().fold(models::Map.initial(), after)
    };
    let hash = |texts: &models::Texts| {
        use std::hash::BuildHasher as _;
        rustc_hash::FxBuildHasher.hash_one(texts)
    };
    let one = held(&[(1, "put", "ab"), (2, "put", "c")]);
    let other = held(&[(2, "put", "x"), (1, "append", "a"), (2, "put", "c"), (1, "append", "b")]);
    assert!(one == other && hash(&one) == hash(&other));
    assert_eq!((one.get(Key(1)), one.get(Key(2)), one.get(Key(3))), ("ab", "c", ""));
    let different = [
        held(&[(1, "put", "ab")]),
        held(&[(1, "put", "c"), (2, "put", "ab")]),
        held(&[(1, "put", "ab"), (3, "put", "c")]),
        held(&[]),
    ];
    for (at, held) in different.iter().enumerate() {
        assert!(*held != one && hash(held) != hash(&one), "{at}");
    }
}

#[test]
fn a_mutex_is_held_by_one() {
    let answered = |f, may_be| (op(f, Value::Nil), Some(Value::Nil), may_be);
    run(
        &models::Mutex,
        &[
            answered("release", NO),
            answered("acquire", YES),
            answered("acquire", NO),
            answered("release", YES),
            answered("release", NO),
            answered("acquire", YES),
            answered("read", NO),
        ],
    );
    observes(&models::Mutex, &[answered("acquire", NO), answered("release", NO)]);
}

#[test]
fn several_registers_are_read_and_written_in_order() {
    let micros = |text: &str| {
        list(text.split_whitespace().map(|micro| {
            let parts: Vec<&str> = micro.split('.').collect();
            let value = parts[2].parse().map_or(Value::Nil, Value::Int);
            list([parts[0].into(), parts[1].into(), value])
        }))
    };
    let txn = |text: &str, may_be| (op("txn", Value::Nil), Some(micros(text)), may_be);
    run(
        &models::MultiRegister,
        &[
            txn("r.x.nil r.y.nil", YES),
            txn("r.x.0", NO),
            txn("w.x.1 w.y.2", YES),
            txn("r.x.1 :read.y.2", YES),
            txn("r.x.1 r.y.1", NO),
            // Nothing of one that may not be stays.
            txn("w.x.7 r.y.7", NO),
            txn("r.x.1", YES),
            // Own writes are read, and earlier reads see what was before.
            txn("r.x.1 :write.x.3 r.x.3", YES),
            txn("w.x.4 r.x.3", NO),
            // What it read is not known.
            (op("txn", micros("r.x.nil w.y.5")), None, YES),
            txn("r.y.5 r.x.3", YES),
            txn("", YES),
            txn("d.x.5", NO),
            (op("txn", 5), None, NO),
            (op("txn", list([5.into()])), None, NO),
            (op("txn", list([list(["w".into(), "x".into()])])), None, NO),
            (op("write", micros("w.x.1")), None, YES),
        ],
    );
    let model = models::MultiRegister;
    let commute = |one: &str, other: &str| {
        let [(one, one_answer, _), (other, other_answer, _)] = [txn(one, YES), txn(other, YES)];
        model.commute((&one, one_answer.as_ref()), (&other, other_answer.as_ref()))
    };
    assert!(commute("r.x.1 w.y.1", "w.z.1"));
    assert!(!commute("r.x.1 w.y.1", "w.z.1 r.y.1"));
}

/// What may change places does; what needs not is said to, or searches take
/// long.
#[test]
fn operations_on_different_members_and_keys_commute() {
    let set = |one: &Op, other: &Op| models::Set.commute((one, None), (other, None));
    assert!(set(&op("add", 1), &op("remove", 2)) && set(&op("contains", 1), &op("add", 2)));
    assert!(!set(&op("add", 1), &op("remove", 1)));
    assert!(!set(&op("add", 1), &op("read", Value::Nil)));
    assert!(!set(&op("read", Value::Nil), &op("add", 1)));
    let map = |one: &Op, other: &Op| models::Map.commute((one, None), (other, None));
    assert!(map(&on(1, op("put", "a")), &on(2, op("append", "b"))));
    assert!(!map(&on(1, op("put", "a")), &on(1, op("append", "b"))));
    assert!(!models::Queue.commute((&op("enqueue", 1), None), (&op("enqueue", 2), None)));
}
