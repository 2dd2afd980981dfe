//! What stands in a file that is written, and in lines that are half EDN.

use quarrel_checkers::{
    F, History, Key, Kind, Op, Process, Reply, Site, Step, Time, Value,
    formats::{self, Format},
};

use crate::{error, read, shown};

fn written(history: &History, format: Format) -> String {
    let mut file = Vec::new();
    formats::write(history, format, &mut file).expect("a vector takes everything");
    String::from_utf8(file).expect("it is text")
}

/// A history of one event, as EDN and as columns.
fn both(op: Op, error: Option<&str>) -> [String; 2] {
    let mut history = History::default();
    let error = error.map(str::to_owned);
    history.push(Time(5), Process::Agent(2), Kind::Info, op, error);
    [Format::Edn, Format::Text].map(|format| written(&history, format))
}

#[test]
fn an_event_is_a_map_or_a_line_of_columns() {
    let op = Op { f: F::Write, key: Some(Key(7)), value: Value::Int(3), version: None };
    assert_eq!(
        both(op.clone(), None),
        [
            "{:type :info, :f :write, :value [7 3], :time 5, :process \"agent-2\", :index 0}\n",
            "\"agent-2\"\t:info\t:write\t[7 3]\n",
        ]
    );
    let [map, columns] = both(Op { key: None, ..op }, Some("no \"route\"\n\t\\"));
    assert!(map.ends_with(":index 0, :error \"no \\\"route\\\"\\n\\t\\\\\"}\n"), "{map}");
    assert!(columns.ends_with("\t:write\t3\t\"no \\\"route\\\"\\n\\t\\\\\"\n"), "{columns}");
}

#[test]
fn names_are_keywords_if_they_can_be() {
    let function = |name: &str| {
        let op = Op { f: F::from(name), key: None, value: Value::Nil, version: None };
        both(op, None)[1].split('\t').nth(2).unwrap().to_owned()
    };
    assert_eq!(function("read"), ":read");
    assert_eq!(function("start-2/x?"), ":start-2/x?");
    assert_eq!(function("two words"), "\"two words\"");
    assert_eq!(function("a(b"), "\"a(b\"");
    assert_eq!(function(""), "\"\"");
    let value = |value: Value| {
        let op = Op { f: F::Read, key: None, value, version: None };
        both(op, None)[1].trim_end().split('\t').nth(3).unwrap().to_owned()
    };
    assert_eq!(value(Value::Atom(":timed-out".into())), ":timed-out");
    assert_eq!(value(Value::from(":timed-out")), "\":timed-out\"");
    assert_eq!(value(Value::from(":two words")), "\":two words\"");
    assert_eq!(value(Value::from(":")), "\":\"");
    assert_eq!(value(Value::from("nil")), "\"nil\"");
    assert_eq!(
        value(Value::List([Value::Nil, Value::from("x"), 3.into()].into())),
        "[nil \"x\" 3]"
    );
}

/// A step stands before the first event that came when it had ended, and one
/// without an end behind all of them.
#[test]
fn steps_stand_where_they_ended() {
    let mut history = History::default();
    for time in [8, 9, 10] {
        history.push(Time(time), Process::Nemesis, Kind::Info, Op::read(1), None);
    }
    let step = |end: Option<u64>| Step {
        operation: None,
        process: Process::Client(0),
        start: Time(1),
        end: end.map(Time),
        site: Site::Cache,
        verb: "GET".into(),
        object: None,
        argument: None,
        reply: Reply::Pending,
        lsn: None,
    };
    history.steps = vec![step(Some(9)), step(Some(11)), step(None)];
    let lines = written(&history, Format::JsonLines);
    let kinds: Vec<&str> = lines
        .lines()
        .map(|line| if line.contains("\"type\":\"step\"") { "step" } else { "event" })
        .collect();
    assert_eq!(kinds, ["event", "step", "event", "event", "step", "step"]);
}

#[test]
fn an_error_may_be_any_text_and_a_value_may_not() {
    let log = |rest: &str| format!("INFO  jepsen.util - 4\t:info\t:write\t{rest}");
    assert_eq!(
        shown(&read(&log("5\t{:oops (it broke")).history),
        ["4 Info write 5 {:oops (it broke"]
    );
    assert_eq!(
        error(&format!("{}\n{}", log("5"), log("(5\t:x"))),
        "line 2, column 41: expected `)`, found the end of the text"
    );
    assert_eq!(shown(&read(&log("5\t:a\t(b")).history), ["4 Info write 5 :a"]);
}

#[test]
fn a_line_without_a_process_is_no_operation() {
    let imported = read(
        "INFO  jepsen.util - 4\t:invoke\t:read\tnil\n\
         INFO  jepsen.util - four\t:ok\t:read\t5\n",
    );
    assert_eq!(shown(&imported.history), ["4 Invoke read nil"]);
    assert!(
        imported.assumptions.iter().any(|told| told.starts_with("1 lines are no operations")),
        "{:?}",
        imported.assumptions
    );
}
