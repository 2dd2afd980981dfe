//! What sessions may expect of one key (Terry et al., PDIS 1994).

use rustc_hash::FxHashMap;

use super::{
    SessionViolations,
    collect::Collector,
    keyed::{Entry, Keyed},
    reads::Order,
    tally::Tally,
    wording,
};
use crate::{Class, Process, Version};

/// What a session has written or read so far, as positions in the entries.
#[derive(Clone, Copy, Default)]
struct Newest {
    /// The highest version.
    versioned: Option<(Version, usize)>,
    /// Whose write began last, and the same of what has no version.
    began: Option<(u64, usize)>,
    unversioned: Option<(u64, usize)>,
}

#[derive(Clone, Copy, Default)]
struct Session {
    written: Newest,
    read: Newest,
}

/// Looks for an operation that went behind what its own session had written
/// or read. A session's operations follow each other, so the order of
/// completion is theirs.
pub(super) fn judge(keyed: &Keyed, order: &Order, collector: &mut Collector, tally: &mut Tally) {
    let ordered = |at: usize| order.version_of(keyed, at);
    let mut tell = |class, [earlier, at]: [usize; 2], versions| {
        let (earlier_end, begin) = (keyed.entries[earlier].end, keyed.entries[at].begin);
        tally.session(begin, class);
        collector.add_with(class, begin.since(earlier_end), || {
            wording::session(keyed, class, [earlier, at], versions)
        });
    };
    if !order.is_refuted() {
        went_back(keyed, order, |_| true, ordered, tell);
        return;
    }
    // Where versions do not order the values, what was read is older or newer by
    // real time only; that a write got a lower version than its session had
    // seen stays true.
    went_back(keyed, order, Entry::is_read, ordered, &mut tell);
    let told = |at: usize| keyed.entries[at].version;
    went_back(keyed, order, |entry| !entry.is_read(), told, tell);
}

/// The same if nothing is known of versions.
pub(super) fn by_values(keyed: &Keyed, order: &Order) -> SessionViolations {
    let mut found = SessionViolations::default();
    went_back(keyed, order, |_| true, |_| None, |class, _, _| found.count(class));
    found
}

/// Tells of the operations that `are_judged` and went behind an earlier one:
/// the class, both operations, and the versions by which they did, if any.
fn went_back(
    keyed: &Keyed,
    order: &Order,
    are_judged: impl Fn(&Entry) -> bool,
    version: impl Fn(usize) -> Option<Version>,
    mut tell: impl FnMut(Class, [usize; 2], Option<(Version, Version)>),
) {
    let mut sessions: FxHashMap<Process, Session> = FxHashMap::default();
    for (at, entry) in keyed.entries.iter().enumerate() {
        if entry.complete.is_none() || keyed.never_was(entry.value()) {
            continue;
        }
        let session = sessions.entry(entry.process).or_default();
        let (wrote, read) = if entry.is_read() {
            (Class::ReadYourWrites, Class::NonMonotonicRead)
        } else {
            (Class::NonMonotonicWrite, Class::WriteBeforeRead)
        };
        let shown = version(at);
        for (class, newest) in [(wrote, session.written), (read, session.read)] {
            let earlier = newest.behind(shown, order.first_seen(entry.value()));
            let Some(earlier) = earlier.filter(|_| are_judged(entry)) else { continue };
            tell(class, [earlier, at], version(earlier).zip(shown));
        }
        let newest = if entry.is_read() { &mut session.read } else { &mut session.written };
        newest.add(at, shown, order.write_began(entry.value()));
    }
}

impl Newest {
    /// The operation whose value is known to be newer than one of `version`
    /// that was first seen at `seen`.
    fn behind(self, version: Option<Version>, seen: Option<u64>) -> Option<usize> {
        let by_version = self.versioned.filter(|&(newest, _)| Some(newest) > version);
        if let (Some(_), Some((_, earlier))) = (version, by_version) {
            return Some(earlier);
        }
        // Real time orders values where versions do not.
        let by_time = if version.is_some() { self.unversioned } else { self.began };
        by_time.filter(|&(began, _)| seen.is_some_and(|seen| seen < began)).map(|(_, at)| at)
    }

    fn add(&mut self, at: usize, version: Option<Version>, began: Option<u64>) {
        if let Some(version) = version
            && self.versioned.is_none_or(|(newest, _)| version >= newest)
        {
            self.versioned = Some((version, at));
        }
        let slots =
            [Some(&mut self.began), Some(&mut self.unversioned).filter(|_| version.is_none())];
        for slot in slots.into_iter().flatten() {
            if let Some(began) = began
                && slot.is_none_or(|(last, _)| began >= last)
            {
                *slot = Some((began, at));
            }
        }
    }
}
