use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use super::{
    Reduction,
    commute::Footprint,
    walk::{Ground, Walk},
};
use crate::sim::{Claim, Move, Stuck};

/// What a search of one start found.
pub(super) struct Searched {
    /// The shortest way to a break, if there is one.
    pub(super) broken: Option<(Vec<Move>, Claim)>,
    /// Complete interleavings covered.
    pub(super) interleavings: u128,
    /// Those of them in which something could have been wrong.
    pub(super) at_stake: u128,
    /// Distinct states.
    pub(super) states: usize,
    /// Whether everything within the bounds was covered.
    pub(super) coverage: Coverage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coverage {
    /// All of it, or all that is shorter than the break.
    Complete,
    /// All with fewer steps than this.
    FewerStepsThan(u32),
}

/// Complete interleavings, saturating.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) interleavings: u128,
    /// Those in which something could have been wrong.
    pub(super) at_stake: u128,
}

impl Count {
    /// Counts the ways that lead to the end of an execution.
    pub(super) fn add(&mut self, paths: u128, walk: &Walk<'_>) {
        self.interleavings = self.interleavings.saturating_add(paths);
        if walk.was_at_stake() {
            self.at_stake = self.at_stake.saturating_add(paths);
        }
    }
}

struct Node {
    parent: u32,
    by: u32,
    /// Ways that lead here, saturating.
    paths: u128,
    broken: Option<Claim>,
    /// Moves that need not be made from here: what follows them is met on
    /// every way here from another side.
    asleep: Vec<Slept>,
}

/// A move that sleeps, and what it did where it was made.
type Slept = (u32, Footprint);

/// States in order of cost. A state's cost is part of it, so when a state is
/// reached in this order every way to it has been counted.
#[derive(Default)]
struct Frontier {
    nodes: Vec<Node>,
    known: FxHashMap<u128, u32>,
    queue: BTreeMap<(u32, u32), VecDeque<u32>>,
    moves: Vec<Move>,
    numbers: FxHashMap<Move, u32>,
}

/// Searches all states from the fewest steps up (uniform-cost search), running
/// the strategy again from the beginning for every edge: futures cannot be
/// copied, and a run takes microseconds.
pub(super) fn search(ground: &Ground<'_>) -> Result<Searched, Stuck> {
    let mut frontier = Frontier::new();
    let mut count = Count::default();
    while let Some((cost, node)) = frontier.pop() {
        let path = frontier.path(node);
        if let Some(claim) = frontier.nodes[node as usize].broken {
            return Ok(frontier.end(Some((path, claim)), count, Coverage::Complete));
        }
        if ground.below.is_some_and(|below| cost.0 >= below) {
            return Ok(frontier.end(None, count, Coverage::Complete));
        }
        if frontier.nodes.len() > ground.bounds.max_states || ground.bounds.stop.asked() {
            let coverage = Coverage::FewerStepsThan(cost.0);
            return Ok(frontier.end(None, count, coverage));
        }
        let mut walk = ground.walk_along(&path)?;
        let candidates = walk.candidates();
        if candidates.is_empty() {
            if walk.over() {
                let paths = frontier.nodes[node as usize].paths;
                count.add(paths, &walk);
            }
            continue;
        }
        // A state is expanded after every way to it has been found, so what
        // sleeps here sleeps on all of them.
        let mut asleep = std::mem::take(&mut frontier.nodes[node as usize].asleep);
        let mut fresh = true;
        for a_move in &candidates {
            let number = frontier.number(a_move);
            if asleep.iter().any(|(other, _)| *other == number) {
                continue;
            }
            if !std::mem::replace(&mut fresh, false) {
                walk = ground.walk_along(&path)?;
            }
            let Some(footprint) = walk.go_and_look(a_move)? else { continue };
            let sleepers = match ground.bounds.reduction {
                Reduction::Orders => sleepers(&asleep, &footprint),
                Reduction::States | Reduction::Off => Vec::new(),
            };
            frontier.reach(node, number, sleepers, &mut walk)?;
            asleep.push((number, footprint));
        }
    }
    Ok(frontier.end(None, count, Coverage::Complete))
}

/// What may sleep after a move: everything that was made before it, here or on
/// the way here, and commutes with it.
fn sleepers(made: &[Slept], then: &Footprint) -> Vec<Slept> {
    made.iter().filter(|(_, footprint)| footprint.commutes_with(then)).cloned().collect()
}

impl Frontier {
    fn new() -> Self {
        let root = Node { parent: 0, by: 0, paths: 1, broken: None, asleep: Vec::new() };
        let mut queue = BTreeMap::new();
        queue.insert((0, 0), VecDeque::from([0]));
        Self { nodes: vec![root], queue, ..Self::default() }
    }

    fn pop(&mut self) -> Option<((u32, u32), u32)> {
        loop {
            let mut cheapest = self.queue.first_entry()?;
            let cost = *cheapest.key();
            match cheapest.get_mut().pop_front() {
                Some(node) => return Some((cost, node)),
                None => drop(cheapest.remove()),
            }
        }
    }

    fn reach(
        &mut self,
        parent: u32,
        by: u32,
        asleep: Vec<Slept>,
        walk: &mut Walk<'_>,
    ) -> Result<(), Stuck> {
        let paths = self.nodes[parent as usize].paths;
        let print = walk.fingerprint();
        if let Some(&node) = self.known.get(&print) {
            let node = &mut self.nodes[node as usize];
            node.paths = node.paths.saturating_add(paths);
            node.asleep.retain(|(slept, _)| asleep.iter().any(|(other, _)| other == slept));
            return Ok(());
        }
        let cost = walk.cost();
        let broken = match walk.broken {
            None => walk.audit()?,
            broken => broken,
        };
        let node = u32::try_from(self.nodes.len()).expect("max_states is far below 2^32");
        self.nodes.push(Node { parent, by, paths, broken, asleep });
        self.known.insert(print, node);
        self.queue.entry(cost).or_default().push_back(node);
        Ok(())
    }

    fn number(&mut self, a_move: &Move) -> u32 {
        if let Some(&number) = self.numbers.get(a_move) {
            return number;
        }
        let number = u32::try_from(self.moves.len()).expect("there are few kinds of moves");
        self.moves.push(a_move.clone());
        self.numbers.insert(a_move.clone(), number);
        number
    }

    fn path(&self, mut node: u32) -> Vec<Move> {
        let mut path = Vec::new();
        while node != 0 {
            let Node { parent, by, .. } = &self.nodes[node as usize];
            let (parent, by) = (*parent, *by);
            path.push(self.moves[by as usize].clone());
            node = parent;
        }
        path.reverse();
        path
    }

    fn end(self, broken: Option<(Vec<Move>, Claim)>, count: Count, coverage: Coverage) -> Searched {
        let Count { interleavings, at_stake } = count;
        Searched { broken, interleavings, at_stake, states: self.nodes.len(), coverage }
    }
}
