use std::cell::RefCell;

use quarrel_checkers::{Cause, History, Index, Invalidation};
use quarrel_sim::{Claim, Following, Move, Stuck};
use quarrel_strategy::strategy::Action;

use super::{
    Why,
    cause::{cause, cause_of},
    evidence::evident,
    fewer::fewer,
};
use crate::race::{Aim, Cached, Course, Make, SimulatedRace};

/// The most simulations that shrinking makes: a course of a hundred moves takes
/// a few thousand.
const MAX_TRIES: usize = 20_000;

/// What a course must go on showing while it gets smaller, beside the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Steps that show this cause.
    Shown(Cause),
    /// That experiments name this cause.
    Proved(Cause),
    /// Nothing: neither steps nor experiments tell why.
    Unknown,
}

/// The smallest course that the passes below can reach from `course` and that still
/// makes `claim` true, from the same cause if its steps show one or experiments
/// name one. Proptest shrinks it first; then every pass runs until none of them
/// changes anything: without any one of its moves it no longer shows the same.
///
/// Returns none if `claim` does not come true to begin with.
///
/// # Errors
///
/// When the strategy waits for something that is no store.
pub fn shrink(
    make: &Make<'_>,
    course: &Course,
    claim: Claim,
) -> Result<Option<(Course, SimulatedRace)>, Stuck> {
    let shrunk = shrink_shown(make, course, claim, None)?;
    Ok(shrunk.map(|(course, performance, _)| (course, performance)))
}

/// As [`shrink`], of the operation `of` if one is given; and what it kept.
pub(super) fn shrink_shown(
    make: &Make<'_>,
    course: &Course,
    claim: Claim,
    of: Option<(usize, usize)>,
) -> Result<Option<(Course, SimulatedRace, Kept)>, Stuck> {
    let first = course.perform_until(make, Aim { of, ..Aim::at(claim) })?;
    let Some(victim) = first.victim else { return Ok(None) };
    let course = what_happened(course, &first);
    let kept = match evident(&first.history, make().invalidation(), victim, claim) {
        Cause::Unexplained => proved(make, &course, claim)?,
        cause => Kept::Shown(cause),
    };
    let shrinking = Shrinking { make, claim, kept, course, performance: first, tries: 0 };
    shrinking.run().map(|(course, performance)| Some((course, performance, kept)))
}

/// What comes of a course, and the course without what does not happen; none if
/// `claim` does not come true of it for the same reason.
pub(super) fn shown(
    make: &Make<'_>,
    claim: Claim,
    kept: Kept,
    course: &Course,
) -> Result<Option<(Course, SimulatedRace)>, Stuck> {
    let by = make().invalidation();
    let counts = |history: &History, victim: Index| kept.counts(history, by, victim, claim);
    let performance = course.perform_until(make, Aim { claim, of: None, counts: &counts })?;
    if !performance.came_true {
        return Ok(None);
    }
    let course = what_happened(course, &performance);
    if let Kept::Proved(wanted) = kept
        && cause(make, &course, claim)?.cause != wanted
    {
        return Ok(None);
    }
    Ok(Some((course, performance)))
}

/// Why what was shrunk goes wrong.
pub(super) fn why(
    make: &Make<'_>,
    course: &Course,
    claim: Claim,
    kept: Kept,
) -> Result<Why, Stuck> {
    let by = make().invalidation();
    let counts = |history: &History, victim: Index| kept.counts(history, by, victim, claim);
    cause_of(make, course, Aim { claim, of: None, counts: &counts })
}

impl Kept {
    /// Whether what came true shows what must be shown.
    fn counts(self, history: &History, by: Invalidation, victim: Index, claim: Claim) -> bool {
        match self {
            Self::Shown(cause) => evident(history, by, victim, claim) == cause,
            Self::Proved(_) | Self::Unknown => true,
        }
    }
}

fn proved(make: &Make<'_>, course: &Course, claim: Claim) -> Result<Kept, Stuck> {
    Ok(match cause(make, course, claim)?.cause {
        Cause::Unexplained => Kept::Unknown,
        cause => Kept::Proved(cause),
    })
}

