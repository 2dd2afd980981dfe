use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use quarrel_checkers::{Key, Site, Value};

use super::{Arrivals, Pauses, Plan, StormOutcome, storm};
use crate::{
    cluster::Cluster as _,
    faults::Schedule,
    record::{Recorder, Stop},
    sim::SimCluster,
    stores::{Row, StoreError},
    strategy::{Register, Session, Skew, Strategy},
};

/// Refuses the first so many writes of the run, and every write of one key.
struct Reluctant {
    refusals: AtomicU64,
    never: Option<Key>,
}

impl Strategy for Reluctant {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        session.primary().read(key).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        let refuses = |left: u64| left.checked_sub(1);
        let refused =
            self.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, refuses).is_ok();
        if refused || self.never == Some(key) {
            return Err(StoreError::refused(Site::Primary, "busy"));
        }
        session.primary().write(key, value).await
    }
}

/// Loads six keys from key 10 on and does nothing else.
fn loaded(refusals: u64, never: Option<Key>) -> (StormOutcome, Vec<u64>) {
    let cluster = SimCluster::new(1);
    let recorder = Arc::new(Recorder::new(cluster.clock()));
    let plan = Plan {
        strategy: Arc::new(Reluctant { refusals: AtomicU64::new(refusals), never }),
        workload: Arc::new(Register),
        clients: 4,
        keys: 6,
        first_key: 10,
        skew: Skew(0.0),
        read_share: 1.0,
        arrivals: Arrivals::Closed,
        time: Duration::ZERO,
        seed: 1,
        pauses: Pauses::default(),
        schedule: Schedule::default(),
        settle: Duration::ZERO,
        deadline: None,
        probe_every: Duration::from_millis(10),
    };
    let shared = Arc::new(cluster.clone());
    let outcome = cluster
        .run(storm(shared, plan, recorder, None, Stop::default(), &|_| {}))
        .expect("a storm waits for nothing but its cluster")
        .expect("there are no faults to carry");
    let probes = outcome.probes.iter().filter(|probe| probe.site == Site::Primary);
    let versions = probes.map(|probe| probe.version).collect();
    (outcome, versions)
}

#[test]
fn a_first_write_that_fails_is_tried_again() {
    let (outcome, versions) = loaded(9, None);
    assert_eq!(outcome.unloaded, []);
    assert_eq!(versions, [1; 6]);
}

#[test]
fn a_key_that_cannot_be_loaded_is_named() {
    let (outcome, versions) = loaded(0, Some(Key(12)));
    assert_eq!(outcome.unloaded.len(), 1);
    assert_eq!(outcome.unloaded[0].key, Key(12));
    assert!(outcome.unloaded[0].why.contains("busy"));
    assert_eq!(versions, [1, 1, 0, 1, 1, 1]);
}
