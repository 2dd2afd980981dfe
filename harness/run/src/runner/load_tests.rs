use std::collections::BTreeSet;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use quarrel_checkers::{
    F, Guarantee, History, JudgeOptions, Key, Kind, Site, Validity, Value, judge,
};
use quarrel_sim::{SimCluster, subjects};
use quarrel_strategy::{
    cluster::Cluster as _,
    record::{Recorder, Stop},
    stores::{Row, StoreError},
    strategy::{AnyStrategy, RegisterWorkload, Session, Skew, Strategy},
};

use super::{Arrivals, Pauses, Plan, StormOutcome, storm};
use crate::faults::Schedule;

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

/// Keeps its rows under other keys than it is asked for.
struct Elsewhere;

const FAR: u64 = 1_000_000;

impl Strategy for Elsewhere {
    async fn read(&self, session: &mut Session, key: Key) -> Result<Option<Row>, StoreError> {
        session.primary().read(Key(key.0 + FAR)).await
    }

    async fn write(
        &self,
        session: &mut Session,
        key: Key,
        value: Value,
    ) -> Result<u64, StoreError> {
        session.primary().write(Key(key.0 + FAR), value).await
    }
}

/// Loads six keys from key 10 on and does nothing else.
fn loaded(refusals: u64, never: Option<Key>) -> (StormOutcome, Vec<u64>) {
    let strategy = Reluctant { refusals: AtomicU64::new(refusals), never };
    let (outcome, versions, _) = load(6, Arc::new(strategy));
    (outcome, versions)
}

/// The same of some keys, with what was recorded.
fn load(keys: u64, strategy: Arc<dyn AnyStrategy>) -> (StormOutcome, Vec<u64>, History) {
    let cluster = SimCluster::new(1);
    let recorder = Arc::new(Recorder::new(cluster.clock()));
    let plan = Plan {
        strategy,
        workload: Arc::new(RegisterWorkload),
        clients: 4,
        keys,
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
        .run(storm(shared, plan, Arc::clone(&recorder), None, Stop::default(), &|_| {}))
        .expect("a storm waits for nothing but its cluster")
        .expect("there are no faults to carry");
    let probes = outcome.probes.iter().filter(|probe| probe.site == Site::Primary);
    let versions = probes.map(|probe| probe.version).collect();
    (outcome, versions, recorder.history())
}

/// Many keys are written in batches, which is recorded as a write of each, and
/// a client that retires takes none of their processes' numbers.
#[test]
fn many_keys_have_their_first_values_at_once() {
    let (outcome, versions, history) = load(2_500, subjects::primary_only());
    assert_eq!(outcome.unloaded, []);
    assert_eq!(versions, vec![1; 2_500]);
    let writes = history.events.iter().filter(|event| event.kind == Kind::Ok);
    let writes: Vec<_> = writes.filter(|event| event.op.f == F::Write).collect();
    assert_eq!(writes.len(), 2_500);
    let distinct: BTreeSet<_> = writes.iter().map(|event| event.process).collect();
    assert_eq!(distinct.len(), 2_500);
    assert_eq!(history.steps.iter().filter(|step| step.verb == "UPDATE").count(), 2_500);
    let judgement = judge(&history, &outcome.probes, &JudgeOptions::default());
    assert_eq!(judgement.strongest, Guarantee::Linearizable, "{:?}", judgement.anomalies);
    assert_eq!(judgement.metrics.convergence.keys_agreeing, 2_500);
}

/// Who keeps the rows elsewhere is not accused of missing those that were put
/// where nobody looks; all keys get values that it does see.
#[test]
fn a_strategy_that_does_not_see_first_values_writes_its_own() {
    let (outcome, _, history) = load(1_200, Arc::new(Elsewhere));
    assert_eq!(outcome.unloaded, []);
    let writes = history.events.iter().filter(|event| event.op.f == F::Write);
    let of_kind = |kind| writes.clone().filter(|event| event.kind == kind).count();
    assert_eq!([Kind::Ok, Kind::Info].map(of_kind), [1_200, 1_200]);
    let judgement = judge(&history, &[], &JudgeOptions::default());
    assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Valid);
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
