//! Which version of its key a row is that a step tells of.
//!
//! Stores tell numbers. After a failover the primary counts on from what had
//! reached it, and gives numbers again that the old one had given: only with
//! the timeline on which it was written does a number say which row it is, and
//! which of two is the newer. The timeline is told to who writes, so a row's is
//! that of the write of its value.

use quarrel_checkers::{Content, F, HistoryRef, Key, Kind, Reply, Site, Step, Value, Version};
use quarrel_strategy::strategy::sides;
use rustc_hash::FxHashMap;

use super::steps::{is_of_cache, succeeded};

/// The timelines of the values of a history that were not written on the first.
#[derive(Default)]
pub(super) struct Versions(FxHashMap<Key, FxHashMap<Value, Vec<Later>>>);

/// A write on a later timeline than the first, or one of the same value there.
struct Later {
    timeline: u32,
    /// Which version it was told, if it was told one.
    number: Option<u64>,
}

impl Versions {
    pub(super) fn of(history: HistoryRef<'_>) -> Self {
        let mut versions = Self::default();
        for event in history.events() {
            let Some(timeline) = event.timeline.filter(|timeline| *timeline > 1) else { continue };
            let op = &event.op;
            if let (Some(key), false) = (op.key, op.f == F::Read) {
                versions.add(key, op.value.clone(), Later { timeline, number: op.version });
            }
            for side in sides(op).into_iter().filter(|side| side.writes) {
                versions.add(side.key, side.value, Later { timeline, number: side.version });
            }
        }
        versions.add_first(history);
        versions
    }

    /// Values that were written on a later timeline may have been written on the
    /// first before, as all deletes leave the same: what number that gave is
    /// surely of the first.
    fn add_first(&mut self, history: HistoryRef<'_>) {
        if self.0.is_empty() {
            return;
        }
        for event in history.events() {
            let op = &event.op;
            let is_first = event.timeline.is_none_or(|timeline| timeline <= 1);
            if event.kind != Kind::Ok || !is_first {
                continue;
            }
            let of_op = (op.f != F::Read).then_some(op.key).flatten();
            let of_op = of_op.map(|key| (key, &op.value, op.version));
            let sides = sides(op);
            let of_sides = sides.iter().filter(|side| side.writes);
            let of_sides = of_sides.map(|side| (side.key, &side.value, side.version));
            for (key, value, number) in of_op.into_iter().chain(of_sides) {
                let later = self.0.get_mut(&key).and_then(|values| values.get_mut(value));
                if let (Some(writes), Some(_)) = (later, number) {
                    writes.push(Later { timeline: 1, number });
                }
            }
        }
    }

    fn add(&mut self, key: Key, value: Value, later: Later) {
        self.0.entry(key).or_default().entry(value).or_default().push(later);
    }

    /// Of a row with this value, of which a store told this number.
    pub(super) fn of_row(&self, key: Key, value: &Value, number: u64) -> Version {
        let writes = self.0.get(&key).and_then(|values| values.get(value));
        let writes = writes.map(Vec::as_slice).unwrap_or_default();
        // Deletes all leave the same value: the number tells which it was.
        let is_it = writes.iter().find(|write| write.number == Some(number));
        match is_it.or_else(|| writes.iter().find(|write| write.number.is_none())) {
            Some(write) if number > 0 => Version { timeline: write.timeline, number },
            _ => Version::first(number),
        }
    }

    fn of_content(&self, step: &Step, content: &Content) -> Option<Version> {
        self.of_found(step.object.as_ref()?.key, content)
    }

    /// Of what was found under a key, if it is a row.
    pub(super) fn of_found(&self, key: Key, content: &Content) -> Option<Version> {
        let Content::Row { value, version } = content else { return None };
        Some(self.of_row(key, value, *version))
    }

    /// Of the row that a step found.
    pub(super) fn found(&self, step: &Step) -> Option<Version> {
        match &step.reply {
            Reply::Found(content) => self.of_content(step, content),
            _ => None,
        }
    }

