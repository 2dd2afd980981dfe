use quarrel_checkers::Cause;

use super::cause;
use crate::{
    race::{Cached, Make, Performance, Plot},
    sim::{Claim, Following, Move, Stuck},
    strategy::Action,
};

/// The most performances that shrinking makes: a plot of a hundred moves takes
/// a few thousand.
const MAX_TRIES: usize = 20_000;

/// The smallest plot that the passes below can reach from `plot` and that still
/// makes `claim` true, from the same cause if experiments name one. Every pass
/// runs until none of them changes anything.
///
/// Returns none if `claim` does not come true to begin with.
///
/// # Errors
///
/// When the strategy waits for something that is no store.
pub fn shrink(
    make: &Make<'_>,
    plot: &Plot,
    claim: Claim,
) -> Result<Option<(Plot, Performance)>, Stuck> {
    let first = plot.perform(make, claim)?;
    if !first.came_true {
        return Ok(None);
    }
    let clients = begun(&plot.clients, &first);
    let plot = Plot { moves: first.moves.clone(), clients, ..plot.clone() };
    let (why, _) = cause(make, &plot, &first.race, claim)?;
    let mut shrinking = Shrinking { make, claim, why, plot, performance: first, tries: 0 };
    loop {
        let before = shrinking.size();
        shrinking.pass()?;
        if shrinking.size() >= before || shrinking.tries >= MAX_TRIES {
            return Ok(Some((shrinking.plot, shrinking.performance)));
        }
    }
}

struct Shrinking<'a> {
    make: &'a Make<'a>,
    claim: Claim,
    /// [`Cause::Unexplained`] may become anything.
    why: Cause,
    plot: Plot,
    performance: Performance,
    tries: usize,
}

/// What shrinking makes smaller, most important first: steps, moves, changes
/// from one client to another, things that must be set up.
type Size = (usize, usize, usize, usize);

