use std::{sync::Arc, time::Duration};

use quarrel_checkers::{F, History, Index, Kind, Time};

use super::recorded;
use crate::{
    cluster::Cluster,
    explore::shrink,
    faults::{Fault, Schedule},
    race::Make,
    record::{Recorder, Stop},
    runner::{Arrivals, Plan, Skew, storm},
    sim::{Claim, SimCluster, subjects},
};

fn stormed() -> History {
    let cluster = SimCluster::new(5);
    let recorder = Arc::new(Recorder::new(cluster.clock()));
    let time = Duration::from_secs(3);
    let faults = [Fault::parse("replica-lag=50ms..200ms").unwrap()];
    let plan = Plan {
        strategy: subjects::cache_aside(),
        workload: Arc::new(crate::strategy::Register),
        clients: 6,
        keys: 3,
        first_key: 0,
        skew: Skew(0.0),
        read_share: 0.9,
        arrivals: Arrivals::Paced(400.0),
        time,
        seed: 5,
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

/// Reads that returned a version older than one acknowledged before they
/// began, by their invocations.
fn stale_reads(history: &History) -> Vec<Index> {
    let operations = history.operations().unwrap();
    let mut acknowledged: Vec<(Time, _, u64)> = Vec::new();
    for operation in &operations {
        let Some(complete) = operation.complete else { continue };
        let event = &history.events[complete.position()];
        if let (Kind::Ok, F::Write, Some(version)) = (event.kind, &event.op.f, event.op.version) {
            acknowledged.push((event.time, event.op.key, version));
        }
    }
    let stale = operations.iter().filter(|operation| {
        let Some(complete) = operation.complete else { return false };
        let (begin, end) =
            (&history.events[operation.invoke.position()], &history.events[complete.position()]);
        end.op.f == F::Read
            && end.op.version.is_some_and(|read| {
                acknowledged.iter().any(|(at, key, version)| {
                    *at < begin.time && *key == end.op.key && *version > read
                })
            })
    });
    stale.map(|operation| operation.invoke).collect()
}

#[test]
fn a_storms_anomalies_become_short_races() {
    let history = stormed();
    let stale = stale_reads(&history);
    assert!(stale.len() >= 10, "the storm shows only {} stale reads", stale.len());
    let make: &Make<'_> = &subjects::cache_aside;
    let mut cut = 0;
    for witness in stale.iter().take(10) {
        let Some((plot, _)) = recorded(make, &history, &[*witness], Claim::Stale).unwrap() else {
            continue;
        };
        cut += 1;
        let (_, least) = shrink(make, &plot, Claim::Stale).unwrap().unwrap();
        assert!(least.race.steps() <= 6, "{}", least.race);
    }
    assert!(cut >= 9, "only {cut} of 10 could be cut out");
}
