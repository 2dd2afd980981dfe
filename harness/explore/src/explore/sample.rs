use std::cell::RefCell;

use proptest::{
    collection,
    prelude::any,
    strategy::{Strategy, ValueTree},
    test_runner::{TestCaseError, TestError, TestRunner},
};
use quarrel_sim::{Claim, Move, Stuck};

use super::{
    runner::runner,
    threads::together,
    walk::{SearchSpace, Walk},
};

/// Priority changes in one interleaving: most known concurrency bugs need no
/// more than this many (Burckhardt et al., ASPLOS 2010).
const CHANGES: usize = 3;

/// Turns that are drawn; then they begin again.
const TURNS: usize = 48;

/// Far more moves than an interleaving of a few operations has.
const MAX_MOVES: usize = 1_000;

/// Who moves when, by probabilistic concurrency testing (Burckhardt et al.,
/// ASPLOS 2010): every actor has a priority, the highest one that can move
/// moves, and at a few points the running one falls to the bottom. In between
/// replays and faults strike. The simplest schedule is the one in which the
/// actors move one after the other and nothing strikes.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// By actor; who joins later has the last one.
    priorities: Vec<u16>,
    /// After how many steps the running actor falls to the bottom.
    changes: Vec<u32>,
    /// For each turn, none for the next step, else which of all that is
    /// possible happens.
    turns: Vec<Option<u16>>,
}

/// Schedules for so many actors.
pub(super) fn schedules(actors: usize) -> impl Strategy<Value = Schedule> {
    let changes = collection::vec(0..40_u32, CHANGES);
    let turns = collection::vec(any::<u32>(), TURNS);
    (collection::vec(1_u16.., actors + 1), changes, turns).prop_map(
        |(priorities, changes, turns)| {
            let turns = turns.into_iter().map(turn).collect();
            Schedule { priorities, changes, turns }
        },
    )
}

/// One move in four is something other than a step of the first actor. Drawn as
/// one number, of which the small ones are the simple turns, it takes a tenth of
/// the time of a choice between two kinds.
fn turn(drawn: u32) -> Option<u16> {
    const OTHERS: u32 = u32::MAX / 4 * 3;
    drawn.checked_sub(OTHERS).map(|choice| choice as u16)
}

/// What a schedule led to.
pub(super) struct Led {
    pub(super) moves: Vec<Move>,
    /// Steps and other moves.
    pub(super) cost: (u32, u32),
    pub(super) broken: Option<Claim>,
    /// Whether something could have been wrong.
    pub(super) was_at_stake: bool,
}

impl Schedule {
    /// Lets the actors of `space` move as the schedule says.
    pub(super) fn follow(&self, space: &SearchSpace<'_>) -> Result<Led, Stuck> {
        let mut walk = space.walk();
        let mut priorities = self.priorities.clone();
        let mut moves: Vec<Move> = Vec::new();
        for turn in 0..MAX_MOVES {
            if walk.broken.is_some() {
                break;
            }
            // Work that an operation puts off joins in later.
            priorities.resize(walk.simulation.actors().max(priorities.len()), self.last());
            let choice = self.turns[turn % self.turns.len()];
            let Some(a_move) = go_somewhere(&mut walk, &moves, choice, &priorities)? else { break };
            if let Move::Step { actor, .. } = a_move
                && self.changes.contains(&walk.cost().0)
            {
                priorities[actor] = 0;
            }
            moves.push(a_move);
        }
        let cost = walk.cost();
        let was_at_stake = walk.was_at_stake();
        let broken = match walk.broken {
            None => walk.audit()?,
            broken => broken,
        };
        Ok(Led { moves, cost, broken, was_at_stake })
    }

    fn last(&self) -> u16 {
        self.priorities.last().copied().unwrap_or(1)
    }
}

/// Makes the move that is due, or the next possible one if it turns out to be
/// impossible; none if no move is possible.
fn go_somewhere(
    walk: &mut Walk<'_>,
    path: &[Move],
    choice: Option<u16>,
    priorities: &[u16],
) -> Result<Option<Move>, Stuck> {
    let mut candidates = walk.candidates();
    while !candidates.is_empty() {
        let a_move = due(&candidates, choice, priorities);
        if walk.go(&a_move)? {
            return Ok(Some(a_move));
        }
        // An impossible move may have begun an operation all the same.
        candidates.retain(|candidate| *candidate != a_move);
        walk.restart();
        for done in path {
            walk.go(done)?;
        }
    }
    Ok(None)
}

