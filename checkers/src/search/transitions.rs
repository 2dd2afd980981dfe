use rustc_hash::FxHashMap;

use super::calls::Asked;
use crate::Model;

/// A state of the model, by number; 0 is the one before anything happened.
pub(super) type StateId = u32;

/// What a question that was not asked before costs, in questions remembered:
/// a state is made and hashed.
const COST_OF_ASKING: u64 = 8;

const ILLEGAL: u32 = u32::MAX;

/// Every state met so far and what each class of operation makes of it, so
/// that the model is asked once for each.
pub(super) struct Transitions<'a, M: Model> {
    model: &'a M,
    classes: &'a [Asked],
    states: Vec<M::State>,
    ids: FxHashMap<M::State, StateId>,
    known: FxHashMap<(StateId, u32), u32>,
    /// By class: whether it never changes a state.
    is_observation: Vec<bool>,
    /// How often an engine asked, or went back: the measure of work.
    pub(super) steps: u64,
}

impl<'a, M: Model> Transitions<'a, M> {
    pub(super) fn new(model: &'a M, classes: &'a [Asked]) -> Self {
        let initial = model.initial();
        let mut ids = FxHashMap::default();
        ids.insert(initial.clone(), 0);
        let is_observation = classes.iter().map(|(op, r)| model.is_observation(op, r.as_ref()));
        let is_observation = is_observation.collect();
        let known = FxHashMap::default();
        Self { model, classes, states: vec![initial], ids, known, is_observation, steps: 0 }
    }

    /// Whether operations of this class never change a state.
    pub(super) fn is_observation(&self, class: u32) -> bool {
        self.is_observation[class as usize]
    }

    /// The state after an operation, none if it could not have answered so.
    pub(super) fn step(&mut self, state: StateId, class: u32) -> Option<StateId> {
        self.steps += 1;
        let after = match self.known.get(&(state, class)) {
            Some(&after) => after,
            None => {
                self.steps += COST_OF_ASKING;
                let after = self.ask(state, class);
                self.known.insert((state, class), after);
                after
            }
        };
        (after != ILLEGAL).then_some(after)
    }

    fn ask(&mut self, state: StateId, class: u32) -> u32 {
        let (op, response) = &self.classes[class as usize];
        let Some(after) = self.model.step(&self.states[state as usize], op, response.as_ref())
        else {
            return ILLEGAL;
        };
        if let Some(&known) = self.ids.get(&after) {
            return known;
        }
        let id = u32::try_from(self.states.len()).expect("the budget is below 2^32 states");
        self.states.push(after.clone());
        self.ids.insert(after, id);
        id
    }
}
