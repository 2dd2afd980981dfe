use quarrel_checkers::{
    Class, Content, Guarantee, History, Index, JudgeOptions, Key, Object, Op, Probe, ProbePhase,
    Process, Reply, Site, Step, Time, Validity, Value, judge, notation,
};

use crate::{judged, told};

fn probe(at: u64, site: Site, value: impl Into<Value>, version: u64) -> Probe {
    Probe {
        start: Time::from_millis(at),
        end: Time::from_millis(at + 1),
        site,
        key: Key(0),
        value: value.into(),
        version,
        phase: ProbePhase::Final,
    }
}

const TWO_WRITES: &str = "A: [w1@1] [w2@2]";

#[test]
fn stores_that_agree_are_eventual() {
    let probes = [probe(90, Site::Primary, 2, 2), probe(91, Site::Cache, 2, 2)];
    let judgement = judged(TWO_WRITES, &probes);
    assert_eq!(judgement.validity(Guarantee::Eventual), Validity::Valid);
    assert_eq!(judgement.metrics.convergence.agree(), Some(true));
    assert_eq!(judged(TWO_WRITES, &[]).validity(Guarantee::Eventual), Validity::Unknown);
}

#[test]
fn what_disagrees_is_counted_by_keys() {
    let of = |key, probe: Probe| Probe { key: Key(key), ..probe };
    let probes = [
        probe(90, Site::Primary, 2, 2),
        probe(91, Site::Cache, 1, 1),
        of(1, probe(90, Site::Primary, 2, 2)),
        of(1, probe(91, Site::Cache, 2, 2)),
        of(2, probe(91, Site::Replica, 2, 2)),
    ];
    let judgement = judged(TWO_WRITES, &probes);
    let rung = judgement.rung(Guarantee::Eventual);
    assert_eq!(rung.validity, Validity::Invalid);
    assert_eq!(rung.reason, "the stores disagree on 1 of 2 keys");
}

#[test]
fn an_empty_cache_agrees_with_everything_and_an_empty_replica_does_not() {
    let nothing = |site| Probe { value: Value::Nil, ..probe(91, site, 0, 0) };
    let primary = probe(90, Site::Primary, 2, 2);
    let eventual =
        |other| judged(TWO_WRITES, &[primary.clone(), other]).validity(Guarantee::Eventual);
    assert_eq!(eventual(nothing(Site::Cache)), Validity::Valid);
    assert_eq!(eventual(nothing(Site::Replica)), Validity::Invalid);
}

#[test]
fn a_cache_left_behind_is_a_divergence_that_clients_need_not_have_seen() {
    let probes = [probe(90, Site::Primary, 2, 2), probe(91, Site::Cache, 1, 1)];
    let judgement = judged(TWO_WRITES, &probes);
    assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Valid);
    assert_eq!(judgement.strongest, Guarantee::None);
    assert_eq!(
        told(&judgement),
        ["divergence: key 0: in the end the cache holds 1 (version 1) and the primary 2 \
          (version 2): an older version"]
    );
}

#[test]
fn an_acknowledged_write_missing_from_the_primary_is_lost() {
    let judgement = judged(TWO_WRITES, &[probe(90, Site::Primary, 1, 1)]);
    assert_eq!(judgement.metrics.lost_updates, 1);
    assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid);
    assert_eq!(
        told(&judgement),
        ["lost-write: key 0: process 0 was told at 14ms that its write of 2 (version 2) had \
          happened, but in the end the primary holds 1 (version 1)"]
    );
}

#[test]
fn a_loss_shows_without_versions_too() {
    let lost = |held: i64| {
        judged("A: [w1] [w2]", &[probe(90, Site::Primary, held, 0)]).metrics.lost_updates
    };
    assert_eq!((lost(1), lost(2)), (1, 0));
}

#[test]
fn two_writes_of_one_version_cannot_both_have_survived() {
    let judgement = judged("A: [w1@1] [w2@1]", &[]);
    assert_eq!(judgement.metrics.lost_updates, 1);
    assert_eq!(judgement.anomalies[0].class.to_string(), "lost-write");
}

#[test]
fn windows_of_divergence_open_and_close_with_the_probes() {
    let running = |at, site, version: u64| Probe {
        phase: ProbePhase::Running,
        ..probe(at, site, i64::try_from(version).unwrap(), version)
    };
    let probes = [
        running(30, Site::Cache, 1),
        running(40, Site::Cache, 1),
        running(50, Site::Cache, 2),
        running(60, Site::Primary, 5),
        running(70, Site::Cache, 2),
    ];
    let metrics = judged(TWO_WRITES, &probes).metrics;
    let windows: Vec<_> =
        metrics.divergence_windows.iter().map(|w| (w.from, w.to, w.versions_behind)).collect();
    assert_eq!(
        windows,
        [(Time::from_millis(31), Some(Time::from_millis(50)), 1), (Time::from_millis(71), None, 3),]
    );
    assert_eq!(metrics.convergence.since, None);
}

