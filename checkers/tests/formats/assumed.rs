//! What a file left open, and how it was understood: told, and only then.

use quarrel_checkers::{
    Process, Value,
    formats::{self, ImportOptions, Keys},
};

use crate::{error, read, shown};

const READ: &str = "{:type :invoke :f :read :value nil :process 0 :time 4 :index 0}";

#[test]
fn what_is_written_out_needs_no_assumption() {
    let all = format!("{READ} {{:type :ok :f :read :value 3 :process 0 :time 5 :index 1}}");
    assert_eq!(read(&all).assumptions, ["the file is EDN"]);
}

#[test]
fn what_is_missing_is_counted() {
    let two = "{:type :invoke :value [[:r 1 nil]] :time 4} {:type :ok :value [[:r 1 2]] :time 5}";
    let imported = read(two);
    assert_eq!(
        imported.assumptions,
        [
            "the file is EDN",
            "2 operations without a process belong to process 0",
            "2 operations without a function are transactions",
        ]
    );
    assert_eq!(shown(&imported.history)[1], "0 Ok txn [[:r 1 2]]");
}

#[test]
fn other_numbers_than_the_order_of_lines_are_told() {
    let from_one = READ.replace(":index 0", ":index 1");
    let told = "events were numbered by their order, not by their :index";
    assert_eq!(read(&from_one).assumptions[1..], [told]);
    assert_eq!(read(&READ.replace(":index 0", ":index -1")).assumptions[1..], [told]);
    assert_eq!(read(READ).assumptions.len(), 1);
}

#[test]
fn lines_that_are_no_operations_are_counted() {
    let log = "INFO  jepsen.util - 4\t:invoke\t:write\t4\nnot me\nnor me\n";
    assert_eq!(read(log).assumptions[2..], ["2 lines are no operations, the first: not me"]);
}

#[test]
fn values_have_types() {
    let of = |edn: &str| {
        let text = format!("{{:type :ok :f :x :process 0 :value {edn}}}");
        read(&text).history.events[0].op.value.clone()
    };
    assert_eq!(of("nil"), Value::Nil);
    assert_eq!(of("true"), Value::Bool(true));
    assert_eq!(of("false"), Value::Bool(false));
    assert_eq!(of("7"), Value::Int(7));
    assert_eq!(of("\"nil\""), Value::from("nil"));
    assert_eq!(of(":nil"), Value::Atom(":nil".into()));
    // Numbers compare as numbers; a keyword is not the text that looks like it.
    assert_eq!(of("1.0"), Value::Int(1));
    assert_eq!(of("1e2"), Value::Int(100));
    assert_eq!(of("1.50M"), of("1.5"));
    assert_ne!(of("1.5"), of("\"1.5\""));
    assert_ne!(of(":a"), of("\":a\""));
}

#[test]
fn an_error_of_nil_is_none() {
    let info = |error: &str| {
        let text = format!("{READ} {{:type :info :f :read :process 0 :error {error}}}");
        read(&text).history.events[1].error.clone()
    };
    assert_eq!(info("nil"), None);
    assert_eq!(info(":timeout"), Some(":timeout".to_owned()));
}

#[test]
fn processes_are_numbers_the_nemesis_or_background_agents() {
    let process = |edn: &str| {
        let text = format!("{{:type :info :f :x :process {edn}}}");
        read(&text).history.events[0].process
    };
    assert_eq!(process("3"), Process::Client(3));
    assert_eq!(process(":nemesis"), Process::Nemesis);
    assert_eq!(process("\"nemesis\""), Process::Nemesis);
    assert_eq!(process("\"agent-2\""), Process::Agent(2));
    for wrong in ["-1", "\"agent\"", ":agent-x", "nil"] {
        let text = format!("{{:type :info :f :x :process {wrong}}}");
        assert!(
            error(&text).contains("expected :process to be a whole number or :nemesis"),
            "{text}"
        );
    }
}

