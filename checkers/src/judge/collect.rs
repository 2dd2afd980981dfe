use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use crate::{Anomaly, Class};

/// Keeps the worst anomalies of each class.
pub(super) struct Collector {
    max: usize,
    of_class: BTreeMap<Class, Kept>,
}

#[derive(Default)]
struct Kept {
    anomalies: Vec<Anomaly>,
    /// Nothing less stale than this will be kept any more.
    floor: Option<Duration>,
}

impl Kept {
    /// Twice as many are held as are wanted, so that sorting is rare.
    fn prune(&mut self, max: usize) {
        if self.anomalies.len() > max.saturating_mul(2) {
            self.anomalies.sort_by_cached_key(badness);
            self.anomalies.truncate(max);
            self.floor = self.anomalies.last().map(|last| last.stale_for);
        }
    }
}

impl Collector {
    pub(super) const fn new(max: usize) -> Self {
        Self { max, of_class: BTreeMap::new() }
    }

    /// How many of a class it keeps.
    pub(super) const fn most(&self) -> usize {
        self.max
    }

    pub(super) fn add(&mut self, anomaly: Anomaly) {
        self.add_with(anomaly.class, anomaly.stale_for, || anomaly);
    }

    /// Adds an anomaly that is only made if it will be kept for now.
    pub(super) fn add_with(
        &mut self,
        class: Class,
        stale_for: Duration,
        make: impl FnOnce() -> Anomaly,
    ) {
        let kept = self.of_class.entry(class).or_default();
        if kept.floor.is_some_and(|floor| stale_for <= floor) {
            return;
        }
        kept.anomalies.push(make());
        kept.prune(self.max);
    }

    /// Adds what another one kept.
    pub(super) fn merge(&mut self, other: Self) {
        for (class, others) in other.of_class {
            let kept = self.of_class.entry(class).or_default();
            kept.anomalies.extend(others.anomalies);
            kept.prune(self.max);
        }
    }

    /// At most `max` anomalies, worst first; the worst of each class is in.
    pub(super) fn finish(mut self) -> Vec<Anomaly> {
        let mut firsts = Vec::new();
        let mut others = Vec::new();
        for kept in self.of_class.values_mut() {
            kept.anomalies.sort_by_cached_key(badness);
            let mut sorted = kept.anomalies.drain(..);
            firsts.extend(sorted.next());
            others.extend(sorted);
        }
        firsts.sort_by_cached_key(badness);
        firsts.truncate(self.max);
        others.sort_by_cached_key(badness);
        others.truncate(self.max - firsts.len());
        firsts.extend(others);
        firsts.sort_by_cached_key(badness);
        firsts
    }
}

/// Sorts the worst first.
type Badness = (u16, Reverse<Duration>, Reverse<u64>, Option<crate::Key>, Vec<crate::Index>);

fn badness(anomaly: &Anomaly) -> Badness {
    (
        rank(anomaly.class),
        Reverse(anomaly.stale_for),
        Reverse(anomaly.versions_behind),
        anomaly.key,
        anomaly.witness.clone(),
    )
}

/// Data that is lost or made up is worse than data that stays wrong, and that
/// worse than data that was wrong for a while.
const fn rank(class: Class) -> u16 {
    match class {
        Class::LostWrite => 0,
        Class::PhantomRead | Class::DirtyRead => 1,
        Class::FutureRead => 2,
        Class::Divergence => 3,
        Class::StaleRead => 4,
        Class::ReadYourWrites => 5,
        Class::NonMonotonicRead => 6,
        Class::NonMonotonicWrite => 7,
        Class::WriteBeforeRead => 8,
        Class::NotLinearizable => 9,
        // Of transactions: as they are listed.
        _ => 10 + class as u16,
    }
}
