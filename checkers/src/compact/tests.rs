use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::{
    Certainty, Content, F, Key, Kind, Lsn, Object, Op, Process, Reply, Site, Time, Value,
    generate::GeneratedLoad,
};

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![any::<i64>(), -200..200_i64, Just(i64::MIN), Just(i64::MAX)]
            .prop_map(Value::Int),
        ".{0,40}".prop_map(|text| Value::from(text.as_str())),
        "[:a-z.0-9]{0,5}".prop_map(|text| Value::Atom(text.into())),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|items| Value::List(items.into()))
    })
}

fn processes() -> impl Strategy<Value = Process> {
    prop_oneof![
        any::<u64>().prop_map(Process::Client),
        any::<u64>().prop_map(Process::Agent),
        Just(Process::Nemesis),
    ]
}

fn functions() -> impl Strategy<Value = F> {
    prop_oneof![
        "[a-z]{1,6}",
        Just("read".to_owned()),
        Just("write".to_owned()),
        Just("cas".to_owned()),
        Just("txn".to_owned())
    ]
    .prop_map(|name| F::from(name.as_str()))
}

fn contents() -> impl Strategy<Value = Content> {
    prop_oneof![
        (values(), any::<u64>()).prop_map(|(value, version)| Content::Row { value, version }),
        Just(Content::Marker),
        any::<u64>().prop_map(Content::Tombstone),
        any::<u64>().prop_map(Content::Number),
    ]
}

fn replies() -> impl Strategy<Value = Reply> {
    prop_oneof![
        Just(Reply::Pending),
        contents().prop_map(Reply::Found),
        Just(Reply::Miss),
        any::<Option<u64>>().prop_map(|version| Reply::Done { version }),
        Just(Reply::Refused),
        Just(Reply::Gap),
        (any::<bool>(), ".{0,9}").prop_map(|(is_definite, error)| Reply::Failed {
            certainty: if is_definite { Certainty::Definite } else { Certainty::Indefinite },
            error,
        }),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let kinds = prop::sample::select(vec![Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info]);
    let op = (functions(), any::<Option<u64>>(), values(), any::<Option<u64>>());
    let op = op.prop_map(|(f, key, value, version)| Op { f, key: key.map(Key), value, version });
    let rest = (any::<Option<u32>>(), prop::option::of(".{0,9}"));
    (any::<u64>(), any::<u64>(), processes(), kinds, op, rest).prop_map(
        |(index, time, process, kind, op, (timeline, error))| Event {
            index: Index(index),
            time: Time(time),
            process,
            kind,
            op,
            timeline,
            error,
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    let sites = vec![Site::Primary, Site::Replica, Site::Cache, Site::Client];
    let object = ("[a-z]{0,3}", any::<u64>(), any::<Option<u64>>());
    let object = object.prop_map(|(space, key, version)| Object {
        space: Cow::Owned(space),
        key: Key(key),
        version,
    });
    let times = (any::<u64>(), any::<Option<u64>>(), any::<Option<u64>>());
    let said = (prop::option::of(object), prop::option::of(contents()), replies());
    (any::<Option<u64>>(), processes(), times, prop::sample::select(sites), "[A-Z]{1,3}", said)
        .prop_map(|(operation, process, (start, end, lsn), site, verb, said)| Step {
            operation: operation.map(Index),
            process,
            start: Time(start),
            end: end.map(Time),
            site,
            verb: Cow::Owned(verb),
            object: said.0,
            argument: said.1,
            reply: said.2,
            lsn: lsn.map(Lsn),
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_comes_back_is_what_was_put_in(
        events in prop::collection::vec(events(), 0..20),
        steps in prop::collection::vec(steps(), 0..20),
    ) {
        let history = History { events, steps };
        let compact = CompactHistory::from(&history);
        let told = HistoryRef::from(&compact);
        prop_assert_eq!(told.to_history(), history.clone());
        for (at, step) in history.steps.iter().enumerate() {
            prop_assert_eq!(&*told.step(at), step);
            prop_assert_eq!(compact.operation_of(at), step.operation);
        }
        let pairs = HistoryRef::from(&history).operations();
        prop_assert_eq!(told.operations(), pairs);
    }
}

/// Over the borders of what shares an allocation, too, and in few bytes.
#[test]
fn a_long_history_is_found_anywhere_and_takes_little() {
    let load = GeneratedLoad { operations: 10_000, ..GeneratedLoad::default() };
    let history = load.history();
    let compact = CompactHistory::from(&history);
    assert!(history.events.len() > 2 * 4_096);
    for at in [0, 1, 4_095, 4_096, 4_097, 8_191, 8_192, history.events.len() - 1] {
        assert_eq!(compact.event(at), history.events[at]);
    }
    let bytes: usize = (0..compact.event_count()).map(|at| compact.events.get(at).len()).sum();
    assert!(bytes < 24 * history.events.len(), "{} an event", bytes / history.events.len());
    // With where each record ends, and room for those that are still to come.
    let held = bytes + size_of::<usize>() * history.events.len();
    let told = compact.heap_bytes();
    assert!((held..held + (1 << 18)).contains(&told), "{told} bytes are told of {held}");
}

#[test]
#[should_panic(expected = "there is no record 2")]
fn what_is_not_there_is_not_made_up() {
    let mut compact = CompactHistory::default();
    let op = Op::read(7);
    for number in 0..2 {
        let (index, time, process) = (Index(number), Time(number), Process::Client(0));
        let (kind, op) = (Kind::Invoke, op.clone());
        compact.push_event(&Event { index, time, process, kind, op, timeline: None, error: None });
    }
    drop(compact.event(2));
}
