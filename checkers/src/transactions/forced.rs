//! What atomic visibility and causality say of the order of versions (Biswas &
//! Enea, OOPSLA 2019; near-linear as in AWDIT, Møldrup & Pavlogiannis, PLDI
//! 2025).
//!
//! Where `r` read what `w` wrote to a key, and saw another writer `o` of the
//! key, `o` must come before `w`. What "saw" means makes the level: it read
//! something else of `o` before (monotonic atomic view) or at all (read atomic),
//! or `o` is in its causal past. A history keeps the level iff no circle comes
//! of it. Lists show all their writers, and their order is known besides.

use rustc_hash::FxHashMap;

use super::{
    causal::{Causes, TooLarge},
    execution::{Execution, NONE, Read},
    level::{Isolation, Order},
    serial::From,
};

/// `from` comes before `to`, because `reader` saw both and read `to`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Forced {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) reader: u32,
    pub(super) key: u32,
}

/// Somebody saw a writer of a key, and found the key as it was at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) reader: u32,
    pub(super) writer: u32,
    pub(super) key: u32,
}

/// What follows from a level; an initial value read against it comes first.
pub(super) enum Consequence {
    Missed(Missed),
    Order(Vec<Forced>),
    /// The causal past does not fit into memory.
    TooLarge,
}

/// What a level other than those below monotonic atomic view says.
pub(super) fn consequences(
    execution: &Execution,
    isolation: Isolation,
    order: Order,
) -> Consequence {
    let mut found = Gathered { execution, forced: Vec::new(), missed: None };
    if isolation == Isolation::MonotonicAtomicView {
        found.by_turns();
    } else {
        if isolation == Isolation::ReadAtomic {
            found.at_all();
            found.by_order(order);
        } else if let Err(TooLarge) = found.by_causes(order) {
            return Consequence::TooLarge;
        }
    }
    match found.missed {
        Some(missed) => Consequence::Missed(missed),
        None => {
            found.forced.sort_unstable();
            found.forced.dedup_by_key(|forced| (forced.from, forced.to));
            Consequence::Order(found.forced)
        }
    }
}

struct Gathered<'a> {
    execution: &'a Execution,
    forced: Vec<Forced>,
    missed: Option<Missed>,
}

impl Gathered<'_> {
    /// `read` saw `writer`, which wrote its key at `place`.
    fn saw(&mut self, read: &Read, writer: u32, place: u32) {
        let Read { transaction: reader, key, from, length, .. } = *read;
        if writer == reader {
            return;
        }
        match from {
            From::Initial => self.missed = Some(Missed { reader, writer, key }),
            // What stands in a list was not missed.
            From::Writer(_) if place < length => {}
            From::Writer(to) if to == writer => {}
            From::Writer(to) => self.forced.push(Forced { from: writer, to, reader, key }),
        }
    }

    /// All of whom `read` saw something.
    fn seen<'r>(execution: &'r Execution, read: &Read) -> impl Iterator<Item = u32> + 'r {
        let shown = &execution.order[read.key as usize];
        let shown = &shown[..(read.length as usize).min(shown.len())];
        let one = match read.from {
            From::Writer(writer) if shown.is_empty() => Some(writer),
            _ => None,
        };
        shown.iter().copied().chain(one)
    }

    /// Each read shows what those wrote of whom something was read before.
    fn by_turns(&mut self) {
        let execution = self.execution;
        for reads in execution.reads.iter().filter(|reads| reads.len() > 1) {
            let mut seen: Vec<u32> = Vec::new();
            for read in reads {
                for &writer in &seen {
                    if let Some(written) = execution.written(writer, read.key) {
                        self.saw(read, writer, written.place);
                    }
                }
                seen.extend(Self::seen(execution, read));
                seen.sort_unstable();
                seen.dedup();
            }
        }
    }

    /// Each read shows what those wrote of whom anything is read.
    fn at_all(&mut self) {
        let execution = self.execution;
        // For whom a writer was met last.
        let mut met = vec![NONE; execution.ran.len()];
        for (reader, reads) in (0..).zip(&execution.reads).filter(|(_, reads)| reads.len() > 1) {
            let mut by_key: Vec<&Read> = reads.iter().collect();
            by_key.sort_by_key(|read| read.key);
            for writer in reads.iter().flat_map(|read| Self::seen(execution, read)) {
                if std::mem::replace(&mut met[writer as usize], reader) == reader {
                    continue;
                }
                let writes = &execution.writes[writer as usize];
                if writes.len() < by_key.len() {
                    for written in writes {
                        let at = by_key.partition_point(|read| read.key < written.key);
                        let same = by_key[at..].iter().take_while(|r| r.key == written.key);
                        same.for_each(|read| self.saw(read, writer, written.place));
                    }
                } else {
                    for read in &by_key {
                        if let Some(written) = execution.written(writer, read.key) {
                            self.saw(read, writer, written.place);
                        }
                    }
                }
            }
        }
    }

    /// And what those wrote that ended before, in the session or anywhere.
    fn by_order(&mut self, order: Order) {
        let execution = self.execution;
        if order == Order::Any {
            return;
        }
        let chains = Chains::of(execution);
        let writers = WritersOf::new(execution, &chains);
        // How many of each chain had ended.
        let mut ended = vec![0_u32; chains.count];
        let mut moments: Vec<(u64, bool, u32)> = Vec::new();
        for member in execution.members() {
            let ran = &execution.ran[member as usize];
            moments.push((ran.begin, true, member));
            moments.extend(ran.end.map(|end| (end, false, member)));
        }
        moments.sort_unstable();
        for (_, begins, member) in moments {
            let (chain, place) = chains.place[member as usize];
            if !begins {
                ended[chain as usize] = place + 1;
                continue;
            }
            for read in &execution.reads[member as usize] {
                if order == Order::Sessions {
                    let session = execution.ran[member as usize].session;
                    let own = chains.of_session[session as usize];
                    let bound = |chain: u32| if chain == own { ended[own as usize] } else { 0 };
                    writers.until(read, bound, |writer, place| self.saw(read, writer, place));
                } else {
                    let bound = |chain: u32| ended[chain as usize];
                    writers.until(read, bound, |writer, place| self.saw(read, writer, place));
                }
            }
        }
    }

    /// And what those wrote that are in the causal past.
    fn by_causes(&mut self, order: Order) -> Result<(), TooLarge> {
        let execution = self.execution;
        let chains = Chains::of(execution);
        let writers = WritersOf::new(execution, &chains);
        Causes::of(execution, &chains, order).each(|member, past| {
            for read in &execution.reads[member as usize] {
                let bound = |chain: u32| past[chain as usize];
                writers.until(read, bound, |writer, place| self.saw(read, writer, place));
            }
        })
    }
}