#[test]
fn a_divergence_names_what_both_hold_and_who_wrote_it() {
    let diverged = |other: Probe| {
        let probes = [probe(90, Site::Primary, 2, 2), other];
        judged("A: [w1@1] [w2@2] [w3@3]", &probes[..])
            .anomalies
            .into_iter()
            .find(|anomaly| anomaly.class == Class::Divergence)
    };
    let told = |value: i64, version| diverged(probe(91, Site::Replica, value, version)).unwrap();
    let older = told(1, 1);
    assert_eq!(
        older.explanation,
        "key 0: in the end the replica holds 1 (version 1) and the primary 2 (version 2): an older \
         version"
    );
    // The writes of the two, and not the third.
    assert_eq!(older.witness, [0, 1, 2, 3].map(Index));
    assert!(told(3, 3).explanation.ends_with("2 (version 2): a newer version"));
    assert!(told(1, 2).explanation.ends_with("another value of the same version"));
    assert!(
        told(1, 0).explanation.ends_with("holds 1 and the primary 2 (version 2): another value")
    );
    assert!(diverged(probe(91, Site::Cache, Value::Nil, 0)).is_none());
}

/// Versions are compared where both stores have one, and values always.
#[test]
fn stores_agree_on_values_and_on_versions_that_are_known() {
    let agree = |primary: (i64, u64), other: (i64, u64)| {
        let probes = [
            probe(90, Site::Primary, primary.0, primary.1),
            probe(91, Site::Replica, other.0, other.1),
        ];
        judged("A: [w1]", &probes).metrics.convergence.agree()
    };
    assert_eq!(agree((5, 2), (5, 2)), Some(true));
    assert_eq!(agree((5, 2), (5, 1)), Some(false));
    assert_eq!(agree((5, 1), (5, 2)), Some(false));
    assert_eq!(agree((5, 2), (5, 0)), Some(true));
    assert_eq!(agree((5, 0), (5, 2)), Some(true));
    assert_eq!(agree((5, 0), (5, 0)), Some(true));
    assert_eq!(agree((5, 2), (6, 2)), Some(false));
    assert_eq!(agree((5, 0), (6, 0)), Some(false));
}

/// The write of version 3 is acknowledged at 10 ms; afterwards the replica
/// holds version 2, and so did the primary when it was asked.
#[test]
fn a_primary_that_lost_versions_is_not_ahead_of_its_replica() {
    let mut history = History::default();
    history.invoke(Time::from_millis(1), Process::Client(0), Op::write(0, 1));
    let answer = Op { version: Some(3), ..Op::write(0, 1) };
    history.ok(Time::from_millis(10), Process::Client(0), answer);
    let windows = |asked: u64| {
        let during = |probe: Probe| Probe { phase: ProbePhase::Running, ..probe };
        let primary = Probe {
            start: Time::from_millis(asked),
            end: Time::from_millis(asked + 8),
            ..probe(0, Site::Primary, 7, 2)
        };
        let probes = [during(primary), during(probe(30, Site::Replica, 7, 2))];
        judge(&history, &probes, &JudgeOptions::default()).metrics.divergence_windows.len()
    };
    // Asked before the acknowledgement or as it came, it proves nothing.
    assert_eq!([windows(5), windows(10)], [1, 1]);
    assert_eq!(windows(11), 0);
}

/// Without versions a primary that holds nothing has lost what was written,
/// unless somebody may have deleted it.
#[test]
fn an_empty_primary_has_lost_what_nobody_deleted() {
    let lost = |drawing| {
        let probes = [probe(90, Site::Primary, Value::Nil, 0)];
        judged(drawing, &probes).metrics.lost_updates
    };
    assert_eq!(lost("A: [w1]"), 1);
    assert_eq!(lost("A: [w1  ]\nB: [w nil]"), 0);
}

/// What the stale read of 1 found on its way.
fn reads_found(site: Site, value: i64) -> [u64; 3] {
    let mut history = notation::parse("A: [w1@1] [w2@2]\nB:   [r nil]       [r1@1]").unwrap();
    let read = history.events[6].index;
    history.steps.push(Step {
        operation: Some(read),
        process: history.events[6].process,
        start: Time::from_millis(19),
        end: Some(Time::from_millis(20)),
        site,
        verb: "GET".into(),
        object: Some(Object::of(Key(0))),
        argument: None,
        reply: Reply::Found(Content::Row { value: Value::Int(value), version: 1 }),
        lsn: None,
    });
    let metrics = judge(&history, &[], &JudgeOptions::default()).metrics;
    [metrics.hits, metrics.stale_hits, metrics.stale_misses]
}

#[test]
fn a_stale_read_out_of_the_cache_is_a_stale_hit() {
    assert_eq!(reads_found(Site::Cache, 1), [1, 1, 0]);
    // It looked into the cache and returned something else.
    assert_eq!(reads_found(Site::Cache, 7), [0, 0, 1]);
    assert_eq!(reads_found(Site::Replica, 1), [0, 0, 1]);
}

#[test]
fn a_judgement_keeps_its_names_in_json() {
    let probes = [probe(90, Site::Primary, 2, 2), probe(91, Site::Cache, 1, 1)];
    let judgement = judged("A: [w1@1] [w2@2]  [r1@1]", &probes);
    let json = serde_json::to_string_pretty(&judgement).unwrap();
    insta::assert_snapshot!(json);
    assert_eq!(serde_json::from_str::<quarrel_checkers::Judgement>(&json).unwrap(), judgement);
}
