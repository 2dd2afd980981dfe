use super::{
    NotUnique, RegisterAction, RegisterOperation, ValueId, Violation,
    delta::{Front, Shift, Zone},
};

/// No operation.
const NOBODY: u32 = u32::MAX;

/// A value's write and reads, as far as the check needs them.
///
/// Instants are shifted by one, so that 0 is before everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cluster {
    /// The first return.
    pub(crate) first_return: u64,
    first_returned: u32,
    /// The invocation of the write.
    pub(crate) write_invoked: u64,
    writer: u32,
    /// The last invocation among the reads; 0 if there is none.
    pub(crate) last_read: u64,
    last_reader: u32,
    /// The value that a compare-and-set put behind this one.
    next: u32,
    has_previous: bool,
}

impl Cluster {
    const EMPTY: Self = Self {
        first_return: u64::MAX,
        first_returned: NOBODY,
        write_invoked: u64::MAX,
        writer: NOBODY,
        last_read: 0,
        last_reader: NOBODY,
        next: NOBODY,
        has_previous: false,
    };

    /// The last invocation, and whose.
    const fn last_invoke(&self) -> (u64, u32) {
        if self.last_read > self.write_invoked {
            (self.last_read, self.last_reader)
        } else {
            (self.write_invoked, self.writer)
        }
    }

    const fn returned(&mut self, at: u64, operation: u32) {
        if at < self.first_return {
            self.first_return = at;
            self.first_returned = operation;
        }
    }

    const fn zone(&self) -> Zone {
        Zone {
            first_return: self.first_return,
            write_invoked: self.write_invoked,
            last_read: self.last_read,
        }
    }

    /// Who wrote the value; none for the initial one and for one that nobody
    /// wrote.
    pub(crate) const fn writer(&self) -> Option<usize> {
        name(self.writer)
    }

    /// Whose return was the first.
    pub(crate) const fn first_returned(&self) -> Option<usize> {
        name(self.first_returned)
    }
}

const fn name(operation: u32) -> Option<usize> {
    if operation == NOBODY { None } else { Some(operation as usize) }
}

/// One or more clusters that have to stand side by side.
#[derive(Clone, Copy, Debug)]
struct Block {
    first_return: u64,
    first_returned: u32,
    last_invoke: u64,
    last_invoked: u32,
}

/// The clusters of one register, by value.
#[derive(Clone, Debug)]
pub(crate) struct Clusters {
    of: Vec<Cluster>,
    /// A contradiction that needs no comparison of clusters.
    early: Option<Violation>,
    has_chains: bool,
}

impl Clusters {
    /// Gathers `operations` by value.
    pub(crate) fn build(operations: &[RegisterOperation]) -> Result<Self, NotUnique> {
        let mut clusters = Self { of: vec![Cluster::EMPTY], early: None, has_chains: false };
        let initial = &mut clusters.of[0];
        (initial.first_return, initial.write_invoked) = (0, 0);
        for (at, operation) in operations.iter().enumerate() {
            if let Some(value) = operation.action.written() {
                clusters.write(value, at, operation)?;
            }
        }
        for (at, operation) in operations.iter().enumerate() {
            if !operation.is_certain() {
                continue;
            }
            match operation.action {
                RegisterAction::Read(value) => clusters.see(value, at, operation),
                RegisterAction::Cas { old, new } => clusters.link(operations, old, new, at),
                RegisterAction::Write(_) => {}
            }
        }
        Ok(clusters)
    }

    /// The cluster of `value`.
    pub(crate) fn get(&self, value: ValueId) -> &Cluster {
        &self.of[value.position()]
    }

