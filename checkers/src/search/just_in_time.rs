use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{Calls, Moment, Outcome, Progress, Transitions, transitions::StateId};
use crate::Model;

/// A state and which of the operations under way have taken effect, by slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Configuration<const W: usize> {
    state: StateId,
    taken: Slots<W>,
}

/// A set of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Slots<const W: usize>([u64; W]);

impl<const W: usize> Slots<W> {
    const NONE: Self = Self([0; W]);

    const fn has(&self, slot: usize) -> bool {
        self.0[slot / 64] >> (slot % 64) & 1 == 1
    }

    const fn with(mut self, slot: usize) -> Self {
        self.0[slot / 64] |= 1 << (slot % 64);
        self
    }

    const fn without(mut self, slot: usize) -> Self {
        self.0[slot / 64] &= !(1 << (slot % 64));
        self
    }

    fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a & !b == 0)
    }

    fn and(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    fn not(&self) -> Self {
        Self(std::array::from_fn(|word| !self.0[word]))
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

/// The engine, as wide as the history needs.
pub(super) enum JustInTime<'a> {
    Narrow(Box<Walk<'a, 1>>),
    Wide(Box<Walk<'a, 4>>),
    VeryWide(Box<Walk<'a, 16>>),
    /// More than 1,024 operations at once.
    TooWide,
}

impl<'a> JustInTime<'a> {
    pub(super) fn new(calls: &'a Calls) -> Self {
        let slots = Slotting::of(calls);
        match slots.count {
            0..=64 => Self::Narrow(Box::new(Walk::new(calls, slots))),
            65..=256 => Self::Wide(Box::new(Walk::new(calls, slots))),
            257..=1024 => Self::VeryWide(Box::new(Walk::new(calls, slots))),
            _ => Self::TooWide,
        }
    }

    /// Goes on until `to` has counted `limit` steps.
    pub(super) fn run<M: Model>(&mut self, to: &mut Transitions<'_, M>, limit: u64) -> Progress {
        match self {
            Self::Narrow(walk) => walk.run(to, limit),
            Self::Wide(walk) => walk.run(to, limit),
            Self::VeryWide(walk) => walk.run(to, limit),
            Self::TooWide => Progress::GaveUp,
        }
    }

    /// How many moments are explained.
    pub(super) fn reached(&self) -> usize {
        match self {
            Self::Narrow(walk) => walk.moment,
            Self::Wide(walk) => walk.moment,
            Self::VeryWide(walk) => walk.moment,
            Self::TooWide => 0,
        }
    }
}

/// Which slot each call has while it is under way.
struct Slotting {
    of_call: Vec<usize>,
    count: usize,
}

impl Slotting {
    fn of(calls: &Calls) -> Self {
        let mut free = std::collections::BTreeSet::new();
        let mut slotting = Self { of_call: vec![0; calls.calls.len()], count: 0 };
        for moment in &calls.moments {
            match *moment {
                Moment::Invoke(call) => {
                    slotting.of_call[call] = free.pop_first().unwrap_or_else(|| {
                        slotting.count += 1;
                        slotting.count - 1
                    });
                }
                Moment::Return(call) => {
                    free.insert(slotting.of_call[call]);
                }
            }
        }
        slotting
    }
}

/// The configurations met: by state and closed calls taken, the open ones
/// taken.
#[derive(Default)]
struct Seen<const W: usize>(FxHashMap<Configuration<W>, SmallVec<[Slots<W>; 1]>>);

impl<const W: usize> Seen<W> {
    /// Whether no configuration was met that is the same or dominates this one:
    /// the same state and closed calls, and no open call used up besides.
    fn is_new(&mut self, configuration: Configuration<W>, open: &Slots<W>) -> bool {
        let used = configuration.taken.and(open);
        let closed = Configuration { taken: configuration.taken.and(&open.not()), ..configuration };
        let rivals = self.0.entry(closed).or_default();
        if rivals.iter().any(|rival| rival.is_subset(&used)) {
            return false;
        }
        rivals.push(used);
        true
    }
}

/// Where the engine stands.
pub(super) struct Walk<'a, const W: usize> {
    calls: &'a Calls,
    slots: Slotting,
    moment: usize,
    /// The calls under way, with their slots.
    pending: Vec<(usize, usize)>,
    /// Those of them that matter for the return that is being explained; none
    /// before that begins.
    mattering: SmallVec<[(usize, usize); 16]>,
    /// Slots of pending calls that never return.
    open: Slots<W>,
    configurations: Vec<Configuration<W>>,
    /// Of the return that is being explained: what is to be looked at, what
    /// was, and what explains it. Looked at in order of discovery, so that
    /// what used up fewer open calls comes before what it dominates.
    queue: VecDeque<Configuration<W>>,
    seen: Seen<W>,
    next: Vec<Configuration<W>>,
    /// Classes of open calls tried from one configuration.
    tried: Vec<u32>,
}

impl<'a, const W: usize> Walk<'a, W> {
    fn new(calls: &'a Calls, slots: Slotting) -> Self {
        let initial = Configuration { state: 0, taken: Slots::NONE };
        Self {
            calls,
            slots,
            moment: 0,
            pending: Vec::new(),
            mattering: SmallVec::new(),
            open: Slots::NONE,
            configurations: vec![initial],
            queue: VecDeque::new(),
            seen: Seen::default(),
            next: Vec::new(),
            tried: Vec::new(),
        }
    }

    fn run<M: Model>(&mut self, to: &mut Transitions<'_, M>, limit: u64) -> Progress {
        while let Some(moment) = self.calls.moments.get(self.moment) {
            match *moment {
                Moment::Invoke(call) => {
                    let slot = self.slots.of_call[call];
                    self.pending.push((call, slot));
                    if self.calls.calls[call].returned.is_none() {
                        self.open = self.open.with(slot);
                    }
                    self.moment += 1;
                }
                Moment::Return(call) => {
                    if !self.explain(to, call, limit) {
                        return Progress::More;
                    }
                    if self.configurations.is_empty() {
                        return Progress::Decided(Outcome::Invalid);
                    }
                    self.moment += 1;
                }
            }
        }
        Progress::Decided(Outcome::Valid)
    }

    /// Keeps and makes the configurations in which `call`, which returns now,
    /// has taken effect. False if the limit was reached; then it goes on
    /// from there.
    fn explain<M: Model>(&mut self, to: &mut Transitions<'_, M>, call: usize, limit: u64) -> bool {
        let slot = self.slots.of_call[call];
        if self.mattering.is_empty() {
            let class = |(call, _): (usize, usize)| self.calls.calls[call].class;
            self.mattering = to.matter((call, slot), self.pending.iter().copied(), class);
        }
        while !self.queue.is_empty() || !self.configurations.is_empty() {
            if to.steps >= limit {
                return false;
            }
            to.steps += 1;
            let from = match self.queue.pop_front() {
                Some(from) => from,
                None => self.configurations.pop().expect("one of the two is not empty"),
            };
            if from.taken.has(slot) {
                self.next.push(Configuration { taken: from.taken.without(slot), ..from });
            } else {
                self.expand(to, from, slot);
            }
        }
        self.pending.retain(|&(pending, _)| pending != call);
        self.mattering.clear();
        // To clear a table costs as much as it is large.
        if self.seen.0.capacity() > 1024 {
            self.seen.0 = FxHashMap::default();
        } else {
            self.seen.0.clear();
        }
        std::mem::swap(&mut self.configurations, &mut self.next);
        self.prune();
        true
    }

    /// Lets operations take effect after `from`, until the one in `slot` has.
    fn expand<M: Model>(
        &mut self,
        to: &mut Transitions<'_, M>,
        mut from: Configuration<W>,
        slot: usize,
    ) {
        // Observations that fit are taken at once.
        for &(call, at) in &self.pending {
            let class = self.calls.calls[call].class;
            let is_free = !from.taken.has(at) && to.is_observation(class);
            if is_free && to.step(from.state, class).is_some() {
                from.taken = from.taken.with(at);
            }
        }
        if from.taken.has(slot) {
            self.next.push(Configuration { taken: from.taken.without(slot), ..from });
            return;
        }
        self.tried.clear();
        for &(call, at) in &self.mattering {
            let class = self.calls.calls[call].class;
            if from.taken.has(at) || to.is_observation(class) {
                continue;
            }
            let is_open = self.open.has(at);
            if is_open {
                if self.tried.contains(&class) {
                    continue;
                }
                self.tried.push(class);
            }
            let Some(state) = to.step(from.state, class) else { continue };
            // An open call is not used up for nothing.
            if is_open && state == from.state {
                continue;
            }
            let after = Configuration { state, taken: from.taken.with(at) };
            if self.seen.is_new(after, &self.open) {
                self.queue.push_back(after);
            }
        }
    }

    /// Forgets what is there twice or dominated.
    fn prune(&mut self) {
        let open = self.open;
        let closed = open.not();
        self.configurations.sort_unstable_by_key(|c| {
            (c.state, c.taken.and(&closed), c.taken.and(&open).count(), c.taken)
        });
        self.configurations.dedup();
        if open == Slots::NONE {
            return;
        }
        // Within a group the ones that used up least come first. The
        // comparison is bounded: to keep too much is never wrong.
        let mut kept: Vec<Configuration<W>> = Vec::with_capacity(self.configurations.len());
        let mut group = 0;
        for configuration in self.configurations.drain(..) {
            let same = |other: &Configuration<W>| {
                other.state == configuration.state
                    && other.taken.and(&closed) == configuration.taken.and(&closed)
            };
            if kept.last().is_none_or(|last| !same(last)) {
                group = kept.len();
            }
            let mut rivals = kept[group..].iter().take(64);
            if !rivals.any(|rival| rival.taken.is_subset(&configuration.taken)) {
                kept.push(configuration);
            }
        }
        self.configurations = kept;
    }
}
