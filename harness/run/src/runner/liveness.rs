//! Whether every store answers, all through a run.
//!
//! A server that dies by itself must neither convict a strategy nor acquit it:
//! the run is lost, and says so. Stores are asked over the links that faults
//! strike and beside them; the faults that are on excuse what they may have
//! silenced, until it answers again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use quarrel_checkers::{Site, Time};
use quarrel_strategy::{
    cluster::{Cluster, ClusterKind},
    record::{Recorder, Spoils},
    stores::{Backend, ConnectionState, Item, Request, Response, StoreError},
};

use super::{probes::pause, vitals::Known};
use crate::faults::{Excuses, HEARTBEAT, Way};

/// Between two questions to one store.
const EVERY: Duration = Duration::from_millis(100);
/// The longest that a store may be silent without an excuse: servers hiccup.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest that a store may take to come back from a fault.
const COMEBACK: Duration = Duration::from_secs(30);

/// Between two questions to servers how they are.
const CHECKUP: Duration = Duration::from_secs(1);

const WATCHED: [(Site, Way); 6] = [
    (Site::Primary, Way::Link),
    (Site::Replica, Way::Link),
    (Site::Cache, Way::Link),
    (Site::Primary, Way::Direct),
    (Site::Replica, Way::Direct),
    (Site::Cache, Way::Direct),
];

/// What watches the stores of one run.
pub(super) struct Liveness {
    cluster: Arc<dyn Cluster>,
    recorder: Arc<Recorder>,
    excuses: Arc<Excuses>,
    /// When each store was last asked something that it answered; in
    /// nanoseconds, 0 for never.
    answered: [AtomicU64; WATCHED.len()],
    /// When all servers were last asked how they are, and none was missing.
    examined: AtomicU64,
    /// Whether somebody waits for that.
    hurry: AtomicBool,
}

impl Liveness {
    pub(super) fn new(
        cluster: Arc<dyn Cluster>,
        recorder: Arc<Recorder>,
        excuses: Arc<Excuses>,
    ) -> Self {
        let (answered, examined, hurry) = Default::default();
        Self { cluster, recorder, excuses, answered, examined, hurry }
    }

    /// Simulated stores do nothing unbidden.
    fn is_simulated(&self) -> bool {
        self.cluster.kind() == ClusterKind::Sim
    }

    /// Watches until it is dropped. What is lost is told to the recorder.
    pub(super) async fn watch(&self) {
        if self.is_simulated() {
            return std::future::pending().await;
        }
        let stores = WATCHED.iter().zip(&self.answered);
        let each = stores.map(|((site, way), answered)| self.follow(*site, *way, answered));
        futures::join!(join_all(each), self.follow_cluster(), self.follow_vitals());
    }

    /// Returns when every store has answered a question that was asked at
    /// `since` or later, and has said how it is, or one is lost.
    pub(super) async fn all_answer(&self, since: Time) {
        if self.is_simulated() {
            return;
        }
        let mut stores = self.cluster.probe();
        let is_due = |at: &AtomicU64| at.load(Ordering::Relaxed) < since.as_nanos();
        let some_are_due = || self.answered.iter().chain([&self.examined]).any(is_due);
        self.hurry.store(true, Ordering::Relaxed);
        while self.recorder.failure().is_none() && some_are_due() {
            pause(&mut stores, Duration::from_millis(10)).await;
        }
        self.hurry.store(false, Ordering::Relaxed);
    }

    async fn follow_cluster(&self) {
        let mut stores = self.cluster.probe();
        loop {
            if let Some(what) = self.cluster.missing() {
                let what = format!("{what} vanished while the run went on");
                self.recorder.fail(what, Spoils::Evidence);
            }
            pause(&mut stores, EVERY).await;
        }
    }

    async fn follow_vitals(&self) {
        let mut stores = self.cluster.probe();
        let mut known = Known::of(self.cluster.kind());
        loop {
            let asked = self.recorder.now();
            let wrong = match self.cluster.vitals().await {
                Ok(said) => known.take(asked, said, &self.excuses),
                Err(want) => Some(format!("quarrel itself ran out of something: {want}")),
            };
            if let Some(wrong) = wrong {
                self.recorder.fail(wrong, Spoils::Evidence);
            }
            if known.all_said(asked) {
                self.examined.store(asked.as_nanos().max(1), Ordering::Relaxed);
            }
            while self.recorder.now().since(asked) < CHECKUP && !self.hurry.load(Ordering::Relaxed)
            {
                pause(&mut stores, Duration::from_millis(20)).await;
            }
        }
    }

