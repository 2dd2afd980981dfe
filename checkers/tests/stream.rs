//! The stream from a file to the verdict says what the judge says.

use std::io::BufReader;

use quarrel_checkers::{
    Guarantee, JudgeOptions, Validity,
    formats::{self, Format},
    generate::{GeneratedLoad, Store},
    judge,
    register::{StreamError, check_json_lines},
};

fn file(workload: &GeneratedLoad) -> Vec<u8> {
    let mut file = Vec::new();
    formats::write(&workload.history(), Format::JsonLines, &mut file).unwrap();
    file
}

#[test]
fn a_stream_says_what_the_judge_says() {
    let mut conflicts = 0;
    for seed in 0..300 {
        let workload = GeneratedLoad {
            operations: 30,
            clients: 1 + seed % 7,
            keys: 1 + seed % 3,
            indeterminate_permille: 100 * (seed % 4),
            store: [Store::Linearizable, Store::Replica { lag_ns: 9_000 }][seed as usize / 4 % 2],
            seed,
            ..GeneratedLoad::default()
        };
        // Versions say more than values; the stream looks at values only.
        let mut history = workload.history();
        history.events.iter_mut().for_each(|event| event.op.version = None);
        let judgement = judge(&history, &[], &JudgeOptions::default());
        // Chunks of odd sizes cut lines anywhere.
        let bytes = file(&workload);
        let input = BufReader::with_capacity(1 + seed as usize * 3, bytes.as_slice());
        let streamed = check_json_lines(input).unwrap();
        conflicts += u64::from(streamed.conflict.is_some());
        let expected = judgement.validity(Guarantee::Linearizable) == Validity::Valid;
        assert_eq!(streamed.conflict.is_none(), expected, "{workload:?}");
        let metrics = &judgement.metrics;
        let operations = metrics.reads + metrics.writes + metrics.indeterminate_writes;
        assert_eq!(streamed.operations as u64, operations);
    }
    assert!((50..250).contains(&conflicts), "{conflicts} conflicts");
}

#[test]
fn a_killed_run_loses_its_last_line_only() {
    let bytes = file(&GeneratedLoad { operations: 10, ..GeneratedLoad::default() });
    let streamed = check_json_lines(&bytes[..bytes.len() - 5]).unwrap();
    assert_eq!(streamed.truncated.expect("it is reported").line, 20);
}

#[test]
fn what_a_stream_cannot_judge_is_refused_with_its_line() {
    let line = |index: u64, f: &str, value: &str| {
        format!(
            "{{\"index\":{index},\"time\":1,\"process\":{index},\"type\":\"invoke\",\"f\":\"{f}\",\"key\":1,\"value\":{value}}}\n"
        )
    };
    let refused = |text: String| check_json_lines(text.as_bytes()).unwrap_err();
    let text = line(0, "write", "1") + &line(1, "cas", "[1,2]");
    assert!(matches!(refused(text), StreamError::Unsuitable { line: 2, .. }));
    let twice = line(0, "write", "1") + &line(1, "write", "1");
    assert_eq!(refused(twice).to_string(), "line 0: value 0 is written twice");
    let gap = line(0, "write", "1") + &line(2, "write", "2");
    assert_eq!(refused(gap).to_string(), "line 2, column 1: expected index 1, found 2");
}

/// Small and large numbers of processes, of which some share their last bits.
#[test]
fn processes_are_told_apart_whatever_their_numbers() {
    let event = |index: u64, process: u64, kind: &str, f: &str, value: &str| {
        format!(
            "{{\"index\":{index},\"time\":1,\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":1,\"value\":{value}}}\n"
        )
    };
    let far = 3 << 16;
    let judged = |lines: [String; 6]| check_json_lines(lines.concat().as_bytes());
    let overlapping = judged([
        event(0, 5, "invoke", "write", "1"),
        event(1, 5 + far, "invoke", "write", "2"),
        event(2, 5 + far, "ok", "write", "2"),
        event(3, 5 + far, "invoke", "read", "null"),
        event(4, 5, "ok", "write", "1"),
        event(5, 5 + far, "ok", "read", "1"),
    ]);
    let streamed = overlapping.unwrap();
    assert_eq!((streamed.operations, streamed.conflict), (3, None));
    let twice = judged([
        event(0, 5, "invoke", "write", "1"),
        event(1, 5 + far, "invoke", "write", "2"),
        event(2, 5, "ok", "write", "1"),
        event(3, 5 + far, "invoke", "write", "3"),
        event(4, 5, "invoke", "write", "4"),
        event(5, 5, "ok", "write", "4"),
    ]);
    let problem = format!("process {} has an operation open already", 5 + far);
    assert_eq!(twice.unwrap_err().to_string(), format!("line 4, column 1: {problem}"));
    let never = judged([
        event(0, 5, "invoke", "write", "1"),
        event(1, 5 + far, "ok", "write", "1"),
        event(2, 5, "ok", "write", "1"),
        event(3, 5, "invoke", "write", "3"),
        event(4, 5, "ok", "write", "3"),
        event(5, 6, "invoke", "write", "4"),
    ]);
    let problem = format!("process {} never invoked what it completes", 5 + far);
    assert_eq!(never.unwrap_err().to_string(), format!("line 2, column 1: {problem}"));
}

const AROUND: [&str; 7] = [
    r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"write","key":1,"value":1}"#,
    r#"{"type":"probe","start":6,"end":7,"site":"cache","key":1,"value":1,"version":1,"phase":"final"}"#,
    r#"{"index":1,"time":2,"process":"nemesis","type":"info","f":"start","value":null}"#,
    r#"{"type":"step","process":0,"start":1,"end":2,"site":"cache","verb":"GET","reply":"pending"}"#,
    "",
    r#"{"index":2,"time":3,"process":0,"type":"ok","f":"write","key":1,"value":1}"#,
    r#"{"index":3,"time":3,"process":0,"type":"invoke","f":"read","key":1,"value":null}"#,
];

/// Only the nemesis has a place in the numbers of events.
#[test]
fn steps_probes_and_the_nemesis_are_passed_over() {
    let streamed = check_json_lines(AROUND.join("\n").as_bytes()).unwrap();
    assert_eq!((streamed.operations, streamed.conflict, streamed.truncated), (1, None, None));
    let other = AROUND.map(|line| line.replace("\"probe\"", "\"note\""));
    assert!(matches!(
        check_json_lines(other.join("\n").as_bytes()),
        Err(StreamError::Unsuitable { line: 2, .. })
    ));
}

#[test]
fn what_completes_another_operation_is_refused() {
    let refused = |completed: &str| {
        let lines = AROUND.map(|line| match line.contains("\"type\":\"ok\"") {
            true => line.replace("\"f\":\"write\",\"key\":1", completed),
            false => line.to_owned(),
        });
        check_json_lines(lines.join("\n").as_bytes()).unwrap_err().to_string()
    };
    let expected = "line 6, column 1: process 0 completes another operation than it invoked";
    assert_eq!(refused("\"f\":\"read\",\"key\":1"), expected);
    assert_eq!(refused("\"f\":\"write\",\"key\":2"), expected);
    assert_eq!(refused("\"f\":\"write\""), expected);
}
