use std::{borrow::Cow, ops::Deref};

use rustc_hash::FxHashMap;

use super::CompactHistory;
use crate::{Event, History, HistoryError, Index, Kind, Operation, Process, Step, StepsOf};

/// A history, however it is kept: whoever judges or tells it looks at it so.
#[derive(Clone, Copy, Debug)]
pub enum HistoryRef<'a> {
    /// As it is.
    Plain(&'a History),
    /// In little memory: what is looked at is made anew each time.
    Compact(&'a CompactHistory),
}

impl<'a> From<&'a History> for HistoryRef<'a> {
    fn from(history: &'a History) -> Self {
        Self::Plain(history)
    }
}

impl<'a> From<&'a CompactHistory> for HistoryRef<'a> {
    fn from(history: &'a CompactHistory) -> Self {
        Self::Compact(history)
    }
}

/// A step and its place in its history. Two may be alike in all that they say;
/// they are one only if they stand in one place.
#[derive(Clone, Debug)]
pub struct StepAt<'a> {
    position: usize,
    step: Cow<'a, Step>,
}

impl StepAt<'_> {
    /// Its place among the steps of the history.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Whether it is that step, and not only one that says the same.
    #[must_use]
    pub const fn is(&self, other: &StepAt<'_>) -> bool {
        self.position == other.position
    }
}

impl Deref for StepAt<'_> {
    type Target = Step;

    fn deref(&self) -> &Step {
        &self.step
    }
}

impl<'a> HistoryRef<'a> {
    /// How many events there are.
    #[must_use]
    pub fn event_count(self) -> usize {
        match self {
            Self::Plain(history) => history.events.len(),
            Self::Compact(history) => history.event_count(),
        }
    }

    /// How many steps there are.
    #[must_use]
    pub fn step_count(self) -> usize {
        match self {
            Self::Plain(history) => history.steps.len(),
            Self::Compact(history) => history.step_count(),
        }
    }

    /// The event at `index`.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn event(self, index: Index) -> Cow<'a, Event> {
        self.event_at(index.position())
    }

    fn event_at(self, position: usize) -> Cow<'a, Event> {
        match self {
            Self::Plain(history) => Cow::Borrowed(&history.events[position]),
            Self::Compact(history) => Cow::Owned(history.event(position)),
        }
    }

    /// The step at a position.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn step(self, position: usize) -> StepAt<'a> {
        let step = match self {
            Self::Plain(history) => Cow::Borrowed(&history.steps[position]),
            Self::Compact(history) => Cow::Owned(history.step(position)),
        };
        StepAt { position, step }
    }

    /// Every event, in order.
    pub fn events(
        self,
    ) -> impl DoubleEndedIterator<Item = Cow<'a, Event>> + ExactSizeIterator + Clone {
        (0..self.event_count()).map(move |position| self.event_at(position))
    }

    /// Every step, in order.
    pub fn steps(self) -> impl DoubleEndedIterator<Item = StepAt<'a>> + ExactSizeIterator + Clone {
        (0..self.step_count()).map(move |position| self.step(position))
    }

    /// The steps that belong to no operation, in order: those of agents.
    pub fn background_steps(self) -> impl Iterator<Item = StepAt<'a>> {
        let all = 0..self.step_count();
        all.filter(move |position| self.operation_of(*position).is_none())
            .map(move |position| self.step(position))
    }

    /// The operation of a step, for less than the whole step costs.
    fn operation_of(self, position: usize) -> Option<Index> {
        match self {
            Self::Plain(history) => history.steps[position].operation,
            Self::Compact(history) => history.operation_of(position),
        }
    }

    /// The whole of it, as it is.
    #[must_use]
    pub fn to_history(self) -> History {
        History {
            events: self.events().map(Cow::into_owned).collect(),
            steps: self.steps().map(|at| at.step.into_owned()).collect(),
        }
    }

    /// Sorts the steps by the operations that they belong to.
    ///
    /// # Panics
    ///
    /// If there are 2³² steps: they do not fit into a memory.
    #[must_use]
    pub fn steps_of(self) -> StepsOf {
        let operation = |position| self.operation_of(position);
        StepsOf::of(self.event_count(), || (0..self.step_count()).map(operation))
    }

    /// Pairs invocations with completions, in order of invocation.
    ///
    /// Events of [`Process::Nemesis`] are no operations and are left out:
    /// both of its lines are `info`.
    ///
    /// # Errors
    ///
    /// When a process has two operations open, or completes what it never
    /// invoked.
    pub fn operations(self) -> Result<Vec<Operation>, HistoryError> {
        let mut operations: Vec<Operation> = Vec::with_capacity(self.event_count() / 2);
        // Invocations that are open, with the places of their operations.
        let mut open: FxHashMap<Process, (Cow<'a, Event>, usize)> = FxHashMap::default();
        for event in self.events().filter(|event| event.process != Process::Nemesis) {
            if event.kind == Kind::Invoke {
                operations.push(Operation { invoke: event.index, complete: None });
                let (process, second) = (event.process, event.index.0);
                if let Some((first, _)) = open.insert(process, (event, operations.len() - 1)) {
                    return Err(HistoryError::StillOpen { process, first: first.index.0, second });
                }
                continue;
            }
            let (invoke, at) = open.remove(&event.process).ok_or(HistoryError::NeverInvoked {
                process: event.process,
                index: event.index.0,
            })?;
            if invoke.op.f != event.op.f || invoke.op.key != event.op.key {
                return Err(HistoryError::mismatch(&invoke, &event));
            }
            operations[at].complete = Some(event.index);
        }
        Ok(operations)
    }
}
