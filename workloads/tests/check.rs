//! `quarrel check` on files that quarrel did not write: what is right is
//! acquitted, what is wrong convicted, what was not understood is bad input,
//! and what proves nothing is no pass.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const VALID: i32 = 0;
const INVALID: i32 = 1;
const UNDECIDED: i32 = 2;
const VACUOUS: i32 = 3;
const BAD_INPUT: i32 = 65;

/// The exit code of `quarrel check`, and all that it said.
fn check(file: &Path, options: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .arg("check")
        .arg(file)
        .args(options.split_whitespace())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// The same of a text in a file of that name.
fn check_text(name: &str, text: impl AsRef<[u8]>, options: &str) -> (i32, String) {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join(name);
    fs::write(&file, text).unwrap();
    check(&file, options)
}

fn expect(code: i32, said: &str, (name, text, options): (&str, &str, &str)) {
    let (found, told) = check_text(name, text, options);
    assert_eq!(found, code, "{name} {options}: {text}\n{told}");
    assert!(told.contains(said), "{name} {options}: {told}");
}

/// Operations of one process one after the other, as EDN.
fn edn(operations: &[&str]) -> String {
    operations.iter().map(|operation| format!("{{{operation}}}\n")).collect()
}

/// Two writes and a read of the first.
fn stale() -> String {
    edn(&[
        ":process 0, :type :invoke, :f :write, :value 1",
        ":process 0, :type :ok, :f :write, :value 1",
        ":process 0, :type :invoke, :f :write, :value 2",
        ":process 0, :type :ok, :f :write, :value 2",
        ":process 0, :type :invoke, :f :read, :value nil",
        ":process 0, :type :ok, :f :read, :value 1",
    ])
}

const STALE_LINES: &str = r#"{"process": 0, "type": "invoke", "f": "write", "value": 1}
{"process": 0, "type": "ok", "f": "write", "value": 1}
{"process": 0, "type": "invoke", "f": "write", "value": 2}
{"process": 0, "type": "ok", "f": "write", "value": 2}
{"process": 0, "type": "invoke", "f": "read", "value": null}
{"process": 0, "type": "ok", "f": "read", "value": 1}
"#;

#[test]
fn the_same_stale_read_is_found_in_every_form() {
    let stale = stale();
    let csv = "type,process,f,value\ninvoke,0,write,1\nok,0,write,1\ninvoke,0,write,2\n\
               ok,0,write,2\ninvoke,0,read,\nok,0,read,1\n";
    let log: String = csv
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let value = if cells[3].is_empty() { "nil" } else { cells[3] };
            format!("INFO jepsen.util - 0\t:{}\t:{}\t{value}\n", cells[0], cells[2])
        })
        .collect();
    let reordered = STALE_LINES.replace("{\"process\": 0, ", "{").replace('}', ", \"process\": 0}");
    for (name, text) in [
        ("plain.edn", stale.clone()),
        ("marked.edn", format!("\u{feff}{stale}")),
        ("marked.jsonl", format!("\u{feff}{STALE_LINES}")),
        ("lines.jsonl", STALE_LINES.to_owned()),
        ("reordered.jsonl", reordered),
        ("array.json", format!("[{}]", STALE_LINES.trim_end().replace('\n', ",\n"))),
        (
            "with-a-beginning.jsonl",
            format!("{{\"run\":\"x\",\"message\":\"start\"}}\n{STALE_LINES}"),
        ),
        ("with-errors.jsonl", STALE_LINES.replacen("1}", "1, \"error\": {\"message\": \"x\"}}", 1)),
        ("table.csv", csv.to_owned()),
        ("marked.csv", format!("\u{feff}{csv}")),
        ("run.log", log),
    ] {
        expect(INVALID, "stale-read: ", (name, &text, ""));
        expect(INVALID, "stale-read: ", (name, &text, "--model register"));
    }
    let skipped = format!("{{\"run\":\"x\"}}\n{STALE_LINES}");
    expect(INVALID, "1 lines are no operations, the first: {\"run\"", ("x.jsonl", &skipped, ""));
    expect(INVALID, "invalid", ("streamed.jsonl", STALE_LINES, "--stream"));
}