    async fn follow(&self, site: Site, way: Way, answered: &AtomicU64) {
        let mut stores = self.stores(way);
        let mut silence = Silence::default();
        loop {
            let asked = self.recorder.now();
            let answer = stores.call(&question(site)).await;
            let now = self.recorder.now();
            if let Some(lack) = answer.as_ref().err().and_then(StoreError::lack) {
                self.recorder.fail(lack, Spoils::Evidence);
            }
            if answer.is_err() {
                // A failover may have sent us elsewhere; a broken connection is
                // made anew anyway.
                stores = self.stores(way);
            }
            if is_silence(&answer) {
                if self.excuses.cover(site, way) {
                    silence.excuse(now);
                }
                if let Some((since, error)) = silence.goes_on(asked, now, &answer) {
                    self.recorder.fail(lost(site, way, since, &error), Spoils::Evidence);
                }
            } else {
                answered.store(asked.as_nanos().max(1), Ordering::Relaxed);
                silence.ends();
            }
            pause(&mut stores, EVERY).await;
        }
    }

    fn stores(&self, way: Way) -> Backend {
        match way {
            Way::Link => self.cluster.client(),
            Way::Direct => self.cluster.probe(),
        }
    }
}

/// How long a store has been silent.
#[derive(Debug, Default)]
struct Silence {
    /// Since when without an excuse.
    since: Option<Time>,
    /// Until when it may come back from a fault that is over.
    excused_until: Option<Time>,
}

impl Silence {
    fn ends(&mut self) {
        *self = Self::default();
    }

    /// A fault of ours is on, and may be why.
    fn excuse(&mut self, now: Time) {
        self.excused_until = Some(now + COMEBACK);
    }

    /// One more question without an answer; since when and why the store is
    /// lost, once it is.
    fn goes_on(
        &mut self,
        asked: Time,
        now: Time,
        answer: &Result<Response, StoreError>,
    ) -> Option<(Time, StoreError)> {
        if self.excused_until.is_some_and(|until| now < until) {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(asked);
        let error = answer.as_ref().err()?.clone();
        (now.since(since) >= PATIENCE).then_some((since, error))
    }
}

/// A server that says no is there.
fn is_silence(answer: &Result<Response, StoreError>) -> bool {
    answer.as_ref().is_err_and(|error| error.connection == ConnectionState::Broken)
}

const fn question(site: Site) -> Request {
    match site {
        Site::Replica => Request::ReplicaLsn,
        Site::Cache => Request::CacheGet(Item::named("none", HEARTBEAT)),
        Site::Primary | Site::Client => Request::PrimaryLsn,
    }
}

fn lost(site: Site, way: Way, since: Time, error: &StoreError) -> String {
    let since = since.as_nanos() as f64 / 1e9;
    let over = match way {
        Way::Link => " over the link that clients use",
        Way::Direct => "",
    };
    format!(
        "the {site} has not answered{over} since t={since:.1} s, though no fault says so: {}",
        error.message
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn no_answer() -> Result<Response, StoreError> {
        Err(StoreError::unreachable(Site::Cache, "connection refused"))
    }

    /// Asks once a second, from second 0 on; when the store is taken for lost,
    /// and since when.
    fn taken_for_lost(excused: impl Fn(u64) -> bool) -> Option<(u64, u64)> {
        let mut silence = Silence::default();
        (0..60).find_map(|second| {
            let now = Time(second * SECOND);
            if excused(second) {
                silence.excuse(now);
            }
            let lost = silence.goes_on(now, now, &no_answer());
            lost.map(|(since, _)| (second, since.as_nanos() / SECOND))
        })
    }

    #[test]
    fn a_store_is_lost_when_it_is_silent_without_an_excuse() {
        assert_eq!(taken_for_lost(|_| false), Some((3, 0)));
        assert_eq!(taken_for_lost(|_| true), None);
    }

    #[test]
    fn what_a_fault_silenced_must_come_back() {
        // The fault ends at second 5; the store may take until second 34.
        assert_eq!(taken_for_lost(|second| second < 5), Some((37, 34)));
    }

    #[test]
    fn an_answer_ends_the_silence_and_its_excuse() {
        let mut silence = Silence::default();
        let at = |second: u64| Time(second * SECOND);
        silence.excuse(at(0));
        assert_eq!(silence.goes_on(at(0), at(0), &no_answer()), None);
        silence.ends();
        assert_eq!(silence.goes_on(at(1), at(1), &no_answer()), None);
        assert!(silence.goes_on(at(4), at(4), &no_answer()).is_some());
    }

    #[test]
    fn a_store_that_says_no_is_there() {
        assert!(is_silence(&no_answer()));
        assert!(!is_silence(&Err(StoreError::refused(Site::Primary, "no"))));
    }
}
