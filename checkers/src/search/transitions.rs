use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::calls::Asked;
use crate::Model;

/// A state of the model, by number; 0 is the one before anything happened.
pub(super) type StateId = u32;

/// What a question that was not asked before costs, in questions remembered:
/// a state is made and hashed.
const COST_OF_ASKING: u64 = 8;

const ILLEGAL: StateId = StateId::MAX;

/// Every state met so far and what each class of operation makes of it, so
/// that the model is asked once for each.
pub(super) struct Transitions<'a, M: Model> {
    model: &'a M,
    classes: &'a [Asked],
    states: Vec<M::State>,
    /// The states by hash, so that each is held once.
    ids: FxHashMap<u64, SmallVec<[StateId; 2]>>,
    /// By state and class.
    known: FxHashMap<u64, StateId>,
    /// By class: whether it never changes a state.
    is_observation: Vec<bool>,
    /// How often an engine asked, or went back: the measure of work.
    pub(super) steps: u64,
}

impl<'a, M: Model> Transitions<'a, M> {
    pub(super) fn new(model: &'a M, classes: &'a [Asked]) -> Self {
        let initial = model.initial();
        let mut ids: FxHashMap<u64, SmallVec<[StateId; 2]>> = FxHashMap::default();
        ids.entry(FxBuildHasher.hash_one(&initial)).or_default().push(0);
        let is_observation = classes.iter().map(|(op, r)| model.is_observation(op, r.as_ref()));
        let is_observation = is_observation.collect();
        let known = FxHashMap::default();
        Self { model, classes, states: vec![initial], ids, known, is_observation, steps: 0 }
    }

    /// Whether operations of this class never change a state.
    pub(super) fn is_observation(&self, class: u32) -> bool {
        self.is_observation[class as usize]
    }

    /// Whether operations of these classes may change places.
    pub(super) fn commute(&self, one: u32, other: u32) -> bool {
        let asked = |class: u32| {
            let (op, response) = &self.classes[class as usize];
            (op, response.as_ref())
        };
        self.model.commute(asked(one), asked(other))
    }

    /// Those of `pending` that matter for `first`: itself and all that does not
    /// commute with one that matters. The others commute with all of these, so
    /// that they may as well take effect later.
    pub(super) fn matter<T: Copy + PartialEq>(
        &self,
        first: T,
        pending: impl Iterator<Item = T>,
        class: impl Fn(T) -> u32,
    ) -> SmallVec<[T; 16]> {
        let mut rest: SmallVec<[T; 16]> = pending.filter(|one| *one != first).collect();
        let mut found: SmallVec<[T; 16]> = SmallVec::new();
        found.push(first);
        let mut at = 0;
        while let Some(&member) = found.get(at) {
            rest.retain(|one| {
                let is_free = self.commute(class(*one), class(member));
                if !is_free {
                    found.push(*one);
                }
                is_free
            });
            at += 1;
        }
        found
    }

    /// The state after an operation, none if it could not have answered so.
    pub(super) fn step(&mut self, state: StateId, class: u32) -> Option<StateId> {
        self.steps += 1;
        let question = u64::from(state) << 32 | u64::from(class);
        let after = match self.known.get(&question) {
            Some(&after) => after,
            None => {
                self.steps += COST_OF_ASKING;
                let after = self.ask(state, class);
                self.known.insert(question, after);
                after
            }
        };
        (after != ILLEGAL).then_some(after)
    }

    fn ask(&mut self, state: StateId, class: u32) -> StateId {
        let (op, response) = &self.classes[class as usize];
        let Some(after) = self.model.step(&self.states[state as usize], op, response.as_ref())
        else {
            return ILLEGAL;
        };
        let alike = self.ids.entry(FxBuildHasher.hash_one(&after)).or_default();
        if let Some(&known) = alike.iter().find(|id| self.states[**id as usize] == after) {
            return known;
        }
        let id = u32::try_from(self.states.len()).expect("the budget is below 2^32 states");
        alike.push(id);
        self.states.push(after);
        id
    }
}