/// The course without what did not happen.
pub(super) fn what_happened(course: &Course, performance: &SimulatedRace) -> Course {
    let clients = begun(&course.clients, performance);
    Course { moves: performance.moves.clone(), clients, ..course.clone() }
}

struct Shrinking<'a> {
    make: &'a Make<'a>,
    claim: Claim,
    kept: Kept,
    course: Course,
    performance: SimulatedRace,
    tries: usize,
}

/// What shrinking makes smaller, most important first: steps, moves, changes
/// from one client to another, things that must be set up.
type Size = (usize, usize, usize, usize);

impl Shrinking<'_> {
    fn size(&self) -> Size {
        size(&self.course)
    }

    fn run(mut self) -> Result<(Course, SimulatedRace), Stuck> {
        self.by_proptest()?;
        loop {
            let before = self.size();
            self.pass()?;
            if self.size() >= before || self.tries >= MAX_TRIES {
                return Ok((self.course, self.performance));
            }
        }
    }

    fn pass(&mut self) -> Result<(), Stuck> {
        self.without_clients()?;
        self.without_operations()?;
        self.without_chunks()?;
        self.without_mishaps()?;
        self.with_simpler_setup()?;
        self.with_fewer_changes()
    }

    fn shown(&self, candidate: &Course) -> Result<Option<(Course, SimulatedRace)>, Stuck> {
        shown(self.make, self.claim, self.kept, candidate)
    }

    /// Takes `candidate` if it shows the same and is smaller.
    fn take(&mut self, candidate: &Course) -> Result<bool, Stuck> {
        if self.tries >= MAX_TRIES {
            return Ok(false);
        }
        self.tries += 1;
        match self.shown(candidate)? {
            Some((course, performance)) if size(&course) < self.size() => {
                (self.course, self.performance) = (course, performance);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Proptest leaves out clients, operations and chunks of moves, as long as
    /// that leaves what is shown.
    fn by_proptest(&mut self) -> Result<(), Stuck> {
        let with = |kept: &[usize]| {
            let moves = kept.iter().map(|at| self.course.moves[*at].clone()).collect();
            Course { moves, ..self.course.clone() }
        };
        let stuck = RefCell::new(None);
        let holds = |kept: &[usize]| match self.shown(&with(kept)) {
            Ok(shown) => shown.is_some(),
            Err(error) => {
                stuck.borrow_mut().get_or_insert(error);
                false
            }
        };
        let smaller = with(&fewer(self.course.moves.len(), self.groups(), holds));
        match stuck.into_inner() {
            Some(error) => Err(error),
            None => self.take(&smaller).map(drop),
        }
    }

    /// The positions of each client's moves, then of each operation's.
    fn groups(&self) -> Vec<Vec<usize>> {
        let moves = || self.course.moves.iter().enumerate();
        let of_client = |client| {
            moves().filter(|(_, a_move)| actor(a_move) == Some(client)).map(|(at, _)| at).collect()
        };
        let mut groups: Vec<Vec<usize>> = (0..self.course.clients.len()).map(of_client).collect();
        let mut owners: Vec<_> = self.performance.owners.iter().flatten().collect();
        owners.sort_unstable();
        owners.dedup();
        groups.extend(owners.into_iter().rev().map(|owner| {
            let is_its = |other: &Option<(usize, usize)>| other.as_ref() == Some(owner);
            let all = self.performance.owners.iter().enumerate();
            all.filter(|(_, other)| is_its(other)).map(|(at, _)| at).collect()
        }));
        groups
    }

    fn without_clients(&mut self) -> Result<(), Stuck> {
        for client in 0..self.course.clients.len() {
            let mut candidate = self.course.clone();
            candidate.moves.retain(|a_move| actor(a_move) != Some(client));
            self.take(&candidate)?;
        }
        Ok(())
    }

    /// One operation less: out of its client's list, with all its turns.
    fn without_operations(&mut self) -> Result<(), Stuck> {
        for client in 0..self.course.clients.len() {
            let mut ordinal = self.course.clients[client].len();
            while ordinal > 0 {
                ordinal -= 1;
                let owners = &self.performance.owners;
                let mut candidate = self.course.clone();
                candidate.clients[client].remove(ordinal);
                candidate.moves = self
                    .course
                    .moves
                    .iter()
                    .zip(owners)
                    .filter(|(_, owner)| **owner != Some((client, ordinal)))
                    .map(|(a_move, _)| a_move.clone())
                    .collect();
                self.take(&candidate)?;
            }
        }
        Ok(())
    }

    /// Delta debugging (Zeller and Hildebrandt 2002): ever smaller chunks of
    /// moves are left out.
    fn without_chunks(&mut self) -> Result<(), Stuck> {
        let mut chunk = self.course.moves.len() / 2;
        while chunk > 0 {
            let mut at = 0;
            while at < self.course.moves.len() {
                let mut candidate = self.course.clone();
                let end = (at + chunk).min(candidate.moves.len());
                candidate.moves.drain(at..end);
                if !self.take(&candidate)? {
                    at += chunk;
                }
            }
            chunk /= 2;
        }
        Ok(())
    }

    fn without_mishaps(&mut self) -> Result<(), Stuck> {
        for at in 0..self.course.moves.len() {
            let mut candidate = self.course.clone();
            match candidate.moves.get_mut(at) {
                Some(Move::Step { mishap: mishap @ Some(_), .. }) => *mishap = None,
                _ => continue,
            }
            self.take(&candidate)?;
        }
        Ok(())
    }

    fn with_simpler_setup(&mut self) -> Result<(), Stuck> {
        if self.course.replica == Following::WhenTold {
            let mut candidate = self.course.clone();
            candidate.replica = Following::AtOnce;
            candidate.moves.retain(|a_move| *a_move != Move::Replay);
            self.take(&candidate)?;
        }
        for at in 0..self.course.keys.len() {
            let mut candidate = self.course.clone();
            candidate.keys[at].cached = Cached::Nowhere;
            self.take(&candidate)?;
        }
        for at in (0..self.course.keys.len()).rev() {
            let used = self.course.clients.iter().flatten().any(|action| {
                let (quarrel_strategy::strategy::Action::Read(key)
                | quarrel_strategy::strategy::Action::Write(key, _)) = action;
                *key == self.course.keys[at].key
            });
            if !used {
                // The numbers of agents and jobs depend on how many there are.
                let plain = self.course.moves.iter().all(|a_move| {
                    actor(a_move).is_none_or(|actor| actor < self.course.clients.len())
                });
                let mut candidate = self.course.clone();
                candidate.keys.remove(at);
                if plain {
                    self.take(&candidate)?;
                }
            }
        }
        Ok(())
    }

    /// Moves of one client stand together where they can.
    fn with_fewer_changes(&mut self) -> Result<(), Stuck> {
        for from in 1..self.course.moves.len() {
            for to in (0..from).rev() {
                let mut candidate = self.course.clone();
                if from >= candidate.moves.len() {
                    break;
                }
                let moved = candidate.moves.remove(from);
                candidate.moves.insert(to, moved);
                if self.take(&candidate)? {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// The operations that clients have begun: the others would only begin in
/// experiments, and confuse them.
fn begun(clients: &[Vec<Action>], performance: &SimulatedRace) -> Vec<Vec<Action>> {
    let owners = || performance.owners.iter().flatten();
    let count = |client| {
        owners().filter(|(of, _)| *of == client).map(|(_, ordinal)| ordinal + 1).max().unwrap_or(0)
    };
    let clients = clients.iter().enumerate();
    clients.map(|(at, all)| all[..count(at).min(all.len())].to_vec()).collect()
}

fn size(course: &Course) -> Size {
    let is_step = |a_move: &&Move| matches!(a_move, Move::Step { .. });
    let steps = course.moves.iter().filter(is_step).count();
    let mishaps = |a_move: &&Move| matches!(a_move, Move::Step { mishap: Some(_), .. });
    let lines = course.moves.len() + course.moves.iter().filter(mishaps).count();
    let changes = course.moves.windows(2).filter(|pair| actor(&pair[0]) != actor(&pair[1])).count();
    let setup = course.keys.iter().filter(|setup| setup.cached != Cached::Nowhere).count()
        + course.keys.len()
        + usize::from(course.replica == Following::WhenTold);
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