fn due(candidates: &[Move], choice: Option<u16>, priorities: &[u16]) -> Move {
    let step = || {
        let steps = candidates.iter().filter_map(|a_move| match a_move {
            Move::Step { actor, mishap: None } => Some((priorities[*actor], a_move)),
            _ => None,
        });
        // Of several with the same priority the first.
        steps.rev().max_by_key(|(priority, _)| *priority).map(|(_, step)| step)
    };
    let chosen = choice.map_or_else(step, |n| candidates.get(usize::from(n) % candidates.len()));
    // Where nobody can make a step something else has to happen.
    chosen.unwrap_or(&candidates[0]).clone()
}

/// What was drawn.
pub(super) struct Sampled {
    /// The shortest way to a break, if there is one.
    pub(super) broken: Option<(Vec<Move>, Claim)>,
    /// Interleavings in which something could have been wrong.
    pub(super) at_stake: u128,
}

/// So many schedules are drawn before any of them is followed.
const BATCH: usize = 1_024;

/// Draws schedules and finds the shortest break that they lead to. Proptest
/// draws them, and shrinks each that breaks sooner than those before it. They
/// are followed on as many threads as the bounds say, and looked at in the
/// order in which they were drawn.
pub(super) fn sample(space: &SearchSpace<'_>) -> Result<Sampled, Stuck> {
    let bounds = space.bounds;
    let mut left = usize::try_from(bounds.samples).unwrap_or(usize::MAX);
    let mut runner = runner(bounds.seed, u32::try_from(left).unwrap_or(u32::MAX));
    let schedules = schedules(space.walk().simulation.actors());
    let mut best: Option<Led> = None;
    let mut at_stake = 0_u128;
    while left > 0 && !bounds.stop.asked() {
        let count = left.min(BATCH);
        left -= count;
        let drawn = (0..count).map(|_| schedules.new_tree(&mut runner));
        // It rejects nothing that it draws.
        let drawn: Vec<_> = drawn.filter_map(Result::ok).collect();
        let each: Vec<Schedule> = drawn.iter().map(ValueTree::current).collect();
        let led = together(bounds.threads.get(), &each, |schedule| match bounds.stop.asked() {
            true => Ok(None),
            false => schedule.follow(space).map(Some),
        });
        for (tree, led) in drawn.into_iter().zip(led) {
            let Some(led) = led? else { break };
            at_stake += u128::from(led.was_at_stake);
            if led.broken.is_some() && is_shorter(&led, best.as_ref()) {
                best = Some(shrunk(space, &mut runner, tree, best.as_ref())?.unwrap_or(led));
            }
        }
    }
    let broken = best.and_then(|led| led.broken.map(|claim| (led.moves, claim)));
    Ok(Sampled { broken, at_stake })
}

fn is_shorter(led: &Led, best: Option<&Led>) -> bool {
    best.is_none_or(|best| led.cost < best.cost)
}

/// What the simplest schedule leads to that comes of `tree` and breaks sooner
/// than the best one so far; none if somebody stopped it.
fn shrunk(
    space: &SearchSpace<'_>,
    runner: &mut TestRunner,
    tree: impl ValueTree<Value = Schedule>,
    best: Option<&Led>,
) -> Result<Option<Led>, Stuck> {
    let stuck = RefCell::new(None);
    let found = runner.run_one(tree, |schedule| {
        if space.bounds.stop.asked() {
            return Err(TestCaseError::reject("asked to stop"));
        }
        let led = schedule.follow(space).map_err(|error| {
            stuck.borrow_mut().get_or_insert(error);
            TestCaseError::reject(error.to_string())
        })?;
        match led.broken.filter(|_| is_shorter(&led, best)) {
            Some(claim) => Err(TestCaseError::fail(claim.word())),
            None => Ok(()),
        }
    });
    if let Some(error) = stuck.take() {
        return Err(error);
    }
    match found {
        Err(TestError::Fail(_, schedule)) => schedule.follow(space).map(Some),
        Ok(_) | Err(TestError::Abort(_)) => Ok(None),
    }
}
