//! What a client was told, as steps.

use quarrel_checkers::{Key, Object, Reply, Step};

use super::Session;
use crate::stores::{Response, Stale, StoreError};

impl Session {
    /// What a client was told of several keys is recorded as a step for each, so
    /// that whoever follows a key finds it; the last of them is left to the
    /// call itself.
    pub(super) fn tell_what_was_heard(&mut self, result: &Result<Response, StoreError>) {
        let (Ok(Response::Invalidated(told)), Some(open)) = (result, &mut self.open) else {
            return;
        };
        // Of who did not listen nobody knows what it missed.
        if told.contains(&Stale::All) {
            return;
        }
        let Some((last, others)) = told.split_last() else { return };
        open.call.object = told_of(last).map(Object::of);
        let (call, start) = (open.call.clone(), open.start);
        let Some(recorder) = &self.parts.recorder else { return };
        for other in others {
            recorder.step(Step {
                operation: self.operation,
                process: self.parts.process,
                start,
                end: Some(recorder.now()),
                site: call.site,
                verb: call.verb.clone(),
                object: told_of(other).map(Object::of),
                argument: None,
                reply: told_as(other),
                lsn: None,
            });
        }
    }
}

/// The key that a client was told of.
const fn told_of(stale: &Stale) -> Option<Key> {
    match stale {
        Stale::Key(key) | Stale::Replaced(key, _) => Some(*key),
        Stale::All => None,
    }
}

/// What a client was told, in the history's terms.
pub(super) fn told_as(stale: &Stale) -> Reply {
    match stale {
        Stale::Key(_) => Reply::Done { version: None },
        Stale::Replaced(_, row) => Reply::Found(row.clone().into()),
        Stale::All => Reply::Gap,
    }
}
