use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use quarrel_sim::{
    Claim, Disturbance, Happened, LogicalOperation, Move, OperationEnding, Setting, Simulation,
    Stuck,
};

use super::{
    Bounds, Start,
    bounds::KEY,
    commute::{Before, Footprint},
    moves::{Struck, candidates, cost, make},
    symmetry::{Named, Symmetry},
};
use crate::race::Make;

/// One start of a search: where executions begin.
pub(super) struct SearchSpace<'a> {
    pub(super) make: &'a Make<'a>,
    pub(super) bounds: &'a Bounds,
    pub(super) start: Start,
    pub(super) setting: Arc<Setting>,
    /// Only executions with fewer steps are searched.
    pub(super) below: Option<u32>,
    /// Which clients may change names.
    pub(super) symmetry: Symmetry,
    /// What came of whole executions; none where nobody wants to know.
    pub(super) outcomes: Option<Mutex<BTreeSet<Vec<String>>>>,
}

/// One execution, as far as it has got.
pub(super) struct Walk<'a> {
    space: &'a SearchSpace<'a>,
    pub(super) simulation: Simulation,
    struck: Struck,
    cost: (u32, u32),
    judged: u128,
    /// What broke, once something has.
    pub(super) broken: Option<Claim>,
}

impl<'a> SearchSpace<'a> {
    pub(super) fn walk(&'a self) -> Walk<'a> {
        Walk {
            space: self,
            simulation: Simulation::new((self.make)(), &self.setting),
            struck: Struck::default(),
            cost: (0, 0),
            judged: 0,
            broken: None,
        }
    }

    /// An execution that has made `moves`, all of which are possible.
    pub(super) fn walk_along(&'a self, moves: &[Move]) -> Result<Walk<'a>, Stuck> {
        let mut walk = self.walk();
        for a_move in moves {
            let possible = walk.go(a_move)?;
            debug_assert!(possible, "a path was possible before: {a_move:?}");
        }
        Ok(walk)
    }

    /// The auditor of guarantees about the end, who takes no part before.
    pub(super) fn auditor(&self) -> usize {
        self.setting.scripts.len() - 1
    }
}

impl<'a> Walk<'a> {
    /// Another execution that has made `moves`.
    pub(super) fn again(&self, moves: &[Move]) -> Result<Walk<'a>, Stuck> {
        self.space.walk_along(moves)
    }

    /// The same execution once more, to go on in another way.
    pub(super) fn fork(&self) -> Self {
        Self {
            space: self.space,
            simulation: self.simulation.fork((self.space.make)()),
            struck: self.struck,
            cost: self.cost,
            judged: self.judged,
            broken: self.broken,
        }
    }

    /// Steps and other moves so far.
    pub(super) const fn cost(&self) -> (u32, u32) {
        self.cost
    }

    /// Every move that may be possible next.
    pub(super) fn candidates(&self) -> Vec<Move> {
        if self.over() {
            return Vec::new();
        }
        candidates(&self.simulation, self.space, self.struck)
    }

    /// Back to the beginning.
    pub(super) fn restart(&mut self) {
        *self = self.space.walk();
    }

    /// Makes a move; what it did, or none if it was not possible.
    pub(super) fn go_and_look(&mut self, a_move: &Move) -> Result<Option<Footprint>, Stuck> {
        let before = Before::of(&self.simulation);
        let possible = self.go(a_move)?;
        // After the last step of all nothing else is possible: what comes
        // before it is not the same after it.
        let footprint = || {
            if self.over() {
                Footprint::of_the_last()
            } else {
                Footprint::of(a_move, &before, &self.simulation)
            }
        };
        Ok(possible.then(footprint))
    }

    /// Makes a move; whether it was possible.
    pub(super) fn go(&mut self, a_move: &Move) -> Result<bool, Stuck> {
        let made = make(&mut self.simulation, self.space.bounds, self.struck, a_move)?;
        if made == Happened::Impossible {
            return Ok(false);
        }
        self.struck.note(a_move);
        let (steps, events) = cost(a_move);
        self.cost = (self.cost.0 + steps, self.cost.1 + events);
        self.judge();
        Ok(true)
    }

    /// Whether every client has done all it had to; for guarantees about the
    /// end also every agent and job.
    pub(super) fn over(&self) -> bool {
        let simulation = &self.simulation;
        let end = self.space.bounds.is_about_the_end();
        self.others()
            .filter(|actor| end || simulation.is_client(*actor))
            .all(|actor| simulation.idle(actor) && !simulation.could_begin(actor))
            && (!end || simulation.delayed().next().is_none())
    }

    /// Whether it could end here, if those who have not begun never do, and
    /// the guarantee is about the end.
    pub(super) fn could_end(&self) -> bool {
        let simulation = &self.simulation;
        let nothing_pending = |actor| {
            simulation.idle(actor)
                && (simulation.is_client(actor) || !simulation.could_begin(actor))
        };
        self.space.bounds.is_about_the_end()
            && self.others().all(nothing_pending)
            && simulation.delayed().next().is_none()
    }

    /// Whether something could have been wrong: a read that returned began
    /// after a write had been acknowledged, or, for guarantees about the end,
    /// which are looked at by a read of its own, one was acknowledged at all.
    pub(super) fn was_at_stake(&self) -> bool {
        let operations = self.simulation.logical().operations();
        let is_acknowledged =
            |played: &LogicalOperation| matches!(played.ending, Some(OperationEnding::Written(_)));
        if self.space.bounds.is_about_the_end() {
            return operations.iter().any(is_acknowledged);
        }
        let acknowledged = operations
            .iter()
            .enumerate()
            .filter(|(_, played)| is_acknowledged(played))
            .fold(0_u128, |places, (place, _)| places | 1 << place);
        operations.iter().any(|played| {
            matches!(played.ending, Some(OperationEnding::Read(_)))
                && played.before & acknowledged != 0
        })
    }

    fn others(&self) -> impl Iterator<Item = usize> {
        let auditor = self.space.auditor();
        (0..self.simulation.actors()).filter(move |actor| *actor != auditor)
    }

    /// What is wrong if it ends here, for guarantees about the end. The
    /// execution is spoilt by this.
    pub(super) fn audit(&mut self) -> Result<Option<Claim>, Stuck> {
        if !self.could_end() {
            return Ok(None);
        }
        self.simulation.world.release_acknowledgements();
        self.simulation.perform(&Move::Disturb(Disturbance::CatchUp))?;
        if self.space.bounds.guarantee == quarrel_checkers::Guarantee::Eventual {
            self.outlive_every_entry()?;
        }
        let read = self.simulation.run_alone(self.space.auditor())?;
        let row =
            read.and_then(|place| match &self.simulation.logical().operations()[place].ending {
                Some(quarrel_sim::OperationEnding::Read(row)) => row.clone(),
                _ => None,
            });
        Ok(Claim::in_the_end(self.simulation.logical(), &self.simulation.world, KEY, row.as_ref()))
    }

    /// Stands for everything that what comes later depends on. Its cost is
    /// part of a state, so that every state has one cost, and every way to it
    /// has been found when the search goes on from it. States that differ only
    /// in who of those that do the same did what are one.
    pub(super) fn fingerprint(&self) -> Named {
        let beside = (self.struck, self.cost);
        self.space.symmetry.fingerprint(&self.simulation, |print| print.add(&beside))
    }

    /// Puts down what each client did and saw, in no order of clients, where
    /// somebody wants to know.
    pub(super) fn tell_what_came_of_it(&self) {
        let Some(outcomes) = &self.space.outcomes else { return };
        let client = |client| {
            let its = self.simulation.logical().operations().iter();
            let its = its.filter(|played| played.actor == client);
            let seen: Vec<_> = its.map(|played| (&played.action, &played.ending)).collect();
            format!("{seen:?}")
        };
        let mut told: Vec<String> = (0..self.space.auditor()).map(client).collect();
        told.sort_unstable();
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(told);
    }

    fn judge(&mut self) {
        for (place, played) in self.simulation.logical().operations().iter().enumerate() {
            if played.ending.is_none() || self.judged & (1 << place) != 0 {
                continue;
            }
            self.judged |= 1 << place;
            let initial = |_| self.space.start.row();
            let guarantee = self.space.bounds.guarantee;
            let claim = Claim::against(guarantee, self.simulation.logical(), place, initial);
            self.broken = self.broken.or(claim);
        }
    }

    fn outlive_every_entry(&mut self) -> Result<(), Stuck> {
        let now = self.simulation.world.now;
        let last =
            self.simulation.world.cache.entries(now).filter_map(|(_, entry)| entry.expires).max();
        if let Some(last) = last {
            self.simulation.perform(&Move::Disturb(Disturbance::Wait(last.since(now))))?;
        }
        Ok(())
    }
}
