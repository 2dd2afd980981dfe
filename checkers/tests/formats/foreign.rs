use quarrel_checkers::{
    Key, Time, Value,
    formats::{self, Format, ImportOptions, Keys},
};

use crate::{error, read, shown};

#[test]
fn all_four_forms_of_a_jepsen_log_mean_the_same() {
    let forms = [
        "INFO  jepsen.util - 2\t:invoke\t:cas\t[4 5]",
        "INFO [2017-03-31 19:34:47,351] jepsen worker 4 - jepsen.util 2\t:invoke\t:cas\t[4 5]",
        "2024-11-05 15:34:08,498{GMT}\tINFO\t[jepsen worker 2] jepsen.util: 2\t:invoke\t:cas\t[4 5]",
        r#"{"@timestamp":"x","level":"INFO","logger_name":"l","message":"2\t:invoke\t:cas\t[4 5]"}"#,
        "INFO  jepsen.print - 2   :invoke  :cas   [4 5]",
    ];
    for form in forms {
        let imported = read(form);
        assert_eq!(imported.format, Format::JepsenLog, "{form}");
        assert_eq!(shown(&imported.history), ["2 Invoke cas [4 5]"], "{form}");
    }
}

#[test]
fn an_old_log_that_replaced_the_value_keeps_the_invoked_one() {
    let imported = read(
        "INFO  jepsen.util - 4\t:invoke\t:cas\t[4 4]\n\
         WARN  jepsen.core - thrown\n\
         INFO  jepsen.util - 4\t:info\t:cas\t:timed-out\n",
    );
    assert_eq!(shown(&imported.history)[1], "4 Info cas [4 4] :timed-out");
    assert_eq!(
        imported.assumptions[2..],
        ["1 lines are no operations, the first: WARN  jepsen.core - thrown"]
    );
}

#[test]
fn a_client_that_threw_leaves_its_operation_open() {
    let imported = read("INFO  jepsen.util - 4\t:invoke\t:write\t4\nWARN process 4 crashed\n");
    assert_eq!(imported.history.operations().unwrap()[0].complete, None);
}

#[test]
fn nemesis_lines_of_a_log_are_events() {
    let imported = read(
        "2024-11-05 15:34:08,498{GMT}\tINFO\t[jepsen worker nemesis] jepsen.util: :nemesis\t:info\t:stop-partition-ring\t:network-healed",
    );
    assert_eq!(shown(&imported.history), ["nemesis Info stop-partition-ring :network-healed"]);
}

#[test]
fn edn_may_be_maps_or_one_list_or_vector_with_comments_and_tags() {
    let maps = "{:type :invoke, :f :write, :value 3, :process 0, :time 7, :index 0}\n\
                #jepsen.history.Op{:type :ok, :f :write, :value 3, :process 0, :time 9, :index 1}";
    let expected = ["0 Invoke write 3", "0 Ok write 3"];
    for text in
        [maps.to_owned(), format!("[{maps}]"), format!("; a comment\n({maps}\n#_{{:not :this}})")]
    {
        let imported = read(&text);
        assert_eq!(imported.format, Format::Edn);
        assert_eq!(shown(&imported.history), expected, "{text}");
        assert_eq!(imported.history.events[1].time, Time(9));
    }
}