#[test]
fn compressed_files_and_standard_input_are_read() {
    let scratch = tempfile::tempdir().unwrap();
    let packed = scratch.path().join("history.edn.gz");
    let mut gzip = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(fs::File::create(&packed).unwrap())
        .spawn()
        .unwrap();
    gzip.stdin.take().unwrap().write_all(stale().as_bytes()).unwrap();
    assert!(gzip.wait().unwrap().success());
    let (code, said) = check(&packed, "");
    assert_eq!(code, INVALID, "{said}");
    let whole = fs::read(&packed).unwrap();
    fs::write(&packed, &whole[..3]).unwrap();
    let (code, said) = check(&packed, "--model register");
    assert_eq!(code, BAD_INPUT, "{said}");
    let mut child = Command::new(env!("CARGO_BIN_EXE_quarrel"))
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stale().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(INVALID));
}

#[test]
fn what_was_not_understood_is_bad_input_with_its_line() {
    for text in ["", "\n\n", "<html>\n<body>no</body>\n", "\0\0\0\0", "a,b,c\n1,2,3\n", "[]", "()"]
    {
        for options in ["", "--model register", "--model rw-register"] {
            expect(BAD_INPUT, "line 1", ("x", text, options));
        }
    }
    let broken = STALE_LINES.replacen("\"write\"", "\"write", 1);
    expect(BAD_INPUT, "line 1, column", ("x.jsonl", &broken, ""));
    let broken = STALE_LINES.replacen("\"f\": \"read\"", "\"f\" \"read\"", 1);
    expect(BAD_INPUT, "line 5, column 38: expected a colon", ("x.jsonl", &broken, ""));
    expect(BAD_INPUT, "quarrel explain history", ("x", "nothing of use\n", ""));
    let cells = "process,type,f,value\n0,invoke,write,1\n0,ok\n";
    expect(BAD_INPUT, "line 3, column 1: expected 4 cells", ("x.csv", cells, ""));
}

#[test]
fn a_history_in_which_nothing_was_at_risk_is_no_pass() {
    let writes = edn(&[
        ":process 0, :type :invoke, :f :write, :value 1",
        ":process 0, :type :ok, :f :write, :value 1",
    ]);
    expect(VACUOUS, "no read", ("x.edn", &writes, ""));
    let begun = edn(&[":process 0, :type :invoke, :f :enqueue, :value 1"]);
    expect(VACUOUS, "no operation succeeded", ("x.edn", &begun, ""));
    let apart = edn(&[
        ":process 0, :type :invoke, :f :txn, :value [[:w :x 1]]",
        ":process 0, :type :ok, :f :txn, :value [[:w :x 1]]",
    ]);
    expect(VACUOUS, "no transaction depends", ("x.edn", &apart, ""));
    let json = check_text("x.edn", &writes, "--format json").1;
    assert!(json.contains("\"validity\": \"unknown\"") && json.contains("\"vacuous\""), "{json}");
}

#[test]
fn transactions_are_what_looks_like_them() {
    let skew = edn(&[
        ":process 0, :type :invoke, :f :write, :value [[:r :x nil] [:w :y 1]]",
        ":process 1, :type :invoke, :f :write, :value [[:r :y nil] [:w :x 1]]",
        ":process 0, :type :ok, :f :write, :value [[:r :x nil] [:w :y 1]]",
        ":process 1, :type :ok, :f :write, :value [[:r :y nil] [:w :x 1]]",
        ":process 2, :type :invoke, :f :size, :value nil",
        ":process 2, :type :ok, :f :size, :value 2",
    ]);
    expect(INVALID, "g2-item: ", ("x.edn", &skew, ""));
    let left_out = "1 operations are no transactions and were left out, the first: event 4";
    expect(INVALID, left_out, ("x.edn", &skew, ""));
    // One object with all registers: what it does not know is not decided.
    let options = "--model multi-register";
    expect(UNDECIDED, "does not know the operation `size`", ("x.edn", &skew, options));
    let only: String = skew.lines().take(4).map(|line| format!("{line}\n")).collect();
    expect(INVALID, "not-linearizable", ("x.edn", &only, options));
}

