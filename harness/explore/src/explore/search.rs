use std::collections::{BTreeMap, VecDeque};

use quarrel_sim::{Claim, Move, Simulation, Stuck};
use rustc_hash::FxHashMap;

use super::{Reduction, commute::Footprint, symmetry::Named, threads::together, walk::SearchSpace};

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
    /// What became of messages to clients.
    pub(super) mailing: Mailing,
}

/// Whether clients are told anything that they have not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mailing {
    /// Nobody is told anything.
    #[default]
    None,
    /// Messages are sent. When their client looks, all of them have arrived or
    /// none.
    AllOrNothing,
}

impl Mailing {
    pub(super) fn of(simulation: &Simulation) -> Self {
        if simulation.world.cache.posted().sent() > 0 { Self::AllOrNothing } else { Self::None }
    }
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
    /// Counts more ways that lead to the end of an execution.
    fn add(&mut self, more: Self) {
        self.interleavings = self.interleavings.saturating_add(more.interleavings);
        self.at_stake = self.at_stake.saturating_add(more.at_stake);
    }
}

struct Node {
    parent: u32,
    by: u32,
    /// Ways that lead here, saturating.
    paths: u128,
    broken: Option<Claim>,
    /// The names by which its moves are put down.
    naming: usize,
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
    mailing: Mailing,
}

/// So many states are expanded at a time: enough for every thread, and few
/// where the search ends among them. It is the same for every number of
/// threads, as are the states.
const BATCH: usize = 256;

/// What one state leads to.
struct Expansion {
    /// Whether everything is over.
    is_complete: bool,
    /// Whether something could have been wrong in it, if it is.
    was_at_stake: bool,
    mailing: Mailing,
    made: Vec<Made>,
}

/// A move that was made from a state, and what is there.
struct Made {
    a_move: Move,
    footprint: Footprint,
    state: Named,
    cost: (u32, u32),
    broken: Option<Claim>,
}

