//! What commands print for programs.

use std::fs;

use crate::forms::{Forms, quarrel, run};

#[test]
fn searches_and_races() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut forms = Forms::default();
    let mut explore = |line: &str, code: i32| {
        let line = format!("explore {line} --format json");
        assert_eq!(forms.hold_printed("exploration", at, &line).0, code, "{line}");
    };
    explore("cache-aside --out found.race", 1);
    explore("primary-only --clients 2", 0);
    explore("write-behind --fault failover --expect eventual", 0);

    let mut hold =
        |name: &str, line: &str| forms.hold_printed(name, at, &format!("{line} --format json"));
    assert_eq!(hold("replay", "replay found.race --cluster sim -n 2").0, 0);
    let wrong = "strategy cache-aside\nkey 1 = Alex, cached nowhere\nReader B: GET 1 -> Alex\n";
    fs::write(at.join("wrong.race"), wrong).unwrap();
    assert_eq!(hold("replay", "replay wrong.race --cluster sim").0, 1);
    fs::write(at.join("empty.race"), wrong.replace(" -> Alex", "")).unwrap();
    assert_eq!(hold("replay", "replay empty.race --cluster sim").0, 3);
    assert_eq!(hold("shrink", "shrink found.race").0, 0);
    assert_eq!(hold("shrink", "shrink wrong.race").0, 1);
    assert_eq!(hold("shrink", "shrink empty.race").0, 3);
}

#[test]
fn histories_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut forms = Forms::default();
    let mut check = |name: &str, text: &str, code: i32| {
        fs::write(at.join(name), text).unwrap();
        let line = format!("check {name} --format json");
        let (ended, told) = forms.hold_printed("file-verdict", at, &line);
        assert_eq!(ended, code, "{name}: {told:#}");
    };
    let one = |process: u64, f: &str, asked: &str, told: &str| {
        let line = |kind: &str, value: &str| {
            format!(
                "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":1,\"value\":{value}}}\n"
            )
        };
        line("invoke", asked) + &line("ok", told)
    };
    let writes = one(0, "write", "1", "1") + &one(0, "write", "2", "2");
    check("held.jsonl", &(writes.clone() + &one(1, "read", "null", "2")), 0);
    check("stale.jsonl", &(writes.clone() + &one(1, "read", "null", "1")), 1);
    check("vacuous.jsonl", &writes, 3);
    check("cut.jsonl", &(writes + &one(1, "read", "null", "2") + "{\"process\":1,\"ty"), 2);
    check("cas.jsonl", &(one(0, "write", "1", "1") + &one(1, "cas", "[1,2]", "[1,2]")), 0);
    let txn = |ops: &str, done: &str| {
        let line = |kind: &str, value: &str| {
            format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"txn\",\"value\":{value}}}\n")
        };
        line("invoke", ops) + &line("ok", done)
    };
    let append = txn("[[\"append\",1,7]]", "[[\"append\",1,7]]");
    check("lists.jsonl", &(append.clone() + &txn("[[\"r\",1,null]]", "[[\"r\",1,[7]]]")), 0);
    let read = |found: &str| txn("[[\"r\",1,null]]", &format!("[[\"r\",1,{found}]]"));
    let other = append.replace('7', "8");
    check("order.jsonl", &(append + &other + &read("[7,8]") + &read("[8,7]")), 1);
}

#[test]
fn reports_and_reviews() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut forms = Forms::default();
    for line in [
        "cache-aside --fault replica-lag --time 2s",
        "primary-only --time 2s",
        "cache-aside --fault failover --fill primary --time 2s",
        "client-tracking --time 1s",
    ] {
        let line = format!("run {line} --cluster sim --seed 3");
        assert!(quarrel(at, &line).0 < 4);
    }
    forms.hold_printed("report", at, "report --format json");
    let (code, rulings) = forms.hold_printed("review", at, "review --check --format json");
    assert_eq!((code, rulings.as_array().unwrap().len()), (1, 4));
}

#[test]
fn names_and_what_this_machine_can_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut forms = Forms::default();
    let mut hold = |name: &str, line: &str| {
        let (code, value) =
            forms.hold_printed(name, folder.path(), &format!("{line} --format json"));
        assert!(name == "doctor" || code == 0, "{line}: {code}");
        value
    };
    for name in ["strategies", "workloads", "faults", "explain", "doctor"] {
        assert!(!hold(name, name).as_array().unwrap().is_empty(), "{name}");
    }
    hold("explain", "explain lost-write");
    hold("explain", "explain history");
    hold("list", "list");
    assert_eq!(hold("clusters", "cluster status"), serde_json::json!([]));
    let words = ["list", "--format", "json", "--results", "nowhere"];
    assert_eq!(run(folder.path(), &words).0, 64);
}