    /// All clusters with their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ValueId, &Cluster)> {
        (0..).map(ValueId).zip(&self.of)
    }

    fn slot(&mut self, value: ValueId) -> &mut Cluster {
        let at = value.position();
        if at >= self.of.len() {
            self.of.resize(at + 1, Cluster::EMPTY);
        }
        &mut self.of[at]
    }

    fn write(
        &mut self,
        value: ValueId,
        at: usize,
        op: &RegisterOperation,
    ) -> Result<(), NotUnique> {
        if value == ValueId::INITIAL {
            return Err(NotUnique::Initial { writer: at });
        }
        let cluster = self.slot(value);
        if let Some(first) = name(cluster.writer) {
            return Err(NotUnique::Twice { first, second: at });
        }
        cluster.writer = narrow(at);
        cluster.write_invoked = op.invoked + 1;
        if op.is_certain() {
            cluster.returned(op.returned + 1, narrow(at));
        }
        Ok(())
    }

    fn see(&mut self, value: ValueId, at: usize, op: &RegisterOperation) {
        let cluster = self.slot(value);
        cluster.returned(op.returned + 1, narrow(at));
        if op.invoked + 1 > cluster.last_read {
            cluster.last_read = op.invoked + 1;
            cluster.last_reader = narrow(at);
        }
    }

    /// A compare-and-set that happened puts `new` behind `old`.
    ///
    /// If `old` was the work of an unfinished compare-and-set, that one
    /// happened too, and so on; the loop follows them.
    fn link(&mut self, operations: &[RegisterOperation], old: ValueId, new: ValueId, at: usize) {
        self.has_chains = true;
        let (mut old, mut new, mut at) = (old, new, at);
        loop {
            let cluster = self.slot(old);
            if cluster.next != NOBODY {
                if cluster.next != new.0 {
                    let first = self.of[self.of[old.position()].next as usize].writer as usize;
                    self.early.get_or_insert(Violation::TwoSuccessors { first, second: at });
                }
                return;
            }
            if cluster.writer == NOBODY && old != ValueId::INITIAL {
                self.early.get_or_insert(Violation::NeverWritten { reader: at });
                return;
            }
            cluster.next = new.0;
            let writer = cluster.writer;
            self.slot(new).has_previous = true;
            let Some(before) = name(writer) else { return };
            match operations[before].action {
                RegisterAction::Cas { old: older, new: same }
                    if !operations[before].is_certain() =>
                {
                    (old, new, at) = (older, same, before);
                }
                _ => return,
            }
        }
    }

    /// Unfinished compare-and-sets whose value was read happened as well.
    fn link_seen(&mut self, operations: &[RegisterOperation]) {
        for (at, operation) in operations.iter().enumerate() {
            if let RegisterAction::Cas { old, new } = operation.action {
                let seen = self.get(new).first_return != u64::MAX;
                if seen && !operation.is_certain() {
                    self.link(operations, old, new, at);
                }
            }
        }
    }

    /// The first contradiction.
    pub(crate) fn violation(&mut self, operations: &[RegisterOperation]) -> Option<Violation> {
        self.link_seen(operations);
        let impossible = self.impossible();
        if impossible.is_some() {
            return impossible;
        }
        let mut blocks = match self.blocks() {
            Ok(blocks) => blocks,
            Err(violation) => return Some(violation),
        };
        if !blocks.is_sorted_by_key(|block| block.first_return) {
            blocks.sort_by_key(|block| block.first_return);
        }
        contradiction(&blocks)
    }

    /// A contradiction that no shift of the reads would mend.
    fn impossible(&self) -> Option<Violation> {
        let early = |cluster: &&Cluster| cluster.first_return < cluster.write_invoked;
        self.early.or_else(|| {
            let cluster = self.of.iter().find(early)?;
            let reader = cluster.first_returned as usize;
            Some(match name(cluster.writer) {
                None => Violation::NeverWritten { reader },
                Some(writer) => Violation::BeforeWritten { writer, reader },
            })
        })
    }

    /// How much earlier the reads would have to begin. Needs
    /// [`Self::violation`] to have been asked before.
    pub(super) fn shift(&self) -> Shift {
        if self.impossible().is_some() {
            return Shift::Infinite;
        }
        let mut shift = Shift::Finite(0);
        let mut zones = Vec::with_capacity(self.of.len());
        let mut in_chain = 0;
        for head in self.of.iter().filter(|c| !c.has_previous) {
            let mut block = head.zone();
            let mut next = head.next;
            while next != NOBODY {
                let cluster = &self.of[next as usize];
                in_chain += 1;
                // Nothing on a later value may end before something on an
                // earlier one begins.
                shift = shift.max(block.until_before(cluster.first_return));
                block = block.merged(cluster.zone());
                next = cluster.next;
            }
            if block.first_return != u64::MAX {
                zones.push(block);
            }
        }
        if self.has_chains && self.of.iter().filter(|c| c.has_previous).count() > in_chain {
            return Shift::Infinite;
        }
        if !zones.is_sorted_by_key(|zone| zone.first_return) {
            zones.sort_by_key(|zone| zone.first_return);
        }
        let mut front = Front::default();
        for zone in zones {
            front.admit(zone, &mut shift);
        }
        shift
    }

    fn blocks(&self) -> Result<Vec<Block>, Violation> {
        let mut blocks = Vec::with_capacity(self.of.len());
        let mut in_chain = 0;
        for head in self.of.iter().filter(|c| !c.has_previous) {
            let (last_invoke, last_invoked) = head.last_invoke();
            let mut block = Block {
                first_return: head.first_return,
                first_returned: head.first_returned,
                last_invoke,
                last_invoked,
            };
            let mut next = head.next;
            while next != NOBODY {
                let cluster = &self.of[next as usize];
                in_chain += 1;
                block.append(cluster)?;
                next = cluster.next;
            }
            if block.first_return != u64::MAX {
                blocks.push(block);
            }
        }
        let followers = || self.of.iter().filter(|c| c.has_previous);
        if self.has_chains && followers().count() > in_chain {
            return Err(self.circle());
        }
        Ok(blocks)
    }

    /// A member of a circle of compare-and-sets: a value with a predecessor
    /// that no chain's head leads to.
    fn circle(&self) -> Violation {
        let mut reached = vec![false; self.of.len()];
        for head in self.of.iter().filter(|c| !c.has_previous) {
            let mut next = head.next;
            while next != NOBODY {
                reached[next as usize] = true;
                next = self.of[next as usize].next;
            }
        }
        let member = self.of.iter().zip(reached).find(|(c, reached)| c.has_previous && !reached);
        let (cluster, _) = member.expect("the caller counted more followers than are in chains");
        Violation::Circle { member: cluster.writer as usize }
    }
}

