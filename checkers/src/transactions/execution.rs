//! What transactions did to each other, without their values: who read what of
//! whom, who wrote which keys, and what of the order of versions is known.

use rustc_hash::FxHashMap;

use super::{
    graph::{Dependency, Edge, Joint},
    parse::{KeyId, Outcome, Transactions},
    serial::From,
};

/// Where there is nothing.
pub(super) const NONE: u32 = u32::MAX;

/// A transaction's place in time and in its session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    /// Whether it happened: it was acknowledged, or something that it wrote was
    /// read.
    pub(super) is_in: bool,
    pub(super) begin: u64,
    /// None if it may take effect at any later moment.
    pub(super) end: Option<u64>,
    pub(super) session: u32,
}

/// A read of what another transaction wrote, or of what was there at first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) transaction: u32,
    pub(super) key: KeyId,
    pub(super) from: From,
    /// Of a list: how many elements were seen.
    pub(super) length: u32,
    /// Whether the transaction had not read or written the key before.
    pub(super) is_first: bool,
}

/// What a transaction wrote to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Written {
    pub(super) key: KeyId,
    /// Its place in the known order of versions, or [`NONE`]. What has no
    /// place in an order that is known comes behind all that do.
    pub(super) place: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Execution {
    pub(super) ran: Vec<Ran>,
    /// By transaction, in the order in which it read.
    pub(super) reads: Vec<Vec<Read>>,
    /// By transaction, sorted by key, each key once.
    pub(super) writes: Vec<Vec<Written>>,
    /// By key: the writers of the versions whose order is known, without those
    /// that did not happen. Empty for registers.
    pub(super) order: Vec<Vec<u32>>,
}

