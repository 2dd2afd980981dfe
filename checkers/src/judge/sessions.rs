//! What sessions may expect of one key (Terry et al., PDIS 1994).

use rustc_hash::FxHashMap;

use super::{collect::Collector, keyed::Keyed, reads::Order, tally::Tally, wording};
use crate::{Class, Process};

/// The newest that a session has written and read: positions in the entries.
#[derive(Clone, Copy, Default)]
struct Session {
    written: Option<usize>,
    read: Option<usize>,
}

/// Looks for an operation that went behind what its own session had written
/// or read. A session's operations follow each other, so the order of
/// completion is theirs.
pub(super) fn judge(keyed: &Keyed, order: &Order, collector: &mut Collector, tally: &mut Tally) {
    let mut sessions: FxHashMap<Process, Session> = FxHashMap::default();
    for (at, entry) in keyed.entries.iter().enumerate() {
        if entry.complete.is_none() {
            continue;
        }
        let session = sessions.entry(entry.process).or_default();
        let (wrote, read) = if entry.is_read() {
            (Class::ReadYourWrites, Class::NonMonotonicRead)
        } else {
            (Class::NonMonotonicWrite, Class::WriteBeforeRead)
        };
        for (class, earlier) in [(wrote, session.written), (read, session.read)] {
            let Some(earlier) = earlier.filter(|&e| is_newer(keyed, order, e, at)) else {
                continue;
            };
            tally.session(entry.begin, class);
            let stale_for = entry.begin.since(keyed.entries[earlier].end);
            collector
                .add_with(class, stale_for, || wording::session(keyed, order, class, earlier, at));
        }
        let newest = if entry.is_read() { &mut session.read } else { &mut session.written };
        if newest.is_none_or(|newest| !is_newer(keyed, order, newest, at)) {
            *newest = Some(at);
        }
    }
}

/// Whether the value of the entry at `earlier` is known to be newer than that
/// at `later`.
fn is_newer(keyed: &Keyed, order: &Order, earlier: usize, later: usize) -> bool {
    match (order.version_of(keyed, earlier), order.version_of(keyed, later)) {
        (Some(earlier), Some(later)) => earlier > later,
        _ => {
            let value = |at: usize| keyed.entries[at].value();
            value(earlier) != value(later) && order.surely_replaced(value(later), value(earlier))
        }
    }
}
