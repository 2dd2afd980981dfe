use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::walk::{Ground, Walk};
use crate::sim::{Claim, Move, Stuck};

/// Priority changes in one interleaving: most known concurrency bugs need no
/// more than this many (Burckhardt et al., ASPLOS 2010).
const CHANGES: usize = 3;

/// Far more moves than an interleaving of a few operations has.
const MAX_MOVES: usize = 10_000;

/// Draws interleavings by probabilistic concurrency testing (Burckhardt et
/// al., ASPLOS 2010): every client has a random priority, the highest one that
/// can move moves, and at a few random points the running one falls to the
/// bottom. Replays and faults strike at random between the steps.
///
/// Returns the shortest break among the samples.
pub(super) fn sample(ground: &Ground<'_>) -> Result<Option<(Vec<Move>, Claim)>, Stuck> {
    let mut random = ChaCha8Rng::seed_from_u64(ground.bounds.seed);
    let mut best: Option<((u32, u32), Vec<Move>, Claim)> = None;
    for _ in 0..ground.bounds.samples {
        if ground.bounds.stop.asked() {
            break;
        }
        let mut walk = ground.walk();
        let mut path = Vec::new();
        let mut priorities: Vec<u32> =
            (0..walk.stage.actors()).map(|_| random.random_range(1_000..2_000)).collect();
        let mut changes: Vec<u32> = (0..CHANGES).map(|_| random.random_range(0..40)).collect();
        changes.sort_unstable();
        for _ in 0..MAX_MOVES {
            if walk.broken.is_some() {
                break;
            }
            // Work that an operation puts off joins in later.
            while priorities.len() < walk.stage.actors() {
                priorities.push(random.random_range(1_000..2_000));
            }
            let mut candidates = walk.candidates();
            let Some(a_move) = go_somewhere(&mut walk, &mut candidates, &path, |moves| {
                draw(moves, &priorities, &mut random)
            })?
            else {
                break;
            };
            if let Move::Step { actor, .. } = a_move
                && changes.contains(&walk.cost().0)
            {
                priorities[actor] = random.random_range(0..1_000);
            }
            path.push(a_move);
        }
        let cost = walk.cost();
        let broken = match walk.broken {
            None => walk.audit()?,
            broken => broken,
        };
        if let Some(claim) = broken
            && best.as_ref().is_none_or(|(found, ..)| cost < *found)
        {
            best = Some((cost, path, claim));
        }
    }
    Ok(best.map(|(_, path, claim)| (path, claim)))
}

/// Makes the first possible move of those that `draw` draws; none if no move
/// is possible.
fn go_somewhere(
    walk: &mut Walk<'_>,
    candidates: &mut Vec<Move>,
    path: &[Move],
    mut draw: impl FnMut(&[Move]) -> Move,
) -> Result<Option<Move>, Stuck> {
    while !candidates.is_empty() {
        let a_move = draw(candidates);
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

fn draw(candidates: &[Move], priorities: &[u32], random: &mut ChaCha8Rng) -> Move {
    let is_step = |a_move: &&Move| matches!(a_move, Move::Step { mishap: None, .. });
    let first = candidates.iter().filter(is_step).max_by_key(|a_move| match a_move {
        Move::Step { actor, .. } => priorities[*actor],
        _ => 0,
    });
    match first {
        // One move in four is something other than a step of the first client.
        Some(step) if random.random_ratio(3, 4) => step.clone(),
        _ => candidates[random.random_range(0..candidates.len())].clone(),
    }
}
