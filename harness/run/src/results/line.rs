//! The lines of a journal, written by hand: a storm makes tens of thousands a
//! second on the machine that it measures, and this is several times cheaper
//! than the general way. What it writes is what `serde` writes, byte for byte.

use std::io::Write as _;

use quarrel_checkers::{
    Certainty, Content, Event, Key, Kind, Lsn, Object, Op, Process, Reply, Site, Step, Value,
};
use quarrel_strategy::record::Record;

/// Appends the line of a record, with its end.
pub(super) fn append(record: &Record, to: &mut Vec<u8>) {
    match record {
        Record::Event(one) => event(one, to),
        Record::Step(one) => step(one, to),
    }
    to.push(b'\n');
}

fn event(event: &Event, to: &mut Vec<u8>) {
    let Event { index, time, process, kind, op, timeline, error } = event;
    to.extend_from_slice(b"{\"index\":");
    whole(index.0, to);
    to.extend_from_slice(b",\"time\":");
    whole(time.0, to);
    to.extend_from_slice(b",\"process\":");
    self::process(*process, to);
    to.extend_from_slice(match kind {
        Kind::Invoke => b",\"type\":\"invoke\",\"f\":",
        Kind::Ok => b",\"type\":\"ok\",\"f\":",
        Kind::Fail => b",\"type\":\"fail\",\"f\":",
        Kind::Info => b",\"type\":\"info\",\"f\":",
    });
    let Op { f, key, value, version } = op;
    text(f.as_str(), to);
    if let Some(Key(key)) = key {
        to.extend_from_slice(b",\"key\":");
        whole(*key, to);
    }
    to.extend_from_slice(b",\"value\":");
    self::value(value, to);
    maybe(b",\"version\":", *version, to);
    maybe(b",\"timeline\":", timeline.map(u64::from), to);
    if let Some(error) = error {
        to.extend_from_slice(b",\"error\":");
        text(error, to);
    }
    to.push(b'}');
}

/// A step's line says that it is one, where an event's says its kind.
fn step(step: &Step, to: &mut Vec<u8>) {
    let Step { operation, process, start, end, site, verb, object, argument, reply, lsn } = step;
    to.extend_from_slice(b"{\"type\":\"step\"");
    maybe(b",\"operation\":", operation.map(|invoke| invoke.0), to);
    to.extend_from_slice(b",\"process\":");
    self::process(*process, to);
    to.extend_from_slice(b",\"time\":");
    whole(start.0, to);
    maybe(b",\"end\":", end.map(|end| end.0), to);
    to.extend_from_slice(match site {
        Site::Primary => b",\"site\":\"primary\",\"f\":",
        Site::Replica => b",\"site\":\"replica\",\"f\":",
        Site::Cache => b",\"site\":\"cache\",\"f\":",
        Site::Client => b",\"site\":\"client\",\"f\":",
    });
    text(verb, to);
    if let Some(object) = object {
        self::object(object, to);
    }
    if let Some(argument) = argument {
        to.extend_from_slice(b",\"argument\":");
        content(argument, to);
    }
    to.extend_from_slice(b",\"reply\":");
    self::reply(reply, to);
    if let Some(Lsn(lsn)) = lsn {
        // Writing to a vector does not fail.
        let _ = write!(to, ",\"lsn\":\"{:X}/{:X}\"", lsn >> 32, lsn & 0xFFFF_FFFF);
    }
    to.push(b'}');
}

fn object(object: &Object, to: &mut Vec<u8>) {
    let Object { space, key: Key(key), version } = object;
    to.extend_from_slice(b",\"object\":{");
    if !space.is_empty() {
        to.extend_from_slice(b"\"space\":");
        text(space, to);
        to.push(b',');
    }
    to.extend_from_slice(b"\"key\":");
    whole(*key, to);
    maybe(b",\"version\":", *version, to);
    to.push(b'}');
}

fn content(content: &Content, to: &mut Vec<u8>) {
    match content {
        Content::Row { value, version } => {
            to.extend_from_slice(b"{\"row\":{\"value\":");
            self::value(value, to);
            to.extend_from_slice(b",\"version\":");
            whole(*version, to);
            to.extend_from_slice(b"}}");
        }
        Content::Marker => to.extend_from_slice(b"\"marker\""),
        Content::Tombstone(version) => {
            to.extend_from_slice(b"{\"tombstone\":");
            whole(*version, to);
            to.push(b'}');
        }
        Content::Number(number) => {
            to.extend_from_slice(b"{\"number\":");
            whole(*number, to);
            to.push(b'}');
        }
    }
}

fn reply(reply: &Reply, to: &mut Vec<u8>) {
    match reply {
        Reply::Pending => to.extend_from_slice(b"\"pending\""),
        Reply::Found(found) => {
            to.extend_from_slice(b"{\"found\":");
            content(found, to);
            to.push(b'}');
        }
        Reply::Miss => to.extend_from_slice(b"\"miss\""),
        Reply::Done { version } => {
            to.extend_from_slice(b"{\"done\":{");
            maybe(b"\"version\":", *version, to);
            to.extend_from_slice(b"}}");
        }
        Reply::Refused => to.extend_from_slice(b"\"refused\""),
        Reply::Gap => to.extend_from_slice(b"\"gap\""),
        Reply::Failed { certainty, error } => {
            to.extend_from_slice(match certainty {
                Certainty::Definite => {
                    b"{\"failed\":{\"certainty\":\"definite\",\"error\":".as_slice()
                }
                Certainty::Indefinite => b"{\"failed\":{\"certainty\":\"indefinite\",\"error\":",
            });
            text(error, to);
            to.extend_from_slice(b"}}");
        }
    }
}

