use std::{collections::BTreeSet, sync::Arc, time::Duration};

use quarrel_checkers::{
    Anomaly, Cause, Class, History, JudgeOptions, Key, Probe, ProbePhase, Site, Time, Value, judge,
};
use quarrel_run::{
    faults::{Fault, Schedule},
    judge::{CauseEvidence, find_causes},
    runner::{Arrivals, Pauses, Plan, Skew, storm},
};
use quarrel_sim::{Claim, SimCluster, subjects};
use quarrel_strategy::{
    cluster::Cluster,
    record::{Recorder, Stop},
};

use super::recorded;
use crate::{
    explore::shrink_race,
    race::{Make, simulate},
};

fn stormed() -> History {
    let cluster = SimCluster::new(5);
    let recorder = Arc::new(Recorder::new(cluster.clock()));
    let time = Duration::from_secs(3);
    let faults = [Fault::parse("replica-lag=50ms..200ms").unwrap()];
    let plan = Plan {
        strategy: subjects::cache_aside(),
        workload: Arc::new(quarrel_strategy::strategy::RegisterWorkload),
        clients: 6,
        keys: 3,
        first_key: 0,
        skew: Skew(0.0),
        read_share: 0.9,
        arrivals: Arrivals::Paced(400.0),
        time,
        seed: 5,
        pauses: Pauses::default(),
        schedule: Schedule::periodic(&faults, time, 5),
        settle: Duration::from_secs(1),
        deadline: None,
        probe_every: Duration::from_millis(100),
    };
    let shared: Arc<dyn Cluster> = Arc::new(cluster.clone());
    let storm = storm(shared, plan, Arc::clone(&recorder), None, Stop::default(), &|_| {});
    cluster.run(storm).unwrap().unwrap();
    recorder.history()
}

/// Everything that is wrong with a history and with what the stores held in the
/// end, with its cause.
fn anomalies(history: &History, probes: &[Probe]) -> Vec<Anomaly> {
    let mut anomalies = judge(history, probes, &JudgeOptions::default()).anomalies;
    find_causes(history, None, &mut anomalies);
    anomalies
}

#[test]
fn a_storms_anomalies_become_short_races_of_the_same_cause() {
    let history = stormed();
    let found = anomalies(&history, &[]);
    let stale: Vec<_> = found.iter().filter(|found| found.class == Class::StaleRead).collect();
    assert!(stale.len() >= 10, "the storm shows only {} stale reads", stale.len());
    let make: &Make<'_> = &subjects::cache_aside;
    let (mut cut, mut causes) = (0, BTreeSet::new());
    let evidence = CauseEvidence::new(&history).expect("a storm's history pairs");
    for anomaly in stale.into_iter().take(10) {
        let Some(recording) = recorded(make, &evidence, anomaly).unwrap() else { continue };
        cut += 1;
        assert_eq!(Some(recording.cause), anomaly.cause, "{}", recording.performance.race);
        causes.insert(recording.cause);
        let finding = shrink_race(make, &recording.performance.race).unwrap().unwrap();
        assert_eq!(Some(finding.cause), anomaly.cause, "{finding}");
        assert!(finding.race.steps() <= 6, "{finding}");
        assert!(finding.proof().is_some(), "{finding}");
    }
    assert_eq!(cut, 10, "not every one could be cut out");
    assert!(causes.contains(&Cause::ReplicaLagRefill), "{causes:?}");
}

/// A reader misses, a writer updates and deletes, and the reader sets what it
/// had read before: in the end the cache holds the old row.
const DIVERGES: &str = "\
    key 1 = Alex, cached nowhere\n\
    Writer A: UPDATE 1 = Alice -> ok\n\
    Writer A: DEL 1 -> ok\n\
    Reader B: GET 1 -> miss\n\
    Reader B: SELECT primary 1 -> Alice\n\
    Writer A: UPDATE 1 = Alicia -> ok\n\
    Writer A: DEL 1 -> ok\n\
    Reader B: SET 1 = Alice -> ok\n";

#[test]
fn what_only_probes_saw_is_cut_out_as_well() {
    let make: &Make<'_> = &subjects::cache_aside_primary;
    let race = DIVERGES.parse().unwrap();
    let run = simulate(&race, make, &mut |_| {}).unwrap();
    assert_eq!(run.complaint(), None);
    let history = run.history;
    let probe = |site, value: &str, version| Probe {
        start: Time::from_millis(100),
        end: Time::from_millis(101),
        site,
        key: Key(1),
        value: Value::from(value),
        version,
        phase: ProbePhase::Final,
    };
    let probes = [probe(Site::Primary, "Alicia", 3), probe(Site::Cache, "Alice", 2)];
    let found = anomalies(&history, &probes);
    let [anomaly] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(anomaly.class, Class::Divergence);
    let evidence = CauseEvidence::new(&history).expect("a storm's history pairs");
    let recording = recorded(make, &evidence, anomaly).unwrap().expect("it can be cut out");
    assert_eq!(recording.cause, Cause::InFlightRefill, "{}", recording.performance.race);
    let finding = shrink_race(make, &recording.performance.race).unwrap().unwrap();
    assert_eq!((finding.claim, finding.cause), (Claim::Diverged, Cause::InFlightRefill));
    insta::assert_snapshot!(finding.race, @r"
    key 1 = Alice, cached nowhere
    t=0ms Reader A: GET 1             -> miss
    t=1ms Reader A: SELECT primary 1  -> Alice
    t=2ms Writer B: UPDATE 1 = Alicia -> ok
    t=3ms Writer B: DEL 1             -> ok
    t=4ms Reader A: SET 1 = Alice     -> ok
    !diverged
    ");
}
