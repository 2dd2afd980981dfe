//! Transactions by session, as testers of isolation keep them.

use quarrel_checkers::{
    Budget, Validity,
    formats::{self, Format, ImportOptions, Imported},
    transactions::{Expected, RwRegister},
};

use crate::{error, read, shown};

fn validity(imported: &Imported, expected: Expected) -> Validity {
    let checker = RwRegister::expecting(expected);
    checker.examine(&imported.history, Budget::default()).verdict.validity
}

/// Two sessions, of which each misses what the other wrote.
const SKEWED: [(&str, Format); 4] = [
    ("r(1,0,0,0)\nw(2,5,0,0)\nr(2,0,1,1)\nw(1,6,1,1)\n", Format::Plume),
    ("r 1 0\nw 2 5\n=====\nr 2 0\nw 1 6\n", Format::Awdit),
    (
        r#"{"params": {"id": 0}, "data": [
            [{"events": [{"write": false, "variable": 1, "value": 0, "success": true},
                         {"write": true, "variable": 2, "value": 5, "success": true}], "success": true}],
            [{"events": [{"write": false, "variable": 2, "value": 0, "success": true},
                         {"write": true, "variable": 1, "value": 6, "success": true}], "success": true}]]}"#,
        Format::Dbcop,
    ),
    (
        r#"[[{"events": [["r", 1, null], ["w", 2, 5]], "committed": true}],
            [{"events": [{"Read": {"variable": 2, "version": null}},
                         {"Write": {"variable": 1, "version": 6}}], "committed": true}]]"#,
        Format::Dbcop,
    ),
];

#[test]
fn one_history_is_the_same_in_every_format() {
    for (text, format) in SKEWED {
        let imported = read(text);
        assert_eq!(imported.format, format, "{text}");
        assert!(!imported.is_in_real_time);
        assert_eq!(
            shown(&imported.history),
            [
                "0 Invoke txn [[r 1 nil] [w 2 5]]",
                "1 Invoke txn [[r 2 nil] [w 1 6]]",
                "0 Ok txn [[r 1 nil] [w 2 5]]",
                "1 Ok txn [[r 2 nil] [w 1 6]]",
            ],
            "{text}"
        );
        assert_eq!(validity(&imported, Expected::Serializable), Validity::Invalid);
        assert_eq!(validity(&imported, Expected::SnapshotIsolation), Validity::Valid);
    }
}

/// A zero that somebody wrote is no initial value, and what was aborted did not
/// happen.
#[test]
fn zeros_that_were_written_and_aborted_writes_are_told_apart() {
    let imported = read("w(7,0,0,0)\nr(7,0,1,1)\nw(7,9,1,-1)\nr(8,0,1,2)\n");
    assert_eq!(
        shown(&imported.history),
        [
            "0 Invoke txn [[w 7 0]]",
            "1 Invoke txn [[r 7 nil]]",
            "0 Ok txn [[w 7 0]]",
            "1 Ok txn [[r 7 0]]",
            "1 Invoke txn [[w 7 9]]",
            "1 Fail txn [[w 7 9]]",
            "1 Invoke txn [[r 8 nil]]",
            "1 Ok txn [[r 8 nil]]",
        ]
    );
    let read_aborted = read("w(7,9,0,-1)\nr(7,9,1,1)\n");
    assert_eq!(validity(&read_aborted, Expected::ReadCommitted), Validity::Invalid);
}

#[test]
fn what_is_not_understood_is_told_with_its_line() {
    assert_eq!(
        error("w(7,0,0,0)\nw(7,x,0,0)\n"),
        "line 2, column 1: expected r(key,value,session,transaction) or w(…), four whole numbers, \
         found `w(7,x,0,0)`"
    );
    assert!(error("w 1 2\n-----\nx 1 2\n").starts_with("line 3, column 1: expected `r KEY VALUE`"));
    let options = ImportOptions { format: Some(Format::Dbcop), ..ImportOptions::default() };
    let wrong = formats::parse(b"{\"data\":\n [[{\"events\": 5}]]}", &options).unwrap_err();
    assert!(wrong.line == 2 && wrong.problem.starts_with("expected dbcop's JSON"), "{wrong}");
    assert!(error("[[{\"events\": [], \"committed\": true}]]").contains("found nothing"));
}