#[test]
fn the_nemesis_chooses_no_model_and_an_unknown_function_convicts_nobody() {
    let nemesis = edn(&[
        ":process :nemesis, :type :info, :f :add, :value :n1",
        ":process 0, :type :invoke, :f :write, :value 1",
        ":process 0, :type :ok, :f :write, :value 1",
        ":process 0, :type :invoke, :f :read, :value nil",
        ":process 0, :type :ok, :f :read, :value 1",
    ]);
    expect(VALID, "model: register", ("x.edn", &nemesis, ""));
    let peek = edn(&[
        ":process 0, :type :invoke, :f :enqueue, :value 1",
        ":process 0, :type :ok, :f :enqueue, :value 1",
        ":process 0, :type :invoke, :f :peek, :value nil",
        ":process 0, :type :ok, :f :peek, :value 1",
    ]);
    expect(UNDECIDED, "does not know the operation `peek` of event 2", ("x.edn", &peek, ""));
    let drained = peek.replace(":peek, :value 1", ":drain, :value [1]").replace(":peek", ":drain");
    expect(VALID, "valid", ("x.edn", &drained, ""));
    let lost = drained.replace("[1]", "[]");
    expect(INVALID, "not-linearizable", ("x.edn", &lost, ""));
}

#[test]
fn only_a_compare_and_set_can_be_refused() {
    let write = edn(&[
        ":process 0, :type :invoke, :f :write, :value 1",
        ":process 0, :type :ok, :f :write, :value 1",
        ":process 0, :type :invoke, :f :write, :value 2",
        ":process 0, :type :fail, :f :write, :value 2",
        ":process 0, :type :invoke, :f :read, :value nil",
        ":process 0, :type :ok, :f :read, :value 1",
        ":process 0, :type :invoke, :f :cas, :value [5 6]",
        ":process 0, :type :fail, :f :cas, :value [5 6]",
    ]);
    expect(VALID, "valid", ("x.edn", &write, "--failures observed"));
    let refused = write.replace("[5 6]", "[1 6]");
    expect(INVALID, "refused", ("x.edn", &refused, "--failures observed"));
    let lock = edn(&[
        ":process 0, :type :invoke, :f :acquire",
        ":process 0, :type :ok, :f :acquire",
        ":process 1, :type :invoke, :f :acquire",
        ":process 1, :type :fail, :f :acquire",
        ":process 0, :type :invoke, :f :release",
        ":process 0, :type :ok, :f :release",
    ]);
    expect(VALID, "valid", ("x.edn", &lock, "--failures observed"));
}

#[test]
fn keys_values_and_first_values_are_what_they_are() {
    let keyed = edn(&[
        ":process 0, :type :invoke, :f :acquire, :value [0 nil]",
        ":process 0, :type :ok, :f :acquire, :value [0 nil]",
        ":process 1, :type :invoke, :f :acquire, :value [1 nil]",
        ":process 1, :type :ok, :f :acquire, :value [1 nil]",
    ]);
    expect(VALID, "values are pairs of a key and a value", ("x.edn", &keyed, ""));
    expect(INVALID, "invalid", ("x.edn", &keyed, "--keys none"));
    let counted = keyed.replace(":acquire", ":add").replace(" nil]", " 5]");
    expect(VALID, "model: counter", ("x.edn", &counted, ""));
    let zero = edn(&[
        ":process 0, :type :invoke, :f :read, :value nil",
        ":process 0, :type :ok, :f :read, :value 0",
        ":process 0, :type :invoke, :f :write, :value 1",
        ":process 0, :type :ok, :f :write, :value 1",
    ]);
    expect(INVALID, "phantom-read", ("x.edn", &zero, ""));
    expect(VALID, "every register holds 0 at first", ("x.edn", &zero, "--initial 0"));
    expect(INVALID, "invalid", ("x.edn", &zero, "--initial 1"));
    let chosen = edn(&[
        ":process 0, :type :invoke, :f :write, :value nil",
        ":process 0, :type :ok, :f :write, :value 7",
        ":process 0, :type :invoke, :f :read, :value nil",
        ":process 0, :type :ok, :f :read, :value 7",
    ]);
    expect(VALID, "valid", ("x.edn", &chosen, ""));
    let same = chosen.replace(":f :read, :value 7", ":f :read, :value 7.0");
    expect(VALID, "valid", ("x.edn", &same, ""));
    let keyword = chosen.replace(" 7", " :a");
    expect(VALID, "valid", ("x.edn", &keyword, ""));
    let text = keyword.replace(":f :read, :value :a", ":f :read, :value \":a\"");
    expect(INVALID, "phantom-read", ("x.edn", &text, ""));
}