    /// Of the row that a step stored in the cache, or told of.
    pub(super) fn stored_or_said(&self, step: &Step) -> Option<Version> {
        let content = step.argument.as_ref().filter(|_| step.site == Site::Cache)?;
        self.of_content(step, content)
    }

    /// Of the row that a step stored in the cache.
    pub(super) fn stored(&self, step: &Step) -> Option<Version> {
        self.stored_or_said(step).filter(|_| is_of_cache(step))
    }

    /// What the primary gave the row that a step wrote to it.
    pub(super) fn written(&self, step: &Step) -> Option<Version> {
        let Reply::Done { version: Some(number) } = step.reply else { return None };
        let key = step.object.as_ref().filter(|_| step.site == Site::Primary)?.key;
        let value = match &step.argument {
            Some(Content::Row { value, .. }) => value,
            _ => &Value::Nil,
        };
        Some(self.of_row(key, value, number))
    }

    /// Whether a step on the same object takes away what `hit` found, or puts
    /// something newer in its place.
    pub(super) fn replaces(&self, step: &Step, hit: &Step) -> bool {
        let Reply::Found(found) = &hit.reply else { return false };
        let is_newer = || {
            let Some(new) = &step.argument else { return false };
            match (self.of_content(step, new), self.of_content(hit, found)) {
                (Some(new), Some(found)) => new > found,
                _ => is_counted_above(new, found),
            }
        };
        is_of_cache(step) && succeeded(step) && (step.verb == "DEL" || is_newer())
    }
}

/// Whether one number is above another where at least one of them is no row's:
/// whoever put it into the cache did not write down a timeline, and compares
/// the numbers alone.
const fn is_counted_above(new: &Content, found: &Content) -> bool {
    match (new, found) {
        (
            Content::Row { version: new, .. } | Content::Tombstone(new),
            Content::Row { version: found, .. } | Content::Tombstone(found),
        )
        | (Content::Number(new), Content::Number(found)) => *new > *found,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Event, History, Index, Op, Process, Time};

    use super::*;

    fn write(key: u64, value: Value, number: Option<u64>, timeline: Option<u32>) -> Event {
        let op = Op { version: number, ..Op::write(key, value) };
        let (index, time, process) = (Index(0), Time::ZERO, Process::Client(0));
        Event { index, time, process, kind: Kind::Ok, op, timeline, error: None }
    }

    #[test]
    fn a_number_that_was_given_twice_is_two_versions() {
        let text = |text: &str| Value::from(text);
        let events = vec![
            write(7, text("Anna"), Some(5), None),
            write(7, text("Alicia"), Some(6), None),
            write(7, text("Boris"), Some(6), Some(2)),
            write(7, Value::Nil, Some(7), None),
            write(7, Value::Nil, Some(8), Some(2)),
            // Whoever asked for this delete never heard of it.
            write(7, Value::Nil, None, Some(3)),
            write(7, text("Carla"), None, Some(2)),
        ];
        let versions = Versions::of((&History { events, ..History::default() }).into());
        let of = |value, number| versions.of_row(Key(7), &value, number);
        assert!(of(text("Anna"), 5) < of(text("Alicia"), 6));
        assert!(of(text("Alicia"), 6) < of(text("Boris"), 6));
        assert_eq!(of(Value::Nil, 7), Version::first(7));
        assert_eq!(of(Value::Nil, 8), Version { timeline: 2, number: 8 });
        assert_eq!(of(Value::Nil, 9), Version { timeline: 3, number: 9 });
        // Its writer never heard the number; a reader did.
        assert_eq!(of(text("Carla"), 9), Version { timeline: 2, number: 9 });
        assert_eq!(of(text("nobody's"), 1), Version::first(1));
        assert_eq!(of(Value::Nil, 0), Version::ABSENT);
    }
}
