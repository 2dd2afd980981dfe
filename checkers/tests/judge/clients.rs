use std::time::Duration;

use quarrel_checkers::{
    Guarantee, History, Index, JudgeOptions, Op, Process, Time, Validity, Value, judge,
    register::Delta,
};

use crate::{judged, told};

#[test]
fn acquits_a_linearizable_history_and_says_how_much_was_at_risk() {
    let judgement = judged(
        "A: [r nil] [w1@1]        [w2@2]
         B:           [ r1 ]  [r1@1]     [r2@2]",
        &[],
    );
    assert_eq!(judgement.strongest, Guarantee::Linearizable);
    assert_eq!(judgement.metrics.reads, 4);
    assert_eq!(judgement.metrics.reads_at_risk, 2);
    let reason = &judgement.rung(Guarantee::Linearizable).reason;
    assert_eq!(reason, "0 stale of 2 reads at risk (< 100.00 % at 95 %)");
    assert_eq!(told(&judgement), [""; 0]);
}

/// By the rule of three: of n without a stale one fewer than 3/n are.
#[test]
fn the_more_reads_were_at_risk_the_fewer_can_be_stale() {
    let judgement = judged("A: [w1@1]  [r1] [r1] [r1] [r1] [r1] [r1]", &[]);
    let reason = &judgement.rung(Guarantee::Linearizable).reason;
    assert_eq!(reason, "0 stale of 6 reads at risk (< 50.00 % at 95 %)");
    assert!((judgement.metrics.stale_share_upper - 0.5).abs() < 1e-9);
}

#[test]
fn reads_of_what_nobody_wrote_and_of_what_was_not_written_yet_are_told_apart() {
    let judgement = judged(
        "A: [r1]      [w1]
         B:      [r7]      [r8]",
        &[],
    );
    assert_eq!(judgement.metrics.future_reads, 1);
    assert_eq!(judgement.metrics.phantom_reads, 2);
}

#[test]
fn a_stale_read_names_what_overwrote_its_value() {
    let judgement = judged(
        "A: [w1] [w2]
         B:                 [r1]",
        &[],
    );
    assert_eq!(
        told(&judgement),
        ["stale-read: key 0: process 1 read 1, which was overwritten by 2, acknowledged 8.0 ms \
          before this read began"]
    );
    let anomaly = &judgement.anomalies[0];
    assert_eq!(anomaly.witness, [0, 1, 2, 3, 4, 5].map(Index));
    assert_eq!(anomaly.stale_for, Duration::from_millis(8));
    assert_eq!(judgement.metrics.delta, Delta::Finite(Duration::from_millis(8)));
    assert_eq!(judgement.metrics.k, None);
    // Without versions nobody knows whether sessions saw an order.
    assert_eq!(judgement.validity(Guarantee::MonotonicReads), Validity::Unknown);
}

#[test]
fn versions_order_concurrent_writes_that_values_leave_open() {
    let drawing = |one, two| {
        judged(
            &format!(
                "A: [w1{one}]
                 B: [w2{two}]
                 C:            [r1]"
            ),
            &[],
        )
    };
    assert_eq!(drawing("", "").validity(Guarantee::Linearizable), Validity::Valid);
    let judgement = drawing("@1", "@2");
    assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid);
    assert_eq!(judgement.metrics.max_versions_behind, Some(1));
    assert_eq!(judgement.anomalies[0].witness.len(), 4);
}

#[test]
fn counts_the_versions_that_a_read_was_behind() {
    let judgement = judged(
        "A: [w1@1] [w2@2] [w3@3] [w4@4]
         B:                   [r1@1] [r1@1]     [r2@2]",
        &[],
    );
    assert_eq!(judgement.metrics.stale_reads, 3);
    assert_eq!(judgement.metrics.k, Some(3));
    let behind: Vec<u64> = judgement.anomalies.iter().map(|a| a.versions_behind).collect();
    // Worst first: by how long the value had been overwritten.
    assert_eq!(behind, [2, 2, 1]);
    assert_eq!(judgement.strongest, Guarantee::Sequential);
}

#[test]
fn sessions_that_go_back_are_named() {
    let judgement = judged(
        "A: [w1@1]     [w2@2]           [r1@1]
         B:                     [r2@2]  [r1@1]",
        &[],
    );
    let sessions = judgement.metrics.sessions;
    assert_eq!((sessions.read_your_writes, sessions.monotonic_reads), (1, 1));
    assert_eq!(
        told(&judgement)[2..],
        [
            "read-your-writes: key 0: process 0 had written 2 (version 2) and 12 ms later read 1 \
             (version 1), which is older",
            "non-monotonic-read: key 0: process 1 had read 2 (version 2) and 3.0 ms later read 1 \
             (version 1), which is older",
        ]
    );
    assert_eq!(judgement.strongest, Guarantee::None);
}

