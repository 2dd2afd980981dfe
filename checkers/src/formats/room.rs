//! How much memory a history may take while it is read.

use std::{cell::Cell, rc::Rc};

use super::ImportError;
use crate::{Event, Value};

/// What is wrong with a history that found no room.
pub(crate) const FULL: &str = "no more memory is allowed";

/// Bytes that may still be taken. Clones share them: the file's text, what is
/// being read of it, and the events that it came to take of the same.
///
/// What an allocator adds is not known; what is counted is what was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Room(Rc<Left>);

#[derive(Debug)]
struct Left {
    bytes: Cell<u64>,
    /// Of these, what the operation that is being read takes until it is an
    /// event.
    passing: Cell<u64>,
    was_exceeded: Cell<bool>,
}

impl Room {
    /// So many bytes, or as many as there are.
    pub(crate) fn of(bytes: Option<u64>) -> Self {
        Self(Rc::new(Left {
            bytes: Cell::new(bytes.unwrap_or(u64::MAX)),
            passing: Cell::new(0),
            was_exceeded: Cell::new(false),
        }))
    }

    /// Takes bytes for good; whether they were there.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let left = self.0.bytes.get().checked_sub(bytes as u64);
        self.0.bytes.set(left.unwrap_or(0));
        if left.is_none() {
            self.0.was_exceeded.set(true);
        }
        left.is_some()
    }

    /// Takes bytes until [`Room::passed`]; whether they were there.
    pub(crate) fn pass(&self, bytes: usize) -> bool {
        let passing = self.0.passing.get().saturating_add(bytes as u64);
        self.0.passing.set(passing);
        let is_there = passing <= self.0.bytes.get();
        if !is_there {
            self.0.was_exceeded.set(true);
        }
        is_there
    }

    /// What was read in passing is gone.
    pub(crate) fn passed(&self) {
        self.0.passing.set(0);
    }

    /// Whether more was wanted than there was.
    pub(crate) fn was_exceeded(&self) -> bool {
        self.0.was_exceeded.get()
    }

    /// Takes what an event holds, and lets go of what it was read from.
    pub(super) fn keep(&self, event: &Event) -> bool {
        self.passed();
        let error = event.error.as_ref().map_or(0, String::len);
        self.take(size_of::<Event>() + held(&event.op.value) + error)
    }

    /// The error of an operation at a line and a column.
    pub(super) fn full_at((line, column): (usize, usize)) -> ImportError {
        ImportError { line, column, problem: FULL.to_owned() }
    }
}

/// About the bytes that a value holds besides itself.
fn held(value: &Value) -> usize {
    /// An allocation and its counts.
    const SHARED: usize = 32;
    match value {
        Value::Nil | Value::Bool(_) | Value::Int(_) => 0,
        Value::Text(text) | Value::Atom(text) => SHARED + text.len(),
        Value::List(items) => {
            SHARED + items.iter().map(|item| size_of::<Value>() + held(item)).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_given_back_and_what_is_taken_is_not() {
        let room = Room::of(Some(100));
        assert!(room.take(40) && room.pass(30) && room.pass(30));
        room.passed();
        assert!(room.pass(60) && !room.was_exceeded());
        assert!(!room.clone().pass(1) && room.was_exceeded());
        room.passed();
        assert!(room.take(60) && !room.take(1));
        assert!(Room::of(None).take(usize::MAX));
    }

    #[test]
    fn a_value_holds_what_is_in_it() {
        assert_eq!(held(&Value::Int(7)), 0);
        let nested = Value::List([Value::Nil, Value::List([].into())].into());
        assert_eq!(held(&nested), 32 + 2 * size_of::<Value>() + 32);
    }
}
