use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{Calls, Moment, Outcome, Progress, Transitions, transitions::StateId};
use crate::Model;

const NONE: u32 = u32::MAX;

/// A state and the set of closed calls that have taken effect, as words: the
/// state, the first word that is not full, the words from there to the last
/// that is not zero.
type Place = SmallVec<[u64; 6]>;

/// The open calls that have taken effect.
type Used = SmallVec<[u64; 2]>;

/// One step on the way.
struct Frame {
    /// The state before it.
    state: StateId,
    /// What was taken at once because it changed nothing.
    absorbed: SmallVec<[u32; 4]>,
    /// What may take effect next, the most urgent last.
    candidates: SmallVec<[u32; 8]>,
    /// What took effect last out of the candidates.
    taken: u32,
}

/// The engine: one explanation of the whole history is tried after the other.
pub(super) struct DepthFirst<'a> {
    calls: &'a Calls,
    /// The moments that are not explained yet, as a list; number 0 is before
    /// the first, moment `m` is number `m + 1`.
    next: Vec<u32>,
    previous: Vec<u32>,
    /// Where each call stands in the list.
    invoked: Vec<u32>,
    returned: Vec<u32>,
    /// The closed calls taken, by their number among the closed, and the open
    /// ones by theirs.
    taken: Vec<u64>,
    used: Used,
    number: Vec<u32>,
    /// Calls that must be explained still.
    missing: usize,
    state: StateId,
    frames: Vec<Frame>,
    seen: FxHashMap<Place, SmallVec<[Used; 1]>>,
    is_new: bool,
}

impl<'a> DepthFirst<'a> {
    pub(super) fn new(calls: &'a Calls) -> Self {
        let count = u32::try_from(calls.moments.len()).expect("a history has < 2^31 operations");
        let mut invoked = vec![NONE; calls.calls.len()];
        let mut returned = vec![NONE; calls.calls.len()];
        for (number, moment) in (1..).zip(&calls.moments) {
            match *moment {
                Moment::Invoke(call) => invoked[call] = number,
                Moment::Return(call) => returned[call] = number,
            }
        }
        let (mut closed, mut open) = (0, 0);
        let number = returned.iter().map(|&at| {
            let counter = if at == NONE { &mut open } else { &mut closed };
            *counter += 1;
            *counter - 1
        });
        let number: Vec<u32> = number.collect();
        Self {
            calls,
            next: (1..=count).chain([NONE]).collect(),
            previous: (0..=count).map(|n| n.wrapping_sub(1)).collect(),
            invoked,
            taken: vec![0; closed.div_ceil(64) as usize],
            used: SmallVec::from_elem(0, open.div_ceil(64) as usize),
            number,
            missing: returned.iter().filter(|&&at| at != NONE).count(),
            returned,
            state: 0,
            frames: Vec::new(),
            seen: FxHashMap::default(),
            is_new: true,
        }
    }

    /// Goes on until `to` has counted `limit` steps.
    pub(super) fn run<M: Model>(&mut self, to: &mut Transitions<'_, M>, limit: u64) -> Progress {
        while to.steps < limit {
            to.steps += 1;
            if self.is_new {
                self.enter(to);
                if self.missing == 0 {
                    return Progress::Decided(Outcome::Valid);
                }
            }
            let Some(frame) = self.frames.last_mut() else {
                return Progress::Decided(Outcome::Invalid);
            };
            match frame.candidates.pop() {
                Some(call) => {
                    frame.taken = call;
                    let class = self.calls.calls[call as usize].class;
                    let after = to.step(frame.state, class);
                    self.state = after.expect("only legal operations are candidates");
                    self.take(call);
                    self.is_new = true;
                }
                None => self.leave(),
            }
        }
        Progress::More
    }

    /// Begins a new step: absorbs, and gathers candidates unless the place is
    /// known already.
    fn enter<M: Model>(&mut self, to: &mut Transitions<'_, M>) {
        self.is_new = false;
        let mut frame = Frame {
            state: self.state,
            absorbed: SmallVec::new(),
            candidates: SmallVec::new(),
            taken: NONE,
        };
        while let Some(call) = self.absorbable(to) {
            self.take(call);
            frame.absorbed.push(call);
        }
        if self.missing > 0 && self.remember() {
            self.candidates(to, &mut frame.candidates);
        }
        self.frames.push(frame);
    }