fn process(process: Process, to: &mut Vec<u8>) {
    match process {
        Process::Client(number) => whole(number, to),
        Process::Nemesis => to.extend_from_slice(b"\"nemesis\""),
        Process::Agent(number) => {
            to.extend_from_slice(b"\"agent-");
            whole(number, to);
            to.push(b'"');
        }
    }
}

fn value(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Nil => to.extend_from_slice(b"null"),
        Value::Bool(true) => to.extend_from_slice(b"true"),
        Value::Bool(false) => to.extend_from_slice(b"false"),
        Value::Int(number) => {
            if *number < 0 {
                to.push(b'-');
            }
            whole(number.unsigned_abs(), to);
        }
        Value::Text(words) => text(words, to),
        // Only histories of other tools have such; their numbers stay numbers.
        Value::Atom(_) => to.extend_from_slice(value.to_json().as_bytes()),
        Value::List(items) => {
            to.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    to.push(b',');
                }
                self::value(item, to);
            }
            to.push(b']');
        }
    }
}

fn maybe(name: &[u8], number: Option<u64>, to: &mut Vec<u8>) {
    if let Some(number) = number {
        to.extend_from_slice(name);
        whole(number, to);
    }
}

fn text(words: &str, to: &mut Vec<u8>) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if words.bytes().all(is_plain) {
        to.push(b'"');
        to.extend_from_slice(words.as_bytes());
        to.push(b'"');
    } else {
        // Writing text to a vector does not fail.
        let _ = serde_json::to_writer(to, words);
    }
}

/// A whole number in decimal digits.
fn whole(mut number: u64, to: &mut Vec<u8>) {
    /// As many as the greatest number has.
    const MOST: usize = 20;
    let mut digits = [0; MOST];
    let mut at = MOST;
    loop {
        at -= 1;
        // A digit is less than ten.
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use proptest::{option, prelude::*};
    use quarrel_checkers::{F, Index, Time};

    use super::{super::reader::Reader, *};

    #[derive(serde::Serialize)]
    struct StepLine<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(flatten)]
        step: &'a Step,
    }

    fn by_serde(record: &Record) -> String {
        match record {
            Record::Event(event) => serde_json::to_string(event).unwrap(),
            Record::Step(step) => serde_json::to_string(&StepLine { kind: "step", step }).unwrap(),
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let one = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            ".*".prop_map(|text| Value::from(text.as_str())),
        ];
        prop_oneof![
            4 => one.clone(),
            1 => prop::collection::vec(one, 0..4).prop_map(|items| Value::List(items.into())),
        ]
    }

    fn processes() -> impl Strategy<Value = Process> {
        prop_oneof![
            any::<u64>().prop_map(Process::Client),
            Just(Process::Nemesis),
            any::<u64>().prop_map(Process::Agent),
        ]
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
        let certainty = prop_oneof![Just(Certainty::Definite), Just(Certainty::Indefinite)];
        prop_oneof![
            Just(Reply::Pending),
            contents().prop_map(Reply::Found),
            Just(Reply::Miss),
            option::of(any::<u64>()).prop_map(|version| Reply::Done { version }),
            Just(Reply::Refused),
            Just(Reply::Gap),
            (certainty, ".*").prop_map(|(certainty, error)| Reply::Failed { certainty, error }),
        ]
    }

    fn events() -> impl Strategy<Value = Record> {
        let kind =
            prop_oneof![Just(Kind::Invoke), Just(Kind::Ok), Just(Kind::Fail), Just(Kind::Info)];
        let op =
            ("read|write|txn|.*", option::of(any::<u64>()), values(), option::of(any::<u64>()))
                .prop_map(|(f, key, value, version)| Op {
                    f: F::from(f.as_str()),
                    key: key.map(Key),
                    value,
                    version,
                });
        let op = (op, option::of(any::<u32>()));
        (any::<u64>(), any::<u64>(), processes(), kind, op, option::of(".*")).prop_map(
            |(index, time, process, kind, (op, timeline), error)| {
                let (index, time) = (Index(index), Time(time));
                Record::Event(Event { index, time, process, kind, op, timeline, error })
            },
        )
    }

    fn steps() -> impl Strategy<Value = Record> {
        let site = prop_oneof![
            Just(Site::Primary),
            Just(Site::Replica),
            Just(Site::Cache),
            Just(Site::Client)
        ];
        let object = ("|marker|.*", any::<u64>(), option::of(any::<u64>())).prop_map(
            |(space, key, version)| Object { space: space.into(), key: Key(key), version },
        );
        let numbers = (option::of(any::<u64>()), any::<u64>(), option::of(any::<u64>()));
        let what = (".*", option::of(object), option::of(contents()), replies());
        (numbers, processes(), site, what, option::of(any::<u64>())).prop_map(
            |((operation, start, end), process, site, (verb, object, argument, reply), lsn)| {
                Record::Step(Step {
                    operation: operation.map(Index),
                    process,
                    start: Time(start),
                    end: end.map(Time),
                    site,
                    verb: verb.into(),
                    object,
                    argument,
                    reply,
                    lsn: lsn.map(Lsn),
                })
            },
        )
    }

    proptest! {
        #[test]
        fn a_line_is_what_serde_would_have_written(record in prop_oneof![events(), steps()]) {
            let mut line = Vec::new();
            append(&record, &mut line);
            let read = Reader::default().record(&line);
            let is_plain = !line.contains(&b'\\');
            prop_assert!(read.is_some() || !is_plain, "{}", String::from_utf8_lossy(&line));
            prop_assert!(read.is_none_or(|read| read == record));
            prop_assert_eq!(String::from_utf8(line).unwrap(), by_serde(&record) + "\n");
        }
    }
}