/// Searches all states from the fewest steps up (uniform-cost search). To be
/// expanded a state is reached once more from the beginning, as futures cannot be
/// copied, and is then forked for every move: whoever makes it lives through what
/// it was told once more, and nobody else does.
///
/// Every move costs something, so states of one cost do not lead to each other:
/// they are expanded at once, on as many threads as the bounds say, and what
/// they lead to is taken up in their order.
pub(super) fn search(space: &SearchSpace<'_>) -> Result<Searched, Stuck> {
    let mut frontier = Frontier::new();
    let mut count = Count::default();
    while let Some((cost, batch)) = frontier.pop() {
        // What breaks or is out of bounds is not expanded, nor what follows it.
        let is_last = |node: &u32| frontier.nodes[*node as usize].broken.is_some();
        let wanted = batch.iter().position(is_last).unwrap_or(batch.len());
        let too_far = space.below.is_some_and(|below| cost.0 >= below);
        let wanted = if too_far { 0 } else { wanted };
        let expansions = frontier.expand(space, &batch[..wanted])?;
        let mut expansions = expansions.into_iter();
        for node in batch {
            if let Some(claim) = frontier.nodes[node as usize].broken {
                let path = frontier.path(node);
                return Ok(frontier.end(Some((path, claim)), count, Coverage::Complete));
            }
            if too_far {
                return Ok(frontier.end(None, count, Coverage::Complete));
            }
            let is_enough = frontier.nodes.len() > space.bounds.max_states;
            if is_enough || space.bounds.stop.asked() || space.symmetry.is_broken() {
                let coverage = Coverage::FewerStepsThan(cost.0);
                return Ok(frontier.end(None, count, coverage));
            }
            let expansion = expansions.next().expect("every state before a break is expanded");
            if expansion.is_complete {
                let paths = frontier.nodes[node as usize].paths;
                let at_stake = if expansion.was_at_stake { paths } else { 0 };
                count.add(Count { interleavings: paths, at_stake });
            }
            frontier.take_up(node, expansion, space.bounds.reduction);
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
        let root = Node { parent: 0, by: 0, paths: 1, broken: None, naming: 0, asleep: Vec::new() };
        let mut queue = BTreeMap::new();
        queue.insert((0, 0), VecDeque::from([0]));
        Self { nodes: vec![root], queue, ..Self::default() }
    }

    /// The next states, all of one cost.
    fn pop(&mut self) -> Option<((u32, u32), Vec<u32>)> {
        loop {
            let mut cheapest = self.queue.first_entry()?;
            let cost = *cheapest.key();
            let queue = cheapest.get_mut();
            if queue.is_empty() {
                drop(cheapest.remove());
                continue;
            }
            let count = BATCH.min(queue.len());
            return Some((cost, queue.drain(..count).collect()));
        }
    }

    /// Expands states, on several threads where that is wanted.
    fn expand(&self, space: &SearchSpace<'_>, batch: &[u32]) -> Result<Vec<Expansion>, Stuck> {
        let threads = space.bounds.threads.get();
        together(threads, batch, |node| self.expand_one(space, *node)).into_iter().collect()
    }

    fn expand_one(&self, space: &SearchSpace<'_>, node: u32) -> Result<Expansion, Stuck> {
        let walk = space.walk_along(&self.path(node))?;
        let candidates = walk.candidates();
        let is_complete = candidates.is_empty() && walk.over();
        let was_at_stake = is_complete && walk.was_at_stake();
        if is_complete {
            walk.tell_what_came_of_it();
        }
        let mailing = Mailing::of(&walk.simulation);
        let mut expansion = Expansion { is_complete, was_at_stake, mailing, made: Vec::new() };
        // A state is expanded after every way to it has been found, so what
        // sleeps here sleeps on all of them.
        let asleep = &self.nodes[node as usize].asleep;
        for a_move in candidates {
            let number = self.numbers.get(&a_move);
            if asleep.iter().any(|(other, _)| Some(other) == number) {
                continue;
            }
            let mut walk = walk.fork();
            let Some(footprint) = walk.go_and_look(&a_move)? else { continue };
            let (state, cost) = (walk.fingerprint(), walk.cost());
            let broken = match walk.broken {
                // Whoever found it has looked.
                _ if self.known.contains_key(&state.print) => None,
                None => walk.audit()?,
                broken => broken,
            };
            expansion.made.push(Made { a_move, footprint, state, cost, broken });
        }
        Ok(expansion)
    }

    /// Adds what a state leads to.
    fn take_up(&mut self, node: u32, expansion: Expansion, reduction: Reduction) {
        self.mailing = self.mailing.max(expansion.mailing);
        let mut asleep = std::mem::take(&mut self.nodes[node as usize].asleep);
        for made in expansion.made {
            let number = self.number(&made.a_move);
            let sleepers = match reduction {
                Reduction::Orders => sleepers(&asleep, &made.footprint),
                Reduction::States | Reduction::Off => Vec::new(),
            };
            asleep.push((number, made.footprint.clone()));
            self.reach(node, number, sleepers, made);
        }
    }

    fn reach(&mut self, parent: u32, by: u32, asleep: Vec<Slept>, made: Made) {
        let paths = self.nodes[parent as usize].paths;
        let Named { print, naming } = made.state;
        if let Some(&node) = self.known.get(&print) {
            let node = &mut self.nodes[node as usize];
            node.paths = node.paths.saturating_add(paths);
            if node.naming == naming {
                node.asleep.retain(|(slept, _)| asleep.iter().any(|(other, _)| other == slept));
            } else {
                // What sleeps there has other names here; nothing sleeps then.
                node.asleep.clear();
            }
            return;
        }
        let node = u32::try_from(self.nodes.len()).expect("max_states is far below 2^32");
        self.nodes.push(Node { parent, by, paths, broken: made.broken, naming, asleep });
        self.known.insert(print, node);
        self.queue.entry(made.cost).or_default().push_back(node);
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
        let (states, mailing) = (self.nodes.len(), self.mailing);
        Searched { broken, interleavings, at_stake, states, coverage, mailing }
    }
}
