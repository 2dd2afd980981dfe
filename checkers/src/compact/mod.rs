//! A long history in little memory: records as bytes, made into [`Event`]s and
//! [`Step`]s when somebody looks at them.
//!
//! In a [`History`] an event takes 144 bytes and a step 216, most of them for
//! what few have. Here both take what they hold, some 20 and 30 bytes, so that
//! a million operations with their steps fit into about 100 MB.

mod bytes;
mod rows;
mod view;
mod words;

use std::fmt;

pub use self::view::{HistoryRef, StepAt};
use self::{bytes::Cursor, rows::Rows, words::Words};
use crate::{Event, History, Index, Step};

/// A history that is written once, from its beginning to its end, and then
/// looked at anywhere. What comes back is what was put in.
///
/// ```
/// use quarrel_checkers::{CompactHistory, History, HistoryRef, Op, Process, Time};
///
/// let mut history = History::default();
/// history.invoke(Time(1), Process::Client(0), Op::write(7, 1));
/// history.ok(Time(3), Process::Client(0), Op::write(7, 1).at_version(1));
/// let compact = CompactHistory::from(&history);
/// assert_eq!(HistoryRef::from(&compact).to_history(), history);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CompactHistory {
    events: Rows,
    steps: Rows,
    words: Words,
}

impl CompactHistory {
    /// Appends an event.
    pub fn push_event(&mut self, event: &Event) {
        let number = self.events.len() as u64;
        let words = &mut self.words;
        self.events.push(|bytes| bytes::put_event(bytes, words, event, Index(number)));
    }

    /// Appends a step.
    pub fn push_step(&mut self, step: &Step) {
        let words = &mut self.words;
        self.steps.push(|bytes| bytes::put_step(bytes, words, step));
    }

    /// How many events there are.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.events.len()
    }

    /// How many steps there are.
    #[must_use]
    pub fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// The bytes of memory that it takes besides itself, but for what the
    /// allocator adds.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.events.heap_bytes() + self.steps.heap_bytes() + self.words.heap_bytes()
    }

    /// The event at a position.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn event(&self, position: usize) -> Event {
        Cursor::of(self.events.get(position)).event(&self.words, Index(position as u64))
    }

    /// The step at a position.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn step(&self, position: usize) -> Step {
        Cursor::of(self.steps.get(position)).step(&self.words)
    }

    /// The operation of the step at a position, without what else it says.
    fn operation_of(&self, position: usize) -> Option<Index> {
        Cursor::of(self.steps.get(position)).operation()
    }

    /// Every event, in order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = Event> + ExactSizeIterator + '_ {
        (0..self.event_count()).map(|position| self.event(position))
    }

    /// Every step, in order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = Step> + ExactSizeIterator + '_ {
        (0..self.step_count()).map(|position| self.step(position))
    }
}

impl From<&History> for CompactHistory {
    fn from(history: &History) -> Self {
        let mut compact = Self::default();
        history.events.iter().for_each(|event| compact.push_event(event));
        history.steps.iter().for_each(|step| compact.push_step(step));
        compact
    }
}

impl From<History> for CompactHistory {
    fn from(history: History) -> Self {
        Self::from(&history)
    }
}

impl fmt::Debug for CompactHistory {
    /// What is in it, and not how.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompactHistory")
            .field("events", &self.events().collect::<Vec<_>>())
            .field("steps", &self.steps().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests;