    /// Calls that may take effect now: those invoked before the first return.
    fn available(&self) -> impl Iterator<Item = u32> {
        let mut at = self.next[0];
        std::iter::from_fn(move || {
            let moment = self.calls.moments.get(usize::try_from(at).ok()?.checked_sub(1)?)?;
            let Moment::Invoke(call) = *moment else { return None };
            at = self.next[at as usize];
            u32::try_from(call).ok()
        })
    }

    /// The call whose return comes first among what is not explained yet.
    fn first_returned(&self) -> Option<u32> {
        let mut at = self.next[0];
        loop {
            let moment = self.calls.moments.get(usize::try_from(at).ok()?.checked_sub(1)?)?;
            match *moment {
                Moment::Invoke(_) => at = self.next[at as usize],
                Moment::Return(call) => return u32::try_from(call).ok(),
            }
        }
    }

    /// An observation that returns some time and fits now.
    fn absorbable<M: Model>(&self, to: &mut Transitions<'_, M>) -> Option<u32> {
        let mut available = self.available();
        available.find(|&call| {
            let call = &self.calls.calls[call as usize];
            call.returned.is_some()
                && to.is_observation(call.class)
                && to.step(self.state, call.class).is_some()
        })
    }

    fn candidates<M: Model>(&self, to: &mut Transitions<'_, M>, into: &mut SmallVec<[u32; 8]>) {
        let mut open: SmallVec<[u32; 8]> = SmallVec::new();
        let class = |at: u32| self.calls.calls[at as usize].class;
        let Some(first) = self.first_returned() else { return };
        for at in to.matter(first, self.available(), class) {
            let call = &self.calls.calls[at as usize];
            let Some(after) = to.step(self.state, call.class) else { continue };
            if to.is_observation(call.class) {
                continue;
            }
            // An open call is not used up for nothing, and one of equals will do.
            let is_equal = |other: &u32| self.calls.calls[*other as usize].class == call.class;
            let is_open = call.returned.is_none();
            if is_open && (after == self.state || open.iter().any(is_equal)) {
                continue;
            }
            into.push(at);
            if call.returned.is_none() {
                open.push(at);
            }
        }
        // The last is tried first: what returns first, and what never does last.
        into.sort_by_key(|&at| {
            std::cmp::Reverse(self.calls.calls[at as usize].returned.unwrap_or(usize::MAX))
        });
    }

    /// Undoes the last step.
    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        for &call in frame.absorbed.iter().rev() {
            self.give_back(call);
        }
        if let Some(last) = self.frames.last() {
            let call = last.taken;
            self.state = last.state;
            self.give_back(call);
        }
    }

    fn take(&mut self, call: u32) {
        let at = call as usize;
        self.flip(at);
        for moment in [self.invoked[at], self.returned[at]] {
            if moment != NONE {
                let (previous, next) = (self.previous[moment as usize], self.next[moment as usize]);
                self.next[previous as usize] = next;
                if next != NONE {
                    self.previous[next as usize] = previous;
                }
            }
        }
        self.missing -= usize::from(self.returned[at] != NONE);
    }

    fn give_back(&mut self, call: u32) {
        let at = call as usize;
        self.flip(at);
        for moment in [self.returned[at], self.invoked[at]] {
            if moment != NONE {
                let (previous, next) = (self.previous[moment as usize], self.next[moment as usize]);
                self.next[previous as usize] = moment;
                if next != NONE {
                    self.previous[next as usize] = moment;
                }
            }
        }
        self.missing += usize::from(self.returned[at] != NONE);
    }

    fn flip(&mut self, call: usize) {
        let number = self.number[call] as usize;
        let words = if self.returned[call] == NONE { &mut self.used[..] } else { &mut self.taken };
        words[number / 64] ^= 1 << (number % 64);
    }

    /// Whether this place is new: none was met with the same state and closed
    /// calls and no open call used up besides. What failed from there fails
    /// from here.
    fn remember(&mut self) -> bool {
        let first = self.taken.iter().position(|&word| word != u64::MAX).unwrap_or(0);
        let last = self.taken.iter().rposition(|&word| word != 0).map_or(first, |at| at + 1);
        let mut place: Place = SmallVec::new();
        place.push(u64::from(self.state));
        place.push(first as u64);
        place.extend_from_slice(&self.taken[first..last.max(first)]);
        let rivals = self.seen.entry(place).or_default();
        let used = &self.used;
        let is_subset = |rival: &Used| rival.iter().zip(used).all(|(a, b)| a & !b == 0);
        if rivals.iter().any(is_subset) {
            return false;
        }
        rivals.push(used.clone());
        true
    }
}