#[test]
fn a_write_behind_what_its_session_saw_is_a_violation_though_no_read_is_stale() {
    let judgement = judged(
        "A: [w1@2]  [w2@1]
         B:  [r1@2 ]        [w3@1]",
        &[],
    );
    let sessions = judgement.metrics.sessions;
    assert_eq!((sessions.monotonic_writes, sessions.writes_follow_reads), (1, 1));
    assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid);
    assert_eq!(judgement.validity(Guarantee::Sequential), Validity::Invalid);
    assert_eq!(judgement.validity(Guarantee::ReadYourWrites), Validity::Valid);
}

#[test]
fn reads_that_contradict_each_other_are_reported_though_none_is_stale() {
    let judgement = judged(
        "A: [          w1            ]
         B: [          w2            ]
         C:     [r1]     [r1]
         D:          [r2]     [r2]",
        &[],
    );
    assert_eq!(judgement.metrics.stale_reads, 0);
    assert_eq!(judgement.anomalies.len(), 1);
    assert_eq!(judgement.anomalies[0].class.to_string(), "not-linearizable");
    assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid);
}

#[test]
fn values_from_nowhere_are_apart_from_staleness() {
    let judgement = judged(
        "A: [w1!]         [w2]
         B:       [r1] [r2]    [r9]",
        &[],
    );
    let metrics = &judgement.metrics;
    assert_eq!((metrics.phantom_reads, metrics.dirty_reads, metrics.future_reads), (1, 1, 0));
    assert_eq!(metrics.stale_reads, 0);
    assert_eq!(metrics.delta, Delta::Infinite);
    assert_eq!(
        told(&judgement),
        [
            "dirty-read: key 0: process 1 read 1, whose write had failed for certain",
            "phantom-read: key 0: process 1 read 9, which nobody wrote",
        ]
    );
}

/// What never was in the database has no place among its values, whatever
/// number stands beside it: who reads a true value later did not go back.
#[test]
fn a_dirty_read_is_no_reason_to_accuse_the_reads_after_it() {
    let judgement = judged(
        "A: [w5@1] [w1!]
         B:              [r1@2] [r5@1]",
        &[],
    );
    let metrics = &judgement.metrics;
    assert_eq!((metrics.dirty_reads, metrics.stale_reads, metrics.sessions.total()), (1, 0, 0));
    let validity = |guarantee| judgement.validity(guarantee);
    assert_eq!(validity(Guarantee::Linearizable), Validity::Invalid);
    assert_eq!(validity(Guarantee::Sequential), Validity::Invalid);
    assert_eq!(validity(Guarantee::MonotonicReads), Validity::Valid);
}

#[test]
fn a_read_before_its_write_is_from_the_future() {
    let judgement = judged("A: [r1]\nB:        [w1]", &[]);
    assert_eq!(
        told(&judgement),
        ["future-read: key 0: process 0 read 1, 4.0 ms before its write began"]
    );
}

#[test]
fn a_write_of_unknown_outcome_may_happen_late_but_only_once() {
    let late = "A: [w1?]
                B:       [w2] [r2]  [r1]";
    assert_eq!(judged(late, &[]).strongest, Guarantee::Linearizable);
    let back = format!("{late} [r2]");
    assert_eq!(judged(&back, &[]).validity(Guarantee::Linearizable), Validity::Invalid);
}

#[test]
fn a_late_read_of_nothing_is_stale() {
    let judgement = judged("A: [w1@1]\nB:           [r nil]", &[]);
    assert_eq!(
        told(&judgement),
        ["stale-read: key 0: process 1 read nothing, which was overwritten by 1 (version 1), \
          acknowledged 5.0 ms before this read began"]
    );
}

#[test]
fn keys_are_judged_by_themselves() {
    let judgement = judged(
        "A: [7:w1] [8:w1] [7:w2]
         B:                        [8:r1] [7:r1]",
        &[],
    );
    assert_eq!(judgement.metrics.keys, 2);
    assert_eq!(judgement.metrics.stale_reads, 1);
    assert_eq!(judgement.anomalies[0].key, Some(7.into()));
}

#[test]
fn compare_and_sets_that_both_replaced_a_value_contradict_each_other() {
    let judgement = judged(
        "A: [w1] [c1>2]
         B:      [c1>3]",
        &[],
    );
    assert_eq!(
        told(&judgement),
        ["not-linearizable: key 0: the write of 2 by process 0 and the write of 3 by process 1 \
          are compare-and-sets that both replaced the same value"]
    );
    assert_eq!(judgement.metrics.delta, Delta::Infinite);
}