impl Block {
    /// Puts a cluster behind the block.
    fn append(&mut self, cluster: &Cluster) -> Result<(), Violation> {
        if cluster.first_return < self.last_invoke {
            return Err(Violation::ChainOrder {
                later_returned: cluster.first_returned as usize,
                earlier_invoked: self.last_invoked as usize,
            });
        }
        let (last_invoke, last_invoked) = cluster.last_invoke();
        if last_invoke > self.last_invoke {
            (self.last_invoke, self.last_invoked) = (last_invoke, last_invoked);
        }
        if cluster.first_return < self.first_return {
            self.first_return = cluster.first_return;
            self.first_returned = cluster.first_returned;
        }
        Ok(())
    }
}

/// Two blocks that must precede each other; `blocks` are in order of their
/// first return.
///
/// While nothing was found, the forward zones seen so far are disjoint, so at
/// most one of them reaches beyond the next block's first return: the one with
/// the latest last invocation.
fn contradiction(blocks: &[Block]) -> Option<Violation> {
    let (first, rest) = blocks.split_first()?;
    let mut widest = first;
    for block in rest {
        if widest.last_invoke > block.first_return && widest.first_return < block.last_invoke {
            return Some(Violation::Contradiction {
                first_returned: name(widest.first_returned),
                first_invoked: widest.last_invoked as usize,
                second_returned: block.first_returned as usize,
                second_invoked: block.last_invoked as usize,
            });
        }
        if block.last_invoke > widest.last_invoke {
            widest = block;
        }
    }
    None
}

fn narrow(at: usize) -> u32 {
    u32::try_from(at).expect("one register has fewer than 2^32 operations")
}