#[test]
fn logs_put_one_behind_the_other_are_told() {
    let apart = edn(&[
        ":process 0, :type :invoke, :f :write, :value 1, :time 100",
        ":process 0, :type :ok, :f :write, :value 1, :time 110",
        ":process 1, :type :invoke, :f :read, :value nil, :time 0",
        ":process 1, :type :ok, :f :read, :value nil, :time 10",
    ]);
    expect(INVALID, "times run backwards at 1 events, the first: event 2", ("x.edn", &apart, ""));
}

/// Files that came out wrong once, which belong to others or to reports: they
/// are read where they lie beside the clone.
/// After a failover a number is given twice, and by values the read is stale:
/// numbers acquit nobody, and what is said of the order is true.
#[test]
fn versions_convict_more_and_never_acquit() {
    let told = |process: u64, f: &str, value: &str, version: Option<u64>, timeline: Option<u64>| {
        let of = |name: &str, number: Option<u64>| {
            number.map_or_else(String::new, |number| format!(",\"{name}\":{number}"))
        };
        let (version, timeline) = (of("version", version), of("timeline", timeline));
        let begin = format!("{{\"process\":{process},\"type\":\"invoke\",\"f\":\"{f}\",\"key\":1");
        let end = begin.replace("invoke", "ok");
        let asked = if f == "read" { "null".to_owned() } else { format!("\"{value}\"") };
        format!("{begin},\"value\":{asked}}}\n{end},\"value\":\"{value}\"{version}{timeline}}}\n")
    };
    // Alicia was acknowledged and lost; Anna got her number anew, or a lower one.
    let lost = |numbers: [Option<u64>; 3], timeline: Option<u64>| {
        [
            told(0, "write", "Alex", numbers[0], None),
            told(0, "write", "Alicia", numbers[1], None),
            told(1, "write", "Anna", numbers[2], timeline),
            told(1, "read", "Alicia", numbers[1], None),
        ]
        .concat()
    };
    for (numbers, timeline, order) in [
        ([None; 3], None, "judged by values alone\n"),
        ([1, 3, 2].map(Some), None, "judged by values alone: versions contradict real time\n"),
        ([1, 2, 2].map(Some), None, "judged by values alone: versions contradict real time\n"),
        ([1, 3, 2].map(Some), Some(2), "judged by the primary's order\n"),
    ] {
        let lines = lost(numbers, timeline);
        for guarantee in ["linearizable", "read-your-writes"] {
            let expected = format!("--expect {guarantee}");
            expect(INVALID, order, ("failover.jsonl", &lines, &expected));
            expect(INVALID, "stale-read: ", ("failover.jsonl", &lines, &expected));
        }
    }
    // Two writes at one time: only the primary knows which came last.
    let race = |versions: [Option<u64>; 2]| {
        let lines =
            |process: u64, value: &str, version| told(process, "write", value, version, None);
        let one = lines(0, "Alice", versions[0]);
        let two = lines(1, "Anna", versions[1]);
        let (begin, end) = one.split_once('\n').unwrap();
        format!("{begin}\n{two}{end}{}", told(2, "read", "Anna", versions[1], None))
    };
    expect(VALID, "judged by values alone\n", ("race.jsonl", &race([None; 2]), ""));
    let order =
        "judged by the primary's order\n         by values alone every key is linearizable\n";
    expect(INVALID, order, ("race.jsonl", &race([Some(2), Some(1)]), ""));
    expect(VALID, "judged by the primary's order\n", ("race.jsonl", &race([1, 2].map(Some)), ""));
}

