//! What the clients of a cut heard, look by look.

use std::collections::{BTreeMap, BTreeSet};

use quarrel_checkers::{Index, Key, Process, Reply, Step, StepAt, Time};

/// What a client heard of one key since its last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Heard {
    /// Nothing: whatever was sent is on its way.
    #[default]
    Nothing,
    /// That it has changed.
    Change,
    /// That it had not been listening.
    Gap,
}

/// What each look of the operations that were cut out heard of the key. What a
/// client heard between them, in an operation on another key, it heard at the
/// next.
pub(super) struct Looks(BTreeMap<Look, Heard>);

/// Who looked in which operation, and when: where no time passes, the last look
/// of one operation and the first of the next begin at the same instant.
type Look = (Process, Option<Index>, Time);

/// The look that a step is a part of.
const fn look(step: &Step) -> Look {
    (step.process, step.operation, step.start)
}

/// What a process has heard since its last look that counts.
#[derive(Default)]
struct Since {
    heard: Heard,
    /// The last look that counts.
    counted: Option<Look>,
}

impl Looks {
    pub(super) fn of<'h>(
        all: impl Iterator<Item = StepAt<'h>>,
        key: Key,
        operations: &BTreeSet<Index>,
    ) -> Self {
        let mut looks = BTreeMap::new();
        let mut since: BTreeMap<Process, Since> = BTreeMap::new();
        // Steps of one process stand in its own order.
        for step in all {
            let since = since.entry(step.process).or_default();
            // One look is a step for each key that it heard of.
            if since.counted.is_some_and(|counted| counted != look(&step)) {
                *since = Since::default();
            }
            let is_on_key = step.object.as_ref().is_some_and(|object| object.key == key);
            since.heard = since.heard.max(match step.reply {
                // Who cannot listen misses what is said meanwhile.
                Reply::Gap | Reply::Failed { .. } => Heard::Gap,
                _ if is_on_key => Heard::Change,
                _ => Heard::Nothing,
            });
            if step.operation.is_some_and(|operation| operations.contains(&operation)) {
                looks.insert(look(&step), since.heard);
                since.counted = Some(look(&step));
            }
        }
        Self(looks)
    }

    /// What the look of which `step` is a part heard; none if it is no look.
    pub(super) fn at(&self, step: &Step) -> Option<Heard> {
        self.0.get(&look(step)).copied().filter(|_| step.is_look())
    }
}
