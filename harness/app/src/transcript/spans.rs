use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use quarrel_checkers::{Content, Index, Key, Object, Process, Reply, Site, Step, Time, Value};

use super::Owner;

/// What one client's instance was asked, and when: whose a message is.
#[derive(Default)]
pub(crate) struct Spans {
    spans: Mutex<VecDeque<Span>>,
    /// Somebody was told that one was forgotten.
    has_told: AtomicBool,
}

/// How an operation came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// A read brought this.
    Read(Option<Value>),
    /// In any other way.
    Otherwise,
    /// Not at all: somebody gave it up, and the instance may still be at it.
    Never,
}

/// An operation was forgotten of which messages may still come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Forgotten;

struct Span {
    process: Process,
    operation: Index,
    key: Key,
    begun: Time,
    ended: Option<(Time, Answered)>,
    /// It asked a store.
    asked: bool,
}

/// The most operations that are kept in mind: notices come in within
/// milliseconds, and a client makes one operation at a time.
const MOST: usize = 4096;

impl Spans {
    /// An operation begins. If one is forgotten for it, the first time, says so:
    /// nobody knows any more whose the messages of that are.
    #[must_use]
    pub(crate) fn begin(
        &self,
        process: Process,
        operation: Index,
        key: Key,
        begun: Time,
    ) -> Option<Forgotten> {
        let mut spans = self.lock();
        spans.push_back(Span { process, operation, key, begun, ended: None, asked: false });
        if spans.len() <= MOST {
            return None;
        }
        spans.pop_front();
        (!self.has_told.swap(true, Ordering::Relaxed)).then_some(Forgotten)
    }

    /// The operation that begins there is over.
    pub(crate) fn end(&self, operation: Index, at: Time, answered: Answered) {
        if let Some(span) = self.lock().iter_mut().rev().find(|span| span.operation == operation) {
            span.ended = Some((at, answered));
        }
    }

    /// Whose a message at `at` is that is about these keys, if it names any;
    /// `instance` is who sent it.
    pub(super) fn owner(&self, instance: u64, keys: &[Key], at: Time) -> Owner {
        let mut spans = self.lock();
        let is_about = |span: &Span| keys.is_empty() || keys.contains(&span.key);
        let is_open = |span: &Span| match &span.ended {
            None => true,
            Some((ended, answered)) => *ended >= at || *answered == Answered::Never,
        };
        let mut under_way = spans.iter_mut().rev().filter(|span| span.begun <= at && is_open(span));
        match under_way.find(|span| is_about(span)) {
            Some(span) => {
                span.asked = true;
                Owner {
                    process: span.process,
                    operation: Some(span.operation),
                    key: Some(span.key),
                }
            }
            None => Owner { process: Process::Agent(instance % 900), operation: None, key: None },
        }
    }

    /// Forgets what was over before `at`. Reads among it that asked no store
    /// found what they returned in the instance's own memory.
    pub(super) fn settle(&self, at: Time) -> Vec<Step> {
        let mut spans = self.lock();
        let mut near = Vec::new();
        spans.retain(|span| match &span.ended {
            Some((ended, answered)) if *ended < at => {
                near.extend(span.near(*ended, answered));
                // Messages of what was given up may still come.
                *answered == Answered::Never && at.since(*ended).as_secs() < 10
            }
            _ => true,
        });
        near
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Span {
    fn near(&self, ended: Time, answered: &Answered) -> Option<Step> {
        let Answered::Read(value) = answered else { return None };
        if self.asked {
            return None;
        }
        let row = |value: &Value| Content::Row { value: value.clone(), version: 0 };
        Some(Step {
            operation: Some(self.operation),
            process: self.process,
            start: self.begun,
            end: Some(ended),
            site: Site::Client,
            verb: "NEAR".into(),
            object: Some(Object::of(self.key)),
            argument: None,
            reply: value.as_ref().map_or(Reply::Miss, |value| Reply::Found(row(value))),
            lsn: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Process = Process::Client(0);

    fn spans() -> Spans {
        let spans = Spans::default();
        assert_eq!(spans.begin(A, Index(0), Key(7), Time(10)), None);
        spans.end(Index(0), Time(20), Answered::Read(None));
        assert_eq!(spans.begin(A, Index(2), Key(8), Time(30)), None);
        spans
    }

    #[test]
    fn a_message_is_of_the_operation_under_way_and_else_of_an_agent() {
        let spans = spans();
        let of = |keys: &[Key], at| spans.owner(5, keys, Time(at)).operation;
        assert_eq!(of(&[Key(7)], 15), Some(Index(0)));
        assert_eq!(of(&[], 15), Some(Index(0)));
        assert_eq!(of(&[Key(7)], 25), None);
        assert_eq!(of(&[Key(8)], 40), Some(Index(2)));
        // Somebody else's row is not what the operation asked for.
        assert_eq!(of(&[Key(7)], 40), None);
        assert_eq!(spans.owner(5, &[], Time(5)).process, Process::Agent(5));
    }

    #[test]
    fn what_was_given_up_may_still_be_under_way() {
        let spans = spans();
        spans.end(Index(2), Time(50), Answered::Never);
        assert_eq!(spans.begin(Process::Client(8), Index(4), Key(9), Time(60)), None);
        assert_eq!(spans.owner(0, &[Key(8)], Time(70)).operation, Some(Index(2)));
        assert_eq!(spans.owner(0, &[Key(9)], Time(70)).operation, Some(Index(4)));
    }

    #[test]
    fn it_is_said_once_that_an_operation_was_forgotten() {
        let spans = Spans::default();
        let begin = |at: u64| spans.begin(A, Index(at), Key(7), Time(at));
        let most = MOST as u64;
        assert!((0..most).all(|at| begin(at).is_none()));
        assert_eq!(begin(most), Some(Forgotten));
        assert_eq!(begin(most + 1), None);
        assert_eq!(spans.owner(0, &[], Time(1)).operation, None);
    }

    #[test]
    fn a_read_without_messages_found_its_value_in_memory() {
        let spans = Spans::default();
        for (index, asked) in [(0, true), (2, false)] {
            assert_eq!(spans.begin(A, Index(index), Key(7), Time(10 * index + 1)), None);
            if asked {
                spans.owner(0, &[Key(7)], Time(10 * index + 2));
            }
            let answered = Answered::Read(Some(Value::Int(3)));
            spans.end(Index(index), Time(10 * index + 5), answered);
        }
        let near = spans.settle(Time(100));
        let found = |step: &Step| (step.operation, step.site, step.reply.clone());
        let row = Content::Row { value: Value::Int(3), version: 0 };
        let wanted = [(Some(Index(2)), Site::Client, Reply::Found(row))];
        assert_eq!(near.iter().map(found).collect::<Vec<_>>(), wanted);
        assert!(spans.settle(Time(200)).is_empty());
    }
}
