//! "There is none", cached over a creation: storms on simulated and on real
//! servers convict it as the explorer does, of the same cause, and acquit who
//! tells the cache of creations, too.

#[expect(dead_code, reason = "the other strategies have tests of their own")]
mod own;

use std::{sync::Arc, time::Duration};

use quarrel_checkers::{Cause, Class, Guarantee};
use quarrel_harness::{
    cluster::{Cluster, native},
    explore::{Bounds, recorded, report},
    judge::CauseEvidence,
    run::{Ran, Run},
    sim::SimCluster,
    strategy::{AnyStrategy, WorkloadEntry},
};

use own::GuardedNegative;

fn lifecycle() -> WorkloadEntry {
    *quarrel_workloads::catalogue().workload("lifecycle").unwrap()
}

async fn storm(strategy: GuardedNegative, seed: u64, on: Arc<dyn Cluster>) -> Ran {
    let run = Run::new("guarded-negative", strategy);
    let run = run.workload(&lifecycle()).time(Duration::from_secs(3)).seed(seed);
    run.on(on).await.unwrap()
}

fn is_convicted(ran: &Ran) {
    let found = &ran.verdict.anomalies;
    assert!(ran.verdict.outcome.exit_code() == 1, "{}", ran.verdict.reason);
    let stale: Vec<_> = found.iter().filter(|found| found.class == Class::StaleRead).collect();
    assert!(!stale.is_empty(), "{found:?}");
    for anomaly in stale {
        assert_eq!(anomaly.cause, Some(Cause::CachedAbsence), "{anomaly:?}");
    }
}

fn is_acquitted(ran: &Ran) {
    assert!(ran.held(), "{}", ran.verdict.reason);
    assert_eq!(ran.verdict.metrics.stale_reads, 0);
    assert!(ran.verdict.metrics.writes > 500, "rows came and went");
}

#[test]
fn the_explorer_convicts_who_keeps_it_and_acquits_who_does_not() {
    for guarantee in [Guarantee::Linearizable, Guarantee::MonotonicReads] {
        let found = |strategy: GuardedNegative, deleters| {
            let make = move || -> Arc<dyn AnyStrategy> { Arc::new(strategy) };
            let bounds = Bounds {
                writers: 1,
                operations: 1 + deleters,
                deleters,
                faults: Vec::new(),
                guarantee,
                ..Bounds::default()
            };
            report(&make, "guarded-negative", &[], &bounds).unwrap()
        };
        for deleters in [0, 1] {
            let told = found(GuardedNegative::TELLS, deleters);
            assert!(told.exploration.outcome().is_held(), "{told}");
        }
        let broken = found(GuardedNegative::LEAVES_THE_ENTRY, 0);
        if guarantee == Guarantee::Linearizable {
            assert_eq!(broken.finding.unwrap().cause, Cause::CachedAbsence);
        }
    }
}

#[tokio::test]
async fn a_simulated_storm_convicts_who_keeps_it_and_acquits_who_does_not() {
    for seed in 0..5 {
        let sim = || Arc::new(SimCluster::new(seed));
        is_convicted(&storm(GuardedNegative::LEAVES_THE_ENTRY, seed, sim()).await);
        is_acquitted(&storm(GuardedNegative::TELLS, seed, sim()).await);
    }
}

/// What a storm showed is cut out as a race of the same cause, though every
/// delete leaves the same value.
#[tokio::test]
async fn what_a_storm_shows_becomes_a_race() {
    let strategy = GuardedNegative::LEAVES_THE_ENTRY;
    let ran = storm(strategy, 1, Arc::new(SimCluster::new(1))).await;
    let make = move || -> Arc<dyn AnyStrategy> { Arc::new(strategy) };
    let evidence = CauseEvidence::new(&ran.run.history).expect("what a storm recorded pairs");
    let found = ran.verdict.anomalies.iter().filter(|found| found.class == Class::StaleRead);
    let cut: Vec<_> = found
        .take(10)
        .map(|anomaly| recorded(&make, &evidence, anomaly).unwrap().map(|cut| cut.cause))
        .collect();
    assert_eq!(cut, [Some(Cause::CachedAbsence); 10]);
}

#[tokio::test]
async fn a_storm_on_native_servers_does_as_well() {
    let native: Arc<dyn Cluster> =
        Arc::from(native::start(native::NativeOptions::default()).await.unwrap());
    is_convicted(&storm(GuardedNegative::LEAVES_THE_ENTRY, 1, Arc::clone(&native)).await);
    assert_eq!(native.down().await, Vec::<String>::new());
    // Rows of its own.
    let native: Arc<dyn Cluster> =
        Arc::from(native::start(native::NativeOptions::default()).await.unwrap());
    is_acquitted(&storm(GuardedNegative::TELLS, 1, Arc::clone(&native)).await);
    assert_eq!(native.down().await, Vec::<String>::new());
}