#[test]
fn values_of_every_shape_are_kept() {
    let value = |edn: &str| {
        let text = format!("{{:type :ok :f :x :process 0 :value {edn}}}");
        read(&text).history.events[0].op.value.to_string()
    };
    assert_eq!(value("nil"), "nil");
    assert_eq!(value("-3"), "-3");
    assert_eq!(value("1/2"), "1/2");
    assert_eq!(value("3N"), "3");
    assert_eq!(value("1.5"), "1.5");
    assert_eq!(value(r#""a\n\u00e9\"""#), "a\né\"");
    assert_eq!(value("#{1 2}"), "[1 2]");
    assert_eq!(value("{:from 1, :to 0}"), "[[:from 1] [:to 0]]");
    assert_eq!(value("#knossos.model.CASRegister{:value 3}"), "[[:value 3]]");
    assert_eq!(value("[[:append 5 1] [:r 5 nil]]"), "[[:append 5 1] [:r 5 nil]]");
    assert_eq!(value("^{:doc 1} [1 \\a ##NaN]"), "[1 \\a #NaN]");
    assert_eq!(value("[\\( \\newline 1]"), "[\\( \\newline 1]");
}

#[test]
fn pairs_are_keys_if_every_value_is_one() {
    let keyed = "{:type :invoke :f :read :value [8 nil] :process 0}
                 {:type :invoke :f :cas :value [8 [1 2]] :process 1}
                 {:type :ok :f :read :value [8 5] :process 0}
                 {:type :info :f :cas :value :timed-out :process 1}";
    let imported = read(keyed);
    assert_eq!(
        shown(&imported.history),
        [
            "0 Invoke read 8 nil",
            "1 Invoke cas 8 [1 2]",
            "0 Ok read 8 5",
            "1 Info cas 8 [1 2] :timed-out"
        ]
    );
    assert!(imported.assumptions.contains(&"values are pairs of a key and a value".to_owned()));

    let plain = "{:type :invoke :f :read :value nil :process 0}
                 {:type :invoke :f :cas :value [1 2] :process 1}";
    assert_eq!(shown(&read(plain).history)[1], "1 Invoke cas [1 2]");

    let options = ImportOptions { keys: Keys::None, ..ImportOptions::default() };
    let overridden = formats::parse(keyed.as_bytes(), &options).unwrap();
    assert_eq!(overridden.history.events[0].op.key, None);
}

#[test]
fn keys_with_names_are_numbered_in_order_of_appearance() {
    let imported = read(
        r#"{:process 9, :type :invoke, :f :append, :key "b", :value "x"}
           {:process 8, :type :invoke, :f :get, :key "a", :value nil}
           {:process 9, :type :ok, :f :append, :key "b", :value "x"}"#,
    );
    let keys: Vec<_> = imported.history.events.iter().map(|e| e.op.key.unwrap()).collect();
    assert_eq!(keys, [Key(0), Key(1), Key(0)]);
    assert_eq!(imported.key_names, [Value::from("b"), Value::from("a")]);
}

#[test]
fn without_times_lines_count() {
    let imported = read("{:type :invoke :f :read :process 0}\n{:type :ok :f :read :process 0}");
    assert_eq!(imported.history.events[1].time, Time(1));
    assert!(imported.assumptions[1].contains("no times"));
}

#[test]
fn a_json_array_is_read_like_edn() {
    let imported = read(
        r#"[{"index":0,"process":1,"type":"invoke","value":[["append",253,1]]},
            {"index":1,"process":1,"type":"ok","value":[["append",253,1]]}]"#,
    );
    assert_eq!(imported.format, Format::Json);
    assert_eq!(shown(&imported.history)[1], "1 Ok txn [[append 253 1]]");
}

#[test]
fn columns_are_history_txt() {
    let imported = read(
        "0\t:invoke\t:write\t4\n:nemesis\t:info\t:start\tnil\n0\t:info\t:write\t4\t[:boom \"x y\"]\n",
    );
    assert_eq!(imported.format, Format::Text);
    assert_eq!(
        shown(&imported.history),
        ["0 Invoke write 4", "nemesis Info start nil", "0 Info write 4 [:boom x y]"]
    );
}

#[test]
fn complaints_say_where_and_what_was_expected() {
    assert_eq!(
        error("{:type :invoke :f :read :process 0}\n{:type :maybe :f :read}"),
        "line 2, column 1: expected :type to be :invoke, :ok, :fail or :info, found maybe"
    );
    assert_eq!(
        error("{:type :invoke\n :f :read :process"),
        "line 2, column 19: expected `}`, found the end of the text"
    );
    assert_eq!(
        error("{:type :ok :process x}"),
        "line 1, column 1: expected :process to be a whole number or :nemesis, found x"
    );
    assert_eq!(error("[1]"), "line 1, column 2: expected the map of an operation, found 1");
    assert_eq!(
        error("({:type :ok :f}"),
        "line 1, column 2: expected a value for every key of this map"
    );
}