/// Pairs of a read and a write are told by their keys, which are no lists;
/// a compare-and-set needs a pair beside its key.
#[test]
fn values_are_pairs_only_if_all_could_be() {
    let keyed = |operations: &str| read(operations).history.events[0].op.key.is_some();
    let invoke =
        |f: &str, value: &str| format!("{{:type :invoke :f :{f} :value {value} :process 0}}");
    assert!(keyed(&invoke("write", "[1 2]")));
    assert!(!keyed(&invoke("write", "[1 2 3]")));
    assert!(!keyed(&invoke("write", "[[1] 2]")));
    assert!(!keyed(&invoke("write", "5")));
    assert!(keyed(&invoke("cas", "[1 [2 3]]")));
    assert!(!keyed(&invoke("cas", "[1 2]")));
    assert!(!keyed(&invoke("cas", "[1 [2 3 4]]")));
    assert!(!keyed(&invoke("cas", "[[1] [2 3]]")));
    // Without a register's functions all of them must be pairs.
    assert!(keyed(&invoke("append", "[1 2]")));
    assert!(!keyed(&format!("{} {}", invoke("append", "[1 2]"), invoke("size", "nil"))));
}

/// A completion without its pair has the key of its invocation.
#[test]
fn a_key_that_a_completion_lost_is_the_invoked_one() {
    let text = "{:type :invoke :f :write :value [8 1] :process 0}
                {:type :invoke :f :write :value [9 2] :process 1}
                {:type :info :f :write :value [:timeout :of :three] :process 1}
                {:type :ok :f :write :value [8 1] :process 0}";
    assert_eq!(
        shown(&read(text).history),
        [
            "0 Invoke write 8 1",
            "1 Invoke write 9 2",
            "1 Info write 9 [:timeout :of :three]",
            "0 Ok write 8 1",
        ]
    );
    let options = ImportOptions { keys: Keys::InValues, ..ImportOptions::default() };
    let alone = "{:type :invoke :f :write :value 5 :process 0}";
    let imported = formats::parse(alone.as_bytes(), &options).unwrap();
    assert_eq!(shown(&imported.history), ["0 Invoke write 5"]);
}

#[test]
fn keys_that_are_numbers_keep_them_unless_others_have_names() {
    let keys = |keys: [&str; 3]| {
        let event = |(at, key): (usize, &str)| {
            format!("{{:type :invoke :f :get :key {key} :process {at}}}\n")
        };
        let text: String = keys.into_iter().enumerate().map(event).collect();
        let history = read(&text).history;
        history.events.iter().map(|event| event.op.key.unwrap().0).collect::<Vec<_>>()
    };
    assert_eq!(keys(["5", "1", "5"]), [5, 1, 5]);
    assert_eq!(keys(["5", "\"b\"", "5"]), [0, 1, 0]);
    assert_eq!(keys(["-5", "5", "-5"]), [0, 1, 0]);
}

/// A write that says nothing when it ends stored what it was asked to; a read
/// that says nothing read nothing.
#[test]
fn a_completion_without_a_value_has_the_invoked_one_unless_it_is_a_read() {
    let completed = |f: &str, value: &str, kind: &str| {
        let text = format!(
            "{{:type :invoke :f :{f} :value {value} :process 0}} {{:type :{kind} :f :{f} :process 0}}"
        );
        read(&text).history.events[1].op.value.to_string()
    };
    assert_eq!(completed("write", "5", "ok"), "5");
    assert_eq!(completed("write", "5", "info"), "5");
    assert_eq!(completed("read", "7", "ok"), "nil");
    assert_eq!(completed("read", "7", "info"), "7");
}

#[test]
fn a_list_that_never_closes_is_told() {
    assert_eq!(
        error(&format!("({READ}")),
        format!(
            "line 1, column {}: expected another operation or the end of the list",
            READ.len() + 2
        )
    );
}
