use std::collections::{BTreeMap, BTreeSet};

use quarrel_checkers::{CompactHistory, Event, F, Index, Key, Process};

use super::LoadedRun;

/// What of a run is about some of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "operation {0:?} is neither read, write nor compare-and-set of one key, so keys cannot be judged one by one"
)]
pub struct NotByKey(pub Index);

impl LoadedRun {
    /// How many events each key has, in order of the keys.
    ///
    /// # Errors
    ///
    /// When an operation is about several keys, or none.
    pub fn events_by_key(&self) -> Result<BTreeMap<Key, u64>, NotByKey> {
        let mut counts = BTreeMap::new();
        for event in self.history.events() {
            if let Some(key) = key_of(&event)? {
                *counts.entry(key).or_default() += 1;
            }
        }
        Ok(counts)
    }

    /// The run as if nobody had spoken of any other key. Every guarantee is one
    /// of single keys, so what is found of a key here is found of it in the
    /// whole.
    ///
    /// # Errors
    ///
    /// When an operation is about several keys, or none.
    pub fn of_keys(mut self, keys: &BTreeSet<Key>) -> Result<Self, NotByKey> {
        let mut places: BTreeMap<Index, Index> = BTreeMap::new();
        let mut kept = CompactHistory::default();
        for mut event in self.history.events() {
            if key_of(&event)?.is_none_or(|key| keys.contains(&key)) {
                let place = Index(kept.event_count() as u64);
                places.insert(event.index, place);
                event.index = place;
                kept.push_event(&event);
            }
        }
        for mut step in self.history.steps() {
            let operation = step.operation.map(|index| places.get(&index).copied());
            match operation {
                Some(None) => continue,
                Some(place) => step.operation = place,
                // A background agent's: of a key, or of none and then of all.
                None if step.object.as_ref().is_some_and(|it| !keys.contains(&it.key)) => continue,
                None => {}
            }
            kept.push_step(&step);
        }
        self.history = kept;
        self.probes.retain(|probe| keys.contains(&probe.key));
        Ok(self)
    }
}

/// None of what faults tell, which is about every key.
fn key_of(event: &Event) -> Result<Option<Key>, NotByKey> {
    if event.process == Process::Nemesis {
        return Ok(None);
    }
    let is_single = matches!(event.op.f, F::Read | F::Write | F::Cas);
    event.op.key.filter(|_| is_single).map(Some).ok_or(NotByKey(event.index))
}