impl Shrinking<'_> {
    fn size(&self) -> Size {
        size(&self.plot)
    }

    fn pass(&mut self) -> Result<(), Stuck> {
        self.without_clients()?;
        self.without_operations()?;
        self.without_chunks()?;
        self.without_mishaps()?;
        self.with_simpler_setup()?;
        self.with_fewer_changes()
    }

    /// Takes `candidate` if the claim still comes true and it is smaller.
    fn take(&mut self, candidate: Plot) -> Result<bool, Stuck> {
        if self.tries >= MAX_TRIES {
            return Ok(false);
        }
        self.tries += 1;
        let performance = candidate.perform(self.make, self.claim)?;
        let clients = begun(&candidate.clients, &performance);
        let candidate = Plot { moves: performance.moves.clone(), clients, ..candidate };
        if !performance.came_true || size(&candidate) >= self.size() {
            return Ok(false);
        }
        if self.why != Cause::Unexplained
            && cause(self.make, &candidate, &performance.race, self.claim)?.0 != self.why
        {
            return Ok(false);
        }
        self.plot = candidate;
        self.performance = performance;
        Ok(true)
    }

    fn without_clients(&mut self) -> Result<(), Stuck> {
        for client in 0..self.plot.clients.len() {
            let mut candidate = self.plot.clone();
            candidate.moves.retain(|a_move| actor(a_move) != Some(client));
            self.take(candidate)?;
        }
        Ok(())
    }

    /// One operation less: out of its client's list, with all its turns.
    fn without_operations(&mut self) -> Result<(), Stuck> {
        for client in 0..self.plot.clients.len() {
            let mut ordinal = self.plot.clients[client].len();
            while ordinal > 0 {
                ordinal -= 1;
                let owners = &self.performance.owners;
                let mut candidate = self.plot.clone();
                candidate.clients[client].remove(ordinal);
                candidate.moves = self
                    .plot
                    .moves
                    .iter()
                    .zip(owners)
                    .filter(|(_, owner)| **owner != Some((client, ordinal)))
                    .map(|(a_move, _)| a_move.clone())
                    .collect();
                self.take(candidate)?;
            }
        }
        Ok(())
    }

    /// Delta debugging (Zeller and Hildebrandt 2002): ever smaller chunks of
    /// moves are left out.
    fn without_chunks(&mut self) -> Result<(), Stuck> {
        let mut chunk = self.plot.moves.len() / 2;
        while chunk > 0 {
            let mut at = 0;
            while at < self.plot.moves.len() {
                let mut candidate = self.plot.clone();
                let end = (at + chunk).min(candidate.moves.len());
                candidate.moves.drain(at..end);
                if !self.take(candidate)? {
                    at += chunk;
                }
            }
            chunk /= 2;
        }
        Ok(())
    }

    fn without_mishaps(&mut self) -> Result<(), Stuck> {
        for at in 0..self.plot.moves.len() {
            let mut candidate = self.plot.clone();
            match candidate.moves.get_mut(at) {
                Some(Move::Step { mishap: mishap @ Some(_), .. }) => *mishap = None,
                _ => continue,
            }
            self.take(candidate)?;
        }
        Ok(())
    }

    fn with_simpler_setup(&mut self) -> Result<(), Stuck> {
        if self.plot.replica == Following::WhenTold {
            let mut candidate = self.plot.clone();
            candidate.replica = Following::AtOnce;
            candidate.moves.retain(|a_move| *a_move != Move::Replay);
            self.take(candidate)?;
        }
        for at in 0..self.plot.keys.len() {
            let mut candidate = self.plot.clone();
            candidate.keys[at].cached = Cached::Nowhere;
            self.take(candidate)?;
        }
        for at in (0..self.plot.keys.len()).rev() {
            let used = self.plot.clients.iter().flatten().any(|action| {
                let (crate::strategy::Action::Read(key) | crate::strategy::Action::Write(key, _)) =
                    action;
                *key == self.plot.keys[at].key
            });
            if !used {
                // The numbers of agents and jobs depend on how many there are.
                let plain = self.plot.moves.iter().all(|a_move| {
                    actor(a_move).is_none_or(|actor| actor < self.plot.clients.len())
                });
                let mut candidate = self.plot.clone();
                candidate.keys.remove(at);
                if plain {
                    self.take(candidate)?;
                }
            }
        }
        Ok(())
    }

    /// Moves of one client stand together where they can.
    fn with_fewer_changes(&mut self) -> Result<(), Stuck> {
        for from in 1..self.plot.moves.len() {
            for to in (0..from).rev() {
                let mut candidate = self.plot.clone();
                if from >= candidate.moves.len() {
                    break;
                }
                let moved = candidate.moves.remove(from);
                candidate.moves.insert(to, moved);
                if self.take(candidate)? {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// The operations that clients have begun: the others would only begin in
/// experiments, and confuse them.
fn begun(clients: &[Vec<Action>], performance: &Performance) -> Vec<Vec<Action>> {
    let owners = || performance.owners.iter().flatten();
    let count = |client| {
        owners().filter(|(of, _)| *of == client).map(|(_, ordinal)| ordinal + 1).max().unwrap_or(0)
    };
    let clients = clients.iter().enumerate();
    clients.map(|(at, all)| all[..count(at).min(all.len())].to_vec()).collect()
}

fn size(plot: &Plot) -> Size {
    let is_step = |a_move: &&Move| matches!(a_move, Move::Step { .. });
    let steps = plot.moves.iter().filter(is_step).count();
    let mishaps = |a_move: &&Move| matches!(a_move, Move::Step { mishap: Some(_), .. });
    let lines = plot.moves.len() + plot.moves.iter().filter(mishaps).count();
    let changes = plot.moves.windows(2).filter(|pair| actor(&pair[0]) != actor(&pair[1])).count();
    let setup = plot.keys.iter().filter(|setup| setup.cached != Cached::Nowhere).count()
        + plot.keys.len()
        + usize::from(plot.replica == Following::WhenTold);
    (steps, lines, changes, setup)
}

/// Whose turn it is; none if nobody's.
pub(super) fn actor(a_move: &Move) -> Option<usize> {
    match a_move {
        Move::Step { actor, .. }
        | Move::Crash { actor }
        | Move::Wake { actor }
        | Move::Deliver { actor } => Some(*actor),
        Move::Replay | Move::Disturb(_) => None,
    }
}