/// Transactions in chains of which each follows the one before: those of a
/// session, one of unknown outcome by itself.
pub(super) struct Chains {
    pub(super) count: usize,
    /// By transaction: its chain and its place there.
    pub(super) place: Vec<(u32, u32)>,
    /// By session: the chain of those that ended.
    pub(super) of_session: Vec<u32>,
}

impl Chains {
    pub(super) fn of(execution: &Execution) -> Self {
        let mut place = vec![(NONE, NONE); execution.ran.len()];
        let sessions = execution.sessions();
        let mut count = u32::try_from(sessions.len()).expect("< 2^32 sessions");
        for (chain, session) in (0..).zip(&sessions) {
            let mut next = 0;
            for &member in session {
                if execution.ran[member as usize].end.is_some() {
                    place[member as usize] = (chain, next);
                    next += 1;
                } else {
                    place[member as usize] = (count, 0);
                    count += 1;
                }
            }
        }
        let of_session = (0..count).take(sessions.len()).collect();
        Self { count: count as usize, place, of_session }
    }
}

/// A writer of a key by its place in its chain.
struct Link {
    place: u32,
    writer: u32,
    /// The last place in the order of versions so far, and whose.
    last: (u32, u32),
}

/// By key, who wrote it, chain by chain.
pub(super) struct WritersOf {
    by_key: Vec<Vec<(u32, Vec<Link>)>>,
}

impl WritersOf {
    pub(super) fn new(execution: &Execution, chains: &Chains) -> Self {
        let mut of: FxHashMap<(u32, u32), Vec<Link>> = FxHashMap::default();
        for writer in execution.members() {
            let (chain, place) = chains.place[writer as usize];
            for written in &execution.writes[writer as usize] {
                let link = Link { place, writer, last: (written.place, writer) };
                of.entry((written.key, chain)).or_default().push(link);
            }
        }
        let mut by_key: Vec<Vec<(u32, Vec<Link>)>> = Vec::new();
        by_key.resize_with(execution.order.len(), Vec::new);
        for ((key, chain), mut links) in of {
            links.sort_unstable_by_key(|link| link.place);
            for at in 1..links.len() {
                // Of a register the last one overwrote the others.
                if links[at - 1].last.0 > links[at].last.0 {
                    links[at].last = links[at - 1].last;
                }
            }
            by_key[key as usize].push((chain, links));
        }
        for chains in &mut by_key {
            chains.sort_unstable_by_key(|(chain, _)| *chain);
        }
        Self { by_key }
    }

    /// Of each chain up to `bound`, who wrote the key of `read` last, and where
    /// in the order of versions.
    pub(super) fn until(
        &self,
        read: &Read,
        bound: impl Fn(u32) -> u32,
        mut each: impl FnMut(u32, u32),
    ) {
        for (chain, links) in &self.by_key[read.key as usize] {
            let bound = bound(*chain);
            let inside = links.partition_point(|link| link.place < bound);
            // What it wrote itself is not what it follows.
            let others = links[..inside].iter().rev();
            let Some(link) = others.clone().find(|link| link.writer != read.transaction) else {
                continue;
            };
            let (place, writer) = link.last;
            each(writer, place);
        }
    }
}
