use quarrel_sim::{Claim, Move, Stuck};

use super::{
    search::{Count, Coverage, Mailing, Searched},
    walk::{SearchSpace, Walk},
};

/// Runs every interleaving, one after the other, and forgets nothing but what
/// does not matter: the oracle of [`search`](super::search::search), and the
/// way to explore strategies whose clients share more than the stores.
///
/// An interleaving that breaks is complete where it breaks.
pub(super) fn brute(space: &SearchSpace<'_>) -> Result<Searched, Stuck> {
    let mut tried = Tried::default();
    let mut best: Option<((u32, u32), Vec<Move>, Claim)> = None;
    let mut count = Count::default();
    let mut mailing = Mailing::default();
    loop {
        let mut walk = space.walk();
        tried.run(&mut walk)?;
        let cost = walk.cost();
        let over = walk.over();
        let so_far = walk.was_at_stake();
        mailing = mailing.max(Mailing::of(&walk.simulation));
        if over {
            walk.tell_what_came_of_it();
        }
        let broken = match walk.broken {
            None => walk.audit()?,
            broken => broken,
        };
        let complete = u128::from(over || broken.is_some());
        count.interleavings += complete;
        count.at_stake += if so_far { complete } else { 0 };
        if let Some(claim) = broken
            && best.as_ref().is_none_or(|(found, ..)| cost < *found)
        {
            best = Some((cost, tried.path(), claim));
        }
        if !tried.advance() {
            break;
        }
    }
    let broken = best.map(|(_, path, claim)| (path, claim));
    let Count { interleavings, at_stake } = count;
    let coverage = Coverage::Complete;
    Ok(Searched { broken, interleavings, at_stake, states: 0, coverage, mailing })
}

/// The moves tried at each depth: the current one is the last of those that
/// are left.
#[derive(Default)]
struct Tried(Vec<Vec<Move>>);

impl Tried {
    /// Goes the current way again and on to a complete interleaving.
    fn run(&mut self, walk: &mut Walk<'_>) -> Result<(), Stuck> {
        let mut depth = 0;
        while walk.broken.is_none() {
            if depth == self.0.len() {
                let mut candidates = walk.candidates();
                if candidates.is_empty() {
                    return Ok(());
                }
                candidates.reverse();
                self.0.push(candidates);
            }
            let Some(a_move) = self.0[depth].last() else { return Ok(()) };
            if !walk.go(a_move)? {
                // The walk is spoilt; whoever comes next starts afresh.
                return self.retry(walk, depth);
            }
            depth += 1;
            if walk.broken.is_none() && walk.could_end() && !walk.over() {
                // An audit spoils the execution, so another one is spent on it.
                let so_far: Vec<Move> =
                    self.0[..depth].iter().filter_map(|moves| moves.last().cloned()).collect();
                let claim = walk.again(&so_far)?.audit()?;
                if claim.is_some() {
                    walk.broken = claim;
                    self.0.truncate(depth);
                }
            }
        }
        Ok(())
    }

    /// Drops an impossible move and goes on with the next one.
    fn retry(&mut self, walk: &mut Walk<'_>, depth: usize) -> Result<(), Stuck> {
        self.0.truncate(depth + 1);
        self.0[depth].pop();
        walk.restart();
        if self.0[depth].is_empty() {
            self.0.pop();
            return Ok(());
        }
        self.run(walk)
    }

    /// On to the next way; whether there is one.
    fn advance(&mut self) -> bool {
        while let Some(last) = self.0.last_mut() {
            last.pop();
            if !last.is_empty() {
                return true;
            }
            self.0.pop();
        }
        false
    }

    fn path(&self) -> Vec<Move> {
        self.0.iter().filter_map(|moves| moves.last().cloned()).collect()
    }
}