#[test]
fn what_came_out_wrong_once_comes_out_right() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases/histories");
    if !folder.is_dir() {
        eprintln!("NOT CHECKED: no cases at {}", folder.display());
        return;
    }
    for (file, options, code) in [
        ("bom_stale.edn", "", INVALID),
        ("bom_stale.jsonl", "--model register", INVALID),
        ("stale_first_line_meta.jsonl", "--model register", INVALID),
        ("stale_message.jsonl", "--model register", INVALID),
        ("stale.csv", "--model register", INVALID),
        ("gz_stale.edn.gz", "", INVALID),
        ("txn_named_read_write.edn", "", INVALID),
        ("obs_failed_write.edn", "--failures observed", VALID),
        ("obs_mutex.edn", "--failures observed", VALID),
        ("obs_set.edn", "--failures observed", VALID),
        ("rw_fractured_read_biswas_enea.jsonl", "", INVALID),
        ("rw_long_fork.jsonl", "", INVALID),
        ("read-atomic_generated_l4e10sqrt.jsonl", "", INVALID),
        ("rw_blind_stale.edn", "--isolation strict-serializable", INVALID),
        ("rw_blind_stale.edn", "", VALID),
        ("txn_rw_serializable_424.jsonl", "", INVALID),
        ("txn_rw_strict-serializable_115.jsonl", "--isolation strict-serializable", INVALID),
        ("txn_rw_strict-serializable_211.jsonl", "--isolation strict-serializable", INVALID),
        ("indep_mutex.edn", "", VALID),
        ("indep_counter.edn", "", VALID),
        ("initial_zero.edn", "--initial 0", VALID),
        ("queue_drain.edn", "", VALID),
        ("nemesis_add.edn", "", VALID),
        ("write_value_in_completion.edn", "", VALID),
        ("float_1_vs_1.0.json", "", VALID),
        ("pair_values_register.edn", "--keys none", INVALID),
    ] {
        let (found, said) = check(&folder.join(file), options);
        assert_eq!(found, code, "{file} {options}: {said}");
    }
    let (_, said) = check(&folder.join("per_client_concatenated.edn"), "");
    assert!(said.contains("times run backwards"), "{said}");
    // A keyword is no text: the read saw what nobody wrote.
    let (code, said) = check(&folder.join("kw_vs_string.edn"), "");
    assert_eq!(code, INVALID, "{said}");
}

/// A file in which nothing is wrong is judged while it is read, through a pipe it
/// is read whole: the same is said of both.
#[test]
fn a_file_says_the_same_as_a_pipe() {
    let line = |process: u64, kind: &str, f: &str, value: &str| {
        format!(
            "{{\"f\": \"{f}\", \"type\": \"{kind}\", \"value\": {value}, \"process\": {process}}}\n"
        )
    };
    let held = [
        line(0, "invoke", "write", "1"),
        line(0, "ok", "write", "1"),
        line(1, "invoke", "read", "null"),
        line(1, "ok", "read", "1"),
    ]
    .concat();
    let missed = held.replace(
        "\"f\": \"read\", \"type\": \"ok\", \"value\": 1",
        "\"f\": \"read\", \"type\": \"ok\", \"value\": null",
    );
    assert_ne!(held, missed);
    let only_written = held[..held.find("{\"f\": \"read\"").unwrap()].to_owned();
    for (text, code) in [(held, VALID), (missed, INVALID), (only_written, VACUOUS)] {
        for options in ["", "--format json", "--model cas-register", "--expect bounded(1s)"] {
            let (from_file, told) = check_text("history.jsonl", &text, options);
            let mut piped = Command::new(env!("CARGO_BIN_EXE_quarrel"))
                .args(["check", "-"])
                .args(options.split_whitespace())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            piped.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            let output = piped.wait_with_output().unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(said, told, "{options}");
            assert_eq!(output.status.code(), Some(from_file));
            if options.is_empty() {
                assert_eq!(from_file, code, "{told}");
            }
        }
    }
}

/// Testers of isolation keep sessions, and no time between them.
#[test]
fn histories_by_session_are_held_to_what_they_can_show() {
    let skewed = "r(1,0,0,0)\nw(2,5,0,0)\nr(2,0,1,1)\nw(1,6,1,1)\n";
    expect(INVALID, "format: Plume's text (recognised", ("history.txt", skewed, ""));
    expect(
        VALID,
        "sessions tell their own order",
        ("h.txt", skewed, "--isolation snapshot-isolation"),
    );
    let strict = "--isolation strict-serializable";
    expect(64, "tells no real time between sessions", ("history.txt", skewed, strict));
    expect(INVALID, "AWDIT's text", ("a.txt", "r 1 0\nw 2 5\n=====\nr 2 0\nw 1 6\n", ""));
    let wrong = "w(1,1,0,0)\nw(1,2,0)\n";
    expect(BAD_INPUT, "line 2, column 1: expected r(key,value", ("history.txt", wrong, ""));
}