impl Execution {
    /// The transactions of a history, of which those in `happened` count.
    pub(super) fn new(transactions: &Transactions, happened: &[bool]) -> Self {
        let ran = transactions.list.iter().zip(happened).map(|(transaction, &is_in)| Ran {
            is_in,
            begin: transaction.invoke.0,
            end: transaction
                .complete
                .filter(|_| transaction.outcome == Outcome::Committed)
                .map(|index| index.0),
            session: transaction.session,
        });
        let count = transactions.list.len();
        Self {
            ran: ran.collect(),
            reads: vec![Vec::new(); count],
            writes: vec![Vec::new(); count],
            order: vec![Vec::new(); transactions.keys.len()],
        }
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.ran.len()).expect("< 2^30 transactions")
    }

    /// Those that happened.
    pub(super) fn members(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.count()).filter(|&at| self.ran[at as usize].is_in)
    }

    /// All reads, by transaction.
    pub(super) fn all_reads(&self) -> impl Iterator<Item = &Read> {
        self.reads.iter().flatten()
    }

    /// By key, who wrote it: first those whose place is known, in order.
    pub(super) fn writers(&self) -> Vec<Vec<u32>> {
        let mut writers: Vec<Vec<u32>> = vec![Vec::new(); self.order.len()];
        let mut unread: Vec<Vec<u32>> = writers.clone();
        for (key, order) in self.order.iter().enumerate() {
            for &writer in order {
                if writers[key].last() != Some(&writer) {
                    writers[key].push(writer);
                }
            }
        }
        for member in self.members() {
            for written in &self.writes[member as usize] {
                if written.place == NONE {
                    unread[written.key as usize].push(member);
                }
            }
        }
        for (writers, unread) in writers.iter_mut().zip(unread) {
            writers.extend(unread);
        }
        writers
    }

    /// Dependencies by data, as far as the order of versions is known: from
    /// lists, from transactions that read what they overwrote, and as every
    /// version follows what was there at first. Joints are numbered from the
    /// transactions on.
    pub(super) fn data(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        let mut readers: Vec<Vec<Read>> = vec![Vec::new(); self.order.len()];
        for read in self.all_reads() {
            let Read { transaction: to, key, from, .. } = *read;
            readers[key as usize].push(*read);
            if let From::Writer(from) = from {
                edges.push(Edge { from, to, dependency: Dependency::WriteRead, key });
            }
        }
        // By key: who wrote what comes behind all whose place is known.
        let mut last: Vec<Vec<u32>> = vec![Vec::new(); self.order.len()];
        for member in self.members() {
            let unread = self.writes[member as usize].iter().filter(|w| w.place == NONE);
            unread.for_each(|written| last[written.key as usize].push(member));
        }
        for (key, (readers, last)) in (0..).zip(readers.into_iter().zip(last)) {
            let joint = if self.order[key as usize].is_empty() {
                self.of_register(key, &readers, last, &mut edges)
            } else {
                self.of_list(key, &readers, last, &mut edges)
            };
            joint.join(self.count() + key, key, &mut edges);
        }
        edges
    }

    fn of_list(
        &self,
        key: KeyId,
        readers: &[Read],
        last: Vec<u32>,
        edges: &mut Vec<Edge>,
    ) -> Joint {
        let order = &self.order[key as usize];
        for pair in order.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            edges.push(Edge { from, to, dependency: Dependency::WriteWrite, key });
        }
        let mut joint = Joint { before: Vec::new(), after: last };
        joint.before.extend(order.last().map(|&writer| (writer, Dependency::WriteWrite)));
        for read in readers {
            let from = read.transaction;
            match order.get(read.length as usize) {
                Some(&to) => edges.push(Edge { from, to, dependency: Dependency::ReadWrite, key }),
                None => joint.before.push((from, Dependency::ReadWrite)),
            }
        }
        joint
    }

    fn of_register(
        &self,
        key: KeyId,
        readers: &[Read],
        last: Vec<u32>,
        edges: &mut Vec<Edge>,
    ) -> Joint {
        let mut joint = Joint { before: Vec::new(), after: last };
        let mut of: FxHashMap<u32, (Vec<u32>, Vec<u32>)> = FxHashMap::default();
        for read in readers {
            let From::Writer(writer) = read.from else {
                joint.before.push((read.transaction, Dependency::ReadWrite));
                continue;
            };
            let (all, writing) = of.entry(writer).or_default();
            all.push(read.transaction);
            if read.is_first && self.written(read.transaction, key).is_some() {
                writing.push(read.transaction);
            }
        }
        for (writer, (all, writing)) in of {
            for to in writing {
                let dependency = Dependency::WriteWrite;
                edges.push(Edge { from: writer, to, dependency, key });
                let dependency = Dependency::ReadWrite;
                edges.extend(all.iter().map(|&from| Edge { from, to, dependency, key }));
            }
        }
        joint.before.sort_unstable();
        joint.before.dedup();
        joint
    }

    /// What a transaction wrote to a key.
    pub(super) fn written(&self, transaction: u32, key: KeyId) -> Option<Written> {
        let writes = &self.writes[transaction as usize];
        let at = writes.partition_point(|written| written.key < key);
        writes.get(at).filter(|written| written.key == key).copied()
    }

    /// The same of some transactions alone, numbered anew.
    pub(super) fn only(&self, members: &[u32]) -> Self {
        let number: FxHashMap<u32, u32> = members.iter().copied().zip(0..).collect();
        let reads = (0..).zip(members).map(|(transaction, &member)| {
            let reads = self.reads[member as usize].iter();
            let inside = reads.filter_map(|read| {
                let from = match read.from {
                    From::Initial => From::Initial,
                    From::Writer(writer) => From::Writer(*number.get(&writer)?),
                };
                Some(Read { transaction, from, ..*read })
            });
            inside.collect()
        });
        // Places are counted anew without the others.
        let mut places: Vec<Vec<u32>> = Vec::with_capacity(self.order.len());
        let mut order: Vec<Vec<u32>> = Vec::with_capacity(self.order.len());
        for writers in &self.order {
            let mut kept = Vec::new();
            let mut before = vec![0];
            for writer in writers {
                kept.extend(number.get(writer));
                before.push(u32::try_from(kept.len()).expect("< 2^32 versions"));
            }
            order.push(kept);
            places.push(before);
        }
        let counted = |key: KeyId, place: u32| match place {
            NONE => NONE,
            place => places[key as usize][place as usize],
        };
        let written =
            |&Written { key, place }: &Written| Written { key, place: counted(key, place) };
        let mut reads: Vec<Vec<Read>> = reads.collect();
        for read in reads.iter_mut().flatten() {
            read.length = counted(read.key, read.length);
        }
        let writes = members.iter().map(|&m| self.writes[m as usize].iter().map(written).collect());
        let ran = members.iter().map(|&member| self.ran[member as usize]).collect();
        Self { ran, reads, writes: writes.collect(), order }
    }

    /// The sessions: their transactions in order, each with its end known but
    /// the last, perhaps.
    pub(super) fn sessions(&self) -> Vec<Vec<u32>> {
        let count = self.ran.iter().map(|ran| ran.session + 1).max().unwrap_or(0);
        let mut sessions: Vec<Vec<u32>> = vec![Vec::new(); count as usize];
        for member in self.members() {
            sessions[self.ran[member as usize].session as usize].push(member);
        }
        for session in &mut sessions {
            session.sort_unstable_by_key(|&at| self.ran[at as usize].begin);
        }
        sessions
    }
}