#[test]
fn a_history_that_is_none_is_unknown() {
    let mut history = quarrel_checkers::History::default();
    let op = quarrel_checkers::Op::read(1);
    history.ok(quarrel_checkers::Time::ZERO, quarrel_checkers::Process::Client(3), op);
    let judgement = quarrel_checkers::judge(&history, &[], &Default::default());
    let rung = judgement.rung(Guarantee::Linearizable);
    assert_eq!(rung.validity, Validity::Unknown);
    assert_eq!(rung.reason, "event 0: process 3 completes an operation that it never invoked");
    for (completed, name) in [(Op::read(2), "read 2"), (Op::write(1, 5), "write 1")] {
        let mut history = History::default();
        history.invoke(Time::ZERO, Process::Client(3), Op::read(1));
        history.ok(Time::ZERO, Process::Client(3), completed);
        let judgement = judge(&history, &[], &JudgeOptions::default());
        let rung = judgement.rung(Guarantee::Linearizable);
        assert_eq!(rung.validity, Validity::Unknown);
        let reason = format!("event 1: process 3 completes `{name}`, but had invoked `read 1`");
        assert_eq!(rung.reason, reason);
    }
}

#[test]
fn the_last_read_after_the_acknowledgement_counts_into_the_curve() {
    let judgement = judged(
        "A: [w1@1] [w2@2]
         B:                [r1@1]    [r2@2]",
        &[],
    );
    let pbs: Vec<(u64, u64)> = judgement.metrics.pbs.iter().map(|b| (b.reads, b.stale)).collect();
    assert_eq!(pbs, [(1, 1), (1, 0)]);
}

#[test]
fn repeated_values_and_deletes_are_decided_by_search() {
    let legal = "A: [w1] [w2]      [w1]
                 B:          [r2]       [r1]";
    assert_eq!(judged(legal, &[]).strongest, Guarantee::Linearizable);
    let illegal = "A: [w1] [w2] [w1] [w3]
                   B:                      [r1]";
    let judgement = judged(illegal, &[]);
    assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid);
    // A search does not say which session was wrong.
    assert_eq!(judgement.validity(Guarantee::MonotonicReads), Validity::Unknown);
    assert_eq!(judged(legal, &[]).validity(Guarantee::MonotonicReads), Validity::Valid);
    assert_eq!(
        told(&judgement),
        ["not-linearizable: key 0: no order of operations explains read -> 1 (event 8) together \
          with write 1 (event 0), write 1 (event 4), write 3 (event 6)"]
    );
    let deleted = |last: &str| format!("A: [w1] [w nil] [r nil] [w2] [w nil] [{last}]");
    let validity = |last| judged(&deleted(last), &[]).validity(Guarantee::Linearizable);
    assert_eq!((validity("r nil"), validity("r 2")), (Validity::Valid, Validity::Invalid));
    // A compare-and-set does not say which absence it found.
    let replaced = "A: [w1@1] [w nil@2] [cnil>3@3] [r3@3]";
    assert_eq!(judged(replaced, &[]).strongest, Guarantee::Linearizable);
}

#[test]
fn a_search_that_gives_up_says_where() {
    let mut drawing = String::new();
    for _ in 0..16 {
        for value in 0..3 {
            drawing += &format!("A: [w{value}      \n");
        }
    }
    drawing += "B:  [r0] [r1] [r2] [r1]\n";
    let history = quarrel_checkers::notation::parse(&drawing).unwrap();
    let mut options = quarrel_checkers::JudgeOptions::default();
    options.budget.steps = 30;
    let judgement = quarrel_checkers::judge(&history, &[], &options);
    let rung = judgement.rung(Guarantee::Linearizable);
    assert_eq!(rung.validity, Validity::Unknown);
    assert_eq!(
        rung.reason,
        "1 key undecided; key 0: events 49 to 55 are not decided after 30 steps; 48 \
         operations of unknown outcome are open there; a larger budget, fewer of them or unique \
         values would help"
    );
}

/// A value that is written twice, and read a hundred thousand times before.
#[test]
fn very_many_early_reads_of_a_repeated_value_are_judged_in_little_time() {
    let many = 100_000;
    let mut history = History::default();
    let read = |value: Value| Op { value, ..Op::read(1) };
    for _ in 0..many {
        history.invoke(Time(0), Process::Client(0), read(Value::Nil));
        history.ok(Time(0), Process::Client(0), read(5.into()));
    }
    for _ in 0..many {
        history.invoke(Time(1), Process::Client(0), Op::write(1, 5));
        history.ok(Time(1), Process::Client(0), Op::write(1, 5));
    }
    let mut options = JudgeOptions::default();
    options.budget.steps = 1_000;
    let judgement = judge(&history, &[], &options);
    assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid);
}
