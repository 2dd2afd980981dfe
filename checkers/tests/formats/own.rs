use std::{borrow::Cow, sync::Arc};

use quarrel_checkers::{
    Certainty, Content, F, History, Index, Key, Kind, Lsn, Object, Op, Process, Reply, Site, Step,
    Time, Value,
    formats::{self, Format, ImportOptions},
};

use crate::{error, read, shown};

fn sample() -> History {
    let mut history = History::default();
    let clients = [Process::Client(0), Process::Nemesis, Process::Agent(3)];
    let values = [
        Value::Nil,
        Value::Bool(true),
        Value::Int(-5),
        Value::Int(i64::MAX),
        Value::from("a \"b\"\n"),
        Value::from(":timed-out"),
        Value::List(Arc::new([Value::Int(1), Value::Nil])),
    ];
    let mut time = 0;
    for process in clients {
        for (n, value) in values.iter().enumerate() {
            for kind in [Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info] {
                time += 3;
                let f = if n % 2 == 0 { F::Write } else { F::Other("odd \"name\"".into()) };
                let version = (n == 2).then_some(7);
                let key = (n != 1).then_some(Key(n as u64));
                let op = Op { f, key, value: value.clone(), version };
                let error = (kind == Kind::Fail).then(|| "no: \"route\"".to_owned());
                history.push(Time(time), process, kind, op, error);
                if n % 2 == 0 {
                    history.on_timeline(2);
                }
            }
        }
    }
    let step = |end, reply| Step {
        operation: Some(Index(4)),
        process: Process::Client(0),
        start: Time(4),
        end,
        site: Site::Cache,
        verb: Cow::Borrowed("GET"),
        object: Some(Object { version: Some(2), ..Object::of(Key(7)) }),
        argument: None,
        reply,
        lsn: Some(Lsn(0x3A10)),
    };
    let row = Content::Row { value: Value::Int(1), version: 1 };
    history.steps.push(step(Some(Time(9)), Reply::Found(row)));
    let failed = Reply::Failed { certainty: Certainty::Indefinite, error: "timeout".to_owned() };
    history.steps.push(step(Some(Time(50)), failed));
    history.steps.push(step(None, Reply::Pending));
    history
}

#[test]
fn json_lines_come_back_as_they_were() {
    let history = sample();
    let mut file = Vec::new();
    formats::write(&history, Format::JsonLines, &mut file).unwrap();
    let imported = formats::read(file.as_slice(), &ImportOptions::default()).unwrap();
    assert_eq!(imported.format, Format::JsonLines);
    assert_eq!(imported.history, history);
    assert_eq!(imported.truncated, None);
}

/// After a failover a number alone says nothing.
#[test]
fn a_table_keeps_the_timelines_of_versions() {
    let mut history = History::default();
    for (time, timeline) in [(1, None), (3, Some(1)), (5, Some(2))] {
        let op = || Op::write(7, time);
        history.invoke(Time(time as u64), Process::Client(0), op());
        history.ok(Time(time as u64 + 1), Process::Client(0), op().at_version(3));
        timeline.into_iter().for_each(|timeline| history.on_timeline(timeline));
    }
    let mut file = Vec::new();
    formats::write(&history, Format::Csv, &mut file).unwrap();
    let imported = formats::read(file.as_slice(), &ImportOptions::default()).unwrap();
    assert_eq!((imported.format, imported.history), (Format::Csv, history));
}

#[test]
fn edn_and_columns_say_the_same_to_whoever_reads_them() {
    let history = read(
        "{:type :invoke, :f :write, :value [7 3], :process 0, :time 5}
         {:type :info, :f :start, :value nil, :process :nemesis, :time 6}
         {:type :info, :f :write, :value [7 3], :process 0, :time 7, :error \"a b\"}",
    )
    .history;
    for format in [Format::Edn, Format::Text] {
        let mut file = Vec::new();
        formats::write(&history, format, &mut file).unwrap();
        let again = read(std::str::from_utf8(&file).unwrap());
        assert_eq!(again.format, format);
        assert_eq!(shown(&again.history), shown(&history));
    }
}

#[test]
fn a_format_that_is_only_read_is_refused() {
    let refused = formats::write(&sample(), Format::JepsenLog, &mut Vec::new()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
}

const LINES: &str = r#"{"index":0,"time":5,"process":0,"type":"invoke","f":"read","key":7,"value":null}
{"type":"probe","start":6,"end":7,"site":"cache","key":7,"value":1,"version":1,"phase":"final"}
{"value":1,"key":7,"f":"read","type":"ok","process":0,"time":9,"index":1,"note":"order is free"}
"#;

#[test]
fn fields_may_come_in_any_order_and_probes_among_them() {
    let imported = read(LINES);
    assert_eq!(shown(&imported.history), ["0 Invoke read 7 nil", "0 Ok read 7 1"]);
    assert_eq!(imported.probes[0].version, 1);
}

#[test]
fn the_half_line_of_a_killed_run_costs_only_itself() {
    for cut in 1..=90 {
        let imported = read(&LINES[..LINES.len() - 1 - cut]);
        assert_eq!(imported.history.events.len(), 1, "{cut} bytes cut off");
        assert_eq!(imported.truncated.expect("it is reported").line, 3);
    }
}

#[test]
fn a_broken_line_in_the_middle_is_an_error() {
    assert_eq!(
        error(&LINES.replace("\"final\"", "\"late\"")),
        "line 2, column 93: expected a probe: unknown variant `late`, expected `running` or \
         `final`"
    );
    assert_eq!(
        error(&LINES.replace("\"index\":1", "\"index\":2")),
        "line 3, column 1: expected index 1, found 2: events are numbered from 0 without gaps"
    );
    assert!(error("{\"index\":0\n{}\n").starts_with("line 1, column "));
}
