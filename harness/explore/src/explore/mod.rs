//! Every interleaving of a few operations: finds the smallest break of a
//! strategy, or shows that there is none within the bounds.
//!
//! The strategy's own code runs, on simulated stores, once per interleaving.
//! A *step* is one call to primary, replica or cache; replays, faults and
//! waits are moves that cost no step. States are searched from the fewest
//! steps up, so the break that is reported has the fewest steps of all within
//! the bounds.
//!
//! Steps are taken as instantaneous: a call is executed, answered and acted
//! upon before anything else happens, and an operation begins with its first
//! step and ends with its last. Nothing is lost by that: whatever else happens
//! between a call and its answer commutes with one of the two, and an
//! operation that began earlier or ended later would be bound by less.
//!
//! What a client is told without having asked is an exception: of several
//! messages that are on their way to it, all have arrived when it looks, or
//! none.

mod bounds;
mod brute;
mod cause;
mod commute;
mod evidence;
mod experiment;
#[cfg(test)]
mod failover_tests;
mod fewer;
mod ladder;
mod moves;
mod recorded;
mod report;
mod runner;
mod sample;
mod search;
mod shrink;
mod symmetry;
#[cfg(test)]
mod tests;
mod threads;
mod walk;

use std::sync::Arc;

use quarrel_checkers::{Evidence, RunOutcome, Stake, Validity};

pub use bounds::{Bounds, KEY, Reduction, Start};
pub use cause::{Experiment, Why, cause};
pub use evidence::claim;
pub use ladder::{Ladder, LadderBreak, LadderRung, ladder};
pub use quarrel_strategy::faults::{PlacedFault, PlacedFaultError};
pub use recorded::{Recording, recorded};
pub use report::{Finding, Report, report, shrink_race};
pub use search::Mailing;
pub use shrink::shrink;

use self::{
    search::{Coverage, Searched},
    symmetry::Symmetry,
    walk::SearchSpace,
};
use crate::race::{Cached, Course, Make, Setup};
use quarrel_sim::{Claim, Move, Setting, Stuck};

/// What an exploration found.
#[derive(Clone)]
pub struct Exploration {
    /// The shortest break, if there is one.
    pub broken: Option<Break>,
    /// Complete interleavings covered, saturating; with [`Reduction::Orders`]
    /// those that differ in nothing but the order of commuting moves may be
    /// counted once. When there is a break, only those that are complete with
    /// fewer steps.
    pub interleavings: u128,
    /// Those of them in which something could have been wrong: a write had been
    /// acknowledged before a read began that returned.
    pub at_stake: u128,
    /// Distinct states met; 0 without reduction.
    pub states: usize,
    /// How far "none" reaches.
    pub extent: Extent,
    /// What became of messages to clients.
    pub mailing: Mailing,
}

/// How far an exploration reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every interleaving within the bounds, up to the break if there is one.
    Exhaustive,
    /// Every interleaving with fewer steps than this, and a random sample of
    /// the rest.
    Sampled {
        /// Below this many steps it is exhaustive.
        exhaustive_below_steps: u32,
        /// Interleavings drawn beyond that.
        samples: u64,
    },
}

/// A way to break a strategy.
#[derive(Clone)]
pub struct Break {
    /// What happened.
    pub claim: Claim,
    /// Where it began.
    pub start: Start,
    /// The simulation that it began on.
    pub setting: Arc<Setting>,
    /// The moves, in order.
    pub moves: Vec<Move>,
    /// How many of them are steps.
    pub steps: usize,
}

/// Searches everything within `bounds`.
///
/// # Errors
///
/// When the strategy waits for something that is no store.
pub fn explore(make: &Make<'_>, bounds: &Bounds) -> Result<Exploration, Stuck> {
    let mut total = Exploration {
        broken: None,
        interleavings: 0,
        at_stake: 0,
        states: 0,
        extent: Extent::Exhaustive,
        mailing: Mailing::None,
    };
    for &start in &bounds.starts {
        let setting = Arc::new(bounds.setting(&make(), start));
        // Only what is shorter than the break is of interest from now on.
        let below = total.broken.as_ref().and_then(|broken| u32::try_from(broken.steps).ok());
        let symmetry = Symmetry::of(&setting.scripts);
        let mut space =
            SearchSpace { make, bounds, start, setting, below, symmetry, outcomes: None };
        let mut searched = match bounds.reduction {
            Reduction::States | Reduction::Orders => search::search(&space)?,
            Reduction::Off => brute::brute(&space)?,
        };
        if space.symmetry.is_broken() {
            space.symmetry = Symmetry::none(&space.setting.scripts);
            searched = search::search(&space)?;
        }
        total.add(&space, start, searched)?;
    }
    Ok(total)
}

impl Break {
    /// The break as something to perform, change and write down.
    #[must_use]
    pub fn course(&self) -> Course {
        let cached = match self.start {
            Start::Cold | Start::Absent => Cached::Nowhere,
            Start::Warm => Cached::ByStrategy,
        };
        let scripts = &self.setting.scripts;
        Course {
            keys: vec![Setup { key: KEY, value: self.start.row().map(|row| row.value), cached }],
            replica: self.setting.replica,
            // Without the auditor.
            clients: scripts[..scripts.len() - 1].to_vec(),
            moves: self.moves.clone(),
        }
    }
}

impl Exploration {
    /// What it comes to. Nothing held while some of it was only sampled, nor
    /// where no read could have been wrong.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        let validity = match (&self.broken, self.extent) {
            (Some(_), _) => Validity::Invalid,
            (None, Extent::Sampled { .. }) => Validity::Unknown,
            (None, Extent::Exhaustive) => Validity::Valid,
        };
        let count = u64::try_from(self.at_stake).unwrap_or(u64::MAX);
        RunOutcome::of(validity, Evidence::counted(Stake::Executions, count))
    }

    fn add(
        &mut self,
        space: &SearchSpace<'_>,
        start: Start,
        searched: Searched,
    ) -> Result<(), Stuck> {
        self.interleavings = self.interleavings.saturating_add(searched.interleavings);
        self.at_stake = self.at_stake.saturating_add(searched.at_stake);
        self.states += searched.states;
        self.mailing = self.mailing.max(searched.mailing);
        let mut broken = searched.broken;
        if let Coverage::FewerStepsThan(steps) = searched.coverage {
            let samples = space.bounds.samples;
            // The start that was searched least decides.
            let steps = match self.extent {
                Extent::Exhaustive => steps,
                Extent::Sampled { exhaustive_below_steps, .. } => exhaustive_below_steps.min(steps),
            };
            self.extent = Extent::Sampled { exhaustive_below_steps: steps, samples };
            let sampled = sample::sample(space)?;
            broken = sampled.broken;
            self.at_stake = self.at_stake.saturating_add(sampled.at_stake);
        }
        let Some((moves, claim)) = broken else { return Ok(()) };
        let steps = moves.iter().filter(|a_move| matches!(a_move, Move::Step { .. })).count();
        let found = Break { claim, start, setting: Arc::clone(&space.setting), moves, steps };
        let shorter =
            |best: &Break| (found.steps, found.moves.len()) < (best.steps, best.moves.len());
        if self.broken.as_ref().is_none_or(shorter) {
            self.broken = Some(found);
        }
        Ok(())
    }
}
